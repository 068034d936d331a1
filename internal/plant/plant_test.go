package plant_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/internal/plant"
)

// epoch is midnight UTC, so that quarter hours are easy to see.
var epoch = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).UnixNano()

func meter(t testing.TB, name string) *plant.Meter {
	t.Helper()
	m, ok := plant.New(epoch).Meter(name)
	if !ok {
		t.Fatalf("no meter %q", name)
	}
	return m
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) { // also false for NaN
		t.Errorf("%s: %.15g, want %.15g, off by %g, tolerated %g", what, got, want, got-want, tolerance)
	}
}

func TestMeters(t *testing.T) {
	p := plant.New(epoch)
	var names []string
	for _, m := range p.Meters() {
		names = append(names, m.Name())
		if found, ok := p.Meter(m.Name()); !ok || found != m {
			t.Errorf("meter %q is not found", m.Name())
		}
	}
	if len(names) != 3 || names[0] != plant.Main || names[1] != plant.Line || names[2] != plant.Battery {
		t.Errorf("meters %q", names)
	}
	if _, ok := p.Meter("none"); ok {
		t.Error("a meter that does not exist is found")
	}
	if p.Epoch() != epoch {
		t.Errorf("epoch %d", p.Epoch())
	}
	p.Meters()[0] = nil
	if p.Meters()[0] == nil {
		t.Error("the caller can change the plant")
	}
}

func TestReadingsAreConsistent(t *testing.T) {
	p := plant.New(epoch)
	for i := range int64(5_000) {
		at := epoch + i*28_000_001
		var main, feeders plant.Reading
		for _, m := range p.Meters() {
			r := m.At(at)
			if r.Time != at {
				t.Fatalf("time %d", r.Time)
			}
			var sumP, sumQ float64
			for _, ph := range r.Phases {
				near(t, "S of phase", ph.S*ph.S, ph.P*ph.P+ph.Q*ph.Q, 1e-12*ph.S*ph.S)
				near(t, "V·I", ph.V*ph.I, ph.S, 1e-12*ph.S)
				near(t, "V", ph.V, 230, 1.9)
				sumP, sumQ = sumP+ph.P, sumQ+ph.Q
			}
			near(t, "P", r.P, sumP, 0)
			near(t, "Q", r.Q, sumQ, 0)
			near(t, "S", r.S*r.S, r.P*r.P+r.Q*r.Q, 1e-12*r.S*r.S)
			near(t, "PF", r.PF*r.S, r.P, 1e-12*r.S)
			near(t, "frequency", r.Frequency, 50, 0.03)
			if r.S < 1000 {
				t.Fatalf("%s at %d: S is %g, too small for a power factor", m.Name(), at, r.S)
			}
			switch m.Name() {
			case plant.Main:
				main = r
				if r.P < 10_000 || r.P > 220_000 || r.Q < 10_000 {
					t.Fatalf("main at %d: %g W %g var", at, r.P, r.Q)
				}
			case plant.Line:
				if r.P < 30_000 || r.P > 130_000 || r.Q < 30_000 {
					t.Fatalf("line at %d: %g W %g var", at, r.P, r.Q)
				}
				fallthrough
			default:
				feeders.P, feeders.Q = feeders.P+r.P, feeders.Q+r.Q
			}
		}
		near(t, "base load, W", main.P-feeders.P, 36_000, 4_500.001)
		near(t, "base load, var", main.Q-feeders.Q, 12_000, 1_200.001)
		if t.Failed() {
			return
		}
	}
}

