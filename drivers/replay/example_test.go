package replay_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/drivers/replay"
	"github.com/fieldtap/fieldtap/units"
)

// Recorded at the plant, played on a laptop.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "plant.mcap")
	if err := recordPlant(name); err != nil {
		fmt.Println(err)
		return
	}

	source, err := replay.Open(name, replay.Config{Pace: replay.AsFastAsRead})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	stream, err := source.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for batch, err := range acquire.Batches(ctx, stream) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, sample := range batch.Samples {
			fmt.Printf("%s\n", source.Catalog().AppendSample(nil, sample, batch))
		}
	}
	fmt.Println(source.Name(), "-", source.Reports()[0])
	// Output:
	// 2026-09-21T14:13:20Z main/P 97.2 kW good
	// 2026-09-21T14:13:21Z main/P 97.4 kW good
	// replay plant - 1 blocks, 2 batches, 2 samples: complete, clean
}

// recordPlant records what a meter delivers.
func recordPlant(name string) error {
	catalog := acquire.NewCatalog()
	power, err := catalog.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	if err != nil {
		return err
	}
	meter := acquiretest.NewFake("meter", []acquire.PointID{power},
		acquiretest.Deliver(acquire.Sample{Time: 1790000000_000000000, Point: power, Value: acquire.Float64(97.2), Quality: acquire.Good}),
		acquiretest.Deliver(acquire.Sample{Time: 1790000001_000000000, Point: power, Value: acquire.Float64(97.4), Quality: acquire.Good}))
	w, err := capture.Create(name, capture.Config{Catalog: catalog})
	if err != nil {
		return err
	}
	ctx := context.Background()
	stream, err := capture.Record(meter, w).Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	for _, err := range acquire.Batches(ctx, stream) {
		if err != nil {
			return err
		}
	}
	return w.Close()
}
