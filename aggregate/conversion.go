package aggregate

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// Quanta in the units that energy is thought of in. One quantum is half a
// microwatt nanosecond, 0.5 fJ.
const (
	microwattsPerWatt   = 1e6
	quantaPerWattSecond = 2e15
	quantaPerWattHour   = 3600 * quantaPerWattSecond
)

// Magnitudes that are accepted. Within maxPower no integral over the range of
// an Instant leaves 128 bits; maxReading is 185,000 TWh.
const (
	maxPower       = 1 << 62 // µW, 4.6 TW
	maxReadingBits = 120     // quanta
)

// conversion takes a reading to an integer: x * mul * more * 2^shift, rounded once,
// to nearest, ties to even. mul and more are odd. Whole numbers in any unit are
// exact.
type conversion struct {
	mul    uint64
	more   uint64 // of a coarse unit; 0 = 1
	parts  uint64 // the integer counts so many parts of a quantum; 0 = 1
	shift  int
	factor float64 // the same as a float64, NaN if none is exact
}

// newConversion prepares readings in unit for counting in parts of base, each
// of which has perBase (below 2^63) parts.
func newConversion(unit, base units.Unit, perBase uint64) (conversion, error) {
	converter, err := units.Between(unit, base)
	if err != nil {
		return conversion{}, err
	}
	num, den := converter.Ratio()
	shared := gcd(perBase, den)
	perBase, den = perBase/shared, den/shared
	if den != 1 {
		return conversion{}, fmt.Errorf("%v is no whole number of quanta", unit)
	}
	twos, more := bits.TrailingZeros64(num), bits.TrailingZeros64(perBase)
	hi, mul := bits.Mul64(num>>twos, perBase>>more)
	c := conversion{mul: mul, shift: twos + more, factor: math.NaN()}
	if hi != 0 {
		c.mul, c.more = num>>twos, perBase>>more
	} else if bits.Len64(mul) <= 53 {
		c.factor = math.Ldexp(float64(mul), c.shift)
	}
	return c, nil
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// magnitude returns m * 2^exp converted. It reports false beyond 2^125.
func (c *conversion) magnitude(m uint64, exp int) (int128, bool) {
	x := product(m, c.mul)
	if c.more > 1 {
		if x = x.times(c.more); x == limit(1) {
			return x, false
		}
	}
	exp += c.shift
	switch {
	case x.isZero():
		return x, true
	case x.bitLen()+exp > 125:
		return int128{}, false
	case exp >= 0:
		return x.shl(exp), true
	}
	return x.shrEven(-exp), true
}

// number converts v, and reports false for what is no finite number or too
// large.
func (c *conversion) number(v acquire.Value) (int128, bool) {
	if u, ok := v.Uint64(); ok {
		return c.magnitude(u, 0)
	}
	if i, ok := v.Int64(); ok {
		if i < 0 {
			x, ok := c.magnitude(-uint64(i), 0)
			return x.neg(), ok
		}
		return c.magnitude(uint64(i), 0)
	}
	f, ok := v.Float64()
	if !ok {
		return int128{}, false
	}
	return c.float(f)
}

func (c *conversion) float(f float64) (int128, bool) {
	const fractionBits, exponentBias = 52, 1023
	b := math.Float64bits(f)
	exp, m := int(b>>fractionBits&0x7ff), b&(1<<fractionBits-1)
	switch exp {
	case 0x7ff:
		return int128{}, false
	case 0:
		exp = 1
	default:
		m |= 1 << fractionBits
	}
	x, ok := c.magnitude(m, exp-exponentBias-fractionBits)
	if b>>63 != 0 {
		x = x.neg()
	}
	return x, ok
}

// power converts v to microwatts (or microvars), and reports false for what is
// no finite number or beyond maxPower.
func (c *conversion) power(v acquire.Value) (int64, bool) {
	x, ok := c.number(v)
	if !ok || x.abs().cmp(int128{0, maxPower}) > 0 {
		return 0, false
	}
	return int64(x.lo), true
}
