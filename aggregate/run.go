package aggregate

import (
	"math"
	"math/bits"

	"github.com/fieldtap/fieldtap/acquire"
)

// run adds up a stretch of a column whose samples are all common ones and flow in
// one direction. Its loops do the work of round with fewer instructions: a value
// is rounded to parts of a microwatt first, by adding roundShift, and where those
// parts are not half a microwatt the rest of the way is a plain shift. They stop
// at the few values that are near a half, which round decides, and bits that
// must not be set are looked for once at the end.
type run struct {
	factor float64 // µW in one unit of the point, turned as the gauge is
	first  uint64  // µW before the first sample
	p      uint64  // µW of the last sample
	quanta int128  // what has been added up
	seen   uint64  // the bits of all powers
}

// Powers are rounded to 1 in 2^partBits of a microwatt first, which leaves room
// for 2^powerBits µW, 17 MW. Larger ones take the way sample by sample.
const (
	partBits  = 7
	powerBits = 51 - partBits
	partMask  = 1<<partBits - 1
)

// Adding roundShift moves the binary point of a value to partBits bits before the
// end of the fraction, and adds a half. roundZero are the bits of the sum for
// what is rounded to 0, without that half.
const (
	roundShift = 3<<(powerBits) + 0.5
	roundZero  = 0x4338000000000000 - partBits<<52
)

// The loops of a run multiply by runUnit too, which is exact, so that the sums of
// what they take lie between 2 and 4. The bits of all such sums begin with those of
// runZero, which are one 1 and eleven 0: bits that must not be set show in the or of
// them all. They do for every other sum, below 2 or not below 4, infinite or no
// number, except for 0, and that has the last bits of a tie.
const (
	runUnit  = 1.0 / (1 << powerBits)
	runShift = 2 + 0.5*runUnit
	runZero  = 1 << 62
)

// run starts a run after the last sample, of which g is armed.
func (g *gauge) run() run {
	r := run{factor: g.factor, first: uint64(g.p)}
	if g.rule() == MeanOverPast {
		r.first = 0
	}
	r.seen = runZero | r.first<<partBits
	if r.first>>powerBits != 0 {
		r.seen = 1 << 63
	}
	r.p = r.first
	return r
}

// finish books r, which ends with the n-th sample, at last.
func (g *gauge) finish(r *run, last acquire.Instant, n int) {
	g.last, g.p = last, int64(r.p)
	g.in = g.in.add(r.quanta)
	g.taken += 4 * uint64(n)
}

// one rounds a value that the loops have stopped at.
func (r *run) one(value float64) bool {
	n, ok := round(float64(value * r.factor))
	r.p = uint64(n)
	r.seen |= r.p << partBits
	return ok && r.p>>powerBits == 0
}

// sound reports whether all that the loops have seen is positive and in range.
func (r *run) sound() bool { return (r.seen^runZero)>>(powerBits+partBits) == 0 }

// add adds the powers of values up. It reports false unless all can be rounded
// and are of the direction of r.
func (r *run) add(values []float64) bool {
	for i := 0; i < len(values); i++ {
		i += r.addSome(values[i : len(values)-1])
		if !r.one(values[i]) {
			return false
		}
		r.quanta.lo += r.p
	}
	return r.sound()
}

// addSome adds up to the first value that may be a tie, or that is left over, and
// returns how many it has added.
func (r *run) addSome(values []float64) int {
	i := r.addVector(values)
	n, sum, seen := addPowers(values[i:], r.factor*runUnit, runShift)
	r.quanta.lo += sum
	r.seen |= seen
	return i + n
}

// addPowers adds up powers to the first that may be a tie, or to the last three,
// and returns how many, their sum, and the bits of all. It takes constants as
// arguments because the compiler then keeps them in registers.
func addPowers(values []float64, factor, shift float64) (n int, sum, seen uint64) {
	i := 0
	for ; i < len(values)-3; i += 4 {
		a := math.Float64bits(float64(values[i]*factor) + shift)
		b := math.Float64bits(float64(values[i+1]*factor) + shift)
		if a&partMask == 0 || b&partMask == 0 {
			break
		}
		c := math.Float64bits(float64(values[i+2]*factor) + shift)
		d := math.Float64bits(float64(values[i+3]*factor) + shift)
		if c&partMask == 0 || d&partMask == 0 {
			break
		}
		seen |= a | b | c | d
		sum += a>>partBits + b>>partBits + c>>partBits + d>>partBits
	}
	return i, sum - uint64(i)*(runZero>>partBits), seen
}

