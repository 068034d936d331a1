package acquire_test

import (
	"fmt"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

func ExampleCatalog() {
	var catalog acquire.Catalog
	power, err := catalog.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	if err != nil {
		fmt.Println(err)
		return
	}
	good := acquire.Sample{
		Time: 1790000000_000000000, Point: power,
		Value: acquire.Float64(97.2), Quality: acquire.Good,
	}
	failed := acquire.Sample{
		Time: 1790000001_000000000, Point: power,
		Quality: acquire.Bad.Because(acquire.Configuration).WithNative(2),
	}
	fmt.Printf("%s\n", catalog.AppendSample(nil, good, nil))
	fmt.Printf("%s\n", catalog.AppendSample(nil, failed, nil))
	// Output:
	// 2026-09-21T14:13:20Z main/P 97.2 kW good
	// 2026-09-21T14:13:21Z main/P - bad: configuration (code 2)
}
