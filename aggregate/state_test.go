package aggregate_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// feed gives one event to slot 1 of a Bank.
func (s *single) feed(b *aggregate.Bank, dst []aggregate.Period, e event) []aggregate.Period {
	if e.channel < 0 {
		return b.AppendPeriods(dst, &acquire.Batch{Watermark: e.mark, Points: []acquire.PointID{s.point}})
	}
	return b.Push(dst, []acquire.Sample{e.sample})
}

func (s *single) bank(t testing.TB) *aggregate.Bank {
	t.Helper()
	b, err := aggregate.NewBank(s.plan(t), s.catalog, []acquire.PointID{0, s.point})
	require.NoError(t, err)
	return b
}

// A Bank that is killed and restored after every event goes on as if nothing had
// happened, and its state is the same to the last bit.
func checkRestored(t *testing.T, data []byte) {
	t.Helper()
	s, catalog := write(&dice{data: data})
	for _, one := range singles(t, s, catalog) {
		alive, killed := one.bank(t), one.bank(t)
		var want, got []aggregate.Period
		for _, e := range one.events {
			want = one.feed(alive, want, e)
			state, err := killed.MarshalBinary()
			require.NoError(t, err)
			killed = one.bank(t)
			require.NoError(t, killed.UnmarshalBinary(state))
			again, err := killed.MarshalBinary()
			require.NoError(t, err)
			require.Equal(t, state, again)
			got = one.feed(killed, got, e)
		}
		want, got = alive.Flush(want), killed.Flush(got)
		require.Equal(t, want, got)
		wantTotals, _ := alive.Totals(1)
		totals, _ := killed.Totals(1)
		require.Equal(t, wantTotals, totals)
	}
}

func TestKilledAndRestoredAtEverySample(t *testing.T) {
	random := rand.New(rand.NewPCG(51, 52))
	for range 150 {
		checkRestored(t, randomBytes(random, 1200))
	}
}

func FuzzRestored(f *testing.F) {
	random := rand.New(rand.NewPCG(53, 54))
	for range 8 {
		f.Add(randomBytes(random, 600))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkRestored(t, data[:min(len(data), 1000)]) })
}

// So does a Router, its intervals included.
func checkRouterRestored(t *testing.T, data []byte) {
	t.Helper()
	s, catalog := write(&dice{data: data})
	want, wantTotals := play(t, s, catalog, func() bool { return true })
	all := make([]acquire.PointID, channelCount)
	for i := range all {
		all[i] = acquire.PointID(i + 1)
	}
	r, err := aggregate.NewRouter(catalog, s.metering)
	require.NoError(t, err)
	var got []aggregate.Interval
	for _, e := range s.events {
		b := acquire.Batch{Watermark: e.mark, Points: all}
		if e.channel >= 0 {
			b = acquire.Batch{Samples: []acquire.Sample{e.sample}}
		}
		got = r.AppendIntervals(got, &b)
		state, err := r.MarshalBinary()
		require.NoError(t, err)
		r, err = aggregate.NewRouter(catalog, s.metering)
		require.NoError(t, err)
		require.NoError(t, r.UnmarshalBinary(state))
		again, err := r.MarshalBinary()
		require.NoError(t, err)
		require.True(t, bytes.Equal(state, again))
	}
	got = r.Flush(got)
	require.Equal(t, len(want), len(got))
	for i := range want {
		require.True(t, want[i] == got[i], "want %v, not %v", want[i], got[i])
	}
	totals, _ := r.Totals("m")
	require.Equal(t, wantTotals, totals)
}

func TestRouterKilledAndRestoredAtEverySample(t *testing.T) {
	random := rand.New(rand.NewPCG(55, 56))
	for range 100 {
		checkRouterRestored(t, randomBytes(random, 1200))
	}
}

// Whatever a state of a Router holds, it is refused, or what goes on with it does
// not panic.
func FuzzHostileRouterState(f *testing.F) {
	random := rand.New(rand.NewPCG(57, 58))
	for range 6 {
		data := randomBytes(random, 400)
		s, catalog := write(&dice{data: data})
		r, err := aggregate.NewRouter(catalog, s.metering)
		require.NoError(f, err)
		for _, e := range s.events {
			if e.channel >= 0 {
				r.Observe(&acquire.Batch{Samples: []acquire.Sample{e.sample}})
			}
		}
		state, err := r.MarshalBinary()
		require.NoError(f, err)
		f.Add(data, state)
	}
	f.Fuzz(func(t *testing.T, data, state []byte) {
		s, catalog := write(&dice{data: data[:min(len(data), 400)]})
		r, err := aggregate.NewRouter(catalog, s.metering)
		require.NoError(t, err)
		if r.UnmarshalBinary(seal(state)) != nil {
			return
		}
		for _, e := range s.events {
			b := acquire.Batch{Watermark: e.mark, Points: []acquire.PointID{1, 2, 3, 4, 5, 6}}
			if e.channel >= 0 {
				b = acquire.Batch{Samples: []acquire.Sample{e.sample}}
			}
			r.Observe(&b)
		}
		r.Flush(nil)
	})
}

