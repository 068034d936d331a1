package aggregate

import (
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/fieldtap/fieldtap/acquire"
)

// Registers says what is known about the energy registers of a meter. It holds
// for all of them, the reactive ones included. The zero value is a register
// that never rolls over, of a meter of any size.
type Registers struct {
	// Modulus is the number of counts after which a register starts again from 0,
	// in the unit of its point: Digits(5) or 100000 for five digits, Bits(32) for
	// 32 bits; 0 = it never does.
	Modulus uint64
	// Resolution is the step, in counts, by which the registers move where that is
	// more than one: 10 for a register in Wh that moves by 10 Wh; 0 = 1. It is
	// believed at once however soon it comes, whatever MaxPower.
	Resolution uint64
	// MaxPower is the largest power in W (or var) that the installation can draw or
	// deliver; 0 = not known. A step of more than MaxPower allows since the reading
	// before, plus one step of Resolution, is not believed at once. A register may
	// move in larger steps than that, by a scale factor, by float32 or by a slow
	// meter behind a gateway: if MaxPower allows a step up since the register moved
	// before, the next reading decides. Without MaxPower a step counts if it is the
	// shorter way round, less than half Modulus, and a rollover only if the next
	// reading bears it out. With MaxPower a rollover has to be borne out if it is to
	// exactly 0, which is also what a device shows that has lost its reading.
	MaxPower float64
	// OnReset says what a register that started anew is credited with.
	OnReset ResetPolicy
	// Weight makes the registers counters of pulses, whose points have no unit,
	// units.One or units.Each. The zero value leaves them registers of energy.
	Weight PulseWeight
}

// Digits returns the modulus of a register of n decimal digits, 1 to 19. For any
// other n it returns 1, which no configuration takes.
func Digits(n int) uint64 {
	if n < 1 || n > 19 {
		return 1
	}
	modulus := uint64(1)
	for range n {
		modulus *= 10
	}
	return modulus
}

// Bits returns the modulus of a register of n bits, 1 to 63, and 0 for 64 bits,
// which no meter counts through in its life. For any other n it returns 1, which
// no configuration takes.
func Bits(n int) uint64 {
	switch {
	case n == 64:
		return 0
	case n < 1 || n > 64:
		return 1
	}
	return 1 << n
}

// ResetPolicy says what a register that started anew is credited with.
type ResetPolicy uint8

// The policies.
const (
	CreditNothing ResetPolicy = iota // the energy around the reset is unknown and stays out
	CreditNew                        // the reading after a drop, taken as energy since zero, if MaxPower allows it
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
	if g.Modulus > 1 && g.Resolution >= g.Modulus {
		faults = append(faults, fmt.Errorf("registers: resolution %d is not below modulus %d", g.Resolution, g.Modulus))
	}
	if !(g.MaxPower >= 0 && g.MaxPower <= maxPower/microwattsPerWatt) {
		faults = append(faults, fmt.Errorf("registers: maximum power %v W is not within 0 and 4.6 TW", g.MaxPower))
	}
	if g.OnReset > CreditNew {
		faults = append(faults, fmt.Errorf("registers: unknown %v", g.OnReset))
	}
	return errors.Join(faults...)
}

