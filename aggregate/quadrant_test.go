package aggregate_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// powerPair is what Quadrants takes at a time, in whole microwatts and microvars.
type powerPair struct {
	at   acquire.Instant
	p, q int64
	qual acquire.Quality
}

// quadrantTwin is the slow form: rational cuts, sorted, summed and rounded.
type quadrantTwin struct {
	rule     aggregate.Rule
	maxGap   int64
	interval int64
	blocks   map[int64]*quadrantBlock // by start
}

type quadrantBlock struct {
	active, reactive [4]*big.Int // quanta
	good, uncertain  int64
}

func (w *quadrantTwin) block(t int64) *quadrantBlock {
	start := t - t%w.interval
	b := w.blocks[start]
	if b == nil {
		b = &quadrantBlock{}
		for i := range b.active {
			b.active[i], b.reactive[i] = new(big.Int), new(big.Int)
		}
		w.blocks[start] = b
	}
	return b
}

// quantaUnder returns the quanta under a line up to the fraction c of dt, rounded to
// nearest, halves away from zero.
func quantaUnder(first, second, dt int64, c *big.Rat) *big.Int {
	f, s := new(big.Rat).SetInt64(first), new(big.Rat).SetInt64(second)
	bend := new(big.Rat).Mul(new(big.Rat).Sub(s, f), c)
	sum := new(big.Rat).Add(new(big.Rat).Add(f, f), bend)
	sum.Mul(sum, c).Mul(sum, new(big.Rat).SetInt64(dt))
	half := big.NewRat(1, 2)
	if sum.Sign() < 0 {
		half.Neg(half)
	}
	sum.Add(sum, half)
	return new(big.Int).Quo(sum.Num(), sum.Denom())
}

// segment books straight lines from p1, q1 at from to p2, q2 at from+dt.
func (w *quadrantTwin) segment(from, dt, p1, p2, q1, q2 int64, quality acquire.Quality) {
	one := big.NewRat(1, 1)
	cuts := []*big.Rat{one}
	for _, l := range [][2]int64{{p1, p2}, {q1, q2}} {
		if new(big.Int).Mul(big.NewInt(l[0]), big.NewInt(l[1])).Sign() < 0 {
			first := new(big.Rat).SetInt64(l[0])
			cuts = append(cuts, new(big.Rat).Quo(first, new(big.Rat).Sub(first, new(big.Rat).SetInt64(l[1]))))
		}
	}
	for edge := from - from%w.interval + w.interval; edge < from+dt; edge += w.interval {
		cuts = append(cuts, big.NewRat(edge-from, dt))
	}
	slices.SortFunc(cuts, (*big.Rat).Cmp)
	at := func(first, second int64, c *big.Rat) int {
		bend := new(big.Rat).Mul(c, new(big.Rat).Sub(new(big.Rat).SetInt64(second), new(big.Rat).SetInt64(first)))
		return bend.Add(bend, new(big.Rat).SetInt64(first)).Sign()
	}
	before, p, q := new(big.Rat), new(big.Int), new(big.Int)
	for _, c := range cuts {
		middle := new(big.Rat).Mul(big.NewRat(1, 2), new(big.Rat).Add(before, c))
		quadrant := 0
		switch exportsP, exportsQ := at(p1, p2, middle) < 0, at(q1, q2, middle) < 0; {
		case exportsP && exportsQ:
			quadrant = 2
		case exportsP:
			quadrant = 1
		case exportsQ:
			quadrant = 3
		}
		time := new(big.Rat).Mul(middle, new(big.Rat).SetInt64(dt))
		b := w.block(from + new(big.Int).Quo(time.Num(), time.Denom()).Int64())
		nextP, nextQ := quantaUnder(p1, p2, dt, c), quantaUnder(q1, q2, dt, c)
		b.active[quadrant].Add(b.active[quadrant], new(big.Int).Abs(new(big.Int).Sub(nextP, p)))
		b.reactive[quadrant].Add(b.reactive[quadrant], new(big.Int).Abs(new(big.Int).Sub(nextQ, q)))
		before, p, q = c, nextP, nextQ
	}
	for t := from; t < from+dt; {
		to := min(from+dt, t-t%w.interval+w.interval)
		if quality == acquire.Good {
			w.block(t).good += to - t
		} else {
			w.block(t).uncertain += to - t
		}
		t = to
	}
}

