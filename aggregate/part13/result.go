package part13

import (
	"math"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// result gives the value of one function in the interval that is decided.
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

func instant(t int64) acquire.Instant { return acquire.Instant(t) }
