package tariff_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate/tariff"
)

func TestZeroConfig(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{})
	assert.Equal(t, time.UTC, c.Location())
	assert.Equal(t, []string{""}, c.EnergyPeriods())
	assert.Equal(t, []string{""}, c.DemandPeriods())
	day := tariff.Span{Start: at("2026-07-01T00:00:00Z"), End: at("2026-07-02T00:00:00Z")}
	assert.Equal(t, tariff.Segment{Span: day}, c.At(day.Start))
	assert.Equal(t, day.End, c.Next(day.Start))
	assert.Equal(t, 31*24*time.Hour, c.BillingPeriod(day.Start).Duration())
}

func TestUnknownTimes(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{})
	for _, i := range []acquire.Instant{0, 1, -1, tariff.Earliest - 1, tariff.Latest, 1<<63 - 1, -1 << 63} {
		assert.Equal(t, tariff.Segment{}, c.At(i))
		assert.Zero(t, c.Next(i))
		assert.Equal(t, tariff.Span{}, c.Day(i))
		assert.Equal(t, tariff.Span{}, c.Month(i))
		assert.Equal(t, tariff.Span{}, c.BillingPeriod(i))
	}
	assert.Equal(t, "unknown", c.Label(0))
	first, last := tariff.Earliest, tariff.Latest-1
	assert.Equal(t, at("1972-01-01T00:00:00Z"), first)
	assert.Equal(t, at("2261-01-01T00:00:00Z"), tariff.Latest)
	for _, place := range strange {
		for months := 1; months <= 12; months++ {
			if 12%months != 0 {
				continue
			}
			c := calendar(t, tariff.CalendarConfig{Location: zone(t, place.zone), Billing: tariff.Cycle{Day: 31, Months: months, First: 12}})
			for _, i := range []acquire.Instant{first, last} {
				assert.True(t, c.At(i).Contains(i))
				assert.True(t, c.Day(i).Contains(i))
				assert.True(t, c.Month(i).Contains(i))
				assert.True(t, c.BillingPeriod(i).Contains(i))
			}
		}
	}
}