// The closed forms agree with a trapezoid sum, within what the bounds say a trapezoid sum is worth.
func TestEnergyAgreesWithQuadrature(t *testing.T) {
	const steps = 10_000
	for _, m := range plant.New(epoch).Meters() {
		for _, span := range []time.Duration{20 * time.Second, 61 * time.Second, 7*time.Minute + 123456789} {
			t0 := epoch + 4*int64(time.Hour) + 987_654_321
			t1 := t0 + int64(span)
			var ip, ep, iq, eq float64
			for i := range steps + 1 {
				r := m.At(t0 + int64(float64(span)*float64(i)/steps))
				weight := 1.0
				if i == 0 || i == steps {
					weight = 0.5
				}
				ip, ep = ip+weight*max(0, r.P), ep+weight*max(0, -r.P)
				iq, eq = iq+weight*max(0, r.Q), eq+weight*max(0, -r.Q)
			}
			h := span.Seconds() / steps
			scale := h / 3600
			b := m.Bounds()
			// A kink where a power changes its sign adds at most Slope·h²/8, and there are at most two in 10 s. Each step
			// is rounded to whole nanoseconds, and each sum to a float64.
			tolerance := func(b plant.Bound) float64 {
				kinks := span.Seconds()/5 + 1
				return (b.Curvature*h*h/12*span.Seconds()+kinks*b.Slope*h*h/8)/3600 + b.Slope*1e-9*span.Seconds()/3600 + 1e-9
			}
			e := m.Energy(t0, t1)
			near(t, m.Name()+" import", e.ImportWh, ip*scale, tolerance(b.P))
			near(t, m.Name()+" export", e.ExportWh, ep*scale, tolerance(b.P))
			near(t, m.Name()+" reactive import", e.ReactiveImportVarh, iq*scale, tolerance(b.Q))
			near(t, m.Name()+" reactive export", e.ReactiveExportVarh, eq*scale, tolerance(b.Q))
			near(t, m.Name()+" mean", m.MeanPower(t0, t1), (ip-ep)/steps, tolerance(b.P)*3600/span.Seconds())
			pf, ok := m.PowerFactor(t0, t1)
			if !ok {
				t.Errorf("%s has no power factor", m.Name())
			}
			p, q := ip-ep, iq-eq
			near(t, m.Name()+" power factor", pf, p/math.Sqrt(p*p+q*q), 1e-5)
		}
	}
}

func TestEnergySpans(t *testing.T) {
	a, b, c := epoch+123, epoch+int64(17*time.Second)+456, epoch+int64(3*time.Hour)+789
	for _, m := range plant.New(epoch).Meters() {
		ab, bc, ac := m.Energy(a, b), m.Energy(b, c), m.Energy(a, c)
		near(t, "import", ab.ImportWh+bc.ImportWh, ac.ImportWh, 1e-9)
		near(t, "export", ab.ExportWh+bc.ExportWh, ac.ExportWh, 1e-9)
		near(t, "reactive import", ab.ReactiveImportVarh+bc.ReactiveImportVarh, ac.ReactiveImportVarh, 1e-9)
		near(t, "reactive export", ab.ReactiveExportVarh+bc.ReactiveExportVarh, ac.ReactiveExportVarh, 1e-9)
		near(t, "backwards", m.Energy(c, a).ImportWh, -ac.ImportWh, 1e-9)
		if m.Energy(a, a) != (plant.Energy{}) {
			t.Errorf("%s: energy of nothing", m.Name())
		}
		if later, ok := plant.New(epoch + 1).Meter(m.Name()); !ok || later.Energy(a, c) != ac {
			t.Errorf("%s: the load depends on the epoch", m.Name())
		}
		near(t, "mean of nothing", m.MeanPower(a, a), m.At(a).P, 0)
		near(t, "mean backwards", m.MeanPower(c, a), m.MeanPower(a, c), 1e-6)
		if _, ok := m.PowerFactor(a, a); ok {
			t.Errorf("%s: power factor of nothing", m.Name())
		}
	}
	// Textbook values of the battery: a period moves A·T/π each way.
	e := meter(t, plant.Battery).Energy(epoch, epoch+int64(time.Minute))
	near(t, "battery import", e.ImportWh, 3*48_000*20/math.Pi/3600, 1e-9)
	near(t, "battery export", e.ExportWh, 3*48_000*20/math.Pi/3600, 1e-9)
	near(t, "battery reactive import", e.ReactiveImportVarh, 2*9_000*30/math.Pi/3600, 1e-9)
	near(t, "battery reactive export", e.ReactiveExportVarh, 2*9_000*30/math.Pi/3600, 1e-9)
	pf, _ := meter(t, plant.Line).PowerFactor(epoch, epoch+int64(time.Hour))
	near(t, "line power factor", pf, 0.8, 0.01)
}

