package plant_test

import (
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/internal/plant"
)

const s = int64(time.Second)

func TestUPS(t *testing.T) {
	p := plant.New(epoch)
	u := p.UPS()
	for i := range int64(6000) {
		at := epoch - 30*s + i*100_000_007
		r := u.At(at)
		position := at % (60 * s)
		if away := position >= 50*s; r.OnBattery != away || r.OnBattery != (r.Outage > 0 || position == 50*s) {
			t.Fatalf("at %d s: on battery %v for %g s", position/s, r.OnBattery, r.Outage)
		}
		if r.Charge < 0.85 || r.Charge > 1 {
			t.Fatalf("charge %g", r.Charge)
		}
		near(t, "stored", r.Charge*u.Capacity(), r.Stored, 1e-9)
		var in, out float64
		for k := range 3 {
			if r.Output[k] != p.PDU().Phase(k, at) {
				t.Fatal("the output is not the load")
			}
			in, out = in+r.Input[k].P, out+r.Output[k].P
		}
		near(t, "remaining", r.Remaining*out/3600, r.Stored, 1e-9)
		loss := 180.0
		if r.OnBattery {
			loss = 0
			if r.Input != [3]plant.Branch{} || r.InputFrequency != 0 {
				t.Fatal("something comes from mains that are away")
			}
		}
		near(t, "power", in+r.Voltage*r.Current, out+loss, 1e-8)
		// The battery holds what flowed into it.
		const step = 1_000_000
		if next := u.At(at + step); next.OnBattery == r.OnBattery {
			mean := (r.Voltage*r.Current + next.Voltage*next.Current) / 2
			if (position-40*s)*(position+step-40*s) > 0 { // not over the end of the charge
				near(t, "flow", (r.Stored-next.Stored)*3600, mean*step/1e9, 1e-5)
			}
		}
	}
	for _, at := range []int64{40 * s, 45 * s, 50 * s} {
		near(t, "full", u.At(epoch+at).Charge, 1, 0)
	}
	if !u.At(epoch+50*s).OnBattery || u.At(epoch+50*s-1).OnBattery || u.At(epoch+60*s).OnBattery || !u.At(epoch+60*s-1).OnBattery {
		t.Error("the outage is not from second 50 to 60")
	}
	near(t, "no jump at the return of the mains", u.At(epoch+60*s-1).Stored, u.At(epoch+60*s).Stored, 1e-8)
	if n := u.At(epoch+55*s).Outages - u.At(epoch+45*s).Outages; n != 1 {
		t.Errorf("%d outages in an outage", n)
	}
	if u.At(epoch+65*s).Outages != u.At(epoch+55*s).Outages {
		t.Error("the end of an outage counts as one")
	}
}

func TestServerRoomAllocs(t *testing.T) {
	p := plant.New(epoch)
	if n := testing.AllocsPerRun(100, func() {
		_ = p.UPS().At(epoch + 55*s)
		_ = p.PDU().Registers(epoch + 5*s)
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
