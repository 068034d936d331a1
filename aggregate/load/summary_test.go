package load_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/load"
)

var morning = acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))

// reading is a sample of a series.
type reading struct {
	at acquire.Instant
	v  float64
	q  acquire.Quality
}

var rules = []aggregate.Rule{aggregate.HoldLeft, aggregate.Trapezoid, aggregate.MeanOverPast}

func newSummary(t testing.TB, rule aggregate.Rule) *load.Summary {
	t.Helper()
	s, err := load.New(load.Config{Rule: rule})
	require.NoError(t, err)
	return &s
}

func push(s *load.Summary, readings []reading) {
	for _, r := range readings {
		s.Push(r.at, r.v, r.q)
	}
}

func rat(x float64) *big.Rat { return new(big.Rat).SetFloat64(x) }

func times(f ...*big.Rat) *big.Rat {
	p := big.NewRat(1, 1)
	for _, x := range f {
		p.Mul(p, x)
	}
	return p
}

// twin returns the exact mean and variance, and the covered time.
func twin(rule aggregate.Rule, maxGap time.Duration, rs []reading) (mean, variance *big.Rat, covered int64) {
	sum, squares := new(big.Rat), new(big.Rat)
	usable := func(r reading) bool { return !r.q.IsBad() && !math.IsNaN(r.v) && !math.IsInf(r.v, 0) }
	constant := func(v float64, dt int64) {
		d := new(big.Rat).SetInt64(dt)
		sum.Add(sum, times(rat(v), d))
		squares.Add(squares, times(rat(v), rat(v), d))
		covered += dt
	}
	for i := 1; i < len(rs); i++ {
		a, b := rs[i-1], rs[i]
		dt := int64(b.at - a.at)
		switch {
		case !usable(a):
		case rule == aggregate.HoldLeft:
			constant(a.v, min(dt, int64(maxGap)))
		case !usable(b) || dt > int64(maxGap):
		case rule == aggregate.Trapezoid:
			d, v, w := new(big.Rat).SetInt64(dt), rat(a.v), rat(b.v)
			sum.Add(sum, times(new(big.Rat).Add(v, w), d, big.NewRat(1, 2)))
			s := new(big.Rat).Add(times(v, v), times(v, w))
			squares.Add(squares, times(s.Add(s, times(w, w)), d, big.NewRat(1, 3)))
			covered += dt
		default:
			constant(b.v, dt)
		}
	}
	if covered == 0 {
		return nil, nil, 0
	}
	per := big.NewRat(1, covered)
	mean = sum.Mul(sum, per)
	squares.Mul(squares, per)
	return mean, squares.Sub(squares, times(mean, mean)), covered
}

// checkSummary holds the results against the twin.
func checkSummary(t *testing.T, rule aggregate.Rule, s *load.Summary, rs []reading) {
	t.Helper()
	wantMean, variance, covered := twin(rule, aggregate.DefaultMaxGap, rs)
	c := s.Coverage()
	require.Equal(t, covered, int64(c.Good+c.Uncertain))
	if len(rs) > 0 {
		require.Equal(t, rs[len(rs)-1].at.Sub(rs[0].at), c.Span())
	}
	mean, ok := s.Mean()
	deviation, okay := s.StandardDeviation()
	require.Equal(t, covered > 0, ok && okay)
	if !ok {
		return
	}
	want, _ := wantMean.Float64()
	require.Equal(t, math.Float64bits(want+0), math.Float64bits(mean+0), "mean %v, want %v", mean, want)
	// Of the root: |d² - variance| within 2⁻⁵⁰ of the variance.
	square := times(rat(deviation), rat(deviation))
	off := new(big.Rat).Sub(square, variance)
	if deviation < 1e-300 { // among subnormal numbers the last place is large
		require.LessOrEqual(t, off.Abs(off).Cmp(times(rat(5e-324), new(big.Rat).Add(rat(5e-324), rat(4*deviation)))), 0)
		return
	}
	require.LessOrEqual(t, off.Abs(off).Cmp(times(variance, rat(0x1p-50))), 0, "deviation %v of %v", deviation, rs)
}

func randomReadings(r *rand.Rand, n int, value func() float64) []reading {
	rs, at := make([]reading, n), morning
	for i := range rs {
		rs[i] = reading{at, value(), acquire.Good}
		switch r.IntN(16) {
		case 0:
			rs[i].q = acquire.Bad
		case 1:
			rs[i].q = acquire.Uncertain
		case 2:
			rs[i].v = math.NaN()
		}
		at += 1 + acquire.Instant(r.Int64N(1<<(8+r.IntN(30))))
	}
	return rs
}

