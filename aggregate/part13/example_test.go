package part13_test

import (
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate/part13"
)

// Power samples of a quarter of a minute; the reading at 00:10 failed.
func ExampleProcess() {
	t0 := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
	samples := []part13.Sample{
		{Time: t0, Value: 10},
		{Time: t0.Add(5 * time.Second), Value: 20},
		{Time: t0.Add(10 * time.Second), Status: part13.Bad},
		{Time: t0.Add(15 * time.Second), Value: 40},
	}
	request := part13.Request{Start: t0, End: t0.Add(15 * time.Second), Interval: 5 * time.Second}
	results, err := part13.Process(nil, part13.TimeAverage2, part13.Config{}, request, samples)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range results {
		fmt.Println(r.Start.Time().Format(time.TimeOnly), r.Value, r.Status)
	}
	// Output:
	// 08:00:00 15 Good, Calculated
	// 08:00:05 20 UncertainDataSubNormal, Calculated
	// 08:00:10 NaN BadNoData
}

// Several functions in one pass, without a known end.
func ExampleCalculator() {
	t0 := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
	c, err := part13.NewCalculator(
		part13.Config{Stepped: true},
		part13.Request{Start: t0, Interval: time.Minute},
		part13.DurationInStateNonZero, part13.NumberOfTransitions,
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	show := func() {
		for r, ok := c.Next(); ok; r, ok = c.Next() {
			fmt.Println(r.Start.Time().Format(time.TimeOnly), r.Function, r.Value, r.Status)
		}
	}
	for i, running := range []float64{1, 1, 0, 1, 1} {
		if err := c.Push(part13.Sample{Time: t0.Add(time.Duration(i) * 20 * time.Second), Value: running}); err != nil {
			fmt.Println(err)
			return
		}
		show()
	}
	if err := c.Close(); err != nil {
		fmt.Println(err)
		return
	}
	show()
	// Output:
	// 08:00:00 DurationInStateNonZero 40000 Good, Calculated
	// 08:00:00 NumberOfTransitions 2 Good, Calculated
	// 08:01:00 DurationInStateNonZero 20001 Good, Calculated, Partial
	// 08:01:00 NumberOfTransitions 1 Good, Calculated, Partial
}
