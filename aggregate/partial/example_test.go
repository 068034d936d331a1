package partial_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/partial"
	"github.com/fieldtap/fieldtap/units"
)

func Example() {
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Kilowatt})
	if err != nil {
		log.Fatal(err)
	}

	// Metering as it goes: a part for each day, beside the samples.
	var file bytes.Buffer
	w, err := partial.NewWriter(&file)
	if err != nil {
		log.Fatal(err)
	}
	recorder, err := partial.NewRecorder(w, partial.RecorderConfig{Series: "main/P", Plan: plan})
	if err != nil {
		log.Fatal(err)
	}
	const minute, start = acquire.Instant(60e9), acquire.Instant(1767225600e9)
	for i := range acquire.Instant(3 * 24 * 60) {
		if err := recorder.Push(start+i*minute, 12, acquire.Good); err != nil {
			log.Fatal(err)
		}
	}
	if err := errors.Join(recorder.Close(), w.Close()); err != nil {
		log.Fatal(err)
	}

	// A year later, from the parts alone, whatever their order.
	set, err := partial.NewSet("main/P", plan)
	if err != nil {
		log.Fatal(err)
	}
	r, err := partial.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		log.Fatal(err)
	}
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && record.Part != nil {
			err = set.Add(*record.Part)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	for _, fault := range set.Faults(start, start+4*24*60*minute) {
		fmt.Println(fault)
	}
	m, err := aggregate.NewMeter(plan)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := set.Merge(nil, m); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Totals().Power.Import)
	// Output:
	// partial: main/P from 2026-01-03T23:59:00.000000001Z to 2026-01-05T00:00:00Z: missing
	// 863.800 kWh
}
