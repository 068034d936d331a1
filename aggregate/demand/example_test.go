package demand_test

import (
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/demand"
)

// Rolling demand over 15 minutes, renewed every 5, from blocks of 5 minutes. With
// a Router the blocks are its intervals, given to Observe.
func Example() {
	register, err := demand.NewRegister(demand.Config{
		Quantity:     demand.ActiveImport,
		Interval:     15 * time.Minute,
		Subintervals: 3,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	start := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
	for _, wh := range []int64{1000, 2000, 3000, 7000, 2000, 0} {
		block := demand.Block{Start: start, End: start.Add(5 * time.Minute)}
		block.Active.Import = aggregate.WattHours(wh)
		block.Active.Coverage.Good = 5 * time.Minute
		for _, w := range register.ObserveBlock(&block) {
			fmt.Println(w)
		}
		start = block.End
	}
	period, err := register.Reset(start, demand.Schedule)
	fmt.Println("peak", period.Peak.Demand, "at", period.Peak.Start.Time().Format(time.TimeOnly), err)
	// Output:
	// 08:00:00-08:05:00 demand unknown, covered 5m0s of 5m0s [starting]
	// 08:00:00-08:10:00 demand unknown, covered 10m0s of 10m0s [starting]
	// 08:00:00-08:15:00 demand 24.0 kW, covered 15m0s of 15m0s
	// 08:05:00-08:20:00 demand 48.0 kW, covered 15m0s of 15m0s
	// 08:10:00-08:25:00 demand 48.0 kW, covered 15m0s of 15m0s
	// 08:15:00-08:30:00 demand 36.0 kW, covered 15m0s of 15m0s
	// peak 48.0 kW at 08:05:00 <nil>
}
