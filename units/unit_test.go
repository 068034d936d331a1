package units_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

func TestParseReadsWhatStringWrites(t *testing.T) {
	seen := map[string]units.Unit{}
	for u := range units.All() {
		symbol := u.Symbol()
		require.NotEmpty(t, symbol)
		assert.Equal(t, symbol, u.String())
		assert.NotContains(t, seen, symbol, "two units share a symbol")
		seen[symbol] = u

		got, err := units.Parse(symbol)
		require.NoError(t, err)
		assert.Equal(t, u, got)
		assert.True(t, u.Valid())
		assert.NotEqual(t, units.KindNone, u.Kind(), "%v", u)
		for _, r := range symbol {
			assert.Less(t, r, rune(0x80), "%q is not ASCII", symbol)
		}
	}
	assert.Len(t, seen, 342)
}

func TestParseNeverGuesses(t *testing.T) {
	for _, s := range []string{
		"", " ", "none", "Unit(1)", " W", "W ", "W\x00", "w", "KW", "Kw", "mw", "Mw", "KWh", "kWH", "kwh", "kW h", "kW·h", "kW.h",
		"VAr", "VAR", "Var", "kVAr", "KVAR", "VARH", "kVArh", "va", "Va", "volt", "Volts", "Amp", "amps", "hz", "HZ", "Pct", "percent",
		"°", "µs", "μs", "degrees", "SF", "k", "MVARh", "kvar\n", "0.1 V", "J/s", "W*h", "1/10", "pF", "cos()", "Nm", "nm", "barG", "hp", "gal", "BTU", "Btu", "cal", "kcal", "therm", "ton", "Mw", "c", "f", "cm3", "l", "l/min", "m³/h", "°C", "Cel",
	} {
		u, err := units.Parse(s)
		assert.ErrorIs(t, err, units.ErrUnknown, "%q", s)
		assert.Equal(t, units.None, u, "%q", s)
	}
}

func TestParseErrorQuotesBoundedText(t *testing.T) {
	_, err := units.Parse("Kw\n")
	assert.EqualError(t, err, `units: unknown unit "Kw\n"`)

	_, err = units.Parse(strings.Repeat("x", 64))
	assert.EqualError(t, err, `units: unknown unit "`+strings.Repeat("x", 64)+`"`)

	_, err = units.Parse(strings.Repeat("x", 1<<20))
	assert.EqualError(t, err, `units: unknown unit "`+strings.Repeat("x", 64)+`"...`)

	_, err = units.Parse(strings.Repeat("x", 63) + "µs")
	assert.EqualError(t, err, `units: unknown unit "`+strings.Repeat("x", 63)+`"...`, "a rune is not cut in two")
}

func TestMilliAndMegaStayApart(t *testing.T) {
	milli, err := units.Parse("mW")
	require.NoError(t, err)
	mega, err := units.Parse("MW")
	require.NoError(t, err)
	assert.Equal(t, units.Milliwatt, milli)
	assert.Equal(t, units.Megawatt, mega)
}

func TestNoneAndForeignNumbers(t *testing.T) {
	last := slices.Max(slices.Collect(units.All()))
	for _, u := range []units.Unit{units.None, last + 1, 60000, 65535} {
		assert.False(t, u.Valid())
		assert.Equal(t, units.KindNone, u.Kind())
		assert.Empty(t, u.Symbol())
		num, den := u.Ratio()
		assert.Zero(t, num)
		assert.Zero(t, den)
	}
	var zero units.Unit
	assert.Equal(t, units.None, zero)
	assert.Equal(t, "none", zero.String())
	assert.Equal(t, "Unit(60000)", units.Unit(60000).String())
	assert.Equal(t, "unknown", units.KindNone.String())
	assert.Equal(t, "reactive energy", units.ReactiveEnergy.String())
	assert.Equal(t, "Kind(200)", units.Kind(200).String())
}

func TestEveryKindHasUnitsAndAName(t *testing.T) {
	count := map[units.Kind]int{}
	last := units.KindNone
	for u := range units.All() {
		assert.GreaterOrEqual(t, u.Kind(), last, "%v: units are grouped by kind, in the order of kinds", u)
		last = u.Kind()
		count[last]++
	}
	names := map[string]units.Kind{}
	for k := units.ActivePower; k <= last; k++ {
		assert.NotZero(t, count[k], "%v", k)
		assert.NotContains(t, k.String(), "(")
		assert.NotContains(t, names, k.String(), "two kinds share a name")
		names[k.String()] = k
	}
	assert.Contains(t, (last + 1).String(), "(", "the kinds end with that of the last unit")
}

func TestAllStopsWhenAsked(t *testing.T) {
	n := 0
	for range units.All() {
		if n++; n == 3 {
			break
		}
	}
	assert.Equal(t, 3, n)
}

func TestUnitText(t *testing.T) {
	type point struct {
		Unit  units.Unit
		Scale units.Scale
	}
	text, err := json.Marshal(point{units.Kilovar, units.Scale{Den: 10}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"Unit":"kvar","Scale":"1/10"}`, string(text))

	var p point
	require.NoError(t, json.Unmarshal(text, &p))
	assert.Equal(t, point{units.Kilovar, units.Scale{Num: 1, Den: 10}}, p)

	err = json.Unmarshal([]byte(`{"Unit":"kVAr"}`), &p)
	assert.ErrorIs(t, err, units.ErrUnknown)
	assert.Equal(t, units.Kilovar, p.Unit, "unchanged")
	err = json.Unmarshal([]byte(`{"Scale":"0.1x"}`), &p)
	assert.ErrorIs(t, err, units.ErrScale)
	assert.Equal(t, units.Scale{Num: 1, Den: 10}, p.Scale, "unchanged")

	require.NoError(t, json.Unmarshal([]byte(`{"Unit":""}`), &p))
	assert.Equal(t, units.None, p.Unit)
	text, err = units.None.MarshalText()
	require.NoError(t, err)
	assert.Empty(t, text)

	_, err = units.Unit(60000).MarshalText()
	assert.ErrorIs(t, err, units.ErrUnknown)
}

func TestParseAllocatesNothing(t *testing.T) {
	symbols := []string{"kvarh", "W", "1", "%", "varh"}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		for _, s := range symbols {
			u, err := units.Parse(s)
			if err != nil || !u.Valid() {
				t.Error(s)
			}
		}
	}))
}

func FuzzParse(f *testing.F) {
	for u := range units.All() {
		f.Add(u.String())
	}
	for _, s := range []string{"", "KWh", "none", "µs", "\xff", strings.Repeat("k", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := units.Parse(s)
		if err != nil {
			require.ErrorIs(t, err, units.ErrUnknown)
			require.Equal(t, units.None, u)
			require.Less(t, len(err.Error()), 400)
			return
		}
		require.True(t, u.Valid())
		require.Equal(t, s, u.Symbol())
	})
}

func BenchmarkParse(b *testing.B) {
	for _, s := range []string{"kvarh", "W"} {
		b.Run(fmt.Sprint(len(s)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := units.Parse(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
