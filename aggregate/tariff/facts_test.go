package tariff_test

import (
	"encoding/csv"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/tariff"
	"github.com/fieldtap/fieldtap/units"
)

func rows(t testing.TB, name string) [][]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	return all
}

func ratio(t testing.TB, text string) tariff.Ratio {
	t.Helper()
	r, err := tariff.ParseRatio(text)
	require.NoError(t, err)
	return r
}

func price(t testing.TB, text string) units.Price {
	t.Helper()
	p, err := units.ParsePrice(text)
	require.NoError(t, err)
	return p
}

// commercial is the tariff of the year in testdata: peak from 15:00 to 20:00 on
// Monday to Friday, energy by season, demand not.
func commercial(t testing.TB) (*tariff.Calendar, *tariff.Prices) {
	t.Helper()
	day := func(peak, off string) []tariff.Switch {
		return []tariff.Switch{{At: 0, Period: off}, {At: 15 * time.Hour, Period: peak}, {At: 20 * time.Hour, Period: off}}
	}
	flat := func(period string) []tariff.Switch { return []tariff.Switch{{At: 0, Period: period}} }
	c := calendar(t, tariff.CalendarConfig{
		Seasons: []tariff.Season{
			{Name: "summer", From: tariff.MonthDay{Month: time.May, Day: 1}, To: tariff.MonthDay{Month: time.October, Day: 31}},
			{Name: "winter", From: tariff.MonthDay{Month: time.November, Day: 1}, To: tariff.MonthDay{Month: time.April, Day: 30}},
		},
		DayTypes: []tariff.DayType{{Name: "work", On: tariff.MondayToFriday}, {Name: "free", On: tariff.Weekend}},
		Energy: tariff.Schedule{
			Periods: []string{"1", "2", "3", "4"},
			Profiles: []tariff.DayProfile{
				{Seasons: []string{"summer"}, DayTypes: []string{"work"}, Switches: day("1", "2")},
				{Seasons: []string{"summer"}, DayTypes: []string{"free"}, Switches: flat("2")},
				{Seasons: []string{"winter"}, DayTypes: []string{"work"}, Switches: day("3", "4")},
				{Seasons: []string{"winter"}, DayTypes: []string{"free"}, Switches: flat("4")},
			},
		},
		Demand: tariff.Schedule{
			Periods: []string{"1", "2"},
			Profiles: []tariff.DayProfile{
				{DayTypes: []string{"work"}, Switches: day("1", "2")},
				{DayTypes: []string{"free"}, Switches: flat("2")},
			},
		},
	})
	tiers := func(first, rest string) []tariff.Tier {
		return []tariff.Tier{{UpTo: tariff.Whole(100), Price: price(t, first+" USD/kW")}, {Price: price(t, rest+" USD/kW")}}
	}
	p, err := tariff.NewPrices(tariff.PriceConfig{
		Calendar: c,
		Items: []tariff.Item{
			{Name: "energy 1", Quantity: tariff.ImportEnergy, Period: "1", Tiers: tariff.Flat(price(t, "0.05 USD/kWh"))},
			{Name: "energy 2", Quantity: tariff.ImportEnergy, Period: "2", Tiers: tariff.Flat(price(t, "0.075 USD/kWh"))},
			{Name: "energy 3", Quantity: tariff.ImportEnergy, Period: "3", Tiers: tariff.Flat(price(t, "0.06 USD/kWh"))},
			{Name: "energy 4", Quantity: tariff.ImportEnergy, Period: "4", Tiers: tariff.Flat(price(t, "0.05 USD/kWh"))},
			{Name: "demand 1", Quantity: tariff.ImportDemand, Period: "1", Tiers: tiers("20", "15")},
			{Name: "demand 2", Quantity: tariff.ImportDemand, Period: "2", Tiers: tiers("10", "5")},
			{Name: "customer", Quantity: tariff.BillingPeriods, Tiers: tariff.Flat(price(t, "30 USD/each"))},
		},
	})
	require.NoError(t, err)
	return c, p
}