func (w *quadrantTwin) run(pairs []powerPair) {
	for i := 1; i < len(pairs); i++ {
		a, b := pairs[i-1], pairs[i]
		dt := int64(b.at - a.at)
		switch worse := min(a.qual, b.qual); {
		case a.qual == acquire.Bad:
		case w.rule == aggregate.HoldLeft:
			w.segment(int64(a.at), min(dt, w.maxGap), a.p, a.p, a.q, a.q, a.qual)
		case worse == acquire.Bad || dt > w.maxGap:
		case w.rule == aggregate.Trapezoid:
			w.segment(int64(a.at), dt, a.p, b.p, a.q, b.q, worse)
		default:
			w.segment(int64(a.at), dt, b.p, b.p, b.q, b.q, worse)
		}
	}
}

func countOf(hi, lo uint64) string {
	n := new(big.Int).SetUint64(hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(lo)).String()
}

// checkQuadrants pushes pairs and holds the intervals against the twin.
func checkQuadrants(t *testing.T, rule aggregate.Rule, interval, maxGap time.Duration, pairs []powerPair) {
	t.Helper()
	x, err := aggregate.NewQuadrants(aggregate.QuadrantConfig{Rule: rule, MaxGap: maxGap, Demand: aggregate.Block(interval)})
	require.NoError(t, err)
	twin := quadrantTwin{rule: rule, maxGap: int64(maxGap), interval: int64(interval), blocks: map[int64]*quadrantBlock{}}
	twin.run(pairs)
	var got []aggregate.QuadrantInterval
	for i, s := range pairs {
		got = x.Push(got, s.at, units.Watts(float64(s.p)/1e6), units.Vars(float64(s.q)/1e6), s.qual)
		if i%4 == 0 {
			x = resumeQuadrants(t, x, aggregate.QuadrantConfig{Rule: rule, MaxGap: maxGap, Demand: aggregate.Block(interval)})
		}
	}
	got = x.Flush(got)
	end := pairs[0].at - pairs[0].at%acquire.Instant(interval)
	var sum aggregate.QuadrantAccount
	for _, iv := range got {
		require.Equal(t, end, iv.Start, "the intervals have no holes")
		require.Equal(t, iv.End.Sub(iv.Start), iv.Coverage.Span())
		end = iv.End
		want := twin.block(int64(iv.Start))
		if iv.Flags.Has(aggregate.Silence) {
			for at := iv.Start; at < iv.End; at += acquire.Instant(interval) {
				require.Zero(t, twin.block(int64(at)).good+twin.block(int64(at)).uncertain)
			}
			want = twin.block(int64(iv.Start))
		}
		require.Equal(t, want.good, int64(iv.Coverage.Good))
		require.Equal(t, want.uncertain, int64(iv.Coverage.Uncertain))
		for i := range iv.Active {
			require.Equal(t, want.active[i].String(), countOf(iv.Active[i].Quanta()), "active Q%d of %v", i+1, iv)
			require.Equal(t, want.reactive[i].String(), countOf(iv.Reactive[i].Quanta()), "reactive Q%d of %v", i+1, iv)
			sum.Active[i] = sum.Active[i].Add(iv.Active[i])
			sum.Reactive[i] = sum.Reactive[i].Add(iv.Reactive[i])
		}
	}
	total := x.Total()
	require.Equal(t, sum.Active, total.Active)
	require.Equal(t, sum.Reactive, total.Reactive)
	counts := x.Counts()
	require.Equal(t, uint64(len(pairs)), counts.Pairs+counts.Bad)
}

// randomPairs makes whole microwatts that survive the way through float64.
// resumeQuadrants returns what goes on with the state of x.
func resumeQuadrants(t *testing.T, x aggregate.Quadrants, config aggregate.QuadrantConfig) aggregate.Quadrants {
	t.Helper()
	state, err := x.MarshalBinary()
	require.NoError(t, err)
	next, err := aggregate.NewQuadrants(config)
	require.NoError(t, err)
	require.NoError(t, next.UnmarshalBinary(state))
	require.Equal(t, x, next)
	return next
}

