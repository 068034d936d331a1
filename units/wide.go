package units

import (
	"math"
	"math/big"
	"math/bits"
)

// wide is an unsigned integer of 256 bits, least significant part first. The
// ratios of the table need 145, a float64 times one of them 198; no operation
// here looks for an overflow.
type wide [4]uint64

// pi is π·2^126, cut.
var pi = wide{0xc4c6628b80dc1cd1, 0xc90fdaa22168c234}

func (w wide) times(n uint64) wide {
	var carry uint64
	for i, part := range w {
		high, low := bits.Mul64(part, n)
		var c uint64
		w[i], c = bits.Add64(low, carry, 0)
		carry = high + c
	}
	return w
}

func (w wide) plus(v wide) wide {
	var carry uint64
	for i := range w {
		w[i], carry = bits.Add64(w[i], v[i], carry)
	}
	return w
}

func (w wide) minus(v wide) wide {
	var borrow uint64
	for i := range w {
		w[i], borrow = bits.Sub64(w[i], v[i], borrow)
	}
	return w
}

func (w wide) less(v wide) bool {
	for i := len(w) - 1; i >= 0; i-- {
		if w[i] != v[i] {
			return w[i] < v[i]
		}
	}
	return false
}

// shifted returns w·2^n, cut to a whole number where n is negative.
func (w wide) shifted(n int) wide {
	var v wide
	if n < 0 {
		from, by := -n/64, uint(-n%64)
		for i := range len(w) - from {
			v[i] = w[i+from] >> by
			if i+from+1 < len(w) {
				v[i] |= w[i+from+1] << (64 - by)
			}
		}
		return v
	}
	from, by := n/64, uint(n%64)
	for i := from; i < len(w); i++ {
		v[i] = w[i-from] << by
		if i > from {
			v[i] |= w[i-from-1] >> (64 - by)
		}
	}
	return v
}

func (w wide) bitLen() int {
	for i := len(w) - 1; i >= 0; i-- {
		if w[i] != 0 {
			return 64*i + bits.Len64(w[i])
		}
	}
	return 0
}

func (w wide) big() *big.Int {
	n := new(big.Int)
	for i := len(w) - 1; i >= 0; i-- {
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(w[i]))
	}
	return n
}

// quotient returns n/d as q·2^exp, where q is cut to its first 64 bits, and whether
// that is exact. d is below 2^192 and not zero. A zero n gives zeros.
func quotient(n, d wide) (q uint64, exp int, isExact bool) {
	if n == (wide{}) {
		return 0, 0, true
	}
	// Make d 192 bits long and n so much longer that q has 64: one step of long
	// division by hand, with digits of 64 bits (Knuth 4.3.1 D).
	up, down := 255-n.bitLen(), 192-d.bitLen()
	n, d = n.shifted(up), d.shifted(down)
	if n.less(d.shifted(63)) {
		n, up = n.plus(n), up+1
	}
	q = math.MaxUint64
	if n[3] < d[2] {
		q, _ = bits.Div64(n[3], n[2], d[2])
	}
	product := d.times(q)
	for n.less(product) { // twice at most, as the top bit of d is set
		product, q = product.minus(d), q-1
	}
	return q, down - up, n == product
}

// scaled is n·2^exp, or the negative of it.
type scaled struct {
	n        wide
	exp      int
	negative bool
}

// plus returns the sum, exact or, where the parts lie so far apart that 256 bits
// cannot hold it, with a lowest bit that stands for all that is below. Such a sum
// rounds as the exact one, as it has far more bits than a float64.
func (p scaled) plus(q scaled) scaled {
	if p.n == (wide{}) {
		return q
	}
	if q.n == (wide{}) {
		return p
	}
	if p.exp+p.n.bitLen() < q.exp+q.n.bitLen() {
		p, q = q, p // p is the larger, or as large
	}
	// Give p as many bits as there is room for, or as it needs to meet q.
	if up := min(p.exp-q.exp, 250-p.n.bitLen()); up > 0 {
		p.n, p.exp = p.n.shifted(up), p.exp-up
	}
	if down := p.exp - q.exp; down > 0 {
		cut := q.n.shifted(-min(down, 255))
		if cut.shifted(min(down, 255)) != q.n {
			cut[0] |= 1
		}
		q.n, q.exp = cut, p.exp
	} else if down < 0 {
		q.n, q.exp = q.n.shifted(-down), p.exp
	}
	switch {
	case p.negative == q.negative:
		p.n = p.n.plus(q.n)
	case p.n.less(q.n):
		p.n, p.negative = q.n.minus(p.n), q.negative
	default:
		p.n = p.n.minus(q.n)
	}
	return p
}

// over returns p/den correctly rounded. A zero is positive.
func (p scaled) over(den wide) float64 {
	if p.n == (wide{}) {
		return 0
	}
	q, exp, isExact := quotient(p.n, den)
	if !isExact {
		q |= 1
	}
	return signed(compose(q, exp+p.exp), p.negative)
}
