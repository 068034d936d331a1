package aggregate

import (
	"errors"
	"fmt"
	"math"

	"github.com/fieldtap/fieldtap/acquire"
)

// Bank keeps many series of one Plan, up to millions. Each is a slot, a small
// number; its state is a few cache lines in slabs without pointers, which cost
// the garbage collector nothing.
//
// A Bank does with each series exactly what a Router does with a Metering of that
// one channel. It belongs to one goroutine at a time. Make one with NewBank; the
// zero Bank has no slots.
type Bank struct {
	routes   []uint32 // slot+1 by PointID
	gauges   []gauge  // by slot, of a plan for power; see gauge
	hot      []hot    // of the gauges
	counters []counter
	records  []record
	desk     desk
	resume   int // slot at which Tick goes on
	passed   acquire.Instant
	identity uint64 // fingerprint of plan and points
}

// NewBank returns a Bank whose slot i is fed by points[i]; 0 is no point, for
// slots that are fed by number alone. With a Catalog the points are checked
// against the plan; without one (nil) the caller vouches for them. The error
// joins every fault. All memory that pushing needs is allocated here, the
// caller's slice of periods apart.
func NewBank(p *Plan, c *acquire.Catalog, points []acquire.PointID) (*Bank, error) {
	var faults []error
	fault := func(err error) { faults = append(faults, fmt.Errorf("aggregate: bank: %w", err)) }
	if p == nil {
		fault(errors.New("no plan"))
	}
	if len(points) == 0 || len(points) > maxSeries {
		fault(fmt.Errorf("%d series: want 1 to %d", len(points), maxSeries))
	}
	var last acquire.PointID
	for _, id := range points {
		last = max(last, id)
	}
	if uint64(last) > 64*uint64(len(points))+1<<20 {
		fault(fmt.Errorf("point %d is far beyond the number of points: ids of a Catalog are dense", last))
	}
	if len(faults) != 0 {
		return nil, errors.Join(faults...)
	}
	b := &Bank{records: make([]record, len(points)), desk: desk{plan: p}, routes: make([]uint32, int(last)+1)}
	for i, id := range points {
		if id == 0 {
			continue
		}
		if b.routes[id] != 0 {
			fault(fmt.Errorf("point %d feeds slots %d and %d", id, b.routes[id]-1, i))
		}
		b.routes[id] = uint32(i) + 1
		if c == nil {
			continue
		}
		point, ok := c.Point(id)
		if !ok {
			fault(fmt.Errorf("point %d is not in the catalog", id))
		} else if err := p.Fits(point); err != nil {
			fault(fmt.Errorf("point %q %w", point.Name, err))
		}
	}
	if len(faults) != 0 {
		return nil, errors.Join(faults...)
	}
	b.fill()
	b.identity = p.identityOf(points)
	return b, nil
}

// fill makes the channels of all slots as the plan has them start.
func (b *Bank) fill() {
	p := b.desk.plan
	if p.isGauge() {
		b.gauges, b.hot = make([]gauge, len(b.records)), make([]hot, len(b.records))
		for i := range b.gauges {
			b.gauges[i], b.hot[i].limit = p.gauge, disarmed
		}
		return
	}
	b.counters = make([]counter, len(b.records))
	for i := range b.counters {
		b.counters[i] = p.counter
	}
}

// gauge returns the gauge of a slot as it stands.
func (b *Bank) gauge(slot uint32) *gauge {
	g := &b.gauges[slot]
	b.hot[slot].cool(g)
	return g
}

// Len returns the number of slots.
func (b *Bank) Len() int { return len(b.records) }

// at makes the desk that of a slot, for periods to be appended to dst.
func (b *Bank) at(slot uint32, dst []Period) *desk {
	d := &b.desk
	d.rec, d.slot, d.out = &b.records[slot], slot, dst
	return d
}

// drop returns what the desk has put out, and keeps nothing of the caller's.
func (d *desk) drop() []Period {
	out := d.out
	d.out, d.rec = nil, nil
	return out
}

// Push takes samples in the order of their arrival and appends the periods that
// they close to dst. Samples of points that feed no slot are passed over.
func (b *Bank) Push(dst []Period, samples []acquire.Sample) []Period {
	if len(b.gauges) < scattered {
		return b.pushSome(dst, samples)
	}
	var slots [ahead]uint32
	for len(samples) > 0 {
		n := min(len(samples), ahead)
		if samples[n-1].Point-samples[0].Point != acquire.PointID(n-1) { // not one after the other
			b.fetch(&slots, samples[:n])
			dst = b.pushFetched(dst, slots[:n], samples[:n])
		} else {
			dst = b.pushSome(dst, samples[:n])
		}
		samples = samples[n:]
	}
	return dst
}

