package units_test

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

func parse(t testing.TB, symbol string) units.Unit {
	t.Helper()
	u, err := units.Parse(symbol)
	require.NoError(t, err)
	return u
}

func between(t testing.TB, from, to units.Unit) units.Converter {
	t.Helper()
	c, err := units.Between(from, to)
	require.NoError(t, err)
	return c
}

// assertSame compares bit for bit, with every NaN the same.
func assertSame(t testing.TB, want, got float64, msg ...any) {
	t.Helper()
	if math.IsNaN(want) && math.IsNaN(got) {
		return
	}
	if math.Float64bits(want) != math.Float64bits(got) {
		assert.Fail(t, "want "+strconv.FormatFloat(want, 'g', -1, 64)+", got "+strconv.FormatFloat(got, 'g', -1, 64), msg...)
	}
}

// twin is the slow conversion that is right by construction: rational
// arithmetic from definitions, rounded once. Infinities, NaN and zeros are as IEEE
// 754 has them.
func twin(size map[units.Unit]*big.Rat, from, to units.Unit, x float64) float64 {
	signed := zeros(from).Cmp(zeros(to)) == 0
	if math.IsInf(x, 0) || math.IsNaN(x) || x == 0 && signed {
		return x
	}
	y, _ := exactly(size, from, to, new(big.Rat).SetFloat64(x)).Float64()
	if y == 0 && signed {
		return math.Copysign(0, x)
	}
	return y
}

// awkward are values at which rounding, range or sign go wrong first.
var awkward = []float64{
	0, math.Copysign(0, -1), 1, -1, 0.1, -0.3, 3, 7, 1.0 / 3, 230.2, 1<<53 - 1, 1 << 53, 1e15 + 0.3, -9007199254740993,
	math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 3 * math.SmallestNonzeroFloat64, 0x1p-1022, 0x1.fffffffffffffp-1023,
	0x1.8p-1040, 1e-300, 1e300, math.MaxFloat64, -math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN(),
}

// values returns the awkward ones and n random ones over the whole range.
func values(n int) []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	all := append([]float64(nil), awkward...)
	for range n {
		all = append(all, math.Float64frombits(r.Uint64()), r.NormFloat64()*1000, float64(r.IntN(1<<20))/1000)
	}
	return all
}

func ratio(num, den uint64) *big.Rat {
	return new(big.Rat).SetFrac(new(big.Int).SetUint64(num), new(big.Int).SetUint64(den))
}

// TestEveryPair covers the full matrix: within a kind the converter equals its
// slow twin bit for bit and its inverse is the converter back, across kinds there
// is none.
func TestEveryPair(t *testing.T) {
	size := sizes(t)
	xs := values(10)
	for from := range units.All() {
		for to := range units.All() {
			c, err := units.Between(from, to)
			if from.Kind() != to.Kind() {
				require.Equal(t, &units.KindError{From: from, To: to}, err)
				require.Zero(t, c)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, between(t, to, from), c.Inverse())
			num, den := c.Ratio()
			require.Equal(t, num == 0, den == 0)
			require.False(t, num != 0 && zeros(from).Cmp(zeros(to)) != 0, "%v to %v is no ratio", from, to)
			if num != 0 {
				require.Zero(t, ratio(num, den).Cmp(new(big.Rat).Quo(size[from], size[to])), "%v to %v", from, to)
			}
			if from == to {
				require.Zero(t, c)
				continue
			}
			for _, x := range xs {
				assertSame(t, twin(size, from, to, x), c.Convert(x), "%v %v to %v", x, from, to)
			}
		}
	}
}

func TestConvertIsTheTwin(t *testing.T) {
	size := sizes(t)
	xs := values(1500)
	for _, c := range [][2]units.Unit{
		{units.Megajoule, units.KilowattHour}, {units.Psi, units.InchOfMercury}, {units.MechanicalHorsepower, units.Terawatt},
		{units.Electronvolt, units.TerawattHour}, {units.TerawattHour, units.Electronvolt},
		{units.Degree, units.Radian}, {units.Radian, units.Degree}, {units.DegreePerSecond, units.RadianPerSecond},
		{units.DegreeFahrenheit, units.DegreeCelsius}, {units.DegreeCelsius, units.DegreeFahrenheit}, {units.Kelvin, units.DegreeFahrenheit},
		{units.DegreeCelsius, units.Kelvin}, {units.DegreeRankine, units.DegreeCelsius},
	} {
		convert := between(t, c[0], c[1])
		for _, x := range xs {
			assertSame(t, twin(size, c[0], c[1], x), convert.Convert(x), "%v %v to %v", x, c[0], c[1])
		}
	}
}

