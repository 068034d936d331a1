package aggregate_test

import (
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// A meter that is read once a second for a quarter of an hour.
func Example() {
	catalog := acquire.NewCatalog()
	p, _ := catalog.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	q, _ := catalog.Define(acquire.Point{Name: "main/Q", Unit: units.Kilovar, Kind: acquire.KindFloat64})
	site, err := aggregate.NewRouter(catalog, aggregate.Metering{
		Name: "main", Power: "main/P", ReactivePower: "main/Q",
		Rule:   aggregate.Trapezoid,
		Demand: aggregate.Block(15 * time.Minute),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	start := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
	var batch acquire.Batch
	for second := range 901 {
		at := start.Add(time.Duration(second) * time.Second)
		batch.Reset()
		batch.Append(acquire.Sample{Time: at, Point: p, Value: acquire.Float64(97.2), Quality: acquire.Good})
		batch.Append(acquire.Sample{Time: at, Point: q, Value: acquire.Float64(38.4), Quality: acquire.Good})
		for _, interval := range site.Observe(&batch) {
			fmt.Println(interval)
		}
	}
	// Output:
	// 08:00:00-08:15:00 main 24.300 kWh, demand 97.2 kW, PF 0.93 (Q1 lag), coverage 100 %
}

// All faults of a configuration come at once.
func ExampleNewRouter() {
	catalog := acquire.NewCatalog()
	catalog.Define(acquire.Point{Name: "main/Q", Unit: units.Kilovar, Kind: acquire.KindFloat64})
	_, err := aggregate.NewRouter(catalog, aggregate.Metering{
		Name: "main", Power: "main/Q", Import: "main/E",
		Demand: aggregate.Block(7 * time.Minute),
	})
	fmt.Println(err)
	// Output:
	// aggregate: main: demand interval 7m0s does not divide 24 h
	// aggregate: main: power point "main/Q" is in kvar: want active power, not reactive power
	// aggregate: main: import point "main/E" is not in the catalog
}

func ExampleEnergy_Exact() {
	e := aggregate.WattHours(24310)
	fmt.Println(e, e.KilowattHours(), e.Exact())
	// Output:
	// 24.310 kWh 24.31 87516000 J
}

// A day of history in two halves, by two workers, and the meter that goes on from
// there.
func ExampleShard() {
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Kilowatt, Rule: aggregate.Trapezoid, Demand: aggregate.Block(12 * time.Hour)})
	if err != nil {
		fmt.Println(err)
		return
	}
	midnight := acquire.At(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))
	half := make([]float64, 12*60) // minutes
	for i := range half {
		half[i] = 3
	}
	morning, _ := aggregate.NewShard(plan)
	evening, _ := aggregate.NewShard(plan)
	_ = evening.PushRegular(midnight.Add(12*time.Hour), time.Minute, half)
	_ = morning.PushRegular(midnight, time.Minute, half)

	meter, _ := aggregate.NewMeter(plan)
	periods, _ := meter.Merge(nil, morning)
	periods, err = meter.Merge(periods, evening)
	if err != nil {
		fmt.Println(err)
		return
	}
	periods = meter.Push(periods, midnight.Add(24*time.Hour), 3, acquire.Good)
	for i := range periods {
		fmt.Println(periods[i].Interval("main"))
	}
	// Output:
	// 00:00:00-12:00:00 main 36.000 kWh, demand 3.0 kW, coverage 100 %
	// 12:00:00-00:00:00 main 36.000 kWh, demand 3.0 kW, coverage 100 %
}