// The year of NREL/ssc, from samples of power to the bill.
func TestCommercialYear(t *testing.T) {
	catalog := acquire.NewCatalog()
	point, err := catalog.Define(acquire.Point{Name: "P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	router, err := aggregate.NewRouter(catalog, aggregate.Metering{
		Name: "main", Power: "P", MaxGap: time.Hour, Demand: aggregate.Block(time.Hour),
	})
	require.NoError(t, err)
	c, prices := commercial(t)
	meter, err := tariff.NewLedger(tariff.LedgerConfig{Meter: "main", Calendar: c, Interval: time.Hour})
	require.NoError(t, err)

	var months []tariff.Statement
	var batch acquire.Batch
	now := at("2018-01-01T00:00:00Z")
	energy, peaks := [4]*big.Rat{}, [12][2]*big.Rat{} // the twin: kWh by period, kW by month and period
	for i := range energy {
		energy[i] = new(big.Rat)
	}
	give := func(kW float64) {
		batch.Reset()
		batch.Append(acquire.Sample{Time: now, Point: point, Value: acquire.Float64(kW), Quality: acquire.Good})
		for _, iv := range router.Observe(&batch) {
			months = meter.Observe(months, &iv)
		}
	}
	for _, day := range rows(t, "load_year.csv") {
		for hour, text := range day {
			kW, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			give(kW)
			exact := ratio(t, text).Rat()
			local := now.Time()
			month, peak := int(local.Month()), hour >= 15 && hour < 20 && local.Weekday()%6 != 0
			period, demand := 3, 1
			if month >= 5 && month <= 10 {
				period = 1
			}
			if peak {
				period, demand = period-1, 0
			}
			energy[period].Add(energy[period], exact)
			if p := &peaks[month-1][demand]; *p == nil || (*p).Cmp(exact) < 0 {
				*p = exact
			}
			now = now.Add(time.Hour)
		}
	}
	give(0) // the last hour closes
	require.Len(t, months, 12)

	exact, total := new(big.Rat), int64(0)
	for i := range months {
		s := &months[i]
		require.True(t, s.Complete())
		bill, err := prices.Bill(s)
		require.NoError(t, err)
		require.True(t, bill.Complete)
		for _, line := range bill.Lines {
			exact.Add(exact, line.Exact)
		}
		for p := range peaks[i] {
			require.Zero(t, peaks[i][p].Cmp(bill.Lines[4+p].Quantity), "peak of month %d, period %d", i+1, p+1)
		}
		for p := range energy {
			energy[p].Sub(energy[p], bill.Lines[p].Quantity)
		}
		total += bill.Total.Minor
	}
	for p := range energy {
		assert.Zero(t, energy[p].Sign(), "energy of period %d", p+1)
	}
	assert.Equal(t, "104614.49", exact.FloatString(2))
	published := ratio(t, "104614.5").Rat()
	off := exact.Sub(exact, published)
	assert.LessOrEqual(t, off.Abs(off).Cmp(ratio(t, "0.1").Rat()), 0)
	assert.InDelta(t, 10461449, total, 84/2, "each of 84 lines is rounded by half a cent at most")
}

// The three days of NREL/ssc.
func TestDemandChargeOfADay(t *testing.T) {
	type day struct {
		kW, periods []string
		items       []tariff.Item
		charge      string
	}
	days := map[string]*day{}
	for _, row := range rows(t, "tou_days.csv")[1:] {
		name, what, values := row[0], row[1], strings.Fields(row[2])
		if days[name] == nil {
			days[name] = &day{}
		}
		d := days[name]
		switch what {
		case "kw":
			d.kW = values
		case "period":
			d.periods = values
		case "charge":
			d.charge = values[0]
		default:
			item := tariff.Item{Name: what, Quantity: tariff.ImportDemand, Period: strings.TrimPrefix(what, "price ")}
			for _, tier := range values {
				limit, each, tiered := strings.Cut(tier, ":")
				if !tiered {
					limit, each = "0", limit
				}
				item.Tiers = append(item.Tiers, tariff.Tier{UpTo: ratio(t, limit), Price: price(t, each+" USD/kW")})
			}
			d.items = append(d.items, item)
		}
	}
	require.Len(t, days, 3)
	for name, d := range days {
		t.Run(name, func(t *testing.T) {
			var demand tariff.Schedule
			var switches []tariff.Switch
			for hour, period := range d.periods {
				if !slices.Contains(demand.Periods, period) {
					demand.Periods = append(demand.Periods, period)
				}
				switches = append(switches, tariff.Switch{At: time.Duration(hour) * time.Hour, Period: period})
			}
			demand.Profiles = []tariff.DayProfile{{Switches: switches}}
			for _, item := range d.items { // periods without an hour are not of this day
				if !slices.Contains(demand.Periods, item.Period) {
					d.items = slices.DeleteFunc(slices.Clone(d.items), func(i tariff.Item) bool { return i.Period == item.Period })
				}
			}
			c := calendar(t, tariff.CalendarConfig{Demand: demand})
			meter, err := tariff.NewLedger(tariff.LedgerConfig{Calendar: c, Interval: time.Hour})
			require.NoError(t, err)
			start := at("2026-01-06T00:00:00Z")
			for hour, text := range d.kW {
				kW, err := strconv.ParseInt(text, 10, 64)
				require.NoError(t, err)
				u := tariff.Usage{Start: start.Add(time.Duration(hour) * time.Hour), Demand: true}
				u.End = u.Start.Add(time.Hour)
				u.Active.Import = aggregate.WattHours(1000 * kW)
				u.Active.Coverage.Good = time.Hour
				meter.Add(nil, u)
			}
			prices, err := tariff.NewPrices(tariff.PriceConfig{Calendar: c, Items: d.items})
			require.NoError(t, err)
			var floors []tariff.Floor
			if strings.HasPrefix(name, "aps_") {
				floors = append(floors, tariff.Floor{Item: "price 2", At: ratio(t, "1040")})
			}
			s := meter.Present()
			bill, err := prices.Bill(&s, floors...)
			require.NoError(t, err)
			assert.False(t, bill.Complete, "the month is not over")
			exact := new(big.Rat)
			for _, line := range bill.Lines {
				exact.Add(exact, line.Exact)
			}
			want := ratio(t, d.charge).Rat()
			places := len(d.charge[strings.IndexByte(d.charge, '.')+1:])
			assert.Equal(t, want.FloatString(places), exact.FloatString(places))
		})
	}
}
