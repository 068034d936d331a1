package objects_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/objects"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// poll returns what one poll of an agent with those objects gives.
func poll(t *testing.T, mib snmptest.Objects, points []snmp.Point, tables []snmp.Table) []string {
	t.Helper()
	served, err := snmptest.NewMIB(mib)
	require.NoError(t, err)
	agent, err := snmptest.Start(snmptest.Config{MIB: served})
	require.NoError(t, err)
	defer agent.Close()
	catalog := acquire.NewCatalog()
	source, err := snmp.NewSource(snmp.Config{
		Address: agent.Address(), Community: "public", Catalog: catalog, Interval: time.Second, Points: points, Tables: tables,
	})
	require.NoError(t, err)
	stream, err := source.Open(t.Context())
	require.NoError(t, err)
	defer stream.Close()
	var b acquire.Batch
	require.NoError(t, stream.Next(t.Context(), &b))
	var lines []string
	for _, s := range b.Samples {
		p, _ := catalog.Point(s.Point)
		lines = append(lines, fmt.Sprintf("%s = %s %s, %s, %s", p.Name, s.Value, p.Unit, p.Role, s.Quality))
	}
	slices.Sort(lines)
	return lines
}

func object(t *testing.T, name string) objects.Object {
	t.Helper()
	o, ok := objects.ByName(name)
	require.True(t, ok, name)
	return o
}

func TestPoints(t *testing.T) {
	scalar, err := object(t, "upsBatteryVoltage").Point("battery/U")
	require.NoError(t, err)
	row, err := object(t, "rPDU2DeviceStatusPower").Point("pdu/P", 1)
	require.NoError(t, err)
	negative, err := object(t, "inputVoltage").Point("feed/U", 0, 1, 1)
	require.NoError(t, err)
	power, err := object(t, "eoPower").Point("P", 7)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"P = 2300 W, gauge, good",
		"battery/U = 54.1 V, gauge, good",
		"feed/U = - V, gauge, bad: sensor",
		"pdu/P = 4.37 kW, gauge, good",
	}, poll(t, snmptest.Objects{
		"1.3.6.1.2.1.33.1.2.5.0":              snmptest.Integer(541),
		"1.3.6.1.4.1.318.1.1.26.4.3.1.5.1":    snmptest.Integer(437),
		"1.3.6.1.4.1.534.6.6.7.3.2.1.3.0.1.1": snmptest.Integer(-7),
		"1.3.6.1.2.1.229.1.2.1.1.7":           snmptest.Integer(23),
		"1.3.6.1.2.1.229.1.2.1.3.7":           snmptest.Integer(2),
	}, []snmp.Point{scalar, row, negative, power}, nil))

	for _, name := range []string{"entPhySensorValue", "measurementsInletSensorValue", "hrStorageUsed"} {
		_, err := object(t, name).Point("x")
		assert.ErrorContains(t, err, name)
	}
}

// Every object gives what a source takes, or an error that names it.
func TestTablesOfAll(t *testing.T) {
	for o := range objects.All() {
		tables, err := o.Tables("row/{index}", "value")
		if !o.Column {
			assert.ErrorContains(t, err, o.Name)
			p, err := o.Point("value")
			require.NoError(t, err, o)
			_, err = snmp.NewSource(snmp.Config{Address: "127.0.0.1", Community: "c", Catalog: acquire.NewCatalog(), Points: []snmp.Point{p}})
			assert.NoError(t, err, o)
			continue
		}
		if o.By == objects.AllocationUnits {
			assert.ErrorContains(t, err, o.Name)
			continue
		}
		require.NoError(t, err, o)
		_, err = snmp.NewSource(snmp.Config{Address: "127.0.0.1", Community: "c", Catalog: acquire.NewCatalog(), Tables: tables})
		assert.NoError(t, err, o)
	}
}

func TestTablesByWhatRowsAre(t *testing.T) {
	sensors, err := object(t, "entPhySensorValue").Tables("sensor/{index}", "value")
	require.NoError(t, err)
	inlets, err := object(t, "measurementsInletSensorSignedValue").Tables("inlet/{2}/{3}", "value")
	require.NoError(t, err)

	mib := make(snmptest.Objects)
	sensor := func(index string, typ, scale, precision, value, status int32) {
		mib.Row("1.3.6.1.2.1.99.1.1.1", index, map[uint32]snmptest.Object{
			1: snmptest.Integer(typ), 2: snmptest.Integer(scale), 3: snmptest.Integer(precision),
			4: snmptest.Integer(value), 5: snmptest.Integer(status),
		})
	}
	sensor("1", 4, 8, 1, 2305, 1) // V DC, milli, tenths
	sensor("2", 6, 10, 0, -3, 1)  // W, kilo
	sensor("3", 8, 9, -4, 21, 1)  // °C, accurate to four digits
	sensor("4", 12, 9, 0, 1, 1)   // a truth value
	sensor("5", 5, 9, 0, 7, 2)    // A, unavailable
	sensor("6", 5, 14, 0, 7, 1)   // A, exa or peta
	inlet := func(index string, unit uint32, digits uint32, value int32) {
		mib.Row("1.3.6.1.4.1.13742.6.3.3.4.1", index, map[uint32]snmptest.Object{6: snmptest.Integer(int32(unit)), 7: snmptest.Gauge32(digits)})
		mib.Row("1.3.6.1.4.1.13742.6.5.2.3.1", index, map[uint32]snmptest.Object{6: snmptest.Integer(value)})
	}
	inlet("1.1.4", 1, 1, 2304)
	inlet("1.1.8", 5, 0, 123456)
	inlet("1.1.7", 99, 2, 95) // a unit of another firmware
	assert.Equal(t, []string{
		"inlet/1/4/value = 230.4 V, gauge, good",
		"inlet/1/8/value = 123456 Wh, counter, good",
		"sensor/1/value = 0.2305 V, gauge, good",
		"sensor/2/value = -3000 W, gauge, good",
		"sensor/3/value = 21 degC, gauge, good",
	}, poll(t, mib, nil, append(sensors, inlets...)))
}
