package aggregate

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// QuadrantAccount is energy by quadrant, Q1 to Q4 at the indexes 0 to 3. Each part
// counts the magnitude and is not negative. It is what four-quadrant registers
// hold (OBIS 1-0:5.8.0 to 1-0:8.8.0 for reactive energy): the split cannot be made
// from import and export alone, since it depends on both powers at each moment.
type QuadrantAccount struct {
	Active   [4]Energy         // kWh while in that quadrant
	Reactive [4]ReactiveEnergy // kvarh while in that quadrant
	Coverage Coverage          // of all
}

// Directions returns a by direction: active import is that of Q1 and Q4, reactive
// import that of Q1 and Q2.
func (a *QuadrantAccount) Directions() (Account, ReactiveAccount) {
	return Account{
			Import:   a.Active[0].Add(a.Active[3]),
			Export:   a.Active[1].Add(a.Active[2]),
			Coverage: a.Coverage,
		}, ReactiveAccount{
			Import:   a.Reactive[0].Add(a.Reactive[1]),
			Export:   a.Reactive[2].Add(a.Reactive[3]),
			Coverage: a.Coverage,
		}
}

// Lagging returns the reactive energy of Q1 and Q3, where the current lags.
func (a *QuadrantAccount) Lagging() ReactiveEnergy { return a.Reactive[0].Add(a.Reactive[2]) }

// Leading returns the reactive energy of Q2 and Q4, where the current leads.
func (a *QuadrantAccount) Leading() ReactiveEnergy { return a.Reactive[1].Add(a.Reactive[3]) }

func (a *QuadrantAccount) add(b *QuadrantAccount) {
	for i := range a.Active {
		a.Active[i] = a.Active[i].Add(b.Active[i])
		a.Reactive[i] = a.Reactive[i].Add(b.Reactive[i])
	}
	a.Coverage.Good += b.Coverage.Good
	a.Coverage.Uncertain += b.Coverage.Uncertain
	a.Coverage.Missing += b.Coverage.Missing
}

// book adds magnitudes to the quadrant of the signs.
func (a *QuadrantAccount) book(exportsP, exportsQ bool, active, reactive int128) {
	quadrant := Q1
	switch {
	case exportsP && exportsQ:
		quadrant = Q3
	case exportsP:
		quadrant = Q2
	case exportsQ:
		quadrant = Q4
	}
	i := quadrant - Q1
	a.Active[i].quanta = a.Active[i].quanta.plus(active.abs())
	a.Reactive[i].quanta = a.Reactive[i].quanta.plus(reactive.abs())
}

// QuadrantInterval is what Quadrants books in one demand interval [Start, End).
// Where nothing is known of several intervals on end, one stands for all, flagged
// Silence. The flags are Partial, Gap, Uncertain and Silence.
type QuadrantInterval struct {
	Start acquire.Instant // first instant of the interval
	End   acquire.Instant // first instant after it
	QuadrantAccount
	Flags Flags // what the numbers do not tell
}

// QuadrantConfig is the configuration of Quadrants. The zero value integrates by
// HoldLeft over quarter hours.
type QuadrantConfig struct {
	Rule   Rule          // how powers become energy
	MaxGap time.Duration // longest time between two pairs that is bridged; 0 = DefaultMaxGap
	// MaxSkew is how far apart an active and a reactive sample may be and still
	// count as simultaneous; 0 = they have the same time. It must be less than half
	// the time between samples, so that no sample has two partners. Push does
	// not need it.
	MaxSkew time.Duration
	Demand  Demand // the intervals
}

// QuadrantCounts says what became of the samples. Each is counted once, a pair
// as one.
type QuadrantCounts struct {
	Pairs     uint64 // used
	Bad       uint64 // without a usable value on either side: a gap
	Late      uint64 // at or before what is decided
	Duplicate uint64 // the same again
	Unpaired  uint64 // single samples that found no partner within MaxSkew
	Refused   uint64 // with a time that is unknown or beyond what can be counted
}

