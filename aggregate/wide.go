package aggregate

import (
	"math"
	"math/bits"
)

// wide is an unsigned integer of 384 bits, least significant limb first: room for
// the products of a straight line that is cut at fractions of a nanosecond.
type wide [6]uint64

// times returns w*x; it wraps where the product does not fit.
func (w wide) times(x uint64) wide {
	var carry uint64
	for i, limb := range w {
		hi, lo := bits.Mul64(limb, x)
		lo, c := bits.Add64(lo, carry, 0)
		w[i], carry = lo, hi+c
	}
	return w
}

// plus returns w+v; it wraps where the sum does not fit.
func (w wide) plus(v wide) wide {
	var carry uint64
	for i := range w {
		w[i], carry = bits.Add64(w[i], v[i], carry)
	}
	return w
}

// minus returns w-v for v <= w.
func (w wide) minus(v wide) wide {
	var borrow uint64
	for i := range w {
		w[i], borrow = bits.Sub64(w[i], v[i], borrow)
	}
	return w
}

// less reports whether w < v.
func (w wide) less(v wide) bool {
	for i := len(w) - 1; i >= 0; i-- {
		if w[i] != v[i] {
			return w[i] < v[i]
		}
	}
	return false
}

// bitLen returns the number of bits of w.
func (w wide) bitLen() int {
	for i := len(w) - 1; i >= 0; i-- {
		if w[i] != 0 {
			return 64*i + bits.Len64(w[i])
		}
	}
	return 0
}

// bit returns bit i of w.
func (w wide) bit(i int) uint64 { return w[i/64] >> (i % 64) & 1 }

// over returns w/d rounded to nearest, halves up, for a quotient below 2^128 and
// d, taken as unsigned, not zero. It divides bit by bit.
func (w wide) over(d int128) int128 {
	var quotient, rest int128
	for i := w.bitLen() - 1; i >= 0; i-- {
		top := rest.hi >> 63
		rest = int128{rest.hi<<1 | rest.lo>>63, rest.lo<<1 | w.bit(i)}
		quotient = quotient.shl(1)
		if top != 0 || !rest.below(d) {
			rest = rest.sub(d)
			quotient.lo |= 1
		}
	}
	if !rest.below(d.sub(rest)) {
		quotient = quotient.add(int128{0, 1})
	}
	return quotient
}

// below reports whether x < y, both taken as unsigned.
func (x int128) below(y int128) bool { return x.hi < y.hi || x.hi == y.hi && x.lo < y.lo }

// squared returns x², for x taken as unsigned.
func (x int128) squared() wide {
	w := wide{x.lo, x.hi}
	high := w.times(x.hi)
	return w.times(x.lo).plus(wide{0, high[0], high[1], high[2]})
}

// root returns the square root of w < 2^256, rounded to nearest, and the largest
// int128 where it is more. No square root of an integer is half way between two.
func (w wide) root() int128 {
	if w.bitLen() > 254 {
		return limit(1)
	}
	// A float64 has 53 bits of the root, and each correction by Newton's rule 50
	// more. What is left of an error is mended by steps of one.
	root := unsignedOf(math.Sqrt(w.float()))
	for range 2 {
		if square := root.squared(); w.less(square) {
			root = root.sub(unsignedOf(square.minus(w).float() / (2 * wide{root.lo, root.hi}.float())))
		} else if !root.isZero() {
			root = root.add(unsignedOf(w.minus(square).float() / (2 * wide{root.lo, root.hi}.float())))
		}
	}
	square := root.squared()
	for w.less(square) {
		root = root.sub(int128{0, 1})
		square = root.squared()
	}
	for (wide{root.lo, root.hi}).less(w.minus(square)) {
		root = root.add(int128{0, 1})
		if square = root.squared(); w.less(square) {
			break // from here on w is nearer than half
		}
	}
	if root.sign() < 0 {
		return limit(1)
	}
	return root
}

// float returns about w, within 2^-51 of it.
func (w wide) float() float64 {
	f := 0.0
	for i := len(w) - 1; i >= 0; i-- {
		f = f*(1<<64) + float64(w[i])
	}
	return f
}

// unsignedOf returns f, 0 <= f < 2^128, without its fraction.
func unsignedOf(f float64) int128 {
	const limb = 1 << 64
	hi := uint64(f / limb)
	return int128{hi, uint64(f - float64(hi)*limb)}
}
