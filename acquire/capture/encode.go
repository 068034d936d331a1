package capture

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
)

// What one block holds at most. A batch beyond is recorded in pieces.
const (
	maxSamples = 1 << 20
	maxBatches = 1 << 14
	maxEvents  = 1 << 10
	maxText    = 1 << 20 // bytes of text, beyond what one batch holds
	maxSets    = 1 << 24 // points in all sets of points, which is one set of all points
)

// blockMark opens the payload of a block and names the version of its layout.
const blockMark = "FTB1"

// A sample is written as a byte of control, and the bytes in which its value
// differs from the value before of the same point. The low six bits of the
// control say how many zero bytes are left out below (bits 3 to 5) and how many
// bytes follow, less one (bits 0 to 2). The other two say what else changed for
// the point.
const (
	kindChanges    = 1 << 6 // a byte in the column of kinds
	qualityChanges = 1 << 7 // a number in the column of qualities
	shapeMask      = 1<<6 - 1

	// unchanged stands for no bytes at all. It reads as eight bytes above six
	// zero ones, which no word has.
	unchanged = 6<<3 | 7
)

// state is what is known of a point within a block: its latest sample.
type state struct {
	bits    uint64
	quality acquire.Quality
	kind    acquire.Kind
}

// encoder builds the payload of one block, column by column. It keeps its
// memory from block to block.
type encoder struct {
	samples int
	batches int
	events  int

	local  []uint32                   // index+1 of a point in states, by id
	others map[acquire.PointID]uint32 // the same for ids that no Catalog gives
	ids    []acquire.PointID          // points in order of appearance
	states []state                    // by index
	first  []state                    // how each point appeared, without bits
	sets   [][]acquire.PointID        // distinct sets of points of batches
	inSets int                        // points in all sets

	textIndex map[acquire.Value]uint32 // of the texts of the batch being added
	texts     []textRef                // of the block
	textBytes []byte

	index  int64 // of the latest sample's point
	steps  runs
	time   acquire.Instant
	zeros  uint64 // samples at the same time as the one before, not written yet
	header header // of the latest batch

	heads    []byte
	eventCol []byte
	times    []byte
	kinds    []byte
	quals    []byte
	controls []byte
	data     []byte
	scratch  runs
	dict     []byte
	setCol   []byte

	textLengths []byte

	unreadable uint64 // texts that could not be read, since ever
}

// header is what a batch has beside samples, as differences are taken from it.
type header struct {
	received  acquire.Instant
	watermark acquire.Instant
}

// textRef is where a text lies.
type textRef struct{ start, end int }

func (t textRef) of(b []byte) []byte { return b[t.start:t.end] }

// reset empties the encoder.
func (e *encoder) reset() {
	for _, id := range e.ids {
		if int64(id) < int64(len(e.local)) {
			e.local[id] = 0
		}
	}
	clear(e.others)
	clear(e.sets)
	e.samples, e.batches, e.events = 0, 0, 0
	e.ids, e.states, e.first = e.ids[:0], e.states[:0], e.first[:0]
	e.sets, e.inSets = e.sets[:0], 0
	e.texts, e.textBytes = e.texts[:0], e.textBytes[:0]
	e.index, e.time, e.zeros, e.header = 0, 0, 0, header{}
	e.steps.reset()
	e.heads, e.eventCol, e.times = e.heads[:0], e.eventCol[:0], e.times[:0]
	e.kinds, e.quals, e.controls, e.data = e.kinds[:0], e.quals[:0], e.controls[:0], e.data[:0]
}

func (e *encoder) empty() bool { return e.batches == 0 && e.events == 0 }

// flags of a batch head.
const (
	headLost      = 1 << iota // the number of lost samples follows
	headWatermark             // the watermark is not as far behind Received as before
	headSet                   // the number of the set of points follows
)

// addBatch adds a batch with the samples given, which are some of b's.
func (e *encoder) addBatch(b *acquire.Batch, h header, points []acquire.PointID, lost uint64, samples []acquire.Sample) {
	flags := byte(0)
	if lost != 0 {
		flags |= headLost
	}
	lag := int64(h.received) - int64(h.watermark)
	if lag != int64(e.header.received)-int64(e.header.watermark) {
		flags |= headWatermark
	}
	set := uint64(0)
	if len(points) != 0 {
		set = e.set(points)
		flags |= headSet
	}
	e.heads = append(e.heads, flags)
	e.heads = binary.AppendUvarint(e.heads, uint64(len(samples)))
	e.heads = binary.AppendUvarint(e.heads, zigzag(int64(h.received)-int64(e.header.received)))
	if flags&headWatermark != 0 {
		e.heads = binary.AppendUvarint(e.heads, zigzag(lag))
	}
	if flags&headLost != 0 {
		e.heads = binary.AppendUvarint(e.heads, lost)
	}
	if flags&headSet != 0 {
		e.heads = binary.AppendUvarint(e.heads, set)
	}
	e.header = h
	e.batches++
	e.addTimes(samples)
	e.addValues(b, samples)
	e.samples += len(samples)
}

