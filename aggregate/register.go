package aggregate

import (
	"errors"
	"fmt"
	"math"

	"github.com/fieldtap/fieldtap/acquire"
)

// Registers says what is known about the energy registers of a meter. It holds
// for all of them, the reactive ones included. The zero value is a register
// that never rolls over, of a meter of any size.
type Registers struct {
	// Modulus is the number of counts after which a register starts again from 0,
	// in the unit of its point: 100000 for five digits, 1<<32 for 32 bits; 0 = it
	// never does.
	Modulus uint64
	// MaxPower is the largest power in W (or var) that the installation can draw or
	// deliver; 0 = not known. A step of more than MaxPower allows, plus one unit of
	// the point because registers move in steps, is not believed. Without it a
	// drop is a rollover if it is the shorter way round: less than half Modulus.
	MaxPower float64
	// OnReset says what a register that started anew is credited with.
	OnReset ResetPolicy
}

// ResetPolicy says what a register that started anew is credited with.
type ResetPolicy uint8

// The policies.
const (
	CreditNothing ResetPolicy = iota // the energy around the reset is unknown and stays out
	CreditNew                        // the reading after a drop, taken as energy since zero
)

// String returns the policy's name in lower case.
func (p ResetPolicy) String() string {
	switch p {
	case CreditNothing:
		return "credit nothing"
	case CreditNew:
		return "credit new"
	}
	return fmt.Sprintf("reset policy %d", uint8(p))
}

func (g Registers) validate() error {
	var faults []error
	if g.Modulus == 1 {
		faults = append(faults, errors.New("registers: modulus 1 leaves no room to count"))
	}
	if !(g.MaxPower >= 0 && g.MaxPower <= maxPower/microwattsPerWatt) {
		faults = append(faults, fmt.Errorf("registers: maximum power %v W is not within 0 and 4.6 TW", g.MaxPower))
	}
	if g.OnReset > CreditNew {
		faults = append(faults, fmt.Errorf("registers: unknown %v", g.OnReset))
	}
	return errors.Join(faults...)
}

// counter books the differences of one register. A reading that does not follow
// from the one before is held in doubt until the next decides: if that fits what
// was before, the doubtful one was bad; if it follows from the doubtful one, the
// register started anew there.
type counter struct {
	channel
	base int128          // last believed reading, in quanta
	at   acquire.Instant // its time; held is its quality

	newest   int128 // reading at last, believed or not
	readable bool   // there was one

	doubt        int128
	doubtAt      acquire.Instant // 0 = none
	doubtQuality uint8

	refusedIn acquire.Instant // end of a block, not open yet, in which a reading was refused; 0 = none

	conversion conversion
	unit       int128 // one count
	modulus    int128 // 0 = none
	maxPower   uint64 // µW, 0 = not known
	creditNew  bool
}

func newCounter(c channel, conv conversion, g Registers) (counter, error) {
	one, _ := conv.magnitude(1, 0)
	modulus, ok := conv.magnitude(g.Modulus, 0)
	if !ok || modulus.bitLen() > maxReadingBits {
		return counter{}, fmt.Errorf("modulus %d is beyond what can be counted", g.Modulus)
	}
	return counter{
		channel: c, conversion: conv, unit: one, modulus: modulus,
		maxPower:  uint64(math.Ceil(g.MaxPower * microwattsPerWatt)),
		creditNew: g.OnReset == CreditNew,
	}, nil
}

// settled returns the time up to which c is decided, whatever comes. After a
// reading the next may still be within MaxGap; once it cannot be, its energy
// goes to the block it falls into, so that the blocks between are decided.
func (c *counter) settled() acquire.Instant {
	seen := max(c.mark, c.last)
	beyond := func(t acquire.Instant) bool { return seen > t && int64(seen-t) > c.maxGap }
	switch {
	case c.held == unknown:
		return max(c.done, seen)
	case !beyond(c.at):
		return c.done
	case c.doubtAt != 0 && !beyond(c.doubtAt):
		return max(c.done, c.doubtAt-1)
	}
	return max(c.done, seen-1) // a reading at seen belongs to the block before it
}

// step returns the energy from one reading to a later one, and whether it is to
// be believed.
func (c *counter) step(from int128, fromAt acquire.Instant, to int128, at acquire.Instant) (energy int128, rollover, ok bool) {
	energy = to.sub(from)
	if energy.sign() < 0 {
		if c.modulus.isZero() {
			return energy, false, false
		}
		rollover, energy = true, energy.add(c.modulus)
	}
	switch {
	case c.maxPower != 0:
		ok = energy.cmp(product(c.maxPower, 2*uint64(at-fromAt)).add(c.unit)) <= 0
	case rollover:
		ok = energy.shl(1).cmp(c.modulus) < 0
	default:
		ok = true
	}
	return energy, rollover, ok
}

