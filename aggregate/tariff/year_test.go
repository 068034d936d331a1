package tariff_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/tariff"
	"github.com/fieldtap/fieldtap/units"
)

const quarter = 15 * time.Minute

// How many days of a year have how many quarter hours, zone by zone. Each change
// of the clock by an hour makes a day of 92 and one of 100; Lord Howe moves by
// half an hour, which makes 94 and 98. Casablanca goes back for Ramadan and
// forth again.
var years = []struct {
	zone  string
	first int
	last  int
	days  map[int]int // days of a year that differ from 96
}{
	{"Europe/Berlin", 2023, 2028, map[int]int{92: 1, 100: 1}},
	{"America/New_York", 2023, 2028, map[int]int{92: 1, 100: 1}},
	{"Australia/Lord_Howe", 2023, 2028, map[int]int{94: 1, 98: 1}},
	{"Asia/Kathmandu", 2023, 2028, map[int]int{}},
	{"America/St_Johns", 2023, 2028, map[int]int{92: 1, 100: 1}},
	{"Africa/Casablanca", 2023, 2028, map[int]int{92: 1, 100: 1}},
	{"UTC", 2023, 2028, map[int]int{}},
	{"Europe/Berlin", 2095, 2104, map[int]int{92: 1, 100: 1}}, // 2100 is no leap year
	{"Australia/Lord_Howe", 2095, 2104, map[int]int{94: 1, 98: 1}},
}

func TestYearsOfQuarterHours(t *testing.T) {
	for _, place := range years {
		t.Run(fmt.Sprint(place.zone, " ", place.first), func(t *testing.T) {
			loc := zone(t, place.zone)
			c := calendar(t, tariff.CalendarConfig{Location: loc})
			monthly, err := tariff.NewLedger(tariff.LedgerConfig{Calendar: c})
			require.NoError(t, err)
			var statements []tariff.Statement
			start := c.Day(acquire.At(time.Date(place.first, time.January, 1, 12, 0, 0, 0, loc))).Start
			for year := place.first; year <= place.last; year++ {
				leap := year%4 == 0 && year != 2100
				want := 35040
				if leap {
					want = 35136
				}
				days, differing, inYear, inMonths := 0, map[int]int{}, 0, 0
				month := c.Month(start)
				require.Equal(t, start, month.Start)
				inMonth := 0
				statements = statements[:0]
				for c.Local(start).Year() == year {
					day := c.Day(start)
					require.Equal(t, start, day.Start)
					n := 0
					for ; start < day.End; start = start.Add(quarter) {
						u := tariff.Usage{Start: start, End: start.Add(quarter), Demand: true}
						u.Active.Import = aggregate.WattHours(1)
						u.Active.Coverage.Good = quarter
						statements = monthly.Add(statements, u)
						n++
					}
					require.Equal(t, start, day.End, "a whole number of quarter hours")
					days++
					inYear += n
					inMonth += n
					if n != 96 {
						differing[n]++
					}
					if start == month.End {
						require.Len(t, statements, int(c.Local(day.Start).Month()))
						s := &statements[len(statements)-1]
						require.True(t, s.Complete())
						require.Equal(t, month, s.Span)
						require.Equal(t, aggregate.WattHours(int64(inMonth)), s.EnergyTotal().Active.Import)
						inMonths += inMonth
						inMonth = 0
						month = c.Month(start)
					}
				}
				assert.Equal(t, want, inYear, "%d", year)
				assert.Equal(t, want, inMonths, "months of %d", year)
				assert.Equal(t, want/96, days, "%d", year)
				assert.Equal(t, place.days, differing, "%d", year)
				assert.Len(t, statements, 12)
			}
		})
	}
}

