package aggregate

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// Tolerance says how far the registers of a meter and the integral of its power
// may differ.
type Tolerance struct {
	// Resolution is the step by which a register moves; 0 = as fine as it likes. The
	// register may be short of the truth by a step at each end of an interval.
	Resolution Energy
	// Accuracy is the share of the energy that may be wrong, of both sides together:
	// 0.01 is a hundredth. Sampling momentary values adds to the class of the meter.
	Accuracy float64
	// MaxPower in W bounds what may have flowed in time that one of the two misses;
	// 0 = not known: then intervals with missing time are not compared.
	MaxPower units.Watts
}

// Reconciliation is the registers of one interval set against its power, of
// active energy. Differences are registers less power.
type Reconciliation struct {
	Import Energy // difference of imports; of no meaning without an import register
	Export Energy // difference of exports; of no meaning without an export register
	// Net is the difference that is judged: of import less export where there are
	// registers for both, since a meter that counts each phase for itself imports and
	// exports at once; else of the one direction there is.
	Net     Energy
	Allowed Energy // what Net may be, either way
	// Compared is false, and the rest zero, where a side is absent or holds energy that
	// is Carried, or misses time and MaxPower is not known. So it is of an interval that
	// begins before the end of one compared, as one that is Revised does.
	Compared bool
	Beyond   bool // Net is more than Allowed

	Drift        Energy // sum of Net over all intervals compared
	DriftAllowed Energy // what that may be: the ends of each stretch compared, and Accuracy of all energy
	Drifting     bool   // Drift is more than DriftAllowed
}

// Reconciler sets the two accounts of a meter against each other, interval by
// interval. Two accounts that agree are evidence for both; a lasting drift is a
// wrong multiplier, unit or clock, or a meter out of class. It allocates nothing
// and belongs to one goroutine at a time. Make one with NewReconciler for each
// meter; the zero Reconciler tolerates nothing.
type Reconciler struct {
	tolerance Tolerance
	accuracy  int128 // parts in 2^32
	identity  uint64 // fingerprint of the configuration
	drift     Energy
	flow      int128          // energy compared
	unseen    int128          // what may have flowed unseen
	ends      uint64          // of stretches compared
	until     acquire.Instant // end of the last interval compared; 0 = none
}

