package units_test

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

func TestFormat(t *testing.T) {
	shortest, people := units.Format{}, units.Format{Digits: 3, Prefixes: true}
	for _, test := range []struct {
		format units.Format
		value  float64
		unit   units.Unit
		want   string
	}{
		{shortest, 1234.5, units.KilowattHour, "1234.5 kWh"},
		{shortest, 21.4, units.DegreeCelsius, "21.4 °C"},
		{shortest, 0, units.Watt, "0 W"},
		{shortest, math.Copysign(0, -1), units.Watt, "-0 W"},
		{shortest, 1e6, units.Watt, "1000000 W"},
		{shortest, 1e20, units.Watt, "100000000000000000000 W"},
		{shortest, 1e21, units.Watt, "1e+21 W"},
		{shortest, 0.000001, units.Watt, "0.000001 W"},
		{shortest, -0.00000012, units.Watt, "-1.2e-07 W"},
		{shortest, math.NaN(), units.Watt, "NaN W"},
		{people, math.Inf(-1), units.Watt, "-Inf W"},
		{shortest, 45, units.Degree, "45°"},
		{shortest, 0.5, units.One, "0.5"},
		{shortest, 5, units.Percent, "5 %"},
		{shortest, 5, units.Permille, "5 ‰"},
		{shortest, 0.5, units.None, "0.5 ?"},
		{shortest, 0.5, 60000, "0.5 Unit(60000)"},
		{people, 24310, units.Watt, "24.3 kW"},
		{people, 999.4, units.Watt, "999 W"},
		{people, 999.5, units.Watt, "1.00 kW"},
		{people, 999_999, units.Watt, "1.00 MW"},
		{people, 0.9996, units.Kilowatt, "1.00 kW"},
		{people, 0.9994, units.Kilowatt, "999 W"},
		{people, -0.00042, units.Kilowatt, "-420 mW"},
		{people, 1e-9, units.Watt, "0.00100 µW"},
		{people, 1e18, units.Watt, "1000000 TW"},
		{people, 0, units.Kilowatt, "0.00 kW"},
		{people, 3.6e6, units.Joule, "3.60 MJ"},
		{people, 123_456_789, units.WattHour, "123 MWh"},
		{people, 12345, units.DegreeCelsius, "12300 °C"},
		{people, 12345, units.Hour, "12300 h"},
		{people, 12345, units.Btu, "12300 Btu(IT)"},
		{people, 12345, units.Kilocalorie, "12.3 Mcal(IT)"},
		{people, 0.0213, units.Bar, "21.3 mbar"},
		{people, 1013, units.Hectopascal, "1010 hPa"},
		{people, 1500, units.MilliwattHour, "1.50 Wh"},
		{units.Format{Digits: 3}, 0.0012345, units.Watt, "0.00123 W"},
		{units.Format{Digits: 1}, 2.5, units.Watt, "2 W"},
		{units.Format{Digits: 99}, 0.1, units.Watt, "0.10000000000000001 W"},
		{units.Format{Digits: -1}, 0.1, units.Watt, "0.1 W"},
		{units.Format{ASCII: true}, 3.5, units.CubicMetrePerHour, "3.5 m3/h"},
		{units.Format{ASCII: true}, 3.5, units.None, "3.5"},
		{units.Format{Prefixes: true}, 24310.5, units.Watt, "24.3105 kW"},
		{units.Format{Prefixes: true}, 0.000999999, units.WattHour, "0.999999 mWh"},
		{units.Format{Prefixes: true}, 1e-7, units.WattHour, "0.0001 mWh"},
		{units.Format{Prefixes: true}, 0.0000123, units.Kilowatt, "12.3 mW"},
		{units.Format{Prefixes: true}, -5e-324, units.Watt, "-5e-318 µW"},
		{units.Format{Prefixes: true}, -1.5e300, units.Watt, "-1.5e+288 TW"},
		{units.Format{Digits: 1, Prefixes: true}, 950, units.Watt, "1 kW"},
		{units.Format{Digits: 4, Prefixes: true}, 1234.5, units.Watt, "1.234 kW"}, // a tie
		{units.Format{Digits: 4, Prefixes: true}, 1235.5, units.Watt, "1.236 kW"},
	} {
		q := units.Quantity{Value: test.value, Unit: test.unit}
		assert.Equal(t, test.want, test.format.String(q), "%v %v as %+v", test.value, test.unit, test.format)
	}
}

