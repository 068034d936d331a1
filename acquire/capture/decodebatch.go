package capture

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
)

// event returns the next event before the next batch, if there is one.
func (d *decoder) event() (Event, bool, error) {
	var ev Event
	if d.events == 0 {
		return ev, false, nil
	}
	c := d.eventCol
	before, err := d.uvarint(&c)
	if err != nil || before < uint64(d.batch) || before > uint64(d.batch+d.batches) {
		return ev, false, errBlock
	}
	if before > uint64(d.batch) {
		return ev, false, nil
	}
	var permanent byte
	kind, err1 := d.byte(&c)
	at, err2 := d.uvarint(&c)
	quality, err3 := d.uvarint(&c)
	permanent, err4 := d.byte(&c)
	source, err5 := d.eventText(&c)
	text, err6 := d.eventText(&c)
	batches, err7 := d.uvarint(&c)
	samples, err8 := d.uvarint(&c)
	if err := cmp.Or(err1, err2, err3, err4, err5, err6, err7, err8); err != nil {
		return ev, false, err
	}
	if kind < byte(Opened) || kind > byte(Gap) || quality > math.MaxUint32 || permanent > 1 {
		return ev, false, errBlock
	}
	ev = Event{
		Kind: EventKind(kind), Time: acquire.Instant(unzigzag(at)), Source: source,
		Quality: acquire.Quality(quality), Permanent: permanent == 1, Text: text,
		Batches: batches, Samples: samples,
	}
	d.eventCol = c
	d.events--
	return ev, true, nil
}

func (d *decoder) eventText(c *cursor) (string, error) {
	n, err := d.length(c, maxEventText)
	if err != nil {
		return "", err
	}
	text, err := d.bytes(c, n)
	return string(text), err
}

// arrival returns the Received of the next batch.
func (d *decoder) arrival() (acquire.Instant, error) {
	c := d.heads
	h := header{}
	_, _, err := d.head(&c, &h, nil)
	return h.received, err
}

// head reads the head of a batch into h and b, and the time of its first sample; if b
// is nil, into h alone.
func (d *decoder) head(c *cursor, h *header, b *acquire.Batch) (n int, set int, err error) {
	flags, err := d.byte(c)
	if err != nil || flags&^(headLost|headWatermark|headSet) != 0 {
		return 0, 0, errBlock
	}
	if n, err = d.length(c, d.samples); err != nil {
		return 0, 0, err
	}
	z, err := d.uvarint(c)
	if err != nil {
		return 0, 0, err
	}
	lag := int64(d.header.received) - int64(d.header.watermark)
	h.received = acquire.Instant(int64(d.header.received) + unzigzag(z))
	if flags&headWatermark != 0 {
		if z, err = d.uvarint(c); err != nil {
			return 0, 0, err
		}
		lag = unzigzag(z)
	}
	h.watermark = acquire.Instant(int64(h.received) - lag)
	lost := uint64(0)
	if flags&headLost != 0 {
		if lost, err = d.uvarint(c); err != nil {
			return 0, 0, err
		}
	}
	set = -1
	if flags&headSet != 0 {
		if set, err = d.length(c, len(d.sets)-1); err != nil {
			return 0, 0, err
		}
	}
	if b == nil {
		return n, set, nil
	}
	b.Lost = lost
	if n > 0 {
		if z, err = d.uvarint(c); err != nil {
			return 0, 0, err
		}
		d.time = acquire.Instant(int64(h.base(d.time)) + unzigzag(z))
	}
	return n, set, nil
}

// next fills b with the next batch; the caller asks batches for whether there is one.
func (d *decoder) next(b *acquire.Batch) error {
	b.Reset()
	var h header
	n, set, err := d.head(&d.heads, &h, b)
	if err != nil {
		return err
	}
	d.header = h
	d.batch++
	b.Received, b.Watermark = h.received, h.watermark
	if set >= 0 {
		b.Points = d.sets[set]
	}
	b.Samples = slices.Grow(b.Samples, n)[:n]
	if err := d.readTimes(b.Samples); err != nil {
		return err
	}
	if err := d.readValues(b); err != nil {
		return err
	}
	d.samples -= n
	if d.batches--; d.batches > 0 {
		return nil
	}
	for _, c := range [...]cursor{d.heads, d.steps, d.times, d.changes} {
		if c.at != c.end {
			return errBlock
		}
	}
	if d.samples != 0 || d.run != 0 || d.group.left != 0 || d.appeared != int64(len(d.states)) ||
		(d.bit+7)>>3 != uint(d.data.end) {
		return errBlock
	}
	return nil
}

// readTimes reads the times of the samples of a batch, whose first is known.
func (d *decoder) readTimes(samples []acquire.Sample) error {
	if len(samples) == 0 {
		return nil
	}
	buf, t, g := d.buf, d.time, d.group
	samples[0].Time = t
	for samples = samples[1:]; len(samples) > 0; {
		if g.left == 0 {
			var err error
			if g, err = d.nextGroup(); err != nil {
				return err
			}
		}
		part := samples[:min(g.left, uint64(len(samples)))]
		samples = samples[len(part):]
		g.left -= uint64(len(part))
		if g.width == 0 {
			step := acquire.Instant(unzigzag(g.equal))
			for i := range part {
				t += step
				part[i].Time = t
			}
			continue
		}
		// A group lies within its column, behind which there is slack.
		mask, width, bit := uint64(math.MaxUint64)>>((64-g.width)&63), g.width, g.bit
		for i := range part {
			z := le.Uint64(buf[bit>>3:]) >> (bit & 7) & mask
			bit += width
			t += acquire.Instant(unzigzag(z))
			part[i].Time = t
		}
		g.bit = bit
	}
	d.time, d.group = t, g
	return nil
}

