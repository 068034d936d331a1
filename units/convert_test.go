package units_test

import (
	"encoding/csv"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

// readTable returns the rows of a CSV file below testdata, header dropped.
func readTable(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment = '#'
	rows, err := r.ReadAll()
	require.NoError(t, err)
	require.NotEmpty(t, rows)
	return rows[1:]
}

func parse(t *testing.T, symbol string) units.Unit {
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
func assertSame(t *testing.T, want, got float64, msg ...any) {
	t.Helper()
	if math.IsNaN(want) && math.IsNaN(got) {
		return
	}
	if math.Float64bits(want) != math.Float64bits(got) {
		assert.Fail(t, "want "+strconv.FormatFloat(want, 'g', -1, 64)+", got "+strconv.FormatFloat(got, 'g', -1, 64), msg...)
	}
}

// twin is the slow conversion that is right by construction: rational
// arithmetic, rounded once. Infinities, NaN and zeros are as IEEE 754 has them.
func twin(x float64, ratio *big.Rat) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x * float64(ratio.Sign())
	}
	exact := new(big.Rat).SetFloat64(x)
	y, _ := exact.Mul(exact, ratio).Float64()
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

func TestRatiosMatchDefinitions(t *testing.T) {
	rows := readTable(t, "exact_factors.csv")
	require.Len(t, rows, 46)
	for _, row := range rows {
		u := parse(t, row[0])
		kind := strings.ReplaceAll(row[1], "_", " ")
		if kind == "time" {
			kind = "duration"
		}
		assert.Equal(t, kind, u.Kind().String(), row[0])
		num, den := u.Ratio()
		assert.Equal(t, row[2], strconv.FormatUint(num, 10), row[0])
		assert.Equal(t, row[3], strconv.FormatUint(den, 10), row[0])
	}
}

// The units that exact_factors.csv does not hold.
func TestRatiosOfTheRest(t *testing.T) {
	for _, row := range []struct {
		unit     units.Unit
		kind     units.Kind
		num, den uint64
	}{
		{units.Gigavar, units.ReactivePower, 1e9, 1},
		{units.Gigavoltampere, units.ApparentPower, 1e9, 1},
		{units.GigavarHour, units.ReactiveEnergy, 3600e9, 1},
		{units.MegavoltampereHour, units.ApparentEnergy, 3600e6, 1},
		{units.GigavoltampereHour, units.ApparentEnergy, 3600e9, 1},
		{units.Kilohertz, units.Frequency, 1000, 1},
		{units.PowerFactorOne, units.PowerFactor, 1, 1},
		{units.PowerFactorPercent, units.PowerFactor, 1, 100},
		{units.Radian, units.Angle, 1, 1},
		{units.Degree, units.Angle, 0, 0},
		{units.Nanosecond, units.Duration, 1, 1e9},
		{units.Microsecond, units.Duration, 1, 1e6},
		{units.Each, units.Count, 1, 1},
	} {
		num, den := row.unit.Ratio()
		assert.Equal(t, row.kind, row.unit.Kind(), "%v", row.unit)
		assert.Equal(t, row.num, num, "%v", row.unit)
		assert.Equal(t, row.den, den, "%v", row.unit)
	}
}

func TestConversionCases(t *testing.T) {
	rows := readTable(t, "conversion_cases.csv")
	require.Len(t, rows, 1926)
	for _, row := range rows {
		x, err := strconv.ParseFloat(row[0], 64)
		require.NoError(t, err)
		nearest, err := strconv.ParseFloat(row[4], 64)
		require.NoError(t, err)
		c := between(t, parse(t, row[1]), parse(t, row[2]))
		assertSame(t, nearest, c.Convert(x), "%v", row)

		// The ratio itself gives the exact result from the exact decimal.
		num, den := c.Ratio()
		value, ok := new(big.Rat).SetString(row[0])
		require.True(t, ok)
		exact, ok := new(big.Rat).SetString(row[3])
		require.True(t, ok)
		assert.Zero(t, exact.Cmp(value.Mul(value, ratio(num, den))), "%v", row)
		if row[5] == "1" {
			assert.True(t, num == 1 || den == 1, "%v", row)
		}
	}
}

func ratio(num, den uint64) *big.Rat {
	return new(big.Rat).SetFrac(new(big.Int).SetUint64(num), new(big.Int).SetUint64(den))
}

// TestEveryPair covers the full matrix: within a kind the converter equals its
// slow twin bit for bit, across kinds there is none.
func TestEveryPair(t *testing.T) {
	xs := values(20)
	for from := range units.All() {
		for to := range units.All() {
			c, err := units.Between(from, to)
			if from.Kind() != to.Kind() {
				var kindError *units.KindError
				require.ErrorAs(t, err, &kindError, "%v to %v", from, to)
				require.Equal(t, units.KindError{From: from, To: to}, *kindError)
				require.Zero(t, c)
				continue
			}
			if errors.Is(err, units.ErrRange) {
				continue
			}
			require.NoError(t, err)
			num, den := c.Ratio()
			if num == 0 {
				continue
			}
			fromNum, fromDen := from.Ratio()
			toNum, toDen := to.Ratio()
			exact := ratio(num, den)
			if from == to {
				require.Zero(t, c)
			} else {
				require.Zero(t, exact.Cmp(new(big.Rat).Quo(ratio(fromNum, fromDen), ratio(toNum, toDen))), "%v to %v", from, to)
			}
			for _, x := range xs {
				assertSame(t, twin(x, exact), c.Convert(x), "%v %v to %v", x, from, to)
			}
		}
	}
}

func TestDegreeAndRadian(t *testing.T) {
	pi, ok := new(big.Rat).SetString("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")
	require.True(t, ok)
	toRadian := new(big.Rat).Mul(pi, big.NewRat(1, 180))
	toDegree := new(big.Rat).Inv(toRadian)
	for _, test := range []struct {
		from, to units.Unit
		ratio    *big.Rat
	}{{units.Degree, units.Radian, toRadian}, {units.Radian, units.Degree, toDegree}} {
		c := between(t, test.from, test.to)
		num, den := c.Ratio()
		assert.Zero(t, num)
		assert.Zero(t, den)
		for _, x := range values(2000) {
			got := c.Convert(x)
			if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) || math.IsInf(got, 0) {
				assertSame(t, twin(x, test.ratio), got, "%v", x)
				continue
			}
			if math.Abs(x) < 1e-290 {
				continue // the low part of the product is lost there
			}
			exact := new(big.Rat).SetFloat64(x)
			exact.Mul(exact, test.ratio)
			diff := new(big.Rat).SetFloat64(got)
			diff.Sub(diff, exact)
			ulp := new(big.Rat).SetFloat64(math.Nextafter(math.Abs(got), math.Inf(1)) - math.Abs(got))
			off, _ := diff.Quo(diff, ulp).Float64()
			assert.LessOrEqual(t, math.Abs(off), 0.51, "%v", x)
		}
	}
	assertSame(t, math.Pi, between(t, units.Degree, units.Radian).Convert(180))
	assertSame(t, 180, between(t, units.Radian, units.Degree).Convert(math.Pi))
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

func TestKindErrorSaysWhy(t *testing.T) {
	for _, test := range []struct {
		from, to units.Unit
		want     string
	}{
		{units.Watt, units.Var, "units: cannot convert W to var: active power and reactive power share a dimension but not a kind, and neither can be had from the other alone"},
		{units.KilowattHour, units.KilovarHour, "units: cannot convert kWh to kvarh: active energy and reactive energy share a dimension but not a kind, and neither can be had from the other alone"},
		{units.KilowattHour, units.Kilowatt, "units: cannot convert kWh to kW: active energy and active power differ by time: energy is power integrated over it"},
		{units.PowerFactorOne, units.Percent, "units: cannot convert PF to %: power factor and ratio are different kinds: a power factor carries a sign convention and is never a plain number"},
		{units.Volt, units.Ampere, "units: cannot convert V to A: voltage and current are different kinds"},
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

func TestConvertAllocatesNothing(t *testing.T) {
	for _, c := range converters(t) {
		x := 230.2
		assert.Zero(t, testing.AllocsPerRun(100, func() { sink = c.Convert(x) }))
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
	}
}

func BenchmarkConvert(b *testing.B) {
	for name, c := range converters(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			x := 230.2
			for b.Loop() {
				sink = c.Convert(x)
			}
		})
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