func TestDisplay(t *testing.T) {
	for u, want := range map[units.Unit]string{
		units.CubicMetrePerHour:             "m³/h",
		units.DegreeCelsius:                 "°C",
		units.DeltaDegreeCelsius:            "Δ°C",
		units.DeltaKelvin:                   "ΔK",
		units.DegreePerSecond:               "°/s",
		units.Microampere:                   "µA",
		units.Microsecond:                   "µs",
		units.Kiloohm:                       "kΩ",
		units.OhmPerKilometre:               "Ω/km",
		units.NewtonMetre:                   "N·m",
		units.KilovarHour:                   "kvarh",
		units.WattPerMetreKelvin:            "W/(m·K)",
		units.MicromolePerSquareMetreSecond: "µmol/(m²·s)",
		units.BtuPerHour:                    "Btu(IT)/h",
		units.GallonUS:                      "gal(US)",
		units.MillimetreOfWater:             "mmH₂O",
		units.StandardGravity:               "gₙ",
		units.Each:                          "each",
		units.MetrePerSecondSquared:         "m/s²",
		units.NormalCubicMetrePerHour:       "Nm³/h",
		units.None:                          "?",
	} {
		assert.Equal(t, want, u.Display())
	}
	seen := map[string]units.Unit{}
	for u := range units.All() {
		assert.NotContains(t, seen, u.Display(), "two units display alike")
		seen[u.Display()] = u
	}
}

// What prefixes do stays within the kind and is exact: the number that is written is
// the shortest text of the value times the ratio of the units.
func TestPrefixesKeepTheValue(t *testing.T) {
	format := units.Format{Prefixes: true, ASCII: true}
	moved := 0
	for u := range units.All() {
		for exp := -9; exp <= 12; exp++ {
			q := units.Quantity{Value: 1.25 * math.Pow10(exp), Unit: u}
			number, symbol, _ := strings.Cut(format.String(q), " ")
			unit, err := units.Parse(symbol)
			require.NoError(t, err)
			got := units.Quantity{Unit: unit}
			value, ok := new(big.Rat).SetString(strconv.FormatFloat(q.Value, 'g', -1, 64))
			require.True(t, ok)
			written, ok := new(big.Rat).SetString(number)
			require.True(t, ok)
			if want := between(t, u, unit).Rat(value); want == nil || want.Cmp(written) != 0 {
				assert.Fail(t, format.String(q), "%v", q)
			}
			if got.Unit != u {
				moved++
				num, den := between(t, got.Unit, u).Ratio()
				assert.Regexp(t, "^1(000)+$", strconv.FormatUint(max(num, den), 10), "%v to %v", u, got.Unit)
				assert.EqualValues(t, 1, min(num, den))
			}
		}
	}
	assert.Greater(t, moved, 1000)
}

func TestQuantityText(t *testing.T) {
	for u := range units.All() {
		q := units.Quantity{Value: -1.0 / 3, Unit: u}
		text, err := q.MarshalText()
		require.NoError(t, err)
		got, err := units.ParseQuantity(string(text))
		require.NoError(t, err)
		assert.Equal(t, q, got)
	}
	for text, want := range map[string]error{
		"":               strconv.ErrSyntax,
		" W":             strconv.ErrSyntax,
		"1,5 W":          strconv.ErrSyntax,
		"1_000 W":        strconv.ErrSyntax,
		"0x10 W":         strconv.ErrSyntax,
		"1e999 W":        units.ErrRange,
		"1 ":             units.ErrUnknown,
		"1  W":           units.ErrUnknown,
		"1 W ":           units.ErrUnknown,
		"1 kw":           units.ErrUnknown,
		"21 °C":          units.ErrUnknown,
		"1 Unit(1)":      units.ErrUnknown,
		"230.2\u00a0V":   strconv.ErrSyntax,
		"1 kW of energy": units.ErrUnknown,
	} {
		q, err := units.ParseQuantity(text)
		assert.ErrorIs(t, err, want, text)
		assert.Zero(t, q)
	}
	_, err := units.Quantity{Unit: 60000}.MarshalText()
	assert.ErrorIs(t, err, units.ErrUnknown)

	var v struct{ Limit units.Quantity }
	require.NoError(t, json.Unmarshal([]byte(`{"Limit":"400 kW"}`), &v))
	assert.Equal(t, units.Quantity{Value: 400, Unit: units.Kilowatt}, v.Limit)
	assert.Error(t, json.Unmarshal([]byte(`{"Limit":"400 KW"}`), &v))
	assert.Equal(t, units.Quantity{Value: 400, Unit: units.Kilowatt}, v.Limit, "unchanged")
	text, err := json.Marshal(v)
	require.NoError(t, err)
	assert.JSONEq(t, `{"Limit":"400 kW"}`, string(text))
}

