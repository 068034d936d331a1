// Gateway reads many devices as one stream. It takes their URLs from standard
// input, one a line, prints every sample, and when it is interrupted says how
// each device is and what was lost.
//
//	go run ./examples/gateway <devices.txt
//
// where a line of devices.txt is such as
//
//	modbus://192.0.2.10/1?name=main&interval=5s&point=main/P,input:30,float32,unit=W
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run delivers the samples of all devices in list to out until ctx ends.
func run(ctx context.Context, list io.Reader, out io.Writer) error {
	catalog := acquire.NewCatalog()
	devices, err := sources(list, catalog)
	if err != nil {
		return err
	}
	merged, err := acquire.Merge(devices...)
	if err != nil {
		return err
	}
	stream, err := merged.Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	for batch, err := range acquire.Batches(ctx, stream) {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		if batch.Lost > 0 {
			point, _ := catalog.Point(batch.Points[0]) // Points says whose batch it is
			fmt.Fprintf(out, "%d samples lost at the device of %s\n", batch.Lost, point.Name)
		}
		for _, sample := range batch.Samples {
			fmt.Fprintf(out, "%s\n", catalog.AppendSample(nil, sample, batch))
		}
	}
	for _, device := range devices { // Merge counts nothing itself
		reporter, ok := acquire.As[acquire.Reporter](device)
		if !ok {
			continue
		}
		st := reporter.Stats()
		fmt.Fprintf(out, "%s: %d samples, %d bad, %d lost, %d polls skipped, %d connections, last error: %v\n",
			device.Name(), st.Samples, st.BadSamples, st.Lost, st.Skipped, st.Connects, st.LastError)
	}
	return nil
}

// sources makes a source of each line, kept connected. Its error names the lines
// that are wrong, and not their text, which may hold a password.
func sources(list io.Reader, c *acquire.Catalog) ([]acquire.Source, error) {
	registry, err := acquire.NewRegistry(modbus.NewDriver(nil))
	if err != nil {
		return nil, err
	}
	var (
		all    []acquire.Source
		faults []error
	)
	lines := bufio.NewScanner(list)
	for n := 1; lines.Scan(); n++ {
		source, err := registry.Source(lines.Text(), c)
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		all = append(all, acquire.Reconnect(source, acquire.Backoff{}))
	}
	return all, errors.Join(append(faults, lines.Err())...)
}
