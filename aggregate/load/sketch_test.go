package load_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/aggregate/load"
)

// weighted is a value with its weight.
type weighted struct {
	v float64
	w uint64
}

// quantileTwin sorts.
func quantileTwin(all []weighted, q float64) float64 {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b weighted) int {
		switch {
		case a.v < b.v:
			return -1
		case a.v > b.v:
			return 1
		}
		return 0
	})
	total := new(big.Rat)
	for _, x := range sorted {
		total.Add(total, new(big.Rat).SetInt(new(big.Int).SetUint64(x.w)))
	}
	share := new(big.Rat).Mul(total, rat(q))
	sum := new(big.Rat)
	for _, x := range sorted {
		if x.w == 0 {
			continue
		}
		sum.Add(sum, new(big.Rat).SetInt(new(big.Int).SetUint64(x.w)))
		if sum.Cmp(share) >= 0 {
			return x.v
		}
	}
	return math.NaN()
}

func newSketch(t testing.TB, c load.SketchConfig) *load.Sketch {
	t.Helper()
	s, err := load.NewSketch(c)
	require.NoError(t, err)
	return s
}

func state(t testing.TB, s *load.Sketch) []byte {
	t.Helper()
	b, err := s.MarshalBinary()
	require.NoError(t, err)
	return b
}

var shares = []float64{0, 5e-324, 0.001, 0.05, 0.25, 1.0 / 3, 0.5, 0.75, 0.9, 0.99, 1 - 0x1p-53, 1}

func checkQuantiles(t *testing.T, s *load.Sketch, all []weighted) {
	t.Helper()
	for _, q := range shares {
		want := quantileTwin(all, q)
		got, ok := s.Quantile(q)
		require.True(t, ok)
		require.LessOrEqual(t, math.Abs(got-want), s.Error()*math.Abs(want)*(1+1e-14), "q %v: got %v, want %v", q, got, want)
	}
}

func TestQuantilesEqualTheirTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for name, value := range map[string]func() float64{
		"uniform":   r.Float64,
		"signs":     func() float64 { return 100 * r.NormFloat64() },
		"exp":       func() float64 { return math.Exp(3 * r.NormFloat64()) },
		"few":       func() float64 { return float64(r.IntN(5) - 2) },
		"the ends":  func() float64 { return []float64{math.MaxFloat64, math.MaxFloat64 / 3, 0x1p1000}[r.IntN(3)] },
		"with zero": func() float64 { return max(0, r.NormFloat64()) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, accuracy := range []float64{0, 0.2, 0.05, 0.001} {
				s := newSketch(t, load.SketchConfig{Error: accuracy, Bins: 1 << 15})
				var all []weighted
				for range 300 {
					x := weighted{value(), 1 + uint64(r.IntN(1e9))}
					all = append(all, x)
					s.Add(x.v, x.w)
				}
				checkQuantiles(t, s, all)
			}
		})
	}
}

// The state is a function of what was added, in whatever order and shards.
func TestSketchIsOrderless(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	config := load.SketchConfig{Bins: 64} // one power of two and a bit: much is lumped
	for range 100 {
		var all []weighted
		for range 200 {
			all = append(all, weighted{math.Ldexp(r.NormFloat64(), r.IntN(12)), uint64(r.IntN(1000))})
		}
		one := newSketch(t, config)
		for _, x := range all {
			one.Add(x.v, x.w)
		}
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		shards := []*load.Sketch{newSketch(t, config), newSketch(t, config), newSketch(t, config)}
		for _, x := range all {
			shards[r.IntN(3)].Add(x.v, x.w)
		}
		require.NoError(t, shards[1].Merge(shards[2]))
		require.NoError(t, shards[0].Merge(shards[1]))
		require.Equal(t, state(t, one), state(t, shards[0]))
		require.Equal(t, *one, *shards[0])

		restored := newSketch(t, config)
		require.NoError(t, restored.UnmarshalBinary(state(t, one)))
		require.Equal(t, *one, *restored)

		// What is not refused is right, however little is kept.
		for _, q := range shares {
			want := quantileTwin(all, q)
			if got, ok := one.Quantile(q); ok {
				require.LessOrEqual(t, math.Abs(got-want), one.Error()*math.Abs(want)*(1+1e-14), "q %v", q)
			}
		}
	}
}

