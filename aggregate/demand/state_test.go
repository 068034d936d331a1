package demand_test

import (
	"encoding"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate/demand"
)

type state interface {
	encoding.BinaryAppender
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// busy are one of each kind with something of everything in it.
func busy(t testing.TB) (states []state) {
	states = idle(t)
	f := &feeder{states[0].(*demand.Register), eight, 5 * time.Minute}
	g, th := states[1].(*demand.Group), states[2].(*demand.Thermal)
	for i := range 40 {
		for _, w := range f.active(int64(i%9)*100, 5*time.Minute-time.Duration(i%13/12)*time.Minute) {
			g.Observe(0, w)
			if i%7 > 2 {
				g.Observe(1, w)
			}
		}
		if i == 20 {
			_, err := f.Reset(f.at, demand.Command)
			require.NoError(t, err)
		}
	}
	f.PowerUp(f.at.Add(time.Minute))
	f.full(100)
	th.PowerUp()
	for i := range 40 {
		th.Observe(eight.Add(time.Duration(i)*time.Second), 1000, acquire.Good)
	}
	return states
}

// idle are one of each kind with nothing in it.
func idle(t testing.TB) []state {
	return []state{
		register(t, demand.Config{
			Interval: time.Hour, Subintervals: 4, In: zone(t, "Australia/Lord_Howe"), Incomplete: demand.Elapsed,
			Forgiveness: time.Minute, Highest: 3,
		}),
		group(t, demand.GroupConfig{Members: []string{"a", "b"}}),
		thermal(t, demand.ThermalConfig{}),
	}
}

func save(t testing.TB, s state) []byte {
	t.Helper()
	data, err := s.MarshalBinary()
	require.NoError(t, err)
	return data
}

func TestStateRoundTrip(t *testing.T) {
	states, empty := busy(t), idle(t)
	for i, s := range states {
		data := save(t, s)
		require.NoError(t, empty[i].UnmarshalBinary(data))
		assert.Equal(t, data, save(t, empty[i]), "%T", s)
		appended, err := s.AppendBinary([]byte("before"))
		require.NoError(t, err)
		assert.Equal(t, "before"+string(data), string(appended))
	}
}

// A state that was cut or altered is refused or is another sound state, and a
// refusal changes nothing.
func TestStateAltered(t *testing.T) {
	rnd := rand.New(rand.NewPCG(15, 16))
	states, empty := busy(t), idle(t)
	for i, s := range states {
		data, before := save(t, s), save(t, empty[i])
		for n := range data {
			require.ErrorIs(t, empty[i].UnmarshalBinary(data[:n]), demand.ErrState)
		}
		require.ErrorIs(t, empty[i].UnmarshalBinary(append(data[:len(data):len(data)], 0)), demand.ErrState)
		require.Equal(t, before, save(t, empty[i]), "%T", s)
		for range 3000 {
			altered := append([]byte(nil), data...)
			altered[rnd.IntN(len(altered))] ^= 1 << rnd.IntN(8)
			unmarshal(t, s, altered)
		}
		require.NoError(t, s.UnmarshalBinary(data))
	}
}

// unmarshal holds that data is refused without a trace, or taken up whole.
func unmarshal(t testing.TB, s state, data []byte) {
	before := save(t, s)
	if err := s.UnmarshalBinary(data); err != nil {
		require.ErrorIs(t, err, demand.ErrState)
		require.Equal(t, before, save(t, s))
		return
	}
	require.Equal(t, data, save(t, s))
}

// The state of one configuration does not fit another.
func TestStateOfAnotherConfiguration(t *testing.T) {
	data := save(t, register(t, demand.Config{}))
	for _, config := range []demand.Config{
		{Quantity: demand.ActiveNet}, {Interval: time.Hour}, {Subintervals: 3}, {Offset: time.Minute},
		{In: zone(t, "Asia/Kathmandu")}, {Incomplete: demand.Elapsed}, {Outage: 1}, {Forgiveness: 1}, {Highest: 2},
	} {
		require.ErrorIs(t, register(t, config).UnmarshalBinary(data), demand.ErrState, "%+v", config)
	}
	require.NoError(t, register(t, demand.Config{Lockout: time.Hour}).UnmarshalBinary(data), "a lockout may be changed")
	for _, s := range []state{group(t, demand.GroupConfig{Members: []string{"a"}}), thermal(t, demand.ThermalConfig{})} {
		require.ErrorIs(t, s.UnmarshalBinary(data), demand.ErrState)
	}
	var none demand.Register
	require.NoError(t, none.UnmarshalBinary(data), "the zero value has the configuration of defaults")
	require.Equal(t, data, save(t, &none))
}

func FuzzUnmarshal(f *testing.F) {
	for _, s := range busy(f) {
		f.Add(save(f, s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		empty := idle(t)
		for _, s := range empty {
			unmarshal(t, s, data)
		}
		// Whatever was taken up goes on.
		at := empty[0].(*demand.Register).Last().End
		if at == 0 {
			at = eight
		}
		f := &feeder{empty[0].(*demand.Register), at, 5 * time.Minute}
		for range 20 {
			for _, w := range f.full(100) {
				empty[1].(*demand.Group).Observe(0, w)
			}
		}
		f.Current()
		f.ContinuousCumulative()
		_, _ = f.Reset(f.at, demand.Manual)
		empty[1].(*demand.Group).Advance(f.at)
		empty[1].(*demand.Group).Peak()
		empty[2].(*demand.Thermal).Observe(at, 1, acquire.Good)
	})
}

// The zero values take nothing and do no harm.
func TestZeroValues(t *testing.T) {
	var r demand.Register
	f := &feeder{&r, eight, 15 * time.Minute}
	assert.Empty(t, f.full(1))
	assert.Equal(t, uint64(1), r.Counts().Rejected)
	r.PowerUp(eight)
	r.Current()
	_, err := r.Reset(eight, demand.Manual)
	assert.NoError(t, err)
	assert.False(t, r.Cumulative().Known())
	var g demand.Group
	g.Observe(0, quarter(t, eight, 1))
	g.Advance(eight)
	assert.Equal(t, demand.GroupCounts{Rejected: 1}, g.Counts())
	var th demand.Thermal
	_, ok := th.Observe(eight, 1, acquire.Good)
	assert.False(t, ok)
	assert.Equal(t, demand.ThermalCounts{Rejected: 1}, th.Counts())
	assert.Equal(t, demand.Billed{}, demand.Ratchet{}.Bill(time.May, demand.MonthPeak{}, nil))
}
