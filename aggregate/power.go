package aggregate

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/fieldtap/fieldtap/acquire"
)

// Rule says how power samples become energy. There is no rule that credits a
// value to the time before it was seen and however long that was: after an
// outage such a right rectangle bills the outage at the first value after it.
type Rule uint8

// The rules. Whatever the rule, more than MaxGap is not bridged.
const (
	// HoldLeft holds each value until the next sample, for MaxGap at most. It is
	// exact for sources that report by exception or with a deadband, and the only
	// rule that is safe for them.
	HoldLeft Rule = iota
	// Trapezoid joins the samples by straight lines, for momentary values read at
	// regular times. Where the line crosses zero it is split at the crossing into
	// import and export.
	Trapezoid
	// MeanOverPast takes each value as the mean over the time since the sample
	// before, for meters whose power register is an average. If that sample is bad
	// or more than MaxGap ago the time is missing.
	MeanOverPast
)

// String returns the rule's name in lower case.
func (r Rule) String() string {
	switch r {
	case HoldLeft:
		return "hold left"
	case Trapezoid:
		return "trapezoid"
	case MeanOverPast:
		return "mean over past"
	}
	return fmt.Sprintf("rule %d", uint8(r))
}

// gauge integrates the power samples of one channel. It is 128 bytes, two cache
// lines, and the common push touches the first alone. That is why a run of good
// samples is covered lazily: while limit is armed all time from done to last is
// good and not yet counted, which account makes up for, and the gauge is turned
// so that p is not negative: where power flows back, factor is negative, and in and
// out have changed places. Whoever reads done calls account before; whoever reads p
// or energies, or changes anything, calls rest before, and arm after.
type gauge struct {
	p      int64           // µW, the value of the last sample, or noPower
	factor float64         // µW in one unit of the point, NaN if no float64 is that exactly
	limit  acquire.Instant // samples before it and within maxGap of last are common; disarmed = none is
	taken  uint64          // 4 × samples accepted + rule
	channel
}

// noPower stands for a sample without a value; no power is that low.
const noPower = math.MinInt64

// disarmed is before all times: every sample takes the long way.
const disarmed = acquire.Instant(math.MinInt64)

func newGauge(c channel, conv conversion, rule Rule) gauge {
	return gauge{p: noPower, factor: conv.factor, limit: disarmed, taken: uint64(rule), channel: c}
}

func (g *gauge) rule() Rule { return Rule(g.taken & 3) }

func (g *gauge) samples() uint64 { return g.taken >> 2 }

// account counts the time that is known to be good and not counted yet.
func (g *gauge) account() {
	if g.limit != disarmed {
		g.good += int64(g.last - g.done)
		g.done = g.last
	}
}

// rest makes all that a gauge holds what it says.
func (g *gauge) rest() {
	g.account()
	if g.turned() {
		g.reverse()
		g.limit = disarmed
	}
}

// arm lets samples take the short way if the state allows it.
func (g *gauge) arm() {
	g.limit = disarmed
	if g.held == good && g.done == g.last {
		g.limit = g.edge
		if g.p < 0 && g.factor > 0 {
			g.reverse()
		}
	}
}

// turned reports whether in is what flows out.
func (g *gauge) turned() bool { return g.factor < 0 }

func (g *gauge) reverse() {
	g.p, g.factor = -g.p, -g.factor
	g.in, g.out = g.out, g.in
}

// gathered returns the tally of the present block.
func (g *gauge) gathered() tally {
	g.account()
	t := g.tally
	if g.turned() {
		t.in, t.out = t.out, t.in
	}
	return t
}

// plain are the bits of a quality that decide whether a sample is common.
const plain = acquire.Quality(3) | acquire.Quality(acquire.TimeBackwards|acquire.Overflow)<<8

// common returns the time since the last sample for a sample at t of quality q
// that may be a common one: within maxGap and the present block, and good.
func (g *gauge) common(t acquire.Instant, q acquire.Quality) (dt uint64, ok bool) {
	dt = uint64(t - g.last)
	return dt, t < g.limit && dt-1 < uint64(g.maxGap) && q&plain == acquire.Good
}

// advance makes p at t what is held.
func (g *gauge) advance(t acquire.Instant, p int64) {
	g.last, g.p = t, p
	g.taken += 4
}

// push integrates up to t, where the value is x. It does the common case, a good
// sample within maxGap and the present block, and reports false, with nothing
// done, for all others.
func (g *gauge) push(t acquire.Instant, x float64, q acquire.Quality) bool {
	dt, ok := g.common(t, q)
	if !ok {
		return false
	}
	p, ok := round(float64(x * g.factor))
	if !ok {
		return false
	}
	a, b := g.ends(p)
	switch {
	case a|b >= 0:
		g.in = g.in.add(product(uint64(a)+uint64(b), dt))
	case a&b < 0:
		g.out = g.out.add(product(-uint64(a)-uint64(b), dt))
	default:
		return false
	}
	g.advance(t, p)
	if p < 0 {
		g.reverse()
	}
	return true
}

