package capture

import (
	"bytes"
	"encoding/binary"
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

// state is what is known of a point within a block: its latest value, and how its
// values differ. The states of all points are to stay in the nearest cache.
type state struct {
	bits   uint64 // of the latest value
	differ uint64 // the bits in which any value differs from the one before
	counts counts
	plain  nature // of the latest sample; special for kinds whose value is no number as it is
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
	latest []nature                   // of the latest sample of each point, by index
	first  []nature                   // of the first
	word   []uint64                   // the value of the first
	sets   [][]acquire.PointID        // distinct sets of points of batches
	inSets int                        // points in all sets

	textIndex map[acquire.Value]uint32 // of the texts of the batch being added
	texts     []textRef                // of the block
	textBytes []byte

	index  int64 // of the latest sample's point
	steps  runs
	time   acquire.Instant // of the latest sample
	header header          // of the latest batch
	change int             // number of the sample with the latest change of nature

	indices []uint32 // of the point of each sample of the latest pass
	owners  []uint32 // index of the point of each of words
	words   []uint64 // what the value of each sample differs by, but the first of its point
	apart   []uint64 // times of samples, but the first of a batch: signed differences

	heads    []byte
	eventCol []byte
	changes  []byte

	// Columns that are made at the end.
	scratch     runs
	dict        []byte // of dictIDs and dictFirst
	dictIDs     []acquire.PointID
	dictFirst   []nature
	firsts      []byte
	shapes      []byte
	setCol      []byte
	textLengths []byte
	times       []byte
	data        []byte
	packings    []packing

	unreadable uint64 // texts that could not be read, since ever
}

// counts are how many samples there are, in the high half, and how many of them have a
// value that differs from the one before, in the low half.
type counts uint64

const (
	oneSample counts = 1 << 32
	oneChange counts = 1
)

func (c counts) samples() uint64 { return uint64(c >> 32) }
func (c counts) changes() uint64 { return uint64(c & (oneSample - 1)) }

// some is 1 if x is not 0, else 0.
func some(x uint64) uint64 { return (x | -x) >> 63 }

// nature is what a sample is beside its time and the bits of its value: the quality,
// and in the low byte the kind.
type nature uint64

// special is the nature of no sample.
const special nature = 1<<64 - 1

func natureOf(s *acquire.Sample) nature {
	return nature(s.Quality)<<8 | nature(s.Value.Kind())
}

func (n nature) kind() acquire.Kind       { return acquire.Kind(n & 0xff) }
func (n nature) quality() acquire.Quality { return acquire.Quality(n >> 8) }

// plain returns n, or special if the value is a text or none.
func (n nature) plain() nature {
	if k := n.kind(); k == acquire.KindText || k == acquire.KindNone {
		return special
	}
	return n
}

// header is what a batch has beside samples, as differences are taken from it.
type header struct {
	received  acquire.Instant
	watermark acquire.Instant
}

// base is the time from which that of the first sample of a batch is counted. last
// is that of the sample before.
func (h header) base(last acquire.Instant) acquire.Instant {
	if h.received == 0 {
		return last
	}
	return h.received
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
	e.ids, e.states, e.latest, e.first, e.word = e.ids[:0], e.states[:0], e.latest[:0], e.first[:0], e.word[:0]
	e.sets, e.inSets = e.sets[:0], 0
	e.texts, e.textBytes = e.texts[:0], e.textBytes[:0]
	e.index, e.time, e.header, e.change = 0, 0, header{}, 0
	e.steps.reset()
	e.owners, e.words, e.apart = e.owners[:0], e.words[:0], e.apart[:0]
	e.heads, e.eventCol, e.changes = e.heads[:0], e.eventCol[:0], e.changes[:0]
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
	if len(samples) > 0 {
		first := int64(samples[0].Time) - int64(h.base(e.time))
		e.heads = binary.AppendUvarint(e.heads, zigzag(first))
	}
	e.header = h
	e.batches++
	e.addSamples(b, samples)
}

// passSamples is how many samples are taken at a time, so that they and what is known
// of their points stay in the nearest cache from one pass to the next.
const passSamples = 512

func (e *encoder) addSamples(b *acquire.Batch, samples []acquire.Sample) {
	clear(e.textIndex)
	for i := 0; i < len(samples); i += passSamples {
		part := samples[i:min(i+passSamples, len(samples))]
		if i == 0 {
			e.time = part[0].Time
			e.addTimes(part[1:])
		} else {
			e.addTimes(part)
		}
		e.addPoints(part)
		e.addValues(b, part)
		e.samples += len(part)
	}
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

// addTimes notes by how much each time differs from the one before.
func (e *encoder) addTimes(samples []acquire.Sample) {
	start := len(e.apart)
	e.apart = slices.Grow(e.apart, len(samples))[:start+len(samples)]
	apart, last := e.apart[start:], e.time
	apart = apart[:len(samples)]
	for i := range samples {
		t := samples[i].Time
		apart[i] = zigzag(int64(t) - int64(last))
		last = t
	}
	e.time = last
}

// addPoints notes which points the samples are of.
func (e *encoder) addPoints(samples []acquire.Sample) {
	e.indices = slices.Grow(e.indices[:0], len(samples))[:len(samples)]
	indices, steps := e.indices[:len(samples)], &e.steps
	steps.last = e.index
	for i := 0; i < len(samples); {
		// A source mostly gives its points in the same order, time after time.
		next := int(e.index) + 1
		if next >= len(e.ids) {
			next = 0
		}
		if n := follow(indices[i:], samples[i:], e.ids[next:], uint32(next)); n > 0 {
			steps.add(int64(next))
			steps.addOnes(n - 1)
			e.index = steps.last
			i += n
			continue
		}
		if n := e.appearAll(indices[i:], samples[i:]); n > 0 {
			steps.add(int64(len(e.ids) - n))
			steps.addOnes(n - 1)
			e.index = steps.last
			i += n
			continue
		}
		e.index = e.indexOf(&samples[i])
		steps.add(e.index)
		indices[i] = uint32(e.index)
		i++
	}
}

// follow returns how many of the samples are of the points given, in their order, and
// notes their indices, of which next is the first.
func follow(indices []uint32, samples []acquire.Sample, points []acquire.PointID, next uint32) int {
	most := min(len(samples), len(points), len(indices))
	samples, points, indices = samples[:most], points[:most], indices[:most]
	for i := range samples {
		if samples[i].Point != points[i] {
			return i
		}
		indices[i] = next + uint32(i)
	}
	return most
}

// indexOf returns the index of the point of s, which may be new to the block.
func (e *encoder) indexOf(s *acquire.Sample) int64 {
	if int64(s.Point) < int64(len(e.local)) {
		if index := int64(e.local[s.Point]) - 1; index >= 0 {
			return index
		}
	}
	return e.appear(s)
}

// addValues notes by how much the values of the samples differ from those before, and
// writes where their natures change. Their points are noted.
func (e *encoder) addValues(b *acquire.Batch, samples []acquire.Sample) {
	start := len(e.words)
	e.words = slices.Grow(e.words, len(samples))[:start+len(samples)]
	e.owners = slices.Grow(e.owners, len(samples))[:start+len(samples)]
	words, owners := e.words[start:], e.owners[start:]
	states, indices := e.states, e.indices[:len(samples)]
	n := 0
	for i := range samples {
		index := indices[i]
		s, st := &samples[i], &states[index]
		// A Value keeps what it holds in one word, whatever its kind, and returns
		// it as a number beside whether it is one.
		word, _ := s.Value.Uint64()
		if natureOf(s) != st.plain {
			word = e.special(b, s, index, e.samples+i)
		}
		x := word ^ st.bits
		st.bits = word
		if st.counts == 0 {
			e.word[index], st.counts = word, oneSample
			continue
		}
		st.differ |= x
		st.counts += oneSample + oneChange*counts(some(x))
		words[n], owners[n] = x, index
		n++
	}
	e.words, e.owners = e.words[:start+n], e.owners[:start+n]
}

// appearAll gives the next indices to the points of as many of the samples as are new to
// the block, were in one before, and follow each other. It returns how many.
func (e *encoder) appearAll(indices []uint32, samples []acquire.Sample) int {
	local, n := e.local, 0
	for n < len(samples) && int64(samples[n].Point) < int64(len(local)) && local[samples[n].Point] == 0 {
		index := uint32(len(e.ids) + n)
		indices[n] = index
		local[samples[n].Point] = index + 1
		n++
	}
	if n == 0 {
		return 0
	}
	known := len(e.ids)
	e.ids = slices.Grow(e.ids, n)[:known+n]
	e.states = slices.Grow(e.states, n)[:known+n]
	e.latest = slices.Grow(e.latest, n)[:known+n]
	e.first = slices.Grow(e.first, n)[:known+n]
	e.word = slices.Grow(e.word, n)[:known+n]
	ids, states, latest, first, word := e.ids[known:], e.states[known:], e.latest[known:], e.first[known:], e.word[known:]
	for i := range samples[:n] {
		s := &samples[i]
		kind := natureOf(s)
		ids[i], latest[i], first[i], word[i] = s.Point, kind, kind, 0
		states[i] = state{plain: kind.plain()}
	}
	return n
}

// appear gives the point of s the next index.
func (e *encoder) appear(s *acquire.Sample) int64 {
	if s.Point > acquire.MaxPoints {
		if known, ok := e.others[s.Point]; ok {
			return int64(known) - 1
		}
	}
	n := natureOf(s)
	e.ids = append(e.ids, s.Point)
	e.states = append(e.states, state{plain: n.plain()})
	e.latest, e.first, e.word = append(e.latest, n), append(e.first, n), append(e.word, 0)
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

// special returns the bits of the value of s, which is sample number n of the block,
// for kinds that do not hold a number. It writes what is new for the point of that index.
func (e *encoder) special(b *acquire.Batch, s *acquire.Sample, index uint32, n int) (word uint64) {
	st, before := &e.states[index], e.latest[index]
	kind, quality := s.Value.Kind(), s.Quality
	word, _ = s.Value.Uint64()
	if kind == acquire.KindText {
		number, ok := e.text(b, s.Value, index)
		if !ok { // the text is of another batch: nobody can read it
			kind, quality = acquire.KindNone, quality-quality.Severity()
			e.unreadable++
		}
		word = number
	}
	if kind == acquire.KindNone {
		word = st.bits
	}
	now := nature(quality)<<8 | nature(kind)
	if now == before {
		return word
	}
	e.latest[index], st.plain = now, now.plain()
	e.changes = binary.AppendUvarint(e.changes, uint64(n-e.change))
	e.change = n
	if quality == before.quality() {
		e.changes = append(e.changes, byte(kind))
	} else {
		e.changes = append(e.changes, byte(kind)|qualityChanges)
		e.changes = binary.AppendUvarint(e.changes, uint64(quality))
	}
	return word
}

// qualityChanges is the bit of a change that says that a quality follows.
const qualityChanges = 1 << 7

// text returns the number of a text in the block, which is that of the point's
// latest text if they are equal, and whether the text can be read.
func (e *encoder) text(b *acquire.Batch, v acquire.Value, index uint32) (uint64, bool) {
	if number, ok := e.textIndex[v]; ok {
		return uint64(number), true
	}
	text, ok := b.Text(v)
	if !ok {
		return 0, false
	}
	number, st := uint32(len(e.texts)), &e.states[index]
	if e.latest[index].kind() == acquire.KindText && st.bits < uint64(len(e.texts)) && bytes.Equal(e.texts[st.bits].of(e.textBytes), text) {
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
	e.times = appendDifferences(e.times[:0], e.apart)
	e.packValues()
	e.makeDictionary()
	sets := e.appendSets(e.setCol[:0])
	texts := e.textLengths[:0]
	for _, t := range e.texts {
		texts = binary.AppendUvarint(texts, uint64(t.end-t.start))
	}
	e.setCol, e.textLengths = sets, texts

	dst = append(dst, blockMark...)
	dst = binary.AppendUvarint(dst, uint64(offset))
	for _, n := range [...]int{e.batches, e.samples, e.events, len(e.ids), len(e.sets), len(e.texts)} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	columns := [...][]byte{e.dict, e.firsts, e.shapes, sets, texts, e.textBytes, e.eventCol, e.heads, e.steps.col, e.times, e.changes, e.data}
	for _, c := range columns {
		dst = binary.AppendUvarint(dst, uint64(len(c)))
	}
	for _, c := range columns {
		dst = append(dst, c...)
	}
	return dst
}

// makeDictionary makes the column of points. Blocks that follow each other mostly have
// the same.
func (e *encoder) makeDictionary() {
	if slices.Equal(e.ids, e.dictIDs) && slices.Equal(e.first, e.dictFirst) {
		return
	}
	e.dictIDs, e.dictFirst = append(e.dictIDs[:0], e.ids...), append(e.dictFirst[:0], e.first...)
	r := &e.scratch
	*r = runs{col: e.dict[:0]}
	for _, id := range e.ids {
		r.add(int64(id))
	}
	r.end()
	*r = runs{col: r.col}
	for _, n := range e.first {
		r.add(int64(n.kind()))
	}
	r.end()
	*r = runs{col: r.col}
	for _, n := range e.first {
		r.add(int64(n.quality()))
	}
	r.end()
	e.dict = r.col
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
