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

// run starts a run after the last sample, of which g is armed.
func (g *gauge) run() run {
	r := run{factor: g.factor, first: uint64(g.p)}
	if g.rule() == MeanOverPast {
		r.first = 0
	}
	r.seen = r.first << partBits
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
func (r *run) sound() bool { return r.seen>>(powerBits+partBits) == 0 }

// add adds the powers of values up. It reports false unless all can be rounded
// and are of the direction of r.
func (r *run) add(values []float64) bool {
	for i := 0; i < len(values); i++ {
		i += r.addSome(values[i:len(values)-1], r.factor, roundShift, roundZero)
		if !r.one(values[i]) {
			return false
		}
		r.quanta.lo += r.p
	}
	return r.sound()
}

// addSome adds up to the first value that may be a tie, or that is left over, and
// returns how many it has added. It takes constants as arguments because the
// compiler then keeps them in registers.
func (r *run) addSome(values []float64, factor, shift float64, zero uint64) int {
	i := r.addVector(values)
	sum, seen := r.quanta.lo, r.seen
	for ; i < len(values)-3; i += 4 {
		a := math.Float64bits(float64(values[i]*factor)+shift) - zero
		b := math.Float64bits(float64(values[i+1]*factor)+shift) - zero
		c := math.Float64bits(float64(values[i+2]*factor)+shift) - zero
		d := math.Float64bits(float64(values[i+3]*factor)+shift) - zero
		if a&partMask == 0 || b&partMask == 0 || c&partMask == 0 || d&partMask == 0 {
			break
		}
		seen |= a | b | c | d
		sum += a>>partBits + b>>partBits + c>>partBits + d>>partBits
	}
	r.quanta.lo, r.seen = sum, seen
	return i
}

// addSteps is add, and reports false too unless the times are step apart and the
// first is at.
func (r *run) addSteps(times []acquire.Instant, values []float64, at, step acquire.Instant) bool {
	n := len(times)
	if times[0] != at || times[n-1]-at != step*acquire.Instant(n-1) {
		return false
	}
	for i := 0; i < n; i++ {
		i += r.addSomeSteps(times[i:n-1], values[i:n-1], at+acquire.Instant(i)*step, step, r.factor, roundShift, roundZero)
		if times[i] != at+acquire.Instant(i)*step || !r.one(values[i]) {
			return false
		}
		r.quanta.lo += r.p
	}
	return r.sound()
}

// addSomeSteps is addSome for addSteps. Times that are not step apart show in the
// bits that are looked for at the end.
func (r *run) addSomeSteps(times []acquire.Instant, values []float64, at, step acquire.Instant, factor, shift float64, zero uint64) int {
	values = values[:len(times)]
	i := r.addVectorSteps(times, values, at, step)
	at += acquire.Instant(i) * step
	sum, seen, other := r.quanta.lo, r.seen, acquire.Instant(0)
	for ; i < len(times)-3; i += 4 {
		a := math.Float64bits(float64(values[i]*factor)+shift) - zero
		b := math.Float64bits(float64(values[i+1]*factor)+shift) - zero
		c := math.Float64bits(float64(values[i+2]*factor)+shift) - zero
		d := math.Float64bits(float64(values[i+3]*factor)+shift) - zero
		if a&partMask == 0 || b&partMask == 0 || c&partMask == 0 || d&partMask == 0 {
			break
		}
		other |= times[i] ^ at
		at += step
		other |= times[i+1] ^ at
		at += step
		other |= times[i+2] ^ at
		at += step
		other |= times[i+3] ^ at
		at += step
		seen |= a | b | c | d
		sum += a>>partBits + b>>partBits + c>>partBits + d>>partBits
	}
	if other != 0 {
		seen = 1 << 63
	}
	r.quanta.lo, r.seen = sum, seen
	return i
}

// weigh adds the powers of values up, each times the time since the one before,
// the first since last. It reports false unless all are of common samples of the
// direction of r.
func (r *run) weigh(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64) bool {
	for i := 0; i < len(times); i++ {
		if n := r.weighSome(times[i:], values[i:], last, gap, r.factor, roundShift, roundZero); n > 0 {
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
func (r *run) weighSome(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64, factor, shift float64, zero uint64) int {
	values = values[:len(times)]
	i := r.weighVector(times, values, last, gap)
	if i > 0 {
		last = times[i-1]
	}
	sum, seen := r.quanta, r.seen
	var carry uint64
	for ; i < len(times)-1; i += 2 {
		a := math.Float64bits(float64(values[i]*factor)+shift) - zero
		b := math.Float64bits(float64(values[i+1]*factor)+shift) - zero
		t, u := times[i], times[i+1]
		dt, du := uint64(t-last), uint64(u-t)
		if dt-1 >= gap || a&partMask == 0 || du-1 >= gap || b&partMask == 0 {
			break
		}
		last = u
		seen |= a | b
		hi, lo := bits.Mul64(dt, a>>partBits)
		sum.lo, carry = bits.Add64(sum.lo, lo, 0)
		sum.hi, _ = bits.Add64(sum.hi, hi, carry)
		hi, lo = bits.Mul64(du, b>>partBits)
		sum.lo, carry = bits.Add64(sum.lo, lo, 0)
		sum.hi, _ = bits.Add64(sum.hi, hi, carry)
	}
	r.quanta, r.seen = sum, seen
	return i
}

// join is weigh with the sum of the powers at both ends of each time.
func (r *run) join(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64) bool {
	for i := 0; i < len(times); i++ {
		if n := r.joinSome(times[i:], values[i:], last, gap, r.factor, roundShift, roundZero); n > 0 {
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

// joinSome is to join what addSome is to add.
func (r *run) joinSome(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64, factor, shift float64, zero uint64) int {
	values = values[:len(times)]
	i := r.joinVector(times, values, last, gap)
	if i > 0 {
		last = times[i-1]
	}
	sum, seen, p := r.quanta, r.seen, r.p
	var carry uint64
	for ; i < len(times)-1; i += 2 {
		a := math.Float64bits(float64(values[i]*factor)+shift) - zero
		b := math.Float64bits(float64(values[i+1]*factor)+shift) - zero
		t, u := times[i], times[i+1]
		dt, du := uint64(t-last), uint64(u-t)
		if dt-1 >= gap || a&partMask == 0 || du-1 >= gap || b&partMask == 0 {
			break
		}
		last = u
		seen |= a | b
		a >>= partBits
		hi, lo := bits.Mul64(dt, p+a)
		sum.lo, carry = bits.Add64(sum.lo, lo, 0)
		sum.hi, _ = bits.Add64(sum.hi, hi, carry)
		p = b >> partBits
		hi, lo = bits.Mul64(du, a+p)
		sum.lo, carry = bits.Add64(sum.lo, lo, 0)
		sum.hi, _ = bits.Add64(sum.hi, hi, carry)
	}
	r.quanta, r.seen, r.p = sum, seen, p
	return i
}