func TestQuadrantsState(t *testing.T) {
	at := acquire.At(time.Date(2026, 11, 20, 8, 7, 0, 0, time.UTC))
	config := aggregate.QuadrantConfig{MaxSkew: time.Millisecond}
	x, err := aggregate.NewQuadrants(config)
	require.NoError(t, err)
	x.Push(nil, at, 1000, -500, acquire.Good)
	x.Tick(nil, at.Add(30*time.Second))
	x.PushActive(nil, at.Add(time.Minute), 7, acquire.Uncertain)
	x.PushReactive(nil, 1<<63-1, 7, acquire.Good)
	next := resumeQuadrants(t, x, config)
	next.PushReactive(nil, at.Add(time.Minute), 7, acquire.Good)
	require.EqualValues(t, 2, next.Counts().Pairs)
	state, err := x.MarshalBinary()
	require.NoError(t, err)
	before := next
	for i := range state {
		bad := slices.Clone(state)
		bad[i] ^= 16
		require.Error(t, next.UnmarshalBinary(bad))
	}
	require.Equal(t, before, next)
	config.Rule = aggregate.Trapezoid
	other, err := aggregate.NewQuadrants(config)
	require.NoError(t, err)
	require.ErrorIs(t, other.UnmarshalBinary(state), aggregate.ErrOtherConfiguration)
	var zero aggregate.Quadrants
	state, err = zero.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, zero.UnmarshalBinary(state))
}

func randomPairs(r *rand.Rand, n int) []powerPair {
	pairs := make([]powerPair, n)
	at := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)) + acquire.Instant(r.Int64N(2e9))
	power := func() int64 {
		scale := int64(1) << r.IntN(50)
		return r.Int64N(2*scale+1) - scale
	}
	for i := range pairs {
		pairs[i] = powerPair{at, power(), power(), acquire.Good}
		switch r.IntN(20) {
		case 0:
			pairs[i].qual = acquire.Bad
		case 1:
			pairs[i].qual = acquire.Uncertain
		case 2:
			pairs[i].p = 0
		case 3:
			pairs[i].q = 0
		}
		at += 1 + acquire.Instant(r.Int64N(1<<(10+r.IntN(24))))
	}
	return pairs
}

func TestQuadrantsEqualTheirTwin(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		for _, rule := range []aggregate.Rule{aggregate.HoldLeft, aggregate.Trapezoid, aggregate.MeanOverPast} {
			checkQuadrants(t, rule, 2*time.Second, 5*time.Second, randomPairs(r, 30))
		}
	}
}

func FuzzQuadrants(f *testing.F) {
	f.Add(uint8(1), int64(5e6), int64(-3e6), int64(-5e6), int64(7e6), uint32(1e9), uint32(3e9))
	f.Add(uint8(0), int64(1), int64(-1), int64(0), int64(1), uint32(1), uint32(2))
	f.Add(uint8(1), int64(1), int64(-1), int64(-1), int64(1), uint32(1), uint32(4e9))
	f.Add(uint8(2), int64(1<<50), int64(-1<<50), int64(-1<<50), int64(3), uint32(7), uint32(7e8))
	f.Fuzz(func(t *testing.T, rule uint8, p1, q1, p2, q2 int64, gap, gap2 uint32) {
		const most = 1 << 50
		at := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
		checkQuadrants(t, aggregate.Rule(rule%3), time.Second, 5*time.Second, []powerPair{
			{at, p1 % most, q1 % most, acquire.Good},
			{at + 1 + acquire.Instant(gap), p2 % most, q2 % most, acquire.Uncertain},
			{at + 2 + acquire.Instant(gap) + acquire.Instant(gap2), q1 % most, p1 % most, acquire.Good},
		})
	})
}

