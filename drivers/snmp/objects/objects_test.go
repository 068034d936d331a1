package objects_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/objects"
	"github.com/fieldtap/fieldtap/units"
)

func TestTable(t *testing.T) {
	names, count := make(map[string]bool), 0
	catalog := acquire.NewCatalog()
	var last objects.Object
	for o := range objects.All() {
		count++
		assert.True(t, o.OID.Valid(), o)
		assert.False(t, names[o.Name], "%s twice", o)
		names[o.Name] = true
		assert.Equal(t, o.By == objects.Nothing, len(o.Of) == 0, o)
		assert.True(t, o.Unit.Valid() || o.By == objects.EntitySensor || o.By == objects.RaritanSensor, o)
		if o.MIB == last.MIB {
			assert.NotEqual(t, last.OID, o.OID)
		}
		for other := range objects.All() {
			assert.False(t, o.OID != other.OID && o.OID.HasPrefix(other.OID), "%s below %s", o, other)
		}
		if o.By == objects.Nothing {
			assert.NotEmpty(t, o.Quantity, o)
			s := o.Read()
			assert.True(t, s.Understood(), o)
			_, err := catalog.Define(acquire.Point{Name: o.Name, Unit: s.Unit, Kind: acquire.KindFloat64, Role: o.Role})
			assert.NoError(t, err)
		}
		last = o
	}
	assert.Greater(t, count, 120)
}

func TestLookup(t *testing.T) {
	o, ok := objects.Lookup("1.3.6.1.2.1.33.1.3.3.1.3.2")
	require.True(t, ok)
	assert.Equal(t, "UPS-MIB::upsInputVoltage", o.String())
	assert.Equal(t, snmp.OID("1.3.6.1.2.1.33.1.3.3.1.3.2"), o.Instance(2))
	_, ok = objects.Lookup("1.3.6.1.2.1.33.1.3.3.1.33")
	assert.False(t, ok)
	o, ok = objects.ByName("UPS-MIB::upsBatteryVoltage")
	require.True(t, ok)
	assert.Equal(t, snmp.OID("1.3.6.1.2.1.33.1.2.5.0"), o.Instance())
	assert.Equal(t, units.Volt, o.Unit)
	assert.Equal(t, 54.3, o.Scale.ApplyInt(543))
	_, ok = objects.ByName("XUPS-MIB::upsBatteryVoltage")
	assert.False(t, ok)
	o, ok = objects.ByName("rPDU2DeviceStatusEnergy")
	require.True(t, ok)
	assert.Equal(t, acquire.Counter, o.Role)
	o, ok = objects.ByName("outletVoltage")
	require.True(t, ok)
	assert.True(t, o.Absent.Is(-7))
	assert.False(t, o.Absent.Is(0))
	assert.True(t, objects.MinusOne.Is(-1))
	assert.False(t, objects.MinusOne.Is(-2))
	assert.False(t, objects.Always.Is(-1))
}

// TestRead completes meanings by what other columns say.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		name    string
		of      []int64
		unit    units.Unit
		scale   units.Scale
		verdict units.Verdict
	}{
		{"eoPower", []int64{3}, units.Watt, units.Scale{Num: 1000, Den: 1}, units.Understood},
		{"eoPower", []int64{-3}, units.Watt, units.Scale{Num: 1, Den: 1000}, units.Understood},
		{"eoPower", []int64{0}, units.Watt, units.Scale{Num: 1, Den: 1}, units.Understood},
		{"eoPower", []int64{24}, units.None, units.Scale{}, units.OutOfRange},
		{"eoPower", nil, units.None, units.Scale{}, units.NotStated},
		{"entPhySensorValue", []int64{5, 8, 1, 1}, units.Ampere, units.Scale{Num: 1, Den: 10_000}, units.Understood}, // 0.1 mA
		{"entPhySensorValue", []int64{5, 8, 1, 2}, units.None, units.Scale{}, units.NotStated},                       // unavailable
		{"entPhySensorValue", []int64{99, 9, 0, 1}, units.None, units.Scale{}, units.Unknown},
		{"entPhySensorValue", []int64{1 << 40, 9, 0, 1}, units.None, units.Scale{}, units.NotStated},
		{"measurementsOutletSensorSignedValue", []int64{3, 1}, units.Watt, units.Scale{Num: 1, Den: 10}, units.Understood},
		{"measurementsOutletSensorSignedValue", []int64{-1, 0}, units.None, units.Scale{}, units.Unknown},
		{"hrStorageUsed", []int64{4096}, units.Byte, units.Scale{Num: 4096, Den: 1}, units.Understood},
		{"hrStorageUsed", []int64{0}, units.None, units.Scale{}, units.OutOfRange},
	} {
		o, ok := objects.ByName(c.name)
		require.True(t, ok, c.name)
		got := o.Read(c.of...)
		assert.Equal(t, c.verdict, got.Verdict, "%s %v", c.name, c.of)
		assert.Equal(t, c.unit, got.Unit, "%s %v", c.name, c.of)
		if c.verdict == units.Understood {
			assert.Equal(t, c.scale.Reduce(), got.Scale.Reduce(), "%s %v", c.name, c.of)
		}
	}
}

func TestNothingChangesTheTable(t *testing.T) {
	before := slices.Collect(objects.All())
	for o := range objects.All() {
		o.Unit = units.None
	}
	assert.Equal(t, before, slices.Collect(objects.All()))
}
