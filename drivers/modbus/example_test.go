package modbus_test

import (
	"context"
	"fmt"

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
