package capture

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
)

// shape is what the shape of a word means.
type shape struct {
	mask  uint64 // of the bytes that follow
	size  uint8  // their number
	shift uint8  // of their place in the word
	wrong bool   // beyond the word
}

const (
	shapeMask = 1<<6 - 1

	// unchanged is the shape of no bytes, which is 0. It reads as eight bytes above
	// six zero ones, which no word has.
	unchanged = 6<<3 | 7
)

var shapes = makeShapes()

func makeShapes() (table [shapeMask + 1]shape) {
	for i := range table {
		low, n := i>>3, i&7+1
		switch {
		case i == unchanged:
		case low+n > 8:
			table[i].wrong = true
		default:
			table[i] = shape{mask: math.MaxUint64 >> (64 - 8*n), size: uint8(n), shift: uint8(8 * low)}
		}
	}
	return table
}

// slack is how many bytes behind a payload must be readable, so that words are
// read whole at its end.
const slack = 16

// decoded is what is known of a point within a block: its latest sample, and how the
// differences of its values are packed.
type decoded struct {
	bits    uint64
	mask    uint64 // of width bits
	id      acquire.PointID
	quality acquire.Quality
	kind    acquire.Kind
	packing
}

var errBlock = errors.New("block is malformed")

// decoder takes one block apart, batch by batch. It keeps its memory from block
// to block.
type decoder struct {
	points    func(acquire.PointID) acquire.PointID // what a point of the file is here
	described int                                   // points that the file describes

	buf []byte // the payload and slack

	batches int // left
	samples int // left
	events  int // left
	batch   int // number of the next one

	dict      []byte // as encoded, of which ids are made
	nameless  bool   // some of the points have none here
	states    []decoded
	first     []decoded // the same before the first sample, without values
	sets      [][]acquire.PointID
	known     map[string][]acquire.PointID // sets by their encoding
	knownSize int                          // points in known

	texts     []textRef
	textBytes []byte
	values    []textValue // by number of the text

	index    int64 // of the latest sample's point
	appeared int64 // points that have had a sample
	step     int64 // of the current run
	run      uint64
	time     acquire.Instant // of the latest sample
	group    group
	until    uint64 // samples before the next change
	bit      uint   // of the payload, where the next difference of values begins

	header   header
	heads    cursor
	eventCol cursor
	steps    cursor
	times    cursor
	changes  cursor
	data     cursor
}

// group is what is left of a group of differences.
type group struct {
	left  uint64
	width uint   // 0: each is equal
	equal uint64 // what they are equal to
	bit   uint   // of the payload, where the next one begins
}

// textValue is a text put into a batch, which is the latest if the numbers are
// equal.
type textValue struct {
	batch int
	value acquire.Value
}

// cursor is a column: a part of the payload.
type cursor struct{ at, end int }

// uvarint reads a number of a column; it fails beyond its end.
func (d *decoder) uvarint(c *cursor) (uint64, error) {
	if c.at >= c.end {
		return 0, errBlock
	}
	z, n := binary.Uvarint(d.buf[c.at:c.end])
	if n <= 0 {
		return 0, errBlock
	}
	c.at += n
	return z, nil
}

// length reads a number that is at most limit.
func (d *decoder) length(c *cursor, limit int) (int, error) {
	z, err := d.uvarint(c)
	if err != nil || limit < 0 || z > uint64(limit) {
		return 0, errBlock
	}
	return int(z), nil
}

func (d *decoder) byte(c *cursor) (byte, error) {
	if c.at >= c.end {
		return 0, errBlock
	}
	c.at++
	return d.buf[c.at-1], nil
}

func (d *decoder) bytes(c *cursor, n int) ([]byte, error) {
	if n > c.end-c.at {
		return nil, errBlock
	}
	c.at += n
	return d.buf[c.at-n : c.at], nil
}

// isBlock tells a payload of ours from others.
func isBlock(payload []byte) bool {
	return len(payload) > len(blockMark) && string(payload[:len(blockMark)]) == blockMark
}

// blockOffset returns where the chunk of a block was written, -1 if it does not say.
func blockOffset(payload []byte) int64 {
	offset, n := binary.Uvarint(payload[len(blockMark):])
	if n <= 0 || offset > math.MaxInt64 {
		return -1
	}
	return int64(offset)
}

