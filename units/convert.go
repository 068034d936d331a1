package units

import (
	"math"
	"math/big"
	"math/bits"
)

// Between prepares the conversion of values in from to values in to. Prepare
// once, at configuration, and keep the [Converter].
//
// Units of different kinds do not convert: the error is a *[KindError]. [None]
// converts only to itself. A number that is no unit converts to nothing. Units
// of one kind always convert. Between allocates nothing but its error.
func Between(from, to Unit) (Converter, error) {
	if from == to && (from == None || from.Valid()) {
		return Converter{}, nil
	}
	if !from.Valid() || !to.Valid() || from.Kind() != to.Kind() {
		return Converter{}, &KindError{From: from, To: to}
	}
	return newConverter(from, to), nil
}

// Converter converts values from one unit to another. Make one with [Between];
// the zero value is the identity. It is 32 bytes, immutable, safe for concurrent
// use, and comparable.
//
// It has four fields because a struct of more is not kept in registers, which
// costs more than a conversion.
type Converter struct {
	plan     plan
	num, den uint64 // the ratio in lowest terms, 0/0 where uint64 cannot hold it; or as affine says
	factor   float64
}

// plan says how to convert: identity, multiply, divide, or a packed value: ratio
// or affine in the low byte, then the units and the exponent of the ratio with 16
// bits each.
type plan uint64

const (
	identity plan = iota
	multiply      // by factor, the whole number num
	divide        // by factor, the whole number den
	byRatio       // by the first bits of the ratio, packed into factor
	affine        // y = (x·num + factor)/den, num and den as bits of a float64
)

func (p plan) packed(from, to Unit, exp int) plan {
	return p | plan(from)<<16 | plan(to)<<32 | plan(exp)<<48
}

func (p plan) is(q plan) bool         { return p&0xff == q }
func (p plan) units() (from, to Unit) { return Unit(p >> 16), Unit(p >> 32) }
func (p plan) exp() uint64            { return uint64(int64(p) >> 48) }

// newConverter returns the converter between two units of one kind.
func newConverter(from, to Unit) Converter {
	if hasZero(from) || hasZero(to) {
		return newAffine(from, to)
	}
	f, t := table[from], table[to]
	var c Converter
	if timesPi(from) == timesPi(to) && nano(from) == nano(to) {
		if num, den, ok := product(f.num, f.den, t.den, t.num); ok {
			c.num, c.den = num, den
		}
	}
	switch {
	case c.num == 1 && c.den == 1:
		return Converter{}
	case c.den == 1 && exact(c.num):
		c.plan, c.factor = multiply, float64(c.num)
		return c
	case c.num == 1 && exact(c.den):
		c.plan, c.factor = divide, float64(c.den)
		return c
	}
	var q uint64
	var exp int
	if c.num != 0 {
		q, exp = quotient64(c.num, c.den)
	} else {
		q, exp, _ = quotient(ratioOf(from, to))
	}
	c.plan, c.factor = byRatio.packed(from, to, exp+2), packMantissa(q)
	return c
}

// packMantissa puts the first 63 bits of q into a float64, the top one implied,
// such that it is no NaN, which would not equal itself.
func packMantissa(q uint64) float64 { return math.Float64frombits(q << 1 >> 2) }

func unpackMantissa(f float64) uint64 { return math.Float64bits(f)<<1 | 1<<63 }

// newAffine returns the converter between two scales of temperature of which at
// least one does not count from absolute zero: y = x·r + (zf·r - zt), where r is
// the ratio of the degrees and zf, zt are the zeros, as one fraction.
func newAffine(from, to Unit) Converter {
	f, t := table[from], table[to]
	rNum, rDen := int64(f.num*t.den), int64(f.den*t.num)
	zf, zfDen := zeroPoint(from)
	zt, ztDen := zeroPoint(to)
	num := rNum * zfDen * ztDen
	shift := zf*rNum*ztDen - zt*rDen*zfDen
	den := rDen * zfDen * ztDen
	g := int64(gcd(gcd(uint64(num), magnitude(shift)), uint64(den)))
	return Converter{
		plan:   affine.packed(from, to, 0),
		num:    math.Float64bits(float64(num / g)),
		den:    math.Float64bits(float64(den / g)),
		factor: float64(shift / g),
	}
}

// affine returns the terms of y = (x·num + shift)/den, all whole numbers.
func (c Converter) affine() (num, den, shift float64) {
	return math.Float64frombits(c.num), math.Float64frombits(c.den), c.factor
}

