package demand

import (
	"math/bits"
	"time"

	"github.com/fieldtap/fieldtap/aggregate"
)

// Energies are integers of 128 bits; their products with a time need 192 bits
// and their squares 256. Here is what the rules need of either, exactly.

type uint128 struct{ hi, lo uint64 }

// magnitude returns |e| in quanta.
func magnitude(e aggregate.Energy) uint128 {
	hi, lo := e.Quanta()
	if int64(hi) < 0 {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	return uint128{hi, lo}
}

// energy returns x, or -x if negative; beyond the range it is the end of it.
func (x uint128) energy(negative bool) aggregate.Energy {
	if x.hi>>63 != 0 {
		x = uint128{1<<63 - 1, 1<<64 - 1}
	}
	e := aggregate.EnergyOf(x.hi, x.lo)
	if negative {
		return e.Neg()
	}
	return e
}

type uint192 struct{ hi, mid, lo uint64 }

// times returns x*d for d >= 0.
func (x uint128) times(d time.Duration) uint192 {
	carried, lo := bits.Mul64(x.lo, uint64(d))
	hi, mid := bits.Mul64(x.hi, uint64(d))
	mid, carry := bits.Add64(mid, carried, 0)
	return uint192{hi + carry, mid, lo}
}

func (x uint192) cmp(y uint192) int {
	switch {
	case x == y:
		return 0
	case x.hi < y.hi, x.hi == y.hi && x.mid < y.mid, x.hi == y.hi && x.mid == y.mid && x.lo < y.lo:
		return -1
	}
	return 1
}

// compareRates compares e/d with f/g, for d and g above 0.
func compareRates(e aggregate.Energy, d time.Duration, f aggregate.Energy, g time.Duration) int {
	if d == g || e.Sign() != f.Sign() {
		return e.Cmp(f)
	}
	c := magnitude(e).times(g).cmp(magnitude(f).times(d))
	if e.Sign() < 0 {
		return -c
	}
	return c
}

// scale returns e*to/from, for both above 0, rounded to the nearest quantum,
// halves away from zero; beyond the range it is the end of it.
func scale(e aggregate.Energy, to, from time.Duration) aggregate.Energy {
	if to == from {
		return e
	}
	x, d := magnitude(e).times(to), uint64(from)
	top, rest := x.hi/d, x.hi%d
	mid, rest := bits.Div64(rest, x.mid, d)
	lo, rest := bits.Div64(rest, x.lo, d)
	if rest >= d-rest {
		var carry uint64
		lo, carry = bits.Add64(lo, 1, 0)
		mid, carry = bits.Add64(mid, 0, carry)
		top += carry
	}
	if top != 0 {
		mid = 1 << 63
	}
	return uint128{mid, lo}.energy(e.Sign() < 0)
}

type uint256 [4]uint64 // lowest first

// square returns x*x for x < 1<<127, so that the sum of two squares fits.
func (x uint128) square() uint256 {
	h1, l1 := bits.Mul64(x.lo, x.lo)
	h2, l2 := bits.Mul64(x.lo, x.hi)
	h3, l3 := bits.Mul64(x.hi, x.hi)
	// The middle product counts twice; x.hi < 1<<63 leaves room for its top bit.
	top := h2 >> 63
	h2, l2 = h2<<1|l2>>63, l2<<1
	var n uint256
	var carry uint64
	n[0] = l1
	n[1], carry = bits.Add64(h1, l2, 0)
	n[2], carry = bits.Add64(l3, h2, carry)
	n[3] = h3 + top + carry
	return n
}

// hypot returns the square root of p*p+q*q, rounded to the nearest quantum.
func hypot(p, q aggregate.Energy) aggregate.Energy {
	n, m := magnitude(p).square(), magnitude(q).square()
	var carry uint64
	for i := range n {
		n[i], carry = bits.Add64(n[i], m[i], carry)
	}
	return n.sqrt().energy(false)
}

// sqrt returns the square root of n, rounded to nearest, digit by digit in base
// 2: each step brings two bits of n down and decides one of the root.
func (n uint256) sqrt() uint128 {
	var root uint128
	var rest uint192 // below 2*root+1, which has 129 bits
	for limb := 3; limb >= 0; limb-- {
		for shift := 62; shift >= 0; shift -= 2 {
			if rest == (uint192{}) && root == (uint128{}) && n[limb]>>shift == 0 {
				continue
			}
			rest.hi = rest.hi<<2 | rest.mid>>62
			rest.mid = rest.mid<<2 | rest.lo>>62
			rest.lo = rest.lo<<2 | n[limb]>>shift&3
			trial := uint192{root.hi >> 62, root.hi<<2 | root.lo>>62, root.lo<<2 | 1}
			root = uint128{root.hi<<1 | root.lo>>63, root.lo << 1}
			if rest.cmp(trial) >= 0 {
				var borrow uint64
				rest.lo, borrow = bits.Sub64(rest.lo, trial.lo, 0)
				rest.mid, borrow = bits.Sub64(rest.mid, trial.mid, borrow)
				rest.hi -= trial.hi + borrow
				root.lo |= 1
			}
		}
	}
	// (root+1/2)² is root²+root+1/4.
	if rest.cmp(uint192{0, root.hi, root.lo}) > 0 {
		var carry uint64
		root.lo, carry = bits.Add64(root.lo, 1, 0)
		root.hi += carry
	}
	return root
}
