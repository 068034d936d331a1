package aggregate

import "math/bits"

// int128 is a signed integer of 128 bits in two's complement.
type int128 struct{ hi, lo uint64 }

// product returns a*b.
func product(a, b uint64) int128 {
	hi, lo := bits.Mul64(a, b)
	return int128{hi, lo}
}

// scaled returns a*b for a signed a; it wraps where the result does not fit.
func scaled(a int64, b uint64) int128 {
	if a < 0 {
		return product(-uint64(a), b).neg()
	}
	return product(uint64(a), b)
}

func (x int128) add(y int128) int128 {
	lo, carry := bits.Add64(x.lo, y.lo, 0)
	hi, _ := bits.Add64(x.hi, y.hi, carry)
	return int128{hi, lo}
}

func (x int128) sub(y int128) int128 {
	lo, borrow := bits.Sub64(x.lo, y.lo, 0)
	hi, _ := bits.Sub64(x.hi, y.hi, borrow)
	return int128{hi, lo}
}

// plus is add that stops at the ends of the range in place of wrapping.
func (x int128) plus(y int128) int128 {
	s := x.add(y)
	if (x.hi^s.hi)&(y.hi^s.hi)>>63 != 0 {
		return limit(x.sign())
	}
	return s
}

// limit returns the largest magnitude of that sign.
func limit(sign int) int128 {
	top := int128{1<<63 - 1, 1<<64 - 1}
	if sign < 0 {
		return top.neg()
	}
	return top
}

func (x int128) neg() int128 { return int128{}.sub(x) }

func (x int128) isZero() bool { return x.hi|x.lo == 0 }

func (x int128) sign() int {
	switch {
	case int64(x.hi) < 0:
		return -1
	case x.isZero():
		return 0
	}
	return 1
}

func (x int128) abs() int128 {
	if int64(x.hi) < 0 {
		return x.neg()
	}
	return x
}

func (x int128) cmp(y int128) int {
	switch {
	case x == y:
		return 0
	case int64(x.hi) < int64(y.hi), x.hi == y.hi && x.lo < y.lo:
		return -1
	}
	return 1
}

// bitLen returns the number of bits of x >= 0.
func (x int128) bitLen() int {
	if x.hi != 0 {
		return 64 + bits.Len64(x.hi)
	}
	return bits.Len64(x.lo)
}

// shl returns x<<n for 0 <= n < 128.
func (x int128) shl(n int) int128 {
	if n >= 64 {
		return int128{x.lo << (n - 64), 0}
	}
	return int128{x.hi<<n | x.lo>>(64-n), x.lo << n}
}

// shr returns x>>n for x taken as unsigned and 0 <= n < 128.
func (x int128) shr(n int) int128 {
	if n >= 64 {
		return int128{0, x.hi >> (n - 64)}
	}
	return int128{x.hi >> n, x.hi<<(64-n) | x.lo>>n}
}

// times returns x*n for x >= 0, or the end of the range.
func (x int128) times(n uint64) int128 {
	over, hi := bits.Mul64(x.hi, n)
	carried, lo := bits.Mul64(x.lo, n)
	hi, carry := bits.Add64(hi, carried, 0)
	if over|carry|hi>>63 != 0 {
		return limit(1)
	}
	return int128{hi, lo}
}

// div divides x, taken as unsigned, by d.
func (x int128) div(d uint64) (quotient int128, remainder uint64) {
	quotient.hi, remainder = x.hi/d, x.hi%d
	quotient.lo, remainder = bits.Div64(remainder, x.lo, d)
	return quotient, remainder
}

// share returns x*part/whole with its remainder, for x >= 0 and part <= whole.
// The product is formed in 192 bits.
func (x int128) share(part, whole uint64) (quotient int128, remainder uint64) {
	top, mid := bits.Mul64(x.hi, part)
	carried, low := bits.Mul64(x.lo, part)
	mid, carry := bits.Add64(mid, carried, 0)
	top += carry
	quotient.hi, remainder = bits.Div64(top, mid, whole) // top < whole because part <= whole
	quotient.lo, remainder = bits.Div64(remainder, low, whole)
	return quotient, remainder
}

// shareRounded is share rounded to the nearest integer, halves up.
func (x int128) shareRounded(part, whole uint64) int128 {
	q, r := x.share(part, whole)
	if r >= whole-r {
		q = q.add(int128{0, 1})
	}
	return q
}

// shrEven returns x>>n rounded to nearest, ties to even, for x >= 0 and n > 0.
func (x int128) shrEven(n int) int128 {
	var rest int128 // the bits that fall off, moved to the top
	switch {
	case n > 128:
		return int128{}
	case n == 128:
		x, rest = int128{}, x
	default:
		x, rest = x.shr(n), x.shl(128-n)
	}
	const half = 1 << 63
	if rest.hi > half || rest.hi == half && (rest.lo != 0 || x.lo&1 != 0) {
		x = x.add(int128{0, 1})
	}
	return x
}