// Quadrants integrates simultaneous active and reactive power into energy by
// quadrant. Where either power crosses zero the segment between two samples is
// split there: exactly for held values, and for straight lines at the exact
// fraction of a nanosecond, each part rounded once so that the parts add up to
// the whole, and the intervals to the total.
//
// It is a plain value without pointers: a copy is a snapshot. It is not safe for
// concurrent use; the zero value refuses all samples. Make one with NewQuadrants.
type Quadrants struct {
	rule     Rule
	maxGap   uint64 // ns
	maxSkew  uint64 // ns
	interval acquire.Instant
	offset   acquire.Instant // 0 <= offset < interval
	last     acquire.Instant // time of the last pair
	done     acquire.Instant // decided up to here; 0 = not begun
	edge     acquire.Instant // end of the open interval
	p, q     int64           // µW and µvar of the last pair
	held     uint8           // its quality; unknown = nothing is held
	flags    Flags           // of the open interval
	open     QuadrantAccount
	closed   QuadrantAccount // of all intervals that are closed
	active   half
	reactive half
	counted  QuadrantCounts
	identity uint64 // fingerprint of the configuration
}

// half is a sample that waits for its partner.
type half struct {
	at    acquire.Instant // 0 = none
	power float64
	q     acquire.Quality
}

// NewQuadrants checks c, and names all its faults at once.
func NewQuadrants(c QuadrantConfig) (Quadrants, error) {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("aggregate: quadrants: "+format, args...))
		}
	}
	fault(c.Rule > MeanOverPast, "unknown %v", c.Rule)
	fault(c.MaxGap < 0, "longest gap %v is negative", c.MaxGap)
	fault(c.MaxSkew < 0, "longest skew %v is negative", c.MaxSkew)
	if err := c.Demand.validate(); err != nil {
		fault(true, "%w", err)
	}
	gap := c.MaxGap
	if gap == 0 {
		gap = DefaultMaxGap
	}
	fault(gap > 24*time.Hour, "longest gap %v is more than a day", gap)
	fault(c.MaxGap >= 0 && 2*c.MaxSkew >= gap, "longest skew %v is not less than half of the longest gap %v", c.MaxSkew, gap)
	if faults != nil {
		return Quadrants{}, errors.Join(faults...)
	}
	demand := c.Demand.withDefaults()
	offset := acquire.Instant(demand.Offset % demand.Interval)
	if offset < 0 {
		offset += acquire.Instant(demand.Interval)
	}
	return Quadrants{
		identity: fingerprint("quadrants", c.Rule, gap, c.MaxSkew, demand),
		rule:     c.Rule, maxGap: uint64(gap), maxSkew: uint64(c.MaxSkew),
		interval: acquire.Instant(demand.Interval), offset: offset,
	}, nil
}

// maxInstant leaves room to add an interval and a gap.
const maxInstant = math.MaxInt64 - acquire.Instant(72*time.Hour)

// microwatt takes W to µW.
var microwatt = conversion{mul: 15625, shift: 6}

