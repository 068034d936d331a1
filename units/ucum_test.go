package units_test

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

func ucum(t testing.TB, code string) units.UCUM {
	t.Helper()
	u, err := units.ParseUCUM(code)
	require.NoError(t, err, code)
	return u
}

func TestUCUMOfEveryUnit(t *testing.T) {
	first := map[units.Kind]units.Unit{}
	without := map[units.Kind]int{}
	for u := range units.All() {
		code, ok := u.UCUM()
		if !ok {
			assert.Empty(t, code)
			without[u.Kind()]++
			continue
		}
		assert.Equal(t, units.Stated{Unit: u, Scale: one, Dialect: units.DialectUCUM, Verdict: units.Understood, Raw: code}, units.ReadUCUM(code))
		parsed := ucum(t, code)
		assert.Equal(t, code, parsed.String())
		assert.Equal(t, u.Dimension(), parsed.Dimension(), "%v", u)

		// The factors of the codes are those of the table.
		rep, seen := first[u.Kind()]
		if !seen {
			if num, _ := u.Ratio(); num != 0 {
				first[u.Kind()] = u
			}
			continue
		}
		repCode, _ := rep.UCUM()
		if !parsed.Commensurable(ucum(t, repCode)) {
			assert.Equal(t, units.Temperature, u.Kind(), "%v: points on different scales", u)
			continue
		}
		got, pi, err := parsed.Ratio(ucum(t, repCode))
		require.NoError(t, err, code)
		num, den := u.Ratio()
		repNum, repDen := rep.Ratio()
		if num == 0 {
			assert.NotZero(t, pi, "%v", u)
			continue
		}
		assert.Zero(t, pi)
		assert.Zero(t, got.Cmp(new(big.Rat).Quo(ratio(num, den), ratio(repNum, repDen))), "%v is %v %v", u, got, rep)
	}
	for _, k := range []units.Kind{units.ReactivePower, units.ReactiveEnergy, units.PowerFactor, units.TemperatureDifference, units.GaugePressure} {
		assert.NotZero(t, without[k], "%v", k)
	}
	for _, u := range []units.Unit{units.None, 60000} {
		_, ok := u.UCUM()
		assert.False(t, ok)
	}
}

func TestReadUCUM(t *testing.T) {
	for _, test := range []struct {
		code  string
		unit  units.Unit
		scale units.Scale
	}{
		{"V.A", units.VoltAmpere, one},
		{"A.V", units.VoltAmpere, one},
		{"kV.kA", units.Megavoltampere, one},
		{"W", units.Watt, one},
		{"hW", units.Watt, units.Scale{Num: 100, Den: 1}},
		{"10.W", units.Watt, units.Scale{Num: 10, Den: 1}},
		{"J/s", units.Watt, one},
		{"kW.h/h", units.Kilowatt, one},
		{"V.A.h/h", units.VoltAmpere, one},
		{"W.s", units.WattSecond, one},
		{"W.d", units.Joule, units.Scale{Num: 86400, Den: 1}},
		{"N.cm", units.NewtonMetre, units.Scale{Num: 1, Den: 100}},
		{"C/s", units.Ampere, one},
		{"l", units.Litre, one},
		{"dm3", units.Litre, one},
		{"mCel", units.DegreeCelsius, units.Scale{Num: 1, Den: 1000}},
		{"mm[Hg]", units.Pascal, units.Scale{Num: 66661, Den: 500}},
		{"gon", units.Degree, units.Scale{Num: 9, Den: 10}},
		{"mrad", units.Radian, units.Scale{Num: 1, Den: 1000}},
		{"V{rms}", units.Volt, one},
		{"B", units.Decibel, units.Scale{Num: 10, Den: 1}},
		{"N.m", units.NewtonMetre, one},
		{"J", units.Joule, one},
		{"mg/dL", units.GramPerLitre, units.Scale{Num: 1, Den: 100}},
	} {
		got := units.ReadUCUM(test.code)
		assert.NoError(t, got.Err())
		assert.Equal(t, test.unit, got.Unit, test.code)
		assert.Equal(t, test.scale, got.Scale, test.code)
	}
}

