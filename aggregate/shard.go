package aggregate

import (
	"errors"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// ErrOrder says that what was to be merged does not come after what it was to be
// merged into.
var ErrOrder = errors.New("aggregate: stretches out of order or overlapping")

// Shard is what one stretch of a series comes to, not knowing what was before
// it. Stretches may be taken apart from each other, in any order and by as many
// goroutines, and merged pairwise, whichever pairs of neighbours first; a Meter
// that merges them from the first on yields, bit for bit, what it would have
// yielded for the samples one by one.
//
// A Shard keeps its first samples, as many as it takes until what was before
// the stretch can have no influence any more, and plays them to whatever it is
// merged into. For power that is one sample. For a register it is three readings
// of which each surely follows from the one before, the last of them of a register
// that moved if MaxPower is known; so that a register that stands still costs 32
// bytes a reading until it moves.
//
// A Shard belongs to one goroutine at a time. Make one with NewShard.
type Shard struct {
	bank  Bank
	head  []acquire.Sample
	whole bool            // head is complete, and bank has forgotten it
	first acquire.Instant // time of the first accepted sample, 0 = none
	spare []Period        // what bank puts out and nobody wants

	earlier  acquire.Sample // a register's usable reading before the last, as head goes on
	follows  bool           // it followed surely from the one before it
	readable bool           // there is one
}

// grafted marks the period in which a Shard has forgotten its head, so that it
// is booked even if nothing more is in it.
const grafted Flags = 1 << 15

// entry is one thing that a desk was told to do.
type entry struct {
	tally
	end  acquire.Instant
	flag Flags
	kind entryKind
}

type entryKind uint8

const (
	booked entryKind = iota
	noted
	passedOver
)

// NewShard returns an empty Shard of the plan. The error says that there is
// none, that the plan's periods are not cut by
// the clock, or that its register counts in parts of a quantum, so that what is
// left over would depend on all that was before.
func NewShard(p *Plan) (*Shard, error) {
	b, err := NewBank(p, nil, make([]acquire.PointID, 1))
	if err != nil {
		return nil, err
	}
	if p.series.Sync.By != ByClock {
		return nil, fmt.Errorf("aggregate: shard: periods that run %v depend on what was before", p.series.Sync.By)
	}
	if !p.isGauge() && p.counter.parts > 1 {
		return nil, fmt.Errorf("aggregate: shard: %v times %v is no whole number of quanta", p.series.Unit, p.series.Multiplier)
	}
	return &Shard{bank: *b}, nil
}

// Push takes the value v, in the unit of the plan, that was measured at t.
func (s *Shard) Push(t acquire.Instant, v float64, q acquire.Quality) {
	s.take(&acquire.Sample{Time: t, Value: acquire.Float64(v), Quality: q})
}

// PushCount takes a whole number, such as the reading of a register, exactly.
func (s *Shard) PushCount(t acquire.Instant, n uint64, q acquire.Quality) {
	s.take(&acquire.Sample{Time: t, Value: acquire.Uint64(n), Quality: q})
}

// PushColumns takes times and values side by side, and their qualities or nil if
// all are good. The error says that the lengths differ; nothing is taken then.
func (s *Shard) PushColumns(times []acquire.Instant, values []float64, qualities []acquire.Quality) error {
	if len(values) != len(times) || qualities != nil && len(qualities) != len(times) {
		return errColumns
	}
	i := 0
	for ; i < len(times) && !s.whole; i++ {
		q := acquire.Good
		if qualities != nil {
			q = qualities[i]
		}
		s.Push(times[i], values[i], q)
	}
	if qualities != nil {
		qualities = qualities[i:]
	}
	out, err := s.bank.pushColumns(s.spare[:0], 0, times[i:], values[i:], qualities)
	s.spare = out
	return err
}

// PushRegular takes values measured at start and every step after it, as
// Meter.PushRegular does.
func (s *Shard) PushRegular(start acquire.Instant, step time.Duration, values []float64) error {
	if err := checkRegular(start, step, len(values)); err != nil {
		return err
	}
	i := 0
	for ; i < len(values) && !s.whole; i++ {
		s.Push(start+acquire.Instant(i)*acquire.Instant(step), values[i], acquire.Good)
	}
	out, err := s.bank.pushRegular(s.spare[:0], 0, start+acquire.Instant(i)*acquire.Instant(step), step, values[i:])
	s.spare = out
	return err
}

// take takes one sample.
func (s *Shard) take(sample *acquire.Sample) {
	if s.whole {
		s.spare = s.bank.take(s.spare[:0], 0, sample)
		return
	}
	s.head = append(s.head, *sample)
	last := s.channel().last
	s.spare = s.bank.take(s.spare[:0], 0, sample)
	if s.channel().last == last {
		return // not accepted
	}
	if s.first == 0 {
		s.first = sample.Time
	}
	if s.bank.desk.plan.isGauge() || s.certain(sample) {
		s.forget()
	}
}

// channel returns the channel of s at rest.
func (s *Shard) channel() *channel { return s.bank.channel(0) }

// certain reports whether an accepted reading is the third of a register that
// surely follow from each other, so that the register is believed to be there
// whatever was before.
func (s *Shard) certain(sample *acquire.Sample) bool {
	c := &s.bank.counters[0]
	before, had, followed := s.earlier, s.readable, s.follows
	s.earlier, s.readable, s.follows = *sample, false, false
	if sample.Quality.IsBad() {
		return false
	}
	x, ok := c.conversion.number(sample.Value)
	if !ok || !c.counts(x) {
		return false
	}
	s.readable = true
	if !had || sample.Quality.Has(acquire.Discontinuity) {
		return false
	}
	y, _ := c.conversion.number(before.Value)
	energy, _, b := c.step(y, before.Time, before.Time, x, sample.Time)
	s.follows = b == certain
	return s.follows && followed && (c.maxPower == 0 || !energy.isZero())
}

// forget makes s what has happened since its head alone.
func (s *Shard) forget() {
	d := s.bank.at(0, nil)
	rec := d.rec
	c := s.channel()
	c.tally, c.flags = tally{}, grafted
	*rec = record{start: rec.start, end: rec.end, began: rec.start, open: true}
	if len(s.bank.gauges) != 0 {
		g := s.bank.gauge(0)
		g.taken &= 3
		g.arm()
	} else {
		s.bank.counters[0].samples = 0
	}
	s.bank.desk.journaling = true
	s.bank.desk.drop()
	s.whole = true
}

// Merge adds what follows s in time to s. The error wraps ErrOrder if next does
// not begin after the last sample of s, or ErrOtherConfiguration, and nothing has
// changed then. next stays as it was.
func (s *Shard) Merge(next *Shard) error {
	if err := s.bank.precedes(next, s.channel()); err != nil {
		return err
	}
	for i := range next.head {
		s.take(&next.head[i])
	}
	if next.whole {
		s.spare = s.bank.graft(s.spare[:0], 0, next)
	}
	return nil
}

// Merge takes all samples of next at once and appends the periods that they
// close to dst. The error wraps ErrOrder if next does not begin after the last
// sample and watermark of m, or ErrOtherConfiguration, and nothing has changed
// then. next stays as it was.
func (m *Meter) Merge(dst []Period, next *Shard) ([]Period, error) {
	return m.bank.Merge(dst, 0, next)
}

// Merge takes all samples of next into a slot, as Meter.Merge does.
func (b *Bank) Merge(dst []Period, slot uint32, next *Shard) ([]Period, error) {
	if uint(slot) >= uint(len(b.records)) {
		return dst, b.noSlot(slot)
	}
	if err := b.precedes(next, b.channel(slot)); err != nil {
		return dst, err
	}
	for i := range next.head {
		dst = b.take(dst, slot, &next.head[i])
	}
	if next.whole {
		dst = b.graft(dst, slot, next)
	}
	return dst, nil
}

// precedes returns nil if next begins after the last sample of c.
func (b *Bank) precedes(next *Shard, c *channel) error {
	switch {
	case next.bank.desk.plan.series != b.desk.plan.series:
		return ErrOtherConfiguration
	case next.first == 0:
		return nil
	case next.first <= c.last || next.first < c.mark || next.first < c.done:
		return fmt.Errorf("%w: one begins at %v, the other goes on to %v", ErrOrder, next.first, max(c.last, c.mark, c.done))
	}
	return nil
}

// channel returns the channel of a slot at rest.
func (b *Bank) channel(slot uint32) *channel {
	if len(b.gauges) != 0 {
		g := b.gauge(slot)
		g.rest()
		return &g.channel
	}
	b.counters[slot].rest()
	return &b.counters[slot].channel
}

// graft adds what next is after its head, which the slot has taken: the slot
// stands where next stood then.
func (b *Bank) graft(dst []Period, slot uint32, next *Shard) []Period {
	d := b.at(slot, dst)
	c := b.channel(slot)
	d.replay(c, next.bank.desk.journal)
	if len(b.gauges) != 0 {
		n, h := next.bank.gauges[0], next.bank.hot[0] // next stays as it is
		h.cool(&n)
		n.rest()
		n.graftOnto(c)
		n.taken += b.gauges[slot].taken &^ 3
		n.arm()
		b.gauges[slot] = n
	} else {
		n := next.bank.counters[0]
		n.rest()
		n.graftOnto(c)
		n.samples += b.counters[slot].samples
		b.counters[slot] = n
	}
	d.rec.counts.addEvents(&next.bank.records[0].counts)
	return d.drop()
}

// graftOnto gives c what the channel before it has gathered in the same period.
func (c *channel) graftOnto(before *channel) {
	c.tally.add(&before.tally)
	c.flags = c.flags&^grafted | before.flags
	c.mark = max(c.mark, before.mark)
	c.meter = before.meter
}

// replay does what another desk was told, for a channel that is where the other's
// was before.
func (d *desk) replay(c *channel, journal []entry) {
	for i := range journal {
		e := &journal[i]
		switch e.kind {
		case noted:
			d.note(e.end, e.flag)
		case passedOver:
			d.passOver(e.end)
		case booked:
			c.edge = e.end
			c.tally.add(&e.tally)
			c.flags |= e.flag &^ grafted
			c.spill(d)
		}
	}
}

// addEvents adds what another meter has counted, intervals apart.
func (c *Counts) addEvents(o *Counts) {
	c.Samples += o.Samples
	c.Bad += o.Bad
	c.Late += o.Late
	c.Duplicates += o.Duplicates
	c.Ahead += o.Ahead
	c.Untimed += o.Untimed
	c.BadReadings += o.BadReadings
	c.Resets += o.Resets
	c.Rollovers += o.Rollovers
	c.Swaps += o.Swaps
	c.Forced += o.Forced
}
