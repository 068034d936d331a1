package aggregate_test

import (
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// A meter is exchanged at 08:08: the fitter notes both readings.
func ExampleRouter_Swap() {
	catalog := acquire.NewCatalog()
	e, _ := catalog.Define(acquire.Point{Name: "main/E", Unit: units.KilowattHour, Kind: acquire.KindUint64, Role: acquire.Counter})
	site, err := aggregate.NewRouter(catalog, aggregate.Metering{Name: "main", Import: "main/E", MaxGap: 10 * time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	start := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
	read := func(minute int, kwh uint64) {
		at := start.Add(time.Duration(minute) * time.Minute)
		b := acquire.Batch{Samples: []acquire.Sample{{Time: at, Point: e, Value: acquire.Uint64(kwh), Quality: acquire.Good}}}
		for _, interval := range site.Observe(&b) {
			fmt.Println(interval)
		}
	}
	read(0, 500000)
	read(5, 500002)
	intervals, err := site.Swap(nil, aggregate.Swap{
		Point: e, At: start.Add(8 * time.Minute),
		Final: acquire.Uint64(500003), Initial: acquire.Uint64(17),
	})
	fmt.Println(len(intervals), err)
	read(10, 18)
	read(15, 21)
	read(16, 21)
	// Output:
	// 0 <nil>
	// 08:00:00-08:15:00 main 7.000 kWh, demand 28.0 kW, coverage 100 % [swapped]
}

// A load of 6 W on a meter of 1000 pulses a kWh: one pulse in ten minutes.
func ExamplePulseMeter() {
	pulses, err := aggregate.NewPulseMeter(aggregate.Pulses{Weight: aggregate.PulsesPerKilowattHour(1000)})
	if err != nil {
		fmt.Println(err)
		return
	}
	start := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
	pulses.Pulse(start)
	pulses.Pulse(start.Add(10 * time.Minute))
	for _, minute := range []time.Duration{10, 20, 40, 90} {
		power, state := pulses.Power(start.Add(minute * time.Minute))
		fmt.Println(int(minute), "min:", state, float64(power), "W")
	}
	fmt.Println(pulses.Energy())
	// Output:
	// 10 min: mean 6 W
	// 20 min: mean 6 W
	// 40 min: at most 2 W
	// 90 min: unknown 0 W
	// 0.002 kWh
}

// A sample that comes too late for its interval.
func ExampleReviser() {
	catalog := acquire.NewCatalog()
	p, _ := catalog.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	site, err := aggregate.NewReviser(catalog, aggregate.Revisions{}, aggregate.Metering{
		Name: "main", Power: "main/P", Demand: aggregate.Block(time.Minute),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	start := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
	for _, s := range []struct {
		second int
		kw     float64
	}{{0, 60}, {60, 60}, {30, 120}} {
		at := start.Add(time.Duration(s.second) * time.Second)
		b := acquire.Batch{Samples: []acquire.Sample{{Time: at, Point: p, Value: acquire.Float64(s.kw), Quality: acquire.Good}}}
		for _, interval := range site.Observe(&b) {
			fmt.Println(interval.Revision, interval)
		}
	}
	// Output:
	// 0 08:00:00-08:01:00 main 1.000 kWh, demand 60.0 kW, coverage 100 %
	// 1 08:00:00-08:01:00 main 1.500 kWh, demand 90.0 kW, coverage 100 % [revised]
}
