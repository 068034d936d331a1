package capture

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
)

// shape is what the low six bits of a control mean.
type shape struct {
	mask  uint64 // of the bytes that follow
	size  uint8  // their number
	shift uint8  // of their place in the word
	wrong bool   // beyond the word
}

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
const slack = 8

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
	nameless  bool   // some of ids are 0
	ids       []acquire.PointID
	states    []state
	first     []state
	sets      [][]acquire.PointID
	known     map[string][]acquire.PointID // sets by their encoding
	knownSize int                          // points in known

	texts     []textRef
	textBytes []byte
	values    []textValue // by number of the text

	index int64 // of the latest sample's point
	step  int64 // of the current run
	run   uint64
	time  acquire.Instant
	zeros uint64

	header   header
	heads    cursor
	eventCol cursor
	steps    cursor
	times    cursor
	kinds    cursor
	quals    cursor
	controls cursor
	data     cursor
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
	dict, sets, texts := columns[0], columns[1], columns[2]
	d.textBytes = buf[columns[3].at:columns[3].end]
	d.eventCol, d.heads, d.steps, d.times = columns[4], columns[5], columns[6], columns[7]
	d.kinds, d.quals, d.controls, d.data = columns[8], columns[9], columns[10], columns[11]
	if at != n || d.controls.end-d.controls.at != samples || counts[3] > samples {
		return errBlock
	}
	if err := d.openDictionary(dict, counts[3]); err != nil {
		return err
	}
	if err := d.openSets(sets, counts[4]); err != nil {
		return err
	}
	if err := d.openTexts(texts, counts[5]); err != nil {
		return err
	}
	d.batches, d.samples, d.events = batches, samples, events
	d.index, d.step, d.run, d.time, d.zeros, d.header = 0, 0, 0, 0, 0, header{}
	return nil
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
		copy(d.states, d.first)
		return nil
	}
	d.dict = append(d.dict[:0], d.buf[c.at:c.end]...)
	d.nameless = false
	d.ids = slices.Grow(d.ids[:0], n)[:n]
	d.first = slices.Grow(d.first[:0], n)[:n]
	d.states = slices.Grow(d.states[:0], n)[:n]
	err := d.numbers(&c, n, func(i int, x int64) error {
		if x < 0 || x > math.MaxUint32 {
			return errBlock
		}
		d.ids[i] = d.points(acquire.PointID(x))
		d.nameless = d.nameless || d.ids[i] == 0
		return nil
	})
	if err == nil {
		err = d.numbers(&c, n, func(i int, x int64) error {
			if x < 0 || x > int64(acquire.KindText) {
				return errBlock
			}
			d.first[i] = state{kind: acquire.Kind(x)}
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
		return err
	}
	copy(d.states, d.first)
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
