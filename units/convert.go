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
	plan plan

	// high is the factor of multiply, the divisor of divide, and otherwise the first 53
	// bits of the ratio of the units, of which low is what is left, as split says.
	high, low float64

	// last is the denominator of the ratio in lowest terms, of which high gives the
	// numerator, or the two units marked with twoUnits. An affine plan has a part of
	// the zero there, as bits of a float64.
	last uint64
}

// plan says how to convert. A value above byRatio is an affine one, between scales
// of temperature: a part of the zero as bits of a float64, whose last 24 bits are
// the two units instead.
type plan uint64

const (
	identity plan = iota
	multiply      // by a whole number
	divide        // by a whole number
	byRatio
)

const (
	// maxTerm is below what a numerator and a denominator are had from high and last:
	// high·last is then off from the numerator by less than a half.
	maxTerm = 1 << 50

	twoUnits  = 1 << 63
	unitBits  = 12
	unitMask  = 1<<unitBits - 1
	unitsMask = 1<<(2*unitBits) - 1
)

const _ uint = unitMask - uint(unitEnd)

// packed returns two units in unitsMask.
func packed(from, to Unit) uint64 { return uint64(from)<<unitBits | uint64(to) }

// newConverter returns the converter between two units of one kind.
func newConverter(from, to Unit) Converter {
	if hasZero(from) || hasZero(to) {
		return newAffine(from, to)
	}
	if num, den, ok := lowestTerms(from, to); ok {
		if num < maxTerm && den < maxTerm || den == 1 && exact(num) || num == 1 && exact(den) {
			return newRatio(num, den)
		}
	}
	c := Converter{plan: byRatio, last: twoUnits | packed(from, to)}
	c.high, c.low = split(ratioOf(from, to))
	return c
}

// newRatio returns the converter that multiplies by num/den, in lowest terms, which
// are below maxTerm or 1 and a float64.
func newRatio(num, den uint64) Converter {
	switch {
	case num == den:
		return Converter{}
	case den == 1:
		return Converter{plan: multiply, high: float64(num), last: den}
	case num == 1:
		return Converter{plan: divide, high: float64(den), last: den}
	}
	c := Converter{plan: byRatio, last: den}
	c.high, c.low = split64(num, den)
	return c
}

// newAffine returns the converter between two scales of temperature of which at
// least one does not count from absolute zero. The zero of y = x·ratio + zero is a
// multiple of 2^-19 below 2^9, which leaves room for the units in the plan, and a
// rest below 2^-19.
func newAffine(from, to Unit) Converter {
	const unit = 0x1p-19
	num, den, shift := affineTerms(from, to)
	scaled := shift * (1 / unit)
	rest := float64(scaled%den) / float64(den) * unit
	c := Converter{
		plan: plan(math.Float64bits(float64(scaled/den)*unit) | packed(from, to)),
		last: math.Float64bits(rest + doubt),
	}
	c.high, c.low = split64(uint64(num), uint64(den))
	return c
}

// affineTerms returns the terms of y = (x·num + shift)/den between two scales of
// temperature: y = x·r + (zf·r - zt), where r is the ratio of the degrees and zf, zt
// are the zeros.
func affineTerms(from, to Unit) (num, den, shift int64) {
	f, t := table[from], table[to]
	rNum, rDen := int64(f.num*t.den), int64(f.den*t.num)
	zf, zfDen := zeroPoint(from)
	zt, ztDen := zeroPoint(to)
	num = rNum * zfDen * ztDen
	shift = zf*rNum*ztDen - zt*rDen*zfDen
	den = rDen * zfDen * ztDen
	g := int64(gcd(gcd(uint64(num), magnitude(shift)), uint64(den)))
	return num / g, den / g, shift / g
}

// A ratio q·2^exp has its first 53 bits in q less cut.
const cut = 1<<11 - 1

// shortfall makes the second part of a ratio 2^-50 to 2^-49 less than it is, whatever
// the roundings that made it.
const shortfall = 1 - 0x1.8p-50