// observeRegister takes one sample of a register.
func (r *Router) observeRegister(c *counter, s *acquire.Sample) {
	m := &r.meters[c.meter]
	t := s.Time
	if !r.admit(m, t) {
		return
	}
	q := uint8(s.Quality.Severity())
	x, known := int128{}, false
	if q != unknown {
		if x, known = c.conversion.number(s.Value); !known {
			x = int128{}
		}
	}
	if t <= c.last || t < c.done || s.Quality.Has(acquire.TimeBackwards) {
		if t == c.last && x == c.newest && known == c.readable {
			m.counts.Duplicates++
		} else {
			m.counts.Late++
		}
		return
	}
	c.last, c.newest, c.readable = t, x, known
	switch {
	case !known:
		m.counts.Bad++
	case x.sign() < 0 || x.bitLen() > maxReadingBits || !c.modulus.isZero() && x.cmp(c.modulus) >= 0:
		r.refuse(m, c, t)
	case s.Quality.Has(acquire.Discontinuity):
		m.counts.Samples++
		r.restart(m, c, x, t, q)
	default:
		m.counts.Samples++
		r.read(m, c, x, t, q)
	}
	if t >= m.end {
		r.settle(m)
	}
}

// read takes a reading x at t.
func (r *Router) read(m *meter, c *counter, x int128, t acquire.Instant, q uint8) {
	if c.held == unknown {
		r.skipUpTo(m, &c.channel, t)
		c.base, c.at, c.held = x, t, q
		return
	}
	flags := Flags(0)
	energy, rollover, ok := c.step(c.base, c.at, x, t)
	if !ok && c.doubtAt != 0 {
		if energy, rollover, ok = c.step(c.doubt, c.doubtAt, x, t); ok {
			var credit int128
			credit, flags = r.confirm(m, c, t)
			energy = energy.plus(credit)
		}
	}
	if c.doubtAt != 0 {
		r.refuse(m, c, t)
		c.doubtAt = 0
	}
	if !ok {
		c.doubt, c.doubtAt, c.doubtQuality = x, t, q
		return
	}
	if rollover {
		m.counts.Rollovers++
		flags |= Rollover
	}
	r.credit(m, c, energy, t, min(c.held, q), flags)
	c.base, c.at, c.held = x, t, q
}

// refuse counts a reading that is not believed, as decided at t, and flags the
// block that holds t. If that is not open yet the flag waits: such a reading must
// not close blocks.
func (r *Router) refuse(m *meter, c *counter, t acquire.Instant) {
	m.counts.BadReadings++
	for _, end := range [...]acquire.Instant{c.refusedIn, m.endOf(t)} {
		if end == 0 {
			continue
		}
		end = max(end, m.end)
		if c.refusedIn = 0; end-m.end < m.interval*acquire.Instant(len(m.ring)) {
			m.note(m.slotOf(end), BadReading)
		} else {
			c.refusedIn = end
		}
	}
}

// confirm makes the reading in doubt the new base: the register started anew
// before it, as the next reading, at t, has shown. Where the block of the reading
// in doubt may be closed by now, it returns what is to be booked at t.
func (r *Router) confirm(m *meter, c *counter, t acquire.Instant) (credit int128, flags Flags) {
	m.counts.Resets++
	flags = Reset
	if c.creditNew && c.doubt.cmp(c.base) < 0 && !c.doubt.isZero() {
		credit, flags = c.doubt, Reset|Carried
	}
	if c.doubtAt >= c.done {
		r.skipUpTo(m, &c.channel, c.doubtAt)
		if int64(t-c.doubtAt) <= c.maxGap {
			c.in = c.in.plus(credit)
			c.flags |= flags
			credit, flags = int128{}, 0
		}
	}
	c.base, c.at, c.held, c.doubtAt = c.doubt, c.doubtAt, c.doubtQuality, 0
	return credit, flags
}

// restart takes the reading x, before which the device says that the register
// started anew.
func (r *Router) restart(m *meter, c *counter, x int128, t acquire.Instant, q uint8) {
	if c.doubtAt != 0 {
		r.refuse(m, c, t)
		c.doubtAt = 0
	}
	r.skipUpTo(m, &c.channel, t)
	if c.held != unknown {
		m.counts.Resets++
		c.flags |= Reset
		if c.creditNew && !x.isZero() {
			c.in = c.in.plus(x)
			c.flags |= Carried
		}
	}
	c.base, c.at, c.held = x, t, q
}

// credit books energy over the time from c.at to t, in proportion to time. Over
// more than MaxGap, or where blocks were closed meanwhile, the distribution is
// not known and all of it goes to the block up to t, as do flags.
func (r *Router) credit(m *meter, c *counter, energy int128, t acquire.Instant, q uint8, flags Flags) {
	whole := uint64(t - c.at)
	if whole > uint64(c.maxGap) || c.done != c.at {
		r.skipUpTo(m, &c.channel, t)
		if !energy.isZero() {
			flags |= Carried
		}
		c.in = c.in.plus(energy)
		c.flags |= flags
		return
	}
	booked := int128{}
	for c.edge < t {
		upTo := energy.shareRounded(uint64(c.edge-c.at), whole)
		c.in = c.in.plus(upTo.sub(booked))
		c.cover(int64(c.edge-c.done), q)
		booked = upTo
		r.turn(m, &c.channel)
	}
	c.in = c.in.plus(energy.sub(booked))
	c.cover(int64(t-c.done), q)
	c.done = t
	c.flags |= flags
}
