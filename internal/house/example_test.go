package house_test

import (
	"fmt"

	"github.com/fieldtap/fieldtap/internal/house"
)

// Every rule over this repository, without what it allows itself.
func Example() {
	m, err := house.Load("../..")
	if err != nil {
		fmt.Println(err)
		return
	}
	var found []house.Violation
	for _, rule := range house.Rules() {
		found = append(found, rule.Check(m)...)
	}
	stand, _ := house.Excuse(found, house.Allowances())
	for _, v := range stand {
		fmt.Println(v)
	}
}

func ExampleViolation_String() {
	fmt.Println(house.Violation{
		Rule: "imports", File: "units/unit.go", Line: 7, Symbol: "units.net",
		Reason: "units imports net: units/... does without it",
	})
	// Output:
	// units/unit.go:7: imports: units imports net: units/... does without it
}
