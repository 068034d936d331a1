package aggregate

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// values of a run: some near a half of a microwatt, some at it, some beyond what a
// run takes, some negative or no number.
func drawValues(random *rand.Rand, n int) []float64 {
	values := make([]float64, n)
	top := math.Ldexp(1, random.IntN(46))
	wild, near := random.IntN(4) == 0, random.IntN(3)
	for i := range values {
		x := random.Float64() * top
		switch {
		case near == 0 && random.IntN(8) == 0:
			x = math.Floor(x) + 0.5 + math.Ldexp(random.Float64()-0.5, -random.IntN(60))
		case near == 1:
			x = math.Floor(x)
		}
		if wild && random.IntN(64) == 0 {
			x = []float64{-1, -0.3, math.NaN(), math.Inf(1), 1e18, -1e18, 1 << 44, 3 << 51}[random.IntN(8)]
		}
		values[i] = x / 1e6
	}
	return values
}

// A run comes to what its samples come to one by one, or to nothing.
func TestRunEqualsSamples(t *testing.T) {
	random := rand.New(rand.NewPCG(61, 62))
	took := 0
	for range 3000 {
		values := drawValues(random, 1+random.IntN(70))
		g := gauge{factor: 1e6, p: int64(random.Uint64() >> (20 + random.IntN(40)))}
		if random.IntN(2) == 0 {
			g.factor = -g.factor // export
			for i := range values {
				values[i] = -values[i]
			}
		}
		times := make([]acquire.Instant, len(values))
		at, gap := acquire.Instant(5), uint64(60e9)
		for i := range times {
			at += 1 + acquire.Instant(random.Uint64N(gap))
			if random.IntN(500) == 0 {
				at += acquire.Instant(random.IntN(3)-1) * 60e9
			}
			times[i] = at
		}
		fits := bits.Len64(uint64(g.p)) <= powerBits
		var sum, weighed, joined int128
		inOrder, last, p := true, acquire.Instant(5), uint64(g.p)
		for i, v := range values {
			n, ok := round(float64(v * g.factor))
			fits = fits && ok && n >= 0 && n < 1<<powerBits
			dt := uint64(times[i] - last)
			inOrder = inOrder && dt-1 < gap
			sum = sum.add(product(uint64(n), 1))
			weighed = weighed.add(product(uint64(n), dt))
			joined = joined.add(product(uint64(n)+p, dt))
			p, last = uint64(n), times[i]
		}
		for _, way := range []struct {
			want int128
			ok   bool
			do   func(r *run) bool
		}{
			{sum, fits, func(r *run) bool { return r.add(values) }},
			{weighed, fits && inOrder, func(r *run) bool { return r.weigh(times, values, 5, gap) && r.one(values[len(values)-1]) }},
			{joined, fits && inOrder, func(r *run) bool { return r.join(times, values, 5, gap) }},
		} {
			r := g.run()
			require.Equal(t, way.ok, way.do(&r))
			if way.ok {
				took++
				require.Equal(t, way.want, r.quanta)
				require.Equal(t, p, r.p)
			}
		}
	}
	require.Greater(t, took, 3000)
}

// A run of equal steps ends before a sample that is off them, wherever it is and
// however far off.
func TestOneTimeOffTheStepsShows(t *testing.T) {
	const n, step = 40, acquire.Instant(1e9)
	g := gauge{factor: 1e6}
	values := make([]float64, n)
	for i := range values {
		values[i] = 1
	}
	for at := range 9 {
		for i := range n {
			for bit := range 40 {
				times := make([]acquire.Instant, n)
				for j := range times {
					times[j] = soonest + acquire.Instant(at)*7919 + acquire.Instant(j)*step
				}
				first := times[0]
				r := g.run()
				require.Equal(t, n, r.addSteps(times, values, first, step))
				times[i] ^= 1 << bit
				r = g.run()
				want := i
				if i < fewSteps {
					want = 0
				}
				require.Equal(t, want, r.addSteps(times, values, first, step), "sample %d, bit %d", i, bit)
				if want > 0 {
					require.Equal(t, int128{0, uint64(want) * 1e6}, r.quanta)
				}
			}
		}
	}
}

// What is distinct is rounded by the shift as round does it.
func TestPartsRoundAsRound(t *testing.T) {
	random := rand.New(rand.NewPCG(63, 64))
	g := gauge{factor: 1e6}
	took := 0
	for range 3000 {
		for _, v := range drawValues(random, 20) {
			parts := g.parts(v)
			if !distinct(parts) {
				continue
			}
			took++
			n, ok := round(float64(v * g.factor))
			require.True(t, ok, "%v", v)
			require.EqualValues(t, n, (parts-roundZero)>>partBits, "%v", v)
		}
	}
	require.Greater(t, took, 30000)
}