// A load of 3 kW and 1 kvar that turns to export along a straight line: P crosses
// zero half way, Q a quarter of the way.
func TestQuadrantsSplitAtTheCrossings(t *testing.T) {
	x, err := aggregate.NewQuadrants(aggregate.QuadrantConfig{Rule: aggregate.Trapezoid, MaxGap: time.Hour, Demand: aggregate.Block(time.Hour)})
	require.NoError(t, err)
	at := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
	require.Empty(t, x.Push(nil, at, 3000, 1000, acquire.Good))
	got := x.Push(nil, at.Add(time.Hour), -3000, -3000, acquire.Good)
	require.Len(t, got, 1)
	// Q1 to 1/4 h, Q4 to 1/2 h, Q3 to 1 h.
	require.Equal(t, "Q1 0.562 kWh 0.125 kvarh, Q3 0.750 kWh 1.000 kvarh, Q4 0.188 kWh 0.125 kvarh", got[0].QuadrantAccount.String())
	active, reactive := got[0].Directions()
	require.Zero(t, active.Net().Sign())
	require.Equal(t, aggregate.VarHours(-1000), reactive.Net())
	require.Equal(t, aggregate.VarHours(1125), got[0].Lagging())
	require.Equal(t, aggregate.VarHours(125), got[0].Leading())
	require.Zero(t, got[0].Flags)
}

func TestQuadrantsPair(t *testing.T) {
	at := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
	x, err := aggregate.NewQuadrants(aggregate.QuadrantConfig{MaxSkew: 100 * time.Millisecond, MaxGap: 2 * time.Second})
	require.NoError(t, err)
	ms := func(n int) acquire.Instant { return at.Add(time.Duration(n) * time.Millisecond) }
	var got []aggregate.QuadrantInterval
	got = x.PushActive(got, ms(0), 1000, acquire.Good)
	got = x.PushReactive(got, ms(90), -500, acquire.Uncertain)
	got = x.PushReactive(got, ms(1000), 500, acquire.Good) // the reactive sample first
	got = x.PushActive(got, ms(1050), 1000, acquire.Good)
	got = x.PushActive(got, ms(2000), 7, acquire.Good) // 101 ms are too far
	got = x.PushReactive(got, ms(2101), 7, acquire.Good)
	got = x.PushReactive(got, ms(3000), 7, acquire.Good)
	got = x.PushActive(got, ms(3000), 0, acquire.Bad)
	got = x.PushReactive(got, ms(3000), 0, acquire.Bad)
	got = x.PushActive(got, 0, 1000, acquire.Good)
	require.Empty(t, got)
	require.Equal(t, aggregate.QuadrantCounts{Pairs: 2, Bad: 1, Duplicate: 1, Unpaired: 2, Refused: 1}, x.Counts())
	total := x.Total()
	require.Equal(t, aggregate.Coverage{Uncertain: 1050 * time.Millisecond, Good: 1950 * time.Millisecond}, total.Coverage)
	require.Equal(t, "1050 J", total.Active[3].Exact(), "the pair has the time of its active sample")
	require.Equal(t, "1950 J", total.Active[0].Exact())
}

func TestQuadrantsTick(t *testing.T) {
	at := acquire.At(time.Date(2026, 11, 20, 8, 10, 0, 0, time.UTC))
	for _, c := range []struct {
		rule aggregate.Rule
		want string
	}{
		{aggregate.HoldLeft, "0.033 kWh 300 s"}, {aggregate.Trapezoid, "0.000 kWh 0 s"},
	} {
		x, err := aggregate.NewQuadrants(aggregate.QuadrantConfig{Rule: c.rule, MaxGap: 20 * time.Minute})
		require.NoError(t, err)
		require.Empty(t, x.Tick(nil, at))
		require.Empty(t, x.Push(nil, at, 400, 0, acquire.Good))
		got := x.Tick(nil, at.Add(6*time.Minute))
		if c.rule == aggregate.HoldLeft {
			require.Len(t, got, 1)
			require.Equal(t, aggregate.Partial|aggregate.Gap, got[0].Flags)
		} else {
			require.Empty(t, got, "the next sample may still reach back")
		}
		got = append(got, x.Tick(nil, at.Add(3*time.Hour))...)
		require.Equal(t, c.want, fmt.Sprintf("%v %v s", got[0].Active[0], got[0].Coverage.Good.Seconds()))
		last := got[len(got)-1]
		require.True(t, last.Flags.Has(aggregate.Silence|aggregate.Gap))
		require.Equal(t, at.Add(3*time.Hour-10*time.Minute), last.End)
		before := x.Counts()
		require.Empty(t, x.Push(nil, at.Add(2*time.Hour), 1, 1, acquire.Good))
		require.Equal(t, before.Late+1, x.Counts().Late)
	}
}

