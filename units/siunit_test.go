package units_test

import (
	"math/big"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

// Where the standard's symbol is not ours.
var siSymbols = map[string]string{
	"l/s": "L/s", "cos(phi)": "PF", "V.s": "Wb", "A.s": "C", "J/Wh": "kJ/kWh",
}

func TestSIUnits(t *testing.T) {
	rows := readTable(t, "siunit.csv")
	require.Len(t, rows, 77)
	listed := map[int]bool{}
	refused := 0
	for _, row := range rows {
		ordinal, err := strconv.Atoi(row[0])
		require.NoError(t, err)
		listed[ordinal] = true
		s := units.ReadSIUnit(ordinal, 0)
		if !s.Understood() {
			refused++
			assert.Contains(t, []string{"m/m3", "M", "1/s", "phi", "V2", "A2", "A2.t", "V/Hz", "char", "char/s"}, row[1])
			continue
		}
		want := row[1]
		if ours, ok := siSymbols[want]; ok {
			want = ours
		}
		assert.Equal(t, want, s.Unit.Symbol(), "%v", row)
		assert.Equal(t, one, s.Scale)

		// A multiplier is an exponent of ten, whether a unit has the name or not.
		for _, exponent := range []int{-9, -3, 1, 3, 6} {
			scaled := units.ReadSIUnit(ordinal, exponent)
			checkStated(t, scaled, "")
			require.True(t, scaled.Understood())
			if num, den := s.Unit.Ratio(); num != 0 {
				got := new(big.Rat).Mul(big.NewRat(scaled.Scale.Num, scaled.Scale.Den), unitRatio(scaled.Unit))
				power := new(big.Rat).SetFrac(big.NewInt(1), big.NewInt(1))
				for range max(exponent, -exponent) {
					power.Mul(power, big.NewRat(10, 1))
				}
				if exponent < 0 {
					power.Inv(power)
				}
				assert.Zero(t, got.Cmp(power.Mul(power, ratio(num, den))), "%v %v", row, exponent)
			}
		}
	}
	assert.Equal(t, 10, refused)
	for ordinal := -5; ordinal < 300; ordinal++ {
		if !listed[ordinal] {
			assert.Equal(t, units.Stated{Dialect: units.DialectSIUnit, Verdict: units.Unknown}, units.ReadSIUnit(ordinal, 0))
		}
	}
	assert.Equal(t, units.OutOfRange, units.ReadSIUnit(38, 24).Verdict)
	assert.Equal(t, units.Kilowatt, units.ReadSIUnit(38, 3).Unit)
	assert.Equal(t, units.Milliwatt, units.ReadSIUnit(38, -3).Unit)
	assert.Equal(t, units.KilovarHour, units.ReadSIUnit(73, 3).Unit)
	assert.Equal(t, units.Volt, units.ReadSIUnit(29, -1).Unit)
	assert.Equal(t, units.Scale{Num: 1, Den: 10}, units.ReadSIUnit(29, -1).Scale)
}

func unitRatio(u units.Unit) *big.Rat {
	num, den := u.Ratio()
	return ratio(num, den)
}

func TestSIUnitReadsBack(t *testing.T) {
	printed := 0
	for u := range units.All() {
		ordinal, multiplier, ok := u.SIUnit()
		if !ok {
			continue
		}
		printed++
		s := units.ReadSIUnit(ordinal, multiplier)
		assert.Equal(t, u, s.Unit)
		assert.Equal(t, one, s.Scale)
	}
	assert.Greater(t, printed, 100)
	for _, test := range []struct {
		unit                units.Unit
		ordinal, multiplier int
		ok                  bool
	}{
		{units.Watt, 38, 0, true},
		{units.Megawatt, 38, 6, true},
		{units.KilowattHour, 72, 3, true},
		{units.DegreeCelsius, 23, 0, true},
		{units.PowerFactorPercent, 0, 0, false},
		{units.BarGauge, 0, 0, false},
		{units.None, 0, 0, false},
	} {
		ordinal, multiplier, ok := test.unit.SIUnit()
		assert.Equal(t, test.ok, ok, "%v", test.unit)
		assert.Equal(t, test.ordinal, ordinal, "%v", test.unit)
		assert.Equal(t, test.multiplier, multiplier, "%v", test.unit)
	}
}

func TestESPI(t *testing.T) {
	for _, test := range []struct {
		uom, power int
		unit       units.Unit
		scale      units.Scale
		verdict    units.Verdict
	}{
		{72, 0, units.WattHour, one, units.Understood},
		{72, 3, units.KilowattHour, one, units.Understood},
		{72, -3, units.MilliwattHour, one, units.Understood},
		{38, 0, units.Watt, one, units.Understood},
		{63, 3, units.Kilovar, one, units.Understood},
		{119, 2, units.CubicFoot, units.Scale{Num: 100, Den: 1}, units.Understood},
		{122, 0, units.CubicFootPerMinute, units.Scale{Num: 1, Den: 60}, units.Understood},
		{140, 0, units.KilopascalGauge, units.Scale{Num: 1, Den: 1000}, units.Understood},
		{140, 3, units.KilopascalGauge, one, units.Understood},
		{132, 0, units.None, units.Scale{}, units.Ambiguous},
		{169, 0, units.None, units.Scale{}, units.Ambiguous},
		{0, 0, units.None, units.Scale{}, units.NotAUnit},
		{67, 0, units.None, units.Scale{}, units.Unsupported},
		{1, 0, units.None, units.Scale{}, units.Unknown},
		{72, 19, units.None, units.Scale{}, units.OutOfRange},
	} {
		s := units.ReadESPI(test.uom, test.power)
		assert.Equal(t, units.Stated{Unit: test.unit, Scale: test.scale, Dialect: units.DialectESPI, Verdict: test.verdict}, s, "%v", test)
	}
}

func TestEntitySensor(t *testing.T) {
	for _, test := range []struct {
		kind, scale, precision int
		unit                   units.Unit
		want                   units.Scale
		verdict                units.Verdict
	}{
		{8, 9, 0, units.DegreeCelsius, one, units.Understood},
		{8, 9, 1, units.DegreeCelsius, units.Scale{Num: 1, Den: 10}, units.Understood},
		{3, 8, 0, units.Volt, units.Scale{Num: 1, Den: 1000}, units.Understood},
		{4, 8, 2, units.Volt, units.Scale{Num: 1, Den: 100000}, units.Understood},
		{5, 9, -3, units.Ampere, one, units.Understood}, // accuracy, not scale
		{6, 10, 3, units.Watt, one, units.Understood},
		{6, 13, 0, units.Watt, units.Scale{Num: 1_000_000_000_000, Den: 1}, units.Understood},
		{9, 9, 0, units.PercentRelativeHumidity, one, units.Understood},
		{10, 9, 0, units.RevolutionPerMinute, one, units.Understood},
		{11, 9, 0, units.CubicMetrePerMinute, one, units.Understood},
		{6, 14, 0, units.None, units.Scale{}, units.Ambiguous},
		{6, 15, 0, units.None, units.Scale{}, units.Ambiguous},
		{6, 17, 0, units.None, units.Scale{}, units.OutOfRange},
		{6, 3, 9, units.None, units.Scale{}, units.OutOfRange},
		{1, 9, 0, units.None, units.Scale{}, units.Unknown},
		{2, 9, 0, units.None, units.Scale{}, units.Unknown},
		{12, 9, 0, units.None, units.Scale{}, units.NotAUnit},
		{13, 9, 0, units.None, units.Scale{}, units.Unknown},
		{-1, 9, 0, units.None, units.Scale{}, units.Unknown},
		{6, 0, 0, units.None, units.Scale{}, units.Malformed},
		{6, 18, 0, units.None, units.Scale{}, units.Malformed},
		{6, 9, 10, units.None, units.Scale{}, units.Malformed},
		{6, 9, -9, units.None, units.Scale{}, units.Malformed},
	} {
		s := units.ReadEntitySensor(test.kind, test.scale, test.precision)
		assert.Equal(t, units.Stated{Unit: test.unit, Scale: test.want, Dialect: units.DialectEntitySensor, Verdict: test.verdict}, s, "%v", test)
	}
}

func FuzzReadOrdinals(f *testing.F) {
	f.Add(38, 3, 0)
	f.Add(6, 9, 1)
	f.Fuzz(func(t *testing.T, a, b, c int) {
		checkStated(t, units.ReadSIUnit(a, b), "")
		checkStated(t, units.ReadESPI(a, b), "")
		checkStated(t, units.ReadEntitySensor(a, b, c), "")
	})
}
