package aggregate

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// DefaultPulseHold is how long after a pulse something is known of the power,
// where nothing is said. At 1000 pulses a kWh less than 1 W flows then.
const DefaultPulseHold = time.Hour

// PulseWeight is what the pulses of a meter's output (S0, IEC 62053-31) are worth,
// as an exact ratio: Pulses of them are Energy units of energy. The plate of a
// meter says "1000 imp/kWh", which is PulsesPerKilowattHour(1000); a transmitter of
// 7/3 Wh an impulse is PulseWeight{Energy: 7, Unit: units.WattHour, Pulses: 3}. Of
// reactive energy a weight in kWh says the same in kvarh.
//
// The zero value is no weight.
type PulseWeight struct {
	Energy uint64     // so many of Unit
	Unit   units.Unit // of active energy
	Pulses uint64     // are worth so many pulses
}

// PulsesPerKilowattHour returns the weight of n pulses a kWh, the meter constant
// that its plate gives.
func PulsesPerKilowattHour(n uint64) PulseWeight {
	return PulseWeight{Energy: 1, Unit: units.KilowattHour, Pulses: n}
}

// String returns the weight as "1 kWh / 1000".
func (w PulseWeight) String() string {
	return fmt.Sprintf("%d %v / %d", w.Energy, w.Unit, w.Pulses)
}

// conversion returns how pulses count in parts of a quantum.
func (w PulseWeight) conversion() (conversion, error) {
	quanta, err := w.quanta()
	if err != nil {
		return conversion{}, err
	}
	c, ok := exactConversion(quanta)
	if !ok {
		return conversion{}, fmt.Errorf("pulse weight %v cannot be counted exactly", w)
	}
	return c, nil
}

// quanta returns the quanta of one pulse.
func (w PulseWeight) quanta() (*big.Rat, error) {
	if w.Unit.Kind() != units.ActiveEnergy {
		return nil, fmt.Errorf("pulse weight %v is not in a unit of active energy", w)
	}
	if w.Energy == 0 || w.Pulses == 0 {
		return nil, fmt.Errorf("pulse weight %v is no energy", w)
	}
	quanta, err := perUnit(w.Unit, units.WattHour, quantaPerWattHour)
	if err != nil {
		return nil, err
	}
	return quanta.Mul(quanta, new(big.Rat).SetFrac(new(big.Int).SetUint64(w.Energy), new(big.Int).SetUint64(w.Pulses))), nil
}

// Pulses describes a pulse output.
type Pulses struct {
	Weight PulseWeight // needed
	// Modulus is where the counter of Read starts again from 0, as
	// Registers.Modulus is; 0 = never.
	Modulus uint64
	// MaxPower is the largest power in W that can flow; 0 = not known. A pulse that
	// comes sooner after the one before than MaxPower allows is contact bounce.
	MaxPower float64
	// Hold is how long after a pulse something is known of the power; 0 =
	// DefaultPulseHold.
	Hold time.Duration
}

// PulseState says what is known of a power that comes from pulses.
type PulseState uint8

// The states.
const (
	PulseUnknown PulseState = iota // no two pulses yet, or none for longer than Hold
	PulseMean                      // the mean power between the last two pulses
	PulseAtMost                    // the next pulse is overdue: it cannot be more than this, and is less with every moment
)

var pulseStateNames = [...]string{"unknown", "mean", "at most"}

// String returns "unknown", "mean" or "at most".
func (s PulseState) String() string {
	if int(s) < len(pulseStateNames) {
		return pulseStateNames[s]
	}
	return fmt.Sprintf("pulse state %d", uint8(s))
}

// PulseCounts are the events of a PulseMeter since it was made.
type PulseCounts struct {
	Pulses      uint64 // believed
	Bounces     uint64 // pulses sooner than MaxPower allows: dropped
	Late        uint64 // not after what came before: dropped
	BadReadings uint64 // of Read, not believed
	Resets      uint64 // the counter of Read started anew
	Rollovers   uint64 // the counter of Read passed Modulus
}

