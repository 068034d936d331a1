package demand

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// ThermalConfig says how a Thermal responds. The zero value responds to a step
// with 90 % after 15 minutes and holds each sample for a minute at most.
type ThermalConfig struct {
	// Interval is the time after which a step of power shows to 90 %; after twice
	// the time it shows to 99 %. 0 = aggregate.DefaultDemandInterval. The time
	// constant is Interval/ln 10.
	Interval time.Duration

	// Rule is how power runs between samples; zero = aggregate.HoldLeft. Trapezoid
	// is a straight line, MeanOverPast a constant.
	Rule aggregate.Rule

	// MaxGap is the longest time between two samples that is bridged; 0 =
	// aggregate.DefaultMaxGap.
	MaxGap time.Duration

	// Settling is how long samples must go on after the start or a gap before there
	// is a demand again; 0 = twice Interval, when 99 % of what was not known has
	// decayed.
	Settling time.Duration
}

// Thermal is thermal demand: the exponential response of a meter whose pointer is
// moved by a heated strip, in closed form from sample to sample,
//
//	D += (P - D)·(1 - exp(-Δt·ln 10/Interval))
//
// for a constant power P, and the like for a straight line. It has no step of its
// own, so that the cadence of samples does not change the result.
//
// Demand here is a float64: a response has no exact energy behind it. Thermal
// takes one direction, its peak being the largest value; give it the negative
// power for the other. Make it with NewThermal; the zero value rejects every
// sample. It belongs to one goroutine at a time and allocates nothing.
type Thermal struct {
	config ThermalConfig
	rate   float64 // 1/tau in 1/ns
	counts ThermalCounts

	at      acquire.Instant // of the last sample; 0 = none yet
	known   bool            // power is known at at: the last sample was usable
	power   float64
	running bool // demand holds a value, settled or not
	cold    bool // the next value begins at 0
	demand  float64
	settled acquire.Instant // from here demand is told
	peak    float64
	peakAt  acquire.Instant // 0 = no peak

	step    time.Duration // the last one
	reached float64       // 1-exp(-step/tau)
}

// maxThermal keeps sums finite. No feeder of the world carries a petawatt.
const maxThermal = 1e15

// ThermalCounts tells what became of the samples. Counters only grow.
type ThermalCounts struct {
	Samples  uint64 // taken
	Bad      uint64 // of Samples, those without a usable power
	Rejected uint64 // not after the sample before, or at no time
	Gaps     uint64 // times that demand became unknown
}

// ThermalPeak is the largest thermal demand and when it was reached. The zero
// value is no peak.
type ThermalPeak struct {
	Power units.Watts     // largest demand
	At    acquire.Instant // 0 = no peak
}

