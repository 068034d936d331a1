package tariff_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/tariff"
)

func TestParseRatio(t *testing.T) {
	for text, want := range map[string]tariff.Ratio{
		"0": {0, 1}, "12": {12, 1}, "-5": {-5, 1}, "+5": {5, 1}, "0.2931": {2931, 10000}, "-0.5": {-5, 10},
		"1.50": {15, 10}, "1/3": {1, 3}, "-2/4": {-2, 4}, "0.000000000000000001": {1, 1e18}, "9223372036854775807": {1<<63 - 1, 1},
	} {
		got, err := tariff.ParseRatio(text)
		assert.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", ".", "1.", ".5", "-.5", "1e3", " 1", "1,5", "0x1", "1/0", "1/-3", "1/", "/3", "1_0", "--1", "1.-5", "0.0000000000000000001", "9223372036854775808", "92233720368547758.08"} {
		_, err := tariff.ParseRatio(text)
		assert.Error(t, err, text)
	}
	_, err := tariff.ParseRatio("1.x")
	assert.EqualError(t, err, `tariff: number "1.x": invalid syntax`)
	assert.Equal(t, "1/3", tariff.Ratio{Num: 2, Den: 6}.String())
	assert.Equal(t, "0", tariff.Ratio{}.String())
	assert.True(t, tariff.Ratio{}.IsZero())
}

func FuzzParseRatio(f *testing.F) {
	for _, text := range []string{"0.2931", "-5", "1/3", "1.", "-.5", "9223372036854775808", "+0.10"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := tariff.ParseRatio(text)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(text)
		require.True(t, ok, "read %q", text)
		require.Zero(t, want.Cmp(r.Rat()))
	})
}

func TestMoneyRounding(t *testing.T) {
	c := calendar(t, tariff.Config{})
	m := meterOf(t, tariff.MeterConfig{Calendar: c})
	s := m.Present()
	amount := func(text string, digits int, how tariff.Rounding) string {
		p, err := tariff.NewPrices(tariff.PriceConfig{
			Calendar: c, Currency: tariff.Currency{Code: "EUR", Digits: digits}, Rounding: how,
			Items: []tariff.Item{{Quantity: tariff.BillingPeriods, Tiers: tariff.Flat(ratio(t, text))}},
		})
		require.NoError(t, err)
		bill, err := p.Bill(&s)
		require.NoError(t, err)
		return bill.Total.String()
	}
	for _, test := range []struct {
		exact    string
		digits   int
		even, up string
	}{
		{"0.125", 2, "0.12 EUR", "0.13 EUR"},
		{"0.135", 2, "0.14 EUR", "0.14 EUR"},
		{"-0.125", 2, "-0.12 EUR", "-0.13 EUR"},
		{"-0.135", 2, "-0.14 EUR", "-0.14 EUR"},
		{"0.124999", 2, "0.12 EUR", "0.12 EUR"},
		{"0.125001", 2, "0.13 EUR", "0.13 EUR"},
		{"0.005", 2, "0.00 EUR", "0.01 EUR"},
		{"-0.005", 2, "0.00 EUR", "-0.01 EUR"},
		{"2.5", 0, "2 EUR", "3 EUR"},
		{"1/3", 4, "0.3333 EUR", "0.3333 EUR"},
		{"2/3", 3, "0.667 EUR", "0.667 EUR"},
		{"1234", 2, "1234.00 EUR", "1234.00 EUR"},
	} {
		assert.Equal(t, test.even, amount(test.exact, test.digits, tariff.HalfEven), test.exact)
		assert.Equal(t, test.up, amount(test.exact, test.digits, tariff.HalfUp), test.exact)
	}
	assert.Equal(t, "half even, half up, unknown", tariff.HalfEven.String()+", "+tariff.HalfUp.String()+", "+tariff.Rounding(9).String())
}