// counter books the differences of one register. A reading that does not surely
// follow from the one before is held in doubt until the next decides: if that
// fits what was before, the doubtful one was bad; if it follows from the doubtful
// one, that was a step after all if it can be one, and else the register started
// anew there.
//
// A run of good readings, all integers or all float64, within MaxGap and the
// present block, is booked lazily: while limit is armed all time from at to last is
// good, and the register went from base, which is first, to count or value, which
// rest makes up for. Whoever reads the rest of the state calls rest before; whoever
// changes done or held disarms.
type counter struct {
	limit   acquire.Instant // readings before it and within maxGap of last are common; disarmed = none is
	count   uint64          // the reading at last; out of range while value is
	usual   usual           // what the short way takes
	moved   acquire.Instant // time of the last believed reading before the register moved
	samples uint64          // taken by push
	value   float64         // the reading at last; NaN while count is
	rate    float64         // counts that surely can flow within a nanosecond
	whole   bounds[uint64]
	real    bounds[float64] // narrower, by more than rounding adds; ceiling 0 = not to be used
	tick    float64         // no two values that differ by this are the same energy
	channel

	at    acquire.Instant // time of the last believed reading; held is its quality
	base  int128          // that reading
	first uint64          // the same in counts, while armed

	restarted bool // the device said so with a sample that was no reading
	setBack   bool // the clock was, as a reading above base with a time before it shows
	creditNew bool
	readable  bool   // the sample at last was a reading, believed or not
	newest    int128 // that reading

	doubt        int128
	doubtAt      acquire.Instant // 0 = none
	doubtQuality uint8

	refusedIn acquire.Instant // end of a block, not open yet, in which a reading was refused; 0 = none

	conversion conversion
	unit       int128 // one count
	parts      uint64 // energies here, tally apart, are in so many parts of a quantum
	left       uint64 // parts that are not booked yet, less than a quantum
	slack      int128 // grain
	modulus    int128 // 0 = none
	maxPower   uint64 // µW, 0 = not known
}

// usual says which steps are sure after a time that is usual for the register, so
// that most readings need no look at their rate.
type usual struct {
	soon uint64 // ns, at least 1; it bears out steps as follows
	span uint64 // ns; up to so much later than soon is within maxGap
	step uint64 // counts

	// The same for values, as the bits of a float64, which are in the order of the
	// values where these are not negative.
	ceiling uint64 // values below this can be; 0 = none is usual
	tick    uint64 // steps from here on
	reach   uint64 // and up to so much above tick
}

// bounds says which readings surely follow from the one before.
type bounds[T uint64 | float64] struct {
	ceiling T // readings below this can be
	widest  T // steps up to this can be
	grain   T // and those up to this can come at once
}

func newCounter(c channel, conv conversion, g Registers) (counter, error) {
	one, ok := conv.magnitude(1, 0)
	if !ok {
		return counter{}, errors.New("unit is beyond what can be counted")
	}
	modulus, ok := conv.magnitude(g.Modulus, 0)
	if !ok || modulus.bitLen() > maxReadingBits {
		return counter{}, fmt.Errorf("modulus %d is beyond what can be counted", g.Modulus)
	}
	grain, ok := conv.magnitude(max(g.Resolution, 1), 0)
	if !ok || grain.bitLen() > maxReadingBits {
		return counter{}, fmt.Errorf("resolution %d is beyond what can be counted", g.Resolution)
	}
	n := counter{
		channel: c, conversion: conv, unit: one, slack: grain, modulus: modulus,
		limit:     disarmed,
		parts:     max(conv.parts, 1),
		maxPower:  uint64(math.Ceil(g.MaxPower * microwattsPerWatt)),
		creditNew: g.OnReset == CreditNew,
		value:     math.NaN(),
		rate:      math.Inf(1),
		whole: bounds[uint64]{
			ceiling: g.Modulus,
			grain:   min(max(g.Resolution, 1), math.MaxInt64),
			widest:  math.MaxInt64,
		},
	}
	if g.Modulus == 0 {
		n.whole.ceiling = math.MaxUint64
		most := new(big.Int).Lsh(big.NewInt(1), maxReadingBits)
		most.Sub(most, big.NewInt(1)).Div(most, one.big()).Add(most, big.NewInt(1))
		if most.IsUint64() {
			n.whole.ceiling = most.Uint64()
		}
	}
	const below = 1 - 1e-12 // the truth, by more than rounding adds
	perCount, _ := new(big.Float).SetInt(one.big()).Float64()
	switch {
	case n.maxPower != 0:
		n.rate = 2 * float64(n.maxPower) * float64(n.parts) / perCount * below
	case g.Modulus != 0:
		n.whole.widest = min(n.whole.widest, (g.Modulus-1)/2) // the shorter way round
	}
	if n.tick = 2 / perCount; perCount > 1<<50 {
		n.real = bounds[float64]{below * float64(n.whole.ceiling), below * float64(n.whole.widest), below * float64(n.whole.grain)}
	}
	if c.maxGap > 0 {
		n.expect(usually)
	}
	return n, nil
}