func TestConvertKeepsTheOrder(t *testing.T) {
	xs := values(500)
	xs = slices.DeleteFunc(xs, math.IsNaN)
	slices.Sort(xs)
	for name, c := range converters(t) {
		for i := range len(xs) - 1 {
			require.LessOrEqual(t, c.Convert(xs[i]), c.Convert(xs[i+1]), "%s of %v and %v", name, xs[i], xs[i+1])
		}
	}
}

// Results that end exactly between two float64 are the ones a margin cannot decide.
func TestConvertTiesGoToEven(t *testing.T) {
	size := sizes(t)
	n := 0
	for _, c := range [][2]units.Unit{
		{units.Megajoule, units.KilowattHour}, {units.KilowattHour, units.Megajoule}, {units.Kilobyte, units.Kibibyte},
		{units.DegreeFahrenheit, units.DegreeCelsius}, {units.DegreeCelsius, units.DegreeFahrenheit}, {units.Kelvin, units.DegreeFahrenheit},
	} {
		convert := between(t, c[0], c[1])
		for k := range int64(10_000) {
			// A value whose exact image is an odd multiple of half a unit in the last place.
			image := new(big.Rat).SetFrac64(1<<53+2*k+1, 2)
			x, isExact := exactly(size, c[1], c[0], image).Float64()
			if !isExact {
				continue
			}
			n++
			assertSame(t, twin(size, c[0], c[1], x), convert.Convert(x), "%v %v to %v", x, c[0], c[1])
		}
	}
	assert.Greater(t, n, 1000)
}

// near returns the float64 next to the one that converts to a point where rounding
// changes: half a unit in the last place above mantissa·2^exp, mantissa of 53 bits.
func near(size map[units.Unit]*big.Rat, from, to units.Unit, mantissa uint64, exp int) float64 {
	image := new(big.Float).SetPrec(54).SetUint64(mantissa<<1 | 1)
	exact, _ := image.SetMantExp(image, exp-1).Rat(nil)
	x, _ := exactly(size, to, from, exact).Float64()
	return x
}

// prepared are pairs of every way to convert.
var prepared = [][2]units.Unit{
	{units.Kilowatt, units.Watt}, {units.Watt, units.Kilowatt}, {units.Megajoule, units.KilowattHour}, {units.KilowattHour, units.Megajoule},
	{units.Kilobyte, units.Kibibyte}, {units.Psi, units.InchOfMercury}, {units.MechanicalHorsepower, units.Terawatt},
	{units.Electronvolt, units.TerawattHour}, {units.Degree, units.Radian}, {units.Radian, units.Degree},
	{units.DegreeFahrenheit, units.DegreeCelsius}, {units.DegreeCelsius, units.DegreeFahrenheit}, {units.Kelvin, units.DegreeFahrenheit},
	{units.DegreeFahrenheit, units.Kelvin}, {units.DegreeCelsius, units.Kelvin}, {units.DegreeRankine, units.DegreeCelsius},
}

// Values next to those that end between two float64 are the ones that a margin too
// small gets wrong.
func TestConvertNearWhereRoundingChanges(t *testing.T) {
	size := sizes(t)
	r := rand.New(rand.NewPCG(7, 8))
	for _, c := range prepared {
		convert := between(t, c[0], c[1])
		for range 400 {
			x := near(size, c[0], c[1], 1<<52|r.Uint64()>>12, r.IntN(80)-80)
			for _, x := range []float64{math.Nextafter(x, math.Inf(-1)), x, math.Nextafter(x, math.Inf(1)), -x} {
				assertSame(t, twin(size, c[0], c[1], x), convert.Convert(x), "%v %v to %v", x, c[0], c[1])
			}
		}
	}
}

