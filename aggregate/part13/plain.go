package part13

import (
	"math"
	"math/bits"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

func instant(t int64) acquire.Instant { return acquire.Instant(t) }

// plainTracker follows the functions of raw values and simple bounds. Its interval
// is decided by the next raw value, whatever its status.
type plainTracker struct {
	functions []Function
	iv        interval
	open      bool // the start bound is known
	done      bool
	closed    bool // the interval is decided: results are being given
	given     int

	start, end point
	account
}

// account is what one interval adds up to.
type account struct {
	at point // where the last region begins

	regions [3]uint64 // time by class of region
	points  [3]uint64 // time by class of the point that a region begins with
	states  [2]uint64 // time of Good points: zero, not zero
	area    sum       // value times nanoseconds over regions that are not Bad

	counts      [3]uint64 // raw values by severity
	unusable    uint64    // raw values that are Bad under the configuration
	total       sum       // of Good raw values
	mean, m2    float64   // running mean of Good raw values, sum of squares about it
	low, high   extreme   // of Good raw values
	uncertain   extent    // of Uncertain raw values
	low2, high2 extreme   // of bounds and raw values that are not Bad

	earliest, latest   point   // raw values
	earliestV, latestV float64 // Good ones
	skipped            bool    // values that are not Good before or after those
	worst              StatusCode
	worstCount         uint64
	transitions        uint64
	annotations        uint64
}

func (k *plainTracker) meet(c *Calculator) {
	if k.done || k.open || c.state != closing && !c.grid.reached(k.iv, c.in.t) {
		return
	}
	k.open = true
	k.begin(c, c.behind.simple(&c.set, k.iv.a, c.ahead()))
}

func (k *plainTracker) due(c *Calculator) bool {
	switch {
	case k.done:
		return false
	case k.closed:
		return true
	case c.state == closing:
		return !c.exhausted(k.iv)
	}
	return k.open && c.grid.passed(k.iv, c.in.t)
}

// next closes the interval if it is open, and gives its results one by one. False
// means that it has moved on to the next interval.
func (k *plainTracker) next(c *Calculator) (Result, bool) {
	if !k.closed {
		k.closed = true
		k.given = 0
		k.finish(c)
	}
	if k.given < len(k.functions) {
		r := k.result(c, k.functions[k.given])
		k.given++
		return r, true
	}
	k.closed = false
	if k.iv.b == c.grid.hi {
		k.done = true
		return Result{}, false
	}
	k.iv = c.grid.after(k.iv)
	k.begin(c, k.end)
	return Result{}, false
}

func (k *plainTracker) begin(c *Calculator, start point) {
	k.start = start
	k.account = account{at: start}
	if start.class != bad {
		p := atStart
		if c.grid.backward {
			p = atEnd
		}
		k.low2.least(start.v, start.t, p)
		k.high2.most(start.v, start.t, p)
	}
}

func (k *plainTracker) absorb(c *Calculator) {
	p := c.in
	if k.done || !k.open || !c.grid.reached(k.iv, p.t) || c.grid.passed(k.iv, p.t) {
		return
	}
	k.annotations += uint64(c.notes)
	if k.earliest.origin == nowhere {
		k.earliest = p
	}
	k.latest = p
	severity := p.status.severity()
	k.counts[severity]++
	k.judge(p.status)
	switch severity {
	case good:
		n := k.counts[good]
		if n == 1 {
			k.earliestV = p.v
			k.skipped = k.counts[uncertain]+k.counts[bad] > 0
		}
		k.latestV = p.v
		k.total.add(p.v)
		d := p.v - k.mean
		k.mean += d / float64(n)
		k.m2 += d * (p.v - k.mean)
		k.low.least(p.v, p.t, k.place(c, p.t))
		k.high.most(p.v, p.t, k.place(c, p.t))
	case uncertain:
		k.uncertain.add(p.v)
	}
	if p.class == bad {
		k.unusable++
	} else {
		if u := &c.behind.usable; u.origin == nowhere || u.v != p.v {
			k.transitions++
		}
		if p.t != k.start.t {
			k.low2.least(p.v, p.t, k.place(c, p.t))
			k.high2.most(p.v, p.t, k.place(c, p.t))
		}
	}
	k.region(&c.set, p)
}

// place says where a raw value in the interval lies.
func (k *plainTracker) place(c *Calculator, t int64) place {
	if !c.grid.backward && t == k.iv.a || c.grid.backward && t == k.iv.b {
		return atStart
	}
	return within
}

// judge looks for the worst status. Among codes of one severity the first counts.
func (k *account) judge(s StatusCode) {
	switch {
	case k.worstCount == 0 || s.severity() > k.worst.severity():
		k.worst, k.worstCount = s, 1
	case s.severity() == k.worst.severity():
		k.worstCount++
	}
}

// region ends the region that began at k.at with p and begins the next one
// (5.4.3.2.2): it is as good as the point it begins with, and where lines are
// drawn only Uncertain if the point it ends with is not Good. A line to a Bad
// point is drawn level.
func (k *account) region(s *settings, p point) {
	d := span(k.at.t, p.t)
	if d > 0 {
		k.points[k.at.class] += d
		if k.at.class == good {
			if k.at.v == 0 {
				k.states[0] += d
			} else {
				k.states[1] += d
			}
		}
		of := k.at.class
		if of == good && !s.stepped && p.class != good {
			of = uncertain
		}
		k.regions[of] += d
		if of != bad {
			v := k.at.v
			if !s.stepped && p.class != bad {
				v = middle(v, p.v)
			}
			k.area.add(v * float64(d))
		}
	}
	k.at = p
}

// finish takes in the end bound.
func (k *plainTracker) finish(c *Calculator) {
	b := k.iv.b
	k.end = c.behind.simple(&c.set, b, c.ahead())
	if k.outside(c) {
		return
	}
	last := c.behind.prev.t
	if k.end.origin == nowhere && c.state == closing && span(last, b) > c.set.resolution {
		// The data ends here: the last value holds for the least time there is.
		k.region(&c.set, noData(last+int64(c.set.resolution)))
		return
	}
	k.region(&c.set, k.end)
	if k.end.class == bad || c.grid.backward && last == b {
		return
	}
	if p := atEnd; !c.set.stepped || c.grid.backward {
		if c.grid.backward {
			p = atStart
		}
		k.low2.least(k.end.v, b, p)
		k.high2.most(k.end.v, b, p)
	}
}

// outside reports whether the interval lies before or after the data.
func (k *plainTracker) outside(c *Calculator) bool {
	return !c.any || c.ended(k.iv) || c.grid.passed(k.iv, c.first)
}

func (k *plainTracker) result(c *Calculator, f Function) Result {
	r := c.stamp(f, k.iv)
	if k.outside(c) {
		if f == EndBound && c.any && k.end.class != bad && !c.ended(k.iv) {
			return k.bound(r, k.end, Calculated)
		}
		return none(r, 0)
	}
	var partial Info
	if k.iv.cut || c.holdsFirst(k.iv) || c.state == closing && c.behind.prev.t < k.iv.b {
		partial = Partial
	}
	first, last := k.start, k.end
	if c.grid.backward {
		first, last = last, first
	}
	switch f {
	case Average:
		if k.counts[good] == 0 {
			return none(r, 0)
		}
		r.Value = k.total.value() / float64(k.counts[good])
		return checked(r, k.byCount(&c.set), Calculated)
	case Count:
		r.Value = float64(k.counts[good])
		return checked(r, k.byCount(&c.set), Calculated|partial)
	case NumberOfTransitions:
		r.Value = float64(k.transitions)
		return checked(r, k.byCount(&c.set), Calculated|partial)
	case AnnotationCount:
		r.Value = float64(k.annotations)
		r.Status = Good.With(Calculated)
		return r

	case TimeAverage2:
		if d := k.regions[good] + k.regions[uncertain]; d > 0 {
			r.Value = k.area.value() / float64(d)
			return checked(r, k.byTime(&c.set), Calculated|partial)
		}
		return none(r, partial)
	case Total2:
		if k.regions[good]+k.regions[uncertain] > 0 {
			r.Value = k.area.value() / float64(time.Second)
			return checked(r, k.byTime(&c.set), Calculated|partial)
		}
		return none(r, partial)
	case DurationInStateZero:
		r.Value = milliseconds(k.states[0])
		return checked(r, k.byTime(&c.set), Calculated|partial)
	case DurationInStateNonZero:
		r.Value = milliseconds(k.states[1])
		return checked(r, k.byTime(&c.set), Calculated|partial)
	case DurationGood, DurationBad, PercentGood, PercentBad:
		r.Value = k.quality(f)
		r.Status = Good.With(Calculated | partial)
		return r

	case Minimum, MinimumActualTime:
		return k.found(r, k.low, k.uncertain.any && k.uncertain.least < k.low.v, f == MinimumActualTime, partial)
	case Maximum, MaximumActualTime:
		return k.found(r, k.high, k.uncertain.any && k.uncertain.most > k.high.v, f == MaximumActualTime, partial)
	case Range:
		if k.low.n == 0 {
			return none(r, partial)
		}
		r.Value = k.high.v - k.low.v
		r.Status = Good
		if k.unusable > 0 || k.uncertain.any && (k.uncertain.least < k.low.v || k.uncertain.most > k.high.v) {
			r.Status = UncertainDataSubNormal
		}
		r.Status = r.Status.With(Calculated | partial)
		return r
	case Minimum2, MinimumActualTime2:
		return k.found2(c, r, k.low2, f == MinimumActualTime2, partial)
	case Maximum2, MaximumActualTime2:
		return k.found2(c, r, k.high2, f == MaximumActualTime2, partial)
	case Range2:
		if k.low2.n == 0 {
			return none(r, partial)
		}
		r.Value = k.high2.v - k.low2.v
		status := k.byTime(&c.set)
		if status == Bad {
			return none(r, partial)
		}
		r.Status = status.With(Calculated | partial)
		return r

	case Start, End:
		p := k.earliest
		if f == End {
			p = k.latest
		}
		if p.origin == nowhere {
			return none(r, partial)
		}
		r.Time = instant(p.t)
		r.Value, r.Status = p.v, p.status.With(partial)
		if p.status.IsBad() {
			r.Value = math.NaN()
		}
		return r
	case Delta:
		if k.counts[good] == 0 {
			return none(r, partial)
		}
		r.Value = k.latestV - k.earliestV
		r.Status = Good
		if k.skipped || !k.latest.status.IsGood() {
			r.Status = UncertainDataSubNormal
		}
		r.Status = r.Status.With(Calculated | partial)
		return r
	case StartBound:
		return k.bound(r, first, partial)
	case EndBound:
		return k.bound(r, last, Calculated|partial)
	case DeltaBounds:
		if first.class == bad || last.class == bad {
			return none(r, partial)
		}
		r.Value = last.v - first.v
		r.Status = Good
		if first.class == uncertain || last.class == uncertain {
			r.Status = UncertainDataSubNormal
		}
		r.Status = r.Status.With(Calculated | partial)
		return r

	case WorstQuality, WorstQuality2:
		a := k.account
		if f == WorstQuality2 && (k.earliest.origin == nowhere || k.start.t != k.earliest.t) {
			// The bound comes first in time, so it wins among equals.
			a.worst, a.worstCount = StatusCode(0), 0
			a.judge(k.start.result().Code())
			if k.worstCount > 0 {
				switch s := k.worst.severity(); {
				case s > a.worst.severity():
					a.worst, a.worstCount = k.worst, k.worstCount
				case s == a.worst.severity():
					a.worstCount += k.worstCount
				}
			}
		}
		if a.worstCount == 0 {
			return none(r, partial)
		}
		r.Value = float64(a.worst)
		r.Status = Good.With(Calculated | partial)
		if a.worstCount > 1 {
			r.Status = r.Status.With(MultiValue)
		}
		return r
	}

	// Standard deviations and variances of the Good raw values.
	n := k.counts[good]
	if n == 0 {
		return none(r, partial)
	}
	divisor := n
	if f == StandardDeviationSample || f == VarianceSample {
		divisor--
	}
	if n > 1 {
		r.Value = k.m2 / float64(divisor)
		if f == StandardDeviationSample || f == StandardDeviationPopulation {
			r.Value = math.Sqrt(r.Value)
		}
	}
	r.Status = Good
	if k.counts[uncertain]+k.counts[bad] > 0 {
		r.Status = UncertainDataSubNormal
	}
	r.Status = r.Status.With(Calculated | partial)
	return r
}

// quality gives the durations and percentages of Good and Bad points.
func (k *plainTracker) quality(f Function) float64 {
	d := k.points[good]
	if f == DurationBad || f == PercentBad {
		d = k.points[bad]
	}
	if f == DurationGood || f == DurationBad {
		return milliseconds(d)
	}
	all := k.points[good] + k.points[uncertain] + k.points[bad]
	return min(100*float64(d)/float64(all), 100)
}

// bound gives a bounding value.
func (k *plainTracker) bound(r Result, p point, i Info) Result {
	if p.class == bad {
		return none(r, i&Partial)
	}
	r.Value, r.Status = p.v, p.result()
	if i&Calculated != 0 {
		r.Status = p.status
	}
	r.Status = r.Status.With(i)
	return r
}

// found gives an extreme of the Good raw values.
func (k *plainTracker) found(r Result, e extreme, beyond, actual bool, partial Info) Result {
	if e.n == 0 {
		return none(r, partial)
	}
	r.Value, r.Status = e.v, Good
	if k.unusable > 0 || beyond {
		r.Status = UncertainDataSubNormal
	}
	switch {
	case actual:
		r.Time = instant(e.t)
	case e.place != atStart || r.Status != Good:
		r.Status = r.Status.With(Calculated)
	}
	return e.marked(r, partial)
}

// found2 gives an extreme of bounds and raw values.
func (k *plainTracker) found2(c *Calculator, r Result, e extreme, actual bool, partial Info) Result {
	if e.n == 0 {
		return none(r, partial)
	}
	r.Value = e.v
	edge := k.start // the bound that e may be
	if e.t == k.iv.b {
		edge = k.end
	}
	var info Info
	switch {
	case e.place == within && !actual:
		info = Calculated
	case e.place == within:
	case edge.origin == derived || e.place == atEnd && actual:
		info = Interpolated
	case e.place == atEnd:
		info = Calculated
	}
	if actual {
		r.Time = instant(e.t)
		if e.place == atEnd {
			r.Time = instant(k.inside(c))
		}
	}
	return e.marked(checked(r, k.byTime(&c.set), info), partial)
}

// inside returns the time just within the excluded end of the interval.
func (k *plainTracker) inside(c *Calculator) int64 {
	d := int64(min(c.set.resolution, span(k.iv.a, k.iv.b)))
	if c.grid.backward {
		return k.iv.a + d
	}
	return k.iv.b - d
}

// byTime is the status by shares of time (5.4.3.2.1).
func (k *account) byTime(s *settings) StatusCode {
	g, u, b := k.regions[good], k.regions[uncertain], k.regions[bad]
	if s.shares == TwoShares {
		if s.useUncertain {
			g += u
		} else {
			b += u
		}
		u = 0
	}
	return s.status(g, b, g+u+b)
}

// byCount is the status by shares of raw values (5.4.3.2.1).
func (k *account) byCount(s *settings) StatusCode {
	g, u, b := k.counts[good], k.counts[uncertain], k.counts[bad]
	if s.shares == TwoShares {
		if s.useUncertain {
			g += u
		} else {
			b += u
		}
		u = 0
	}
	return s.status(g, b, g+u+b)
}

func (s *settings) status(goods, bads, all uint64) StatusCode {
	switch {
	case bads > 0 && reaches(bads, s.pctBad, all):
		return Bad
	case reaches(goods, s.pctGood, all):
		return Good
	}
	return UncertainDataSubNormal
}

// reaches reports whether part is at least pct percent of all.
func reaches(part, pct, all uint64) bool {
	h1, l1 := bits.Mul64(part, 100)
	h2, l2 := bits.Mul64(all, pct)
	return h1 > h2 || h1 == h2 && l1 >= l2
}

// none makes r a result without a value.
func none(r Result, i Info) Result {
	r.Value, r.Status = math.NaN(), BadNoData.With(i)
	return r
}

// checked sets the status; a Bad result has no value.
func checked(r Result, s StatusCode, i Info) Result {
	r.Status = s.With(i)
	if s.IsBad() {
		r.Value = math.NaN()
	}
	return r
}

func milliseconds(d uint64) float64 { return float64(d) / float64(time.Millisecond) }

func middle(a, b float64) float64 { return a/2 + b/2 }

// place is where in an interval an extreme lies, in the direction of the request.
type place uint8

const (
	within place = iota
	atStart
	atEnd // the excluded edge
)

// extreme is the least or greatest value so far, the earliest among equals.
type extreme struct {
	v     float64
	t     int64
	n     uint64 // how many equals; 0: nothing yet
	place place
}

func (e *extreme) least(v float64, t int64, p place) {
	if e.n == 0 || v < e.v {
		*e = extreme{v, t, 1, p}
	} else if v == e.v {
		e.n++
	}
}

func (e *extreme) most(v float64, t int64, p place) {
	if e.n == 0 || v > e.v {
		*e = extreme{v, t, 1, p}
	} else if v == e.v {
		e.n++
	}
}

func (e *extreme) marked(r Result, i Info) Result {
	if e.n > 1 && !r.Status.IsBad() {
		i |= MultiValue
	}
	r.Status = r.Status.With(i)
	return r
}

// extent is the range of some values.
type extent struct {
	least, most float64
	any         bool
}

func (e *extent) add(v float64) {
	if !e.any {
		*e = extent{v, v, true}
		return
	}
	e.least, e.most = min(e.least, v), max(e.most, v)
}

// sum adds floating-point numbers and keeps what rounding lost (Neumaier).
type sum struct{ s, lost float64 }

func (s *sum) add(v float64) {
	t := s.s + v
	if math.Abs(s.s) >= math.Abs(v) {
		s.lost += (s.s - t) + v
	} else {
		s.lost += (v - t) + s.s
	}
	s.s = t
}

func (s *sum) value() float64 {
	if math.IsInf(s.s, 0) {
		return s.s // the remainder would make it NaN
	}
	return s.s + s.lost
}