// split returns num/den as the sum of high, its first 53 bits, and low, what is
// left less 2^-50 to 2^-49 of it.
func split(num, den wide) (high, low float64) {
	q, exp, isExact := quotient(num, den)
	low = float64(q & cut)
	if !isExact {
		if exp < 0 {
			num = num.shifted(-exp)
		} else {
			den = den.shifted(exp)
		}
		next, nextExp, _ := quotient(num.minus(den.times(q)), den)
		low += math.Ldexp(float64(next), nextExp)
	}
	return math.Ldexp(float64(q&^cut), exp), math.Ldexp(low*shortfall, exp)
}

// split64 is split of numbers below maxTerm.
func split64(num, den uint64) (high, low float64) {
	n, d := bits.LeadingZeros64(num), bits.LeadingZeros64(den)
	num, den = num<<n, den<<d
	exp := d - n - 64
	var below uint64
	if num >= den {
		num, below, exp = num>>1, num<<63, exp+1
	}
	q, rest := bits.Div64(num, below, den)
	low = float64(q&cut) + float64(rest)/float64(den)
	unit := math.Float64frombits(uint64(exp+1023) << 52)
	return float64(q&^cut) * unit, low * shortfall * unit
}

// lowestTerms returns the ratio of two units in lowest terms, and whether uint64
// can hold it.
func lowestTerms(from, to Unit) (num, den uint64, ok bool) {
	if timesPi(from) != timesPi(to) || nano(from) != nano(to) {
		return 0, 0, false
	}
	f, t := table[from], table[to]
	return product(f.num, f.den, t.den, t.num)
}

// units returns the units of a converter that has them: an affine one, or one
// marked with twoUnits.
func (c Converter) units() (from, to Unit) {
	both := c.last
	if c.plan > byRatio {
		both = uint64(c.plan)
	}
	return Unit(both >> unitBits & unitMask), Unit(both & unitMask)
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
// allocates nothing and is inlined. It costs one multiply or one divide when the
// ratio of the units is a whole number or one over a whole number, and a few of
// them otherwise.
func (c Converter) Convert(x float64) float64 {
	if c.plan >= byRatio {
		return thenRest(Converter.convertRest, c, x)
	}
	switch c.plan {
	case multiply:
		return x * c.high
	case divide:
		return x / c.high
	}
	return x
}

// convertRest is Convert by more than one operation.
func (c Converter) convertRest(x float64) float64 {
	if c.plan == byRatio {
		return thenOne(Converter.convertRatio, c, x)
	}
	return thenOne(Converter.convertAffine, c, x)
}

// doubt is half the width of the interval that sum looks at.
const doubt = 0x1p-69

// convertRatio is Convert by a ratio. With r the exact one, high + low and
// high + low·wider enclose it: low is short of r - high by 2^-50 of that at least,
// the second product exceeds it by 2^-49 at least, and their roundings are 2^-53
// each. So do the exact sums of which y and its like are the roundings enclose x·r.
// Rounding keeps order: where both ends round alike, so does x·r, to a subnormal
// number and to an infinity too.
//
// That needs products with low that are not subnormal. Low is above 2^-300 of high,
// and tiny leaves x·high above 2^-501. It also leaves out zeros. What is exactly
// between two float64, and NaN, have ends that differ.
func (c Converter) convertRatio(x float64) (y float64) {
	const wider, tiny = 1 + 0x1p-48, 0x1p-1000
	if fused {
		t := x * c.low
		y = math.FMA(x, c.high, t)
		if y == math.FMA(x, c.high, t*wider) && y*y > tiny {
			return
		}
	}
	return thenExact(Converter.convertExact, c, x)
}

// convertAffine is Convert between temperatures: high·x + zero as the sum of h and l,
// where high and zero come in two parts each.
//
// As zero is a multiple of 2^-19 and below 2^9, zero-h is exact while |x| is below
// 2^20. Where zero is the larger part of h, that is Dekker's. Else it is a multiple
// of the last place of both p = x·high, rounded, and h; so h is p + zero exactly
// where that is smaller than p, and where it is larger, h - zero, which is no
// larger than h, is a float64.
//
// Then l lacks its roundings: 2^-84 of each product, 2^-72 each of the sum with the
// rest of the zero, of l itself, of the difference in sum, and of the rest of the
// zero, and what low is short of, which is below 2^-80. Together that is less than
// doubt, which the rest of the zero has added to it: the exact result lies between
// h+l and h+(l-2·doubt).
func (c Converter) convertAffine(x float64) float64 {
	zero := math.Float64frombits(uint64(c.plan &^ unitsMask))
	h := float64(x*c.high) + zero
	return thenSum(Converter.sum, c, x, h, math.FMA(x, c.high, zero-h)+(x*c.low+math.Float64frombits(c.last)))
}

// sum returns h+l where it rounds as the other end of the interval.
func (c Converter) sum(x, h, l float64) float64 {
	y := h + l
	if fused && y == h+(l-2*doubt) && x*x < 0x1p40 {
		return y
	}
	return thenExact(Converter.convertExact, c, x)
}

// These four call convert. The compiler takes the call of a parameter for a cheap
// one when it decides what is small enough to be inlined; so all of Convert is,
// down to convertExact. A call before that would take as long as the rest, and keep
// what the caller's loop works with in memory. There is one for each depth because
// none is inlined into itself.

func thenRest(convert func(Converter, float64) float64, c Converter, x float64) float64 {
	return convert(c, x)
}

func thenOne(convert func(Converter, float64) float64, c Converter, x float64) float64 {
	return convert(c, x)
}

func thenSum(convert func(c Converter, x, h, l float64) float64, c Converter, x, h, l float64) float64 {
	return convert(c, x, h, l)
}

func thenExact(convert func(Converter, float64) float64, c Converter, x float64) float64 {
	return convert(c, x)
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
			dst[i] = x * c.high
		}
	case divide:
		for i, x := range src {
			dst[i] = x / c.high
		}
	default:
		for i, x := range src {
			dst[i] = c.convertRest(x)
		}
	}
	return n
}