// Where the short way ends: at small results of a ratio and large temperatures, and
// beside the ends of float64.
func TestConvertAtItsBorders(t *testing.T) {
	size := sizes(t)
	r := rand.New(rand.NewPCG(9, 10))
	for _, c := range prepared {
		convert := between(t, c[0], c[1])
		num, _ := exactly(size, c[0], c[1], big.NewRat(1, 1)).Float64()
		for _, border := range []float64{0x1p-1074, 0x1p-1022, 0x1p-969, 0x1p-501, 0x1p-500, 0x1p-19, 1, 0x1p19, 0x1p20, 0x1p33, 0x1p52, math.MaxFloat64} {
			for range 40 {
				x := border * (0.5 + r.Float64())
				for _, x := range []float64{border, x, -x, x / num, -x / num} {
					assertSame(t, twin(size, c[0], c[1], x), convert.Convert(x), "%v %v to %v", x, c[0], c[1])
				}
			}
		}
		// Of these, what the ratio has beyond 53 bits is lost, and decides.
		for exp := -1074; exp < -940; exp++ {
			for _, odd := range []float64{1, 3, 5, 7, 9} {
				x := math.Ldexp(odd, exp)
				assertSame(t, twin(size, c[0], c[1], x), convert.Convert(x), "%v %v to %v", x, c[0], c[1])
			}
		}
	}
	// The freezing and the boiling point and absolute zero, and a unit in the last place
	// beside them, where sums cancel.
	for _, c := range prepared {
		if zeros(c[0]).Cmp(zeros(c[1])) == 0 {
			continue
		}
		convert := between(t, c[0], c[1])
		for _, x := range []float64{0, 32, 212, 100, 273.15, 255.37222222222223, 459.67, 491.67, -40, -17.77777777777778, -273.15, -459.67} {
			for _, x := range []float64{math.Nextafter(x, -1e3), x, math.Nextafter(x, 1e3)} {
				assertSame(t, twin(size, c[0], c[1], x), convert.Convert(x), "%v %v to %v", x, c[0], c[1])
			}
		}
	}
}

func TestConvertAllIsConvert(t *testing.T) {
	xs := values(100)
	for name, c := range converters(t) {
		ys := make([]float64, len(xs)+1)
		ys[len(xs)] = 42
		assert.Equal(t, len(xs), c.ConvertAll(ys, xs), name)
		assert.Equal(t, 42.0, ys[len(xs)])
		for i, x := range xs {
			assertSame(t, c.Convert(x), ys[i], name)
		}
		assert.Equal(t, 3, c.ConvertAll(ys[:3], xs))
		inPlace := append([]float64(nil), xs...)
		c.ConvertAll(inPlace, inPlace)
		for i := range xs {
			assertSame(t, ys[i], inPlace[i], name)
		}
		assert.Zero(t, c.ConvertAll(nil, xs))
	}
}

func TestConvertIntLeavesNothingOut(t *testing.T) {
	xs := []int64{0, 1, -1, 17, -17, 1e6, 1<<53 + 1, 1e18, math.MaxInt64, math.MinInt64, -math.MaxInt64}
	fitted := 0
	for from := range units.All() {
		for to := range units.All() {
			if from.Kind() != to.Kind() {
				continue
			}
			c := between(t, from, to)
			num, den := c.Ratio()
			for _, x := range xs {
				whole, rest, ok := c.ConvertInt(x)
				if num == 0 {
					require.False(t, ok, "%v to %v", from, to)
				}
				quotient, remainder := new(big.Int), new(big.Int)
				if num != 0 {
					quotient.Mul(big.NewInt(x), new(big.Int).SetUint64(num))
					quotient.QuoRem(quotient, new(big.Int).SetUint64(den), remainder)
				}
				if !ok {
					require.Zero(t, whole)
					require.Zero(t, rest)
					require.True(t, num == 0 || !quotient.IsInt64() || !remainder.IsInt64(), "%d %v to %v", x, from, to)
					continue
				}
				fitted++
				require.Equal(t, quotient.String(), big.NewInt(whole).String(), "%d %v to %v", x, from, to)
				require.Equal(t, remainder.String(), big.NewInt(rest).String(), "%d %v to %v", x, from, to)
			}
		}
	}
	assert.Greater(t, fitted, 10_000)

	whole, rest, ok := between(t, units.Megajoule, units.KilowattHour).ConvertUint(math.MaxUint64)
	assert.True(t, ok)
	assert.Equal(t, uint64(math.MaxUint64/18*5+4), whole)
	assert.Equal(t, uint64(math.MaxUint64%18*5-4*18), rest)
	_, _, ok = between(t, units.Kilowatt, units.Watt).ConvertUint(math.MaxUint64 / 999)
	assert.False(t, ok)
	whole64, _, ok := between(t, units.Watt, units.Watt).ConvertInt(math.MinInt64)
	assert.True(t, ok)
	assert.Equal(t, int64(math.MinInt64), whole64)
	whole64, _, ok = between(t, units.Byte, units.Bit).ConvertInt(math.MinInt64 / 8)
	assert.True(t, ok)
	assert.Equal(t, int64(math.MinInt64), whole64)
	_, _, ok = between(t, units.Byte, units.Bit).ConvertInt(-(math.MinInt64 / 8))
	assert.False(t, ok)
}

