package capture_test

import (
	"bytes"
	"fmt"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/units"
)

// What is recorded comes back as it was.
func ExampleWriter() {
	catalog := acquire.NewCatalog()
	power, err := catalog.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Config{Catalog: catalog})
	if err != nil {
		fmt.Println(err)
		return
	}
	batch := acquire.Batch{Received: 1790000000_500000000}
	batch.Append(acquire.Sample{Time: 1790000000_000000000, Point: power, Value: acquire.Float64(97.2), Quality: acquire.Good})
	if err := w.Write(&batch); err != nil {
		fmt.Println(err)
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
	}

	r, err := capture.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), capture.ReaderConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for r.Next(&batch) == nil {
		for _, s := range batch.Samples {
			fmt.Printf("%s\n", r.Catalog().AppendSample(nil, s, &batch))
		}
	}
	fmt.Println(r.Report())
	// Output:
	// 2026-09-21T14:13:20Z main/P 97.2 kW good
	// 1 blocks, 1 batches, 1 samples: complete, clean
}