// values are what makes floating point sums go wrong, and what does not.
func values(r *rand.Rand) map[string]func() float64 {
	return map[string]func() float64{
		"ordinary":     func() float64 { return 1000 * r.Float64() },
		"large offset": func() float64 { return 1e9 + r.Float64() },
		"signs":        func() float64 { return r.NormFloat64() },
		"extremes":     func() float64 { return []float64{0, math.MaxFloat64, -math.MaxFloat64, 1, 1e100, -1e100}[r.IntN(6)] },
		"subnormal":    func() float64 { return float64(r.IntN(5)-2) * 5e-324 },
		"any":          func() float64 { return math.Float64frombits(r.Uint64()) },
		"constant":     func() float64 { return 0.1 },
	}
}

func TestSummaryEqualsItsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, value := range values(r) {
		t.Run(name, func(t *testing.T) {
			for range 40 {
				rs := randomReadings(r, r.IntN(25), value)
				for _, rule := range rules {
					s := newSummary(t, rule)
					push(s, rs)
					checkSummary(t, rule, s, rs)
				}
			}
		})
	}
}

// Any cutting of a series, merged in any grouping, has the bits of one pass.
func TestMergedEqualsStreamed(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, value := range values(r) {
		t.Run(name, func(t *testing.T) {
			for range 30 {
				rs := randomReadings(r, 1+r.IntN(30), value)
				for _, rule := range rules {
					whole := newSummary(t, rule)
					push(whole, rs)
					var shards []*load.Summary
					for rest := rs; len(rest) > 0; {
						n := min(len(rest), r.IntN(6))
						shards = append(shards, newSummary(t, rule))
						push(shards[len(shards)-1], rest[:n])
						rest = rest[n:]
					}
					for len(shards) > 1 {
						i := r.IntN(len(shards) - 1)
						require.NoError(t, shards[i].Merge(shards[i+1]))
						shards = append(shards[:i+1], shards[i+2:]...)
					}
					require.Equal(t, *whole, *shards[0])
				}
			}
		})
	}
}

func TestMergeRefuses(t *testing.T) {
	a, b := newSummary(t, aggregate.HoldLeft), newSummary(t, aggregate.HoldLeft)
	a.Push(morning, 1, acquire.Good)
	b.Push(morning, 2, acquire.Good)
	before := *a
	require.ErrorIs(t, a.Merge(b), load.ErrOverlap)
	require.ErrorIs(t, a.Merge(newSummary(t, aggregate.Trapezoid)), load.ErrConfig)
	require.Equal(t, before, *a)
	a.Tick(morning.Add(10 * time.Second))
	b = newSummary(t, aggregate.HoldLeft)
	b.Push(morning.Add(5*time.Second), 2, acquire.Good)
	require.ErrorIs(t, a.Merge(b), load.ErrOverlap, "that time is decided")
}

func TestKilledAndRestoredAtEverySample(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for name, value := range values(r) {
		rs := randomReadings(r, 30, value)
		for _, rule := range rules {
			whole, s := newSummary(t, rule), newSummary(t, rule)
			for _, x := range rs {
				whole.Push(x.at, x.v, x.q)
				s.Push(x.at, x.v, x.q)
				state, err := s.MarshalBinary()
				require.NoError(t, err)
				s = newSummary(t, rule)
				require.NoError(t, s.UnmarshalBinary(state))
				require.Equal(t, *whole, *s, name)
				require.ErrorIs(t, newSummary(t, (rule+1)%3).UnmarshalBinary(state), load.ErrConfig)
				require.ErrorIs(t, s.UnmarshalBinary(state[:len(state)-1]), load.ErrState)
				require.ErrorIs(t, s.UnmarshalBinary(append(state, 0)), load.ErrState)
				require.Equal(t, *whole, *s)
			}
		}
	}
}

func FuzzSummaryState(f *testing.F) {
	s := newSummary(f, aggregate.HoldLeft)
	for i := range 4 {
		state, _ := s.MarshalBinary()
		f.Add(state)
		s.Push(morning.Add(time.Duration(i)*time.Second), float64(7-5*i), acquire.Good)
	}
	f.Add([]byte{0x51})
	f.Fuzz(func(t *testing.T, state []byte) {
		s := newSummary(t, aggregate.HoldLeft)
		if s.UnmarshalBinary(state) != nil {
			require.Equal(t, *newSummary(t, aggregate.HoldLeft), *s)
			return
		}
		again, err := s.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, state, again, "one state has one form")
		s.Mean()
		s.StandardDeviation()
		s.Push(morning.Add(time.Hour), 1, acquire.Good)
		require.NoError(t, newSummary(t, aggregate.HoldLeft).Merge(s))
	})
}

