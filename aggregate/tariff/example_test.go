package tariff_test

import (
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/tariff"
	"github.com/fieldtap/fieldtap/units"
)

// Two periods in Berlin: the high one from 06:00 to 22:00 on working days.
func Example() {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	calendar, err := tariff.NewCalendar(tariff.CalendarConfig{
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
	ledger, err := tariff.NewLedger(tariff.LedgerConfig{Meter: "main", Calendar: calendar})
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
		closed = ledger.Add(closed, usage)
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

// A bill of energy in two blocks, demand, and a fixed charge.
func ExamplePrices_Bill() {
	calendar, err := tariff.NewCalendar(tariff.CalendarConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	price := func(text string) units.Price {
		p, err := units.ParsePrice(text)
		if err != nil {
			fmt.Println(err) // the list will not take it
		}
		return p
	}
	prices, err := tariff.NewPrices(tariff.PriceConfig{
		Calendar: calendar,
		Items: []tariff.Item{
			{Name: "energy", Quantity: tariff.ImportEnergy, Tiers: []tariff.Tier{
				{UpTo: tariff.Whole(1000), Price: price("0.3125 EUR/kWh")},
				{Price: price("293.10 EUR/MWh")},
			}},
			{Name: "demand", Quantity: tariff.ImportDemand, Tiers: tariff.Flat(price("12.50 EUR/kW"))},
			{Name: "meter", Quantity: tariff.BillingPeriods, Tiers: tariff.Flat(price("25 EUR/each"))},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ledger, err := tariff.NewLedger(tariff.LedgerConfig{Meter: "main", Calendar: calendar})
	if err != nil {
		fmt.Println(err)
		return
	}
	june := calendar.Month(acquire.At(time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC)))
	var closed []tariff.Statement
	for start := june.Start; start < june.End; start = start.Add(15 * time.Minute) {
		usage := tariff.Usage{Start: start, End: start.Add(15 * time.Minute), Demand: true}
		usage.Active.Import = aggregate.WattHours(500)
		usage.Active.Coverage.Good = 15 * time.Minute
		closed = ledger.Add(closed, usage)
	}
	for i := range closed {
		bill, err := prices.Bill(&closed[i])
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, line := range bill.Lines {
			fmt.Println(line.Item, line.Quantity.FloatString(3), line.Unit, line.Amount)
		}
		fmt.Println("total", bill.Total)
	}
	// Output:
	// energy 1440.000 kWh 441.46 EUR
	// demand 2.000 kW 25.00 EUR
	// meter 1.000 each 25.00 EUR
	// total 491.46 EUR
}

// All faults of a configuration come at once.
func ExampleNewCalendar() {
	_, err := tariff.NewCalendar(tariff.CalendarConfig{
		Seasons: []tariff.Season{
			{Name: "summer", From: tariff.MonthDay{Month: time.April, Day: 1}, To: tariff.MonthDay{Month: time.September, Day: 30}},
			{Name: "winter", From: tariff.MonthDay{Month: time.October, Day: 2}, To: tariff.MonthDay{Month: time.March, Day: 31}},
		},
		Energy: tariff.Schedule{
			Periods: []string{"high", "low"},
			Profiles: []tariff.DayProfile{{Switches: []tariff.Switch{
				{At: 6 * time.Hour, Period: "high"}, {At: 22 * time.Hour, Period: "night"},
			}}},
		},
	})
	fmt.Println(err)
	// Output:
	// tariff: no season on 1 October
	// tariff: energy: profile 1: no period from 00:00
	// tariff: energy: profile 1: switch 2: unknown period "night"
	// tariff: energy: period "low" is never in force
}
