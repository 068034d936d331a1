package aggregate

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// DefaultMaxGap is the longest time between two samples that is bridged where
// none is given.
const DefaultMaxGap = time.Minute

// maxGapBlocks bounds the memory of one meter: MaxGap spans at most as many
// demand intervals.
const maxGapBlocks = 128

// openBlocks returns how many blocks of one meter may be open at once, where
// MaxGap spans gap blocks. One channel is undecided for MaxGap after its last
// sample; another may book MaxGap beyond that with its next one, before the
// watermark passes. Two more take the parts of blocks at both ends.
func openBlocks(gap int) int { return 2*gap + 2 }

// maxSilentIntervals is after how many intervals a watermark closes no more
// meters in one call. The next calls go on.
const maxSilentIntervals = 512

// Metering describes one meter: which points it takes and what to make of them.
// The points are names in the Catalog; empty = the meter has no such channel,
// and it has at least one. They may come from different sources, and a point may
// feed several meters.
type Metering struct {
	Name string // unique among the meters of a Router

	Power         string // active power: a gauge
	ReactivePower string // reactive power: a gauge

	Import         string // active energy imported: a counter
	Export         string // active energy exported: a counter
	ReactiveImport string // reactive energy imported: a counter
	ReactiveExport string // reactive energy exported: a counter

	Rule      Rule          // how samples of power become energy; zero = HoldLeft
	MaxGap    time.Duration // longest time between two samples that is bridged; 0 = DefaultMaxGap; choose more than the slowest point's interval
	Hold      time.Duration // how long a value of HoldLeft stays valid; 0 = MaxGap; the other rules hold nothing
	Registers Registers     // what is known of the registers
	Demand    Demand        // how time is cut into intervals; zero = 15 minutes
	MaxAhead  time.Duration // how far ahead of Batch.Received a sample or watermark may be stamped; 0 = DefaultMaxAhead

	Multiplier Ratio // what the points read times this is what flows, where the meter is behind transformers; zero = 1
}

// ref refers to a channel: n > 0 to gauges[n-1], n < 0 to counters[-n-1]. From fan
// on it refers to several, listed in fans from n-fan up to a zero.
type ref int32

const fan ref = 1 << 30

// Router takes samples in the order of their arrival to the meters they belong
// to and yields the intervals of each. See the package comment for the model.
//
// A Router belongs to one goroutine at a time. It has no clock: it advances on
// sample times and watermarks alone. Make one with NewRouter; the zero Router
// has no meters and yields nothing.
type Router struct {
	routes      []ref // by PointID
	fans        []ref
	gauges      []gauge
	conversions []conversion // of the gauges

	gaugeOrigins, counterOrigins []origin // for Swap
	counters                     []counter
	meters                       []meter
	byName                       map[string]int

	earliest acquire.Instant // no meter has a block that ends before this
	moved    bool            // some meter began or closed a block since earliest was found
	behind   bool            // a watermark has closed less than it could
	identity uint64          // fingerprint of the configuration

	received acquire.Instant // of the batch in progress; 0 = not known
	maxAhead acquire.Instant // the smallest of all meters

	buffer []Interval // of Observe
	out    []Interval // of the call in progress
	base   int        // length of out when it began
}

