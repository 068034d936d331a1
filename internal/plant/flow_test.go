package plant

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

const precision = 256 // bits, of the twin

func number(v float64) *big.Float { return new(big.Float).SetPrec(precision).SetFloat64(v) }

func integer(v int64) *big.Float { return new(big.Float).SetPrec(precision).SetInt64(v) }

func pi() *big.Float {
	p, _, err := big.ParseFloat("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798", 10,
		precision, big.ToNearestEven)
	if err != nil {
		panic(err)
	}
	return p
}

// cosine is the Taylor series, for x from 0 to 2π.
func cosine(x *big.Float) *big.Float {
	square := new(big.Float).Mul(x, x)
	total, term := number(1), number(1)
	for k := int64(1); k < 40; k++ {
		term.Mul(term, square)
		term.Quo(term, integer(-(2*k-1)*2*k))
		total.Add(total, term)
	}
	return total
}

// twin is the textbook antiderivative of a flow in W·ns, from the origin that parts uses.
func twin(f flow, t int64) (imported, exported *big.Float) {
	imported, exported = integer(0), integer(0)
	if !f.swings() {
		imported.Mul(integer(f.mean), integer(t))
	}
	for _, s := range f.sines {
		cycle, position := new(big.Int).DivMod(
			new(big.Int).Add(big.NewInt(t), big.NewInt(s.shift)), big.NewInt(s.period), new(big.Int))
		angle := new(big.Float).SetPrec(precision).SetInt(position)
		angle.Mul(angle, pi())
		angle.Mul(angle, integer(2))
		angle.Quo(angle, integer(s.period))
		half := new(big.Float).Mul(number(s.amplitude), integer(s.period)) // A·T/2π
		half.Quo(half, pi())
		half.Quo(half, integer(2))
		partial := new(big.Float).Sub(integer(1), cosine(angle))
		partial.Mul(partial, half) // the integral since the start of the cycle
		if !f.swings() {
			imported.Add(imported, partial)
			continue
		}
		hump := new(big.Float).Mul(half, integer(2))
		whole := new(big.Float).SetPrec(precision).SetInt(cycle)
		whole.Mul(whole, hump)
		if position.Cmp(big.NewInt(s.period/2)) <= 0 {
			imported.Add(whole, partial)
			exported.Set(whole)
		} else {
			imported.Add(whole, hump)
			exported.Add(whole, new(big.Float).Sub(hump, partial))
		}
	}
	return imported, exported
}

// apart is the distance of an amount from its twin, in W·ns.
func apart(a amount, want *big.Float) float64 {
	got := new(big.Float).Mul(integer(a.hours), integer(hour))
	got.Add(got, integer(a.rest))
	d, _ := got.Sub(got, want).Float64()
	return math.Abs(d)
}

// flows are all flows of the plant.
func flows() (all []flow) {
	for _, m := range New(0).Meters() {
		all = append(all, m.load.p[:]...)
		all = append(all, m.load.q[:]...)
	}
	return all
}

// instants are times at which a rounding error would show: the turning points of every period and their neighbours, today, long ago
// and far ahead, and some at random.
func instants() (all []int64) {
	random := rand.New(rand.NewPCG(3, 5))
	for _, base := range []int64{0, 1_796_000_000 * second, -77 * second, 9_000_000_000 * second} {
		for _, quarter := range []int64{5, 7, 11, 13, 17, 20, 30, 47} {
			for k := range int64(5) {
				for d := int64(-1); d <= 1; d++ {
					all = append(all, base-base%(quarter*second)+k*quarter*second/4+d)
				}
			}
		}
		for range 50 {
			all = append(all, base+random.Int64N(3600*second))
		}
	}
	return all
}

func TestPartsAgreeWithTwin(t *testing.T) {
	for _, f := range flows() {
		for i, at := range instants() {
			if i%5 != 0 { // the twin is slow
				continue
			}
			imported, exported := f.parts(at)
			wantImported, wantExported := twin(f, at)
			value, _ := wantImported.Float64()
			tolerance := float64(len(f.sines)) * 1 // W·ns
			if f.swings() {
				tolerance += 2e-14 * math.Abs(value) // the hump is rounded once and multiplied by the cycles
			}
			if d := apart(imported, wantImported); d > tolerance {
				t.Fatalf("import of %+v at %d: off by %g W·ns, tolerated %g", f, at, d, tolerance)
			}
			if d := apart(exported, wantExported); d > tolerance {
				t.Fatalf("export of %+v at %d: off by %g W·ns, tolerated %g", f, at, d, tolerance)
			}
		}
	}
}