// set returns the number of a set of points, which is new to the block or not.
// Batches share their slices, so that looking at where it lies mostly suffices.
func (e *encoder) set(points []acquire.PointID) uint64 {
	for i, known := range e.sets {
		if len(known) == len(points) && (&known[0] == &points[0] || slices.Equal(known, points)) {
			return uint64(i)
		}
	}
	e.sets = append(e.sets, points)
	e.inSets += len(points)
	return uint64(len(e.sets) - 1)
}

// addTimes writes the differences from each time to the next. A difference of 0 is
// followed by how many more there are.
func (e *encoder) addTimes(samples []acquire.Sample) {
	e.times = slices.Grow(e.times, 2*binary.MaxVarintLen64*(len(samples)+1))
	col, pos := e.times[:cap(e.times)], len(e.times)
	last, zeros := e.time, e.zeros
	for i := range samples {
		t := samples[i].Time
		if t == last {
			zeros++
			continue
		}
		if zeros > 0 {
			pos += putZeros(col[pos:], zeros)
			zeros = 0
		}
		z := zigzag(int64(t) - int64(last))
		last = t
		if z >= 1<<56 {
			pos += binary.PutUvarint(col[pos:], z)
			continue
		}
		n := digits(z)
		le.PutUint64(col[pos:], spread(z)|continued(n))
		pos += n
	}
	e.times, e.time, e.zeros = col[:pos], last, zeros
}

func putZeros(b []byte, n uint64) int {
	b[0] = 0
	return 1 + binary.PutUvarint(b[1:], n-1)
}

// addValues writes which points the samples are of, their values and qualities.
func (e *encoder) addValues(b *acquire.Batch, samples []acquire.Sample) {
	clear(e.textIndex)
	e.controls = slices.Grow(e.controls, len(samples))
	e.data = slices.Grow(e.data, 8*len(samples)+8)
	controls := e.controls[len(e.controls) : len(e.controls)+len(samples)]
	data, pos := e.data[:cap(e.data)], len(e.data)
	last, step, run := e.index, e.steps.step, e.steps.n
	for i := range samples {
		s := &samples[i]
		index := int64(-1)
		if int64(s.Point) < int64(len(e.local)) {
			index = int64(e.local[s.Point]) - 1
		}
		if index < 0 {
			index = e.appear(s)
		}
		if d := index - last; d == step && run > 0 {
			run++
		} else {
			e.steps.step, e.steps.n = step, run
			e.steps.end()
			step, run = d, 1
		}
		last = index

		st := &e.states[index]
		kind, quality := s.Value.Kind(), s.Quality
		// A Value keeps what it holds in one word, whatever its kind, and returns
		// it as a number beside whether it is one.
		word, _ := s.Value.Uint64()
		control := byte(0)
		if kind != st.kind || quality != st.quality || kind == acquire.KindText || kind == acquire.KindNone {
			word, control = e.change(b, s, st)
		}
		x := word ^ st.bits
		st.bits = word
		low := uint(bits.TrailingZeros64(x)) >> 3
		n := 8 - uint(bits.LeadingZeros64(x))>>3 - low // -8 for no difference
		shape := (low<<3 + n - 1) & shapeMask
		le.PutUint64(data[pos:], x>>(low<<3&63))
		pos += int(shapes[shape].size)
		controls[i] = control | byte(shape)
	}
	e.index, e.steps.step, e.steps.n = last, step, run
	e.controls = e.controls[:len(e.controls)+len(samples)]
	e.data = data[:pos]
}

// appear gives the point of s the next index.
func (e *encoder) appear(s *acquire.Sample) int64 {
	if known, ok := e.others[s.Point]; ok {
		return int64(known) - 1
	}
	st := state{kind: s.Value.Kind(), quality: s.Quality}
	e.ids = append(e.ids, s.Point)
	e.states = append(e.states, st)
	e.first = append(e.first, st)
	number := uint32(len(e.ids))
	switch {
	case s.Point > acquire.MaxPoints:
		if e.others == nil {
			e.others = make(map[acquire.PointID]uint32)
		}
		e.others[s.Point] = number
	default:
		if more := int(s.Point) + 1 - len(e.local); more > 0 {
			e.local = append(e.local, make([]uint32, more)...)
		}
		e.local[s.Point] = number
	}
	return int64(number) - 1
}