// usually is how far readings are taken to be apart before there are any, in ns.
const usually = 1e9

// expect makes readings dt apart, and somewhat closer, the usual ones.
func (c *counter) expect(dt uint64) {
	u := usual{soon: min(max(dt-dt/8, 1), uint64(c.maxGap))}
	u.span = uint64(c.maxGap) - u.soon
	const below = 1 - 1e-9
	flow := below * (float64(u.soon) * c.rate)
	if u.step = c.whole.widest; flow < float64(c.whole.widest-c.whole.grain) {
		u.step = c.whole.grain + uint64(flow)
	}
	if !c.canStep(u.step, u.soon) {
		u.step = 0
	}
	if real := min(c.real.widest, c.real.grain+flow); real >= c.tick && c.canStepReal(real, u.soon) {
		u.ceiling, u.tick = math.Float64bits(c.real.ceiling), math.Float64bits(c.tick)
		u.reach = math.Float64bits(real) - u.tick
	}
	c.usual = u
}

// canStep reports whether a step can be within dt. If it can, so can all smaller
// ones, and in a longer time.
func (c *counter) canStep(step, dt uint64) bool {
	return step <= c.whole.widest && float64(int64(step-c.whole.grain)) <= float64(int64(dt))*c.rate
}

// canStepReal is canStep for values.
func (c *counter) canStepReal(step float64, dt uint64) bool {
	return step >= 0 && step <= c.real.widest && step-c.real.grain <= float64(int64(dt))*c.rate
}

// rest books the readings that push has taken.
func (c *counter) rest() {
	if c.limit == disarmed || c.at == c.last {
		return
	}
	var reading int128
	if math.IsNaN(c.value) {
		reading = c.base.add(c.energy(c.count - c.first))
	} else {
		reading, _ = c.conversion.float(c.value)
	}
	c.in = c.in.plus(c.quanta(reading.sub(c.base)))
	c.good += int64(c.last - c.at)
	c.base, c.newest = reading, reading
	c.first, c.at, c.done = c.count, c.last, c.last
}

// arm lets readings take the short way if the state allows it, after one of
// quality q and value v.
func (c *counter) arm(v acquire.Value) {
	c.limit = disarmed
	if c.held != good || c.at != c.last || c.done != c.last || c.restarted || c.setBack {
		return
	}
	if f, ok := v.Float64(); ok {
		if x, ok := c.conversion.float(f); ok && x == c.base {
			c.value, c.count, c.limit = f, math.MaxUint64, c.edge
		}
	} else if n, ok := whole(v); ok && c.energy(n) == c.base {
		c.value, c.first, c.count, c.limit = math.NaN(), n, n, c.edge
	}
}

// quanta returns energy, which is being booked, in quanta. What is left over
// counts with the next, so that parts add up to the whole.
func (c *counter) quanta(energy int128) int128 {
	if c.parts == 1 {
		return energy
	}
	energy, c.left = energy.add(int128{0, c.left}).div(c.parts)
	return energy
}

// energy returns the energy of n counts. The product fits for readings that can be.
func (c *counter) energy(n uint64) int128 {
	x := product(n, c.unit.lo)
	x.hi += n * c.unit.hi
	return x
}

// whole returns the number of counts that an integer is, and reports false for what
// is none or negative.
func whole(v acquire.Value) (uint64, bool) {
	if n, ok := v.Uint64(); ok {
		return n, true
	}
	i, ok := v.Int64()
	return uint64(i), ok && i >= 0
}

// plainReading are the bits of a quality that decide whether a reading is common.
const plainReading = acquire.Quality(3) | acquire.Quality(acquire.TimeBackwards|acquire.Discontinuity)<<8