// A year of constant power through the Router: what it yields is what the months
// hold, and 1 kW for 8760 hours is 8760 kWh.
func TestYearThroughRouter(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		t.Run(name, func(t *testing.T) {
			loc := zone(t, name)
			catalog := acquire.NewCatalog()
			point, err := catalog.Define(acquire.Point{Name: "P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
			require.NoError(t, err)
			router, err := aggregate.NewRouter(catalog, aggregate.Metering{Name: "main", Power: "P", MaxGap: time.Hour})
			require.NoError(t, err)
			c := calendar(t, tariff.CalendarConfig{Location: loc, Energy: twoPeriods})
			meter, err := tariff.NewLedger(tariff.LedgerConfig{Meter: "main", Calendar: c})
			require.NoError(t, err)
			var statements []tariff.Statement
			intervals := 0
			begin := acquire.At(time.Date(2026, 1, 1, 0, 0, 0, 0, loc))
			end := acquire.At(time.Date(2027, 1, 1, 0, 0, 0, 0, loc))
			var batch acquire.Batch
			for now := begin; now <= end; now = now.Add(quarter) {
				batch.Reset()
				batch.Append(acquire.Sample{Time: now, Point: point, Value: acquire.Float64(1), Quality: acquire.Good})
				for _, iv := range router.Observe(&batch) {
					intervals++
					statements = meter.Observe(statements, &iv)
				}
			}
			assert.Equal(t, 35040, intervals)
			require.Len(t, statements, 12)
			var total aggregate.Energy
			for i := range statements {
				s := &statements[i]
				assert.True(t, s.Complete())
				assert.Equal(t, units.Watts(1000), s.DemandTotal().Import.Power())
				assert.Equal(t, s.Start, s.DemandTotal().Import.Start, "of equal ones the first")
				hours := int64(s.Duration() / time.Hour)
				if s.Duration()%time.Hour == 0 {
					assert.Equal(t, aggregate.WattHours(1000*hours), s.EnergyTotal().Active.Import)
				}
				for _, r := range s.Energy() {
					mean := r.Active.Import.Mean(r.Active.Coverage.Span())
					assert.Equal(t, units.Watts(1000), mean)
				}
				total = total.Add(s.EnergyTotal().Active.Import)
			}
			assert.Equal(t, aggregate.WattHours(8760*1000), total)
			assert.Equal(t, tariff.Counts{Booked: 35040}, meter.Counts())
		})
	}
}

var twoPeriods = tariff.Schedule{
	Periods: []string{"high", "low"},
	Profiles: []tariff.DayProfile{{Switches: []tariff.Switch{
		{At: 0, Period: "low"}, {At: 6 * time.Hour, Period: "high"}, {At: 22 * time.Hour, Period: "low"},
	}}},
}

// The days of Berlin on which the clock is changed.
func TestDaysOfClockChange(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{Location: zone(t, "Europe/Berlin"), Energy: tariff.Schedule{
		Periods: []string{"a", "b"},
		Profiles: []tariff.DayProfile{{Switches: []tariff.Switch{
			{At: 0, Period: "a"}, {At: 2*time.Hour + 30*time.Minute, Period: "b"},
		}}},
	}})
	bounds := func(text string) (labels []string) {
		day := c.Day(at(text))
		for i := day.Start; i < day.End; i = c.Next(i) {
			labels = append(labels, c.Label(i)+" "+c.EnergyPeriods()[c.At(i).Energy])
		}
		return labels
	}
	assert.Equal(t, []string{
		"2026-03-29T00:00:00+01:00 a",
		"2026-03-29T03:00:00+02:00 b", // 02:30 is not shown: in force from the change
	}, bounds("2026-03-29T12:00:00Z"))
	assert.Equal(t, []string{
		"2026-10-25T00:00:00+02:00 a",
		"2026-10-25T02:30:00+02:00 b",
		"2026-10-25T02:00:00+01:00 a", // the clock shows 02:00 again
		"2026-10-25T02:30:00+01:00 b",
	}, bounds("2026-10-25T12:00:00Z"))
	assert.Equal(t, 23*time.Hour, c.Day(at("2026-03-29T12:00:00Z")).Duration())
	assert.Equal(t, 25*time.Hour, c.Day(at("2026-10-25T12:00:00Z")).Duration())
}

