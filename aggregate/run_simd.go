//go:build goexperiment.simd && amd64

package aggregate

import (
	"simd/archsimd"
	"unsafe"

	"github.com/fieldtap/fieldtap/acquire"
)

// The front parts of the loops of a run in vector instructions, four samples at a
// time. Each takes all or, where anything is out of the ordinary, nothing, and
// leaves that to the loops. The compiler has these instructions under
// GOEXPERIMENT=simd alone.

// vectors reports whether the processor has the instructions.
var vectors = archsimd.X86.AVX2()

// fewest is how many samples are worth a vector loop.
const fewest = 16

// Vectors are kept in variables of their own, because the compiler keeps the
// fields of larger structs in memory.
type (
	integers = archsimd.Int64x4
	floats   = archsimd.Float64x4
)

const vectorShift = 3 << 51

// rounded returns four values in microwatts, and the squares of what rounding
// left over, which is 1/4 for ties.
func rounded(values []float64, factor, shift floats, zero integers) (n integers, rest floats) {
	x := archsimd.LoadFloat64x4Slice(values).Mul(factor)
	y := x.Add(shift)
	rest = x.Sub(y.Sub(shift))
	return y.AsInt64x4().Sub(zero), rest.Mul(rest)
}

// inRange reports whether a run takes all powers whose bits are in seen, and whose
// squared rest is rest at most.
func inRange(seen integers, rest floats) bool {
	var s [4]int64
	seen.Store(&s)
	tie := rest.GreaterEqual(archsimd.BroadcastFloat64x4(0.25)).ToBits()
	return tie == 0 && uint64(s[0]|s[1]|s[2]|s[3])>>powerBits == 0
}

// sumOf returns the sum of four lanes.
func sumOf(v integers) int128 {
	var lane [4]int64
	v.Store(&lane)
	var sum int128
	for _, n := range lane {
		sum = sum.add(int128{0, uint64(n)})
	}
	return sum
}

// instants returns times as the numbers that they are.
func instants(times []acquire.Instant) []int64 {
	return unsafe.Slice((*int64)(unsafe.SliceData(times)), len(times))
}

func (r *run) addVector(values []float64) int {
	if !vectors || len(values) < fewest {
		return 0
	}
	factor, shift := archsimd.BroadcastFloat64x4(r.factor), archsimd.BroadcastFloat64x4(vectorShift)
	zero := shift.AsInt64x4()
	var sum, seen integers
	var most floats
	i := 0
	for ; i+4 <= len(values); i += 4 {
		n, rest := rounded(values[i:], factor, shift, zero)
		sum, seen, most = sum.Add(n), seen.Or(n), most.Max(rest)
	}
	if !inRange(seen, most) {
		return 0
	}
	r.quanta.lo += sumOf(sum).lo
	return i
}

func (r *run) addVectorSteps(times []acquire.Instant, values []float64, at, step acquire.Instant) int {
	if !vectors || len(values) < fewest || times[0] != at {
		return 0
	}
	factor, shift := archsimd.BroadcastFloat64x4(r.factor), archsimd.BroadcastFloat64x4(vectorShift)
	zero, steps := shift.AsInt64x4(), archsimd.BroadcastInt64x4(int64(step))
	t := instants(times)
	values = values[:len(t)]
	var sum, seen, other integers
	var most floats
	i := 0
	for ; i+5 <= len(t); i += 4 {
		n, rest := rounded(values[i:], factor, shift, zero)
		sum, seen, most = sum.Add(n), seen.Or(n), most.Max(rest)
		dt := archsimd.LoadInt64x4Slice(t[i+1:]).Sub(archsimd.LoadInt64x4Slice(t[i:]))
		other = other.Or(dt.Xor(steps))
	}
	if !inRange(seen, most) || !nothing(other) {
		return 0
	}
	r.quanta.lo += sumOf(sum).lo
	return i
}

// nothing reports whether all bits are 0.
func nothing(v integers) bool {
	var lane [4]int64
	v.Store(&lane)
	return lane == [4]int64{}
}

// limbBits is how many bits of a factor are multiplied at once, so few that a
// chunk of such products fits 64 bits. Powers and times have two such parts.
const limbBits = 26

// multiplied returns the products of the parts of p and dt. It shifts by a vector:
// the count of ShiftAllRight goes through an instruction that does not know the
// upper halves of vectors, which costs some 50 cycles.
func multiplied(p, dt, mask integers, count archsimd.Uint64x4) (low, mid, high integers) {
	p0, p1 := p.And(mask).AsUint32x8(), p.AsUint64x4().ShiftRight(count).AsUint32x8()
	d0, d1 := dt.And(mask).AsUint32x8(), dt.AsUint64x4().ShiftRight(count).AsUint32x8()
	mid = p0.MulEvenWiden(d1).AsInt64x4().Add(p1.MulEvenWiden(d0).AsInt64x4())
	return p0.MulEvenWiden(d0).AsInt64x4(), mid, p1.MulEvenWiden(d1).AsInt64x4()
}

