package tariff_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/tariff"
	"github.com/fieldtap/fieldtap/units"
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
	for _, text := range []string{"0.2931", "-5", "1/3", "060/6", "060.5", "1.", "-.5", "9223372036854775808", "+0.10"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := tariff.ParseRatio(text)
		if err != nil {
			return
		}
		want := decimal(t, text)
		require.Zero(t, want.Cmp(r.Rat()), "read %q", text)
	})
}

// decimal reads a ratio or decimal number; math/big takes a zero in front of a
// ratio for the sign of octal digits.
func decimal(t *testing.T, text string) *big.Rat {
	num, den, ratio := strings.Cut(text, "/")
	if !ratio {
		want, ok := new(big.Rat).SetString(text)
		require.True(t, ok, "read %q", text)
		return want
	}
	n, ok := new(big.Int).SetString(num, 10)
	require.True(t, ok, "read %q", text)
	d, ok := new(big.Int).SetString(den, 10)
	require.True(t, ok, "read %q", text)
	return new(big.Rat).SetFrac(n, d)
}

// Each item is rounded once, as the list says, to the minor unit of its currency.
func TestBillRounding(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{})
	s := ledgerOf(t, tariff.LedgerConfig{Calendar: c}).Present()
	amount := func(text string, how units.Rounding) string {
		p, err := tariff.NewPrices(tariff.PriceConfig{
			Calendar: c, Rounding: how,
			Items: []tariff.Item{
				{Name: "a", Quantity: tariff.BillingPeriods, Tiers: tariff.Flat(price(t, text))},
				{Name: "b", Quantity: tariff.BillingPeriods, Tiers: tariff.Flat(price(t, text))},
			},
		})
		require.NoError(t, err)
		bill, err := p.Bill(&s)
		require.NoError(t, err)
		assert.Equal(t, bill.Lines[0].Amount, bill.Lines[1].Amount)
		assert.Equal(t, 2*bill.Lines[0].Amount.Minor, bill.Total.Minor)
		return bill.Lines[0].Amount.String()
	}
	for _, test := range []struct{ exact, even, away, down string }{
		{"0.125 EUR/each", "0.12 EUR", "0.13 EUR", "0.12 EUR"},
		{"-0.135 EUR/each", "-0.14 EUR", "-0.14 EUR", "-0.13 EUR"},
		{"-0.005 EUR/each", "0.00 EUR", "-0.01 EUR", "0.00 EUR"},
		{"2.5 JPY/each", "2 JPY", "3 JPY", "2 JPY"},
		{"1/3 CLF/each", "0.3333 CLF", "0.3333 CLF", "0.3333 CLF"},
		{"2/3 KWD/each", "0.667 KWD", "0.667 KWD", "0.666 KWD"},
	} {
		assert.Equal(t, test.even, amount(test.exact, units.HalfEven), test.exact)
		assert.Equal(t, test.away, amount(test.exact, units.HalfAwayFromZero), test.exact)
		assert.Equal(t, test.down, amount(test.exact, units.TowardZero), test.exact)
	}
}

// A price may be per any unit of the kind: it is the same bill.
func TestPricePerAnyUnit(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{})
	l := ledgerOf(t, tariff.LedgerConfig{Calendar: c})
	u := used(at("2026-06-01T00:00:00Z"), 4000)
	u.Reactive.Import, u.Reactive.Coverage.Good = aggregate.VarHours(3000), quarter
	l.Add(nil, u)
	s := l.Present()
	for _, test := range []struct {
		quantity        tariff.Quantity
		price, same     string
		measured, total string
	}{
		{tariff.ImportEnergy, "0.3 EUR/kWh", "300 EUR/MWh", "4 kWh", "1.20 EUR"},
		{tariff.ReactiveImportEnergy, "0.01 EUR/kvarh", "0.00001 EUR/varh", "3 kvarh", "0.03 EUR"},
		{tariff.ImportDemand, "12.5 EUR/kW", "12500 EUR/MW", "16 kW", "200.00 EUR"},
		{tariff.Days, "24 EUR/d", "1 EUR/h", "30 d", "720.00 EUR"},
	} {
		for _, text := range []string{test.price, test.same} {
			p, err := tariff.NewPrices(tariff.PriceConfig{Calendar: c, Items: []tariff.Item{{Quantity: test.quantity, Tiers: tariff.Flat(price(t, text))}}})
			require.NoError(t, err)
			bill, err := p.Bill(&s)
			require.NoError(t, err)
			assert.Equal(t, test.total, bill.Total.String(), text)
			assert.Equal(t, test.measured, bill.Lines[0].Quantity.RatString()+" "+bill.Lines[0].Unit.Symbol())
		}
	}
}