// A bank of scattered slots or more does not fit the nearest caches. Series that
// come in no order are waited for one by one then, unless each was touched shortly
// before: the loop that does nothing else has many of them on their way at once.
const (
	scattered = 1024
	ahead     = 32 // samples
)

// nowhere stands for the slot of a sample that feeds none.
const nowhere = math.MaxUint32

// fetch finds the slots that samples feed, ahead of them at most, and touches their
// series. What it returns is of no use, but keeps the compiler from leaving that
// out.
//
//go:noinline
func (b *Bank) fetch(slots *[ahead]uint32, samples []acquire.Sample) (sum uint64) {
	routes, gauges := b.routes, b.hot
	for i := range samples[:min(len(samples), ahead)] {
		slot := uint32(nowhere)
		if id := samples[i].Point; uint(id) < uint(len(routes)) {
			if slot = routes[id] - 1; uint(slot) < uint(len(gauges)) {
				sum += gauges[slot].taken
			}
		}
		slots[i] = slot
	}
	return sum
}

// fetchSlots is fetch for slots that are known.
//
//go:noinline
func (b *Bank) fetchSlots(slots []uint32) (sum uint64) {
	gauges := b.hot
	for _, slot := range slots {
		if uint(slot) < uint(len(gauges)) {
			sum += gauges[slot].taken
		}
	}
	return sum
}

// pushFetched is pushSome for a bank of power and samples whose slots are known.
func (b *Bank) pushFetched(dst []Period, slots []uint32, samples []acquire.Sample) []Period {
	for i := 0; i < len(samples); i++ {
		i += takeFetched(b.hot, slots[i:], samples[i:])
		if i == len(samples) {
			break
		}
		if slots[i] != nowhere {
			dst = b.take(dst, slots[i], &samples[i])
		}
	}
	return dst
}

// takeFetched is takeSamples for slots that are known.
func takeFetched(gauges []hot, slots []uint32, samples []acquire.Sample) int {
	slots = slots[:len(samples)]
	for i := range samples {
		s, slot := &samples[i], slots[i]
		if uint(slot) >= uint(len(gauges)) {
			return i
		}
		g := &gauges[slot]
		dt, ok := g.common(s.Time, s.Quality)
		if !ok {
			return i
		}
		v, ok := s.Value.Float64()
		if !ok {
			return i
		}
		x := g.parts(v)
		if !distinct(x) {
			return i
		}
		g.take(s.Time, dt, x)
	}
	return len(samples)
}

// pushSome is Push.
func (b *Bank) pushSome(dst []Period, samples []acquire.Sample) []Period {
	for i := 0; i < len(samples); i++ {
		i += takeSamples(b.hot, b.routes, samples[i:])
		if i == len(samples) {
			break
		}
		s := &samples[i]
		if uint(s.Point) >= uint(len(b.routes)) {
			continue
		}
		slot := b.routes[s.Point] - 1
		if uint(slot) < uint(len(b.counters)) && b.counters[slot].push(s.Time, s.Value, s.Quality) {
			continue
		}
		if slot != nowhere {
			dst = b.take(dst, slot, s)
		}
	}
	return dst
}

// takeSamples takes common samples of power up to the first that is not one, and
// returns how many.
func takeSamples(gauges []hot, routes []uint32, samples []acquire.Sample) int {
	for i := range samples {
		s := &samples[i]
		if uint(s.Point) >= uint(len(routes)) {
			return i
		}
		slot := routes[s.Point] - 1
		if uint(slot) >= uint(len(gauges)) {
			return i
		}
		// What gauge.push does, without the call.
		g := &gauges[slot]
		dt, ok := g.common(s.Time, s.Quality)
		if !ok {
			return i
		}
		v, ok := s.Value.Float64()
		if !ok {
			return i
		}
		x := g.parts(v)
		if !distinct(x) {
			return i
		}
		g.take(s.Time, dt, x)
	}
	return len(samples)
}

// take takes a sample that is not a common one.
func (b *Bank) take(dst []Period, slot uint32, s *acquire.Sample) []Period {
	if len(b.gauges) == 0 {
		c := &b.counters[slot]
		if c.pushOther(s.Time, s.Value, s.Quality) {
			return dst
		}
		d := b.at(slot, dst)
		d.takeCounter(c, s)
		return d.drop()
	}
	g := b.gauge(slot)
	dst = b.takeCold(dst, slot, g, s)
	// One that the short way would have taken but for its time is followed by others.
	if x, ok := s.Value.Float64(); ok && distinct(g.parts(x)) {
		b.hot[slot].warm(g)
	}
	return dst
}

