package aggregate

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// The integrator alone, without the way through the Router.
func BenchmarkGaugePush(b *testing.B) {
	for _, rule := range []Rule{HoldLeft, Trapezoid, MeanOverPast} {
		b.Run(rule.String(), func(b *testing.B) {
			g := newGauge(channel{maxGap: 60e9, edge: math.MaxInt64, held: good}, conversion{factor: 1e6}, rule)
			g.p = 1
			g.arm()
			at := acquire.Instant(0)
			for b.Loop() {
				at += 1e6
				if !g.push(at, 1000, acquire.Good) {
					b.Fatal("not the common case")
				}
			}
		})
	}
}

// floatGauge is what most programs do instead: hold left in float64, without
// coverage, gaps or blocks. It is here to compare with.
type floatGauge struct {
	last   acquire.Instant
	p, sum float64
}

//go:noinline
func (g *floatGauge) push(t acquire.Instant, p float64) {
	g.sum += g.p * float64(t-g.last)
	g.last, g.p = t, p
}

func BenchmarkFloatPush(b *testing.B) {
	var g floatGauge
	t := acquire.Instant(1)
	for b.Loop() {
		t += 1e6
		g.push(t, 1000)
	}
}

func TestRoundIsExactOrDeclines(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	took := 0
	for range 200000 {
		x := math.Ldexp(float64(int64(random.Uint64())), -random.IntN(90))
		if random.IntN(4) == 0 {
			x = math.Trunc(x) + float64(random.IntN(5))/4
		}
		n, ok := round(x)
		if !ok {
			continue
		}
		took++
		require.Equal(t, math.RoundToEven(x), float64(n), "%v", x)
	}
	require.Greater(t, took, 50000)
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0.5, 1.5, -2.5, 1 << 51, 1e300} {
		_, ok := round(x)
		require.False(t, ok, "%v", x)
	}
}

// The push of a value and the long way through big rationals agree.
func TestPowerConversionIsCorrectlyRounded(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 2))
	for _, c := range []conversion{{mul: 15625, shift: 6, factor: 1e6}, {mul: 1953125, shift: 9, factor: 1e9}, {mul: 125, shift: 3, factor: 1000}} {
		for range 20000 {
			x := math.Ldexp(float64(int64(random.Uint64())), -20-random.IntN(80))
			exact := new(big.Rat).SetFloat64(x)
			exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).Lsh(new(big.Int).SetUint64(c.mul), uint(c.shift))))
			want, ok := c.power(acquire.Float64(x))
			if !ok {
				continue
			}
			off := new(big.Rat).Sub(exact, new(big.Rat).SetInt64(want))
			half := off.Abs(off).Cmp(big.NewRat(1, 2))
			require.True(t, half < 0 || half == 0 && want%2 == 0, "%v", x)
			if quick, ok := round(float64(x * c.factor)); ok {
				require.Equal(t, want, quick, "%v", x)
			}
		}
	}
}