func TestRatIsExact(t *testing.T) {
	size := sizes(t)
	x := big.NewRat(-12345, 67)
	for from := range units.All() {
		for to := range units.All() {
			if from.Kind() != to.Kind() {
				continue
			}
			y := between(t, from, to).Rat(x)
			if y == nil {
				assert.Contains(t, []units.Kind{units.Angle, units.AngularVelocity}, from.Kind())
				continue
			}
			assert.Zero(t, exactly(size, from, to, x).Cmp(y), "%v to %v", from, to)
		}
	}
	assert.Equal(t, "-12345/67", x.String(), "unchanged")
}

func TestDegreeAndRadian(t *testing.T) {
	assertSame(t, math.Pi, between(t, units.Degree, units.Radian).Convert(180))
	assertSame(t, 180, between(t, units.Radian, units.Degree).Convert(math.Pi))
	num, den := between(t, units.Degree, units.Radian).Ratio()
	assert.Zero(t, num)
	assert.Zero(t, den)
}

func TestTemperatures(t *testing.T) {
	for _, test := range []struct {
		x        float64
		from, to units.Unit
		want     float64
	}{
		{0, units.DegreeCelsius, units.Kelvin, 273.15},
		{0, units.DegreeCelsius, units.DegreeFahrenheit, 32},
		{-40, units.DegreeCelsius, units.DegreeFahrenheit, -40},
		{32, units.DegreeFahrenheit, units.DegreeCelsius, 0},
		{98.6, units.DegreeFahrenheit, units.DegreeCelsius, 37},
		{100, units.DegreeCelsius, units.DegreeFahrenheit, 212},
		{0, units.Kelvin, units.DegreeFahrenheit, -459.67},
		{20, units.DeltaDegreeCelsius, units.DeltaKelvin, 20},
		{18, units.DeltaDegreeFahrenheit, units.DeltaDegreeCelsius, 10},
	} {
		assertSame(t, test.want, between(t, test.from, test.to).Convert(test.x), "%v %v to %v", test.x, test.from, test.to)
	}
}

func TestIdentityTouchesNothing(t *testing.T) {
	var zero units.Converter
	signalling := math.Float64frombits(0x7ff0_0000_0000_0001)
	for _, c := range []units.Converter{zero, between(t, units.Watt, units.Watt), between(t, units.None, units.None), between(t, units.Joule, units.WattSecond), between(t, units.Degree, units.Degree)} {
		assert.Equal(t, zero, c)
		for _, x := range append(values(10), signalling) {
			assert.Equal(t, math.Float64bits(x), math.Float64bits(c.Convert(x)))
		}
		num, den := c.Ratio()
		assert.EqualValues(t, 1, num)
		assert.EqualValues(t, 1, den)
	}
}

// Units that a prefix makes of one another are of one kind.
func TestPrefixesStayInTheKind(t *testing.T) {
	assert.Equal(t, 1500.0, between(t, units.GramPerLitre, units.MilligramPerLitre).Convert(1.5))
	assert.Equal(t, 0.0015, between(t, units.GramPerCubicMetre, units.KilogramPerCubicMetre).Convert(1.5))
	for u := range units.All() {
		for _, prefix := range []string{"n", "u", "m", "c", "h", "k", "M", "G", "T"} {
			v, err := units.Parse(prefix + u.Symbol())
			if err == nil && u.Dimension() == v.Dimension() {
				assert.Equal(t, u.Kind(), v.Kind(), "%v and %v", u, v)
			}
		}
	}
}