func TestReadUCUMRefuses(t *testing.T) {
	for _, test := range []struct {
		code, part string
		verdict    units.Verdict
	}{
		{"", "", units.NotStated},
		{"var", "var", units.Unsupported},
		{"kvar", "kvar", units.Unsupported},
		{"[foo_us]", "[foo_us]", units.Unsupported},
		{"mg/[foo_us]", "[foo_us]", units.Unsupported},
		{"k[psi]", "k[psi]", units.Unsupported},
		{"kiBy", "kiBy", units.Unsupported},
		{"Kim", "Kim", units.Unsupported},
		{"KW", "KW", units.Unsupported},
		{"mw", "mw", units.Unsupported},
		{"molv", "molv", units.Unsupported},
		{"12h", "h", units.Malformed},
		{"m/", "", units.Malformed},
		{"m//s", "/s", units.Malformed},
		{"m..s", ".s", units.Malformed},
		{"m s", " s", units.Malformed},
		{"m.", "", units.Malformed},
		{".m", "", units.Malformed},
		{"(m", "", units.Malformed},
		{"m)", ")", units.Malformed},
		{"()", ")", units.Malformed},
		{"[in_i", "", units.Malformed},
		{"m{é}", "{é}", units.Malformed},
		{"m{a{b}", "{a{b}", units.Malformed},
		{"m{a", "{a", units.Malformed},
		{"{a}m", "m", units.Malformed},
		{"m{a}{b}", "{b}", units.Malformed},
		{"m-", "", units.Malformed},
		{"m0", "", units.OutOfRange},
		{"m100", "", units.OutOfRange},
		{"0.m", "0", units.Malformed},
		{"Cel.m", "m", units.Malformed},
		{"W/(m2.Cel)", "Cel", units.Malformed},
		{"Cel2", "", units.Malformed},
		{"/Cel", "Cel", units.Malformed},
		{"1/[degF]", "[degF]", units.Malformed},
		{"99999999999999999999.m", "99999999999999999999", units.OutOfRange},
		{strings.Repeat("m.", 200) + "m", "", units.OutOfRange},
		{"m99.m99", "m99", units.OutOfRange},
		{"Qm", "", units.OutOfRange}, // 1e30 is no int64
		{"/s", "", units.Ambiguous},
		{"kg.m/s2", "", units.Ambiguous},
		{"N/m", "", units.Ambiguous},   // no irradiation
		{"W/m3", "", units.Ambiguous},  // no rate of pressure
		{"Gy/h", "", units.Ambiguous},  // no rate of dose equivalent
		{"P/bar", "", units.Ambiguous}, // no duration
		{"m2.kg/s3", "", units.Ambiguous},
		{"V.A{reactive}", "", units.Ambiguous},
		{"W{reactive}", "", units.Ambiguous},
		{"m3{normal}", "", units.Ambiguous},
		{"{packets}", "", units.Ambiguous},
		{"kg/kg", "", units.Ambiguous},
		{"By{x}", "", units.Ambiguous},
		{"Cel{x}", "", units.Ambiguous},
		{"qCel", "", units.OutOfRange},
		{"QV", "", units.OutOfRange},
		{"dyn.s/cm5", "", units.Unsupported},
		{"m4", "", units.Unsupported},
		{"Np", "", units.Unsupported},
	} {
		got := units.ReadUCUM(test.code)
		if test.part == test.code {
			test.part = ""
		}
		assert.Equal(t, units.Stated{Dialect: units.DialectUCUM, Verdict: test.verdict, Raw: test.code, Part: test.part}, got)
		assert.ErrorIs(t, got.Err(), units.ErrUnknown)
	}
	const want = `units: unknown unit: ucum: "[foo_us]" is not supported`
	assert.EqualError(t, units.ReadUCUM("mg/[foo_us]").Err(), want)
	_, err := units.ParseUCUM("mg/[foo_us]")
	assert.EqualError(t, err, want)
}