// ends returns the power at both ends of the line that the rule draws from the
// last sample to p.
func (g *gauge) ends(p int64) (a, b int64) {
	switch g.rule() {
	case HoldLeft:
		return g.p, g.p
	case Trapezoid:
		return g.p, p
	}
	return p, p
}

// parts returns x, a value of the point, in parts of a microwatt as run has them,
// with roundZero still in it.
func (g *gauge) parts(x float64) uint64 {
	return math.Float64bits(float64(x*g.factor) + roundShift)
}

// distinct reports whether parts are a power that may be rounded by a shift: none
// below 0, beyond 17 MW or near a tie, and no NaN.
func distinct(parts uint64) bool {
	return parts&partMask != 0 && parts>>(powerBits+partBits) == roundZero>>(powerBits+partBits)
}

// take is what push does with a sample that is known to be common and of distinct
// parts. Twice the mean power is twice that of the last sample, once that of each, or
// twice the new one, as the number of the rule has it.
func (g *gauge) take(t acquire.Instant, dt, parts uint64) {
	const above = 64 - powerBits - partBits
	last, p := uint64(g.p), parts<<above>>(above+partBits)
	hi, lo := bits.Mul64(2*last+(p-last)*(g.taken&3), dt)
	g.in.lo, lo = bits.Add64(g.in.lo, lo, 0)
	g.in.hi += hi + lo
	g.last, g.p = t, int64(p)
	g.taken += 4
}

// pushCrossing is push for a straight line that crosses zero.
func (g *gauge) pushCrossing(t acquire.Instant, x float64, q acquire.Quality) bool {
	dt, ok := g.common(t, q)
	if !ok || g.rule() != Trapezoid {
		return false
	}
	p, ok := round(float64(x * g.factor))
	if !ok || p >= 0 {
		return false
	}
	first, second := uint64(g.p), -uint64(p)
	before := triangle(first, second, dt)
	// What is after the crossing is the whole less what is before, so that nothing
	// is lost in rounding.
	g.in = g.in.add(before)
	g.out = g.out.add(scaled(int64(second-first), dt).add(before))
	g.advance(t, p)
	g.reverse()
	return true
}

// triangle returns first²·dt/(first+second), rounded to nearest, halves up: the
// quanta of the line that falls from first over dt ns to -second, up to where it
// crosses zero.
func triangle(first, second, dt uint64) int128 {
	whole := first + second
	if hi, area := bits.Mul64(first, dt); hi == 0 {
		high, low := bits.Mul64(area, first) // high < first: the quotient fits
		q, r := bits.Div64(high, low, whole)
		if r >= whole-r {
			return int128{0, q}.add(int128{0, 1})
		}
		return int128{0, q}
	}
	return product(first, dt).shareRounded(first, whole)
}

// number returns v as a float64 where that is exact.
func number(v acquire.Value) (float64, bool) {
	if x, ok := v.Float64(); ok {
		return x, true
	}
	const most = 1 << 53
	if i, ok := v.Int64(); ok && -most <= i && i <= most {
		return float64(i), true
	}
	if u, ok := v.Uint64(); ok && u <= most {
		return float64(u), true
	}
	return 0, false
}

// round returns the integer nearest to x, ties to even. x is a product that is
// rounded already; rounding it again goes wrong only where it is a tie, so that
// round reports false for ties, and for what is beyond 2^51 or NaN.
func round(x float64) (int64, bool) {
	const shift, most = 3 << 51, 1 << 51 // shift moves the binary point to the end of the fraction
	y := x + shift
	n := int64(math.Float64bits(y) - math.Float64bits(shift))
	rest := x - (y - shift)
	return n, rest*rest < 0.25 && uint64(n)+most < 2*most
}

// flow books the constant power p over dt ns.
func (t *tally) flow(p int64, dt uint64) {
	if p < 0 {
		t.flowQuanta(true, product(-uint64(p), 2*dt))
	} else {
		t.flowQuanta(false, product(uint64(p), 2*dt))
	}
}

// flowQuanta books n quanta out or in.
func (t *tally) flowQuanta(out bool, n int128) {
	if out {
		t.out = t.out.add(n)
	} else {
		t.in = t.in.add(n)
	}
}

// settled returns the time up to which g is decided, whatever comes.
func (g *gauge) settled() acquire.Instant {
	g.account()
	if g.held == unknown || g.rule() == HoldLeft || g.mark > g.last && uint64(g.mark-g.last) > uint64(g.maxGap) {
		return max(g.done, g.mark)
	}
	return g.done
}