func TestKindErrorSaysWhy(t *testing.T) {
	for _, test := range []struct {
		from, to units.Unit
		want     string
	}{
		{units.Watt, units.Var, "units: cannot convert W to var: active power and reactive power share a dimension but not a kind, and neither can be had from the other alone"},
		{units.KilowattHour, units.KilovarHour, "units: cannot convert kWh to kvarh: active energy and reactive energy share a dimension but not a kind, and neither can be had from the other alone"},
		{units.KilowattHour, units.Kilowatt, "units: cannot convert kWh to kW: active power and active energy differ by time: energy is power integrated over it"},
		{units.PowerFactorOne, units.Percent, "units: cannot convert PF to %: power factor and ratio are different kinds: a power factor carries a sign convention and is never a plain number"},
		{units.Volt, units.Ampere, "units: cannot convert V to A: voltage and current are different kinds"},
		{units.DegreeCelsius, units.DeltaKelvin, "units: cannot convert degC to delta_K: temperature and temperature difference are different kinds: a difference of 20 °C is one of 20 K, while a temperature of 20 °C is 293.15 K"},
		{units.NewtonMetre, units.NormalCubicMetre, "units: cannot convert N.m to Nm3: torque and normal volume are different kinds: N.m is the newton metre, the N of Nm3 is for normal conditions"},
		{units.NewtonMetre, units.Joule, "units: cannot convert N.m to J: torque and active energy share a dimension but not a kind: a torque does no work until it turns"},
		{units.CubicMetre, units.NormalCubicMetre, "units: cannot convert m3 to Nm3: volume and normal volume are different kinds: between them lie the pressure and the temperature of the gas"},
		{units.BarGauge, units.Bar, "units: cannot convert barg to bar: gauge pressure and pressure are different kinds: what a pressure is relative to is known to the plant, not to the unit"},
		{units.RevolutionPerMinute, units.RadianPerSecond, "units: cannot convert rpm to rad/s: rotational frequency and angular velocity are different kinds: one revolution is one cycle and 2π radians, and an event need not be periodic"},
		{units.CubicMetre, units.CubicMetrePerHour, "units: cannot convert m3 to m3/h: volume flow and volume differ by time: the second is the first integrated over it"},
		{units.AmpereHour, units.Ampere, "units: cannot convert Ah to A: current and charge differ by time: the second is the first integrated over it"},
		{units.DecibelMilliwatt, units.Milliwatt, "units: cannot convert dBm to mW: power level and active power are different kinds: a level is a logarithm, to which no ratio leads"},
		{units.Percent, units.PercentRelativeHumidity, "units: cannot convert % to %RH: ratio and relative humidity are different kinds: a percentage is always one of something"},
		{units.Gray, units.Sievert, "units: cannot convert Gy to Sv: absorbed dose and dose equivalent share a dimension but not a kind"},
		{units.None, units.Watt, "units: cannot convert none to W: an unknown unit converts only to itself"},
		{units.Watt, units.None, "units: cannot convert W to none: an unknown unit converts only to itself"},
		{60000, 60000, "units: cannot convert Unit(60000) to Unit(60000): Unit(60000) is not a unit of this package"},
	} {
		c, err := units.Between(test.from, test.to)
		assert.EqualError(t, err, test.want)
		assert.Zero(t, c)
		var kindError *units.KindError
		assert.True(t, errors.As(err, &kindError))
	}
}

func TestConvertAllocsNothing(t *testing.T) {
	for _, c := range converters(t) {
		x := 230.2
		assert.Zero(t, testing.AllocsPerRun(100, func() { sink = c.Convert(x) }))
		for _, x := range awkward {
			assert.Zero(t, testing.AllocsPerRun(10, func() { sink = c.Convert(x) }), "%v", x)
		}
		xs := []float64{1, 2, 3}
		assert.Zero(t, testing.AllocsPerRun(100, func() { c.ConvertAll(xs, xs) }))
		assert.Zero(t, testing.AllocsPerRun(100, func() { sink += c.Inverse().Convert(x) }))
	}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := units.Between(units.KilowattHour, units.Megajoule); err != nil {
			t.Error(err)
		}
	}))
}

