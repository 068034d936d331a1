package aggregate

import (
	"encoding"
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
	identity   uint64 // fingerprint of the configuration

	known bool            // there is a reading, or a pulse
	at    acquire.Instant // of the last one
	count uint64          // of the counter then
	moved acquire.Instant // of the last reading before the counter moved

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
		identity: fingerprint("pulses", p),
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
// believed at once. The rules are those of Registers: what does not surely follow
// from the reading before is decided by the next, and a lone bad reading counts
// nothing. A counter that started anew is credited with nothing.
func (p *PulseMeter) Read(t acquire.Instant, n uint64) bool {
	if p.late(t) {
		return false
	}
	if p.modulus != 0 && n >= p.modulus {
		p.counts.BadReadings++
		return false
	}
	if !p.known {
		p.known, p.at, p.count, p.moved = true, t, n, t
		return true
	}
	steps, rolled, b := p.follows(p.count, p.at, p.moved, n, t)
	if p.doubtAt != 0 {
		next, again, onward := p.follows(p.doubt, p.doubtAt, p.doubtAt, n, t)
		between, over, before := p.follows(p.count, p.at, p.moved, p.doubt, p.doubtAt)
		switch {
		case onward < sound || b == certain && before == refuted:
			p.counts.BadReadings++
		case before != refuted:
			p.believe(between, over, p.doubt, p.doubtAt)
			steps, rolled, b = next, again, onward
		default:
			p.counts.Resets++
			p.Lost()
			p.at, p.count, p.moved = p.doubtAt, p.doubt, p.doubtAt
			steps, rolled, b = next, again, onward
		}
		p.doubtAt = 0
	}
	if b != certain {
		p.doubt, p.doubtAt = n, t
		return false
	}
	p.believe(steps, rolled, n, t)
	return true
}

// believe takes the reading n at t, which is so many pulses on.
func (p *PulseMeter) believe(steps uint64, rolled bool, n uint64, t acquire.Instant) {
	if rolled {
		p.counts.Rollovers++
	}
	if steps > 0 {
		p.moved = p.at
		p.step(steps, t)
	}
	p.at, p.count = t, n
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
// passed its modulus, and how far that is to be believed. The counter moved last
// after moved.
func (p *PulseMeter) follows(from uint64, fromAt, moved acquire.Instant, to uint64, at acquire.Instant) (steps uint64, rolled bool, b belief) {
	steps = to - from
	if to < from {
		if p.modulus == 0 {
			return 0, false, refuted
		}
		rolled, steps = true, steps+p.modulus
	}
	// One more than flows may show, as a pulse may have been due.
	within := func(d acquire.Instant) bool { return steps <= 1 || p.energy(steps-1).cmp(p.most(d)) <= 0 }
	switch {
	case p.maxPower != 0 && within(at-fromAt):
		if b = certain; rolled && to == 0 {
			b = sound
		}
	case p.maxPower != 0 && !rolled && within(at-moved):
		b = possible
	case p.maxPower != 0:
		b = refuted
	case p.modulus == 0:
		b = certain
	case steps > (p.modulus-1)/2: // a step back is as likely
		b = refuted
	case rolled:
		b = possible
	default:
		b = certain
	}
	return steps, rolled, b
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

var (
	_ encoding.BinaryAppender    = (*PulseMeter)(nil)
	_ encoding.BinaryMarshaler   = (*PulseMeter)(nil)
	_ encoding.BinaryUnmarshaler = (*PulseMeter)(nil)
)

// AppendBinary appends the complete state to dst: what restored goes on as if
// nothing had happened. It does not allocate where dst has room. The error is nil.
func (p *PulseMeter) AppendBinary(dst []byte) ([]byte, error) {
	from := len(dst)
	k := beginState(dst, pulseState, p.identity)
	p.fields(&k)
	return k.end(from), nil
}

// MarshalBinary returns the state as AppendBinary does.
func (p *PulseMeter) MarshalBinary() ([]byte, error) { return p.AppendBinary(nil) }

// UnmarshalBinary restores a state of a PulseMeter of the same configuration. The
// error wraps ErrState or ErrOtherConfiguration, and p is unchanged then. It keeps
// nothing of data.
func (p *PulseMeter) UnmarshalBinary(data []byte) error {
	k, err := openState(data, pulseState, p.identity)
	if err != nil {
		return err
	}
	next := *p
	next.fields(&k)
	if err := k.closed(); err != nil {
		return err
	}
	*p = next
	return nil
}

// fields lists what changes in a PulseMeter.
func (p *PulseMeter) fields(k *codec) {
	k.bool(&p.known)
	k.instant(&p.at)
	word(k, &p.count)
	k.instant(&p.moved)
	k.instant(&p.edge)
	k.instant(&p.start)
	word(k, &p.steps)
	word(k, &p.doubt)
	k.instant(&p.doubtAt)
	for _, n := range [...]*uint64{
		&p.counts.Pulses, &p.counts.Bounces, &p.counts.Late, &p.counts.BadReadings, &p.counts.Resets, &p.counts.Rollovers,
	} {
		word(k, n)
	}
	k.require((p.at != 0) == p.known && p.moved <= p.at && p.edge <= p.at && (p.doubtAt == 0 || p.known && p.doubtAt > p.at))
	k.require(p.start == 0 || p.start < p.edge)
	k.require(p.modulus == 0 || p.count < p.modulus && p.doubt < p.modulus)
}