func TestFaultsOfConfig(t *testing.T) {
	md := func(m time.Month, d int) tariff.MonthDay { return tariff.MonthDay{Month: m, Day: d} }
	week := []tariff.DayType{{Name: "work", On: tariff.MondayToFriday}, {Name: "free", On: tariff.Weekend}}
	flat := []tariff.Switch{{Period: "p"}}
	for _, test := range []struct {
		name string
		cfg  tariff.CalendarConfig
		want string
	}{
		{"season hole and unknown names", tariff.CalendarConfig{
			Seasons: []tariff.Season{{Name: "summer", From: md(4, 1), To: md(9, 30)}, {Name: "winter", From: md(11, 1), To: md(2, 28)}},
		}, "tariff: no season from 29 February to 31 March\ntariff: no season from 1 October to 31 October"},
		{"season overlap", tariff.CalendarConfig{
			Seasons: []tariff.Season{{Name: "summer", From: md(4, 1), To: md(10, 1)}, {Name: "winter", From: md(10, 1), To: md(3, 31)}},
		}, `tariff: seasons "summer" and "winter" overlap on 1 October`},
		{"season overlaps itself around the year", tariff.CalendarConfig{
			Seasons: []tariff.Season{{Name: "all", From: md(4, 1), To: md(3, 31)}, {Name: "all", From: md(12, 31), To: md(1, 1)}},
		}, `tariff: seasons "all" and "all" overlap on 31 December`},
		{"no such days", tariff.CalendarConfig{
			Seasons: []tariff.Season{{Name: "a", From: md(2, 30), To: md(4, 1)}, {Name: "b", From: md(4, 1), To: md(13, 1)}, {Name: "c", From: md(0, 1), To: md(1, 0)}},
		}, "tariff: season \"a\": 30 February to 1 April: no such day\ntariff: season \"b\": 1 April to 1 %!Month(13): no such day\ntariff: season \"c\": 1 %!Month(0) to 0 January: no such day"},
		{"day types", tariff.CalendarConfig{
			DayTypes: []tariff.DayType{
				{Name: "work", On: tariff.MondayToFriday}, {Name: "free", On: tariff.On(time.Friday, time.Saturday)}, {Name: "work", On: tariff.On(9)},
			},
		}, "tariff: Friday is of day types \"work\" and \"free\"\ntariff: day type \"work\" is there twice\ntariff: day type \"work\": no such weekday\ntariff: Sunday is of no day type"},
		{"holidays", tariff.CalendarConfig{
			DayTypes: week,
			Holidays: []tariff.Holiday{
				{Name: "a", DayType: "holy", On: tariff.Fixed(time.February, 30)},
				{Name: "b", DayType: "free"},
				{Name: "c", DayType: "free", On: tariff.Nth(6, 7, 0), Observed: 9, From: 2030, To: 2020},
				{Name: "d", DayType: "free", On: tariff.Easter(300)},
				{Name: "e", DayType: "free", On: tariff.Dates(tariff.Date{Year: 2026, Month: 2, Day: 29})},
			},
		}, strings.Join([]string{
			`tariff: holiday "a": unknown day type "holy"`,
			`tariff: holiday "a": no such day in any year`,
			`tariff: holiday "b": no rule`,
			`tariff: holiday "c": unknown way to observe it`,
			`tariff: holiday "c": from 2030 to 2020`,
			`tariff: holiday "c": no such number of weekdays in a month`,
			`tariff: holiday "c": no such weekday`,
			`tariff: holiday "c": no such month`,
			`tariff: holiday "d": too many days from Easter to be in its year`,
			`tariff: holiday "e": no such day as 2026-02-29`,
		}, "\n")},
		{"schedule", tariff.CalendarConfig{
			DayTypes: week,
			Energy: tariff.Schedule{
				Periods: []string{"p", "q", "p", "r"},
				Profiles: []tariff.DayProfile{
					{DayTypes: []string{"work", "holiday"}, Switches: []tariff.Switch{
						{At: time.Hour, Period: "p"}, {At: time.Hour, Period: "q"}, {At: 2*time.Hour + 1, Period: "x"}, {At: 24 * time.Hour, Period: "p"},
					}},
					{Seasons: []string{"summer"}},
					{DayTypes: []string{"work"}, Switches: flat},
				},
			},
			Demand: tariff.Schedule{Periods: []string{"a", "b"}},
		}, strings.Join([]string{
			`tariff: energy: period "p" is there twice`,
			`tariff: energy: profile 1: no period from 00:00`,
			`tariff: energy: profile 1: switch 2 at 1h0m0s is not after the one before`,
			`tariff: energy: profile 1: switch 3 at 2h0m0.000000001s is not in whole seconds`,
			`tariff: energy: profile 1: switch 3: unknown period "x"`,
			`tariff: energy: profile 1: switch 4 at 24h0m0s is not within the day`,
			`tariff: energy: profile 1: unknown day type "holiday"`,
			`tariff: energy: profile 2: no period from 00:00`,
			`tariff: energy: profile 2: unknown season "summer"`,
			`tariff: energy: profile 3: season "", day type "work" has a profile already`,
			`tariff: energy: no profile for season "", day type "free"`,
			`tariff: energy: period "p" is never in force`,
			`tariff: energy: period "r" is never in force`,
			`tariff: demand: 2 periods and no profile`,
		}, "\n")},
		{"too many periods", tariff.CalendarConfig{Energy: tariff.Schedule{
			Periods:  strings.Split("0 1 2 3 4 5 6 7 8 9 a b c d e f g", " "),
			Profiles: []tariff.DayProfile{{Switches: manySwitches()}},
		}}, "tariff: energy: 17 periods, at most 16"},
		{"billing", tariff.CalendarConfig{Billing: tariff.Cycle{Day: 32, Months: 5, First: 13}},
			"tariff: billing: no day 32 in a month\ntariff: billing: 5 months do not divide a year\ntariff: billing: no such month as 13"},
		{"billing below", tariff.CalendarConfig{Billing: tariff.Cycle{Day: -1, Months: -1, First: -1}},
			"tariff: billing: no day -1 in a month\ntariff: billing: -1 months do not divide a year\ntariff: billing: no such month as -1"},
		{"billing dates", tariff.CalendarConfig{Billing: tariff.Cycle{Day: 1, Dates: []tariff.Date{
			{Year: 2026, Month: 3, Day: 1}, {Year: 2026, Month: 2, Day: 30}, {Year: 2026, Month: 3, Day: 1},
		}}}, "tariff: billing: dates and a day of the month\ntariff: billing: no such day as 2026-02-30\ntariff: billing: 2026-03-01 is not after 2026-03-01"},
		{"one date", tariff.CalendarConfig{Billing: tariff.Cycle{Dates: []tariff.Date{{Year: 2026, Month: 3, Day: 1}}}},
			"tariff: billing: one date makes no billing period"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := tariff.NewCalendar(test.cfg)
			assert.Nil(t, c)
			assert.EqualError(t, err, test.want)
		})
	}
}