func TestQuantityIn(t *testing.T) {
	q, err := units.Quantity{Value: 20, Unit: units.DegreeCelsius}.In(units.DegreeFahrenheit)
	require.NoError(t, err)
	assert.Equal(t, units.Quantity{Value: 68, Unit: units.DegreeFahrenheit}, q)
	q, err = units.Quantity{Value: 20, Unit: units.Watt}.In(units.Var)
	assert.Equal(t, &units.KindError{From: units.Watt, To: units.Var}, err)
	assert.Zero(t, q)
}

func TestNamedAmounts(t *testing.T) {
	for want, got := range map[string]interface {
		String() string
		Append([]byte) []byte
	}{
		"24.31 kW":  units.Watts(24310),
		"-1.5 kvar": units.Vars(-1500),
		"25 kVA":    units.VoltAmperes(25000),
		"230.2 V":   units.Volts(230.2),
		"16 A":      units.Amperes(16),
	} {
		assert.Equal(t, want, got.String())
		assert.Equal(t, "x"+want, string(got.Append([]byte("x"))))
	}
	assert.Equal(t, 24.31, units.Watts(24310).Kilowatts())
	assert.Equal(t, 1.5, units.Vars(1500).Kilovars())
	assert.Equal(t, 25.0, units.VoltAmperes(25000).KilovoltAmperes())
}

func TestFormatAllocsNothing(t *testing.T) {
	b := make([]byte, 0, 64)
	people := units.Format{Digits: 3, Prefixes: true}
	for _, u := range []units.Unit{units.Watt, units.MicromolePerSquareMetreSecond, units.DegreeCelsius, units.Megavar} {
		q := units.Quantity{Value: 123456.789, Unit: u}
		assert.Zero(t, testing.AllocsPerRun(100, func() { b = people.Append(b[:0], q) }))
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			var err error
			if b, err = q.AppendText(b[:0]); err != nil {
				t.Error(err)
			}
		}))
	}
	assert.Zero(t, testing.AllocsPerRun(100, func() { b = units.Watts(123456).Append(b[:0]) }))
}

func FuzzQuantity(f *testing.F) {
	for _, s := range []string{"230.2 V", "21.4 degC", "-0 W", "NaN W", "1e999 W", "+Inf %", "1", "0x1p-2 m", "1 Unit(3)"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, digits int) {
		q, err := units.ParseQuantity(s)
		if err != nil {
			require.Zero(t, q)
			return
		}
		text, err := q.MarshalText()
		require.NoError(t, err)
		again, err := units.ParseQuantity(string(text))
		require.NoError(t, err)
		assertSame(t, q.Value, again.Value)
		require.Equal(t, q.Unit, again.Unit)

		// Rounded, it is the float64 that strconv rounds to.
		if digits > 0 && digits <= 17 && q.Unit != units.None {
			rounded, err := units.ParseQuantity(units.Format{Digits: digits, ASCII: true}.String(q))
			require.NoError(t, err)
			want, err := strconv.ParseFloat(strconv.FormatFloat(q.Value, 'e', digits-1, 64), 64)
			require.NoError(t, err)
			assertSame(t, want, rounded.Value)
		}
	})
}

func BenchmarkFormat(b *testing.B) {
	people := units.Format{Digits: 4, Prefixes: true}
	q := units.Quantity{Value: 123456.789, Unit: units.Watt}
	text := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		text = people.Append(text[:0], q)
	}
}
