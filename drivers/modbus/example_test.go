package modbus_test

import (
	"context"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/units"
)

func Example() {
	// A meter to talk to: 230.5 V and 1234567 Wh.
	var image modbustest.Image
	image.SetRegisters(modbustest.InputRegisters, 0, 2305)
	image.SetRegisters(modbustest.InputRegisters, 72, 0x0012, 0xD687)
	meter, err := modbustest.Start(modbustest.Config{Units: map[byte]modbustest.Device{1: &image}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer meter.Close()

	catalog := acquire.NewCatalog()
	source, err := modbus.NewSource(modbus.Config{
		Address: meter.Address(), Unit: 1, Catalog: catalog,
		Points: []modbus.Point{
			{Name: "main/U", At: modbus.Input(0), Type: modbus.Uint16, Scale: units.Scale{Den: 10}, Unit: units.Volt},
			{Name: "main/E", At: modbus.Input(72), Type: modbus.Uint32, Unit: units.WattHour, Role: acquire.Counter},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	stream, err := source.Open(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for sample, err := range acquire.Samples(context.Background(), stream) {
		if err != nil {
			fmt.Println(err)
			return
		}
		point, _ := catalog.Point(sample.Point)
		fmt.Println(point.Name, sample.Value, point.Unit, sample.Quality)
		if point.Name == "main/E" {
			break
		}
	}
	// One request fetches both. Should the device refuse what lies between them, it
	// is asked for each by itself, and the plan becomes that.
	for _, block := range source.Plan() {
		fmt.Println(block)
	}
	// Output:
	// main/U 230.5 V good
	// main/E 1234567 Wh good
	// input 0, length 74, points 2
}

// Two meters on one serial line. Here the line is a converter that passes its frames
// over TCP; with a port of this machine it would be
//
//	modbus.BusConfig{Serial: modbus.Serial{Port: "/dev/ttyUSB0", Baud: 9600}}
func ExampleBus() {
	ctx := context.Background()
	meters := make(map[byte]modbustest.Device)
	for unit := byte(1); unit <= 2; unit++ {
		var image modbustest.Image
		image.SetRegisters(modbustest.InputRegisters, 0, 100*uint16(unit))
		meters[unit] = &image
	}
	converter, err := modbustest.Start(modbustest.Config{Framing: modbustest.RTU, Units: meters, IgnoreUnknown: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer converter.Close()

	bus, err := modbus.NewBus(modbus.BusConfig{Address: converter.Address(), Framing: modbus.RTU})
	if err != nil {
		fmt.Println(err)
		return
	}
	for unit, err := range bus.Units(ctx, 1, 3, 100*time.Millisecond) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("there is unit", unit)
	}

	catalog := acquire.NewCatalog()
	var sources []acquire.Source
	for unit := byte(1); unit <= 2; unit++ {
		source, err := modbus.NewSource(modbus.Config{
			Bus: bus, Unit: unit, Catalog: catalog,
			Points: []modbus.Point{{Name: fmt.Sprintf("meter %d/P", unit), At: modbus.Input(0), Type: modbus.Uint16}},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		sources = append(sources, acquire.Reconnect(source, acquire.Backoff{}))
	}
	for _, source := range sources {
		stream, err := source.Open(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer stream.Close()
		var batch acquire.Batch
		if err := stream.Next(ctx, &batch); err != nil {
			fmt.Println(err)
			return
		}
		for _, sample := range batch.Samples {
			point, _ := catalog.Point(sample.Point)
			fmt.Println(point.Name, sample.Value, sample.Quality)
		}
	}
	// Output:
	// there is unit 1
	// there is unit 2
	// meter 1/P 100 good
	// meter 2/P 200 good
}

// What a controller asks of a meter, and what it is answered, as a capture shows it:
// the PDUs, without the header of Modbus/TCP.
func ExampleDecoder() {
	catalog := acquire.NewCatalog()
	decoder, err := modbus.NewDecoder(catalog, []modbus.Point{
		{Name: "main/U", At: modbus.Input(0), Type: modbus.Uint16, Scale: units.Scale{Den: 10}, Unit: units.Volt},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	sent := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var batch acquire.Batch
	for _, overheard := range []struct {
		request, answer string
		took            time.Duration
	}{
		{"\x04\x00\x00\x00\x02", "\x04\x04\x09\x01\x00\x00", 40 * time.Millisecond}, // input registers 0 and 1
		{"\x04\x00\x00\x00\x02", "\x84\x04", 40 * time.Millisecond},                 // the same, refused
		{"\x06\x00\x00\x00\x01", "\x06\x00\x00\x00\x01", time.Millisecond},          // a write
	} {
		batch.Reset()
		at := acquire.At(sent.Add(overheard.took / 2))
		if err := decoder.Decode(&batch, []byte(overheard.request), []byte(overheard.answer), at); err != nil {
			fmt.Println(err)
		}
		for _, s := range batch.Samples {
			point, _ := catalog.Point(s.Point)
			fmt.Println(point.Name, s.Time, s.Value, s.Quality)
		}
		sent = sent.Add(time.Second)
	}
	// Output:
	// main/U 2026-01-02T03:04:05.02Z 230.5 good
	// server device failure (4)
	// main/U 2026-01-02T03:04:06.02Z - bad: device (code 4)
	// modbus: no request to read bits or registers
}
