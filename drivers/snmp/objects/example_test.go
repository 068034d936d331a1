package objects_test

import (
	"fmt"

	"github.com/fieldtap/fieldtap/drivers/snmp/objects"
)

// What a device sent, and what it means.
func Example() {
	o, _ := objects.Lookup("1.3.6.1.4.1.318.1.1.26.4.3.1.5.1")
	meaning := o.Read()
	fmt.Println(o, o.Quantity, meaning.Scale.ApplyInt(437), meaning.Unit)
	// Output: POWERNET-MIB::rPDU2DeviceStatusPower active_power 4.37 kW
}

// All sensors of an agent, each in its own unit: a table for each that there can be.
func ExampleObject_Tables() {
	o, _ := objects.ByName("entPhySensorValue")
	tables, err := o.Tables("sensor/{index}", "value")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range tables {
		fmt.Print(t.Columns[0].Unit, " ")
	}
	// Output: V V A W Hz degC %RH rpm m3/min
}
