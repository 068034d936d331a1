package plant_test

import (
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/internal/plant"
)

// What a quarter of an hour really was, and what the meter's registers said about it.
func Example() {
	start := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	t0, t1 := start.UnixNano(), start.Add(15*time.Minute).UnixNano()
	line, ok := plant.New(t0).Meter(plant.Line)
	if !ok {
		return
	}
	pf, _ := line.PowerFactor(t0, t1)
	fmt.Printf("energy %.6f kWh, mean %.3f kW, PF %.3f\n", line.Energy(t0, t1).ImportWh/1000, line.MeanPower(t0, t1)/1000, pf)
	fmt.Println("counted", line.Registers(t1).ImportWh-line.Registers(t0).ImportWh, "Wh")
	// Output:
	// energy 20.260677 kWh, mean 81.043 kW, PF 0.804
	// counted 20260 Wh
}