// fewSteps is how many equal steps are not worth a run of them.
const fewSteps = 8

// addSteps is add up to the first time that is not step after the one before,
// where the first has to be at, and returns how many values that are: 0 unless all
// of them can be rounded and are of the direction of r, or if they are few.
func (r *run) addSteps(times []acquire.Instant, values []float64, at, step acquire.Instant) int {
	n := len(times)
	for i := 0; i < n; i++ {
		i += r.addSomeSteps(times[i:n-1], values[i:n-1], at+acquire.Instant(i)*step, step)
		if times[i] != at+acquire.Instant(i)*step {
			if n = i; n < fewSteps || !r.one(values[n-1]) {
				return 0
			}
			break
		}
		if !r.one(values[i]) {
			return 0
		}
		r.quanta.lo += r.p
	}
	if !r.sound() {
		return 0
	}
	return n
}

// addSomeSteps is addSome for addSteps. It also stops at a time that is not step
// after the one before.
func (r *run) addSomeSteps(times []acquire.Instant, values []float64, at, step acquire.Instant) int {
	i := r.addVectorSteps(times, values, at, step)
	n, sum, seen := addTimedPowers(times[i:], values[i:], at+acquire.Instant(i)*step, step, r.factor*runUnit, runShift)
	r.quanta.lo += sum
	r.seen |= seen
	return i + n
}

// addTimedPowers is addPowers for addSomeSteps.
func addTimedPowers(times []acquire.Instant, values []float64, at, step acquire.Instant, factor, shift float64) (n int, sum, seen uint64) {
	values = values[:len(times)]
	i := 0
	for ; i < len(times)-3; i += 4 {
		a := math.Float64bits(float64(values[i]*factor) + shift)
		if a&partMask == 0 || times[i] != at {
			break
		}
		b := math.Float64bits(float64(values[i+1]*factor) + shift)
		if b&partMask == 0 || times[i+1] != at+step {
			break
		}
		c := math.Float64bits(float64(values[i+2]*factor) + shift)
		at += 2 * step
		if c&partMask == 0 || times[i+2] != at {
			break
		}
		d := math.Float64bits(float64(values[i+3]*factor) + shift)
		if d&partMask == 0 || times[i+3] != at+step {
			break
		}
		at += 2 * step
		seen |= a | b | c | d
		sum += a>>partBits + b>>partBits + c>>partBits + d>>partBits
	}
	return i, sum - uint64(i)*(runZero>>partBits), seen
}

// weigh adds the powers of values up, each times the time since the one before,
// the first since last. It reports false unless all are of common samples of the
// direction of r.
func (r *run) weigh(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64) bool {
	for i := 0; i < len(times); i++ {
		if n := r.weighSome(times[i:], values[i:], last, gap); n > 0 {
			i += n
			last = times[i-1]
		}
		if i == len(times) {
			break
		}
		dt := uint64(times[i] - last)
		if dt-1 >= gap || !r.one(values[i]) {
			return false
		}
		r.quanta = r.quanta.add(product(r.p, dt))
		last = times[i]
	}
	return r.sound()
}

// weighSome is to weigh what addSome is to add. It also stops before a sample
// that is too late or too early.
func (r *run) weighSome(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64) int {
	i := r.weighVector(times, values, last, gap)
	for p := r.about(values[i:]); ; {
		if i > 0 {
			last = times[i-1]
		}
		near, ok := nearTo(times[i:], last, p, gap)
		if !ok {
			break
		}
		n := min(len(times)-i, near.count)
		taken, sum, weighed, seen := weighNear(times[i:i+n], values[i:i+n], last, acquire.Instant(near.least), near.most, r.factor*runUnit, runShift)
		if taken < fewNear {
			break
		}
		total, mean, ok := near.total(taken, sum, weighed, uint64(times[i+taken-1]-last), runZero>>partBits)
		if !ok {
			p = max(2*p, mean)
			continue
		}
		r.quanta = r.quanta.add(total)
		r.seen |= seen
		if i += taken; taken < n&^3 {
			return i
		}
	}
	return i + r.weighWide(times[i:], values[i:], last, gap, r.factor*runUnit, runShift)
}

// about returns about what the first power of values is, and at least 1.
func (r *run) about(values []float64) uint64 {
	if len(values) == 0 {
		return 1
	}
	p, _ := round(float64(values[0] * r.factor))
	return uint64(max(p, 1))
}