// Push takes one pair of powers at the time t and appends the intervals that it
// closes to dst. A pair of Bad quality, or with a value that is not finite or
// beyond 4.6 TW, opens a gap. Memory is the caller's: where dst has room, nothing
// is allocated.
func (x *Quadrants) Push(dst []QuadrantInterval, t acquire.Instant, p units.Watts, q units.Vars, quality acquire.Quality) []QuadrantInterval {
	severity := uint8(quality.Severity())
	watts, ok := microwatt.power(acquire.Float64(float64(p)))
	vars, okay := microwatt.power(acquire.Float64(float64(q)))
	if !ok || !okay || severity == unknown {
		watts, vars, severity = 0, 0, unknown
	}
	switch {
	case t <= 0 || t > maxInstant || x.interval == 0:
		x.counted.Refused++
		return dst
	case x.done == 0:
		x.begin(t)
	case t == x.last && watts == x.p && vars == x.q && severity == x.held:
		x.counted.Duplicate++
		return dst
	case t < x.done || t == x.last && severity != unknown:
		x.counted.Late++
		return dst
	}
	gap := uint64(t-x.last) > x.maxGap
	switch {
	case x.held == unknown:
	case x.rule == HoldLeft:
		until := t
		if gap {
			until = x.last + acquire.Instant(x.maxGap)
		}
		dst = x.constant(dst, x.p, x.q, until, x.held)
	case severity == unknown || gap:
	case x.rule == Trapezoid:
		dst = x.linear(dst, watts, vars, t, min(x.held, severity))
	default:
		dst = x.constant(dst, watts, vars, t, min(x.held, severity))
	}
	dst = x.skip(dst, t)
	x.last, x.p, x.q, x.held = t, watts, vars, severity
	if severity == unknown {
		x.counted.Bad++
	} else {
		x.counted.Pairs++
	}
	return dst
}

// PushActive takes a sample of active power alone. It is used together with the
// sample of reactive power within MaxSkew, and has its time. A bad sample opens a
// gap at once. Samples of each power come in order of time.
func (x *Quadrants) PushActive(dst []QuadrantInterval, t acquire.Instant, p units.Watts, quality acquire.Quality) []QuadrantInterval {
	return x.pair(dst, &x.active, &x.reactive, half{t, float64(p), quality})
}

// PushReactive takes a sample of reactive power alone, as PushActive does.
func (x *Quadrants) PushReactive(dst []QuadrantInterval, t acquire.Instant, q units.Vars, quality acquire.Quality) []QuadrantInterval {
	return x.pair(dst, &x.reactive, &x.active, half{t, float64(q), quality})
}

// pair joins s with its partner that waits in other, or lets it wait in own.
func (x *Quadrants) pair(dst []QuadrantInterval, own, other *half, s half) []QuadrantInterval {
	if s.at <= 0 || s.at > maxInstant {
		x.counted.Refused++
		return dst
	}
	if own.at != 0 {
		x.counted.Unpaired++
		*own = half{}
	}
	near := other.at != 0 && distance(s.at, other.at) <= x.maxSkew
	if s.q.IsBad() {
		if near {
			*other = half{} // what it was measured with is bad
		}
		return x.Push(dst, s.at, 0, 0, s.q)
	}
	if !near {
		if other.at != 0 && other.at < s.at {
			x.counted.Unpaired++
			*other = half{}
		}
		*own = s
		return dst
	}
	*own = s
	active, reactive := x.active, x.reactive
	x.active, x.reactive = half{}, half{}
	worse := active.q
	if reactive.q.Severity() < worse.Severity() {
		worse = reactive.q
	}
	return x.Push(dst, active.at, units.Watts(active.power), units.Vars(reactive.power), worse)
}

func distance(s, t acquire.Instant) uint64 {
	if s < t {
		return uint64(t - s)
	}
	return uint64(s - t)
}

// Tick says that no sample before watermark will come. It decides what then is
// certain, and appends the intervals that it closes to dst: held values up to
// there, by HoldLeft, and otherwise what no later sample can reach over MaxGap.
func (x *Quadrants) Tick(dst []QuadrantInterval, watermark acquire.Instant) []QuadrantInterval {
	if x.done == 0 || watermark <= x.done || watermark > maxInstant {
		return dst
	}
	expired := uint64(watermark-x.last) > x.maxGap
	if x.held != unknown && x.rule == HoldLeft {
		until := watermark
		if expired {
			until = x.last + acquire.Instant(x.maxGap)
		}
		dst = x.constant(dst, x.p, x.q, until, x.held)
	}
	if x.held == unknown || expired {
		x.held = unknown
		dst = x.skip(dst, watermark)
	}
	return dst
}