// A bill with every quantity, worked by hand.
func TestBill(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{Energy: twoPeriods})
	m := ledgerOf(t, tariff.LedgerConfig{Calendar: c, Meter: "main"})
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
	flat := func(text string) []tariff.Tier { return tariff.Flat(price(t, text)) }
	p, err := tariff.NewPrices(tariff.PriceConfig{
		Calendar: c,
		Items: []tariff.Item{
			{Name: "high", Quantity: tariff.ImportEnergy, Period: "high", Tiers: flat("0.30 EUR/kWh")},
			{Name: "low", Quantity: tariff.ImportEnergy, Period: "low", Tiers: flat("0.20 EUR/kWh")},
			{Name: "all", Quantity: tariff.ImportEnergy, Tiers: []tariff.Tier{
				{UpTo: tariff.Whole(1000), Price: price(t, "0.01 EUR/kWh")}, {UpTo: tariff.Whole(2000), Price: price(t, "0.02 EUR/kWh")}, {Price: price(t, "0.04 EUR/kWh")},
			}},
			{Name: "export", Quantity: tariff.ExportEnergy, Tiers: flat("-0.08 EUR/kWh")},
			{Name: "reactive", Quantity: tariff.ReactiveImportEnergy, Period: "low", Tiers: flat("0.01 EUR/kvarh")},
			{Name: "excess", Quantity: tariff.ReactiveExcess, Tiers: flat("0.02 EUR/kvarh"), Allowance: ratio(t, "0.5")},
			{Name: "reactive export", Quantity: tariff.ReactiveExportEnergy, Tiers: flat("1 EUR/kvarh")},
			{Name: "demand", Quantity: tariff.ImportDemand, Tiers: flat("5 EUR/kW")},
			{Name: "low demand", Quantity: tariff.ImportDemand, Period: "low", Tiers: flat("2 EUR/kW"), Minimum: tariff.Whole(10)},
			{Name: "export demand", Quantity: tariff.ExportDemand, Tiers: flat("3 EUR/kW")},
			{Name: "fixed", Quantity: tariff.BillingPeriods, Tiers: flat("12.5 EUR/each")},
			{Name: "meter", Quantity: tariff.Days, Tiers: flat("0.11 EUR/d")},
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
	c := calendar(t, tariff.CalendarConfig{Energy: twoPeriods})
	m := ledgerOf(t, tariff.LedgerConfig{Calendar: c})
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
		items[i].Tiers = tariff.Flat(price(t, "1 EUR/"+items[i].Quantity.Unit().Symbol()))
	}
	p, err := tariff.NewPrices(tariff.PriceConfig{Calendar: c, Items: items})
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
	c := calendar(t, tariff.CalendarConfig{Energy: twoPeriods})
	_, err := tariff.NewPrices(tariff.PriceConfig{})
	assert.EqualError(t, err, "tariff: prices: no calendar\ntariff: prices: no item")
	kWh, kW := price(t, "1 EUR/kWh"), price(t, "1 EUR/kW")
	_, kinds := kWh.In(units.Kilowatt)
	require.Error(t, kinds)
	_, err = tariff.NewPrices(tariff.PriceConfig{
		Calendar: c, Rounding: 7,
		Items: []tariff.Item{
			{Name: "a", Quantity: tariff.ImportEnergy, Period: "night", Tiers: tariff.Flat(kWh)},
			{Name: "a", Tiers: tariff.Flat(kWh)},
			{Name: "b", Quantity: tariff.BillingPeriods, Period: "low"},
			{Name: "c", Quantity: tariff.ImportDemand, Minimum: tariff.Whole(-1), Allowance: tariff.Whole(1), Tiers: []tariff.Tier{
				{UpTo: tariff.Whole(5), Price: kW}, {UpTo: tariff.Whole(5)}, {UpTo: tariff.Whole(9), Price: kWh},
			}},
			{Name: "d", Quantity: tariff.ImportEnergy, Tiers: []tariff.Tier{
				{UpTo: tariff.Ratio{Num: 1, Den: -1}, Price: kWh}, {Price: price(t, "1 USD/kWh")},
			}},
		},
	})
	assert.EqualError(t, err, `tariff: prices: no way to round 7
tariff: item "a": unknown period "night" of import energy
tariff: item "a" is there twice
tariff: item "a": no quantity
tariff: item "b": unknown period "low" of billing periods
tariff: item "b": no price
tariff: item "c": minimum -1
tariff: item "c": allowance 1
tariff: item "c": tier 2: limit 5 is not beyond the one before
tariff: item "c": tier 2: no price
tariff: item "c": no price beyond 9
tariff: item "c": tier 3: `+kinds.Error()+`
tariff: item "d": tier 1: a negative denominator
tariff: item "d": tier 2: in USD, and others in EUR`)
}

func TestBillFaults(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{Energy: twoPeriods})
	p, err := tariff.NewPrices(tariff.PriceConfig{Calendar: c, Items: []tariff.Item{
		{Name: "dear", Quantity: tariff.BillingPeriods, Tiers: tariff.Flat(price(t, "4611686018427387904 EUR/each"))},
	}})
	require.NoError(t, err)
	s := ledgerOf(t, tariff.LedgerConfig{Calendar: calendar(t, tariff.CalendarConfig{})}).Present()
	_, err = p.Bill(&s, tariff.Floor{Item: "cheap", At: tariff.Ratio{Num: 1, Den: -1}})
	assert.EqualError(t, err, "tariff: a statement of another calendar\ntariff: floor of unknown item \"cheap\"\ntariff: floor of item \"cheap\": a negative denominator")
	s = ledgerOf(t, tariff.LedgerConfig{Calendar: c}).Present()
	_, err = p.Bill(&s)
	assert.ErrorIs(t, err, units.ErrRange)
	// The periods have the same names, but the months are those of another zone.
	l := ledgerOf(t, tariff.LedgerConfig{Calendar: calendar(t, tariff.CalendarConfig{Energy: twoPeriods, Location: zone(t, "Europe/Berlin")})})
	l.Add(nil, used(at("2026-06-01T00:00:00Z"), 1))
	s = l.Present()
	_, err = p.Bill(&s)
	assert.EqualError(t, err, "tariff: a statement of another calendar")
}

// A zone that crosses the date line skips a day, which is not charged.
func TestDaysThatWere(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{Location: zone(t, "Pacific/Apia")})
	p, err := tariff.NewPrices(tariff.PriceConfig{Calendar: c, Items: []tariff.Item{{Quantity: tariff.Days, Tiers: tariff.Flat(price(t, "1 WST/d"))}}})
	require.NoError(t, err)
	l := ledgerOf(t, tariff.LedgerConfig{Calendar: c})
	l.Add(nil, used(at("2011-12-15T00:00:00Z"), 1))
	s := l.Present()
	bill, err := p.Bill(&s)
	require.NoError(t, err)
	assert.Equal(t, "30.00 WST", bill.Total.String(), "there was no 30 December 2011")
}

func TestQuantities(t *testing.T) {
	assert.Equal(t, "import energy", tariff.ImportEnergy.String())
	assert.Equal(t, units.KilowattHour, tariff.ImportEnergy.Unit())
	assert.Equal(t, "Quantity(0)", tariff.Quantity(0).String())
	assert.Zero(t, tariff.Quantity(99).Unit())
}
