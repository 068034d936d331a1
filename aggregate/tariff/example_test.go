package tariff_test

import (
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/tariff"
)

// Two periods in Berlin: the high one from 06:00 to 22:00 on working days.
func Example() {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	calendar, err := tariff.NewCalendar(tariff.Config{
		Location: berlin,
		DayTypes: []tariff.DayType{
			{Name: "working day", On: tariff.MondayToFriday},
			{Name: "free day", On: tariff.Weekend},
		},
		Holidays: []tariff.Holiday{
			{Name: "Neujahr", DayType: "free day", On: tariff.Fixed(time.January, 1)},
			{Name: "Karfreitag", DayType: "free day", On: tariff.Easter(-2)},
		},
		Energy: tariff.Schedule{
			Periods: []string{"high", "low"},
			Profiles: []tariff.DayProfile{
				{DayTypes: []string{"working day"}, Switches: []tariff.Switch{
					{At: 0, Period: "low"}, {At: 6 * time.Hour, Period: "high"}, {At: 22 * time.Hour, Period: "low"},
				}},
				{DayTypes: []string{"free day"}, Switches: []tariff.Switch{{At: 0, Period: "low"}}},
			},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	meter, err := tariff.NewMeter(tariff.MeterConfig{Name: "main", Calendar: calendar})
	if err != nil {
		fmt.Println(err)
		return
	}
	// October 2026, 1 kWh in each quarter of an hour: 745 hours, as the clock goes
	// back on the 25th.
	var closed []tariff.Statement
	month := calendar.Month(acquire.At(time.Date(2026, 10, 10, 0, 0, 0, 0, berlin)))
	for start := month.Start; start < month.End; start = start.Add(15 * time.Minute) {
		usage := tariff.Usage{Start: start, End: start.Add(15 * time.Minute), Demand: true}
		usage.Active.Import = aggregate.WattHours(1000)
		usage.Active.Coverage.Good = 15 * time.Minute
		closed = meter.Add(closed, usage)
	}
	for _, s := range closed {
		fmt.Println(calendar.Label(s.Start), "to", calendar.Label(s.End))
		for _, r := range s.Energy() {
			fmt.Println(r.Period, r.Active.Import, r.Active.Coverage.Span())
		}
		fmt.Println("total", s.EnergyTotal().Active.Import)
	}
	// Output:
	// 2026-10-01T00:00:00+02:00 to 2026-11-01T00:00:00+01:00
	// high 1408.000 kWh 352h0m0s
	// low 1572.000 kWh 393h0m0s
	// total 2980.000 kWh
}
