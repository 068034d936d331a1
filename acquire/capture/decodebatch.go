package capture

import (
	"cmp"
	"encoding/binary"
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
	_, _, err := d.head(&c, &h, new(acquire.Batch))
	return h.received, err
}

// head reads the head of a batch.
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
	b.Lost = 0
	if flags&headLost != 0 {
		if b.Lost, err = d.uvarint(c); err != nil {
			return 0, 0, err
		}
	}
	set = -1
	if flags&headSet != 0 {
		if set, err = d.length(c, len(d.sets)-1); err != nil {
			return 0, 0, err
		}
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
	for _, c := range [...]cursor{d.heads, d.steps, d.times, d.kinds, d.quals, d.controls, d.data} {
		if c.at != c.end {
			return errBlock
		}
	}
	if d.samples != 0 || d.run != 0 || d.zeros != 0 {
		return errBlock
	}
	return nil
}

func (d *decoder) readTimes(samples []acquire.Sample) error {
	buf, at, end := d.buf, d.times.at, d.times.end
	t, zeros := d.time, d.zeros
	for i := range samples {
		if zeros > 0 {
			zeros--
			samples[i].Time = t
			continue
		}
		if at >= end {
			return errBlock
		}
		x := le.Uint64(buf[at:])
		stop := ^x & stops
		if stop == 0 { // nine bytes or ten
			z, n := binary.Uvarint(buf[at:end])
			if n <= 0 {
				return errBlock
			}
			at += n
			t += acquire.Instant(unzigzag(z))
			samples[i].Time = t
			continue
		}
		x, n := terminated(x, stop)
		at += n
		if x == 0 {
			if n = 0; at < end {
				zeros, n = binary.Uvarint(buf[at:end])
			}
			if n <= 0 {
				return errBlock
			}
			at += n
		}
		t += acquire.Instant(unzigzag(gather(x)))
		samples[i].Time = t
	}
	if at > end {
		return errBlock
	}
	d.times.at, d.time, d.zeros = at, t, zeros
	return nil
}

func (d *decoder) readValues(b *acquire.Batch) error {
	samples := b.Samples
	buf, at := d.buf, d.data.at
	controls := buf[d.controls.at:][:len(samples)]
	states, ids := d.states, d.ids[:len(d.states)]
	index := d.index
	for i := 0; i < len(samples); {
		if d.run == 0 {
			var err error
			if d.step, d.run, err = d.nextRun(&d.steps); err != nil {
				return err
			}
		}
		n := int(min(d.run, uint64(len(samples)-i)))
		d.run -= uint64(n)
		step := d.step
		part, shapesOf := samples[i:i+n], controls[i:i+n]
		i += n
		for j := range part {
			s := &part[j]
			index += step
			if uint64(index) >= uint64(len(states)) {
				return errBlock
			}
			st := &states[index]
			control := shapesOf[j]
			sh := &shapes[control&shapeMask]
			if at > d.data.end-int(sh.size) || sh.wrong {
				return errBlock
			}
			word := st.bits ^ le.Uint64(buf[at:])&sh.mask<<(sh.shift&63)
			at += int(sh.size)
			st.bits = word
			if control&^shapeMask != 0 {
				if err := d.change(st, control); err != nil {
					return err
				}
			}
			s.Point = ids[index]
			s.Quality = st.quality
			if st.kind == acquire.KindFloat64 {
				s.Value = acquire.Float64(math.Float64frombits(word))
				continue
			}
			v, err := d.value(st, b)
			if err != nil {
				return err
			}
			s.Value = v
		}
	}
	d.index, d.data.at = index, at
	d.controls.at += len(samples)
	return nil
}

// change reads what else is new for a point.
func (d *decoder) change(st *state, control byte) error {
	if control&kindChanges != 0 {
		kind, err := d.byte(&d.kinds)
		if err != nil || kind > byte(acquire.KindText) {
			return errBlock
		}
		st.kind = acquire.Kind(kind)
	}
	if control&qualityChanges != 0 {
		quality, err := d.uvarint(&d.quals)
		if err != nil || quality > math.MaxUint32 {
			return errBlock
		}
		st.quality = acquire.Quality(quality)
	}
	return nil
}

// value makes the value of a sample that is no float.
func (d *decoder) value(st *state, b *acquire.Batch) (acquire.Value, error) {
	switch st.kind {
	case acquire.KindUint64:
		return acquire.Uint64(st.bits), nil
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
