package load

import (
	"math"
	"math/bits"
)

// Exact sums. A finite float64 is an integer times 2^-1074, its square one times
// 2^-2148; times nanoseconds they stay so. The sums are kept as such integers, in
// two's complement, least significant limb first, with room for 292 years of the
// largest float64. No order of additions changes a bit.
const (
	valueLimbs  = 35 // 2·v·ns in units of 2^-1074: 1024+1074+65 bits and the sign
	squareLimbs = 68 // 3·v²·ns in units of 2^-2148: 2048+2148+65 bits and the sign
)

// parts returns |v| as m * 2^(exp-1074), with exp >= 0.
func parts(v float64) (m uint64, exp int) {
	const fractionBits = 52
	b := math.Float64bits(v) &^ (1 << 63)
	m, exp = b&(1<<fractionBits-1), int(b>>fractionBits)
	if exp == 0 {
		return m, 0
	}
	return m | 1<<fractionBits, exp - 1
}

// addAt adds m * 2^shift to sum, or subtracts it.
func addAt(sum []uint64, m [3]uint64, shift int, subtract bool) {
	at, by := shift/64, uint(shift%64)
	var wide [4]uint64
	for i, limb := range m {
		wide[i] |= limb << by
		wide[i+1] = limb >> (64 - by) // 0 if by is 0
	}
	var carry uint64
	for i := at; i < len(sum); i++ {
		var limb uint64
		if i-at < len(wide) {
			limb = wide[i-at]
		} else if carry == 0 {
			return
		}
		if subtract {
			sum[i], carry = bits.Sub64(sum[i], limb, carry)
		} else {
			sum[i], carry = bits.Add64(sum[i], limb, carry)
		}
	}
}

// addValue adds v*by to sum.
func addValue(sum *[valueLimbs]uint64, v float64, by uint64) {
	m, exp := parts(v)
	hi, lo := bits.Mul64(m, by)
	addAt(sum[:], [3]uint64{lo, hi}, exp, v < 0)
}

// addProduct adds v*w*by to sum.
func addProduct(sum *[squareLimbs]uint64, v, w float64, by uint64) {
	m, exp := parts(v)
	n, more := parts(w)
	hi, lo := bits.Mul64(m, n)
	low, x0 := bits.Mul64(lo, by)
	high, x1 := bits.Mul64(hi, by)
	x1, carry := bits.Add64(x1, low, 0)
	addAt(sum[:], [3]uint64{x0, x1, high + carry}, exp+more, v < 0 != (w < 0))
}

// addLimbs adds v to sum, which wraps.
func addLimbs(sum, v []uint64) {
	var carry uint64
	for i := range sum {
		sum[i], carry = bits.Add64(sum[i], v[i], carry)
	}
}

// negate turns x, in two's complement, into -x.
func negate(x []uint64) {
	carry := uint64(1)
	for i := range x {
		x[i], carry = bits.Add64(^x[i], 0, carry)
	}
}

func negative(x []uint64) bool { return x[len(x)-1]>>63 != 0 }

// timesSmall multiplies the unsigned x by d.
func timesSmall(x []uint64, d uint64) {
	var carry uint64
	for i, limb := range x {
		hi, lo := bits.Mul64(limb, d)
		lo, c := bits.Add64(lo, carry, 0)
		x[i], carry = lo, hi+c
	}
}

// divide divides the unsigned x by d and reports whether anything was left.
func divide(x []uint64, d uint64) bool {
	var rest uint64
	for i := len(x) - 1; i >= 0; i-- {
		x[i], rest = bits.Div64(rest, x[i], d)
	}
	return rest != 0
}

// top returns the 64 leading bits of the unsigned x, as top * 2^exp. Bits that
// fall off, or sticky, set the last bit: all that rounding needs to know.
func top(x []uint64, sticky bool) (m uint64, exp int) {
	i := len(x) - 1
	for i > 0 && x[i] == 0 {
		i--
	}
	m = x[i]
	if m == 0 {
		return 0, 0
	}
	up := bits.LeadingZeros64(m)
	m <<= up
	if i > 0 {
		m |= x[i-1] >> (64 - up)
		sticky = sticky || x[i-1]<<up != 0
		for _, limb := range x[:i-1] {
			sticky = sticky || limb != 0
		}
	}
	if sticky {
		m |= 1
	}
	return m, 64*i - up
}

// number returns the float64 nearest to m * 2^exp, where m has its highest bit
// set, or is zero, and its last bit speaks for all below.
func number(m uint64, exp int) float64 {
	if m == 0 {
		return 0
	}
	if least := -1074; exp < least-11 {
		// Not normal: fewer bits than 53, which must be rounded but once.
		down := least - exp
		if down > 64 {
			return 0
		}
		var whole uint64
		if down < 64 {
			whole = m >> down
		}
		rest, half := m<<(64-down), uint64(1)<<63
		if rest > half || rest == half && whole&1 != 0 {
			whole++
		}
		return math.Float64frombits(whole)
	}
	return math.Ldexp(float64(m), exp)
}

// mean returns sum * 2^-1074 / d, the float64 nearest to the exact quotient.
func mean(sum *[valueLimbs]uint64, d, twice uint64) float64 {
	const more = 2 // limbs below, so that the quotient has 64 bits
	var x [valueLimbs + more]uint64
	copy(x[more:], sum[:])
	minus := negative(x[:])
	if minus {
		negate(x[:])
	}
	left := divide(x[:], d)
	left = divide(x[:], twice) || left
	m, exp := top(x[:], left)
	f := number(m, exp-64*more-1074)
	if minus {
		return -f
	}
	return f
}

// deviation returns the standard deviation of the values whose doubled integral
// is sum and whose threefold integral of squares is squares, over d ns:
//
//	√((4·squares·d - 3·sum²) / 12·d²)
//
// The numerator is an exact integer; nothing cancels.
func deviation(sum *[valueLimbs]uint64, squares *[squareLimbs]uint64, d uint64) float64 {
	const more = 4 // limbs below, so that the quotient has 64 bits
	var x, y [2*valueLimbs + 2 + more]uint64
	copy(x[more:], squares[:])
	timesSmall(x[more:], d)
	timesSmall(x[more:], 4)
	v := *sum
	if negative(v[:]) {
		negate(v[:])
	}
	for i, a := range v {
		if a == 0 {
			continue
		}
		var carry uint64
		for j, b := range v {
			hi, lo := bits.Mul64(a, b)
			lo, c := bits.Add64(lo, y[more+i+j], 0)
			hi += c
			lo, c = bits.Add64(lo, carry, 0)
			y[more+i+j], carry = lo, hi+c
		}
		y[more+i+valueLimbs] = carry
	}
	timesSmall(y[more:], 3)
	var borrow uint64
	for i := range x {
		x[i], borrow = bits.Sub64(x[i], y[i], borrow)
	}
	if borrow != 0 {
		return 0 // no sums of real values: the mean square is never below the square of the mean
	}
	left := divide(x[:], d)
	left = divide(x[:], d) || left
	left = divide(x[:], 12) || left
	m, exp := top(x[:], left)
	exp -= 64*more + 2148
	if exp&1 != 0 { // an even exponent has a root
		m, exp = m>>1|m&1, exp+1
	}
	return math.Ldexp(math.Sqrt(float64(m)), exp/2)
}
