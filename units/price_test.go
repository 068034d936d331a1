package units_test

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

func price(t testing.TB, text string) units.Price {
	t.Helper()
	p, err := units.ParsePrice(text)
	require.NoError(t, err)
	return p
}

func TestPriceText(t *testing.T) {
	for text, want := range map[string]string{
		"0.2875 EUR/kWh":          "0.2875 EUR/kWh",
		"23/80 EUR/kWh":           "0.2875 EUR/kWh",
		"-12.50 EUR/MWh":          "-12.5 EUR/MWh",
		"1/3 USD/m3":              "1/3 USD/m3",
		"0 EUR/kWh":               "0 EUR/kWh",
		"-0.00 EUR/kWh":           "0 EUR/kWh",
		"+0 EUR/kWh":              "0 EUR/kWh",
		"0. EUR/kWh":              "",
		".0 EUR/kWh":              "",
		"5 JPY/kvarh":             "5 JPY/kvarh",
		"1/1099511627776 EUR/kWh": "0.0000000000009094947017729282379150390625 EUR/kWh",
		"1e-3 CHF/kWh/m3":         "0.001 CHF/kWh/m3",
		"0.2875 EUR/KWh":          "",
		"0.2875 Euro/kWh":         "",
		"0.2875 eur/kWh":          "",
		"0.2875 EUR kWh":          "",
		"0.2875":                  "",
		"":                        "",
		"x EUR/kWh":               "",
		"- EUR/kWh":               "",
		"1e30 EUR/kWh":            "",
		"3 EUR/degC":              "",
		"0.1 EUR/kWh ":            "",
		"0..0 EUR/kWh":            "",
		"0.2875  EUR/kWh":         "",
		"0.28\u00a0EUR/kWh":       "",
	} {
		p, err := units.ParsePrice(text)
		if want == "" {
			assert.Error(t, err, text)
			assert.Zero(t, p)
			continue
		}
		require.NoError(t, err, text)
		assert.Equal(t, want, p.String())
		assert.Equal(t, p, price(t, p.String()), "equal prices are equal")
	}
	_, err := units.ParsePrice("x eur/kw")
	assert.ErrorIs(t, err, units.ErrScale)
	assert.ErrorIs(t, err, units.ErrCurrency)
	assert.ErrorIs(t, err, units.ErrUnknown)

	var v struct{ Energy units.Price }
	require.NoError(t, json.Unmarshal([]byte(`{"Energy":"0.30 EUR/kWh"}`), &v))
	assert.Equal(t, price(t, "0.3 EUR/kWh"), v.Energy)
	text, err := json.Marshal(v)
	require.NoError(t, err)
	assert.JSONEq(t, `{"Energy":"0.3 EUR/kWh"}`, string(text))
	_, err = units.Price{}.MarshalText()
	assert.Error(t, err)
}

func TestNewPriceNamesEveryFault(t *testing.T) {
	_, err := units.NewPrice(1, -3, "eur", units.None)
	assert.EqualError(t, err, `units: invalid currency "eur": want three capital letters, as in ISO 4217
units: price with a divisor of -3
units: price per unknown unit none`)
	p, err := units.NewPrice(2875, 10000, "EUR", units.KilowattHour)
	require.NoError(t, err)
	assert.Equal(t, price(t, "0.2875 EUR/kWh"), p)
	assert.Equal(t, "EUR", p.Currency().String())
	assert.Equal(t, units.KilowattHour, p.Per())
	p, err = units.NewPrice(3, 0, "EUR", units.KilowattHour)
	require.NoError(t, err)
	assert.Equal(t, price(t, "3 EUR/kWh"), p)
}

func TestPriceIn(t *testing.T) {
	p, err := price(t, "0.2875 EUR/kWh").In(units.MegawattHour)
	require.NoError(t, err)
	assert.Equal(t, "287.5 EUR/MWh", p.String())
	p, err = p.In(units.Megajoule)
	require.NoError(t, err)
	assert.Equal(t, "23/288 EUR/MJ", p.String())
	_, err = p.In(units.KilovarHour)
	assert.IsType(t, &units.KindError{}, err)
	_, err = price(t, "1 EUR/deg").In(units.Radian)
	assert.ErrorIs(t, err, units.ErrRange)
	_, err = price(t, "1 EUR/eV").In(units.TerawattHour)
	assert.ErrorIs(t, err, units.ErrRange)
}