// push takes the usual case, a good reading that surely follows from the one
// before, of like kind, within maxGap and the present block. It reports false, with
// nothing done, for all others.
func (c *counter) push(t acquire.Instant, v acquire.Value, q acquire.Quality) bool {
	if t >= c.limit || uint64(t-c.last)-c.usual.soon > c.usual.span || q&plainReading != acquire.Good {
		return false
	}
	if n, ok := v.Uint64(); ok {
		return c.pushWhole(t, n)
	}
	f, ok := v.Float64()
	if !ok {
		n, ok := whole(v)
		return ok && c.pushWhole(t, n)
	}
	step := math.Float64bits(f - c.value)
	if math.Float64bits(f) >= c.usual.ceiling {
		return false
	}
	if step-c.usual.tick <= c.usual.reach {
		c.moved = c.last
	} else if step != 0 {
		return false
	}
	c.last, c.value = t, f
	c.samples++
	return true
}

// pushWhole is push for counts.
func (c *counter) pushWhole(t acquire.Instant, n uint64) bool {
	if n < c.count || n >= c.whole.ceiling || n-c.count > c.usual.step {
		return false
	}
	if n != c.count {
		c.moved = c.last
	}
	c.last, c.count = t, n
	c.samples++
	return true
}

// pushOther is push for readings that are common but not usual, after which those
// like it are.
func (c *counter) pushOther(t acquire.Instant, v acquire.Value, q acquire.Quality) bool {
	dt := uint64(t - c.last)
	if t >= c.limit || dt-1 >= uint64(c.maxGap) || q&plainReading != acquire.Good {
		return false
	}
	moved := c.last
	if f, ok := v.Float64(); ok {
		step := f - c.value
		if !c.canStepReal(step, dt) || f >= c.real.ceiling || step != 0 && step < c.tick {
			return false
		}
		if step == 0 {
			moved = c.moved
		} else {
			c.expect(dt)
		}
		c.value = f
	} else {
		n, ok := whole(v)
		if step := n - c.count; !ok || n < c.count || n >= c.whole.ceiling || !c.canStep(step, dt) {
			return false
		} else if step == 0 {
			moved = c.moved
		} else if step > c.usual.step || dt < c.usual.soon {
			c.expect(dt)
		}
		c.count = n
	}
	c.last, c.moved = t, moved
	c.samples++
	return true
}

