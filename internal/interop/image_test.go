package interop_test

import (
	"fmt"
	"strings"

	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// image is what the units of a server hold. Each table reaches from address 0 to
// the highest one set; the servers fill up with 0.
type image []run

// run is a row of values at consecutive addresses. Bits are words of 0 or 1.
type run struct {
	unit  byte
	at    modbus.Address
	words []uint16
}

// String gives the image in the form that the servers read.
func (m image) String() string {
	names := map[modbus.Table]string{
		modbus.Coils: "coils", modbus.DiscreteInputs: "discrete",
		modbus.HoldingRegisters: "holding", modbus.InputRegisters: "input",
	}
	var b strings.Builder
	for _, r := range m {
		fmt.Fprintf(&b, "%d %s %d", r.unit, names[r.at.Table()], r.at.Offset())
		for _, w := range r.words {
			fmt.Fprintf(&b, " %d", w)
		}
		b.WriteByte('\n')
	}
	b.WriteString("serve\n")
	return b.String()
}