// weighWide is weighSome for all powers and times that there are.
func (r *run) weighWide(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64, factor, shift float64) (i int) {
	values = values[:len(times)]
	from, sum, seen := last, r.quanta, r.seen
	var carry uint64
	for ; i < len(times)-1; i += 2 {
		a := math.Float64bits(float64(values[i]*factor) + shift)
		t := times[i]
		dt := uint64(t - last)
		if a&partMask == 0 || dt-1 >= gap {
			break
		}
		b := math.Float64bits(float64(values[i+1]*factor) + shift)
		du := uint64(times[i+1] - t)
		if b&partMask == 0 || du-1 >= gap {
			break
		}
		last = times[i+1]
		seen |= a | b
		hi, lo := bits.Mul64(a>>partBits, dt)
		sum.lo, carry = bits.Add64(sum.lo, lo, 0)
		sum.hi, _ = bits.Add64(sum.hi, hi, carry)
		hi, lo = bits.Mul64(b>>partBits, du)
		sum.lo, carry = bits.Add64(sum.lo, lo, 0)
		sum.hi, _ = bits.Add64(sum.hi, hi, carry)
	}
	// Each power still had the bits of runZero on top.
	r.quanta, r.seen = sum.sub(product(uint64(last-from), runZero>>partBits)), seen
	return i
}

// join is weigh with the sum of the powers at both ends of each time.
func (r *run) join(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64) bool {
	for i := 0; i < len(times); i++ {
		if n := r.joinSome(times[i:], values[i:], last, gap); n > 0 {
			i += n
			last = times[i-1]
		}
		if i == len(times) {
			break
		}
		dt, before := uint64(times[i]-last), r.p
		if dt-1 >= gap || !r.one(values[i]) {
			return false
		}
		r.quanta = r.quanta.add(product(before+r.p, dt))
		last = times[i]
	}
	return r.sound()
}

// joinSome is to join what weighSome is to weigh.
func (r *run) joinSome(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64) int {
	const zero = runZero >> partBits
	i := r.joinVector(times, values, last, gap)
	for p := r.about(values[i:]); ; {
		if i > 0 {
			last = times[i-1]
		}
		near, ok := nearTo(times[i:], last, 2*p, gap)
		if !ok {
			break
		}
		n := min(len(times)-i, near.count)
		taken, sum, weighed, seen, final := joinNear(times[i:i+n], values[i:i+n], last, acquire.Instant(near.least), near.most, r.factor*runUnit, runShift, r.p+zero)
		if taken < fewNear {
			break
		}
		total, mean, ok := near.total(taken, sum, weighed, uint64(times[i+taken-1]-last), 2*zero)
		if !ok {
			p = max(2*p, mean)
			continue
		}
		r.quanta = r.quanta.add(total)
		r.seen |= seen
		r.p = final - zero
		if i += taken; taken < n&^3 {
			return i
		}
	}
	return i + r.joinWide(times[i:], values[i:], last, gap, r.factor*runUnit, runShift)
}

// joinWide is joinSome for all powers and times that there are.
func (r *run) joinWide(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64, factor, shift float64) (i int) {
	values = values[:len(times)]
	from, sum, seen, p := last, r.quanta, r.seen, r.p+runZero>>partBits
	var carry uint64
	for ; i < len(times)-1; i += 2 {
		a := math.Float64bits(float64(values[i]*factor) + shift)
		t := times[i]
		dt := uint64(t - last)
		if a&partMask == 0 || dt-1 >= gap {
			break
		}
		b := math.Float64bits(float64(values[i+1]*factor) + shift)
		du := uint64(times[i+1] - t)
		if b&partMask == 0 || du-1 >= gap {
			break
		}
		last = times[i+1]
		seen |= a | b
		a >>= partBits
		hi, lo := bits.Mul64(p+a, dt)
		sum.lo, carry = bits.Add64(sum.lo, lo, 0)
		sum.hi, _ = bits.Add64(sum.hi, hi, carry)
		p = b >> partBits
		hi, lo = bits.Mul64(a+p, du)
		sum.lo, carry = bits.Add64(sum.lo, lo, 0)
		sum.hi, _ = bits.Add64(sum.hi, hi, carry)
	}
	r.quanta, r.seen = sum.sub(product(uint64(last-from), 2*(runZero>>partBits))), seen
	r.p = p - runZero>>partBits
	return i
}