// NewThermal returns a Thermal, or every fault of the configuration at once.
func NewThermal(config ThermalConfig) (*Thermal, error) {
	if config.Interval == 0 {
		config.Interval = aggregate.DefaultDemandInterval
	}
	if config.MaxGap == 0 {
		config.MaxGap = aggregate.DefaultMaxGap
	}
	var faults []error
	if config.Interval < time.Second || config.Interval > 24*time.Hour {
		faults = append(faults, fmt.Errorf("demand: thermal interval %v is not within 1 s and 24 h", config.Interval))
	}
	if config.Settling == 0 {
		config.Settling = 2 * config.Interval
	}
	if config.Rule > aggregate.MeanOverPast {
		faults = append(faults, fmt.Errorf("demand: unknown %v", config.Rule))
	}
	if config.MaxGap < 0 || config.MaxGap > 24*time.Hour {
		faults = append(faults, fmt.Errorf("demand: longest gap %v is not within 0 and 24 h", config.MaxGap))
	}
	if config.Settling < 0 || config.Settling > maxDelay {
		faults = append(faults, fmt.Errorf("demand: settling time %v is not within 0 and 10 years", config.Settling))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Thermal{config: config, rate: math.Ln10 / float64(config.Interval)}, nil
}

// Config returns the configuration with its defaults filled in.
func (t *Thermal) Config() ThermalConfig { return t.config }

// Counts returns what became of the samples so far.
func (t *Thermal) Counts() ThermalCounts { return t.counts }

// Observe takes a sample of power and returns the demand at its time. It reports
// false while there is none: at the start, in a gap, and until both have settled.
//
// Samples come in the order of time; others are counted and passed over. A sample
// of bad quality, a NaN or anything beyond 1 PW ends what is known. An uncertain
// one counts.
func (t *Thermal) Observe(at acquire.Instant, power units.Watts, quality acquire.Quality) (units.Watts, bool) {
	if !inHorizon(at) || t.at != 0 && at <= t.at || t.rate == 0 {
		t.counts.Rejected++
		return t.Demand()
	}
	t.counts.Samples++
	p := float64(power)
	usable := !quality.IsBad() && math.Abs(p) <= maxThermal
	if !usable {
		p = 0
		t.counts.Bad++
	}
	from, to, bridged := t.segment(at, p, usable)
	switch {
	case t.running && bridged:
		t.run(at, from, to)
	case t.running:
		t.running = false
		t.counts.Gaps++
	}
	if !t.running && usable {
		// What demand was before is not known. It begins at the present power, and is
		// told when that guess has decayed.
		t.running, t.demand, t.settled = true, p, at.Add(t.config.Settling)
		if t.cold {
			t.cold, t.demand, t.settled = false, 0, at
		}
		t.look(at, t.demand)
	}
	t.at, t.known, t.power = at, usable, p
	return t.Demand()
}

// segment returns the power at both ends of the time since the last sample, and
// whether it is known there.
func (t *Thermal) segment(at acquire.Instant, p float64, usable bool) (from, to float64, bridged bool) {
	if t.at == 0 || at.Sub(t.at) > t.config.MaxGap {
		return 0, 0, false
	}
	switch t.config.Rule {
	case aggregate.Trapezoid:
		return t.power, p, t.known && usable
	case aggregate.MeanOverPast:
		return p, p, usable
	}
	return t.power, t.power, t.known
}

// run moves demand through a segment in which power runs straight from p to q.
func (t *Thermal) run(at acquire.Instant, p, q float64) {
	dt := at.Sub(t.at)
	if dt != t.step {
		t.step, t.reached = dt, -math.Expm1(-float64(dt)*t.rate)
	}
	// With slope s and time constant tau, demand tends to P(t)-s·tau.
	before, x := t.demand, float64(dt)*t.rate
	t.demand += (p-before)*t.reached + (q-p)*(1-t.reached/x)
	// Where power falls through demand, demand turns within the segment and equals
	// power there: P-D is lag·(1-e) + (p-before)·e, with e = exp(-time/tau).
	if lag := (q - p) / x; p > before && q < t.demand && lag < 0 {
		turn := -math.Log(lag / (lag - (p - before))) // in time constants
		if turn > 0 && turn < x {
			t.look(t.at.Add(time.Duration(turn/t.rate)), p+lag*turn)
		}
	}
	t.look(at, t.demand)
}

// look takes note of a demand that is settled; the first of equal ones stays the
// peak.
func (t *Thermal) look(at acquire.Instant, demand float64) {
	if at >= t.settled && demand >= 0 && (t.peakAt == 0 || demand > t.peak) {
		t.peak, t.peakAt = demand, at
	}
}

// Demand returns the demand at the last sample. It reports false where there is
// none.
func (t *Thermal) Demand() (units.Watts, bool) {
	if !t.running || t.at < t.settled {
		return 0, false
	}
	return units.Watts(t.demand), true
}

// Peak returns the largest demand since the last Reset, in the middle of a
// segment too, and the first of equal ones.
func (t *Thermal) Peak() ThermalPeak { return ThermalPeak{units.Watts(t.peak), t.peakAt} }

// Reset returns the peak and begins a new one with the next sample. Demand goes on.
func (t *Thermal) Reset() ThermalPeak {
	p := t.Peak()
	t.peak, t.peakAt = 0, 0
	return p
}

// PowerUp tells that the meter has been without power for long enough to be cold.
// Demand begins at 0 with the next usable sample, and counts at once.
func (t *Thermal) PowerUp() {
	if t.running {
		t.counts.Gaps++
	}
	t.running, t.cold = false, true
}

// AppendBinary appends the complete state to dst; it fails never. A Thermal of the
// same configuration that takes it up with UnmarshalBinary goes on as this one
// would, to the bit. It implements encoding.BinaryAppender.
func (t *Thermal) AppendBinary(dst []byte) ([]byte, error) {
	w := writer(dst)
	t.header(&w)
	for _, n := range [...]uint64{t.counts.Samples, t.counts.Bad, t.counts.Rejected, t.counts.Gaps} {
		w.uint(n)
	}
	w.instant(t.at)
	w.bool(t.known)
	w.float(t.power)
	w.bool(t.running)
	w.bool(t.cold)
	w.float(t.demand)
	w.instant(t.settled)
	w.float(t.peak)
	w.instant(t.peakAt)
	return w, nil
}

func (t *Thermal) header(w *writer) {
	*w = append(*w, thermalState, byte(t.config.Rule))
	w.duration(t.config.Interval)
	w.duration(t.config.MaxGap)
	w.duration(t.config.Settling)
}

// MarshalBinary returns the complete state, as AppendBinary does.
func (t *Thermal) MarshalBinary() ([]byte, error) { return t.AppendBinary(nil) }

// UnmarshalBinary takes up a state saved by a Thermal of the same configuration.
// It does not keep data. The error wraps ErrState, and leaves t as it was.
func (t *Thermal) UnmarshalBinary(data []byte) error {
	n, err := NewThermal(t.config)
	if err != nil {
		return errors.Join(ErrState, err)
	}
	var head writer
	n.header(&head)
	in := reader{data: data}
	if string(in.take(len(head))) != string(head) {
		return ErrState
	}
	n.counts = ThermalCounts{Samples: in.uint(), Bad: in.uint(), Rejected: in.uint(), Gaps: in.uint()}
	n.at, n.known, n.power = in.instant(), in.bool(), in.float()
	n.running, n.cold, n.demand, n.settled = in.bool(), in.bool(), in.float(), in.instant()
	n.peak, n.peakAt = in.float(), in.instant()
	if err := in.end(); err != nil {
		return err
	}
	for _, p := range [...]float64{n.demand, n.peak, n.power} {
		if !(math.Abs(p) <= 2*maxThermal) {
			return fmt.Errorf("%w: power that cannot be", ErrState)
		}
	}
	if (n.known || n.running) && n.at == 0 || n.at != 0 && !inHorizon(n.at) || n.peakAt > n.at {
		return fmt.Errorf("%w: time that cannot be", ErrState)
	}
	*t = *n
	return nil
}