// Clocks that are changed around midnight.
func TestMidnights(t *testing.T) {
	for _, test := range []struct{ name, zone, day, start, end string }{
		{"skipped", "Asia/Beirut", "2022-03-27T12:00:00Z", "2022-03-27T01:00:00+03:00", "2022-03-28T00:00:00+03:00"},
		{"before the skip", "Asia/Beirut", "2022-03-26T12:00:00Z", "2022-03-26T00:00:00+02:00", "2022-03-27T01:00:00+03:00"},
		{"last hour twice", "America/Sao_Paulo", "2018-02-17T12:00:00Z", "2018-02-17T00:00:00-02:00", "2018-02-18T00:00:00-03:00"},
		{"midnight twice", "America/St_Johns", "2010-11-06T12:00:00Z", "2010-11-06T00:00:00-02:30", "2010-11-07T00:00:00-03:30"},
		{"midnight twice, at the first", "America/St_Johns", "2010-11-07T02:30:30Z", "2010-11-06T00:00:00-02:30", "2010-11-07T00:00:00-03:30"},
		{"first hour twice", "America/Havana", "2024-11-03T12:00:00Z", "2024-11-03T00:00:00-04:00", "2024-11-04T00:00:00-05:00"},
		{"after a day that is skipped", "Pacific/Apia", "2011-12-30T12:00:00Z", "2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := calendar(t, tariff.CalendarConfig{Location: zone(t, test.zone)})
			day := c.Day(at(test.day))
			assert.Equal(t, test.start, c.Label(day.Start))
			assert.Equal(t, test.end, c.Label(day.End))
		})
	}
	// A billing period that begins with a day that is skipped begins with the next.
	for _, day := range []int{30, 31} {
		c := calendar(t, tariff.CalendarConfig{Location: zone(t, "Pacific/Apia"), Billing: tariff.Cycle{Day: day}})
		assert.Equal(t, "2011-12-31T00:00:00+14:00", c.Label(c.BillingPeriod(at("2012-01-05T00:00:00Z")).Start))
		assert.Equal(t, "2011-12-31T00:00:00+14:00", c.Label(c.BillingPeriod(at("2011-12-20T00:00:00Z")).End))
	}
}

// An outage from February into April: the register knows the energy, nobody
// knows when it flowed. All of it is in one bill, and all time is accounted for.
func TestOutageThroughRouter(t *testing.T) {
	catalog := acquire.NewCatalog()
	point, err := catalog.Define(acquire.Point{Name: "E", Unit: units.WattHour, Kind: acquire.KindUint64, Role: acquire.Counter})
	require.NoError(t, err)
	router, err := aggregate.NewRouter(catalog, aggregate.Metering{Name: "main", Import: "E", MaxGap: 15 * time.Minute})
	require.NoError(t, err)
	c := calendar(t, tariff.CalendarConfig{Location: zone(t, "Europe/Berlin"), Energy: twoPeriods})
	meter := ledgerOf(t, tariff.LedgerConfig{Meter: "main", Calendar: c})
	var statements []tariff.Statement
	var batch acquire.Batch
	give := func(now acquire.Instant, wh uint64) {
		batch.Reset()
		batch.Append(acquire.Sample{Time: now, Point: point, Value: acquire.Uint64(wh), Quality: acquire.Good})
		for _, iv := range router.Observe(&batch) {
			statements = meter.Observe(statements, &iv)
		}
	}
	register := uint64(1000)
	for now := at("2026-02-01T00:00:00+01:00"); now <= at("2026-02-20T00:00:00+01:00"); now = now.Add(quarter) {
		give(now, register)
		register += 10
	}
	register += 5000
	for now := at("2026-04-10T00:00:00+02:00"); now <= at("2026-05-01T00:00:00+02:00"); now = now.Add(quarter) {
		give(now, register)
		register += 10
	}
	require.Len(t, statements, 3)
	totals, ok := router.Totals("main")
	require.True(t, ok)
	var sum aggregate.Energy
	var carried int
	for i := range statements {
		s := &statements[i]
		total, demand := s.EnergyTotal(), s.DemandTotal()
		sum = sum.Add(total.Active.Import)
		carried += total.Carried
		assert.Equal(t, s.Duration(), total.Active.Coverage.Span())
		assert.Equal(t, s.Duration(), demand.Known+demand.Missing)
		assert.False(t, s.Complete())
		assert.LessOrEqual(t, demand.Import.Energy.Cmp(aggregate.WattHours(10)), 0, "energy that is carried makes no peak")
	}
	assert.Equal(t, totals.Registers.Import, sum)
	assert.Equal(t, 1, carried)
	march := statements[1].EnergyTotal()
	assert.Equal(t, aggregate.Coverage{Missing: statements[1].Duration()}, march.Active.Coverage)
	assert.Zero(t, march.Active.Import)
	// 8 low hours a night, one less on the night of the change.
	assert.Equal(t, (31*8-1)*time.Hour, statements[1].Energy()[1].Active.Coverage.Missing)
}