func TestQuadrantsRefuse(t *testing.T) {
	var none aggregate.Quadrants
	require.Empty(t, none.Push(nil, 1, 1, 1, acquire.Good))
	require.Equal(t, aggregate.QuadrantCounts{Refused: 1}, none.Counts())
	require.Empty(t, none.Flush(none.Tick(nil, 5)))

	x, err := aggregate.NewQuadrants(aggregate.QuadrantConfig{})
	require.NoError(t, err)
	for _, at := range []acquire.Instant{math.MinInt64, -1, 0, math.MaxInt64} {
		require.Empty(t, x.Push(nil, at, 1, 1, acquire.Good))
	}
	require.Empty(t, x.Push(nil, 1e9, units.Watts(math.NaN()), 1, acquire.Good))
	require.Empty(t, x.Push(nil, 2e9, 1, units.Vars(math.Inf(1)), acquire.Good))
	require.Empty(t, x.Push(nil, 3e9, 5e12, 1, acquire.Good))
	require.Empty(t, x.Push(nil, 4e9, -4.6e12, -4.6e12, acquire.Good))
	require.Empty(t, x.Push(nil, 5e9, 4.6e12, 4.6e12, acquire.Good))
	require.Equal(t, aggregate.QuadrantCounts{Refused: 4, Bad: 3, Pairs: 2}, x.Counts())

	_, err = aggregate.NewQuadrants(aggregate.QuadrantConfig{Rule: 9, MaxGap: -1, MaxSkew: -1, Demand: aggregate.Demand{Interval: 7 * time.Second}})
	require.EqualError(t, err, "aggregate: quadrants: unknown rule 9\naggregate: quadrants: longest gap -1ns is negative\n"+
		"aggregate: quadrants: longest skew -1ns is negative\naggregate: quadrants: demand interval 7s does not divide 24 h")
	_, err = aggregate.NewQuadrants(aggregate.QuadrantConfig{MaxGap: 48 * time.Hour})
	require.EqualError(t, err, "aggregate: quadrants: longest gap 48h0m0s is more than a day")
	_, err = aggregate.NewQuadrants(aggregate.QuadrantConfig{MaxSkew: time.Minute})
	require.EqualError(t, err, "aggregate: quadrants: longest skew 1m0s is not less than half of the longest gap 1m0s")
}

func TestQuadrantsAllocateNothing(t *testing.T) {
	x, err := aggregate.NewQuadrants(aggregate.QuadrantConfig{Rule: aggregate.Trapezoid, Demand: aggregate.Block(time.Minute)})
	require.NoError(t, err)
	at, sign := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)), 1.0
	dst := make([]aggregate.QuadrantInterval, 0, 8)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		at, sign = at.Add(7*time.Second), -sign
		dst = x.Push(dst[:0], at, units.Watts(1000*sign), units.Vars(-300*sign), acquire.Good)
		dst = x.PushActive(dst[:0], at.Add(time.Second), 10, acquire.Good)
		dst = x.PushReactive(dst[:0], at.Add(time.Second), 10, acquire.Good)
		dst = x.Tick(dst[:0], at.Add(2*time.Second))
	}))
	state := make([]byte, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = x.AppendBinary(state) }))
}

func BenchmarkQuadrants(b *testing.B) {
	for name, sign := range map[string]float64{"held sign": 1, "crossing": -1} {
		b.Run(name, func(b *testing.B) {
			x, err := aggregate.NewQuadrants(aggregate.QuadrantConfig{Rule: aggregate.Trapezoid})
			require.NoError(b, err)
			at, p := acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)), 1000.0
			dst := make([]aggregate.QuadrantInterval, 0, 8)
			b.ReportAllocs()
			for b.Loop() {
				at, p = at.Add(time.Second), p*sign
				dst = x.Push(dst[:0], at, units.Watts(p), 300, acquire.Good)
			}
		})
	}
}
