package aggregate

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// Ratio is an exact ratio of whole numbers, such as that of a current transformer
// 400/5 times that of a voltage transformer 20000/100. The zero value is 1.
type Ratio struct {
	Num uint64 // numerator
	Den uint64 // denominator, above 0 unless Num is 0 too
}

// Times returns the product of r and s, in lowest terms. It reports false if that
// does not fit.
func (r Ratio) Times(s Ratio) (Ratio, bool) {
	r, s = r.whole(), s.whole()
	if r.Num == 0 || s.Num == 0 || r.Den == 0 || s.Den == 0 {
		return Ratio{0, 1}, r.Den != 0 && s.Den != 0
	}
	for _, pair := range [...][2]*uint64{{&r.Num, &r.Den}, {&s.Num, &s.Den}, {&r.Num, &s.Den}, {&s.Num, &r.Den}} {
		shared := gcd(*pair[0], *pair[1])
		*pair[0] /= shared
		*pair[1] /= shared
	}
	numHigh, num := bits.Mul64(r.Num, s.Num)
	denHigh, den := bits.Mul64(r.Den, s.Den)
	return Ratio{num, den}, numHigh|denHigh == 0
}

// String returns the ratio as "400/5".
func (r Ratio) String() string {
	r = r.whole()
	return fmt.Sprintf("%d/%d", r.Num, r.Den)
}

func (r Ratio) whole() Ratio {
	if r == (Ratio{}) {
		return Ratio{1, 1}
	}
	return r
}

func (r Ratio) validate() error {
	if r = r.whole(); r.Num == 0 || r.Den == 0 {
		return fmt.Errorf("multiplier %v is no ratio above 0", r)
	}
	return nil
}

// Swap is a change of what a point reads: another meter was put in, or other
// transformers. It is an event that somebody tells, and never guessed from a
// register that drops. It ends the accounting of the point at that instant and
// begins it anew, so that energies before and after are exact.
type Swap struct {
	Point acquire.PointID // of the register, or of power where Multiplier changes
	At    acquire.Instant // when; not before the last sample of Point
	// Final is the last reading of the register before, in the unit of the point,
	// which is believed at once if it can follow from the last one; none = not known:
	// what it counted since the last reading is then not known either and stays out.
	Final acquire.Value
	// Initial is the first reading of the register after; none = the next sample.
	Initial acquire.Value
	// Registers is what is known of the new registers; zero = the same as before,
	// and so is a zero Weight in it.
	Registers Registers
	// Multiplier holds from At on; zero = the same as before.
	Multiplier Ratio
}

// Swap takes a change of meter or multiplier and appends the intervals that it
// closes to dst. It goes to all meters that the point feeds, and flags the interval
// in which it is, or which it ends, as Swapped.
//
// The error joins all that keeps s from being taken, and nothing has changed then:
// a point that feeds no meter, a time before the last sample or of a closed
// interval, readings that the registers cannot show, or a final reading that cannot
// follow from the last one: below it without a rollover that Registers allow, or
// beyond MaxPower.
func (r *Router) Swap(dst []Interval, s Swap) ([]Interval, error) {
	plans, err := r.planSwaps(&s)
	if err != nil {
		return dst, err
	}
	r.out, r.base = dst, len(dst)
	for i := range plans {
		p := &plans[i]
		m := &r.meters[r.channel(p.ref).meter]
		if !m.open {
			r.begin(m, s.At)
		}
		if p.ref > 0 {
			r.gauges[p.ref-1].swap(m, s.At, p.conversion)
			r.conversions[p.ref-1], r.gaugeOrigins[p.ref-1] = p.conversion, p.origin
		} else {
			r.counters[-p.ref-1].swap(m, s.At, p)
			r.counterOrigins[-p.ref-1] = p.origin
		}
		r.settle(m)
	}
	return r.finish(), nil
}

// planSwaps makes s ready for all channels that its point feeds. The error joins
// every fault.
func (r *Router) planSwaps(s *Swap) ([]swapped, error) {
	var refs []ref
	if s.Point < acquire.PointID(len(r.routes)) {
		at := r.routes[s.Point]
		switch {
		case at >= fan:
			for _, one := range r.fans[at-fan:] {
				if one == 0 {
					break
				}
				refs = append(refs, one)
			}
		case at != 0:
			refs = append(refs, at)
		}
	}
	var faults []error
	fault := func(err error) { faults = append(faults, fmt.Errorf("aggregate: swap: %w", err)) }
	if len(refs) == 0 {
		fault(fmt.Errorf("point %d feeds no meter", s.Point))
	}
	if s.At < soonest || s.At > latest {
		fault(errors.New("time is not known or out of range"))
	}
	if err := s.Multiplier.validate(); err != nil {
		fault(err)
	}
	if err := s.Registers.validate(); err != nil {
		fault(err)
	}
	plans := make([]swapped, len(refs))
	for i, ref := range refs {
		if len(faults) != 0 {
			break
		}
		if err := r.planSwap(&plans[i], ref, s); err != nil {
			fault(err)
		}
	}
	return plans, errors.Join(faults...)
}