// Flush closes the open interval at the end of all data and appends it to dst,
// flagged Partial: what is not decided is missing. Samples of it that come later
// are late.
func (x *Quadrants) Flush(dst []QuadrantInterval) []QuadrantInterval {
	if x.done == 0 || x.done == x.edge-x.interval && x.flags == 0 && x.open == (QuadrantAccount{}) {
		return dst
	}
	x.held = unknown
	x.flags |= Partial
	return x.skip(dst, x.edge)
}

// Total returns the energy of all time so far, the open interval included.
func (x *Quadrants) Total() QuadrantAccount {
	total := x.closed
	total.add(&x.open)
	return total
}

// Counts returns what became of the samples so far.
func (x *Quadrants) Counts() QuadrantCounts { return x.counted }

// begin opens the interval that holds the first sample.
func (x *Quadrants) begin(t acquire.Instant) {
	phase := (t - x.offset) % x.interval
	if phase < 0 {
		phase += x.interval
	}
	x.edge = t - phase + x.interval
	x.last, x.done = t, t
	x.open.Coverage.Missing = time.Duration(phase)
	if phase != 0 {
		x.flags |= Partial
	}
}

// cover moves done to until, within the open interval.
func (x *Quadrants) cover(until acquire.Instant, quality uint8) {
	d := time.Duration(until - x.done)
	switch quality {
	case good:
		x.open.Coverage.Good += d
	case uncertain:
		x.open.Coverage.Uncertain += d
	default:
		x.open.Coverage.Missing += d
	}
	x.done = until
}

// turn closes the open interval at its edge, when all before it is decided, and
// opens the next.
func (x *Quadrants) turn(dst []QuadrantInterval, flags Flags) []QuadrantInterval {
	flags |= x.flags
	if x.open.Coverage.Missing != 0 {
		flags |= Gap
	}
	if x.open.Coverage.Uncertain != 0 {
		flags |= Uncertain
	}
	start := x.edge - acquire.Instant(x.open.Coverage.Span())
	dst = append(dst, QuadrantInterval{Start: start, End: x.edge, QuadrantAccount: x.open, Flags: flags})
	x.closed.add(&x.open)
	x.open, x.flags = QuadrantAccount{}, 0
	x.edge += x.interval
	return dst
}

// skip moves done to t; the time up to there is missing. Whole intervals of it
// make one.
func (x *Quadrants) skip(dst []QuadrantInterval, t acquire.Instant) []QuadrantInterval {
	if t < x.edge {
		x.cover(t, unknown)
		return dst
	}
	if x.done > x.edge-x.interval || x.flags != 0 || x.open != (QuadrantAccount{}) {
		x.cover(x.edge, unknown)
		dst = x.turn(dst, 0)
	}
	if silent := (t - (x.edge - x.interval)) / x.interval; silent > 0 {
		var flags Flags
		if silent > 1 {
			flags = Silence
		}
		x.edge += (silent - 1) * x.interval
		x.cover(x.edge, unknown)
		dst = x.turn(dst, flags)
	}
	x.cover(t, unknown)
	return dst
}

// constant books constant powers from done to until, with the intervals between.
func (x *Quadrants) constant(dst []QuadrantInterval, p, q int64, until acquire.Instant, quality uint8) []QuadrantInterval {
	for x.done < until {
		to := min(until, x.edge)
		flow := 2 * uint64(to-x.done)
		x.open.book(p < 0, q < 0, scaled(p, flow), scaled(q, flow))
		x.cover(to, quality)
		if to == x.edge {
			dst = x.turn(dst, 0)
		}
	}
	return dst
}

// cut is a place on a segment: the fraction part/whole of it, part < whole.
type cut struct{ part, whole uint64 }

// before reports whether c is not after d.
func (c cut) before(d cut) bool { return !product(d.part, c.whole).below(product(c.part, d.whole)) }

