package units

import (
	"math"
	"math/big"
)

// factor is the positive number num/den · 2^two · 5^five · π^pi, where num and
// den are in lowest terms and hold neither 2 nor 5. The form is unique, so that
// == compares numbers, and powers of ten never overflow: in unit definitions
// they are nearly all there is.
type factor struct {
	num, den      uint64
	two, five, pi int16
}

// maxPower bounds the exponents of a factor, far beyond any unit.
const maxPower = 4096

// newFactor returns n·10^ten, n being positive.
func newFactor(n uint64, ten int) factor {
	f := factor{num: n, den: 1, two: int16(ten), five: int16(ten)}
	f.strip()
	return f
}

// strip moves every 2 and 5 of num and den into the exponents.
func (f *factor) strip() {
	for f.num%2 == 0 {
		f.num, f.two = f.num/2, f.two+1
	}
	for f.num%5 == 0 {
		f.num, f.five = f.num/5, f.five+1
	}
	for f.den%2 == 0 {
		f.den, f.two = f.den/2, f.two-1
	}
	for f.den%5 == 0 {
		f.den, f.five = f.den/5, f.five-1
	}
}

// times returns f·g, and whether it fits.
func (f factor) times(g factor) (factor, bool) {
	num, den, ok := product(f.num, f.den, g.num, g.den)
	p := factor{num, den, f.two + g.two, f.five + g.five, f.pi + g.pi}
	return p, ok && small(p.two) && small(p.five) && small(p.pi)
}

func small(n int16) bool { return -maxPower < n && n < maxPower }

// inverse returns 1/f.
func (f factor) inverse() factor {
	return factor{f.den, f.num, -f.two, -f.five, -f.pi}
}

// power returns f^n for |n| up to 127, and whether it fits.
func (f factor) power(n int) (p factor, ok bool) {
	if n < 0 {
		f, n = f.inverse(), -n
	}
	p, ok = factor{num: 1, den: 1}, true
	for range n {
		if p, ok = p.times(f); !ok {
			return p, false
		}
	}
	return p, true
}

// scale returns f as a scale, and whether it is a ratio that fits one.
func (f factor) scale() (Scale, bool) {
	if f.pi != 0 {
		return Scale{}, false
	}
	num, den := f.num, f.den
	for _, p := range [...]struct {
		base uint64
		n    int16
	}{{2, f.two}, {5, f.five}} {
		for n := p.n; n > 0; n-- {
			if num > math.MaxInt64/p.base {
				return Scale{}, false
			}
			num *= p.base
		}
		for n := p.n; n < 0; n++ {
			if den > math.MaxInt64/p.base {
				return Scale{}, false
			}
			den *= p.base
		}
	}
	return newScale(num, den, false)
}

// rat returns the rational part of f.
func (f factor) rat() *big.Rat {
	num, den := new(big.Int).SetUint64(f.num), new(big.Int).SetUint64(f.den)
	for _, p := range [...]struct{ base, n int64 }{{2, int64(f.two)}, {5, int64(f.five)}} {
		power := new(big.Int).Exp(big.NewInt(p.base), big.NewInt(max(p.n, -p.n)), nil)
		if p.n > 0 {
			num.Mul(num, power)
		} else {
			den.Mul(den, power)
		}
	}
	return new(big.Rat).SetFrac(num, den)
}