// settled returns the time up to which c is decided, whatever comes. After a
// reading the next may still be within MaxGap; once it cannot be, its energy
// goes to the block it falls into, so that the blocks between are decided.
func (c *counter) settled() acquire.Instant {
	c.rest()
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

// belief says how far a step of a register is to be believed.
type belief uint8

const (
	refuted  belief = iota // it cannot be
	possible               // it can be, if the next reading bears it out
	sound                  // the same, and it bears out the one before
	certain
)

// most returns the energy that can flow within d ns.
func (c *counter) most(d acquire.Instant) int128 {
	flow := product(c.maxPower, 2*uint64(d))
	if c.parts != 1 {
		flow = flow.times(c.parts)
	}
	return flow.plus(c.slack)
}

// step returns the energy from one reading to a later one, and how far it is to
// be believed. The register moved last after moved, at the latest at fromAt.
func (c *counter) step(from int128, fromAt, moved acquire.Instant, to int128, at acquire.Instant) (energy int128, rollover bool, b belief) {
	energy = to.sub(from)
	if energy.sign() < 0 {
		if c.modulus.isZero() {
			return energy, false, refuted
		}
		rollover, energy = true, energy.add(c.modulus)
	}
	switch {
	case c.maxPower != 0 && energy.cmp(c.most(at-fromAt)) <= 0:
		if b = certain; rollover && to.isZero() { // a device with nothing to say shows the same
			b = sound
		}
	case c.maxPower != 0 && !rollover && energy.cmp(c.most(at-moved)) <= 0:
		b = possible
	case c.maxPower != 0:
		b = refuted
	case c.modulus.isZero():
		b = certain
	case energy.shl(1).cmp(c.modulus) >= 0: // a step back is as likely
		b = refuted
	case rollover:
		b = possible
	default:
		b = certain
	}
	return energy, rollover, b
}

// counts reports whether x can be a reading at all.
func (c *counter) counts(x int128) bool {
	return x.sign() >= 0 && x.bitLen() <= maxReadingBits && (c.modulus.isZero() || x.cmp(c.modulus) < 0)
}

// sinceZero returns what a register that started anew after from is credited
// with when it shows x at t.
func (c *counter) sinceZero(x int128, from, t acquire.Instant) int128 {
	if !c.creditNew || c.maxPower != 0 && x.cmp(c.most(t-from)) > 0 {
		return int128{}
	}
	return x
}

// observe takes one sample, of a time that the owner admits.
func (c *counter) observe(l ledger, s *acquire.Sample) {
	c.rest()
	counts := l.events()
	t := s.Time
	q := uint8(s.Quality.Severity())
	x, known := int128{}, false
	if q != unknown {
		if x, known = c.conversion.number(s.Value); !known {
			x = int128{}
		}
	}
	restarted := s.Quality.Has(acquire.Discontinuity)
	if t <= c.last || t < c.done || s.Quality.Has(acquire.TimeBackwards) {
		if t == c.last && x == c.newest && known == c.readable {
			counts.Duplicates++
		} else {
			counts.Late++
			// What happened before the last sample is past: it is told again, or late.
			if restarted && (t > c.last || s.Quality.Has(acquire.TimeBackwards)) {
				c.restarted, c.limit = true, disarmed
			}
			if c.held != unknown && int64(c.last-t) > c.maxGap && c.base.cmp(x) < 0 && c.counts(x) {
				c.setBack, c.moved, c.limit = true, 0, disarmed
			}
		}
		return
	}
	c.limit = disarmed // booking may look at this very channel
	c.last, c.newest, c.readable = t, x, known
	switch {
	case !known:
		counts.Bad++
		c.restarted = c.restarted || restarted
	case !c.counts(x):
		c.refuse(l, t)
		c.restarted = c.restarted || restarted
	case restarted || c.restarted:
		c.restarted = false
		counts.Samples++
		c.restart(l, x, t, q)
	default:
		counts.Samples++
		c.read(l, x, t, q)
	}
	c.arm(s.Value)
}

// leave takes c to the end of a block that closes; what is not known by then is
// missing.
func (c *counter) leave(l ledger, end acquire.Instant) {
	c.rest()
	c.limit = disarmed
	c.skipUpTo(l, end)
}

// read takes a reading x at t.
func (c *counter) read(l ledger, x int128, t acquire.Instant, q uint8) {
	if c.held == unknown {
		c.skipUpTo(l, t)
		c.rebase(x, t, t, q)
		return
	}
	energy, rollover, b := c.step(c.base, c.at, c.moved, x, t)
	if c.doubtAt != 0 {
		next, again, onward := c.step(c.doubt, c.doubtAt, c.doubtAt, x, t)
		_, _, before := c.step(c.base, c.at, c.moved, c.doubt, c.doubtAt)
		switch {
		case onward < sound || b == certain && before == refuted:
			c.refuse(l, t)
		case before != refuted:
			c.bearOut(l, t)
			energy, rollover, b = next, again, onward
		default:
			c.confirm(l, t)
			energy, rollover, b = next, again, onward
		}
		c.doubtAt = 0
	}
	if b != certain {
		c.doubt, c.doubtAt, c.doubtQuality = x, t, q
		return
	}
	c.believe(l, x, t, q, energy, rollover)
}

// rebase makes x, read at t, what is believed.
func (c *counter) rebase(x int128, t, moved acquire.Instant, q uint8) {
	c.base, c.at, c.moved, c.held, c.setBack = x, t, moved, q, false
}

// believe books the step to the reading x at t.
func (c *counter) believe(l ledger, x int128, t acquire.Instant, q uint8, energy int128, rollover bool) {
	flags, moved := Flags(0), c.moved
	if rollover {
		l.events().Rollovers++
		flags = Rollover
	}
	if !energy.isZero() {
		moved = c.at
	}
	c.credit(l, energy, t, min(c.held, q), flags)
	c.rebase(x, t, moved, q)
}

// refuse counts a reading that is not believed, as decided at t, and flags the
// block that holds t. If that is not open yet the flag waits: such a reading must
// not close blocks.
func (c *counter) refuse(l ledger, t acquire.Instant) {
	l.events().BadReadings++
	for _, end := range [...]acquire.Instant{c.refusedIn, l.endOf(t)} {
		if end == 0 {
			continue
		}
		if c.refusedIn = 0; !l.note(end, BadReading) {
			c.refusedIn = end
		}
	}
}

// inTime reports whether what the reading in doubt was is known, at t, before the
// block that it is in may be closed.
func (c *counter) inTime(t acquire.Instant) bool {
	return c.doubtAt >= c.done && int64(t-c.doubtAt) <= c.maxGap
}

// bearOut books the step to the reading in doubt, which the next reading, at t,
// has borne out. If that took longer than MaxGap, watermarks may have decided the
// time before.
func (c *counter) bearOut(l ledger, t acquire.Instant) {
	energy, rollover, _ := c.step(c.base, c.at, c.moved, c.doubt, c.doubtAt)
	if c.inTime(t) {
		if int64(t-c.at) <= c.maxGap {
			c.believe(l, c.doubt, c.doubtAt, c.doubtQuality, energy, rollover)
			return
		}
		t = c.doubtAt
	}
	flags := Flags(0)
	if rollover {
		l.events().Rollovers++
		flags = Rollover
	}
	c.carry(l, energy, t, flags)
	c.rebase(c.doubt, c.doubtAt, c.at, c.doubtQuality)
}

// confirm makes the reading in doubt the new base: the register started anew
// before it, as the next reading, at t, has shown.
func (c *counter) confirm(l ledger, t acquire.Instant) {
	credit := int128{}
	if c.doubt.cmp(c.base) < 0 {
		credit = c.sinceZero(c.doubt, c.at, c.doubtAt)
	}
	if c.inTime(t) {
		t = c.doubtAt
	}
	l.events().Resets++
	c.carry(l, credit, t, Reset)
	c.rebase(c.doubt, c.doubtAt, c.doubtAt, c.doubtQuality)
}

// restart takes the reading x, before which the device says that the register
// started anew.
func (c *counter) restart(l ledger, x int128, t acquire.Instant, q uint8) {
	if c.doubtAt != 0 {
		c.refuse(l, t)
		c.doubtAt = 0
	}
	if c.held == unknown {
		c.skipUpTo(l, t)
	} else {
		l.events().Resets++
		c.carry(l, c.sinceZero(x, c.at, t), t, Reset)
	}
	c.rebase(x, t, t, q)
}

// carry books all of energy to the block up to t, and the time as missing.
func (c *counter) carry(l ledger, energy int128, t acquire.Instant, flags Flags) {
	c.skipUpTo(l, t)
	if !energy.isZero() {
		flags |= Carried
	}
	c.in = c.in.plus(c.quanta(energy))
	c.flags |= flags
}

// credit books energy over the time from c.at to t, in proportion to time. Over
// more than MaxGap, or where blocks were closed or the clock was set back
// meanwhile, the distribution is not known and all of it goes to the block up to
// t, as do flags.
func (c *counter) credit(l ledger, energy int128, t acquire.Instant, q uint8, flags Flags) {
	whole := uint64(t - c.at)
	if whole > uint64(c.maxGap) || c.done != c.at || c.setBack {
		c.carry(l, energy, t, flags)
		return
	}
	energy, booked := c.quanta(energy), int128{}
	for c.edge < t {
		upTo := energy.shareRounded(uint64(c.edge-c.at), whole)
		c.in = c.in.plus(upTo.sub(booked))
		c.cover(int64(c.edge-c.done), q)
		booked = upTo
		c.turn(l)
	}
	c.in = c.in.plus(energy.sub(booked))
	c.cover(int64(t-c.done), q)
	c.done = t
	c.flags |= flags
}
