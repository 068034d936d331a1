package aggregate

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// Times that are nearly in step, with powers of all sizes, ties, outliers and what
// is no power among them, come to what big integers say of the samples one by one,
// or to nothing.
func TestNearTimesEqualSamples(t *testing.T) {
	random := rand.New(rand.NewPCG(65, 66))
	took, near := 0, 0
	for range 1500 {
		n := 64 + random.IntN(chunk-64)
		step, gap := uint64(1)<<random.IntN(37), uint64(120e9)
		jitter := uint64(1) << random.IntN(30)
		top := math.Ldexp(1, random.IntN(45))
		outliers, ties, huge := random.IntN(3) == 0, random.IntN(3) == 0, random.IntN(6) == 0
		times, values := make([]acquire.Instant, n), make([]float64, n)
		last := acquire.Instant(random.Uint64N(1 << 62))
		at := last
		for i := range times {
			at += acquire.Instant(step + random.Uint64N(jitter))
			v := random.Float64() * top
			if outliers && random.IntN(300) == 0 {
				at += acquire.Instant(random.Uint64N(gap))
				v *= 1000
			}
			if ties && random.IntN(100) == 0 {
				v = math.Floor(v) + 0.5
			}
			if huge && random.IntN(1000) == 0 {
				v = []float64{-1, math.NaN(), math.Inf(1), 1 << 44, -1 << 51, -1 << 52, 1e30, -1e30}[random.IntN(8)]
			}
			times[i], values[i] = at, v/1e6
		}
		g := gauge{factor: 1e6, p: int64(random.Uint64N(1 << powerBits))}
		weighed, joined := new(big.Int), new(big.Int)
		fits, before, p := true, last, g.p
		for i, v := range values {
			m, ok := round(float64(v * g.factor))
			dt := int64(times[i] - before)
			fits = fits && ok && m >= 0 && m < 1<<powerBits && dt > 0 && uint64(dt) <= gap
			if !fits {
				break
			}
			weighed.Add(weighed, new(big.Int).Mul(big.NewInt(m), big.NewInt(dt)))
			joined.Add(joined, new(big.Int).Mul(big.NewInt(m+p), big.NewInt(dt)))
			before, p = times[i], m
		}
		r := g.run()
		expected := r.about(values)
		require.Equal(t, fits, r.weigh(times, values, last, gap) && r.one(values[n-1]))
		if fits {
			took++
			require.Equal(t, weighed, r.quanta.big())
			if _, ok := nearTo(times, last, expected, gap); ok {
				near++
			}
		}
		r = g.run()
		require.Equal(t, fits, r.join(times, values, last, gap))
		if fits {
			require.Equal(t, joined, r.quanta.big())
			require.EqualValues(t, p, r.p)
		}
	}
	require.Greater(t, took, 700)
	require.Greater(t, near, 200)
}

// Sums that do not fit 64 bits are not taken for their lower half.
func TestNearTellsWhatDoesNotFit(t *testing.T) {
	n := near{least: 5, most: 1 << 30}
	_, mean, ok := n.total(64, 64<<34, 7, 64*5, 0)
	require.False(t, ok)
	require.Equal(t, uint64(1<<34), mean)
	total, _, ok := n.total(4, 4<<20, 7, 4*5, 0)
	require.True(t, ok)
	require.Equal(t, int128{0, 5*4<<20 + 7}, total)
}
