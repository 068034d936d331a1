package units

import (
	"math"
	"math/bits"
)

// exact reports whether n is a float64.
func exact(n uint64) bool {
	return bits.Len64(n)-bits.TrailingZeros64(n) <= 53
}

// gcd returns the greatest common divisor; gcd(a, 0) is a.
func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// product returns a/b · c/d in lowest terms, all four being positive, and
// whether it fits.
func product(a, b, c, d uint64) (num, den uint64, ok bool) {
	if g := gcd(a, b); g > 1 {
		a, b = a/g, b/g
	}
	if g := gcd(c, d); g > 1 {
		c, d = c/g, d/g
	}
	if g := gcd(a, d); g > 1 {
		a, d = a/g, d/g
	}
	if g := gcd(c, b); g > 1 {
		c, b = c/g, b/g
	}
	numHigh, num := bits.Mul64(a, c)
	denHigh, den := bits.Mul64(b, d)
	return num, den, numHigh|denHigh == 0
}

// decompose returns |x| as m·2^exp. x is finite.
func decompose(x float64) (m uint64, exp int) {
	const mantissa = 1<<52 - 1
	b := math.Float64bits(x)
	m, exp = b&mantissa, int(b>>52&0x7ff)
	if exp == 0 {
		return m, -1074 // subnormal
	}
	return m | (mantissa + 1), exp - 1075
}

// mulDiv returns x·num/den correctly rounded. x is finite and not zero.
func mulDiv(x float64, num, den uint64) float64 {
	m, exp := decompose(x)
	return math.Copysign(round(m, num, den, exp), x)
}

// round returns the float64 nearest to m·num/den·2^exp, ties to even. m, num
// and den are positive.
//
// It works in integers: a 128-bit product, a quotient of 63 or 64 bits, and a
// lowest bit that also stands for everything below it. Such a quotient rounds
// as the exact result does, since a float64 keeps no more than 53 bits.
func round(m, num, den uint64, exp int) float64 {
	high, low := bits.Mul64(m, num)

	// Shift the product until its top bit is bit 126 and the divisor until its
	// is bit 63: then the quotient has bit 62 or 63 for its top bit.
	var lost uint64
	s := bits.LeadingZeros64(high)
	if high == 0 {
		s = 64 + bits.LeadingZeros64(low)
	}
	switch s--; {
	case s < 0:
		lost = low & 1
		high, low = high>>1, high<<63|low>>1
	case s < 64:
		high, low = high<<s|low>>(64-s), low<<s
	default:
		high, low = low<<(s-64), 0
	}
	t := bits.LeadingZeros64(den)
	q, rem := bits.Div64(high, low, den<<t)
	if rem|lost != 0 {
		q |= 1
	}
	return compose(q, exp+t-s)
}

// compose returns the float64 nearest to q·2^exp, ties to even, where the lowest
// bit of q may stand for more below it. q has its top bit at 62 or 63.
func compose(q uint64, exp int) float64 {
	// A subnormal result keeps fewer bits, so round at 2^-1074 and not twice.
	if lead := exp + bits.Len64(q) - 1; lead < -1022 {
		return math.Float64frombits(shiftRound(q, uint(-1074-exp)))
	}
	if exp >= -1022 && exp <= 1023 {
		// A power of two that is a float64 itself: the product is exact.
		return float64(q) * math.Float64frombits(uint64(exp+1023)<<52)
	}
	return math.Ldexp(float64(q), exp)
}

// shiftRound returns q/2^n rounded to the nearest integer, ties to even. n is
// positive.
func shiftRound(q uint64, n uint) uint64 {
	if n > 64 {
		return 0 // below a half
	}
	half := uint64(1) << (n - 1)
	rest := q & (half<<1 - 1)
	whole := q >> n
	if rest > half || rest == half && whole&1 == 1 {
		whole++
	}
	return whole
}
