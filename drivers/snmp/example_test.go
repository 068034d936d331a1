package snmp_test

import (
	"context"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/units"
)

func Example() {
	// A power strip to talk to: 230.5 V, and two outlets.
	objects := snmptest.Objects{
		"1.3.6.1.2.1.1.3.0":       snmptest.Uptime(),
		"1.3.6.1.4.1.99999.1.1.0": snmptest.Integer(2305),
	}
	const outlet = "1.3.6.1.4.1.99999.2.1"
	objects.Row(outlet, "1", map[uint32]snmptest.Object{2: snmptest.Gauge32(40), 3: snmptest.Counter32(123456)})
	objects.Row(outlet, "2", map[uint32]snmptest.Object{2: snmptest.Gauge32(0), 3: snmptest.Counter32(789)})
	mib, err := snmptest.NewMIB(objects)
	if err != nil {
		fmt.Println(err)
		return
	}
	strip, err := snmptest.Start(snmptest.Config{MIB: mib})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer strip.Close()

	catalog := acquire.NewCatalog()
	source, err := snmp.NewSource(snmp.Config{
		Address: strip.Address(), Community: "public", Catalog: catalog, Interval: 10 * time.Second,
		Points: []snmp.Point{
			{Name: "strip/U", OID: "1.3.6.1.4.1.99999.1.1.0", Type: snmp.Int32, Scale: units.Scale{Den: 10}, Unit: units.Volt},
		},
		Tables: []snmp.Table{{
			Name: "strip/{index}", Columns: []snmp.Point{
				{Name: "P", OID: outlet + ".2", Type: snmp.Uint32, Unit: units.Watt},
				{Name: "E", OID: outlet + ".3", Type: snmp.Counter32, Unit: units.WattHour},
			},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, request := range source.Plan() {
		fmt.Println(request)
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
	for _, sample := range batch.Samples {
		point, _ := catalog.Point(sample.Point)
		fmt.Println(point.Name, sample.Value, point.Unit, sample.Quality)
	}
	// Output:
	// get 1 objects, 68 bytes
	// walk 2 columns, 1 packets of 495 bytes
	// strip/U 230.5 V good
	// strip/1/P 40 W good
	// strip/1/E 123456 Wh good
	// strip/2/P 0 W good
	// strip/2/E 789 Wh good
}

// A column of ENTITY-SENSOR-MIB holds watts in one row and volts in another: a table for
// each.
func ExampleCondition() {
	const entry = "1.3.6.1.2.1.99.1.1.1"
	objects := make(snmptest.Objects)
	objects.Row(entry, "7", map[uint32]snmptest.Object{ // 460.5 W
		1: snmptest.Integer(6), 2: snmptest.Integer(9), 3: snmptest.Integer(1), 4: snmptest.Integer(4605),
	})
	objects.Row(entry, "8", map[uint32]snmptest.Object{ // 229,800 mV
		1: snmptest.Integer(4), 2: snmptest.Integer(8), 3: snmptest.Integer(0), 4: snmptest.Integer(229800),
	})
	mib, err := snmptest.NewMIB(objects)
	if err != nil {
		fmt.Println(err)
		return
	}
	device, err := snmptest.Start(snmptest.Config{MIB: mib})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer device.Close()

	sensors := func(column string, unit units.Unit, types ...int64) snmp.Table {
		return snmp.Table{
			Name: "sensor/{index}", Where: []snmp.Condition{{OID: entry + ".1", In: types}},
			Columns: []snmp.Point{{Name: column, OID: entry + ".4", Unit: unit, Exponents: []snmp.Exponent{
				{OID: entry + ".2", Times: 3, Zero: 9}, {OID: entry + ".3", Times: -1, Floor: true},
			}}},
		}
	}
	catalog := acquire.NewCatalog()
	source, err := snmp.NewSource(snmp.Config{
		Address: device.Address(), Community: "public", Catalog: catalog,
		Tables: []snmp.Table{sensors("P", units.Watt, 6), sensors("U", units.Volt, 3, 4)},
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
	for _, sample := range batch.Samples {
		point, _ := catalog.Point(sample.Point)
		fmt.Println(point.Name, sample.Value, point.Unit, sample.Quality)
	}
	// Output:
	// sensor/7/P 460.5 W good
	// sensor/8/U 229.8 V good
}

func ExampleDriver() {
	registry, err := acquire.NewRegistry(snmp.NewDriver(map[string]snmp.User{
		"monitor": {Name: "monitor", AuthKey: "from a file", PrivKey: "from a file, too"},
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	catalog := acquire.NewCatalog()
	source, err := registry.Source("snmp://monitor@192.0.2.7?interval=1m"+
		"&point=ups/charge,1.3.6.1.2.1.33.1.2.4.0,int32,unit=%25"+
		"&table=ups/out/{index}&column=ups/out/{index}/P,1.3.6.1.2.1.33.1.4.4.1.4,int32,unit=W", catalog)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(source.Name(), len(source.Points()))
	// Output: 192.0.2.7 1
}