// swapped is a Swap made ready for one channel.
type swapped struct {
	ref ref
	origin
	conversion conversion
	counter    counter // as it starts, with the new policies
	final      int128
	initial    int128
	hasFinal   bool
	hasInitial bool
}

// planSwap checks s for one channel.
func (r *Router) planSwap(p *swapped, ref ref, s *Swap) error {
	p.ref = ref
	c := r.channel(ref)
	if s.At < c.last || s.At < c.done {
		return fmt.Errorf("time %v is before %v, up to which %s is accounted for", s.At.Time(), max(c.last, c.done).Time(), r.meters[c.meter].name)
	}
	want := &kinds[c.slot]
	if ref > 0 {
		if !s.Final.IsNone() || !s.Initial.IsNone() || s.Registers != (Registers{}) {
			return errors.New("a point of power has no readings and registers")
		}
		p.origin = r.gaugeOrigins[ref-1]
	} else {
		p.origin = r.counterOrigins[-ref-1]
	}
	if s.Multiplier != (Ratio{}) {
		p.multiplier = s.Multiplier
	}
	if weight := p.registers.Weight; s.Registers != (Registers{}) {
		if p.registers = s.Registers; p.registers.Weight == (PulseWeight{}) {
			p.registers.Weight = weight
		}
	}
	var err error
	if p.conversion, err = p.origin.conversion(want.base, want.parts); err != nil {
		return err
	}
	if ref > 0 {
		return nil
	}
	if p.counter, err = newCounter(channel{}, p.conversion, p.registers); err != nil {
		return err
	}
	return p.readings(&r.counters[-ref-1], s)
}

// readings checks the readings of s against the register before, and the one after.
func (p *swapped) readings(old *counter, s *Swap) error {
	var ok bool
	if p.hasFinal = !s.Final.IsNone(); p.hasFinal {
		if p.final, ok = old.conversion.number(s.Final); !ok || !old.counts(p.final) {
			return fmt.Errorf("final reading %v is none", s.Final)
		}
		if old.held != unknown {
			_, rollover, b := old.step(old.base, old.at, old.moved, p.final, s.At)
			switch {
			case b != refuted:
			case rollover || p.final.cmp(old.base) < 0:
				return fmt.Errorf("final reading %v is below the last one", s.Final)
			case old.maxPower != 0:
				return fmt.Errorf("final reading %v is more than the maximum power allows since the last one", s.Final)
			}
		}
	}
	if p.hasInitial = !s.Initial.IsNone(); p.hasInitial {
		if p.initial, ok = p.counter.conversion.number(s.Initial); !ok || !p.counter.counts(p.initial) {
			return fmt.Errorf("initial reading %v is none", s.Initial)
		}
	}
	return nil
}

// Swap takes a change of the meter behind a slot of registers, as Router.Swap does,
// and appends the periods that it closes to dst. Registers and Multiplier belong to
// the plan and must be left as they are; Point is not looked at.
func (b *Bank) Swap(dst []Period, slot uint32, s Swap) ([]Period, error) {
	fault := func(err error) ([]Period, error) { return dst, fmt.Errorf("aggregate: swap: %w", err) }
	switch {
	case slot >= uint32(len(b.counters)):
		return fault(fmt.Errorf("slot %d is no register", slot))
	case s.At < soonest || s.At > latest:
		return fault(errors.New("time is not known or out of range"))
	case s.Registers != Registers{} || s.Multiplier != Ratio{}:
		return fault(errors.New("registers and multiplier are those of the plan"))
	}
	c := &b.counters[slot]
	c.rest()
	if until := max(c.last, c.done); s.At < until {
		return fault(fmt.Errorf("time %v is before %v, up to which slot %d is accounted for", s.At.Time(), until.Time(), slot))
	}
	d := b.at(slot, dst)
	p := swapped{counter: d.plan.counter}
	if err := p.readings(c, &s); err != nil {
		d.drop()
		return fault(err)
	}
	if !d.rec.open {
		d.begin(&c.channel, s.At)
	}
	c.swap(d, s.At, &p)
	d.settleCounter(c)
	return d.drop(), nil
}

