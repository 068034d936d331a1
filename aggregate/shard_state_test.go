package aggregate_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// restored writes a Shard and reads it back, after which it is the same.
func restored(t testing.TB, plan *aggregate.Plan, s *aggregate.Shard) *aggregate.Shard {
	t.Helper()
	state, err := s.MarshalBinary()
	require.NoError(t, err)
	back, err := aggregate.NewShard(plan)
	require.NoError(t, err)
	require.NoError(t, back.UnmarshalBinary(state))
	again, err := back.MarshalBinary()
	require.NoError(t, err)
	require.True(t, bytes.Equal(state, again))
	first, last := s.Span()
	gotFirst, gotLast := back.Span()
	require.Equal(t, [2]acquire.Instant{first, last}, [2]acquire.Instant{gotFirst, gotLast})
	return back
}

// Shards that went through bytes, before and between merges, are what the stream is,
// to the last bit.
func checkRestoredShards(t *testing.T, data []byte) {
	t.Helper()
	s, catalog := write(&dice{data: data})
	random := rand.New(rand.NewPCG(7, uint64(len(data))))
	for _, one := range singles(t, s, catalog) {
		one.floats()
		plan := one.plan(t)
		if _, err := aggregate.NewShard(plan); err != nil {
			continue
		}
		streamed, want := one.stream(t)
		parts := one.shards(t, random, 1+random.IntN(20))
		for i := range parts {
			parts[i] = restored(t, plan, parts[i])
		}
		for len(parts) > 1 && random.IntN(8) != 0 {
			i := random.IntN(len(parts) - 1)
			require.NoError(t, parts[i].Merge(parts[i+1]))
			parts[i] = restored(t, plan, parts[i])
			parts = append(parts[:i+1], parts[i+2:]...)
		}
		m, err := aggregate.NewMeter(plan)
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
		require.True(t, bytes.Equal(wantState, state), "%x\n%x", wantState, state)
	}
}

func TestRestoredShardsMergedEqualTheStream(t *testing.T) {
	random := rand.New(rand.NewPCG(65, 66))
	for range 150 {
		checkRestoredShards(t, randomBytes(random, 1500))
	}
}

// shardOf makes a Shard of an hour of power, of a register, or of one that is at rest.
func shardOf(t testing.TB, series aggregate.Series, n int) (*aggregate.Plan, *aggregate.Shard) {
	t.Helper()
	plan, err := aggregate.NewPlan(series)
	require.NoError(t, err)
	s, err := aggregate.NewShard(plan)
	require.NoError(t, err)
	for i := range n {
		s.PushCount(benchStart+acquire.Instant(i)*60e9, uint64(i), acquire.Good)
	}
	return plan, s
}

// Samples at the head that have no time are kept as they came.
func TestShardStateOfSamplesWithoutTime(t *testing.T) {
	plan, s := shardOf(t, aggregate.Series{Unit: units.WattHour}, 0)
	for _, at := range []acquire.Instant{0, -5, 1<<63 - 1, -1 << 63, benchStart} {
		s.PushCount(at, 7, acquire.Good)
	}
	restored(t, plan, s)
}

func TestShardStateIsChecked(t *testing.T) {
	plan, s := shardOf(t, aggregate.Series{Unit: units.Watt}, 60)
	state, err := s.MarshalBinary()
	require.NoError(t, err)
	back, err := aggregate.NewShard(plan)
	require.NoError(t, err)
	for n := range state {
		require.ErrorIs(t, back.UnmarshalBinary(state[:n]), aggregate.ErrState)
		flipped := bytes.Clone(state)
		flipped[n] ^= 4
		require.ErrorIs(t, back.UnmarshalBinary(flipped), aggregate.ErrState)
	}
	_, other := shardOf(t, aggregate.Series{Unit: units.Kilowatt}, 0)
	require.ErrorIs(t, other.UnmarshalBinary(state), aggregate.ErrOtherConfiguration)
	m, err := aggregate.NewMeter(plan)
	require.NoError(t, err)
	require.ErrorIs(t, m.UnmarshalBinary(state), aggregate.ErrState)
	first, last := back.Span()
	require.Zero(t, first)
	require.Zero(t, last)
}

// A state that somebody has made up is refused, or merges without panic and without end.
func FuzzShardState(f *testing.F) {
	all := []aggregate.Series{{Unit: units.Watt}, {Unit: units.WattHour}, {Unit: units.Watt, Rule: aggregate.Trapezoid}}
	for i, series := range all {
		for _, n := range []int{0, 1, 2, 100} {
			_, s := shardOf(f, series, n)
			state, err := s.MarshalBinary()
			require.NoError(f, err)
			f.Add(uint8(i), state[15:len(state)-4])
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		plan, s := shardOf(t, all[int(which)%len(all)], 0)
		state, err := s.MarshalBinary()
		require.NoError(t, err)
		state = append(state[:15:15], body...)
		state = binary.LittleEndian.AppendUint32(state, crc32.ChecksumIEEE(state))
		if s.UnmarshalBinary(state) != nil {
			return
		}
		_, before := shardOf(t, all[int(which)%len(all)], 3)
		_ = before.Merge(s)
		m, err := aggregate.NewMeter(plan)
		require.NoError(t, err)
		periods, _ := m.Merge(nil, s)
		periods = m.Flush(periods)
		require.Less(t, len(periods), 200*(2+len(body)/28))
	})
}