// convertExact is Convert in integers.
func (c Converter) convertExact(x float64) float64 {
	isAffine := c.plan > byRatio
	if math.IsInf(x, 0) || math.IsNaN(x) || x == 0 && !isAffine {
		return x
	}
	m, exp := decompose(x)
	if isAffine {
		num, den, shift := affineTerms(c.units())
		sum := scaled{wide{m}.times(uint64(num)), exp, x < 0}.plus(scaled{wide{magnitude(shift)}, 0, shift < 0})
		return sum.over(wide{uint64(den)})
	}
	if num, den := c.Ratio(); num != 0 {
		return mulDiv(x, num, den)
	}
	num, den := ratioOf(c.units())
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
	case c.plan == multiply:
		return uint64(c.high), 1
	case c.plan == divide:
		return 1, c.last
	case c.plan > byRatio:
		return 0, 0
	case c.last < twoUnits:
		return uint64(math.Round(c.high * float64(c.last))), c.last
	}
	num, den, ok := lowestTerms(c.units())
	if !ok {
		return 0, 0
	}
	return num, den
}

// Inverse returns the converter back, from the target unit to the source.
func (c Converter) Inverse() Converter {
	if c.plan == identity {
		return c
	}
	if c.plan <= byRatio && c.last < twoUnits {
		num, den := c.Ratio()
		return newRatio(den, num)
	}
	from, to := c.units()
	return newConverter(to, from)
}

// Rat returns x in the target unit exactly, in a new Rat, for audits and tests.
// It returns nil where the result is irrational, between degree and radian.
func (c Converter) Rat(x *big.Rat) *big.Rat {
	y := new(big.Rat).Set(x)
	if c.plan > byRatio {
		num, den, shift := affineTerms(c.units())
		y.Mul(y, big.NewRat(num, den))
		return y.Add(y, big.NewRat(shift, den))
	}
	if num, den := c.Ratio(); num != 0 {
		return y.Mul(y, new(big.Rat).SetFrac(wide{num}.big(), wide{den}.big()))
	}
	from, to := c.units()
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
	num, den := c.Ratio()
	high, low := bits.Mul64(x, num)
	if high >= den {
		return 0, 0, false
	}
	whole, rest = bits.Div64(high, low, den)
	return whole, rest, true
}
