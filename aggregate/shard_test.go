package aggregate_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// stream gives the samples of a script to a Meter one by one, watermarks apart.
func (s *single) stream(t testing.TB) (*aggregate.Meter, []aggregate.Period) {
	t.Helper()
	m, err := aggregate.NewMeter(s.plan(t))
	require.NoError(t, err)
	var got []aggregate.Period
	for _, e := range s.events {
		if e.channel >= 0 {
			got = push(m, got, &e.sample)
		}
	}
	return m, got
}

func push(m *aggregate.Meter, dst []aggregate.Period, s *acquire.Sample) []aggregate.Period {
	if n, ok := s.Value.Uint64(); ok {
		return m.PushCount(dst, s.Time, n, s.Quality)
	}
	x, _ := s.Value.Float64()
	return m.Push(dst, s.Time, x, s.Quality)
}

// floats makes all values of a script float64 or uint64, as columns have them.
func (s *single) floats() {
	for i := range s.events {
		v := &s.events[i].sample.Value
		if n, ok := v.Int64(); ok {
			*v = acquire.Float64(float64(n))
		} else if _, ok := v.Bool(); ok || v.IsNone() {
			*v = acquire.Float64(0)
			s.events[i].sample.Quality = acquire.Bad
		}
	}
}

// shards cuts a script at random, wherever the next sample comes after all
// before, and takes the stretches in any order.
func (s *single) shards(t testing.TB, random *rand.Rand, often int) []*aggregate.Shard {
	t.Helper()
	plan := s.plan(t)
	var stretches [][]acquire.Sample
	var last acquire.Instant
	for _, e := range s.events {
		if e.channel < 0 {
			continue
		}
		if e.sample.Time > last && random.IntN(often) == 0 || len(stretches) == 0 {
			stretches = append(stretches, nil)
		}
		last = max(last, e.sample.Time)
		n := len(stretches) - 1
		stretches[n] = append(stretches[n], e.sample)
	}
	parts := make([]*aggregate.Shard, len(stretches))
	for _, i := range random.Perm(len(stretches)) {
		var err error
		parts[i], err = aggregate.NewShard(plan)
		require.NoError(t, err)
		for _, x := range stretches[i] {
			if n, ok := x.Value.Uint64(); ok {
				parts[i].PushCount(x.Time, n, x.Quality)
			} else {
				f, _ := x.Value.Float64()
				parts[i].Push(x.Time, f, x.Quality)
			}
		}
	}
	return parts
}

// Shards taken in any order and merged in any association are what the stream is,
// to the last bit.
func checkMerged(t *testing.T, data []byte) {
	t.Helper()
	s, catalog := write(&dice{data: data})
	random := rand.New(rand.NewPCG(6, uint64(len(data))))
	for _, one := range singles(t, s, catalog) {
		one.floats()
		if _, err := aggregate.NewShard(one.plan(t)); err != nil {
			continue
		}
		streamed, want := one.stream(t)
		for _, often := range []int{1, 2, 20} {
			parts := one.shards(t, random, often)
			for len(parts) > 1 && random.IntN(8) != 0 {
				i := random.IntN(len(parts) - 1)
				require.NoError(t, parts[i].Merge(parts[i+1]))
				parts = append(parts[:i+1], parts[i+2:]...)
			}
			m, err := aggregate.NewMeter(one.plan(t))
			require.NoError(t, err)
			var got []aggregate.Period
			for _, p := range parts {
				got, err = m.Merge(got, p)
				require.NoError(t, err)
			}
			samePeriods(t, want, got)
			wantState, err := streamed.MarshalBinary()
			require.NoError(t, err)
			state, err := m.MarshalBinary()
			require.NoError(t, err)
			require.Equal(t, streamed.Totals(), m.Totals())
			require.True(t, bytes.Equal(wantState, state), "%x\n%x", wantState, state)
		}
	}
}

func TestShuffledShardsMergedEqualTheStream(t *testing.T) {
	random := rand.New(rand.NewPCG(61, 62))
	for range 150 {
		checkMerged(t, randomBytes(random, 1500))
	}
}

func FuzzMerged(f *testing.F) {
	random := rand.New(rand.NewPCG(63, 64))
	for range 8 {
		f.Add(randomBytes(random, 800))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkMerged(t, data[:min(len(data), 1200)]) })
}

func TestMergeOutOfOrder(t *testing.T) {
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Watt})
	require.NoError(t, err)
	stretch := func(p *aggregate.Plan, from int) *aggregate.Shard {
		s, err := aggregate.NewShard(p)
		require.NoError(t, err)
		require.NoError(t, s.PushRegular(benchStart.Add(0)+acquire.Instant(from)*1e9, 1e9, []float64{1, 2, 3}))
		return s
	}
	a, b, c := stretch(plan, 0), stretch(plan, 2), stretch(plan, 3)
	require.ErrorIs(t, a.Merge(b), aggregate.ErrOrder)
	require.ErrorIs(t, c.Merge(a), aggregate.ErrOrder)
	require.NoError(t, a.Merge(c))
	m, err := aggregate.NewMeter(plan)
	require.NoError(t, err)
	m.Tick(nil, benchStart+1)
	_, err = m.Merge(nil, a)
	require.ErrorIs(t, err, aggregate.ErrOrder)
	other, err := aggregate.NewPlan(aggregate.Series{Unit: units.Kilowatt})
	require.NoError(t, err)
	require.ErrorIs(t, a.Merge(stretch(other, 100)), aggregate.ErrOtherConfiguration)
}

func TestMergeAllocsNothing(t *testing.T) {
	for _, series := range []aggregate.Series{
		{Unit: units.Watt, Rule: aggregate.Trapezoid},
		{Unit: units.WattHour, Registers: aggregate.Registers{MaxPower: 1e9}},
	} {
		plan, err := aggregate.NewPlan(series)
		require.NoError(t, err)
		const rounds = 20
		shards := make([]*aggregate.Shard, rounds+2)
		now := benchStart
		for i := range shards {
			shards[i], err = aggregate.NewShard(plan)
			require.NoError(t, err)
			for range 100 {
				now += 30e9
				shards[i].PushCount(now, uint64(now-benchStart)/1e9, acquire.Good)
			}
		}
		m, err := aggregate.NewMeter(plan)
		require.NoError(t, err)
		closed := make([]aggregate.Period, 0, 100)
		n, total := 0, 0
		require.Zero(t, testing.AllocsPerRun(rounds, func() {
			closed, err = m.Merge(closed[:0], shards[n])
			n, total = n+1, total+len(closed)
		}))
		require.NoError(t, err)
		require.Greater(t, total, 2*rounds)
	}
}
