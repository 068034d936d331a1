package load_test

import (
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/load"
)

// A tank that is reported when its level changes: each value stands until the
// next, and weighs as long.
func Example() {
	summary, err := load.New(load.Config{MaxGap: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	start := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
	summary.Push(start, 40, acquire.Good)
	summary.Push(start.Add(45*time.Minute), 80, acquire.Good)
	summary.Tick(start.Add(time.Hour)) // nothing older will come
	mean, _ := summary.Mean()
	deviation, _ := summary.StandardDeviation()
	fmt.Printf("mean %.1f, deviation %.1f, largest %v at %v\n", mean, deviation, summary.Max().Value, summary.Max().At)
	// Output: mean 50.0, deviation 17.3, largest 80 at 2026-11-20T08:45:00Z
}

// How large was the demand that was not exceeded 95 % of the time?
func ExampleSketch() {
	sketch, err := load.NewSketch(load.SketchConfig{Error: 0.005})
	if err != nil {
		fmt.Println(err)
		return
	}
	for kilowatts := range 100 {
		sketch.Add(float64(kilowatts), uint64(15*time.Minute))
	}
	p95, ok := sketch.Quantile(0.95)
	fmt.Printf("%.0f %v, within %.2g %%\n", p95, ok, 100*sketch.Error())
	// Output: 94 true, within 0.39 %
}

func ExampleFactor() {
	factor, ok := load.Factor(aggregate.WattHours(7_200_000), 20_000, 720*time.Hour)
	fmt.Println(factor, ok)
	// Output: 0.5 true
}
