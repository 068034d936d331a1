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

// Temperatures have zeros of their own; differences of temperatures have none.
func ExampleQuantity_In() {
	for _, q := range []units.Quantity{
		{Value: 20, Unit: units.DegreeCelsius},
		{Value: 20, Unit: units.DeltaDegreeCelsius},
	} {
		for _, u := range []units.Unit{units.DegreeFahrenheit, units.DeltaDegreeFahrenheit} {
			if converted, err := q.In(u); err == nil {
				fmt.Println(q, "is", converted)
			}
		}
	}
	// Output:
	// 20 °C is 68 °F
	// 20 Δ°C is 36 Δ°F
}

func ExampleFormat() {
	people := units.Format{Digits: 3, Prefixes: true}
	fmt.Println(people.String(units.Quantity{Value: 1234567, Unit: units.WattHour}))
	fmt.Println(people.String(units.Quantity{Value: 0.0421, Unit: units.Ampere}))
	fmt.Println(people.String(units.Quantity{Value: 12.345, Unit: units.CubicMetrePerHour}))
	fmt.Println(units.Watts(24310))
	// Output:
	// 1.23 MWh
	// 42.1 mA
	// 12.3 m³/h
	// 24.31 kW
}

// A counter stays a whole number, and what does not fit is not lost.
func ExampleConverter_ConvertInt() {
	conv, err := units.Between(units.Megajoule, units.KilowattHour)
	if err != nil {
		fmt.Println(err)
		return
	}
	whole, rest, _ := conv.ConvertInt(1000)
	_, den := conv.Ratio()
	fmt.Printf("%d kWh and %d/%d\n", whole, rest, den)
	// Output: 277 kWh and 14/18
}

func ExamplePrice_Cost() {
	price, err := units.ParsePrice("0.2875 EUR/kWh")
	if err != nil {
		fmt.Println(err)
		return
	}
	cost, err := price.Cost(units.Quantity{Value: 1.5, Unit: units.MegawattHour}, units.HalfAwayFromZero)
	fmt.Println(cost, err)

	_, err = price.Cost(units.Quantity{Value: 1.5, Unit: units.MegavarHour}, units.HalfAwayFromZero)
	fmt.Println(err)
	// Output:
	// 431.25 EUR <nil>
	// units: cannot convert Mvarh to kWh: reactive energy and active energy share a dimension but not a kind, and neither can be had from the other alone
}
