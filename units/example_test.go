package units_test

import (
	"errors"
	"fmt"

	"github.com/fieldtap/fieldtap/units"
)

// A meter sends its energy in tenths of a kilowatt hour; the plant wants
// megajoules. Everything is decided before the first value.
func Example() {
	unit, err := units.Parse("kWh")
	if err != nil {
		fmt.Println(err)
		return
	}
	scale, err := units.ParseScale("1/10")
	if err != nil {
		fmt.Println(err)
		return
	}
	conv, err := units.Between(unit, units.Megajoule)
	if err != nil {
		fmt.Println(err)
		return
	}

	fmt.Println(scale.ApplyInt(2302), unit)
	fmt.Println(conv.Convert(230), units.Megajoule)

	// Both steps in one exact ratio, rounded once.
	if direct, ok := scale.Then(conv); ok {
		fmt.Println(direct, "gives", direct.ApplyInt(2302), units.Megajoule)
	}
	// Output:
	// 230.2 kWh
	// 828 MJ
	// 9/25 gives 828.72 MJ
}

// Active and reactive power have one dimension and two kinds.
func ExampleBetween_kinds() {
	_, err := units.Between(units.Kilowatt, units.Kilovar)
	var kindError *units.KindError
	if errors.As(err, &kindError) {
		fmt.Println(kindError.From.Kind(), "is not", kindError.To.Kind())
	}
	// Output: active power is not reactive power
}

func ExampleParse() {
	for _, s := range []string{"MW", "mW", "Mw"} {
		u, err := units.Parse(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		num, den := u.Ratio()
		fmt.Printf("%v is %v, %d/%d W\n", u, u.Kind(), num, den)
	}
	// Output:
	// MW is active power, 1000000/1 W
	// mW is active power, 1/1000 W
	// units: unknown unit "Mw"
}

func ExampleScale() {
	tenths := units.Scale{Num: 1, Den: 10}
	factor := 0.1
	fmt.Println(tenths.ApplyInt(2302), 2302*factor)
	// Output: 230.2 230.20000000000002
}
