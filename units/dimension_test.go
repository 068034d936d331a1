package units_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/fieldtap/fieldtap/units"
)

func TestDimension(t *testing.T) {
	for u, want := range map[units.Unit]string{
		units.None:                          "1",
		60000:                               "1",
		units.Percent:                       "1",
		units.Radian:                        "1",
		units.Byte:                          "1",
		units.Kilowatt:                      "kg·m²·s⁻³",
		units.Kilovar:                       "kg·m²·s⁻³",
		units.KilovoltampereHour:            "kg·m²·s⁻²",
		units.NewtonMetre:                   "kg·m²·s⁻²",
		units.Volt:                          "kg·m²·s⁻³·A⁻¹",
		units.Ohm:                           "kg·m²·s⁻³·A⁻²",
		units.CubicMetrePerHour:             "m³·s⁻¹",
		units.JoulePerKilogramKelvin:        "m²·s⁻²·K⁻¹",
		units.MicromolePerSquareMetreSecond: "m⁻²·s⁻¹·mol",
		units.Lux:                           "m⁻²·cd",
		units.KilogramPerKilowattHour:       "m⁻²·s²",
	} {
		assert.Equal(t, want, u.Dimension().String(), "%v", u)
	}
}

// A symbol that is a product or a quotient of two others has their dimension too.
func TestDimensionOfComposedSymbols(t *testing.T) {
	checked := 0
	for u := range units.All() {
		over, under, quotient := strings.Cut(u.Symbol(), "/")
		if first, second, product := strings.Cut(over, "."); product {
			// N.m, lbf.ft
			a, errA := units.Parse(first)
			b, errB := units.Parse(second)
			if errA == nil && errB == nil && !quotient {
				assert.Equal(t, a.Dimension().Times(b.Dimension()), u.Dimension(), "%v", u)
				checked++
			}
			continue
		}
		a, errA := units.Parse(over)
		b, errB := units.Parse(under)
		if quotient && errA == nil && errB == nil {
			assert.Equal(t, a.Dimension().Per(b.Dimension()), u.Dimension(), "%v", u)
			checked++
		}
	}
	assert.Greater(t, checked, 80)
}

// The integral over time has one more second in its dimension.
func TestDimensionDiffersByTime(t *testing.T) {
	for _, pair := range [][2]units.Unit{
		{units.Watt, units.Joule}, {units.Var, units.VarHour}, {units.Ampere, units.Coulomb}, {units.Volt, units.Weber},
		{units.CubicMetrePerSecond, units.CubicMetre}, {units.KilogramPerHour, units.Kilogram}, {units.Knot, units.Mile},
		{units.WattPerSquareMetre, units.JoulePerSquareMetre}, {units.BitPerSecond, units.Bit},
		{units.MicrosievertPerHour, units.Sievert}, {units.HertzPerSecond, units.Hertz}, {units.KelvinPerMinute, units.DeltaKelvin},
	} {
		assert.Equal(t, pair[1].Dimension(), pair[0].Dimension().Times(units.Second.Dimension()), "%v", pair)
		_, err := units.Between(pair[0], pair[1])
		assert.ErrorContains(t, err, "differ by time", "%v", pair)
	}
}