func FuzzSummary(f *testing.F) {
	f.Add(uint8(1), 1.0, -3.0, 1e300, uint32(1e9), uint32(2e9))
	f.Add(uint8(0), 0.1, 0.1, 0.1, uint32(1), uint32(7))
	f.Add(uint8(2), 5e-324, -5e-324, 0.0, uint32(1), uint32(1<<31))
	f.Add(uint8(1), math.MaxFloat64, -math.MaxFloat64, math.MaxFloat64, uint32(3), uint32(3))
	f.Add(uint8(1), 1e-154, 1.0000000000000002e-154, 1e-154, uint32(3), uint32(3))
	f.Fuzz(func(t *testing.T, n uint8, u, v, w float64, dt, dt2 uint32) {
		rule := rules[n%3]
		rs := []reading{
			{morning, u, acquire.Good},
			{morning + 1 + acquire.Instant(dt), v, acquire.Good},
			{morning + 2 + acquire.Instant(dt) + acquire.Instant(dt2), w, acquire.Uncertain},
		}
		s := newSummary(t, rule)
		push(s, rs)
		checkSummary(t, rule, s, rs)
		first, rest := newSummary(t, rule), newSummary(t, rule)
		push(first, rs[:1])
		push(rest, rs[1:])
		require.NoError(t, first.Merge(rest))
		require.Equal(t, *s, *first)
	})
}

func TestSummaryCounts(t *testing.T) {
	s := newSummary(t, aggregate.HoldLeft)
	s.Tick(morning)
	_, ok := s.Mean()
	require.False(t, ok)
	require.Zero(t, s.Min())
	at := func(n int) acquire.Instant { return morning.Add(time.Duration(n) * time.Second) }
	s.Push(at(0), 5, acquire.Good)
	s.Push(at(10), 3, acquire.Uncertain)
	s.Push(at(20), 5, acquire.Good)
	s.Push(at(20), 6, acquire.Good)
	s.Push(at(30), math.Inf(1), acquire.Good)
	s.Push(at(40), 3, acquire.Good)
	s.Push(0, 3, acquire.Good)
	s.Push(math.MaxInt64, 3, acquire.Good)
	s.Tick(at(200)) // held for a minute, then missing
	s.Push(at(199), 3, acquire.Good)
	require.Equal(t, load.Counts{Good: 3, Uncertain: 1, Bad: 1, Late: 2, Refused: 2}, s.Counts())
	require.Equal(t, aggregate.Coverage{Good: 80 * time.Second, Uncertain: 10 * time.Second, Missing: 110 * time.Second}, s.Coverage())
	require.Equal(t, load.Extreme{Value: 3, At: at(10)}, s.Min(), "the first of equal ones")
	require.Equal(t, load.Extreme{Value: 5, At: at(0)}, s.Max())
	mean, ok := s.Mean()
	require.True(t, ok)
	require.Equal(t, (5*20.0+3*70)/90, mean)

	sloped := newSummary(t, aggregate.Trapezoid)
	sloped.Push(at(0), 5, acquire.Good)
	sloped.Tick(at(30))
	sloped.Push(at(40), 7, acquire.Good)
	mean, _ = sloped.Mean()
	require.Equal(t, 6.0, mean, "a watermark within MaxGap decides nothing of a slope")

	var none load.Summary
	none.Push(at(0), 1, acquire.Good)
	require.Equal(t, load.Counts{Refused: 1}, none.Counts())
	_, err := load.New(load.Config{Rule: 7, MaxGap: -1})
	require.EqualError(t, err, "load: unknown rule 7\nload: longest gap -1ns is not within 0 and 24 h")
}

func TestSummaryAllocatesNothing(t *testing.T) {
	for _, rule := range rules {
		s, other := newSummary(t, rule), newSummary(t, rule)
		at := morning
		state := make([]byte, 0, 2048)
		require.Zero(t, testing.AllocsPerRun(200, func() {
			at = at.Add(time.Second)
			s.Push(at, float64(at%1000)-500, acquire.Good)
			s.Tick(at)
			s.Mean()
			s.StandardDeviation()
			*other = *s
			state, _ = s.AppendBinary(state[:0])
			if err := other.UnmarshalBinary(state); err != nil {
				t.Error(err)
			}
		}))
		later := newSummary(t, rule)
		later.Push(at.Add(time.Second), 1, acquire.Good)
		require.Zero(t, testing.AllocsPerRun(10, func() {
			*other = *s
			if err := other.Merge(later); err != nil {
				t.Error(err)
			}
		}))
	}
}

func BenchmarkSummaryPush(b *testing.B) {
	for _, rule := range rules {
		b.Run(rule.String(), func(b *testing.B) {
			s, at, v := newSummary(b, rule), morning, 1000.0
			b.ReportAllocs()
			for b.Loop() {
				at, v = at+1e9, v+0.25
				s.Push(at, v, acquire.Good)
			}
		})
	}
}

func BenchmarkStandardDeviation(b *testing.B) {
	s := newSummary(b, aggregate.Trapezoid)
	push(s, randomReadings(rand.New(rand.NewPCG(1, 1)), 100, func() float64 { return 1 }))
	for b.Loop() {
		s.StandardDeviation()
	}
}