// ratioOf returns the ratio of two units, not reduced. An irrational one has 128
// bits of π.
func ratioOf(from, to Unit) (num, den wide) {
	f, t := table[from], table[to]
	num, den = wide{f.num}.times(t.den), wide{f.den}.times(t.num)
	if nano(from) {
		den = den.times(1e9)
	}
	if nano(to) {
		num = num.times(1e9)
	}
	switch fromPi, toPi := timesPi(from), timesPi(to); {
	case fromPi && !toPi:
		num, den = pi.times(num[0]), den.shifted(126)
	case toPi && !fromPi:
		num, den = num.shifted(126), pi.times(den[0])
	}
	return num, den
}

// Convert returns x in the target unit: the float64 nearest to the exact result,
// ties to even, over the whole range of float64 from subnormal numbers to
// overflow. Between degree and radian, whose ratio is irrational, the exact
// result is that with 128 bits of π.
//
// NaN and infinities pass through, zero keeps its sign, and the identity
// returns x bit for bit. For temperatures zero is a value like others. Convert
// allocates nothing. It costs one multiply or one divide when the ratio of the
// units is a whole number or one over a whole number, and a few of them
// otherwise; [Converter.ConvertAll] is faster for those.
func (c Converter) Convert(x float64) float64 {
	switch c.plan {
	case divide:
		return x / c.factor
	case multiply:
		return x * c.factor
	}
	return c.convert(x)
}

// ConvertAll converts src into dst, as [Converter.Convert] does each value, and
// returns how many: the length of the shorter, as copy does. The two may be the
// same slice. It allocates nothing.
func (c Converter) ConvertAll(dst, src []float64) int {
	n := min(len(dst), len(src))
	dst, src = dst[:n], src[:n]
	switch c.plan {
	case identity:
		copy(dst, src)
	case multiply:
		for i, x := range src {
			dst[i] = x * c.factor
		}
	case divide:
		for i, x := range src {
			dst[i] = x / c.factor
		}
	default:
		if c.plan.is(byRatio) {
			c.convertRatios(dst, src)
			break
		}
		for i, x := range src {
			dst[i] = c.convert(x)
		}
	}
	return n
}

// convert is the rest of Convert, apart so that Convert is small enough to be
// inlined.
func (c Converter) convert(x float64) float64 {
	switch {
	case c.plan == identity:
		return x
	case c.plan.is(affine):
		return c.convertAffine(x)
	}
	// The mantissa of x times the first 63 bits of the ratio: half of the product
	// lies in [low, low+2), and where both ends round alike, that is its rounding.
	b := math.Float64bits(x)
	exp := b >> 52 & 0x7ff
	high, _ := bits.Mul64(b<<11|1<<63, unpackMantissa(c.factor))
	low := int64(high >> 1)
	y, scale := float64(low), exp+c.plan.exp()
	// Zeros, infinities, NaN and subnormal numbers on either side have exponents of
	// their own.
	if y != float64(low+2) || exp-1 >= 2046 || scale-1 >= 2046 {
		return c.convertExact(x)
	}
	return y * math.Float64frombits(b&(1<<63)|scale<<52)
}

// convertRatios is what convert does by a ratio, in a loop that calls nothing.
func (c Converter) convertRatios(dst, src []float64) {
	mantissa, shift := unpackMantissa(c.factor), c.plan.exp()
	for i, x := range src {
		b := math.Float64bits(x)
		exp := b >> 52 & 0x7ff
		high, _ := bits.Mul64(b<<11|1<<63, mantissa)
		low := int64(high >> 1)
		y, scale := float64(low), exp+shift
		if y != float64(low+2) || exp-1 >= 2046 || scale-1 >= 2046 {
			dst[i] = c.convertExact(x)
			continue
		}
		dst[i] = y * math.Float64frombits(b&(1<<63)|scale<<52)
	}
}

// The sum of q and rest in convertAffine is off by less than these parts of q and
// of rest. Its rounding is the right one unless a point where rounding changes
// lies closer than that. The last part makes a zero fail that test.
const (
	offQuotient = 0x1p-90
	offRest     = 0x1p-49
	offZero     = 0x1p-1000
)

// convertAffine is Convert between temperatures: (x·num + shift)/den in two
// float64 and, where their sum could round either way, in integers.
func (c Converter) convertAffine(x float64) float64 {
	num, den, shift := c.affine()
	xHigh := upper(x)
	p, pRest := xHigh*num, (x-xHigh)*num
	s := p + shift
	part := s - p
	sRest := (p - (s - part)) + (shift - part) + pRest // what s lacks of the exact sum
	q := s / den
	qHigh := upper(q)
	rest := ((s - qHigh*den) - (q-qHigh)*den + sRest) * (1 / den)
	off := math.Abs(q)*offQuotient + math.Abs(rest)*offRest + offZero
	y := q + (rest - off)
	if y == q+(rest+off) {
		return y
	}
	return c.convertExact(x)
}

