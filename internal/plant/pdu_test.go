package plant_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/internal/plant"
)

func TestOutletsAddUp(t *testing.T) {
	d := plant.New(epoch).PDU()
	for i := range int64(1000) {
		at := epoch + i*61_000_003
		var sum, phases float64
		for k := range plant.Outlets {
			o := d.Outlet(k, at)
			if o.P < 90 || o.P > 500 {
				t.Fatalf("outlet %d: %g W", k, o.P)
			}
			near(t, "current", o.V*o.I*0.95, o.P, 1e-9)
			near(t, "voltage", o.V, 230, 0.3)
			sum += o.P
		}
		for k := range 3 {
			phases += d.Phase(k, at).P
		}
		near(t, "power", d.Power(at), sum, 1e-8)
		near(t, "power of phases", phases, sum, 1e-8)
		t1 := at + i*1_000_000_007
		var energies float64
		for k := range plant.Outlets {
			energies += d.OutletEnergy(k, at, t1)
		}
		near(t, "energy", d.Energy(at, t1), energies, 1e-9*(1+energies))
	}
	if d.Outlet(-1, epoch) != (plant.Branch{}) || d.Outlet(plant.Outlets, epoch) != (plant.Branch{}) || d.Phase(3, epoch) != (plant.Branch{}) {
		t.Error("an outlet that does not exist carries something")
	}
}

func TestPDUEnergyAgreesWithQuadrature(t *testing.T) {
	const steps = 20_000
	d := plant.New(epoch).PDU()
	t0 := epoch + 987_654_321
	t1 := t0 + int64(2*time.Minute)
	var e float64
	for i := range steps + 1 {
		weight := 1.0
		if i == 0 || i == steps {
			weight = 0.5
		}
		e += weight * d.Power(t0+(t1-t0)/steps*int64(i))
	}
	near(t, "energy", d.Energy(t0, t1), e*120/steps/3600, 1e-4)
}

func TestPDURegisters(t *testing.T) {
	d := plant.New(epoch).PDU()
	begin := d.Registers(epoch)
	before := begin
	for i := range int64(2000) {
		at := epoch + i*97_000_000_019
		r := d.Registers(at)
		near(t, "total", float64(r.Total-begin.Total), math.Floor(d.Energy(epoch, at)+1e-9), 0)
		for k := range plant.Outlets {
			if r.Outlets[k] < before.Outlets[k] || r.Total < before.Total {
				t.Fatal("a register fell")
			}
			near(t, "outlet", float64(r.Outlets[k]-begin.Outlets[k]), math.Floor(d.OutletEnergy(k, epoch, at)+1e-9), 0)
		}
		before = r
	}
	// From nanosecond to nanosecond as well.
	for i := range int64(20_000) {
		r := d.Registers(epoch + 12_345_678_901 + i)
		if r.Total < begin.Total {
			t.Fatal("the register fell")
		}
		begin = r
	}
}

func TestBoundOfPDUHolds(t *testing.T) {
	d := plant.New(epoch).PDU()
	b := d.Bound()
	random := rand.New(rand.NewPCG(37, 43))
	const step = int64(10 * time.Millisecond)
	h := time.Duration(step).Seconds()
	for range 20_000 {
		at := epoch + random.Int64N(int64(24*time.Hour))
		before, now, after := d.Power(at-step), d.Power(at), d.Power(at+step)
		for what, pair := range map[string][2]float64{
			"P": {now, b.Max}, "slope": {math.Abs(after-now) / h, b.Slope}, "curvature": {math.Abs(after-2*now+before) / h / h, b.Curvature},
		} {
			if pair[0] > pair[1]*(1+1e-6) {
				t.Fatalf("%s at %d: %g exceeds %g", what, at, pair[0], pair[1])
			}
		}
	}
}