func TestSketchRefusesWhatItDoesNotResolve(t *testing.T) {
	s := newSketch(t, load.SketchConfig{Bins: 64})
	_, ok := s.Quantile(0.5)
	require.False(t, ok, "nothing there")
	for v := range 1000 {
		s.Add(float64(v+1), 1)
	}
	_, ok = s.Quantile(0.3)
	require.False(t, ok, "300 is more than a power of two below 1000")
	least, ok := s.Quantile(0)
	require.True(t, ok)
	require.Equal(t, 1.0, least)
	median, ok := s.Quantile(0.6)
	require.True(t, ok)
	require.InEpsilon(t, 600, median, s.Error())
	for _, q := range []float64{-0.1, 1.1, math.NaN()} {
		_, ok = s.Quantile(q)
		require.False(t, ok)
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		s.Add(v, 1)
	}
	s.Add(1, math.MaxUint64)
	s.Add(1e9, 0)
	require.Equal(t, uint64(4), s.Refused())
	require.Equal(t, uint64(1000), s.Total())
	require.Equal(t, [2]float64{1, 1000}, [2]float64{s.Min(), s.Max()})
	full := newSketch(t, load.SketchConfig{Bins: 64})
	full.Add(1, math.MaxUint64)
	before := state(t, full)
	require.ErrorIs(t, full.Merge(s), load.ErrWeight)
	require.ErrorIs(t, full.Merge(newSketch(t, load.SketchConfig{})), load.ErrConfig)
	require.Equal(t, before, state(t, full))
	half, ok := full.Quantile(0.5)
	require.True(t, ok)
	require.Equal(t, 1.0, half)
	full.Reset()
	require.Equal(t, *newSketch(t, load.SketchConfig{Bins: 64}), *full)

	var none load.Sketch
	none.Add(1, 1)
	require.Equal(t, uint64(1), none.Refused())
	_, ok = none.Quantile(0.5)
	require.False(t, ok)
	require.ErrorIs(t, none.UnmarshalBinary(before), load.ErrConfig)

	_, err := load.NewSketch(load.SketchConfig{Error: 0.5, Bins: 3})
	require.EqualError(t, err, "load: sketch: error 0.5 is not within 0.0001 and 0.2\nload: sketch: 3 bins are not within 16 and 1048576")
	require.LessOrEqual(t, newSketch(t, load.SketchConfig{}).Error(), load.DefaultError)
	require.Equal(t, 0.2, newSketch(t, load.SketchConfig{Error: 0.2}).Error())
}

func FuzzSketch(f *testing.F) {
	f.Add(1.0, -1.0, 0.0, uint64(1), uint64(2), 0.5)
	f.Add(1e-310, 5e-324, -1e-310, uint64(7), uint64(1)<<62, 0.25)
	f.Add(math.MaxFloat64, 1.0, -math.MaxFloat64, uint64(1)<<63, uint64(3), 0.999)
	f.Fuzz(func(t *testing.T, u, v, w float64, a, b uint64, q float64) {
		s, other := newSketch(t, load.SketchConfig{Bins: 32}), newSketch(t, load.SketchConfig{Bins: 32})
		all := []weighted{{u, a}, {v, b}, {w, 1}}
		var used []weighted
		for _, x := range all {
			before := s.Refused()
			s.Add(x.v, x.w)
			if s.Refused() == before {
				used = append(used, x)
			}
		}
		for _, x := range slices.Backward(used) {
			other.Add(x.v, x.w)
		}
		if got, ok := s.Quantile(q); ok {
			want := quantileTwin(used, q)
			if math.Abs(want) < 0x1p-1022 {
				require.Less(t, math.Abs(got), 0x1p-1022)
			} else {
				require.LessOrEqual(t, math.Abs(got/want-1), s.Error()*(1+1e-14))
			}
			same, ok := other.Quantile(q)
			require.True(t, ok)
			require.Equal(t, got, same)
		}
		restored := newSketch(t, load.SketchConfig{Bins: 32})
		require.NoError(t, restored.UnmarshalBinary(state(t, s)))
		require.Equal(t, *s, *restored)
	})
}