// crossing returns where the line from first to second crosses zero inside.
func crossing(first, second int64) (cut, bool) {
	if first > 0 && second < 0 || first < 0 && second > 0 {
		a, b := magnitude(first), magnitude(second)
		return cut{a, a + b}, true
	}
	return cut{}, false
}

func magnitude(p int64) uint64 {
	if p < 0 {
		return -uint64(p)
	}
	return uint64(p)
}

// quantaUpTo returns the quanta under the line from first to second over dt ns, up
// to c. With u = dt·part/whole they are 2·first·u + (second-first)·u²/dt, which is
//
//	dt·part·(first·(2·whole-part) + second·part) / whole²
//
// rounded to nearest, halves away from zero. Being monotonic, rounding leaves
// every part between two cuts the sign of its power.
func quantaUpTo(first, second int64, dt uint64, c cut) int128 {
	up, down := weight(first, 2*c.whole-c.part), weight(second, c.part)
	var sum wide
	negative := first < 0
	switch {
	case first < 0 == (second < 0):
		sum = up.plus(down)
	case up.less(down):
		sum, negative = down.minus(up), !negative
	default:
		sum = up.minus(down)
	}
	quanta := sum.times(dt).times(c.part).over(product(c.whole, c.whole))
	if negative {
		return quanta.neg()
	}
	return quanta
}

func weight(p int64, by uint64) wide {
	x := product(magnitude(p), by)
	return wide{x.lo, x.hi}
}

// linear books the straight lines from the last pair, at done, to p and q at t,
// with the intervals between. It walks from cut to cut: zero crossings and edges.
func (x *Quadrants) linear(dst []QuadrantInterval, p, q int64, t acquire.Instant, quality uint8) []QuadrantInterval {
	from, dt := x.done, uint64(t-x.done)
	exportsP, exportsQ := x.p < 0 || x.p == 0 && p < 0, x.q < 0 || x.q == 0 && q < 0
	cutP, crossesP := crossing(x.p, p)
	cutQ, crossesQ := crossing(x.q, q)
	var active, reactive int128 // of the segment so far
	upTo := func(c cut) {
		nextP, nextQ := quantaUpTo(x.p, p, dt, c), quantaUpTo(x.q, q, dt, c)
		x.open.book(exportsP, exportsQ, nextP.sub(active), nextQ.sub(reactive))
		active, reactive = nextP, nextQ
	}
	for {
		edge := cut{uint64(x.edge - from), dt} // may be beyond the segment
		switch {
		case crossesP && cutP.before(edge) && (!crossesQ || cutP.before(cutQ)):
			upTo(cutP)
			exportsP, crossesP = p < 0, false
		case crossesQ && cutQ.before(edge):
			upTo(cutQ)
			exportsQ, crossesQ = q < 0, false
		case x.edge < t:
			upTo(edge)
			x.cover(x.edge, quality)
			dst = x.turn(dst, 0)
		default:
			wholeP := scaled(x.p, dt).add(scaled(p, dt))
			wholeQ := scaled(x.q, dt).add(scaled(q, dt))
			x.open.book(exportsP, exportsQ, wholeP.sub(active), wholeQ.sub(reactive))
			x.cover(t, quality)
			if t == x.edge {
				dst = x.turn(dst, 0)
			}
			return dst
		}
	}
}

// String formats a for people, by quadrant: "Q1 1.000 kWh 0.500 kvarh".
func (a QuadrantAccount) String() string {
	var dst []byte
	for i := range a.Active {
		if a.Active[i].IsZero() && a.Reactive[i].IsZero() {
			continue
		}
		if dst != nil {
			dst = append(dst, ", "...)
		}
		dst = strconv.AppendInt(append(dst, 'Q'), int64(i+1), 10)
		dst = a.Active[i].Append(append(dst, ' '))
		dst = a.Reactive[i].Append(append(dst, ' '))
	}
	if dst == nil {
		return "none"
	}
	return string(dst)
}