// PulseMeter makes energy and power of pulses. Power is the energy of a pulse over
// the time since the one before: to count pulses in a window instead shows 180 W
// for 6 W whenever a pulse falls into 20 s. While the next pulse is overdue the
// power is less than one pulse over the time since the last.
//
// Feed it either single pulses or the readings of a pulse counter. It is a plain
// value that belongs to one goroutine at a time. Make one with NewPulseMeter.
//
// Bill by a Router: its registers take a pulse counter with Registers.Weight, and
// Reading makes one of single pulses.
type PulseMeter struct {
	conversion conversion
	parts      uint64
	modulus    uint64
	maxPower   uint64 // µW, 0 = not known
	hold       acquire.Instant

	known bool            // there is a reading, or a pulse
	at    acquire.Instant // of the last one
	count uint64          // of the counter then

	edge  acquire.Instant // of the last pulse, or when Read first showed it; 0 = none
	start acquire.Instant // the same of the one before; 0 = none
	steps uint64          // pulses between

	doubt   uint64
	doubtAt acquire.Instant // 0 = none

	counts PulseCounts
}

// NewPulseMeter returns a PulseMeter. The error joins every fault.
func NewPulseMeter(p Pulses) (*PulseMeter, error) {
	if p.Hold == 0 {
		p.Hold = DefaultPulseHold
	}
	var faults []error
	fault := func(err error) { faults = append(faults, fmt.Errorf("aggregate: pulses: %w", err)) }
	conv, err := p.Weight.conversion()
	if err != nil {
		fault(err)
	}
	if p.Modulus == 1 {
		fault(errors.New("modulus 1 leaves no room to count"))
	}
	if !(p.MaxPower >= 0 && p.MaxPower <= maxPower/microwattsPerWatt) {
		fault(fmt.Errorf("maximum power %v W is not within 0 and 4.6 TW", p.MaxPower))
	}
	if p.Hold < 0 {
		fault(fmt.Errorf("hold %v is negative", p.Hold))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &PulseMeter{
		conversion: conv, parts: conv.parts, modulus: p.Modulus, hold: acquire.Instant(p.Hold),
		maxPower: uint64(math.Ceil(p.MaxPower * microwattsPerWatt)),
	}, nil
}

// Pulse takes one pulse at t and reports whether it counts.
func (p *PulseMeter) Pulse(t acquire.Instant) bool {
	if p.late(t) {
		return false
	}
	if p.edge != 0 && p.maxPower != 0 && p.energy(1).cmp(p.most(t-p.edge)) > 0 {
		p.counts.Bounces++
		return false
	}
	p.known, p.at = true, t
	p.step(1, t)
	return true
}

// Read takes the reading n of a pulse counter at t and reports whether it is
// believed. The rules are those of Registers: a step of more than MaxPower allows,
// or a drop, is believed when the next reading bears it out, and a lone bad
// reading counts nothing. A counter that started anew is credited with nothing.
func (p *PulseMeter) Read(t acquire.Instant, n uint64) bool {
	if p.late(t) {
		return false
	}
	if p.modulus != 0 && n >= p.modulus {
		p.counts.BadReadings++
		return false
	}
	if !p.known {
		p.known, p.at, p.count = true, t, n
		return true
	}
	steps, rolled, sure := p.follows(p.count, p.at, n, t)
	if p.doubtAt != 0 {
		again, _, onward := p.follows(p.doubt, p.doubtAt, n, t)
		switch {
		case sure || !onward:
			p.counts.BadReadings++
		default:
			if between, over, _ := p.follows(p.count, p.at, p.doubt, p.doubtAt); over && p.maxPower == 0 && between <= p.modulus/2 {
				p.counts.Rollovers++
				p.step(between, p.doubtAt)
			} else {
				p.counts.Resets++
				p.Lost()
			}
			steps, rolled, sure = again, false, true
		}
		p.doubtAt = 0
	}
	if !sure {
		p.doubt, p.doubtAt = n, t
		return false
	}
	if rolled {
		p.counts.Rollovers++
	}
	p.at, p.count = t, n
	if steps > 0 {
		p.step(steps, t)
	}
	return true
}

// Lost says that pulses may have been missed: power is unknown until two more
// have come. The energy of a counter is not touched.
func (p *PulseMeter) Lost() { p.edge, p.start = 0, 0 }

// Power returns what is known of the power at t, not before the last pulse.
func (p *PulseMeter) Power(t acquire.Instant) (units.Watts, PulseState) {
	if p.edge == 0 {
		return 0, PulseUnknown
	}
	age := t - p.edge
	if age > p.hold {
		return 0, PulseUnknown
	}
	// One pulse more has not come for so long.
	var most units.Watts
	if age > 0 {
		most = Energy{p.quanta(1)}.Mean(time.Duration(age))
	}
	if p.start == 0 {
		if age <= 0 {
			return 0, PulseUnknown
		}
		return most, PulseAtMost
	}
	mean := Energy{p.quanta(p.steps)}.Mean(p.edge.Sub(p.start))
	if age > 0 && most < mean {
		return most, PulseAtMost
	}
	return mean, PulseMean
}

// Energy returns the energy of all pulses believed, exact but for the last
// quantum: what two calls differ by is what came between.
func (p *PulseMeter) Energy() Energy { return Energy{p.quanta(p.counts.Pulses)} }

// Reading returns the number of pulses believed by t as a reading of point, whose
// meter has Registers.Weight. A Router that gets one with each pulse and each
// watermark of the line knows the time between pulses too.
func (p *PulseMeter) Reading(point acquire.PointID, t acquire.Instant) acquire.Sample {
	return acquire.Sample{Time: t, Point: point, Value: acquire.Uint64(p.counts.Pulses), Quality: acquire.Good}
}

// Counts returns what has happened so far.
func (p *PulseMeter) Counts() PulseCounts { return p.counts }

func (p *PulseMeter) late(t acquire.Instant) bool {
	if t < soonest || t > latest || p.known && t <= max(p.at, p.doubtAt) {
		p.counts.Late++
		return true
	}
	return false
}

// step takes n pulses up to t.
func (p *PulseMeter) step(n uint64, t acquire.Instant) {
	p.start, p.edge, p.steps = p.edge, t, n
	p.counts.Pulses += n
}

// follows returns the pulses from one reading to a later one, whether the counter
// passed its modulus, and whether that is sure.
func (p *PulseMeter) follows(from uint64, fromAt acquire.Instant, to uint64, at acquire.Instant) (steps uint64, rolled, sure bool) {
	steps = to - from
	if to < from {
		if p.modulus == 0 {
			return 0, false, false
		}
		rolled, steps = true, steps+p.modulus
	}
	switch {
	case p.maxPower != 0: // one more than flows, as a pulse may have been due
		sure = steps <= 1 || p.energy(steps-1).cmp(p.most(at-fromAt)) <= 0
	case p.modulus != 0:
		sure = !rolled && steps <= p.modulus/2
	default:
		sure = true
	}
	return steps, rolled, sure
}

// energy returns n pulses in parts of a quantum.
func (p *PulseMeter) energy(n uint64) int128 {
	x, ok := p.conversion.magnitude(n, 0)
	if !ok {
		return limit(1)
	}
	return x
}

// most returns the parts that can flow within d.
func (p *PulseMeter) most(d acquire.Instant) int128 {
	return product(p.maxPower, 2*uint64(d)).times(p.parts)
}

// quanta returns n pulses in quanta, rounded to nearest.
func (p *PulseMeter) quanta(n uint64) int128 {
	q, r := p.energy(n).div(p.parts)
	if r >= p.parts-r {
		q = q.add(int128{0, 1})
	}
	return q
}
