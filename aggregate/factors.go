package aggregate

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/units"
)

// FactorTolerance is how far, relative to it, active power may exceed apparent
// power before the two are said to contradict each other. Two registers of one
// meter are read with rounding of their own; what is within counts as unity.
const FactorTolerance = 0.01

// TruePowerFactor is P/S with the measured apparent power, S = U·I with the RMS
// values: what the conductors see. Distortion and unbalance lower it.
type TruePowerFactor struct{ PowerFactor }

// DisplacementPowerFactor is P1/S1 = cos φ1 of the fundamental alone: what
// capacitors can mend. It is not below the TruePowerFactor of the same load
// where the voltage is sinusoidal.
type DisplacementPowerFactor struct{ PowerFactor }

// EnergyPowerFactor is kWh/√(kWh²+kvarh²) of the energies of a stretch of time:
// what tariffs bill as the average power factor. It is not the mean of momentary
// factors. Distortion is in it only as far as the meter's reactive energy has it.
type EnergyPowerFactor struct{ PowerFactor }

// WholePercent returns the factor in whole percent, rounded to nearest, as PG&E
// bills it (schedule E-20, power factor adjustment). It reports false where the
// factor is not defined. A factor of whole kWh and kvarh is never half way
// between two percents.
func (f EnergyPowerFactor) WholePercent() (int, bool) {
	return int(math.Round(f.Magnitude * 100)), f.Defined()
}

// Adjusted returns demand · target/factor where the factor is below target, and
// the demand itself where it is not: the "power factor adjusted" demand of
// tariffs with a target factor. It reports false where the factor is not defined
// or zero.
func (f EnergyPowerFactor) Adjusted(demand units.Watts, target float64) (units.Watts, bool) {
	switch {
	case !f.Defined() || f.Magnitude == 0:
		return 0, false
	case f.Magnitude >= target:
		return demand, true
	}
	return units.Watts(float64(demand) * target / f.Magnitude), true
}

// ExcessVars returns the reactive power beyond a free share of active power, q -
// free·p, and none below it. Orange & Rockland bill kvar - kW/3 at the peak: a
// share of 1/3. Both are magnitudes: what flows the other way is none.
func ExcessVars(p units.Watts, q units.Vars, free units.Scale) units.Vars {
	return max(q-units.Vars(free.Apply(max(float64(p), 0))), 0)
}

// CountedReactive says which energies a power factor of energies counts. This is
// tariff law, and tariffs differ.
type CountedReactive uint8

// The choices.
const (
	// NetReactive counts net active and net reactive energy, import less export:
	// what lags offsets what leads. It is the default.
	NetReactive CountedReactive = iota
	// LaggingReactive counts active and reactive import alone, as registers with
	// detents do: what leads neither helps nor hurts (PG&E E-20).
	LaggingReactive
	// GrossReactive counts import and export of reactive energy as both costing: no
	// offset of one by the other. Active energy is net.
	GrossReactive
)

// String returns the choice in words: "net", "lagging" or "gross".
func (c CountedReactive) String() string {
	switch c {
	case NetReactive:
		return "net"
	case LaggingReactive:
		return "lagging"
	case GrossReactive:
		return "gross"
	}
	return "choice " + strconv.Itoa(int(c))
}

// FactorConfig is the configuration of Factors. The zero value counts net energies and
// has no cut-off: a power factor is undefined only where nothing flows.
type FactorConfig struct {
	// MinActive and MinApparent are the cut-off: with less active or less apparent
	// power, averaged over the interval where energies are given, a power factor is
	// undefined. What an idle transformer draws is no statement about the load.
	MinActive   units.Watts
	MinApparent units.VoltAmperes
	// MinShare is a cut-off of apparent power as a share of Nominal, 0 to 1. Of it
	// and MinApparent the larger holds.
	MinShare float64
	// Nominal is the apparent power of the installation or of the meter's
	// transformers; wanted with MinShare.
	Nominal units.VoltAmperes
	// Reactive says which energies count.
	Reactive CountedReactive
}

// Factors computes power factors by one set of rules. It is an immutable value,
// safe to copy and to share. The zero Factors has the zero configuration.
type Factors struct {
	minActive   float64 // W
	minApparent float64 // VA
	reactive    CountedReactive
}

