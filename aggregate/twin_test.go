package aggregate_test

import (
	"math"
	"math/big"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// This file is the slow twin of the package: the same rules, written down over
// the whole history of one meter at once, in big rationals, without states,
// rings or boundaries. The tests compare it with the Router.

// The channels of a meter, in the order of the script's points.
const (
	power = iota
	reactive
	imported
	exported
	reactiveImported
	reactiveExported
	channelCount
)

// script is everything that happens to one meter.
type script struct {
	metering aggregate.Metering
	have     [channelCount]bool
	perUnit  [channelCount]*big.Int // µW or quanta in one unit of the point
	events   []event
}

// event is one sample of a channel, or (channel < 0) a watermark for all.
type event struct {
	channel int
	sample  acquire.Sample
	mark    acquire.Instant
}

// sums is what one channel has in one block.
type sums struct {
	in, out         *big.Int
	good, uncertain time.Duration
}

// twin is the result: blocks[i] starts at start + i*interval.
type twin struct {
	start    acquire.Instant
	interval acquire.Instant
	blocks   []twinBlock
	counts   aggregate.Counts
}

type twinBlock struct {
	channels [channelCount]sums
	flags    aggregate.Flags
}

func rat(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

// nearest rounds x to the nearest integer, halves up.
func nearest(x *big.Rat) *big.Int {
	y := new(big.Rat).Add(x, big.NewRat(1, 2))
	q := new(big.Int)
	return q.Div(y.Num(), y.Denom()) // Euclidean: the denominator is positive, so this is the floor
}

// nearestEven rounds x to the nearest integer, halves to even.
func nearestEven(x *big.Rat) *big.Int {
	n := nearest(x)
	if d := new(big.Rat).Sub(new(big.Rat).SetInt(n), x); d.Cmp(big.NewRat(1, 2)) == 0 && n.Bit(0) == 1 {
		n.Sub(n, big.NewInt(1))
	}
	return n
}

// count converts a value, nil if it is no finite number.
func count(v acquire.Value, perUnit *big.Int) *big.Int {
	x := new(big.Rat)
	if f, ok := v.Float64(); ok {
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil
		}
		x.SetFloat64(f)
	} else if i, ok := v.Int64(); ok {
		x.SetInt64(i)
	} else if u, ok := v.Uint64(); ok {
		x.SetInt(new(big.Int).SetUint64(u))
	} else {
		return nil
	}
	return nearestEven(x.Mul(x, new(big.Rat).SetInt(perUnit)))
}

// reading is one accepted sample of a channel; x is nil if it says nothing.
type reading struct {
	at acquire.Instant
	x  *big.Int
	q  acquire.Quality
	s  acquire.Sample

	restarted bool // by this sample or one before it that was no reading
}

// work computes the twin of a script.
func work(s *script) *twin {
	demand := s.metering.Demand
	if demand.Interval == 0 {
		demand.Interval = aggregate.DefaultDemandInterval
	}
	gap := acquire.Instant(s.metering.MaxGap)
	if gap == 0 {
		gap = acquire.Instant(aggregate.DefaultMaxGap)
	}
	w := &twin{interval: acquire.Instant(demand.Interval)}
	floor := func(t acquire.Instant) acquire.Instant {
		phase := (t - acquire.Instant(demand.Offset)) % w.interval
		if phase < 0 {
			phase += w.interval
		}
		return t - phase
	}

	// What is accepted, and when it begins.
	var readings [channelCount][]reading
	var mark acquire.Instant
	began, partial := false, false
	begin := func(t acquire.Instant) {
		if !began {
			began, w.start, partial = true, floor(t), t > floor(t)
		}
	}
	for _, e := range s.events {
		if e.channel < 0 {
			begin(e.mark)
			mark = max(mark, e.mark)
			continue
		}
		begin(e.sample.Time)
		r := reading{at: e.sample.Time, q: e.sample.Quality.Severity(), s: e.sample}
		if r.q != acquire.Bad {
			r.x = count(e.sample.Value, s.perUnit[e.channel])
			if isPower := e.channel <= reactive; r.x != nil && (isPower && r.x.BitLen() > 62 || !isPower && r.x.BitLen() > 125) {
				r.x = nil
			}
		}
		list := readings[e.channel]
		n := len(list)
		lost := n > 0 && e.channel <= reactive && r.q == acquire.Bad && r.at == list[n-1].at && list[n-1].x != nil
		if n > 0 && r.at <= list[n-1].at && !lost {
			last := list[n-1]
			same := r.at == last.at && (r.x == nil) == (last.x == nil)
			if same && r.x != nil {
				same = r.x.Cmp(last.x) == 0
			}
			if same {
				w.counts.Duplicates++
			} else {
				w.counts.Late++
			}
			continue
		}
		readings[e.channel] = append(list, r)
	}
	if !began {
		return w
	}

	// What the end of the data leaves undecided.
	var believed [channelCount]beliefs
	settled := acquire.Instant(math.MaxInt64)
	until := w.start
	for c := range readings {
		if !s.have[c] {
			continue
		}
		list := readings[c]
		done := w.start
		var last reading
		if len(list) > 0 {
			last = list[len(list)-1]
		}
		if c <= reactive {
			done = max(done, last.at)
			if last.x == nil || s.metering.Rule == aggregate.HoldLeft || mark > last.at+gap {
				settled = min(settled, max(done, mark))
			} else {
				settled = min(settled, done)
			}
		} else {
			believed[c] = believe(s, c, list)
			b := &believed[c]
			seen := max(mark, last.at)
			switch {
			case b.last.x == nil:
				settled = min(settled, max(done, seen))
			default:
				done = b.last.at
				if b.doubt != 0 {
					until = max(until, b.doubt)
				}
				switch {
				case seen <= done+gap:
					settled = min(settled, done)
				case b.doubt != 0 && seen <= b.doubt+gap:
					settled = min(settled, max(done, b.doubt-1))
				default:
					settled = min(settled, max(done, seen-1))
				}
			}
		}
		until = max(until, done)
	}

	// Registers and flags.
	for c := range readings {
		if s.have[c] && c > reactive {
			w.register(c, &believed[c], gap)
			if t := believed[c].doubt; t != 0 { // refused at the end, where blocks may be closed
				w.at(max(t, floor(settled))).flags |= aggregate.BadReading
			}
		}
		for _, r := range readings[c] {
			if r.x == nil {
				w.counts.Bad++
			}
			if c <= reactive && r.s.Quality.Has(acquire.Overflow) {
				w.at(r.at).flags |= aggregate.Lossy
			}
		}
	}
	if until = max(until, floor(settled)); until > w.start {
		w.at(until - 1)
	}
	if partial {
		w.at(w.start).flags |= aggregate.Partial
	}

	// Power. The last value is held as far as blocks are closed and watermarks
	// reach their ends.
	closed := min(w.start+acquire.Instant(len(w.blocks))*w.interval, floor(mark))
	for c := range readings {
		if s.have[c] && c <= reactive {
			hold := gap
			if s.metering.Hold != 0 {
				hold = acquire.Instant(s.metering.Hold)
			}
			w.integrate(c, readings[c], s.metering.Rule, hold, closed)
		}
	}
	return w
}

// at returns the block that holds t.
func (w *twin) at(t acquire.Instant) *twinBlock {
	n := int((t - w.start) / w.interval)
	for n >= len(w.blocks) {
		var b twinBlock
		for c := range b.channels {
			b.channels[c].in, b.channels[c].out = new(big.Int), new(big.Int)
		}
		w.blocks = append(w.blocks, b)
	}
	return &w.blocks[n]
}

// before returns the block that the time just before t belongs to.
func (w *twin) before(t acquire.Instant) *twinBlock { return w.at(max(t-1, w.start)) }

// cut yields the pieces of [from, to) between block edges.
func (w *twin) cut(from, to acquire.Instant, piece func(b *sums, from, to acquire.Instant), c int) {
	for from < to {
		end := min(to, from-(from-w.start)%w.interval+w.interval)
		piece(&w.at(from).channels[c], from, end)
		from = end
	}
}

func (b *sums) cover(d acquire.Instant, q acquire.Quality) {
	if q == acquire.Good {
		b.good += time.Duration(d)
	} else {
		b.uncertain += time.Duration(d)
	}
}

// integrate books power samples.
func (w *twin) integrate(c int, list []reading, rule aggregate.Rule, gap, closed acquire.Instant) {
	constant := func(p *big.Int, q acquire.Quality, from, to acquire.Instant) {
		w.cut(from, to, func(b *sums, from, to acquire.Instant) {
			e := new(big.Int).Mul(p, big.NewInt(2*int64(to-from)))
			if e.Sign() < 0 {
				b.out.Sub(b.out, e)
			} else {
				b.in.Add(b.in, e)
			}
			b.cover(to-from, q)
		}, c)
	}
	for i, a := range list {
		if a.x == nil {
			continue
		}
		if i == len(list)-1 {
			if rule == aggregate.HoldLeft {
				constant(a.x, a.q, a.at, min(a.at+gap, closed))
			}
			continue
		}
		b := list[i+1]
		q := min(a.q, b.q)
		switch {
		case rule == aggregate.HoldLeft:
			constant(a.x, a.q, a.at, min(b.at, a.at+gap))
		case b.x == nil || b.at-a.at > gap:
		case rule == aggregate.MeanOverPast:
			constant(b.x, q, a.at, b.at)
		default:
			w.trapezoid(c, a, b, q)
		}
	}
}

// trapezoid books the line from a to b. The energy up to a point is rounded, the
// energy of a piece is the difference of two such.
func (w *twin) trapezoid(c int, a, b reading, q acquire.Quality) {
	p1, p2 := new(big.Rat).SetInt(a.x), new(big.Rat).SetInt(b.x)
	turned := p1.Sign() < 0 || p1.Sign() == 0 && p2.Sign() < 0
	if turned {
		p1.Neg(p1)
		p2.Neg(p2)
	}
	dt := rat(int64(b.at - a.at))
	slope := new(big.Rat).Sub(p2, p1)
	slope.Quo(slope, dt)
	var crossing, triangle *big.Rat
	if p2.Sign() < 0 {
		crossing = new(big.Rat).Quo(p1, slope)
		crossing.Neg(crossing)
		triangle = new(big.Rat).Mul(p1, crossing) // in quanta: twice half the base times the height
	}
	upTo := func(t acquire.Instant) (in, out *big.Int) {
		u := rat(int64(t - a.at))
		net := new(big.Rat).Mul(p1, u)
		net.Add(net, net)
		bend := new(big.Rat).Mul(slope, u)
		net.Add(net, bend.Mul(bend, u))
		in, out = nearest(net), new(big.Int)
		if crossing != nil && u.Cmp(crossing) > 0 {
			whole := nearest(triangle)
			in, out = whole, new(big.Int).Sub(whole, in)
		}
		if turned {
			in, out = out, in
		}
		return in, out
	}
	w.cut(a.at, b.at, func(s *sums, from, to acquire.Instant) {
		in0, out0 := upTo(from)
		in1, out1 := upTo(to)
		s.in.Add(s.in, in1.Sub(in1, in0))
		s.out.Add(s.out, out1.Sub(out1, out0))
		s.cover(to-from, q)
	}, c)
}

// beliefs is what a history of readings comes to.
type beliefs struct {
	steps   []stride
	flags   map[acquire.Instant]aggregate.Flags // of the block before
	credits map[acquire.Instant]*big.Int
	refused []acquire.Instant
	last    reading         // last believed
	doubt   acquire.Instant // time of a reading that nothing decides
	counts  aggregate.Counts
}

// stride is the energy between two believed readings.
type stride struct {
	from, to acquire.Instant
	energy   *big.Int
	q        acquire.Quality
	slow     bool // in doubt for too long to be shared out
}

// believe decides over the readings of a register by looking ahead.
func believe(s *script, c int, list []reading) beliefs {
	b := beliefs{flags: map[acquire.Instant]aggregate.Flags{}, credits: map[acquire.Instant]*big.Int{}}
	g := s.metering.Registers
	modulus := new(big.Int).Mul(new(big.Int).SetUint64(g.Modulus), s.perUnit[c])
	gap := acquire.Instant(s.metering.MaxGap)
	if gap == 0 {
		gap = acquire.Instant(aggregate.DefaultMaxGap)
	}
	most := func(d acquire.Instant) *big.Int {
		e := new(big.Int).Mul(big.NewInt(int64(math.Ceil(g.MaxPower*1e6))), big.NewInt(2*int64(d)))
		return e.Add(e, new(big.Int).Mul(s.perUnit[c], new(big.Int).SetUint64(max(g.Resolution, 1))))
	}
	// follows says what the step from p to n is, whether it is sure, and whether it
	// can be at all, given when the register moved last.
	follows := func(p, n reading, moved acquire.Instant) (e *big.Int, rolled, sure, can bool) {
		e = new(big.Int).Sub(n.x, p.x)
		if rolled = e.Sign() < 0; rolled {
			if g.Modulus == 0 {
				return nil, false, false, false
			}
			e.Add(e, modulus)
		}
		if g.MaxPower > 0 {
			within := e.Cmp(most(n.at-p.at)) <= 0
			return e, rolled, within && !(rolled && n.x.Sign() == 0), within || !rolled && e.Cmp(most(n.at-moved)) <= 0
		}
		if g.Modulus > 0 {
			short := new(big.Int).Add(e, e).Cmp(modulus) < 0
			return e, rolled, short && !rolled, short
		}
		return e, false, true, true
	}
	var usable []reading
	restarted := false
	for _, r := range list {
		restarted = restarted || r.s.Quality.Has(acquire.Discontinuity)
		if r.x == nil {
			continue
		}
		if r.x.Sign() < 0 || r.x.BitLen() > 120 || g.Modulus > 0 && r.x.Cmp(modulus) >= 0 {
			b.counts.BadReadings++
			b.refused = append(b.refused, r.at)
			continue
		}
		r.restarted, restarted = restarted, false
		usable = append(usable, r)
	}
	b.counts.Samples = uint64(len(usable))
	var moved acquire.Instant
	take := func(n reading, e *big.Int) {
		if e.Sign() != 0 {
			moved = b.last.at
		}
		b.last = n
	}
	rollover := func(rolled bool, at acquire.Instant) {
		if rolled {
			b.counts.Rollovers++
			b.flags[at] |= aggregate.Rollover
		}
	}
	begin := func(n reading) { b.last, moved = n, n.at }
	reset := func(at acquire.Instant, n reading, credit *big.Int) {
		b.counts.Resets++
		b.flags[at] |= aggregate.Reset
		if g.MaxPower > 0 && credit.Cmp(most(n.at-b.last.at)) > 0 {
			return
		}
		if g.OnReset == aggregate.CreditNew && credit.Sign() > 0 {
			b.flags[at] |= aggregate.Carried
			if b.credits[at] == nil {
				b.credits[at] = new(big.Int)
			}
			b.credits[at].Add(b.credits[at], credit)
		}
	}
	refuse := func(at acquire.Instant) {
		b.counts.BadReadings++
		b.refused = append(b.refused, at)
	}
	for i := 0; i < len(usable); i++ {
		n := usable[i]
		if b.last.x == nil {
			begin(n)
			continue
		}
		if n.restarted {
			reset(n.at, n, n.x)
			begin(n)
			continue
		}
		e, rolled, sure, can := follows(b.last, n, moved)
		if sure {
			rollover(rolled, n.at)
			b.steps = append(b.steps, stride{b.last.at, n.at, e, min(b.last.q, n.q), false})
			take(n, e)
			continue
		}
		// n is in doubt: the next decides.
		if i+1 == len(usable) {
			b.doubt = n.at
			b.counts.BadReadings++
			break
		}
		next := usable[i+1]
		_, _, fits, _ := follows(b.last, next, moved)
		onward, again, follow, within := follows(n, next, n.at)
		follow = follow || g.MaxPower > 0 && within
		late := next.at-n.at > gap // too late for the block of n
		switch {
		case next.restarted:
			refuse(next.at)
		case follow && can && late && again && next.x.Sign() == 0: // next is in doubt itself
			rollover(rolled, next.at)
			b.steps = append(b.steps, stride{b.last.at, next.at, e, min(b.last.q, n.q), true})
			take(n, e)
		case follow && can && late:
			rollover(rolled, next.at)
			b.steps = append(b.steps, stride{b.last.at, next.at, e.Add(e, onward), min(b.last.q, next.q), true})
			take(n, e)
			take(next, onward)
			i++
			rollover(again, next.at)
		case follow && can:
			rollover(rolled, n.at)
			b.steps = append(b.steps, stride{b.last.at, n.at, e, min(b.last.q, n.q), next.at-b.last.at > gap})
			take(n, e)
		case fits || !follow:
			refuse(next.at)
		default:
			at, credit := n.at, new(big.Int)
			if late {
				at = next.at
			}
			if n.x.Cmp(b.last.x) < 0 {
				credit = n.x
			}
			reset(at, n, credit)
			begin(n)
		}
	}
	return b
}

// register books what is believed of a register.
func (w *twin) register(c int, b *beliefs, gap acquire.Instant) {
	for _, s := range b.steps {
		whole := s.to - s.from
		if whole > gap || s.slow {
			if s.energy.Sign() > 0 {
				block := w.before(s.to)
				block.channels[c].in.Add(block.channels[c].in, s.energy)
				block.flags |= aggregate.Carried
			}
			continue
		}
		upTo := func(t acquire.Instant) *big.Int {
			part := new(big.Rat).SetFrac64(int64(t-s.from), int64(whole))
			return nearest(part.Mul(part, new(big.Rat).SetInt(s.energy)))
		}
		w.cut(s.from, s.to, func(in *sums, from, to acquire.Instant) {
			in.in.Add(in.in, new(big.Int).Sub(upTo(to), upTo(from)))
			in.cover(to-from, s.q)
		}, c)
	}
	for t, flags := range b.flags {
		w.before(t).flags |= flags
	}
	for _, t := range b.refused {
		w.at(t).flags |= aggregate.BadReading
	}
	for t, credit := range b.credits {
		in := &w.before(t).channels[c]
		in.in.Add(in.in, credit)
	}
	w.counts.Samples += b.counts.Samples
	w.counts.BadReadings += b.counts.BadReadings
	w.counts.Resets += b.counts.Resets
	w.counts.Rollovers += b.counts.Rollovers
}