func TestCost(t *testing.T) {
	for _, test := range []struct {
		price    string
		value    float64
		unit     units.Unit
		rounding units.Rounding
		want     string
	}{
		{"0.2875 EUR/kWh", 100, units.KilowattHour, units.HalfEven, "28.75 EUR"},
		{"0.2875 EUR/kWh", 1.5, units.MegawattHour, units.HalfEven, "431.25 EUR"},
		{"0.2875 EUR/kWh", 3.6, units.Megajoule, units.HalfEven, "0.29 EUR"},
		{"0.125 EUR/kWh", 1, units.KilowattHour, units.HalfEven, "0.12 EUR"},
		{"0.125 EUR/kWh", 1, units.KilowattHour, units.HalfAwayFromZero, "0.13 EUR"},
		{"0.125 EUR/kWh", 1, units.KilowattHour, units.TowardZero, "0.12 EUR"},
		{"0.121 EUR/kWh", 1, units.KilowattHour, units.AwayFromZero, "0.13 EUR"},
		{"0.135 EUR/kWh", 1, units.KilowattHour, units.HalfEven, "0.14 EUR"},
		{"-0.125 EUR/kWh", 1, units.KilowattHour, units.HalfAwayFromZero, "-0.13 EUR"},
		{"-0.129 EUR/kWh", 1, units.KilowattHour, units.TowardZero, "-0.12 EUR"},
		{"-0.001 EUR/kWh", 1, units.KilowattHour, units.HalfEven, "0.00 EUR"},
		{"0 EUR/kWh", 1e9, units.KilowattHour, units.AwayFromZero, "0.00 EUR"},
		{"31 JPY/kWh", 10.5, units.KilowattHour, units.HalfEven, "326 JPY"},
		{"0.002 KWD/kWh", 2.5, units.KilowattHour, units.HalfEven, "0.005 KWD"},
		{"1.5 EUR/m3", 2000, units.Litre, units.HalfEven, "3.00 EUR"},
		{"4 EUR/kvarh", 2, units.KilovarHour, units.HalfEven, "8.00 EUR"},
		{"9 EUR/t", 100, units.Kilogram, units.HalfEven, "0.90 EUR"},
	} {
		got, err := price(t, test.price).Cost(units.Quantity{Value: test.value, Unit: test.unit}, test.rounding)
		require.NoError(t, err)
		assert.Equal(t, test.want, got.String(), "%v %v at %s, %v", test.value, test.unit, test.price, test.rounding)
	}
	p := price(t, "0.2875 EUR/kWh")
	for _, test := range []struct {
		q    units.Quantity
		want error
	}{
		{units.Quantity{Value: math.NaN(), Unit: units.KilowattHour}, units.ErrRange},
		{units.Quantity{Value: math.Inf(1), Unit: units.KilowattHour}, units.ErrRange},
		{units.Quantity{Value: 1e300, Unit: units.KilowattHour}, units.ErrRange},
	} {
		_, err := p.Cost(test.q, units.HalfEven)
		assert.ErrorIs(t, err, test.want)
	}
	_, err := p.Cost(units.Quantity{Value: 1, Unit: units.KilovarHour}, units.HalfEven)
	assert.IsType(t, &units.KindError{}, err)
	_, err = units.Price{}.Cost(units.Quantity{Value: 1, Unit: units.KilowattHour}, units.HalfEven)
	assert.ErrorIs(t, err, units.ErrCurrency)
	_, err = price(t, "1 EUR/deg").Cost(units.Quantity{Value: 1, Unit: units.Radian}, units.HalfEven)
	assert.ErrorIs(t, err, units.ErrRange)
}

// A billing period is exact however it is cut: what is rounded is its sum.
func TestCostRatOfACounter(t *testing.T) {
	p := price(t, "0.287 EUR/kWh")
	sum := new(big.Rat)
	for range 96 {
		sum.Add(sum, big.NewRat(7001, 1)) // Wh in a quarter of an hour
	}
	got, err := p.CostRat(sum, units.WattHour, units.HalfEven)
	require.NoError(t, err)
	assert.Equal(t, "192.89 EUR", got.String())
	assert.Equal(t, "672096", sum.RatString(), "unchanged")
}

func TestNewMoney(t *testing.T) {
	eur := units.Currency{'E', 'U', 'R'}
	sum := big.NewRat(-12345, 1000)
	got, err := units.NewMoney(sum, eur, units.HalfAwayFromZero)
	require.NoError(t, err)
	assert.Equal(t, units.Money{Minor: -1235, Currency: eur}, got)
	assert.Equal(t, "-2469/200", sum.RatString(), "unchanged")
	got, err = units.NewMoney(big.NewRat(math.MaxInt64, 100), eur, units.HalfEven)
	require.NoError(t, err)
	assert.Equal(t, int64(math.MaxInt64), got.Minor)
	_, err = units.NewMoney(big.NewRat(math.MaxInt64, 99), eur, units.HalfEven)
	assert.ErrorIs(t, err, units.ErrRange)
	_, err = units.NewMoney(big.NewRat(math.MaxInt64, 1), units.Currency{'E'}, units.HalfEven)
	assert.ErrorIs(t, err, units.ErrCurrency)
	assert.ErrorIs(t, err, units.ErrRange)
	assert.True(t, units.AwayFromZero.Valid())
	assert.False(t, units.Rounding(9).Valid())
}

func TestCurrency(t *testing.T) {
	for _, code := range []string{"", "EU", "EURO", "eur", "E1R", "€", "ÄÖÜ"} {
		c, err := units.ParseCurrency(code)
		assert.ErrorIs(t, err, units.ErrCurrency, code)
		assert.Zero(t, c)
	}
	assert.Equal(t, "???", units.Currency{}.String())
	assert.Equal(t, "0.05 ???", units.Money{Minor: 5}.String())
	for code, digits := range map[string]int{"EUR": 2, "JPY": 0, "KWD": 3, "CLF": 4} {
		c, err := units.ParseCurrency(code)
		require.NoError(t, err)
		assert.Equal(t, digits, c.MinorDigits())
	}
	assert.Equal(t, "-92233720368547758.08 EUR", units.Money{Minor: math.MinInt64, Currency: units.Currency{'E', 'U', 'R'}}.String())
	assert.Equal(t, "half away from zero", units.HalfAwayFromZero.String())
	assert.Equal(t, "Rounding(9)", units.Rounding(9).String())
}

func FuzzParsePrice(f *testing.F) {
	for _, s := range []string{"0.2875 EUR/kWh", "-1/3 USD/m3", "0 JPY/kWh", "0.0 EUR/", "1 EUR/mol/L"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := units.ParsePrice(s)
		if err != nil {
			require.Zero(t, p)
			return
		}
		again, err := units.ParsePrice(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}