// NewRouter returns a Router for meters whose points are in c. It allocates all
// memory that pushing needs. The error joins every fault of every meter.
func NewRouter(c *acquire.Catalog, meters ...Metering) (*Router, error) {
	if c == nil {
		return nil, errors.New("aggregate: no catalog")
	}
	if len(meters) == 0 {
		return nil, errors.New("aggregate: no meters")
	}
	r := &Router{
		routes: make([]ref, c.Len()+1),
		meters: make([]meter, len(meters)),
		byName: make(map[string]int, len(meters)),

		maxAhead: latest,
	}
	var faults []error
	for i, metering := range meters {
		if err := r.bind(c, i, metering); err != nil {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	r.identity = fingerprint("router", meters, r.gaugeOrigins, r.counterOrigins)
	return r, nil
}

// kinds says what the point of each slot has to be.
var kinds = [slots]struct {
	field string
	role  acquire.Role
	kind  units.Kind
	base  units.Unit
	parts uint64 // quanta, or microwatts, of base
}{
	activePowerSlot:    {"power", acquire.Gauge, units.ActivePower, units.Watt, microwattsPerWatt},
	reactivePowerSlot:  {"reactive power", acquire.Gauge, units.ReactivePower, units.Var, microwattsPerWatt},
	importSlot:         {"import", acquire.Counter, units.ActiveEnergy, units.WattHour, quantaPerWattHour},
	exportSlot:         {"export", acquire.Counter, units.ActiveEnergy, units.WattHour, quantaPerWattHour},
	reactiveImportSlot: {"reactive import", acquire.Counter, units.ReactiveEnergy, units.VarHour, quantaPerWattHour},
	reactiveExportSlot: {"reactive export", acquire.Counter, units.ReactiveEnergy, units.VarHour, quantaPerWattHour},
}

// bind makes meter i of a Metering.
func (r *Router) bind(c *acquire.Catalog, i int, metering Metering) error {
	label := metering.Name
	var faults []error
	fault := func(err error) { faults = append(faults, fmt.Errorf("aggregate: %s: %w", label, err)) }
	if metering.Name == "" {
		label = fmt.Sprintf("meter %d", i)
		fault(errors.New("no name"))
	} else if _, taken := r.byName[metering.Name]; taken {
		fault(errors.New("name is used twice"))
	} else {
		r.byName[metering.Name] = i
	}
	if metering.MaxGap == 0 {
		metering.MaxGap = DefaultMaxGap
	}
	metering.Demand = metering.Demand.withDefaults()
	demand := metering.Demand
	sound := true
	if err := demand.validate(); err != nil {
		sound = false
		fault(err)
	}
	switch {
	case metering.Hold < 0:
		sound = false
		fault(fmt.Errorf("hold %v is negative", metering.Hold))
	case metering.Hold != 0 && metering.Rule != HoldLeft:
		fault(fmt.Errorf("hold %v has no meaning for rule %v", metering.Hold, metering.Rule))
	case sound && metering.Hold > demand.Interval*maxGapBlocks:
		sound = false
		fault(fmt.Errorf("hold %v is more than %d demand intervals of %v", metering.Hold, maxGapBlocks, demand.Interval))
	}
	if metering.Hold == 0 {
		metering.Hold = metering.MaxGap
	}
	if metering.MaxAhead < 0 {
		fault(fmt.Errorf("longest time ahead %v is negative", metering.MaxAhead))
	}
	if metering.MaxAhead == 0 {
		metering.MaxAhead = DefaultMaxAhead
	}
	switch {
	case metering.MaxGap < 0:
		sound = false
		fault(fmt.Errorf("longest gap %v is negative", metering.MaxGap))
	case sound && metering.MaxGap > demand.Interval*maxGapBlocks:
		sound = false
		fault(fmt.Errorf("longest gap %v is more than %d demand intervals of %v", metering.MaxGap, maxGapBlocks, demand.Interval))
	}
	if metering.Rule > MeanOverPast {
		fault(fmt.Errorf("unknown %v", metering.Rule))
	}
	if err := metering.Registers.validate(); err != nil {
		fault(err)
	}
	if err := metering.Multiplier.validate(); err != nil {
		fault(err)
	}
	m := &r.meters[i]
	*m = meter{router: r, name: metering.Name, index: i, maxAhead: acquire.Instant(metering.MaxAhead)}
	r.maxAhead = min(r.maxAhead, m.maxAhead)
	if sound {
		m.interval = acquire.Instant(demand.Interval)
		m.offset = (acquire.Instant(demand.Offset)%m.interval + m.interval) % m.interval
		spans := (max(metering.MaxGap, metering.Hold) + demand.Interval - 1) / demand.Interval
		m.ring = make([]block, openBlocks(int(spans)))
	}
	names := [slots]string{metering.Power, metering.ReactivePower, metering.Import, metering.Export, metering.ReactiveImport, metering.ReactiveExport}
	for s, name := range names {
		if name == "" {
			continue
		}
		m.channels |= 1 << s
		if at := slices.Index(names[:s], name); at >= 0 {
			fault(fmt.Errorf("%s point %q is the %s point too", kinds[s].field, name, kinds[at].field))
			continue
		}
		if err := r.bindPoint(c, m, slot(s), name, metering); err != nil {
			fault(fmt.Errorf("%s point %q %w", kinds[s].field, name, err))
		}
	}
	if m.channels == 0 {
		fault(errors.New("no points"))
	}
	return errors.Join(faults...)
}

// bindPoint makes the channel of one point.
func (r *Router) bindPoint(c *acquire.Catalog, m *meter, s slot, name string, metering Metering) error {
	want := &kinds[s]
	id, ok := c.Lookup(name)
	if !ok {
		return errors.New("is not in the catalog")
	}
	point, _ := c.Point(id)
	var faults []error
	weighed := want.role == acquire.Counter && metering.Registers.Weight != PulseWeight{}
	if k := point.Unit.Kind(); weighed {
		if k == want.kind {
			faults = append(faults, fmt.Errorf("is in %v and has a pulse weight", point.Unit))
		} else if point.Unit != units.None && point.Unit != units.One && point.Unit != units.Each {
			faults = append(faults, fmt.Errorf("is in %v: want a number of pulses", point.Unit))
		}
	} else if k == units.KindNone {
		faults = append(faults, fmt.Errorf("has no known unit: want %v", want.kind))
	} else if k != want.kind {
		faults = append(faults, fmt.Errorf("is in %v: want %v, not %v", point.Unit, want.kind, k))
	}
	if point.Role != want.role {
		faults = append(faults, fmt.Errorf("is a %v: want a %v", point.Role, want.role))
	}
	if point.Kind < acquire.KindFloat64 || point.Kind > acquire.KindUint64 {
		faults = append(faults, fmt.Errorf("holds %v: want a number", point.Kind))
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	from := origin{unit: point.Unit, registers: metering.Registers, multiplier: metering.Multiplier}
	conv, err := from.conversion(want.base, want.parts)
	if err != nil {
		return fmt.Errorf("cannot be counted: %w", err)
	}
	ch := channel{maxGap: int64(metering.MaxGap), meter: uint32(m.index), slot: s}
	if want.role == acquire.Gauge {
		if metering.Rule == HoldLeft {
			ch.maxGap = int64(metering.Hold)
		}
		r.gauges = append(r.gauges, newGauge(ch, conv, metering.Rule))
		r.conversions = append(r.conversions, conv)
		r.gaugeOrigins = append(r.gaugeOrigins, from)
		m.refs[s] = ref(len(r.gauges))
	} else {
		n, err := newCounter(ch, conv, metering.Registers)
		if err != nil {
			return err
		}
		r.counters = append(r.counters, n)
		r.counterOrigins = append(r.counterOrigins, from)
		m.refs[s] = -ref(len(r.counters))
	}
	r.route(id, m.refs[s])
	return nil
}

// route adds a channel to those that a point feeds.
func (r *Router) route(id acquire.PointID, to ref) {
	if int(id) >= len(r.routes) { // defined since NewRouter began
		r.routes = append(r.routes, make([]ref, int(id)+1-len(r.routes))...)
	}
	at := r.routes[id]
	if at == 0 {
		r.routes[id] = to
		return
	}
	others := []ref{at}
	if at >= fan {
		others = r.fans[at-fan:]
		others = others[:slices.Index(others, 0)]
	}
	r.routes[id] = fan + ref(len(r.fans))
	r.fans = append(append(append(r.fans, to), others...), 0)
}

// channel returns what ref refers to, nil for none. The energies of a gauge are
// those that gathered returns.
func (r *Router) channel(ref ref) *channel {
	switch {
	case ref > 0:
		g := &r.gauges[ref-1]
		g.account()
		return &g.channel
	case ref < 0:
		c := &r.counters[-ref-1]
		c.rest()
		return &c.channel
	}
	return nil
}

// gathered returns the tally of the present block of a channel.
func (r *Router) gathered(ref ref) tally {
	if ref > 0 {
		return r.gauges[ref-1].gathered()
	}
	return r.channel(ref).tally
}

func (r *Router) channelSettled(ref ref) acquire.Instant {
	if ref > 0 {
		return r.gauges[ref-1].settled()
	}
	return r.counters[-ref-1].settled()
}

// Observe takes one batch and returns the intervals that it closed, oldest
// first. The slice belongs to r and is valid until the next call; intervals
// copied out stay valid. Samples of points that feed no meter are passed over.
//
// In steady state Observe allocates nothing. A watermark that ends a long
// silence of many meters closes some 500 intervals in one call, and the calls
// after it, with an empty batch if need be, close the rest.
func (r *Router) Observe(b *acquire.Batch) []Interval {
	r.buffer = r.AppendIntervals(r.buffer[:0], b)
	return r.buffer
}

// AppendIntervals is Observe into memory of the caller: it appends to dst.
func (r *Router) AppendIntervals(dst []Interval, b *acquire.Batch) []Interval {
	r.out, r.base = dst, len(dst)
	horizon := acquire.Instant(math.MaxInt64)
	if r.received = b.Received; r.received > 0 && r.received < latest {
		horizon = r.received + min(r.maxAhead, latest-r.received)
	}
	samples, routes, gauges := b.Samples, r.routes, r.gauges
	for i := range samples {
		s := &samples[i]
		if s.Point >= acquire.PointID(len(routes)) {
			continue
		}
		if i%ahead == 0 && len(gauges) >= scattered {
			r.fetch(samples[i:min(i+ahead, len(samples))])
		}
		at := routes[s.Point]
		if s.Time > horizon {
			r.takeAhead(at, s)
			continue
		}
		if at > 0 && at < fan {
			// What gauge.push does, without the call.
			g := &gauges[at-1]
			if dt, ok := g.common(s.Time, s.Quality); ok {
				if x, ok := s.Value.Float64(); ok {
					if x := g.parts(x); distinct(x) {
						g.take(s.Time, dt, x)
						continue
					}
				}
			}
		} else if at < 0 && r.counters[-at-1].push(s.Time, s.Value, s.Quality) {
			continue
		}
		r.take(at, s)
	}
	r.pass(b.Watermark, b.Points)
	return r.finish()
}

// fetch does for a Router what Bank.fetch does for a Bank.
//
//go:noinline
func (r *Router) fetch(samples []acquire.Sample) (sum uint64) {
	routes, gauges := r.routes, r.gauges
	if samples[len(samples)-1].Point-samples[0].Point == acquire.PointID(len(samples)-1) {
		return 0 // one after the other
	}
	for i := range samples {
		if id := samples[i].Point; uint(id) < uint(len(routes)) {
			if at := routes[id] - 1; uint(at) < uint(len(gauges)) {
				sum += gauges[at].taken
			}
		}
	}
	return sum
}

// takeAhead is take for a sample that may be stamped too far ahead.
func (r *Router) takeAhead(at ref, s *acquire.Sample) {
	if at < fan {
		if c := r.channel(at); c == nil {
			return
		} else if m := &r.meters[c.meter]; r.ahead(m, s.Time) {
			m.counts.Ahead++
			return
		}
		r.take(at, s)
		return
	}
	for _, one := range r.fans[at-fan:] {
		if one == 0 {
			return
		}
		r.takeAhead(one, s)
	}
}

// ahead reports whether t is too far ahead of the arrival of the batch.
func (r *Router) ahead(m *meter, t acquire.Instant) bool {
	return r.received > 0 && t > r.received && t-r.received > m.maxAhead
}

// take gives s to all channels that at refers to.
func (r *Router) take(at ref, s *acquire.Sample) {
	switch {
	case at >= fan:
		for _, one := range r.fans[at-fan:] {
			if one == 0 {
				return
			}
			r.take(one, s)
		}
	case at > 0:
		g := &r.gauges[at-1]
		if x, ok := number(s.Value); ok && (g.push(s.Time, x, s.Quality) || g.pushCrossing(s.Time, x, s.Quality)) {
			return
		}
		if m := &r.meters[g.meter]; r.admit(m, s.Time) {
			edge := g.edge
			if g.observe(m, &r.conversions[at-1], s); g.edge != edge {
				r.settle(m)
			}
		}
	case at < 0:
		c := &r.counters[-at-1]
		if c.pushOther(s.Time, s.Value, s.Quality) {
			return
		}
		if m := &r.meters[c.meter]; r.admit(m, s.Time) {
			if c.observe(m, s); s.Time >= m.end {
				r.settle(m)
			}
		}
	}
}

// finish hands out what the call in progress has closed, oldest first.
func (r *Router) finish() []Interval {
	out := r.out
	r.out = nil
	older := func(a, b Interval) int { return cmp.Compare(a.End, b.End) }
	if closed := out[r.base:]; !slices.IsSortedFunc(closed, older) {
		slices.SortStableFunc(closed, older)
	}
	return out
}

// admit reports whether a sample at t can be taken, and opens the meter with the
// first.
func (r *Router) admit(m *meter, t acquire.Instant) bool {
	if t < soonest || t > latest {
		m.counts.Untimed++
		return false
	}
	if !m.open {
		r.begin(m, t)
	}
	return true
}

// pass takes a watermark for the channels of points.
func (r *Router) pass(watermark acquire.Instant, points []acquire.PointID) {
	if watermark >= soonest && watermark <= latest && watermark >= r.earliest {
		for _, id := range points {
			if id >= acquire.PointID(len(r.routes)) {
				continue
			}
			at := r.routes[id]
			if at < fan {
				r.passChannel(at, watermark)
				continue
			}
			for _, one := range r.fans[at-fan:] {
				if one == 0 {
					break
				}
				r.passChannel(one, watermark)
			}
		}
	} else if !r.behind {
		return
	}
	r.passed()
}

// passed ends a call that took a watermark.
func (r *Router) passed() {
	if r.behind {
		r.behind = false
		for i := range r.meters {
			if m := &r.meters[i]; m.open {
				r.catchUp(m)
			}
		}
	}
	if !r.moved {
		return
	}
	r.moved, r.earliest = false, latest
	for i := range r.meters {
		r.earliest = min(r.earliest, r.meters[i].end)
	}
}

func (r *Router) passChannel(at ref, watermark acquire.Instant) {
	c := r.channel(at)
	if c == nil {
		return
	}
	m := &r.meters[c.meter]
	if r.ahead(m, watermark) {
		m.counts.Ahead++
		return
	}
	c.mark = max(c.mark, watermark)
	if !m.open {
		r.begin(m, watermark)
	}
	if m.end <= watermark {
		r.catchUp(m)
	}
}

// Tick takes a watermark for all points: no sample before it is still to come. It
// appends the intervals that this decides to dst. It is for hosts that know by
// their own clock that nothing older can arrive, and for streams that bring no
// watermarks. Where it stops after some 500 intervals it reports true: call it
// again with the same watermark to go on. A watermark out of the range of times
// that samples may have is passed over.
func (r *Router) Tick(dst []Interval, watermark acquire.Instant) (intervals []Interval, more bool) {
	r.out, r.base, r.received = dst, len(dst), 0
	if watermark >= soonest && watermark <= latest && watermark >= r.earliest {
		for i := range r.gauges {
			r.passChannel(ref(i+1), watermark)
		}
		for i := range r.counters {
			r.passChannel(-ref(i+1), watermark)
		}
	}
	r.passed()
	return r.finish(), r.behind
}

// catchUp closes the blocks of m that watermarks have decided, as far as the
// call in progress goes.
func (r *Router) catchUp(m *meter) {
	for s := r.settled(m); m.end <= s; r.advanceSome(m, s, s, 0) {
		if len(r.out)-r.base >= maxSilentIntervals {
			r.behind = true
			return
		}
	}
}

// Flush closes all blocks that hold data or flags, at the end of all data, and appends
// their intervals to dst. Those that are not decided are Partial: what follows
// the last sample of a channel is missing there, unless a watermark has decided
// it. A register reading still in doubt is refused. Samples of closed blocks that
// come later are late.
func (r *Router) Flush(dst []Interval) []Interval {
	r.out, r.base = dst, len(dst)
	for i := range r.meters {
		m := &r.meters[i]
		if !m.open {
			continue
		}
		r.settle(m)
		until := m.start()
		for _, ref := range m.refs {
			if ref < 0 {
				c := &r.counters[-ref-1]
				if c.doubtAt != 0 {
					c.refuse(m, c.doubtAt)
					c.doubtAt = 0
				}
				until = max(until, c.refusedIn)
			}
			if c := r.channel(ref); c != nil {
				until = max(until, c.done)
				if c.flags != 0 {
					until = max(until, c.edge)
				}
			}
		}
		settled := r.settled(m)
		if until > m.start() {
			r.advance(m, m.endOf(until-1), settled, Partial)
		}
		for m.touched > 0 {
			r.advanceSome(m, m.end, settled, Partial)
		}
		r.tellSilence(m)
	}
	r.behind = false
	return r.finish()
}