// takeCold is take for a slot of power, whose gauge is g.
func (b *Bank) takeCold(dst []Period, slot uint32, g *gauge, s *acquire.Sample) []Period {
	x, ok := number(s.Value)
	if ok && s.Time < g.limit && (g.push(s.Time, x, s.Quality) || g.pushCrossing(s.Time, x, s.Quality)) {
		return dst
	}
	d := b.at(slot, dst)
	if !ok || !d.takeNext(g, s.Time, x, s.Quality) {
		d.takeGauge(g, s)
	}
	return d.drop()
}

// AppendPeriods is Push of a whole batch and of the watermark it brings for the
// points it names.
func (b *Bank) AppendPeriods(dst []Period, batch *acquire.Batch) []Period {
	dst = b.Push(dst, batch.Samples)
	w := batch.Watermark
	if w < soonest || w > latest {
		return dst
	}
	for _, id := range batch.Points {
		if id >= acquire.PointID(len(b.routes)) || b.routes[id] == 0 {
			continue
		}
		dst = b.pass(dst, b.routes[id]-1, w)
	}
	return dst
}

// pass takes a watermark for one slot.
func (b *Bank) pass(dst []Period, slot uint32, watermark acquire.Instant) []Period {
	if rec := &b.records[slot]; len(b.gauges) != 0 && rec.open && watermark < rec.end {
		g := &b.gauges[slot]
		g.mark = max(g.mark, watermark) // which hot does not know of
		return dst
	}
	d := b.at(slot, dst)
	if len(b.gauges) != 0 {
		d.passGauge(b.gauge(slot), watermark)
	} else {
		d.passCounter(&b.counters[slot], watermark)
	}
	return d.drop()
}

// passGauge takes a watermark for g.
func (d *desk) passGauge(g *gauge, watermark acquire.Instant) {
	g.mark = max(g.mark, watermark)
	if !d.rec.open {
		d.begin(&g.channel, watermark)
	}
	if d.rec.end <= watermark {
		d.settleGauge(g)
	}
}

// passCounter takes a watermark for c.
func (d *desk) passCounter(c *counter, watermark acquire.Instant) {
	c.mark = max(c.mark, watermark)
	if !d.rec.open {
		d.begin(&c.channel, watermark)
	}
	if d.rec.end <= watermark {
		d.settleCounter(c)
	}
}

// ticked is how many periods Tick appends at most before it stops, when dst has
// no room for more.
const ticked = 512

// Tick says that no sample before watermark is still to come, for any slot, and
// appends the periods that this decides to dst. One watermark may close many
// periods of many slots; Tick stops before a slot once it has filled what room
// dst had, or some 500 periods if that is more, and reports true: call it again
// with the same watermark to go on. A watermark out of the range of times that
// samples may have is passed over.
func (b *Bank) Tick(dst []Period, watermark acquire.Instant) (periods []Period, more bool) {
	if watermark < soonest || watermark > latest {
		return dst, false
	}
	if watermark != b.passed {
		b.passed, b.resume = watermark, 0
	}
	room := max(cap(dst), len(dst)+ticked)
	for ; b.resume < len(b.records); b.resume++ {
		if len(dst) >= room {
			return dst, true
		}
		dst = b.pass(dst, uint32(b.resume), watermark)
	}
	return dst, false
}

// Flush closes the periods of all slots that hold data or flags, at the end of
// all data, and appends them to dst. Those that are not decided are Partial: what
// follows the last sample is missing there, unless a watermark has decided it. A
// register reading still in doubt is refused. Samples of closed periods that come
// later are late.
func (b *Bank) Flush(dst []Period) []Period {
	for i := range b.records {
		d := b.at(uint32(i), dst)
		if len(b.gauges) != 0 {
			d.flushGauge(b.gauge(uint32(i)))
		} else {
			d.flushCounter(&b.counters[i])
		}
		dst = d.drop()
	}
	return dst
}

// Totals returns the sums of a slot since it began, in the account that is of
// its kind, and whether there is such a slot.
func (b *Bank) Totals(slot uint32) (Totals, bool) {
	if slot >= uint32(len(b.records)) {
		return Totals{}, false
	}
	d := b.at(slot, nil)
	defer d.drop()
	if len(b.gauges) != 0 {
		g := b.gauge(slot)
		t := g.gathered()
		return d.totals(&t, g.done, g.samples()), true
	}
	c := &b.counters[slot]
	c.rest()
	return d.totals(&c.tally, c.done, c.samples), true
}