// Conversions worked out by hand from the definitions.
func TestUCUMRatio(t *testing.T) {
	for _, test := range []struct {
		from, to, ratio string
		pi              int
	}{
		{"m", "m", "1", 0},
		{"mm", "cm", "1/10", 0},
		{"s.m-1", "s/m", "1", 0},
		{"s.mm-2", "s.m-2", "1000000", 0},
		{"s/m.mg", "s.m-1.g", "1/1000", 0},
		{"s/m/mg", "s.m-1.g-1", "1000", 0},
		{"s/4/m", "s/m", "1/4", 0},
		{"[in_i]", "cm", "127/50", 0},
		{"g.m.s-2.A-2", "g.m.C-2", "1", 0},
		{"4.[pi].10*-7.N", "N", "1/2500000", 1},
		{"m[Hg]", "g.s-2.m-1", "133322000", 0},
		{"S", "g-1.m-2.C2.s", "1/1000", 0},
		{"[ly]", "cm", "946073047258080000", 0},
		{"1/[ly]", "cm-1", "1/946073047258080000", 0},
		{"g.m", "m.g", "1", 0},
		{"deg", "rad", "1/180", 1},
		{"''", "deg", "1/3600", 0},
		{"10*23", "10^20", "1000", 0},
		{"10*+3/uL", "/m3", "1000000000000", 0},
		{"mmol/(8.h.kg)", "mol/(s.kg)", "1/28800000", 0},
		{"L/(min.m2)", "mm/min", "1", 0},
		{"[psi]", "kPa", "8896443230521/1290320000000", 0},
		{"[mi_us]", "m", "6336000/3937", 0},
		{"[acr_us]", "[ft_us]2", "43560", 0},
		{"[lton_av]", "[lb_av]", "2240", 0},
		{"[lbf_av]", "[lb_av].[g]", "1", 0},
		{"[HP]", "[ft_i].[lbf_av]/s", "550", 0},
		{"[psi]", "[lbf_av]/[sin_i]", "1", 0},
		{"dyn", "g.cm/s2", "1", 0},
		{"kgf", "kg.[g]", "1", 0},
		{"P", "dyn.s/cm2", "1", 0},
		{"att", "kgf/cm2", "1", 0},
		{"kat", "umol/us", "1", 0},
		{"KiBy", "bit", "8192", 0},
		{"eV", "J", "801088317/5000000000000000000000000000", 0},
		{"C", "A.s", "1", 0},
		{"F", "C2/J", "1", 0},
		{"lx", "cd.sr/m2", "1", 0},
		{"mo", "d", "487/16", 0},
		{"mCel", "Cel", "1/1000", 0},
		{"m{a}", "m", "1", 0},
	} {
		got, pi, err := ucum(t, test.from).Ratio(ucum(t, test.to))
		require.NoError(t, err, "%v", test)
		assert.Equal(t, test.ratio, strings.TrimSuffix(got.String(), "/1"), "%s to %s", test.from, test.to)
		assert.Equal(t, test.pi, pi)
		back, pi, err := ucum(t, test.to).Ratio(ucum(t, test.from))
		require.NoError(t, err)
		assert.Equal(t, -test.pi, pi)
		assert.Equal(t, "1/1", got.Mul(got, back).String())
	}
}

func TestUCUMConvert(t *testing.T) {
	for _, test := range []struct {
		x        float64
		from, to string
		want     float64
	}{
		{6.3, "mm", "cm", 0.63},
		{6.3, "4.s/m", "s/m", 25.2},
		{6.3, "[in_i]", "m", 0.16002},
		{1, "[ly]", "cm", 946073047258080000},
		{1, "1/[ly]", "cm-1", 1.0570008340246154e-18},
		{1, "4.[pi].10*-7.N", "N", 4e-7 * math.Pi},
		{180, "deg", "rad", math.Pi},
		{1, "10*23", "1", 1e23},
		{0, "10*23", "1", 0},
		{37, "Cel", "K", 310.15},
		{98.6, "[degF]", "Cel", 37},
		{37000, "mCel", "[degF]", 98.6},
		{300, "K", "Cel", 26.85},
	} {
		got, err := ucum(t, test.from).Convert(test.x, ucum(t, test.to))
		require.NoError(t, err)
		assert.InEpsilon(t, test.want+1, got+1, 1e-15, "%v", test)
	}
	for _, pair := range [][2]string{{"W", "V.A"}, {"Cel", "m"}, {"B", "1"}, {"Cel", "K/s"}, {"Np", "B"}} {
		_, err := ucum(t, pair[0]).Convert(1, ucum(t, pair[1]))
		assert.Error(t, err, "%v", pair)
	}
}