func manySwitches() (all []tariff.Switch) {
	for i, p := range "0123456789abcdefg" {
		all = append(all, tariff.Switch{At: time.Duration(i) * time.Hour, Period: string(p)})
	}
	return all
}

func TestBillingPeriods(t *testing.T) {
	for _, test := range []struct {
		name             string
		cycle            tariff.Cycle
		at               string
		start, end, days string
	}{
		{"read on the 15th, before", tariff.Cycle{Day: 15}, "2026-03-14T23:59:59+01:00", "2026-02-15", "2026-03-15", "28"},
		{"read on the 15th, on it", tariff.Cycle{Day: 15}, "2026-03-15T00:00:00+01:00", "2026-03-15", "2026-04-15", "31"},
		{"last day of the month", tariff.Cycle{Day: 31}, "2024-02-29T00:00:00+01:00", "2024-02-29", "2024-03-31", "31"},
		{"last day, from the one before", tariff.Cycle{Day: 31}, "2024-02-28T12:00:00+01:00", "2024-01-31", "2024-02-29", "29"},
		{"over the year", tariff.Cycle{Day: 20}, "2026-01-05T00:00:00Z", "2025-12-20", "2026-01-20", "31"},
		{"quarters", tariff.Cycle{Months: 3}, "2026-06-30T12:00:00Z", "2026-04-01", "2026-07-01", "91"},
		{"every other month, from February", tariff.Cycle{Months: 2, First: time.February, Day: 5}, "2026-02-04T12:00:00Z", "2025-12-05", "2026-02-05", "62"},
		{"years from October", tariff.Cycle{Months: 12, First: time.October}, "2026-06-30T12:00:00Z", "2025-10-01", "2026-10-01", "365"},
		{"dates", tariff.Cycle{Dates: []tariff.Date{{Year: 2026, Month: 1, Day: 3}, {Year: 2026, Month: 2, Day: 5}, {Year: 2026, Month: 3, Day: 1}}}, "2026-02-05T00:00:00+01:00", "2026-02-05", "2026-03-01", "24"},
		{"dates, before", tariff.Cycle{Dates: []tariff.Date{{Year: 2026, Month: 1, Day: 3}, {Year: 2026, Month: 2, Day: 5}, {Year: 2026, Month: 3, Day: 1}}}, "2026-02-04T23:59:00+01:00", "2026-01-03", "2026-02-05", "33"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := calendar(t, tariff.CalendarConfig{Location: zone(t, "Europe/Berlin"), Billing: test.cycle})
			p := c.BillingPeriod(at(test.at))
			assert.Equal(t, test.start, c.Local(p.Start).Format(time.DateOnly))
			assert.Equal(t, test.end, c.Local(p.End).Format(time.DateOnly))
			assert.Equal(t, "00:00:00", c.Local(p.Start).Format(time.TimeOnly))
			assert.Equal(t, "00:00:00", c.Local(p.End).Format(time.TimeOnly))
			prices, err := tariff.NewPrices(tariff.PriceConfig{Calendar: c, Items: []tariff.Item{
				{Quantity: tariff.Days, Tiers: tariff.Flat(price(t, "1 EUR/d"))},
			}})
			require.NoError(t, err)
			m := ledgerOf(t, tariff.LedgerConfig{Calendar: c})
			m.Add(nil, used(p.Start, 1))
			s := m.Present()
			bill, err := prices.Bill(&s)
			require.NoError(t, err)
			assert.Equal(t, test.days, bill.Lines[0].Quantity.RatString())
		})
	}
}

func TestEasters(t *testing.T) {
	for year, want := range map[int][2]string{
		2000: {"2000-04-23", "2000-04-30"},
		2008: {"2008-03-23", "2008-04-27"},
		2021: {"2021-04-04", "2021-05-02"},
		2024: {"2024-03-31", "2024-05-05"},
		2025: {"2025-04-20", "2025-04-20"},
		2026: {"2026-04-05", "2026-04-12"},
		2038: {"2038-04-25", "2038-04-25"},
		2049: {"2049-04-18", "2049-04-25"},
		2100: {"2100-03-28", "2100-05-02"}, // the Julian calendar is 14 days behind
	} {
		assert.Equal(t, want, [2]string{tariff.EasterOf(year).String(), tariff.OrthodoxEasterOf(year).String()})
	}
}