// upper returns x less its last 20 bits, so that its product with a whole number
// of 20 bits is exact.
func upper(x float64) float64 {
	return math.Float64frombits(math.Float64bits(x) &^ (1<<20 - 1))
}

// convertExact is Convert in integers.
func (c Converter) convertExact(x float64) float64 {
	m, exp := decompose(x)
	from, to := c.plan.units()
	switch {
	case math.IsInf(x, 0) || math.IsNaN(x):
		return x
	case c.plan.is(affine):
		num, den, shift := c.affine()
		sum := scaled{wide{m}.times(uint64(num)), exp, x < 0}.plus(scaled{wide{magnitude(int64(shift))}, 0, shift < 0})
		return sum.over(wide{uint64(den)})
	case x == 0:
		return x
	case c.num != 0:
		return mulDiv(x, c.num, c.den)
	}
	num, den := ratioOf(from, to)
	return scaled{num.times(m), exp, x < 0}.over(den)
}

// Ratio returns the exact ratio the converter applies, in lowest terms: 1/1000
// from watt to kilowatt, 1/1 for the identity. It is 0/0 where a ratio is not all
// there is to it, between temperatures whose zeros differ, and where no ratio of
// uint64 exists: between degree and radian, and for a few units far apart, such as
// electronvolt and joule. Those convert all the same.
func (c Converter) Ratio() (num, den uint64) {
	switch {
	case c.plan == identity:
		return 1, 1
	case c.plan.is(affine):
		return 0, 0
	}
	return c.num, c.den
}

// Inverse returns the converter back, from the target unit to the source.
func (c Converter) Inverse() Converter {
	switch c.plan {
	case identity:
		return c
	case multiply:
		return Converter{plan: divide, num: 1, den: c.num, factor: c.factor}
	case divide:
		return Converter{plan: multiply, num: c.den, den: 1, factor: c.factor}
	}
	from, to := c.plan.units()
	return newConverter(to, from)
}

// Rat returns x in the target unit exactly, in a new Rat, for audits and tests.
// It returns nil where the result is irrational, between degree and radian.
func (c Converter) Rat(x *big.Rat) *big.Rat {
	y := new(big.Rat).Set(x)
	switch {
	case c.plan == identity:
		return y
	case c.plan.is(affine):
		num, den, shift := c.affine()
		y.Mul(y, big.NewRat(int64(num), int64(den)))
		return y.Add(y, big.NewRat(int64(shift), int64(den)))
	case c.num != 0:
		return y.Mul(y, new(big.Rat).SetFrac(wide{c.num}.big(), wide{c.den}.big()))
	}
	from, to := c.plan.units()
	if timesPi(from) != timesPi(to) {
		return nil
	}
	num, den := ratioOf(from, to)
	return y.Mul(y, new(big.Rat).SetFrac(num.big(), den.big()))
}

// ConvertInt converts in integers, for counters that must not lose a unit: the
// exact result is whole + rest/den, where num/den is the [Converter.Ratio], so
// that x·num = whole·den + rest. Whole is cut towards zero and rest has the sign
// of x; the conversion is exact when rest is 0.
//
// It reports false, with zeros, where whole or rest does not fit int64, between
// temperatures, and where there is no Ratio.
func (c Converter) ConvertInt(x int64) (whole, rest int64, ok bool) {
	q, r, ok := c.ConvertUint(magnitude(x))
	limit := uint64(math.MaxInt64)
	if x < 0 {
		limit++ // math.MinInt64 fits
	}
	if !ok || q > limit || r > limit {
		return 0, 0, false
	}
	whole, rest = int64(q), int64(r)
	if x < 0 {
		whole, rest = -whole, -rest
	}
	return whole, rest, true
}

// ConvertUint is [Converter.ConvertInt] for unsigned counters.
func (c Converter) ConvertUint(x uint64) (whole, rest uint64, ok bool) {
	switch {
	case c.plan == identity:
		return x, 0, true
	case c.den == 0 || c.plan.is(affine):
		return 0, 0, false
	}
	high, low := bits.Mul64(x, c.num)
	if high >= c.den {
		return 0, 0, false
	}
	whole, rest = bits.Div64(high, low, c.den)
	return whole, rest, true
}
