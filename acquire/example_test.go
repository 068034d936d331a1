package acquire_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
	"github.com/fieldtap/fieldtap/units"
)

func ExampleCatalog() {
	var catalog acquire.Catalog
	power, err := catalog.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	if err != nil {
		fmt.Println(err)
		return
	}
	good := acquire.Sample{
		Time: 1790000000_000000000, Point: power,
		Value: acquire.Float64(97.2), Quality: acquire.Good,
	}
	failed := acquire.Sample{
		Time: 1790000001_000000000, Point: power,
		Quality: acquire.Bad.Because(acquire.Configuration).WithNative(2),
	}
	fmt.Printf("%s\n", catalog.AppendSample(nil, good, nil))
	fmt.Printf("%s\n", catalog.AppendSample(nil, failed, nil))
	// Output:
	// 2026-09-21T14:13:20Z main/P 97.2 kW good
	// 2026-09-21T14:13:21Z main/P - bad: configuration (code 2)
}

// good makes the sample of a reading that came out well.
func good(p acquire.PointID, kilowatts float64) acquire.Sample {
	return acquire.Sample{Point: p, Value: acquire.Float64(kilowatts), Quality: acquire.Good}
}

// simulated is a meter that gives so many batches of one sample and ends.
func simulated(name string, p acquire.PointID, samples int) acquire.Source {
	return acquiretest.NewFake(name, []acquire.PointID{p}, acquiretest.Repeat(samples, acquiretest.Deliver(good(p, 97.2))))
}

// What one program does with one stream: samples, losses, and the end.
func ExampleBatches() {
	meter := acquiretest.NewFake("meter", []acquire.PointID{1},
		acquiretest.Deliver(good(1, 97.2), good(1, 97.4)),
		acquiretest.Fill(func(b *acquire.Batch) { b.Lost = 3 }),
		acquiretest.Fail(errors.New("link was cut")),
	)
	ctx := context.Background()
	stream, err := meter.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for batch, err := range acquire.Batches(ctx, stream) {
		if err != nil {
			fmt.Println("the last step:", err)
			break
		}
		fmt.Println(len(batch.Samples), "samples,", batch.Lost, "lost before them")
	}
	// Output:
	// 2 samples, 0 lost before them
	// 0 samples, 3 lost before them
	// the last step: link was cut
}

// The counters of a source are found through whatever wraps it.
func ExampleReconnect() {
	meter := acquiretest.NewFake("meter", []acquire.PointID{1},
		acquiretest.Deliver(good(1, 97.2)),
		acquiretest.Outage(20*time.Millisecond, errors.New("link was cut")),
		acquiretest.Deliver(good(1, 97.4)),
	)
	source := acquire.Reconnect(meter, acquire.Backoff{Min: 50 * time.Millisecond})
	ctx := context.Background()
	stream, err := source.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for sample, err := range acquire.Samples(ctx, stream) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(sample.Value, sample.Quality)
	}
	if reporter, ok := acquire.As[acquire.Reporter](source); ok {
		stats := reporter.Stats()
		fmt.Println(stats.Connects, "connections,", stats.BadSamples, "bad sample:", stats.LastError)
	}
	// Output:
	// 97.2 good
	// - bad: communication
	// 97.4 good
	// 2 connections, 1 bad sample: link was cut
}

// Two meters in one stream. Reconnect goes inside: around the merged source it
// would wait for all of them to be lost.
func ExampleMerge() {
	sources := []acquire.Source{
		acquire.Reconnect(simulated("main", 1, 10), acquire.Backoff{}),
		acquire.Reconnect(simulated("battery", 2, 20), acquire.Backoff{}),
	}
	merged, err := acquire.Merge(sources...)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	stream, err := merged.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for _, err := range acquire.Batches(ctx, stream) {
		if err != nil {
			fmt.Println(err)
		}
	}
	for _, source := range sources { // Merge keeps no Stats of its own
		reporter, _ := acquire.As[acquire.Reporter](source)
		fmt.Println(source.Name(), reporter.Stats().Samples, "samples,", reporter.Stats().Lost, "lost")
	}
	// Output:
	// main 10 samples, 0 lost
	// battery 20 samples, 0 lost
}

// sim is a driver of URLs such as sim://meter/P.
type sim struct{}

func (sim) Scheme() string { return "sim" }

func (sim) ParseSource(u *url.URL, c *acquire.Catalog) (acquire.Source, error) {
	if u.Path == "" {
		return nil, errors.New("sim: no point in the path")
	}
	p, err := c.Define(acquire.Point{Name: u.Host + u.Path, Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	if err != nil {
		return nil, err
	}
	return acquiretest.NewFake(u.Host, []acquire.PointID{p}), nil
}

// Sources from a list. Errors never repeat the URL: say which line it was.
func ExampleRegistry() {
	const list = "sim://main/P\nsim://battery\nopcua://press\nsim://line/P"
	registry, err := acquire.NewRegistry(sim{}) // and modbus.Driver{}, say
	if err != nil {
		fmt.Println(err)
		return
	}
	var catalog acquire.Catalog
	for i, line := range strings.Split(list, "\n") {
		source, err := registry.Source(line, &catalog)
		if err != nil {
			fmt.Printf("line %d: %v\n", i+1, err)
			continue
		}
		fmt.Printf("line %d: %s\n", i+1, source.Name())
	}
	for id, point := range catalog.After(0) {
		fmt.Println(id, point.Name, point.Unit)
	}
	// Output:
	// line 1: main
	// line 2: sim: no point in the path
	// line 3: acquire: no driver for scheme "opcua"; known are ["sim"]
	// line 4: line
	// 1 main/P kW
	// 2 line/P kW
}