func TestUCUMKeepsKindsApart(t *testing.T) {
	for _, pair := range [][2]string{
		{"W", "V.A"}, {"kW.h", "V.A.h"}, {"J", "N.m"}, {"Pa", "J/m3"}, {"Hz", "Bq"}, {"Gy", "Sv"}, {"J/s", "V.A"},
		{"W", "J"}, {"Cel", "K"}, {"Cel", "[degF]"}, {"deg", "1"}, {"bit", "1"}, {"m", "s"}, {"Hz", "1/s"},
	} {
		a, b := ucum(t, pair[0]), ucum(t, pair[1])
		assert.False(t, a.Commensurable(b), "%v", pair)
		_, _, err := a.Ratio(b)
		assert.ErrorContains(t, err, "does not convert", "%v", pair)
	}
	var zero units.UCUM
	assert.Equal(t, "1", zero.String())
	assert.True(t, zero.Commensurable(ucum(t, "{a}")))
	assert.Equal(t, units.One, zero.Unit().Unit)
}

// Every atom, alone and with every prefix it takes, is a code of the subset.
func TestUCUMAtomsAndPrefixes(t *testing.T) {
	atoms := units.UCUMAtoms()
	assert.True(t, slices.IsSorted(atoms))
	assert.Len(t, slices.Compact(slices.Clone(atoms)), len(atoms))
	prefixed := 0
	for _, a := range atoms {
		u := ucum(t, a)
		assert.True(t, u.Commensurable(u))
		for prefix, want := range map[string]string{"k": "1000", "da": "10", "d": "1/10", "u": "1/1000000", "Ki": "1024"} {
			p, err := units.ParseUCUM(prefix + a)
			if err != nil || slices.Contains(atoms, prefix+a) {
				continue
			}
			prefixed++
			got, _, err := p.Ratio(u)
			require.NoError(t, err)
			assert.Equal(t, want, strings.TrimSuffix(got.String(), "/1"), prefix+a)
		}
	}
	assert.Greater(t, prefixed, 150)
}

func TestReadUCUMAllocatesNothing(t *testing.T) {
	for _, code := range []string{"kW.h", "V.A", "kW.h/h", "N.cm", "[psi]"} {
		assert.Zero(t, testing.AllocsPerRun(10, func() {
			if s := units.ReadUCUM(code); !s.Understood() {
				t.Error(code)
			}
		}), code)
	}
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		if _, err := units.ParseUCUM("mL/(8.h.kg)"); err != nil {
			t.Error(err)
		}
	}))
}

func FuzzReadUCUM(f *testing.F) {
	for u := range units.All() {
		if code, ok := u.UCUM(); ok {
			f.Add(code)
		}
	}
	for _, s := range []string{"", "{a}.rad2{b}", "4.[pi].10*-7.N/A2", "((((m))))", "m99.m99", "[in_i'H2O]", "10^3", "KiBy/s", "\xff", "/m/s/(kg.h)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, code string) {
		s := units.ReadUCUM(code)
		checkStated(t, s, code)
		u, err := units.ParseUCUM(code)
		if err != nil {
			require.ErrorIs(t, err, units.ErrUnknown)
			require.False(t, s.Understood())
			return
		}
		require.Equal(t, code, u.String())
		r, pi, err := u.Ratio(u)
		require.NoError(t, err)
		require.Zero(t, pi)
		require.Equal(t, "1/1", r.String())
		if !s.Understood() {
			return
		}
		// What was understood is the same by way of the unit's own code.
		own, ok := s.Unit.UCUM()
		require.True(t, ok)
		if r, pi, err = u.Ratio(ucum(t, own)); err == nil && pi == 0 {
			require.Zero(t, r.Cmp(big.NewRat(s.Scale.Num, s.Scale.Den)), "%q is %v %v", code, s.Scale, s.Unit)
		}
	})
}

func BenchmarkReadUCUM(b *testing.B) {
	for _, code := range []string{"kW.h", "kW.h/h", "[psi]"} {
		b.Run(fmt.Sprintf("%q", code), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if s := units.ReadUCUM(code); !s.Understood() {
					b.Fatal(code)
				}
			}
		})
	}
}