// combined returns the sum of sums of products.
func combined(low, mid, high integers) int128 {
	return sumOf(low).add(sumOf(mid).shl(limbBits)).add(sumOf(high).shl(2 * limbBits))
}

// startVector rounds the first of the samples, and reports whether a vector loop
// may take the rest.
func (r *run) startVector(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64) (p, dt uint64, ok bool) {
	if !vectors || len(times) < fewest || gap >= 1<<(2*limbBits) {
		return 0, 0, false
	}
	n, exact := round(float64(values[0] * r.factor))
	dt = uint64(times[0] - last)
	return uint64(n), dt, exact && uint64(n)>>powerBits == 0 && dt-1 < gap
}

func (r *run) weighVector(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64) int {
	p, dt, ok := r.startVector(times, values, last, gap)
	if !ok {
		return 0
	}
	factor, shift := archsimd.BroadcastFloat64x4(r.factor), archsimd.BroadcastFloat64x4(vectorShift)
	zero, mask := shift.AsInt64x4(), archsimd.BroadcastInt64x4(1<<limbBits-1)
	count := archsimd.BroadcastUint64x4(limbBits)
	one, most := archsimd.BroadcastInt64x4(1), archsimd.BroadcastInt64x4(int64(gap))
	t := instants(times[:min(len(times), chunk)])
	values = values[:len(t)]
	var low, mid, high, seen, outside integers
	var tie floats
	i := 1
	for ; i+4 <= len(t); i += 4 {
		n, rest := rounded(values[i:], factor, shift, zero)
		seen, tie = seen.Or(n), tie.Max(rest)
		d := archsimd.LoadInt64x4Slice(t[i:]).Sub(archsimd.LoadInt64x4Slice(t[i-1:]))
		outside = outside.Or(d.Sub(one).Or(most.Sub(d)))
		l, m, h := multiplied(n, d, mask, count)
		low, mid, high = low.Add(l), mid.Add(m), high.Add(h)
	}
	if !inRange(seen, tie) || negative(outside) {
		return 0
	}
	r.quanta = r.quanta.add(product(p, dt)).add(combined(low, mid, high))
	return i
}

// negative reports whether a lane is below 0.
func negative(v integers) bool {
	var lane [4]int64
	v.Store(&lane)
	return lane[0]|lane[1]|lane[2]|lane[3] < 0
}

// Each power counts from the sample before to the one after it, which is taken
// back for the last.
func (r *run) joinVector(times []acquire.Instant, values []float64, last acquire.Instant, gap uint64) int {
	p, dt, ok := r.startVector(times, values, last, gap)
	if !ok {
		return 0
	}
	factor, shift := archsimd.BroadcastFloat64x4(r.factor), archsimd.BroadcastFloat64x4(vectorShift)
	zero, mask := shift.AsInt64x4(), archsimd.BroadcastInt64x4(1<<limbBits-1)
	count := archsimd.BroadcastUint64x4(limbBits)
	one, most := archsimd.BroadcastInt64x4(1), archsimd.BroadcastInt64x4(int64(gap))
	t := instants(times[:min(len(times), chunk)])
	values = values[:len(t)]
	var low, mid, high, seen, outside integers
	var tie floats
	i := 1
	for ; i+5 <= len(t); i += 4 {
		n, rest := rounded(values[i:], factor, shift, zero)
		seen, tie = seen.Or(n), tie.Max(rest)
		before := archsimd.LoadInt64x4Slice(t[i-1:])
		d := archsimd.LoadInt64x4Slice(t[i:]).Sub(before)
		outside = outside.Or(d.Sub(one).Or(most.Sub(d)))
		l, m, h := multiplied(n, archsimd.LoadInt64x4Slice(t[i+1:]).Sub(before), mask, count)
		low, mid, high = low.Add(l), mid.Add(m), high.Add(h)
	}
	after := uint64(t[i] - t[i-1])
	if after-1 >= gap || !inRange(seen, tie) || negative(outside) {
		return 0
	}
	r.quanta = r.quanta.add(product(r.p, dt)).add(product(p, uint64(t[1]-int64(last)))).add(combined(low, mid, high))
	final, _ := round(float64(values[i-1] * r.factor))
	r.p = uint64(final)
	r.quanta = r.quanta.sub(product(r.p, after))
	return i
}