// seal mends the checksum of a state.
func seal(state []byte) []byte {
	if len(state) >= 4 {
		body := state[:len(state)-4]
		binary.LittleEndian.PutUint32(state[len(state)-4:], crc32.ChecksumIEEE(body))
	}
	return state
}

// Whatever a state holds, it is refused, or what goes on with it does not panic.
func FuzzHostileState(f *testing.F) {
	type spec struct {
		series aggregate.Series
		push   func(m *aggregate.Meter, dst []aggregate.Period, i int, at acquire.Instant) []aggregate.Period
	}
	specs := []spec{
		{aggregate.Series{Unit: units.Watt}, nil},
		{aggregate.Series{Unit: units.Watt, Rule: aggregate.Trapezoid}, nil},
		{aggregate.Series{Unit: units.WattHour, Registers: aggregate.Registers{Modulus: 100000, MaxPower: 1e6}}, nil},
		{aggregate.Series{Unit: units.KilowattHour}, nil},
	}
	run := func(m *aggregate.Meter, from acquire.Instant, n int) {
		var got []aggregate.Period
		for i := range n {
			at := from.Add(time.Duration(i*i) * time.Second)
			got = m.Push(got[:0], at, float64(i%5)-1, acquire.Good)
			got = m.PushCount(got, at+7, uint64(i*3), acquire.Good)
		}
		got = m.Tick(got, from.Add(24*time.Hour))
		_ = m.Flush(got)
		_ = m.Totals()
	}
	for which, s := range specs {
		m := meterOf(f, s.series)
		for n := range 4 {
			state, err := m.MarshalBinary()
			require.NoError(f, err)
			f.Add(uint8(which), state)
			run(m, benchStart.Add(time.Duration(n)*time.Hour), 6*n)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, state []byte) {
		m := meterOf(t, specs[int(which)%len(specs)].series)
		if m.UnmarshalBinary(state) == nil {
			run(m, benchStart, 100)
			return
		}
		if m.UnmarshalBinary(seal(state)) == nil {
			run(m, benchStart, 100)
			run(m, benchStart.Add(1000*time.Hour), 40)
		}
	})
}

// Every byte of a state counts: changed, it is refused, with the checksum mended
// or not; and it is refused by another configuration.
func TestDamagedStateIsRefused(t *testing.T) {
	m := meterOf(t, aggregate.Series{Unit: units.Watt})
	for i := range 100 {
		m.Push(nil, benchStart.Add(time.Duration(i)*time.Minute), float64(i), acquire.Good)
	}
	before := m.Totals()
	state, err := m.MarshalBinary()
	require.NoError(t, err)
	for i := range state {
		damaged := append([]byte(nil), state...)
		damaged[i] ^= 1 << (i % 8)
		require.Error(t, m.UnmarshalBinary(damaged))
		require.Error(t, m.UnmarshalBinary(state[:i]))
		_ = m.UnmarshalBinary(seal(append([]byte(nil), state[:i]...)))
	}
	require.ErrorIs(t, m.UnmarshalBinary(nil), aggregate.ErrState)
	require.ErrorIs(t, m.UnmarshalBinary(append(state, 0)), aggregate.ErrState)
	require.Equal(t, before, m.Totals())
	for _, other := range []aggregate.Series{
		{Unit: units.Kilowatt}, {Unit: units.Watt, Rule: aggregate.Trapezoid}, {Unit: units.Watt, MaxGap: time.Second},
		{Unit: units.Watt, Demand: aggregate.Block(time.Hour)}, {Unit: units.WattHour},
	} {
		require.ErrorIs(t, meterOf(t, other).UnmarshalBinary(state), aggregate.ErrOtherConfiguration)
	}
}

func TestStateAllocsNothing(t *testing.T) {
	bank, batch := fullBank(t, 100, aggregate.Trapezoid, false, changing)
	bank.Push(nil, batch.Samples)
	var state []byte
	require.Zero(t, testing.AllocsPerRun(10, func() { state, _ = bank.AppendBinary(state[:0]) }))
	t.Logf("%d bytes a series", len(state)/100)
}
