package units

import (
	"fmt"
	"math"
)

// Between prepares the conversion of values in from to values in to. Prepare
// once, at configuration, and keep the [Converter].
//
// Units of different kinds do not convert: the error is a *[KindError]. [None]
// converts only to itself. A number that is no unit converts to nothing.
func Between(from, to Unit) (Converter, error) {
	if from == to && (from == None || from.Valid()) {
		return Converter{}, nil
	}
	if !from.Valid() || !to.Valid() || from.Kind() != to.Kind() {
		return Converter{}, &KindError{From: from, To: to}
	}
	if from.Kind() == Temperature || nano(from) || nano(to) {
		return Converter{}, fmt.Errorf("units: %v to %v: %w", from, to, ErrRange)
	}
	f, t := table[from], table[to]
	num, den, ok := product(f.num, f.den, t.den, t.num)
	if !ok {
		return Converter{}, fmt.Errorf("units: %v to %v: %w", from, to, ErrRange)
	}
	switch {
	case timesPi(from) == timesPi(to):
		return rational(num, den), nil
	case timesPi(from):
		return irrational(math.Pi, piLow, num, den), nil
	default:
		return irrational(1/math.Pi, inversePiLow, num, den), nil
	}
}

// π and 1/π less their nearest float64, so that both carry 106 bits.
const (
	piLow        = 0x1.1a62633145c07p-53
	inversePiLow = -0x1.6b01ec5417056p-56
)

// Converter converts float64 values from one unit to another. Make one with
// [Between]; the zero value is the identity. It is immutable, safe for
// concurrent use, and comparable.
type Converter struct {
	op       op
	factor   float64 // opMultiply, opDivide: the integer; opIrrational: the nearest float64
	low      float64 // opIrrational: the ratio less factor
	num, den uint64  // in lowest terms; 0 for the identity and the irrational
}

type op uint8

const (
	opNone op = iota
	opMultiply
	opDivide
	opRational
	opIrrational
)

// Convert returns x in the target unit: the float64 nearest to the exact result,
// ties to even, over the whole range of float64 from subnormal numbers to
// overflow. It is one multiply or one divide when the ratio of the units is a
// whole number or one over a whole number.
//
// Between degree and radian, whose ratio is irrational, the error is below 0.51
// units in the last place for magnitudes above 1e-290.
//
// NaN and infinities pass through, zero keeps its sign, and the identity
// returns x bit for bit. Convert allocates nothing.
func (c Converter) Convert(x float64) float64 {
	switch c.op {
	case opMultiply:
		return x * c.factor
	case opDivide:
		return x / c.factor
	}
	return c.convert(x)
}

// Ratio returns the exact ratio the converter applies, in lowest terms: 1/1000
// from watt to kilowatt, 1/1 for the identity, 0/0 between degree and radian,
// whose ratio is irrational.
func (c Converter) Ratio() (num, den uint64) {
	if c.op == opNone {
		return 1, 1
	}
	return c.num, c.den
}

// rational returns the converter by num/den, which are in lowest terms.
func rational(num, den uint64) Converter {
	c := Converter{op: opRational, num: num, den: den}
	switch {
	case num == 1 && den == 1:
		return Converter{}
	case den == 1 && exact(num):
		c.op, c.factor = opMultiply, float64(num)
	case num == 1 && exact(den):
		c.op, c.factor = opDivide, float64(den)
	}
	return c
}

// irrational returns the converter by (high+low)·num/den. It carries the product
// in two float64, the second holding what the first rounds away.
func irrational(high, low float64, num, den uint64) Converter {
	n, d := float64(num), float64(den)
	p := high * n
	pLow := math.FMA(high, n, -p) + low*n
	q := p / d
	qLow := (math.FMA(-q, d, p) + pLow) / d
	return Converter{op: opIrrational, factor: q, low: qLow}
}

// convert is the rest of Convert, apart so that Convert is small enough to be
// inlined.
func (c Converter) convert(x float64) float64 {
	if c.op == opNone || x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	if c.op == opIrrational {
		return math.FMA(x, c.factor, x*c.low)
	}
	return mulDiv(x, c.num, c.den)
}

// KindError reports a conversion between units of different kinds, or with an
// operand that is no known unit.
type KindError struct {
	From Unit // unit of the values at hand
	To   Unit // unit asked for
}

// Error names both units and says why they do not convert.
func (e *KindError) Error() string {
	return fmt.Sprintf("units: cannot convert %v to %v: %s", e.From, e.To, e.reason())
}

func (e *KindError) reason() string {
	for _, u := range [...]Unit{e.From, e.To} {
		switch {
		case u == None:
			return "an unknown unit converts only to itself"
		case !u.Valid():
			return u.String() + " is not a unit of this package"
		}
	}
	from, to := e.From.Kind(), e.To.Kind()
	switch {
	case isPower(from) && isPower(to):
		return fmt.Sprintf("%v and %v share a dimension but not a kind, and neither can be had from the other alone", from, to)
	case isEnergy(from) && isEnergy(to):
		return fmt.Sprintf("%v and %v share a dimension but not a kind, and neither can be had from the other alone", from, to)
	case isPower(from) && isEnergy(to), isEnergy(from) && isPower(to):
		return fmt.Sprintf("%v and %v differ by time: energy is power integrated over it", from, to)
	case from == PowerFactor || to == PowerFactor:
		return fmt.Sprintf("%v and %v are different kinds: a power factor carries a sign convention and is never a plain number", from, to)
	}
	return fmt.Sprintf("%v and %v are different kinds", from, to)
}

func isPower(k Kind) bool {
	return k == ActivePower || k == ReactivePower || k == ApparentPower
}

func isEnergy(k Kind) bool {
	return k == ActiveEnergy || k == ReactiveEnergy || k == ApparentEnergy
}
