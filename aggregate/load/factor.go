package load

import (
	"cmp"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// Factor returns the load factor kWh/(peak kW · hours): mean demand over peak
// demand, as Hydro-Québec and others define it. It reports false where peak or d
// is not positive.
func Factor(energy aggregate.Energy, peak units.Watts, d time.Duration) (float64, bool) {
	if !(peak > 0) || d <= 0 {
		return 0, false
	}
	return float64(energy.Mean(d) / peak), true
}

// Profile gathers demand intervals for the load factor and its kin. Only complete
// intervals count, with energy and time alike, so that a gap neither lowers nor
// raises a factor. The zero value is ready to use. It is not safe for concurrent
// use.
type Profile struct {
	energy     aggregate.Energy
	hours      time.Duration
	peak       units.Watts
	start      acquire.Instant
	complete   uint64
	incomplete uint64
}

// Observe adds one interval. One without a demand, because time is missing or
// energy is Carried, is counted and otherwise left out.
func (p *Profile) Observe(iv *aggregate.Interval) {
	demand, ok := iv.Demand()
	if !ok {
		p.incomplete++
		return
	}
	active, _ := iv.Active()
	p.energy = p.energy.Add(active.Net())
	p.hours += iv.Duration()
	p.complete++
	if demand > p.peak {
		p.peak, p.start = demand, iv.Start
	}
}

// Intervals returns how many intervals are used, and how many were left out.
func (p *Profile) Intervals() (complete, incomplete uint64) { return p.complete, p.incomplete }

// Energy returns the net energy of the intervals used, and the time they cover.
func (p *Profile) Energy() (aggregate.Energy, time.Duration) { return p.energy, p.hours }

// Peak returns the largest demand, the earliest of equal ones. It is zero if no
// demand was positive.
func (p *Profile) Peak() aggregate.Peak { return aggregate.Peak{Power: p.peak, Start: p.start} }

// LoadFactor returns kWh/(peak kW · hours). It reports false where there was no
// positive demand.
func (p *Profile) LoadFactor() (float64, bool) { return Factor(p.energy, p.peak, p.hours) }

// FullLoadTime returns energy over peak demand: how long the peak would have to
// stand to make the same energy. It reports false where there was no positive
// demand.
func (p *Profile) FullLoadTime() (time.Duration, bool) {
	factor, ok := p.LoadFactor()
	return time.Duration(factor * float64(p.hours)), ok
}

// Utilization returns peak demand over the rated power of the installation, the
// utilization factor; more than 1 is overload. It reports false where there was
// no positive demand or rated is not positive.
func (p *Profile) Utilization(rated units.Watts) (float64, bool) {
	if !(rated > 0) || p.peak == 0 {
		return 0, false
	}
	return float64(p.peak / rated), true
}

// Level is the demand of one interval, as a step of a Curve.
type Level struct {
	Demand   units.Watts     // mean over the interval, negative for export
	Start    acquire.Instant // of the interval
	Duration time.Duration   // of the interval
}

// Curve is a load duration curve: the demands of intervals, the largest first.
// Build it with Curve.Append; it lies in the caller's memory.
type Curve []Level

// Append adds the demands of the complete intervals to c, sorts all of it, and
// returns it. Of equal demands the earlier comes first. Intervals without a
// demand are left out: len of the curve tells.
func (c Curve) Append(intervals ...aggregate.Interval) Curve {
	for i := range intervals {
		iv := &intervals[i]
		if demand, ok := iv.Demand(); ok {
			c = append(c, Level{demand, iv.Start, iv.Duration()})
		}
	}
	slices.SortFunc(c, func(a, b Level) int {
		return cmp.Or(cmp.Compare(b.Demand, a.Demand), cmp.Compare(a.Start, b.Start))
	})
	return c
}

// Duration returns the length of the whole curve.
func (c Curve) Duration() time.Duration {
	var d time.Duration
	for _, l := range c {
		d += l.Duration
	}
	return d
}

// Above returns how long demand was above threshold, exactly.
func (c Curve) Above(threshold units.Watts) time.Duration {
	n, _ := slices.BinarySearchFunc(c, threshold, func(l Level, threshold units.Watts) int {
		if l.Demand > threshold {
			return -1
		}
		return 1
	})
	return c[:n].Duration()
}

// At returns the demand that was reached or exceeded for d: the height of the
// curve there. It reports false where d is not positive or longer than the curve.
func (c Curve) At(d time.Duration) (units.Watts, bool) {
	if d <= 0 {
		return 0, false
	}
	for _, l := range c {
		if d <= l.Duration {
			return l.Demand, true
		}
		d -= l.Duration
	}
	return 0, false
}