// nextGroup begins a group of differences of times.
func (d *decoder) nextGroup() (g group, err error) {
	c := &d.times
	width, err := d.byte(c)
	if err != nil {
		return g, err
	}
	more, err := d.length(c, maxSamples)
	if err != nil {
		return g, err
	}
	g.left = uint64(more) + 1
	switch {
	case width == groupZero:
	case width == groupEqual:
		if g.equal, err = d.uvarint(c); err != nil {
			return g, err
		}
	case width > maxPacked && width != 64:
		return g, errBlock
	default:
		g.width, g.bit = uint(width), 8*uint(c.at)
		size := (g.left*uint64(width) + 7) / 8
		if size > uint64(c.end-c.at) {
			return g, errBlock
		}
		c.at += int(size)
	}
	return g, nil
}

func (d *decoder) readValues(b *acquire.Batch) error {
	samples := b.Samples
	for len(samples) > 0 {
		if d.run == 0 {
			var err error
			if d.step, d.run, err = d.nextRun(&d.steps); err != nil {
				return err
			}
		}
		n := min(d.run, uint64(len(samples)), d.until)
		if n == 0 {
			if err := d.readChange(); err != nil {
				return err
			}
			n = 1
		} else {
			d.until -= n
		}
		d.run -= n
		if err := d.readRun(b, samples[:n]); err != nil {
			return err
		}
		samples = samples[n:]
	}
	return nil
}

// readRun reads samples of b between whose points lies the same step.
func (d *decoder) readRun(b *acquire.Batch, samples []acquire.Sample) error {
	buf, bit, end := d.buf, d.bit, 8*uint(d.data.end)
	states := d.states
	index, step, appeared := d.index, d.step, d.appeared
	for i := range samples {
		index += step
		if uint64(index) >= uint64(len(states)) || bit > end {
			return errBlock
		}
		st := &states[index]
		switch {
		case index >= appeared:
			if index > appeared {
				return errBlock
			}
			appeared++
		case st.sparse && buf[bit>>3]>>(bit&7)&1 == 0:
			bit++
		default:
			if st.sparse {
				bit++
			}
			x := le.Uint64(buf[bit>>3:]) >> (bit & 7)
			if st.width > maxPacked {
				x |= uint64(buf[bit>>3+8]) << 1 << (^bit & 7) << 56
			}
			bit += uint(st.width)
			st.bits ^= x & st.mask << (st.low & 63)
		}
		s := &samples[i]
		s.Point = st.id
		s.Quality = st.quality
		switch st.kind {
		case acquire.KindFloat64:
			s.Value = acquire.Float64(math.Float64frombits(st.bits))
		case acquire.KindUint64:
			s.Value = acquire.Uint64(st.bits)
		default:
			v, err := d.value(st, b)
			if err != nil {
				return err
			}
			s.Value = v
		}
	}
	if bit > end {
		return errBlock
	}
	d.index, d.appeared, d.bit = index, appeared, bit
	return nil
}

// readChange reads what is new for the point of the next sample beside the bits of
// its value.
func (d *decoder) readChange() error {
	index := d.index + d.step
	if uint64(index) >= uint64(len(d.states)) {
		return errBlock
	}
	st := &d.states[index]
	what, err := d.byte(&d.changes)
	if err != nil || what&^qualityChanges > byte(acquire.KindText) {
		return errBlock
	}
	st.kind = acquire.Kind(what &^ qualityChanges)
	if what&qualityChanges != 0 {
		quality, err := d.uvarint(&d.changes)
		if err != nil || quality > math.MaxUint32 {
			return errBlock
		}
		st.quality = acquire.Quality(quality)
	}
	if err := d.nextChange(); err != nil || d.until == 0 {
		return errBlock
	}
	d.until--
	return nil
}

// value makes the value of a sample of any other kind.
func (d *decoder) value(st *decoded, b *acquire.Batch) (acquire.Value, error) {
	switch st.kind {
	case acquire.KindInt64:
		return acquire.Int64(int64(st.bits)), nil
	case acquire.KindBool:
		if st.bits <= 1 {
			return acquire.Bool(st.bits == 1), nil
		}
	case acquire.KindText:
		if st.bits < uint64(len(d.texts)) {
			return d.text(b, int(st.bits))
		}
	case acquire.KindNone:
		return acquire.Value{}, nil
	}
	return acquire.Value{}, errBlock
}

// text returns the text of that number as a value of b, which holds it once.
func (d *decoder) text(b *acquire.Batch, number int) (acquire.Value, error) {
	v := &d.values[number]
	if v.batch == d.batch {
		return v.value, nil
	}
	value, ok := b.PutText(d.texts[number].of(d.textBytes))
	if !ok {
		return acquire.Value{}, fmt.Errorf("%w: more text than a batch holds", errBlock)
	}
	*v = textValue{d.batch, value}
	return value, nil
}