func TestRegisters(t *testing.T) {
	for _, m := range plant.New(epoch).Meters() {
		initial := m.Registers(epoch)
		if initial.ImportWh == 0 || initial.ExportWh == 0 || initial.ReactiveImportVarh == 0 || initial.ReactiveExportVarh == 0 {
			t.Errorf("%s starts at %+v", m.Name(), initial)
		}
		for _, span := range []time.Duration{-time.Hour, time.Nanosecond, time.Second, time.Hour, 3 * 8766 * time.Hour} {
			got, e := m.Registers(epoch+int64(span)), m.Energy(epoch, epoch+int64(span))
			for _, c := range []struct {
				what       string
				first, now uint64
				energy     float64
			}{
				{"import", initial.ImportWh, got.ImportWh, e.ImportWh},
				{"export", initial.ExportWh, got.ExportWh, e.ExportWh},
				{"reactive import", initial.ReactiveImportVarh, got.ReactiveImportVarh, e.ReactiveImportVarh},
				{"reactive export", initial.ReactiveExportVarh, got.ReactiveExportVarh, e.ReactiveExportVarh},
			} {
				want := (c.first + uint64(int64(math.Floor(c.energy)))) & (1<<m.RegisterBits() - 1)
				if c.now != want {
					t.Errorf("%s %s after %v: %d, want %d", m.Name(), c.what, span, c.now, want)
				}
			}
		}
	}
	m := meter(t, plant.Main)
	if early, late := m.Registers(epoch), m.Registers(epoch+3*8766*int64(time.Hour)); late.ImportWh >= early.ImportWh {
		t.Errorf("32 bits hold three years: %d, %d", early.ImportWh, late.ImportWh)
	}
}

// Counters never fall over random increasing times, and the same time gives the same counts.
func TestRegistersNeverFall(t *testing.T) {
	random := rand.New(rand.NewPCG(29, 31))
	for _, m := range plant.New(epoch).Meters() {
		at, last := epoch, m.Registers(epoch)
		for range 20_000 {
			at += 1 + random.Int64N(1<<random.IntN(34))
			r := m.Registers(at)
			if r.ImportWh < last.ImportWh || r.ExportWh < last.ExportWh ||
				r.ReactiveImportVarh < last.ReactiveImportVarh || r.ReactiveExportVarh < last.ReactiveExportVarh {
				t.Fatalf("%s falls before %d: %+v to %+v", m.Name(), at, last, r)
			}
			if again := m.Registers(at); again != r {
				t.Fatalf("%s at %d: %+v and %+v", m.Name(), at, r, again)
			}
			last = r
		}
	}
}

func TestRegistersMoveInSeconds(t *testing.T) {
	for _, m := range plant.New(epoch).Meters() {
		first, last := m.Registers(epoch), m.Registers(epoch+int64(15*time.Second))
		if last.ImportWh-first.ImportWh < 50 {
			t.Errorf("%s: %d Wh in 15 s", m.Name(), last.ImportWh-first.ImportWh)
		}
		low, high := math.Inf(1), math.Inf(-1)
		for i := range int64(150) {
			p := m.At(epoch + i*int64(100*time.Millisecond)).P
			low, high = min(low, p), max(high, p)
		}
		if high-low < 20_000 {
			t.Errorf("%s varies by %g W in 15 s", m.Name(), high-low)
		}
	}
}