func TestHolidays(t *testing.T) {
	federal := []tariff.Holiday{
		{Name: "New Year", On: tariff.Fixed(time.January, 1), Observed: tariff.NearestWeekday},
		{Name: "Juneteenth", On: tariff.Fixed(time.June, 19), Observed: tariff.NearestWeekday, From: 2021},
		{Name: "Memorial", On: tariff.Nth(-1, time.Monday, time.May)},
		{Name: "Thanksgiving", On: tariff.Nth(4, time.Thursday, time.November)},
	}
	britain := []tariff.Holiday{
		{Name: "Good Friday", On: tariff.Easter(-2)},
		{Name: "Christmas", On: tariff.Fixed(time.December, 25), Observed: tariff.NextWeekday},
		{Name: "Boxing", On: tariff.Fixed(time.December, 26), Observed: tariff.NextWeekday},
	}
	for _, test := range []struct {
		name     string
		holidays []tariff.Holiday
		year     int
		want     string
	}{
		{"United States 2020", federal, 2020, "01-01 05-25 11-26"},
		{"United States 2021", federal, 2021, "01-01 05-31 06-18 11-25 12-31"}, // 1 January 2022 is a Saturday
		{"United States 2022", federal, 2022, "05-30 06-20 11-24"},
		{"Britain 2020", britain, 2020, "04-10 12-25 12-28"},
		{"Britain 2021", britain, 2021, "04-02 12-27 12-28"},
		{"Britain 2022", britain, 2022, "04-15 12-26 12-27"},
		{"Sunday to Monday", []tariff.Holiday{{On: tariff.Fixed(time.July, 4), Observed: tariff.SundayToMonday}}, 2021, "07-05"},
		{"Saturday stays", []tariff.Holiday{{On: tariff.Fixed(time.July, 4), Observed: tariff.SundayToMonday}}, 2020, "07-04"},
		{"leap day", []tariff.Holiday{{On: tariff.Fixed(time.February, 29)}}, 2026, ""},
		{"fifth Friday", []tariff.Holiday{{On: tariff.Nth(5, time.Friday, time.May)}}, 2026, "05-29"},
		{"no fifth Friday", []tariff.Holiday{{On: tariff.Nth(5, time.Friday, time.June)}}, 2026, ""},
		{"dates", []tariff.Holiday{{On: tariff.Dates(tariff.Date{Year: 2026, Month: 6, Day: 1}, tariff.Date{Year: 2027, Month: 6, Day: 2})}}, 2026, "06-01"},
		{"a substitute beside one that moved", []tariff.Holiday{
			{On: tariff.Fixed(time.July, 3), Observed: tariff.NextWeekday}, // Saturday
			{On: tariff.Fixed(time.July, 4), Observed: tariff.SundayToMonday},
			{On: tariff.Dates(tariff.Date{Year: 2021, Month: 7, Day: 4}), Observed: tariff.NextWeekday},
		}, 2021, "07-05 07-06 07-07"},
		{"Orthodox", []tariff.Holiday{{On: tariff.OrthodoxEaster(1)}}, 2026, "04-13"},
		{"years", []tariff.Holiday{{On: tariff.Fixed(time.May, 8), From: 2020, To: 2020}}, 2021, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i := range test.holidays {
				test.holidays[i].DayType = "holiday"
			}
			c := calendar(t, tariff.CalendarConfig{
				DayTypes: []tariff.DayType{{Name: "day", On: tariff.EveryDay}, {Name: "holiday"}},
				Holidays: test.holidays,
			})
			var found []string
			for day := time.Date(test.year, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() == test.year; day = day.AddDate(0, 0, 1) {
				if c.At(acquire.At(day)).DayType == "holiday" {
					found = append(found, day.Format("01-02"))
				}
			}
			assert.Equal(t, test.want, strings.Join(found, " "))
		})
	}
}

// The first holiday of the list has the day.
func TestHolidayRank(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{
		DayTypes: []tariff.DayType{{Name: "day", On: tariff.EveryDay}, {Name: "a"}, {Name: "b"}},
		Holidays: []tariff.Holiday{
			{Name: "1", DayType: "b", On: tariff.Fixed(time.May, 1)},
			{Name: "2", DayType: "a", On: tariff.Fixed(time.May, 1)},
		},
	})
	assert.Equal(t, "b", c.At(at("2026-05-01T00:00:00Z")).DayType)
}

func TestConfigIsCopied(t *testing.T) {
	periods := []string{"high", "low"}
	cfg := tariff.CalendarConfig{Energy: tariff.Schedule{Periods: periods, Profiles: twoPeriods.Profiles}}
	c := calendar(t, cfg)
	periods[0] = "changed"
	c.EnergyPeriods()[1] = "changed"
	assert.Equal(t, []string{"high", "low"}, c.EnergyPeriods())
}