// open begins a block. buf holds the payload and, behind its length n, slack
// bytes of any content. It belongs to the decoder until the next open.
func (d *decoder) open(buf []byte, n int) error {
	d.batches, d.samples, d.events, d.batch = 0, 0, 0, 0
	d.buf = buf
	if !isBlock(buf[:n]) {
		return errBlock
	}
	head := cursor{len(blockMark), n}
	if _, err := d.uvarint(&head); err != nil {
		return err
	}
	var counts [6]int
	limits := [...]int{maxBatches, maxSamples, maxEvents, maxSamples, maxBatches, maxSamples}
	for i := range counts {
		var err error
		if counts[i], err = d.length(&head, limits[i]); err != nil {
			return err
		}
	}
	var columns [12]cursor
	for i := range columns {
		size, err := d.length(&head, n)
		if err != nil {
			return err
		}
		columns[i].end = size
	}
	at := head.at
	for i := range columns {
		size := columns[i].end
		if size > n-at {
			return errBlock
		}
		columns[i] = cursor{at, at + size}
		at += size
	}
	batches, samples, events := counts[0], counts[1], counts[2]
	dict, firsts, shapes, sets, texts := columns[0], columns[1], columns[2], columns[3], columns[4]
	d.textBytes = buf[columns[5].at:columns[5].end]
	d.eventCol, d.heads, d.steps = columns[6], columns[7], columns[8]
	d.times, d.changes, d.data = columns[9], columns[10], columns[11]
	if at != n || counts[3] > samples || counts[3] > shapes.end-shapes.at {
		return errBlock
	}
	if err := d.openDictionary(dict, counts[3]); err != nil {
		return err
	}
	if err := d.openStates(firsts, shapes); err != nil {
		return err
	}
	if err := d.openSets(sets, counts[4]); err != nil {
		return err
	}
	if err := d.openTexts(texts, counts[5]); err != nil {
		return err
	}
	d.batches, d.samples, d.events = batches, samples, events
	d.index, d.appeared, d.step, d.run = 0, 0, 0, 0
	d.time, d.group, d.header = 0, group{}, header{}
	d.bit = 8 * uint(d.data.at)
	return d.nextChange()
}

// nextChange reads how many samples there are before the next change.
func (d *decoder) nextChange() (err error) {
	d.until = math.MaxUint64
	if d.changes.at < d.changes.end {
		if d.until, err = d.uvarint(&d.changes); err == nil && d.changes.at == d.changes.end {
			err = errBlock
		}
	}
	return err
}

// numbers yields n numbers of runs.
func (d *decoder) numbers(c *cursor, n int, yield func(i int, x int64) error) error {
	last := int64(0)
	for i := 0; i < n; {
		step, length, err := d.nextRun(c)
		if err != nil || length > uint64(n-i) {
			return errBlock
		}
		for range length {
			last += step
			if err := yield(i, last); err != nil {
				return err
			}
			i++
		}
	}
	return nil
}

func (d *decoder) nextRun(c *cursor) (step int64, length uint64, err error) {
	z, err := d.uvarint(c)
	if err != nil {
		return 0, 0, err
	}
	length = 1
	if z&1 != 0 {
		more, err := d.uvarint(c)
		if err != nil || more > math.MaxUint32 {
			return 0, 0, errBlock
		}
		length = more + 2
	}
	return unzigzag(z >> 1), length, nil
}