func TestPeakDemand(t *testing.T) {
	const block = int64(15 * time.Second)
	m := meter(t, plant.Line)
	for _, tt := range []struct {
		name   string
		t0, t1 int64
	}{
		{"whole blocks", epoch, epoch + 40*block},
		{"cut at both ends", epoch + 1, epoch + 40*block - 1},
		{"before 1970", -10*block + 1, 10 * block},
		{"one block", epoch, epoch + block},
		{"no block", epoch + 1, epoch + 2*block - 1},
		{"empty", epoch, epoch},
		{"backwards", epoch + 10*block, epoch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			watts, start, ok := m.PeakDemand(tt.t0, tt.t1, block)
			var wantWatts float64
			var wantStart int64
			found := false
			for at := int64(math.Floor(float64(tt.t0)/float64(block)))*block - block; at < tt.t1; at += block {
				if at >= tt.t0 && at+block <= tt.t1 {
					if mean := m.MeanPower(at, at+block); !found || mean > wantWatts {
						wantWatts, wantStart, found = mean, at, true
					}
				}
			}
			if ok != found || start != wantStart {
				t.Errorf("%d %v, want %d %v", start, ok, wantStart, found)
			}
			near(t, "watts", watts, wantWatts, 1e-6)
		})
	}
	if _, _, ok := m.PeakDemand(epoch, epoch+block, 0); ok {
		t.Error("demand without a block")
	}
	if _, _, ok := m.PeakDemand(math.MaxInt64-2*block, math.MaxInt64, block); !ok {
		t.Error("no demand at the end of time")
	}
	// Blocks as long as the battery's period carry the same energy, so the first wins.
	watts, start, ok := meter(t, plant.Battery).PeakDemand(epoch+1, epoch+int64(time.Hour), int64(20*time.Second))
	if !ok || start != epoch+int64(20*time.Second) || math.Abs(watts) > 1e-6 {
		t.Errorf("battery: %g W at %d %v", watts, start, ok)
	}
}

func TestBoundsHold(t *testing.T) {
	random := rand.New(rand.NewPCG(37, 41))
	for _, m := range plant.New(epoch).Meters() {
		b := m.Bounds()
		for range 20_000 {
			at := epoch + random.Int64N(int64(24*time.Hour))
			const step = int64(10 * time.Millisecond)
			h := time.Duration(step).Seconds()
			before, now, after := m.At(at-step), m.At(at), m.At(at+step)
			check := func(what string, got, limit float64) {
				if got > limit*(1+1e-6) {
					t.Fatalf("%s %s at %d: %g exceeds %g", m.Name(), what, at, got, limit)
				}
			}
			check("P", math.Abs(now.P), b.P.Max)
			check("slope of P", math.Abs(after.P-now.P)/h, b.P.Slope)
			check("curvature of P", math.Abs(after.P-2*now.P+before.P)/h/h, b.P.Curvature)
			check("Q", math.Abs(now.Q), b.Q.Max)
			check("slope of Q", math.Abs(after.Q-now.Q)/h, b.Q.Slope)
			check("curvature of Q", math.Abs(after.Q-2*now.Q+before.Q)/h/h, b.Q.Curvature)
		}
	}
	b := meter(t, plant.Battery).Bounds()
	near(t, "battery's greatest power", b.P.Max, 48_000, 0)
	near(t, "battery's slope", b.P.Slope, 48_000*2*math.Pi/20, 1e-6)
}

func TestNoAllocations(t *testing.T) {
	m := meter(t, plant.Main)
	at := epoch
	if n := testing.AllocsPerRun(100, func() {
		at += int64(time.Second)
		_ = m.At(at)
		_ = m.Registers(at)
		_ = m.Energy(epoch, at)
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func BenchmarkAt(b *testing.B) {
	m := meter(b, plant.Main)
	at := epoch
	b.ReportAllocs()
	for b.Loop() {
		at += int64(time.Millisecond)
		_ = m.At(at)
	}
}

func BenchmarkRegisters(b *testing.B) {
	m := meter(b, plant.Main)
	at := epoch
	b.ReportAllocs()
	for b.Loop() {
		at += int64(time.Millisecond)
		_ = m.Registers(at)
	}
}
