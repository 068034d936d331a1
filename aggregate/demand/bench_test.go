package demand_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/demand"
)

// member is a year of a meter, block after block, with a hole now and then.
type member struct {
	*demand.Register
	block demand.Block
	n     int
}

func (m *member) next(length time.Duration) []demand.Window {
	m.n++
	m.block.Start = m.block.End
	if m.n%97 == 0 {
		m.block.Start = m.block.Start.Add(length)
	}
	m.block.End = m.block.Start.Add(length)
	m.block.Active.Import = aggregate.WattHours(int64(m.n % 50))
	m.block.Active.Coverage = aggregate.Coverage{Good: length}
	m.block.Reactive.Coverage = m.block.Active.Coverage
	return m.ObserveBlock(&m.block)
}

func newMember(t testing.TB, config demand.Config) *member {
	return &member{Register: register(t, config), block: demand.Block{End: eight}}
}

var benchmarks = []struct {
	name   string
	config demand.Config
	block  time.Duration
}{
	{"Block", demand.Config{}, 15 * time.Minute},
	{"Rolling3", demand.Config{Subintervals: 3}, 5 * time.Minute},
	{"Rolling60", demand.Config{Subintervals: 60}, 15 * time.Second},
	{"ApparentVector", demand.Config{Quantity: demand.ApparentVector}, 15 * time.Minute},
	{"HourInZone", demand.Config{Interval: time.Hour, Highest: 10, Incomplete: demand.Elapsed}, 15 * time.Minute},
}

func BenchmarkObserve(b *testing.B) {
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			if bench.name == "HourInZone" {
				bench.config.In = zone(b, "Australia/Lord_Howe")
			}
			m := newMember(b, bench.config)
			b.ReportAllocs()
			for b.Loop() {
				m.next(bench.block)
			}
		})
	}
}

func TestObserveAllocsNothing(t *testing.T) {
	for _, bench := range benchmarks {
		t.Run(bench.name, func(t *testing.T) {
			bench.config.In = zone(t, "Australia/Lord_Howe")
			bench.config.Forgiveness, bench.config.Outage = time.Minute, time.Second
			m := newMember(t, bench.config)
			windows := 0
			require.Zero(t, testing.AllocsPerRun(200, func() {
				for range 200 { // more than a year all in all
					windows += len(m.next(bench.block))
				}
				m.PowerUp(m.block.End)
				m.Current()
				m.ContinuousCumulative()
				_, err := m.Reset(m.block.End, demand.Schedule)
				if err != nil {
					windows = -1 << 30
				}
			}))
			require.Positive(t, windows)
		})
	}
}

func TestObserveIntervalAllocsNothing(t *testing.T) {
	r := register(t, demand.Config{})
	iv := aggregate.Interval{Start: eight, End: eight.Add(15 * time.Minute)}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		r.Observe(&iv)
		iv.Start, iv.End = iv.End, iv.End.Add(15*time.Minute)
	}))
}

func TestGroupAllocsNothing(t *testing.T) {
	g := group(t, demand.GroupConfig{Members: []string{"a", "b", "c"}})
	members := []*member{newMember(t, demand.Config{}), newMember(t, demand.Config{}), newMember(t, demand.Config{})}
	members[2].n = 50 // its holes are elsewhere
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for range 20 {
			for i, m := range members {
				for _, w := range m.next(15 * time.Minute) {
					g.Observe(i, w)
				}
			}
		}
		g.Peak()
	}))
	require.Positive(t, g.Counts().Decided)
}

func TestSavingAllocsNothing(t *testing.T) {
	states := busy(t)
	buffer := make([]byte, 0, 1<<14)
	for _, s := range states {
		require.Zero(t, testing.AllocsPerRun(10, func() { buffer, _ = s.AppendBinary(buffer[:0]) }), "%T", s)
	}
}

func TestThermalAllocsNothing(t *testing.T) {
	th := thermal(t, demand.ThermalConfig{Rule: aggregate.Trapezoid})
	at := eight
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		at = at.Add(time.Second)
		th.Observe(at, 100, acquire.Good)
	}))
}

func BenchmarkThermal(b *testing.B) {
	th := thermal(b, demand.ThermalConfig{})
	at := eight
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Second)
		th.Observe(at, 100, acquire.Good)
	}
}

func TestTextAllocsNothing(t *testing.T) {
	w := quarter(t, eight, 1234)
	buffer := make([]byte, 0, 256)
	require.Zero(t, testing.AllocsPerRun(10, func() { buffer = w.Demand.Append(buffer[:0]) }))
}