// NewReconciler returns a Reconciler. The error joins every fault.
func NewReconciler(t Tolerance) (*Reconciler, error) {
	var faults []error
	if t.Resolution.Sign() < 0 {
		faults = append(faults, fmt.Errorf("aggregate: reconciler: resolution %v is negative", t.Resolution))
	}
	if !(t.Accuracy >= 0 && t.Accuracy <= 1) {
		faults = append(faults, fmt.Errorf("aggregate: reconciler: accuracy %v is not within 0 and 1", t.Accuracy))
	}
	if !(t.MaxPower >= 0 && t.MaxPower <= maxPower/microwattsPerWatt) {
		faults = append(faults, fmt.Errorf("aggregate: reconciler: maximum power %v is not within 0 and 4.6 TW", float64(t.MaxPower)))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Reconciler{
		tolerance: t, accuracy: int128{0, uint64(math.Ceil(math.Ldexp(t.Accuracy, 32)))},
		identity: fingerprint("reconciler", t),
	}, nil
}

// Compare takes the next interval of the meter.
func (r *Reconciler) Compare(iv *Interval) Reconciliation {
	var c Reconciliation
	in, out := iv.channels.has(importRegister), iv.channels.has(exportRegister)
	missing := max(iv.Registers.Coverage.Missing, iv.Power.Coverage.Missing)
	c.Compared = (in || out) && iv.channels.has(activePower) && !iv.carried.has(importRegister|exportRegister) &&
		(missing == 0 || r.tolerance.MaxPower > 0) && missing < iv.Duration() && iv.Start >= r.until
	if !c.Compared {
		c.Drift, c.DriftAllowed, c.Drifting = r.drifted()
		return c
	}
	c.Import = iv.Registers.Import.Sub(iv.Power.Import)
	c.Export = iv.Registers.Export.Sub(iv.Power.Export)
	var flow int128
	switch {
	case in && out:
		c.Net = c.Import.Sub(c.Export)
		flow = iv.Registers.Import.quanta.plus(iv.Registers.Export.quanta)
	case in:
		c.Net, flow = c.Import, iv.Registers.Import.quanta
	default:
		c.Net, flow = c.Export, iv.Registers.Export.quanta
	}
	ends := uint64(2)
	if in && out {
		// What one side missed may have flowed in, and what the other missed out.
		ends, missing = 4, iv.Registers.Coverage.Missing+iv.Power.Coverage.Missing
	}
	within := ends // of stretches that end or begin inside
	if iv.Registers.Coverage.Missing == 0 {
		within = 0
	}
	unseen := product(uint64(math.Ceil(float64(r.tolerance.MaxPower)*microwattsPerWatt)), 2*uint64(missing))
	c.Allowed = r.allowed(ends+within, flow, unseen)
	c.Beyond = c.Net.quanta.abs().cmp(c.Allowed.quanta) > 0

	r.drift = r.drift.Add(c.Net)
	r.flow = r.flow.plus(flow)
	r.unseen = r.unseen.plus(unseen)
	if r.ends += within; iv.Start != r.until {
		r.ends += ends
	}
	r.until = iv.End
	c.Drift, c.DriftAllowed, c.Drifting = r.drifted()
	return c
}

func (r *Reconciler) drifted() (drift, allowed Energy, beyond bool) {
	allowed = r.allowed(r.ends, r.flow, r.unseen)
	return r.drift, allowed, r.drift.quanta.abs().cmp(allowed.quanta) > 0
}

// allowed returns what a difference may be: a step for each end of a stretch, the
// accuracy of what flowed, and what was not seen.
func (r *Reconciler) allowed(ends uint64, flow, unseen int128) Energy {
	share := flow.shr(32).times(r.accuracy.lo).plus(int128{0, flow.lo & math.MaxUint32}.times(r.accuracy.lo).shr(32))
	return Energy{r.tolerance.Resolution.quanta.times(ends).plus(share).plus(unseen)}
}

// Percent returns Drift as a percentage of the energy, and false without any.
func (r *Reconciler) Percent() (float64, bool) {
	if r.flow.isZero() {
		return 0, false
	}
	f, _ := new(big.Rat).SetFrac(r.drift.quanta.big(), r.flow.big()).Float64()
	return 100 * f, true
}

var (
	_ encoding.BinaryAppender    = (*Reconciler)(nil)
	_ encoding.BinaryMarshaler   = (*Reconciler)(nil)
	_ encoding.BinaryUnmarshaler = (*Reconciler)(nil)
)

// AppendBinary appends the complete state to dst: what restored goes on as if
// nothing had happened. It does not allocate where dst has room. The error is nil.
func (r *Reconciler) AppendBinary(dst []byte) ([]byte, error) {
	from := len(dst)
	k := beginState(dst, reconcilerState, r.identity)
	r.fields(&k)
	return k.end(from), nil
}

// MarshalBinary returns the state as AppendBinary does.
func (r *Reconciler) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

// UnmarshalBinary restores a state of a Reconciler of the same Tolerance. The error
// wraps ErrState or ErrOtherConfiguration, and r is unchanged then. It keeps nothing
// of data.
func (r *Reconciler) UnmarshalBinary(data []byte) error {
	k, err := openState(data, reconcilerState, r.identity)
	if err != nil {
		return err
	}
	next := *r
	next.fields(&k)
	if err := k.closed(); err != nil {
		return err
	}
	*r = next
	return nil
}

// fields lists what changes in a Reconciler.
func (r *Reconciler) fields(k *codec) {
	k.int128(&r.drift.quanta)
	k.int128(&r.flow)
	k.int128(&r.unseen)
	word(k, &r.ends)
	k.instant(&r.until)
	k.require(r.flow.sign() >= 0 && r.unseen.sign() >= 0)
}