// openDictionary reads which points the block has. Blocks that follow each
// other mostly have the same, which is then not made anew.
func (d *decoder) openDictionary(c cursor, n int) error {
	if encoded := d.buf[c.at:c.end]; len(d.first) == n && n > 0 && string(encoded) == string(d.dict) {
		return nil
	}
	d.dict = append(d.dict[:0], d.buf[c.at:c.end]...)
	d.nameless = false
	d.first = slices.Grow(d.first[:0], n)[:n]
	err := d.numbers(&c, n, func(i int, x int64) error {
		if x < 0 || x > math.MaxUint32 {
			return errBlock
		}
		d.first[i] = decoded{id: d.points(acquire.PointID(x))}
		d.nameless = d.nameless || d.first[i].id == 0
		return nil
	})
	if err == nil {
		err = d.numbers(&c, n, func(i int, x int64) error {
			if x < 0 || x > int64(acquire.KindText) {
				return errBlock
			}
			d.first[i].kind = acquire.Kind(x)
			return nil
		})
	}
	if err == nil {
		err = d.numbers(&c, n, func(i int, x int64) error {
			if x < 0 || x > math.MaxUint32 {
				return errBlock
			}
			d.first[i].quality = acquire.Quality(x)
			return nil
		})
	}
	if err == nil && c.at != c.end {
		err = errBlock
	}
	if err != nil {
		d.dict, d.first = d.dict[:0], d.first[:0]
	}
	return err
}

// openStates reads the first value of each point, and how those that follow are
// packed.
func (d *decoder) openStates(firsts, shapeCol cursor) error {
	d.states = append(d.states[:0], d.first...)
	buf, at, shape := d.buf, firsts.at, shapeCol.at
	for i := range d.states {
		if at >= firsts.end || shape >= shapeCol.end {
			return errBlock
		}
		st := &d.states[i]
		sh := &shapes[buf[at]&shapeMask]
		if sh.wrong || buf[at] > shapeMask || int(sh.size) > firsts.end-at-1 {
			return errBlock
		}
		st.bits = le.Uint64(buf[at+1:]) & sh.mask << (sh.shift & 63)
		at += 1 + int(sh.size)

		how := buf[shape]
		shape++
		if how == 0 {
			continue
		}
		width := how &^ sparsePacking
		if shape >= shapeCol.end || width == 0 || width > 64 || buf[shape] > 64-width {
			return errBlock
		}
		st.packing = packing{low: buf[shape], width: width, sparse: how != width}
		st.mask = math.MaxUint64 >> (64 - width)
		shape++
	}
	if at != firsts.end || shape != shapeCol.end {
		return errBlock
	}
	return nil
}

// minSet is how many points a set may have that the file does not describe.
// Without such a bound, a few bytes would stand for millions.
const minSet = 1 << 16

// openSets reads the sets of points that batches speak for. A set goes out to
// whoever reads the batch and is never changed, so that each is made once.
func (d *decoder) openSets(c cursor, n int) error {
	clear(d.sets)
	d.sets = d.sets[:0]
	total := 0
	for range n {
		start := c.at
		size, err := d.length(&c, max(d.described, minSet))
		if err != nil || size == 0 || total >= maxSets {
			return errBlock
		}
		total += size
		body := c
		for left := uint64(size); left > 0; {
			_, length, err := d.nextRun(&c)
			if err != nil || length > left {
				return errBlock
			}
			left -= length
		}
		encoded := d.buf[start:c.at]
		set, ok := d.known[string(encoded)]
		if !ok {
			set = make([]acquire.PointID, size)
			err := d.numbers(&body, size, func(i int, x int64) error {
				if x < 0 || x > math.MaxUint32 {
					return errBlock
				}
				set[i] = d.points(acquire.PointID(x))
				return nil
			})
			if err != nil {
				return err
			}
			d.keep(string(encoded), set)
		}
		d.sets = append(d.sets, set)
	}
	if c.at != c.end {
		return errBlock
	}
	return nil
}

// keep remembers a set, and forgets all when they get many.
func (d *decoder) keep(encoded string, set []acquire.PointID) {
	if d.known == nil {
		d.known = make(map[string][]acquire.PointID)
	}
	if len(d.known) >= maxBatches || d.knownSize >= maxSets {
		clear(d.known)
		d.knownSize = 0
	}
	d.known[encoded] = set
	d.knownSize += len(set)
}

func (d *decoder) openTexts(c cursor, n int) error {
	d.texts = d.texts[:0]
	at := 0
	for range n {
		size, err := d.length(&c, acquire.MaxText)
		if err != nil || size > len(d.textBytes)-at {
			return errBlock
		}
		d.texts = append(d.texts, textRef{at, at + size})
		at += size
	}
	if c.at != c.end || at != len(d.textBytes) {
		return errBlock
	}
	d.values = slices.Grow(d.values[:0], n)[:n]
	clear(d.values)
	return nil
}
