// Embed reads the power and the energy register of one Modbus/TCP meter and
// prints what it did in each quarter of an hour. It is the program of the README.
//
//	go run ./examples/embed 192.0.2.10:502
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/units"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: embed HOST[:PORT]")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	catalog := acquire.NewCatalog()
	meter, err := modbus.NewSource(modbus.Config{
		Address: os.Args[1], Unit: 1, Interval: time.Second, Catalog: catalog,
		Points: []modbus.Point{
			{Name: "main/P", At: modbus.Input(30), Type: modbus.Float32, Unit: units.Watt},
			{Name: "main/Q", At: modbus.Input(32), Type: modbus.Float32, Unit: units.Var},
			{Name: "main/E", At: modbus.Input(40), Type: modbus.Uint32, Unit: units.WattHour, Role: acquire.Counter},
		},
	})
	check(err)
	site, err := aggregate.NewRouter(catalog, aggregate.Metering{
		Name: "main", Power: "main/P", ReactivePower: "main/Q", Import: "main/E", Rule: aggregate.Trapezoid,
		Demand: aggregate.Block(15 * time.Minute),
	})
	check(err)
	stream, err := acquire.Reconnect(meter, acquire.Backoff{}).Open(ctx)
	check(err)
	defer stream.Close()
	for batch, err := range acquire.Batches(ctx, stream) {
		if err != nil {
			break // Ctrl-C: whatever else fails, Reconnect mends
		}
		for _, interval := range site.Observe(batch) {
			fmt.Println(interval) // 08:00:00-08:15:00 main 24.310 kWh, demand 97.2 kW, PF 0.93 (Q1 lag), coverage 100 %
		}
	}
	for _, interval := range site.Flush(nil) {
		fmt.Println(interval) // the last one, cut short
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