// A bill with every quantity, worked by hand.
func TestBill(t *testing.T) {
	c := calendar(t, tariff.Config{Energy: twoPeriods})
	m := meterOf(t, tariff.MeterConfig{Calendar: c, Name: "main"})
	start := at("2026-06-01T00:00:00Z")
	var closed []tariff.Statement
	for i := range 30 * 96 {
		u := used(start.Add(quarter*time.Duration(i)), 1000)
		u.Reactive.Import = aggregate.VarHours(600)
		u.Reactive.Coverage.Good = quarter
		if i == 50 {
			u.Active.Import = aggregate.WattHours(30000) // 120 kW at 12:30
		}
		if i == 51 {
			u.Active.Import, u.Active.Export = aggregate.Energy{}, aggregate.WattHours(250)
		}
		closed = m.Add(closed, u)
	}
	require.Len(t, closed, 1)
	flat := func(price string) []tariff.Tier { return tariff.Flat(ratio(t, price)) }
	p, err := tariff.NewPrices(tariff.PriceConfig{
		Calendar: c, Currency: tariff.Currency{Code: "EUR", Digits: 2},
		Items: []tariff.Item{
			{Name: "high", Quantity: tariff.ImportEnergy, Period: "high", Tiers: flat("0.30")},
			{Name: "low", Quantity: tariff.ImportEnergy, Period: "low", Tiers: flat("0.20")},
			{Name: "all", Quantity: tariff.ImportEnergy, Tiers: []tariff.Tier{
				{UpTo: tariff.Whole(1000), Price: ratio(t, "0.01")}, {UpTo: tariff.Whole(2000), Price: ratio(t, "0.02")}, {Price: ratio(t, "0.04")},
			}},
			{Name: "export", Quantity: tariff.ExportEnergy, Tiers: flat("-0.08")},
			{Name: "reactive", Quantity: tariff.ReactiveImportEnergy, Period: "low", Tiers: flat("0.01")},
			{Name: "excess", Quantity: tariff.ReactiveExcess, Tiers: flat("0.02"), Allowance: ratio(t, "0.5")},
			{Name: "reactive export", Quantity: tariff.ReactiveExportEnergy, Tiers: flat("1")},
			{Name: "demand", Quantity: tariff.ImportDemand, Tiers: flat("5")},
			{Name: "low demand", Quantity: tariff.ImportDemand, Period: "low", Tiers: flat("2"), Minimum: tariff.Whole(10)},
			{Name: "export demand", Quantity: tariff.ExportDemand, Tiers: flat("3")},
			{Name: "fixed", Quantity: tariff.BillingPeriods, Tiers: flat("12.5")},
			{Name: "meter", Quantity: tariff.Days, Tiers: flat("0.11")},
		},
	})
	require.NoError(t, err)
	bill, err := p.Bill(&closed[0], tariff.Floor{Item: "export demand", At: tariff.Whole(2)}, tariff.Floor{Item: "demand", At: tariff.Whole(2)})
	require.NoError(t, err)
	want := []struct{ item, quantity, amount string }{
		{"high", "1948.000", "584.40 EUR"}, // 1920 + 29 - 1
		{"low", "960.000", "192.00 EUR"},
		{"all", "2908.000", "66.32 EUR"}, // 10 + 20 + 36.32
		{"export", "0.250", "-0.02 EUR"},
		{"reactive", "576.000", "5.76 EUR"},
		{"excess", "274.000", "5.48 EUR"}, // 1728 - 1454
		{"reactive export", "0.000", "0.00 EUR"},
		{"demand", "120.000", "600.00 EUR"},
		{"low demand", "10.000", "20.00 EUR"},
		{"export demand", "2.000", "6.00 EUR"}, // 1 kW was measured
		{"fixed", "1.000", "12.50 EUR"},
		{"meter", "30.000", "3.30 EUR"},
	}
	require.Len(t, bill.Lines, len(want))
	sum := int64(0)
	for i, line := range bill.Lines {
		assert.Equal(t, want[i], struct{ item, quantity, amount string }{line.Item, line.Quantity.FloatString(3), line.Amount.String()})
		assert.True(t, line.Complete)
		sum += line.Amount.Minor
	}
	assert.Equal(t, sum, bill.Total.Minor)
	assert.Equal(t, "1495.74 EUR", bill.Total.String())
	assert.True(t, bill.Complete)
	assert.Equal(t, "main", bill.Meter)
	assert.Equal(t, closed[0].Span, bill.Span)
}