// change writes what is new for the point of s beside the bits of its value,
// and returns those for kinds that do not hold a number.
func (e *encoder) change(b *acquire.Batch, s *acquire.Sample, st *state) (word uint64, control byte) {
	kind, quality := s.Value.Kind(), s.Quality
	word, _ = s.Value.Uint64()
	if kind == acquire.KindText {
		number, ok := e.text(b, s.Value, st)
		if !ok { // the text is of another batch: nobody can read it
			kind, quality = acquire.KindNone, quality-quality.Severity()
			e.unreadable++
		}
		word = number
	}
	if kind == acquire.KindNone {
		word = st.bits
	}
	if kind != st.kind {
		control |= kindChanges
		e.kinds = append(e.kinds, byte(kind))
		st.kind = kind
	}
	if quality != st.quality {
		control |= qualityChanges
		e.quals = binary.AppendUvarint(e.quals, uint64(quality))
		st.quality = quality
	}
	return word, control
}

// text returns the number of a text in the block, which is that of the point's
// latest text if they are equal, and whether the text can be read.
func (e *encoder) text(b *acquire.Batch, v acquire.Value, st *state) (uint64, bool) {
	if number, ok := e.textIndex[v]; ok {
		return uint64(number), true
	}
	text, ok := b.Text(v)
	if !ok {
		return 0, false
	}
	number := uint32(len(e.texts))
	if st.kind == acquire.KindText && st.bits < uint64(len(e.texts)) && bytes.Equal(e.texts[st.bits].of(e.textBytes), text) {
		number = uint32(st.bits)
	} else {
		start := len(e.textBytes)
		e.textBytes = append(e.textBytes, text...)
		e.texts = append(e.texts, textRef{start, len(e.textBytes)})
	}
	if e.textIndex == nil {
		e.textIndex = make(map[acquire.Value]uint32)
	}
	e.textIndex[v] = number
	return uint64(number), true
}

// appendPayload appends the block to dst. offset is where its chunk will lie in the
// file, which tells it from a copy of itself within a text.
func (e *encoder) appendPayload(dst []byte, offset int64) []byte {
	e.steps.end()
	if e.zeros > 0 {
		var b [2 * binary.MaxVarintLen64]byte
		e.times = append(e.times, b[:putZeros(b[:], e.zeros)]...)
		e.zeros = 0
	}
	dict := e.appendDictionary(e.dict[:0])
	sets := e.appendSets(e.setCol[:0])
	texts := e.textLengths[:0]
	for _, t := range e.texts {
		texts = binary.AppendUvarint(texts, uint64(t.end-t.start))
	}
	e.dict, e.setCol, e.textLengths = dict, sets, texts

	dst = append(dst, blockMark...)
	dst = binary.AppendUvarint(dst, uint64(offset))
	for _, n := range [...]int{e.batches, e.samples, e.events, len(e.ids), len(e.sets), len(e.texts)} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	columns := [...][]byte{dict, sets, texts, e.textBytes, e.eventCol, e.heads, e.steps.col, e.times, e.kinds, e.quals, e.controls, e.data}
	for _, c := range columns {
		dst = binary.AppendUvarint(dst, uint64(len(c)))
	}
	for _, c := range columns {
		dst = append(dst, c...)
	}
	return dst
}

func (e *encoder) appendDictionary(col []byte) []byte {
	r := &e.scratch
	*r = runs{col: col}
	for _, id := range e.ids {
		r.add(int64(id))
	}
	r.end()
	*r = runs{col: r.col}
	for _, st := range e.first {
		r.add(int64(st.kind))
	}
	r.end()
	*r = runs{col: r.col}
	for _, st := range e.first {
		r.add(int64(st.quality))
	}
	r.end()
	return r.col
}

func (e *encoder) appendSets(col []byte) []byte {
	for _, set := range e.sets {
		col = binary.AppendUvarint(col, uint64(len(set)))
		r := &e.scratch
		*r = runs{col: col}
		for _, id := range set {
			r.add(int64(id))
		}
		r.end()
		col = r.col
	}
	return col
}

// addEvent adds ev behind the batches added so far.
func (e *encoder) addEvent(ev *Event) {
	c := e.eventCol
	c = binary.AppendUvarint(c, uint64(e.batches))
	c = append(c, byte(ev.Kind))
	c = binary.AppendUvarint(c, zigzag(int64(ev.Time)))
	c = binary.AppendUvarint(c, uint64(ev.Quality))
	permanent := byte(0)
	if ev.Permanent {
		permanent = 1
	}
	c = append(c, permanent)
	for _, s := range [...]string{clip(ev.Source), clip(ev.Text)} {
		c = binary.AppendUvarint(c, uint64(len(s)))
		c = append(c, s...)
	}
	c = binary.AppendUvarint(c, ev.Batches)
	c = binary.AppendUvarint(c, ev.Samples)
	e.eventCol = c
	e.events++
}
