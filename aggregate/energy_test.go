package aggregate_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

func TestEnergyTexts(t *testing.T) {
	for _, test := range []struct {
		energy aggregate.Energy
		text   string
		exact  string
	}{
		{aggregate.Energy{}, "0.000 kWh", "0 J"},
		{aggregate.WattHours(1), "0.001 kWh", "3600 J"},
		{aggregate.WattHours(-1), "-0.001 kWh", "-3600 J"},
		{aggregate.WattHours(24310), "24.310 kWh", "87516000 J"},
		{aggregate.WattHours(math.MaxInt64), "9223372036854775.807 kWh", "33204139332677192905200 J"},
	} {
		require.Equal(t, test.text, test.energy.String())
		require.Equal(t, test.exact, test.energy.Exact())
	}
	require.Equal(t, "-12.500 kvarh", aggregate.VarHours(-12500).String())
	require.Equal(t, "-45000000 vars", aggregate.VarHours(-12500).Exact())

	// One quantum, by way of 1 µW held for 1 ns, is 2 of them.
	b := newBench(t, aggregate.Metering{Power: "m/P"})
	b.push(power, 0, 1e-9)
	b.push(power, 1e-9, 0)
	got := b.totals().Power.Import
	require.Equal(t, "0.000000000000001 J", got.Exact())
	require.Equal(t, "0.000000 Wh", got.String())
	require.Equal(t, 1e-15, got.Joules())
}

func TestEnergyArithmetic(t *testing.T) {
	a, b := aggregate.WattHours(5), aggregate.WattHours(-7)
	require.Equal(t, aggregate.WattHours(-2), a.Add(b))
	require.Equal(t, aggregate.WattHours(12), a.Sub(b))
	require.Equal(t, aggregate.WattHours(7), b.Neg())
	require.Equal(t, 1, a.Cmp(b))
	require.Equal(t, -1, b.Cmp(a))
	require.Equal(t, 0, a.Cmp(a))
	require.Equal(t, []int{1, -1, 0}, []int{a.Sign(), b.Sign(), a.Sub(a).Sign()})
	require.True(t, a.Sub(a).IsZero())
	q := aggregate.VarHours(3)
	require.Equal(t, aggregate.VarHours(1), q.Add(aggregate.VarHours(-2)))
	require.Equal(t, aggregate.VarHours(5), q.Sub(aggregate.VarHours(-2)))
	require.Equal(t, aggregate.VarHours(-3), q.Neg())
	require.Equal(t, []int{1, 1}, []int{q.Sign(), q.Cmp(q.Neg())})
	require.False(t, q.IsZero())
	require.Equal(t, 0.003, q.KilovarHours())
	require.Equal(t, 3.0, q.VarHours())
	require.Equal(t, big.NewRat(3, 1), q.Rat())

	// Sums stop at the ends of the range.
	top := aggregate.WattHours(math.MaxInt64)
	for range 10 {
		top = top.Add(top)
	}
	require.Equal(t, top, top.Add(top))
	require.Equal(t, 1, top.Sign())
	require.Equal(t, -1, top.Neg().Sub(top).Sign())
}

// Every float64 is the one nearest to the exact ratio.
func TestEnergyFloatsAreNearest(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 9))
	for range 20000 {
		e := aggregate.WattHours(int64(random.Uint64()) >> random.IntN(63))
		for range random.IntN(3) {
			e = e.Add(e)
		}
		// Odd quanta, from a millisecond's worth of a random power.
		hi, lo := e.Quanta()
		wh := e.Rat()
		require.Equal(t, nearestFloat(wh), e.WattHours(), "%x %x", hi, lo)
		require.Equal(t, nearestFloat(new(big.Rat).Mul(wh, big.NewRat(3600, 1))), e.Joules())
		require.Equal(t, nearestFloat(new(big.Rat).Mul(wh, big.NewRat(1, 1000))), e.KilowattHours())
	}
	b := newBench(t, aggregate.Metering{Power: "m/P"})
	for i := range 2000 {
		b.push(power, float64(i)/7, math.Ldexp(float64(int64(random.Uint64())), -60-random.IntN(20)))
		e := b.totals().Power.Net()
		require.Equal(t, nearestFloat(e.Rat()), e.WattHours())
		require.Equal(t, nearestFloat(new(big.Rat).Mul(e.Rat(), big.NewRat(3600, 1))), e.Joules())
	}
}

func nearestFloat(x *big.Rat) float64 {
	f, _ := x.Float64()
	return f
}

func TestWordsForEverything(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"hold left": aggregate.HoldLeft, "mean over past": aggregate.MeanOverPast, "rule 9": aggregate.Rule(9),
		"credit nothing": aggregate.CreditNothing, "credit new": aggregate.CreditNew, "reset policy 9": aggregate.ResetPolicy(9),
		"registers": aggregate.FromRegisters, "power": aggregate.FromPower, "none": aggregate.NoBasis,
		"no quadrant":          aggregate.Quadrant(0),
		"partial, bad reading": aggregate.Partial | aggregate.BadReading,
	} {
		require.Equal(t, want, got.String())
	}
	require.Equal(t, "none", aggregate.Flags(0).String())
}

func TestMeanPowerIsCorrectlyRounded(t *testing.T) {
	for _, d := range []time.Duration{1, 3, time.Second, 15 * time.Minute, 31 * 24 * time.Hour, 31*24*time.Hour + 1, 100 * 365 * 24 * time.Hour, math.MaxInt64} {
		for _, wh := range []int64{0, 1, -7, 24310, 1e12} {
			e := aggregate.WattHours(wh)
			want, _ := new(big.Rat).Quo(new(big.Rat).Mul(e.Rat(), big.NewRat(int64(time.Hour), 1)), big.NewRat(int64(d), 1)).Float64()
			require.Equal(t, units.Watts(want), e.Mean(d), "%d Wh over %v", wh, d)
		}
	}
	require.Zero(t, aggregate.WattHours(1).Mean(0))
	require.Zero(t, aggregate.WattHours(1).Mean(-time.Hour))
}