// swap ends the accounting of c at t and begins that of its successor.
func (c *counter) swap(l ledger, t acquire.Instant, p *swapped) {
	c.rest()
	c.limit = disarmed
	if c.doubtAt != 0 {
		c.refuse(l, t)
		c.doubtAt = 0
	}
	events := l.events()
	events.Swaps++
	switch {
	case c.held == unknown:
		c.skipUpTo(l, t)
		c.flags |= Swapped
	case p.hasFinal:
		energy, rollover, _ := c.step(c.base, c.at, c.moved, p.final, t)
		flags := Swapped
		if rollover {
			events.Rollovers++
			flags |= Rollover
		}
		c.credit(l, energy, t, c.held, flags)
	default:
		c.carry(l, int128{}, t, Swapped)
	}
	n := p.counter
	n.channel, n.samples, n.refusedIn, n.left = c.channel, c.samples, c.refusedIn, c.left
	n.expect(usually)
	if n.parts != c.parts {
		n.left = 0
	}
	n.last, n.newest, n.readable, n.held = t-1, p.initial, p.hasInitial, unknown
	if p.hasInitial {
		n.last = t
		n.rebase(p.initial, t, t, good)
	}
	*c = n
}

// swap ends the accounting of g at t, and begins it anew with the next sample.
func (g *gauge) swap(l ledger, t acquire.Instant, c conversion) {
	g.rest()
	g.limit = disarmed
	if g.held != unknown && g.rule() == HoldLeft {
		if until := min(t, g.last+acquire.Instant(g.maxGap)); until > g.done {
			g.constant(l, g.p, until, g.held)
		}
	}
	g.skip(l, t)
	g.last, g.p, g.held, g.factor = t-1, noPower, unknown, c.factor
	g.flags |= Swapped
	l.events().Swaps++
}

// origin is what a channel was bound from.
type origin struct {
	unit       units.Unit
	registers  Registers
	multiplier Ratio
}

// conversion returns how values of the point count.
func (o *origin) conversion(base units.Unit, perBase uint64) (conversion, error) {
	weighed := o.registers.Weight != PulseWeight{} && base.Kind() != units.ActivePower && base.Kind() != units.ReactivePower
	if !weighed && o.multiplier.whole() == (Ratio{1, 1}) {
		return newConversion(o.unit, base, perBase)
	}
	var each *big.Rat
	var err error
	if weighed {
		each, err = o.registers.Weight.quanta()
	} else {
		each, err = perUnit(o.unit, base, perBase)
	}
	if err != nil {
		return conversion{}, err
	}
	by := o.multiplier.whole()
	each.Mul(each, new(big.Rat).SetFrac(new(big.Int).SetUint64(by.Num), new(big.Int).SetUint64(by.Den)))
	c, ok := exactConversion(each)
	if !ok || c.parts > 1 && perBase == microwattsPerWatt {
		if weighed {
			return conversion{}, fmt.Errorf("pulse weight %v times %v cannot be counted exactly", o.registers.Weight, by)
		}
		return conversion{}, fmt.Errorf("%v times %v cannot be counted exactly", o.unit, by)
	}
	return c, nil
}

// perUnit returns how many of the perBase parts of base are in one unit.
func perUnit(unit, base units.Unit, perBase uint64) (*big.Rat, error) {
	converter, err := units.Between(unit, base)
	if err != nil {
		return nil, err
	}
	num, den := converter.Ratio()
	each := new(big.Rat).SetFrac(new(big.Int).SetUint64(num), new(big.Int).SetUint64(den))
	return each.Mul(each, new(big.Rat).SetInt(new(big.Int).SetUint64(perBase))), nil
}

// maxParts bounds the denominator of a weight in quanta, so that it takes little
// of the range of readings.
const maxParts = 1 << 24

// exactConversion returns how to count what is worth each, and reports false where
// that is too fine or too coarse.
func exactConversion(each *big.Rat) (conversion, bool) {
	if each.Sign() <= 0 || each.Denom().Cmp(big.NewInt(maxParts)) > 0 {
		return conversion{}, false
	}
	twos := each.Num().TrailingZeroBits()
	odd := new(big.Int).Rsh(each.Num(), twos)
	c := conversion{parts: each.Denom().Uint64(), shift: int(twos), factor: math.NaN()}
	if !odd.IsUint64() { // split off what the quanta of a watt hour have
		shared := new(big.Int).GCD(nil, nil, odd, new(big.Int).SetUint64(quantaPerWattHour))
		c.more = shared.Uint64()
		odd.Div(odd, shared)
	}
	if !odd.IsUint64() {
		return conversion{}, false
	}
	if c.mul = odd.Uint64(); c.more == 0 && c.parts == 1 && bits.Len64(c.mul) <= 53 {
		c.factor = math.Ldexp(float64(c.mul), c.shift)
	}
	return c, true
}
