package modbus_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/units"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A SunSpec inverter gives each value as an integer, and the power of ten to scale
// it by in a register beside it, which it may change at any time. Both are read in
// one request.
func ExamplePoint() {
	var inverter modbustest.Image
	inverter.SetRegisters(modbustest.HoldingRegisters, 40079, 2304, 0xFFFF, 0xFFFF, 0xFFFF) // V_AN, V_BN, V_CN, V_SF
	inverter.SetRegisters(modbustest.HoldingRegisters, 40107, 4)                            // St: MPPT
	device, err := modbustest.Start(modbustest.Config{Units: map[byte]modbustest.Device{1: &inverter}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer device.Close()

	catalog := acquire.NewCatalog()
	volts := func(name string, at uint16) modbus.Point {
		return modbus.Point{
			Name: name, At: modbus.Holding(at), Type: modbus.Uint16, SunSpec: true, ScaleAt: modbus.Holding(40082), Unit: units.Volt,
		}
	}
	source, err := modbus.NewSource(modbus.Config{
		Address: device.Address(), Unit: 1, Catalog: catalog,
		Points: []modbus.Point{
			volts("L1", 40079),
			volts("L2", 40080),
			{Name: "state", At: modbus.Holding(40107), Type: modbus.Uint16, SunSpec: true, Names: map[int64]string{1: "off", 4: "MPPT"}},
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
	var batch acquire.Batch
	if err := stream.Next(context.Background(), &batch); err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range batch.Samples {
		point, _ := catalog.Point(s.Point)
		if name, ok := batch.Text(s.Value); ok {
			fmt.Printf("%s %s %v\n", point.Name, name, s.Quality)
			continue
		}
		fmt.Println(point.Name, s.Value, point.Unit, s.Quality)
	}
	// Output:
	// L1 230.4 V good
	// L2 - V bad: sensor
	// state MPPT good
}

func TestPointsThatFitNoRequest(t *testing.T) {
	_, err := modbus.NewSource(modbus.Config{
		Address: "192.0.2.1", Unit: 1, Catalog: acquire.NewCatalog(), MaxBits: 8, MaxRegisters: 20,
		Points: []modbus.Point{
			{Name: "far", At: modbus.Holding(0), Type: modbus.Int16, ScaleAt: modbus.Holding(20)},
			{Name: "long", At: modbus.Holding(0), Type: modbus.TextUTF8, Length: 21},
			{Name: "wide", At: modbus.Coil(0), Type: modbus.Uint16},
			{Name: "near", At: modbus.Holding(0), Type: modbus.Int16, ScaleAt: modbus.Holding(19)},
		},
	})
	require.Error(t, err)
	assert.ErrorContains(t, err, `point "far": value and scale register, 21 in all, do not fit 20 registers`)
	assert.ErrorContains(t, err, `point "long": type utf8 does not fit 20 registers`)
	assert.ErrorContains(t, err, `point "wide": 16 bits do not fit 8`)
	assert.NotContains(t, err.Error(), "near")
}

// TestNamesMakeAState shows what the catalog says of an enumeration and of a clock.
func TestNamesMakeAState(t *testing.T) {
	catalog := acquire.NewCatalog()
	source, err := modbus.NewSource(modbus.Config{
		Address: "192.0.2.1", Unit: 1, Catalog: catalog,
		Points: []modbus.Point{
			{Name: "mode", At: modbus.Holding(0), Type: modbus.Uint16, Names: map[int64]string{1: "on"}},
			{Name: "clock", At: modbus.Holding(1), Type: modbus.Clock, Layout: "YYMD_hms"},
			{Name: "energy", At: modbus.Holding(9), Type: modbus.UintM10K, Length: 4, Role: acquire.Counter, Unit: units.WattHour},
		},
	})
	require.NoError(t, err)
	for i, want := range []acquire.Point{
		{Name: "mode", Kind: acquire.KindText, Role: acquire.State},
		{Name: "clock", Kind: acquire.KindInt64},
		{Name: "energy", Kind: acquire.KindUint64, Role: acquire.Counter, Unit: units.WattHour},
	} {
		got, ok := catalog.Point(source.Points()[i])
		require.True(t, ok)
		assert.Equal(t, want, got)
	}
}