var sink float64

func converters(t testing.TB) map[string]units.Converter {
	return map[string]units.Converter{
		"identity":   between(t, units.Watt, units.Watt),
		"multiply":   between(t, units.Kilowatt, units.Watt),
		"divide":     between(t, units.Watt, units.Kilowatt),
		"rational":   between(t, units.Megajoule, units.KilowattHour),
		"irrational": between(t, units.Degree, units.Radian),
		"affine":     between(t, units.DegreeFahrenheit, units.DegreeCelsius),
	}
}

// FuzzConvert holds any value and any pair of units against the slow twin, and there
// and back against what two roundings may do.
func FuzzConvert(f *testing.F) {
	size := sizes(f)
	for _, x := range awkward {
		f.Add(uint16(units.Psi), uint16(3), math.Float64bits(x))
		f.Add(uint16(units.DegreeFahrenheit), uint16(1), math.Float64bits(x))
		f.Add(uint16(units.Electronvolt), uint16(7), math.Float64bits(x))
	}
	f.Fuzz(func(t *testing.T, unit, other uint16, bits uint64) {
		from := units.Unit(unit)
		to := from + units.Unit(other%16)
		x := math.Float64frombits(bits)
		c, err := units.Between(from, to)
		if err != nil {
			require.True(t, from.Kind() != to.Kind() || !from.Valid() || !to.Valid())
			return
		}
		if !from.Valid() {
			return
		}
		y := c.Convert(x)
		assertSame(t, twin(size, from, to, x), y, "%v %v to %v", x, from, to)

		// The way back is the twin's too: within half a unit in the last place of the
		// exact image of y.
		back := c.Inverse().Convert(y)
		assertSame(t, twin(size, to, from, y), back, "%v %v to %v", y, to, from)
	})
}

// FuzzConvertNearWhereRoundingChanges is FuzzConvert for values that end next to
// half a unit in the last place, to which random ones seldom come.
func FuzzConvertNearWhereRoundingChanges(f *testing.F) {
	size := sizes(f)
	for i := range prepared {
		f.Add(uint8(i), uint64(0), int16(-44), int8(0))
		f.Add(uint8(i), uint64(1<<52-1), int16(-600), int8(1))
	}
	f.Fuzz(func(t *testing.T, pair uint8, mantissa uint64, exp int16, steps int8) {
		c := prepared[int(pair)%len(prepared)]
		x := near(size, c[0], c[1], mantissa>>12|1<<52, int(exp)%1100)
		if math.IsInf(x, 0) {
			return
		}
		x = math.Float64frombits(math.Float64bits(x) + uint64(steps))
		assertSame(t, twin(size, c[0], c[1], x), between(t, c[0], c[1]).Convert(x), "%v %v to %v", x, c[0], c[1])
	})
}

// BenchmarkConvert converts 4096 different values and sums them.
func BenchmarkConvert(b *testing.B) {
	xs := make([]float64, 4096)
	for i := range xs {
		xs[i] = 0.1 + float64(i)*1.37
	}
	ys := make([]float64, len(xs))
	each := func(b *testing.B, convert func()) {
		b.ReportAllocs()
		for b.Loop() {
			convert()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(xs)), "ns/value")
	}
	for name, c := range converters(b) {
		b.Run(name, func(b *testing.B) {
			each(b, func() {
				sum := 0.0
				for _, x := range xs {
					sum += c.Convert(x)
				}
				sink = sum
			})
		})
		b.Run(name+"/stored", func(b *testing.B) {
			each(b, func() {
				for i, x := range xs {
					ys[i] = c.Convert(x)
				}
			})
		})
		b.Run(name+"/all", func(b *testing.B) { each(b, func() { c.ConvertAll(ys, xs) }) })
	}
}

func BenchmarkBetween(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := units.Between(units.Megajoule, units.KilowattHour); err != nil {
			b.Fatal(err)
		}
	}
}