func TestBillTellsWhatIsMissing(t *testing.T) {
	c := calendar(t, tariff.Config{Energy: twoPeriods})
	m := meterOf(t, tariff.MeterConfig{Calendar: c})
	var closed []tariff.Statement
	for i := range 30 * 96 {
		if i == 2 { // 00:30, in the low period
			continue
		}
		closed = m.Add(closed, used(at("2026-06-01T00:00:00Z").Add(quarter*time.Duration(i)), 1))
	}
	items := []tariff.Item{
		{Name: "high", Quantity: tariff.ImportEnergy, Period: "high"},
		{Name: "low", Quantity: tariff.ImportEnergy, Period: "low"},
		{Name: "high demand", Quantity: tariff.ImportDemand, Period: "high"},
		{Name: "low demand", Quantity: tariff.ImportDemand, Period: "low"},
		{Name: "reactive", Quantity: tariff.ReactiveImportEnergy, Period: "high"},
		{Name: "excess", Quantity: tariff.ReactiveExcess, Period: "high"},
		{Name: "fixed", Quantity: tariff.BillingPeriods},
	}
	for i := range items {
		items[i].Tiers = tariff.Flat(tariff.Whole(1))
	}
	p, err := tariff.NewPrices(tariff.PriceConfig{Calendar: c, Currency: tariff.Currency{Code: "EUR", Digits: 2}, Items: items})
	require.NoError(t, err)
	require.Len(t, closed, 1)
	bill, err := p.Bill(&closed[0])
	require.NoError(t, err)
	var complete []string
	for _, line := range bill.Lines {
		if line.Complete {
			complete = append(complete, line.Item)
		}
	}
	assert.Equal(t, []string{"high", "high demand", "fixed"}, complete)
	assert.False(t, bill.Complete)
	m.Add(nil, used(at("2026-07-01T00:00:00Z"), 1))
	open := m.Present()
	bill, err = p.Bill(&open)
	require.NoError(t, err)
	for _, line := range bill.Lines {
		assert.False(t, line.Complete, "the month is not over")
	}
}

func TestPriceFaults(t *testing.T) {
	c := calendar(t, tariff.Config{Energy: twoPeriods})
	_, err := tariff.NewPrices(tariff.PriceConfig{})
	assert.EqualError(t, err, "tariff: prices: no calendar")
	_, err = tariff.NewPrices(tariff.PriceConfig{
		Calendar: c, Currency: tariff.Currency{Code: "eur", Digits: 2}, Rounding: 7,
		Items: []tariff.Item{
			{Name: "a", Quantity: tariff.ImportEnergy, Period: "night", Tiers: tariff.Flat(tariff.Whole(1))},
			{Name: "a", Tiers: tariff.Flat(tariff.Whole(1))},
			{Name: "b", Quantity: tariff.BillingPeriods, Period: "low"},
			{Name: "c", Quantity: tariff.ImportDemand, Minimum: tariff.Whole(-1), Allowance: tariff.Whole(1), Tiers: []tariff.Tier{
				{UpTo: tariff.Whole(5), Price: tariff.Whole(1)}, {UpTo: tariff.Whole(5), Price: tariff.Ratio{Num: 1, Den: -1}}, {UpTo: tariff.Whole(9)},
			}},
		},
	})
	assert.EqualError(t, err, `tariff: prices: "eur" with 2 digits is no currency
tariff: prices: unknown rounding
tariff: item "a": unknown period "night" of import energy
tariff: item "a" is there twice
tariff: item "a": no quantity
tariff: item "b": unknown period "low" of billing periods
tariff: item "b": no price
tariff: item "c": minimum -1
tariff: item "c": allowance 1
tariff: item "c": tier 2: a negative denominator
tariff: item "c": no price beyond 9`)
}

func TestBillFaults(t *testing.T) {
	c := calendar(t, tariff.Config{Energy: twoPeriods})
	p, err := tariff.NewPrices(tariff.PriceConfig{Calendar: c, Currency: tariff.Currency{Code: "EUR", Digits: 2}, Items: []tariff.Item{
		{Name: "dear", Quantity: tariff.BillingPeriods, Tiers: tariff.Flat(tariff.Whole(1 << 62))},
	}})
	require.NoError(t, err)
	s := meterOf(t, tariff.MeterConfig{Calendar: calendar(t, tariff.Config{})}).Present()
	_, err = p.Bill(&s, tariff.Floor{Item: "cheap", At: tariff.Ratio{Num: 1, Den: -1}})
	assert.EqualError(t, err, "tariff: a statement of another calendar\ntariff: floor of unknown item \"cheap\"\ntariff: floor of item \"cheap\": a negative denominator")
	s = meterOf(t, tariff.MeterConfig{Calendar: c}).Present()
	_, err = p.Bill(&s)
	assert.EqualError(t, err, "tariff: an amount beyond the range of Money")
}

func TestQuantities(t *testing.T) {
	assert.Equal(t, "import energy", tariff.ImportEnergy.String())
	assert.Equal(t, "kWh", tariff.ImportEnergy.Unit())
	assert.Equal(t, "unknown", tariff.Quantity(0).String())
	assert.Equal(t, "", tariff.Quantity(99).Unit())
}