// NewFactors checks c, and names all its faults at once.
func NewFactors(c FactorConfig) (Factors, error) {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("aggregate: power factor: "+format, args...))
		}
	}
	sound := func(x float64) bool { return x >= 0 && x <= math.MaxFloat64 }
	fault(!sound(float64(c.MinActive)), "least active power %v W is not a magnitude", float64(c.MinActive))
	fault(!sound(float64(c.MinApparent)), "least apparent power %v VA is not a magnitude", float64(c.MinApparent))
	fault(!sound(float64(c.Nominal)), "nominal apparent power %v VA is not a magnitude", float64(c.Nominal))
	fault(!(c.MinShare >= 0 && c.MinShare <= 1), "least share %v is not within 0 and 1", c.MinShare)
	fault(c.MinShare > 0 && c.Nominal == 0, "least share %v of a nominal power that is not given", c.MinShare)
	fault(c.Reactive > GrossReactive, "%v of reactive energy is unknown", c.Reactive)
	if faults != nil {
		return Factors{}, errors.Join(faults...)
	}
	return Factors{
		minActive:   float64(c.MinActive),
		minApparent: max(float64(c.MinApparent), c.MinShare*float64(c.Nominal)),
		reactive:    c.Reactive,
	}, nil
}

// True returns |p|/s of measured active and apparent power. Of q only the sign
// counts; where reactive power is not known pass NaN, and the factor has no
// quadrant. It reports false where the factor is undefined; its Status says why.
func (f Factors) True(p units.Watts, s units.VoltAmperes, q units.Vars) (TruePowerFactor, bool) {
	factor, ok := f.cut(float64(p), float64(s), float64(q))
	return TruePowerFactor{factor}, ok
}

// Displacement returns |p1|/√(p1²+q1²) of the active and reactive power of the
// fundamental. It reports false where the factor is undefined; its Status says
// why.
func (f Factors) Displacement(p1 units.Watts, q1 units.Vars) (DisplacementPowerFactor, bool) {
	factor, ok := f.cut(float64(p1), math.Hypot(float64(p1), float64(q1)), float64(q1))
	return DisplacementPowerFactor{factor}, ok
}

// Energies returns the power factor of the energies over d, without regard to
// their coverage. It reports false where the factor is undefined; its Status says
// why. Over a billing period the accounts are sums, and d their length.
func (f Factors) Energies(active Account, reactive ReactiveAccount, d time.Duration) (EnergyPowerFactor, bool) {
	if d <= 0 {
		return EnergyPowerFactor{PowerFactor{Status: FactorIncomplete}}, false
	}
	p, q := active.Net(), reactive.Net()
	if f.reactive == LaggingReactive {
		p, q = active.Import, reactive.Import
	}
	counted := q
	if f.reactive == GrossReactive {
		counted = reactive.Import.Add(reactive.Export)
	}
	watts, vars := float64(p.Mean(d)), float64(q.Mean(d))
	s := math.Hypot(watts, float64(counted.Mean(d)))
	factor, ok := f.cut(watts, s, vars)
	return EnergyPowerFactor{factor}, ok
}

// Interval returns the power factor of the energies of iv, of the accounts that
// Active and Reactive choose. It reports false where the factor is undefined; its
// Status says why, and is FactorIncomplete where an account is absent, does not
// cover the whole interval, or holds energy that is Carried.
func (f Factors) Interval(iv *Interval) (EnergyPowerFactor, bool) {
	active, reactive, ok := iv.complete()
	if !ok {
		return EnergyPowerFactor{PowerFactor{Status: FactorIncomplete}}, false
	}
	return f.Energies(active, reactive, iv.Duration())
}

// cut is newFactor above the cut-off.
func (f Factors) cut(p, s, q float64) (PowerFactor, bool) {
	factor, ok := newFactor(p, s, q)
	if ok && (math.Abs(p) < f.minActive || s < f.minApparent) {
		return PowerFactor{Status: FactorLowLoad}, false
	}
	return factor, ok
}

// PowerFactor returns the power factor of the net energies of the interval: that
// of the zero Factors.
func (iv *Interval) PowerFactor() (EnergyPowerFactor, bool) { return Factors{}.Interval(iv) }

// complete returns the accounts to bill by if both cover the whole interval and
// hold nothing of another.
func (iv *Interval) complete() (active Account, reactive ReactiveAccount, ok bool) {
	active, _ = iv.Active()
	reactive, _ = iv.Reactive()
	carriesActive, carriesReactive := iv.Carries()
	ok = active.Coverage.Full() && reactive.Coverage.Full() && !carriesActive && !carriesReactive
	return active, reactive, ok
}
