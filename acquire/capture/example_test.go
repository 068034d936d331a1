package capture_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
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

// A week of a plant in files of a day, recorded on the way to whoever reads the
// stream.
func ExampleRecord() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	catalog := acquire.NewCatalog()
	power, err := catalog.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	if err != nil {
		fmt.Println(err)
		return
	}
	meter := acquiretest.NewFake("meter", []acquire.PointID{power}, // or a driver's source
		acquiretest.Fill(func(b *acquire.Batch) {
			b.Received = 1790000000_500000000
			b.Append(acquire.Sample{Time: 1790000000_000000000, Point: power, Value: acquire.Float64(97.2), Quality: acquire.Good})
		}))

	w, err := capture.CreateSegments(
		capture.Segments{Dir: dir, Prefix: "plant-", MaxAge: 24 * time.Hour, KeepAge: 7 * 24 * time.Hour},
		capture.Config{Catalog: catalog, OnError: func(err error) { fmt.Println(err) }})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	stream, err := capture.Record(meter, w).Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for batch, err := range acquire.Batches(ctx, stream) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(len(batch.Samples), "sample")
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
	}
	stats := w.Stats()
	fmt.Println(stats.WrittenSamples, "of", stats.Samples, "recorded")
	files, err := capture.Files(dir, "plant-")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(filepath.Base(files[0]))
	// Output:
	// 1 sample
	// 1 of 1 recorded
	// plant-20260921T141320.500000000Z.mcap
}

// A capture as JSON Lines, to be read and reviewed.
func ExampleCopy() {
	catalog := acquire.NewCatalog()
	energy, err := catalog.Define(acquire.Point{Name: "main/E", Unit: units.KilowattHour, Kind: acquire.KindUint64, Role: acquire.Counter})
	if err != nil {
		fmt.Println(err)
		return
	}
	var file, text bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Config{Catalog: catalog})
	if err != nil {
		fmt.Println(err)
		return
	}
	batch := acquire.Batch{Received: 9, Watermark: 8, Points: []acquire.PointID{energy}}
	batch.Append(acquire.Sample{Time: 7, Point: energy, Value: acquire.Uint64(1 << 60), Quality: acquire.Good})
	batch.Append(acquire.Sample{Time: 8, Point: energy, Quality: acquire.Bad.Because(acquire.Communication)})
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
	lines := capture.NewJSONWriter(&text, r.Catalog())
	if err := capture.Copy(lines, r); err != nil {
		fmt.Println(err)
	}
	if err := lines.Flush(); err != nil {
		fmt.Println(err)
	}
	fmt.Print(text.String())
	// Output:
	// {"define":"main/E","unit":"kWh","kind":"uint64","role":"counter"}
	// {"batch":1,"received":9,"watermark":8,"lost":0,"points":["main/E"]}
	// {"time":7,"point":"main/E","value":1152921504606846976,"unit":"kWh","quality":"good","status":2}
	// {"time":8,"point":"main/E","value":null,"unit":"kWh","quality":"bad: communication","status":12}
}
