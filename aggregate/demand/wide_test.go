package demand

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/aggregate"
)

func bigOf(e aggregate.Energy) *big.Int {
	hi, lo := e.Quanta()
	n := new(big.Int).SetInt64(int64(hi))
	return n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(lo))
}

var top = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 127), big.NewInt(1))

// clamp keeps n within the range of an energy.
func clamp(n *big.Int) *big.Int {
	if n.CmpAbs(top) > 0 {
		return new(big.Int).Mul(top, big.NewInt(int64(n.Sign())))
	}
	return n
}

// slowHypot is √(p²+q²) to the nearest integer.
func slowHypot(p, q *big.Int) *big.Int {
	n := new(big.Int).Add(new(big.Int).Mul(p, p), new(big.Int).Mul(q, q))
	n.Lsh(n, 2).Sqrt(n) // twice the root, rounded down
	return clamp(n.Add(n, big.NewInt(1)).Rsh(n, 1))
}

// slowScale is e*to/from to the nearest integer, halves away from zero.
func slowScale(e *big.Int, to, from int64) *big.Int {
	n := new(big.Int).Mul(new(big.Int).Abs(e), big.NewInt(to))
	n.Lsh(n, 1).Add(n, big.NewInt(from)).Quo(n, new(big.Int).Lsh(big.NewInt(from), 1))
	return clamp(n.Mul(n, big.NewInt(int64(e.Sign()))))
}

func checkWide(t *testing.T, p, q aggregate.Energy, d, g time.Duration) {
	t.Helper()
	a, b := bigOf(p), bigOf(q)
	require.Equal(t, slowHypot(a, b).String(), bigOf(hypot(p, q)).String(), "hypot of %v and %v", a, b)
	require.Equal(t, slowScale(a, int64(d), int64(g)).String(), bigOf(scale(p, d, g)).String(), "%v * %v / %v", a, d, g)
	want := new(big.Rat).SetFrac(a, big.NewInt(int64(d))).Cmp(new(big.Rat).SetFrac(b, big.NewInt(int64(g))))
	require.Equal(t, want, compareRates(p, d, q, g), "%v / %v against %v / %v", a, d, b, g)
}

func TestWideArithmetic(t *testing.T) {
	edges := []aggregate.Energy{
		{}, aggregate.EnergyOf(0, 1), aggregate.EnergyOf(0, 1).Neg(), aggregate.EnergyOf(0, 3), aggregate.EnergyOf(0, 4),
		aggregate.EnergyOf(0, 1<<63), aggregate.EnergyOf(1, 0), aggregate.EnergyOf(1<<63-1, 1<<64-1), aggregate.EnergyOf(1<<63-1, 1<<64-1).Neg(),
		aggregate.WattHours(25000), aggregate.WattHours(-7),
	}
	times := []time.Duration{1, 2, 3, time.Second, 15 * time.Minute, 24 * time.Hour, 1<<63 - 1}
	for _, p := range edges {
		for _, q := range edges {
			for _, d := range times {
				for _, g := range times {
					checkWide(t, p, q, d, g)
				}
			}
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func() aggregate.Energy {
		e := aggregate.EnergyOf(rnd.Uint64()>>(1+rnd.UintN(63)), rnd.Uint64()>>rnd.UintN(64))
		if rnd.IntN(3) == 0 {
			return e.Neg()
		}
		return e
	}
	for range 5000 {
		checkWide(t, random(), random(), 1+time.Duration(rnd.Int64N(1<<rnd.IntN(62))), 1+time.Duration(rnd.Int64N(1<<rnd.IntN(62))))
	}
}

func FuzzWideArithmetic(f *testing.F) {
	f.Add(uint64(0), uint64(3), uint64(0), uint64(4), int64(1), int64(2))
	f.Add(uint64(1)<<63, uint64(0), uint64(1)<<62, uint64(1), int64(900e9), int64(7))
	f.Fuzz(func(t *testing.T, phi, plo, qhi, qlo uint64, d, g int64) {
		if d <= 0 || g <= 0 {
			return
		}
		checkWide(t, aggregate.EnergyOf(phi, plo), aggregate.EnergyOf(qhi, qlo), time.Duration(d), time.Duration(g))
	})
}

func BenchmarkHypot(b *testing.B) {
	p, q := aggregate.WattHours(24310), aggregate.WattHours(9600)
	for b.Loop() {
		hypot(p, q)
	}
}