// observe takes one sample, of a time that the owner admits, through all cases.
func (g *gauge) observe(l ledger, c *conversion, s *acquire.Sample) {
	g.rest()
	counts := l.events()
	t, q := s.Time, uint8(s.Quality.Severity())
	p := int64(noPower)
	if q != unknown {
		var ok bool
		if p, ok = c.power(s.Value); !ok {
			p, q = noPower, unknown
		}
	}
	// What is said to be bad at the time of the last good sample is news: a loss.
	lost := t == g.last && g.held != unknown && s.Quality.IsBad()
	if t <= g.last && !lost || t < g.done || s.Quality.Has(acquire.TimeBackwards) {
		if t == g.last && p == g.p {
			counts.Duplicates++
		} else {
			counts.Late++
		}
		g.arm()
		return
	}
	gap := uint64(t-g.last) > uint64(g.maxGap)
	g.limit = disarmed // booking may look at this very channel
	switch {
	case g.held == unknown:
	case g.rule() == HoldLeft:
		until := t
		if gap {
			until = g.last + acquire.Instant(g.maxGap)
		}
		if until > g.done {
			g.constant(l, g.p, until, g.held)
		}
	case q == unknown || gap:
	case g.rule() == Trapezoid:
		g.linear(l, p, t, min(g.held, q))
	default:
		g.constant(l, p, t, min(g.held, q))
	}
	g.skip(l, t)
	g.last, g.p, g.held = t, p, q
	if q == unknown {
		counts.Bad++
	} else {
		g.taken += 4
	}
	if s.Quality.Has(acquire.Overflow) {
		g.flags |= Lossy
	}
	g.arm()
}

// constant books the power p from done to until, with the blocks in between.
func (g *gauge) constant(l ledger, p int64, until acquire.Instant, q uint8) {
	for g.edge <= until {
		dt := uint64(g.edge - g.done)
		g.flow(p, dt)
		g.cover(int64(dt), q)
		g.turn(l)
	}
	dt := uint64(until - g.done)
	g.flow(p, dt)
	g.cover(int64(dt), q)
	g.done = until
}

// linear books the straight line from the last sample, at done, to p at t, with
// the blocks in between.
func (g *gauge) linear(l ledger, p int64, t acquire.Instant, q uint8) {
	straight := newLine(g.p, p, uint64(t-g.done))
	from := g.done
	var in, out int128 // of the line so far
	for {
		until := min(g.edge, t)
		nextIn, nextOut := straight.upTo(uint64(until - from))
		g.flowQuanta(false, nextIn.sub(in))
		g.flowQuanta(true, nextOut.sub(out))
		in, out = nextIn, nextOut
		g.cover(int64(until-g.done), q)
		if until == g.edge {
			g.turn(l)
		} else {
			g.done = until
		}
		if until == t {
			return
		}
	}
}

// line is a straight line of power over dt ns. It is turned so that it starts
// with import: from first >= 0 to second, which may be negative.
type line struct {
	first, second int64
	dt            uint64
	turned        bool
	forward       int128 // quanta before the crossing, or in all
}

func newLine(p1, p2 int64, dt uint64) line {
	l := line{first: p1, second: p2, dt: dt}
	if p1 < 0 || p1 == 0 && p2 < 0 {
		l.first, l.second, l.turned = -p1, -p2, true
	}
	if l.second < 0 {
		l.forward = triangle(uint64(l.first), uint64(-l.second), dt)
	} else {
		l.forward = product(uint64(l.first)+uint64(l.second), dt)
	}
	return l
}

// upTo returns the quanta in the first u ns, in and out, each rounded so that
// differences of any two add up to the whole.
func (l *line) upTo(u uint64) (in, out int128) {
	var forward, backward int128
	switch net := l.net(u); {
	case l.second >= 0:
		forward = net
	case product(uint64(l.first), l.dt).cmp(product(uint64(l.first)+uint64(-l.second), u)) >= 0:
		forward = net // not yet at the crossing
	default:
		forward, backward = l.forward, l.forward.sub(net)
	}
	if l.turned {
		return backward, forward
	}
	return forward, backward
}

// net returns the quanta in the first u ns: 2·first·u + (second-first)·u²/dt,
// rounded to nearest, halves up.
func (l *line) net(u uint64) int128 {
	if u == l.dt {
		if l.second < 0 {
			return scaled(l.first+l.second, u)
		}
		return product(uint64(l.first)+uint64(l.second), u)
	}
	base := product(uint64(l.first), 2*u)
	if l.second >= l.first {
		return base.add(product(uint64(l.second-l.first), u).shareRounded(u, l.dt))
	}
	bend, rest := product(uint64(l.first)-uint64(l.second), u).share(u, l.dt)
	if rest > l.dt-rest {
		bend = bend.add(int128{0, 1})
	}
	return base.sub(bend)
}

// leave takes g to the end of a block that closes. A value that is held is
// booked if the watermark vouches for it; all else is missing.
func (g *gauge) leave(l ledger, end acquire.Instant, settled bool) {
	g.rest()
	g.limit = disarmed
	expired := uint64(end-g.last) > uint64(g.maxGap)
	if g.held != unknown {
		if g.rule() == HoldLeft && settled {
			until := end
			if expired {
				until = g.last + acquire.Instant(g.maxGap)
			}
			if until > g.done {
				g.constant(l, g.p, until, g.held)
			}
		}
		if g.rule() != HoldLeft || expired {
			g.held = unknown
		}
	}
	if g.done < end {
		g.skip(l, end)
	}
}