func FuzzSketchState(f *testing.F) {
	s := newSketch(f, load.SketchConfig{Bins: 16})
	for _, v := range []float64{1, 2, -3, 0, 1e6, -1e9} {
		f.Add(state(f, s))
		s.Add(v, 5)
	}
	f.Add(state(f, s))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newSketch(t, load.SketchConfig{Bins: 16})
		if s.UnmarshalBinary(b) != nil {
			require.Equal(t, *newSketch(t, load.SketchConfig{Bins: 16}), *s)
			return
		}
		require.Equal(t, b, state(t, s), "one state has one form")
		for _, q := range shares {
			s.Quantile(q)
		}
		if s.Merge(s) == nil {
			s.Add(-1e300, 1)
			s.Add(1e300, 1)
		}
	})
}

func TestSketchAllocatesNothing(t *testing.T) {
	s, other := newSketch(t, load.SketchConfig{}), newSketch(t, load.SketchConfig{})
	other.Add(77, 3)
	buffer := make([]byte, 0, 1<<16)
	v := 1.0
	require.Zero(t, testing.AllocsPerRun(200, func() {
		v *= -1.07
		s.Add(v, 1)
		s.Quantile(0.5)
		if s.Merge(other) != nil {
			t.Error("merge")
		}
		buffer, _ = s.AppendBinary(buffer[:0])
		if s.UnmarshalBinary(buffer) != nil {
			t.Error("restore")
		}
	}))
	b, err := load.NewBands(1, 2, 3)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() { b.Add(2.5, time.Second) }))
}

func TestBands(t *testing.T) {
	b, err := load.NewBands(-1, 0, 10)
	require.NoError(t, err)
	for _, v := range []float64{math.Inf(-1), -1, -0.5, 0, 9.99, 10, math.Inf(1)} {
		b.Add(v, time.Minute)
	}
	b.Add(math.NaN(), time.Minute)
	b.Add(1, -1)
	b.Add(1, math.MaxInt64)
	require.Equal(t, uint64(3), b.Refused())
	var got []time.Duration
	for i := range b.Len() {
		low, high, d := b.Band(i)
		require.Less(t, low, high)
		got = append(got, d)
	}
	require.Equal(t, []time.Duration{time.Minute, 2 * time.Minute, 2 * time.Minute, 2 * time.Minute}, got)
	low, high, d := b.Band(9)
	require.Zero(t, low+high+float64(d))
	other, err := load.NewBands(-1, 0, 10)
	require.NoError(t, err)
	require.NoError(t, other.Merge(b))
	require.NoError(t, other.Merge(b))
	_, _, d = other.Band(1)
	require.Equal(t, 4*time.Minute, d)
	other.Add(5, math.MaxInt64-4*time.Minute)
	require.ErrorIs(t, other.Merge(b), load.ErrWeight)
	wrong, err := load.NewBands(5)
	require.NoError(t, err)
	require.ErrorIs(t, wrong.Merge(b), load.ErrConfig)
	_, err = load.NewBands(1, 1, math.NaN())
	require.EqualError(t, err, "load: bands: edge 1 is not above 1\nload: bands: edge NaN is not finite")
	_, err = load.NewBands()
	require.EqualError(t, err, "load: bands: no edges")
	var none load.Bands
	none.Add(1, 1)
	require.Equal(t, uint64(1), none.Refused())
}

func BenchmarkSketchAdd(b *testing.B) {
	s, v := newSketch(b, load.SketchConfig{}), 1000.0
	b.ReportAllocs()
	for b.Loop() {
		v += 0.25
		s.Add(v, 1)
	}
}
