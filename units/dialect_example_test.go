package units_test

import (
	"fmt"

	"github.com/fieldtap/fieldtap/units"
)

// A device states its unit once. What it states becomes a scale once, and the
// scale is applied to every value.
func ExampleStated() {
	stated := units.ReadSNMP("0.1 Volt DC")
	scale, err := stated.Between(units.Kilovolt)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stated.Scale, stated.Unit)
	fmt.Println(scale.ApplyInt(2302), units.Kilovolt)

	fmt.Println(units.ReadSNMP("degrees").Err())
	fmt.Println(units.ReadManual("Mw").Err())
	// Output:
	// 1/10 V
	// 0.2302 kV
	// units: unknown unit: snmp: "degrees" is ambiguous
	// units: unknown unit: manual: "Mw" is known only in another case
}

// The code list shows "kvar" for the megavar; the unitId knows better.
func ExampleReadEU() {
	stated := units.ReadEU(units.NamespaceUNECE, 5062994, "kvar")
	fmt.Println(stated.Unit)

	_, unitID, _ := units.Megavar.EU()
	fmt.Println(unitID)
	// Output:
	// Mvar
	// 5062994
}

func ExampleReadUCUM() {
	for _, code := range []string{"kW.h", "V.A", "hW", "V.A{reactive}", "mg/[foo_us]"} {
		if s := units.ReadUCUM(code); s.Understood() {
			fmt.Println(code, "is", s.Scale, s.Unit)
		} else {
			fmt.Println(s.Err())
		}
	}
	// Output:
	// kW.h is 1 kWh
	// V.A is 1 VA
	// hW is 100 W
	// units: unknown unit: ucum: "V.A{reactive}" is ambiguous
	// units: unknown unit: ucum: "[foo_us]" is not supported
}

func ExampleUCUM_Convert() {
	from, err := units.ParseUCUM("m3.kg-1.s-2")
	if err != nil {
		fmt.Println(err)
		return
	}
	to, err := units.ParseUCUM("L/(g.min2)")
	if err != nil {
		fmt.Println(err)
		return
	}
	x, err := from.Convert(2, to)
	fmt.Println(x, err)
	// Output:
	// 7200 <nil>
}
