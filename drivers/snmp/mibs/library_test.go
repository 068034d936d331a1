package mibs_test

import (
	"fmt"
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/mibs"
	"github.com/fieldtap/fieldtap/units"
)

func read(t testing.TB) *mibs.Library {
	t.Helper()
	l, err := mibs.Read(os.DirFS("testdata"))
	require.Error(t, err)
	for _, said := range []string{
		"BROKEN-MIB.txt", "ORPHAN-MIB::orphan: absent of module ABSENT-MIB, which is not there", "ORPHAN-MIB::ring: names that hang below each other",
	} {
		assert.ErrorContains(t, err, said)
	}
	return l
}

func TestNames(t *testing.T) {
	l := read(t)
	const plant = "1.3.6.1.4.1.99999."
	for name, want := range map[string]snmp.OID{
		"PLANT-TC::plant":                   "1.3.6.1.4.1.99999",
		"PLANT-MIB::plantVoltage.0":         plant + "2.1.1.0",
		"plantBreaker.0":                    plant + "2.1.2.0",
		"plantFeederEnergy.3.102.49":        plant + "2.1.3.1.3.3.102.49",
		"PLANT-MIB::plantTripped":           plant + "2.0.1",
		"ORPHAN-MIB::plantVoltage":          "1.3.6.1.4.1.99998.7",
		".1.3.6.1.2.1.1.3.0":                "1.3.6.1.2.1.1.3.0",
		"PLANT-MIB::plantFeederEntry":       plant + "2.1.3.1",
		"PLANT-MIB::plantFeederState.1.0.7": plant + "2.1.3.1.4.1.0.7",
	} {
		oid, err := l.Parse(name)
		require.NoError(t, err, name)
		assert.Equal(t, want, oid, name)
	}
	assert.Equal(t, "PLANT-MIB::plantFeederEnergy.3.102.49", l.Name(plant+"2.1.3.1.3.3.102.49"))
	assert.Equal(t, "PLANT-MIB::plantFeederEntry.99", l.Name(plant+"2.1.3.1.99"))
	assert.Equal(t, "1.3.6.1.2.1.1.3.0", l.Name("1.3.6.1.2.1.1.3.0"), "of no module")
	for _, name := range []string{"", "plantVoltage", "nothing", "PLANT-MIB::nothing.0", "NO-MIB::plant", "plantBreaker.x", "plantBreaker.-1"} {
		_, err := l.Parse(name)
		assert.Error(t, err, "%q", name)
	}
	_, err := l.Object("plantVoltage")
	assert.ErrorContains(t, err, "ORPHAN-MIB and PLANT-MIB")
}

func TestObjects(t *testing.T) {
	l := read(t)
	object := func(name string) mibs.Object {
		o, err := l.Object(name)
		require.NoError(t, err)
		return o
	}
	voltage := object("PLANT-MIB::plantVoltage")
	assert.Equal(t, mibs.Scalar, voltage.Kind)
	assert.Equal(t, units.Volt, voltage.Unit().Unit)
	assert.Equal(t, units.Scale{Num: 1, Den: 10}, voltage.Unit().Scale)
	assert.Equal(t, map[int64]string{1: "open", 2: "closed", -1: "torn"}, object("plantBreaker").Enum, "of a textual convention elsewhere")
	assert.Equal(t, map[int64]string{0: "off", 1: "on"}, object("plantFeederState").Enum)
	energy := object("plantFeederEnergy")
	assert.Equal(t, mibs.Column, energy.Kind)
	assert.Equal(t, "Counter64", energy.Syntax)
	assert.Equal(t, units.WattHour, energy.Unit().Unit)
	row := object("plantFeederEntry")
	assert.Equal(t, mibs.Row, row.Kind)
	assert.Equal(t, []string{"plantFeederHall", "plantFeederName"}, row.Index)
	assert.True(t, row.Implied)
	assert.Equal(t, mibs.Table, object("plantFeederTable").Kind)
	assert.Equal(t, mibs.Notification, object("plantTripped").Kind)
	assert.Equal(t, "not-accessible", object("plantFeederHall").Access)
	last := snmp.OID("")
	for o := range l.All() {
		assert.LessOrEqual(t, last.Compare(o.OID), 0)
		last = o.OID
	}
}

// TestTogether reads modules on many goroutines at once: nothing is shared.
func TestTogether(t *testing.T) {
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			oid, err := read(t).Parse("plantBreaker.0")
			require.NoError(t, err)
			assert.Equal(t, snmp.OID("1.3.6.1.4.1.99999.2.1.2.0"), oid)
		})
	}
}

// FuzzRead reads any text as a module.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"PLANT-TC.txt", "PLANT-MIB.txt", "ORPHAN-MIB.txt", "BROKEN-MIB.txt"} {
		text, err := os.ReadFile("testdata/" + name)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, _ := mibs.Read(fstest.MapFS{"m": {Data: text}})
		for o := range l.All() {
			require.True(t, o.OID.Valid(), "%s %s", o, o.OID)
		}
	})
}

func Example() {
	library, err := mibs.Read(os.DirFS("testdata"))
	if err != nil {
		fmt.Println("some names are not known")
	}
	voltage, _ := library.Object("PLANT-MIB::plantVoltage")
	fmt.Println(voltage.OID, voltage.Unit().Scale, voltage.Unit().Unit)
	fmt.Println(library.Name("1.3.6.1.4.1.99999.2.1.3.1.4.7.65"))
	// Output:
	// some names are not known
	// 1.3.6.1.4.1.99999.2.1.1 1/10 V
	// PLANT-MIB::plantFeederState.7.65
}
