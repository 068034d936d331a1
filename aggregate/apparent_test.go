package aggregate_test

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

func TestVector(t *testing.T) {
	for _, c := range []struct{ active, reactive, want int64 }{
		{0, 0, 0}, {3, 4, 5}, {-3, 4, 5}, {3, -4, 5}, {-800, -600, 1000}, {7, 0, 7}, {0, -7, 7}, {1000000000, 750000000, 1250000000},
	} {
		got := aggregate.Vector(aggregate.WattHours(c.active), aggregate.VarHours(c.reactive))
		require.Zero(t, got.Rat().Cmp(big.NewRat(c.want, 1)), "%v", c)
	}
	// The public calculator's 1000 kWh and 500 kvarh: 1118.03 kVAh.
	require.Equal(t, "1118.034 kVAh", aggregate.Vector(aggregate.WattHours(1e6), aggregate.VarHours(5e5)).String())
	// 1² + 1² = 2: 1.41 quanta are one; 2² + 2² = 8: 2.83 are three.
	require.Equal(t, aggregate.ApparentEnergyOf(0, 1), aggregate.Vector(aggregate.EnergyOf(0, 1), aggregate.ReactiveEnergyOf(0, 1)))
	require.Equal(t, aggregate.ApparentEnergyOf(0, 3), aggregate.Vector(aggregate.EnergyOf(0, 2), aggregate.ReactiveEnergyOf(0, 2)))
	most := aggregate.EnergyOf(1<<63-1, 1<<64-1)
	require.Equal(t, aggregate.ApparentEnergyOf(1<<63-1, 1<<64-1), aggregate.Vector(most.Neg(), aggregate.ReactiveEnergyOf(1<<63-1, 0)), "beyond the range")
}

// The root is the nearest integer: |s² - w| is not more than s, for any s.
func TestVectorEqualsItsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 97))
	number := func() *big.Int {
		n := new(big.Int).SetUint64(r.Uint64())
		n.Lsh(n, 62).Add(n, new(big.Int).SetUint64(r.Uint64()>>2))
		return n.Rsh(n, uint(r.IntN(127)))
	}
	halves := func(n *big.Int) (hi, lo uint64) {
		return new(big.Int).Rsh(n, 64).Uint64(), new(big.Int).And(n, new(big.Int).SetUint64(1<<64-1)).Uint64()
	}
	for range 3000 {
		p, q := number(), number()
		s := aggregate.Vector(aggregate.EnergyOf(halves(p)), aggregate.ReactiveEnergyOf(halves(q)))
		hi, lo := s.Quanta()
		got := new(big.Int).SetUint64(hi)
		got.Lsh(got, 64).Or(got, new(big.Int).SetUint64(lo))
		w := new(big.Int).Add(p.Mul(p, p), q.Mul(q, q))
		above := new(big.Int).Sub(w, new(big.Int).Mul(got, got))
		require.LessOrEqual(t, above.CmpAbs(got), 0)
	}
}

func TestApparentMethods(t *testing.T) {
	active := aggregate.Account{Import: aggregate.WattHours(5), Export: aggregate.WattHours(2)}
	reactive := aggregate.ReactiveAccount{Import: aggregate.VarHours(12), Export: aggregate.VarHours(8)}
	for m, want := range map[aggregate.ApparentMethod]string{
		aggregate.NetVector:    "0.005 kVAh", // 3, 4
		aggregate.ImportVector: "0.013 kVAh", // 5, 12
		aggregate.ExportVector: "0.008 kVAh", // 2, 8
		aggregate.GrossVector:  "0.020 kVAh", // 3, 20
	} {
		got, ok := m.Apparent(active, reactive)
		require.True(t, ok)
		require.Equal(t, want, got.String(), m)
	}
	_, ok := aggregate.ApparentMethod(0).Apparent(active, reactive)
	require.False(t, ok, "there is no default")
	var none aggregate.Interval
	_, ok = none.Apparent(aggregate.NetVector)
	require.False(t, ok, "no account, no apparent energy")
}

func TestApparentOfAnInterval(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P", ReactivePower: "m/Q"})
	var closed []aggregate.Interval
	for second := 0.0; second <= 900; second += 60 {
		b.push(power, second, 80)
		closed = append(closed, b.push(reactive, second, 60)...)
	}
	require.Len(t, closed, 1)
	s, ok := closed[0].Apparent(aggregate.NetVector)
	require.True(t, ok)
	require.Equal(t, units.VoltAmperes(100e3), s.Mean(15*time.Minute))
}

func TestApparentAllocatesNothing(t *testing.T) {
	active := aggregate.Account{Import: aggregate.WattHours(5000)}
	reactive := aggregate.ReactiveAccount{Import: aggregate.VarHours(1234)}
	require.Zero(t, testing.AllocsPerRun(100, func() { aggregate.NetVector.Apparent(active, reactive) }))
}

func BenchmarkVector(b *testing.B) {
	e, r := aggregate.WattHours(24310), aggregate.VarHours(9600)
	b.ReportAllocs()
	for b.Loop() {
		aggregate.Vector(e, r)
	}
}