// Import and export are formulas only under these conditions.
func TestFlowsKeepTheirSign(t *testing.T) {
	for _, f := range flows() {
		margin := float64(f.mean)
		for _, s := range f.sines {
			margin -= s.amplitude
			if s.amplitude < 0 || s.period <= 0 || s.period%4 != 0 || s.shift < 0 || s.shift >= s.period {
				t.Errorf("sine %+v", s)
			}
			if s.period < 5*second || s.period > 60*second {
				t.Errorf("period of %+v", s)
			}
		}
		if !f.swings() && margin < 1000 {
			t.Errorf("flow %+v comes within %g W of changing its sign", f, margin)
		}
	}
	for _, m := range New(0).Meters() {
		for _, phases := range [][3]flow{m.load.p, m.load.q} {
			for _, f := range phases[1:] {
				if f.swings() != phases[0].swings() || f.swings() && f.sines[0] != phases[0].sines[0] {
					t.Errorf("%s: phases may differ in sign", m.name)
				}
			}
		}
	}
}

// The cumulated energies never fall, down to the single W·ns and nanosecond.
func TestPartsNeverFall(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	steps := []int64{1, 1, 1, 2, 3, 1000, 1_000_000, second}
	for _, f := range flows() {
		for _, start := range instants() {
			at := start
			imported, exported := f.parts(at)
			for range 20 {
				at += steps[random.IntN(len(steps))]
				i, e := f.parts(at)
				if i.less(imported) || e.less(exported) {
					t.Fatalf("%+v falls before %d: %v %v to %v %v", f, at, imported, exported, i, e)
				}
				imported, exported = i, e
			}
		}
	}
}

func TestSpansAddUpExactly(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 17))
	for _, m := range New(1_796_000_000 * second).Meters() {
		for range 1000 {
			a := 1_796_000_000*second + random.Int64N(1000*second)
			b := a + random.Int64N(1000*second)
			c := b + random.Int64N(1000*second)
			ab, bc, ac := m.totals(b).minus(m.totals(a)), m.totals(c).minus(m.totals(b)), m.totals(c).minus(m.totals(a))
			if ac.minus(ab) != bc {
				t.Fatalf("%s: %v minus %v is not %v", m.name, ac, ab, bc)
			}
		}
	}
}

func TestAmount(t *testing.T) {
	random := rand.New(rand.NewPCG(19, 23))
	exact := func(a amount) *big.Int {
		n := new(big.Int).Mul(big.NewInt(a.hours), big.NewInt(hour))
		return n.Add(n, big.NewInt(a.rest))
	}
	check := func(what string, got amount, want *big.Int) {
		t.Helper()
		if exact(got).Cmp(want) != 0 || got.rest < 0 || got.rest >= hour {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
	for range 20_000 {
		factor, n := random.Int64N(1_000_000), int64(random.Uint64())
		a := product(factor, n)
		check("product", a, new(big.Int).Mul(big.NewInt(factor), big.NewInt(n)))
		b := product(random.Int64N(1_000_000), int64(random.Uint64()))
		check("plus", a.plus(b), new(big.Int).Add(exact(a), exact(b)))
		check("minus", a.minus(b), new(big.Int).Sub(exact(a), exact(b)))
		m := int64(random.Uint64()) >> random.IntN(60)
		check("add", a.add(m), new(big.Int).Add(exact(a), big.NewInt(m)))
		if a.less(b) != (exact(a).Cmp(exact(b)) < 0) {
			t.Fatalf("less: %v %v", a, b)
		}
	}
	check("largest cycles", product(1e16, 1e9), new(big.Int).Mul(big.NewInt(1e16), big.NewInt(1e9)))
	check("smallest time", product(1e6, math.MinInt64), new(big.Int).Mul(big.NewInt(1e6), big.NewInt(math.MinInt64)))
}
