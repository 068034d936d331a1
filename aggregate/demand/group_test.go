package demand_test

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/demand"
)

func group(t testing.TB, config demand.GroupConfig) *demand.Group {
	t.Helper()
	g, err := demand.NewGroup(config)
	require.NoError(t, err)
	return g
}

func TestCoincidentPeakOfOracle(t *testing.T) {
	noon := acquire.At(time.Date(2022, 10, 27, 12, 0, 0, 0, time.UTC))
	names := []string{"first", "second", "third"}
	g := group(t, demand.GroupConfig{Members: names})
	by := group(t, demand.GroupConfig{Members: names, Reference: "third"})
	var points []*feeder
	for range names {
		points = append(points, &feeder{register(t, demand.Config{Interval: time.Hour}), noon, time.Hour})
	}
	for _, row := range table(t, "coincident.csv") {
		for i, point := range points {
			for _, w := range point.full(int64(1000 * number(t, row[1+i]))) {
				g.Observe(i, w)
				by.Observe(i, w)
			}
		}
	}
	for i, want := range []struct {
		peak string
		hour int
	}{{"14.0 kW", 16}, {"15.0 kW", 17}, {"15.0 kW", 18}} {
		assert.Equal(t, want.peak, points[i].Peak().Demand.String())
		assert.Equal(t, want.hour, points[i].Peak().Start.Time().Hour())
	}
	c, ok := g.Peak()
	require.True(t, ok)
	assert.Equal(t, "42.0 kW", c.Sum.String())
	assert.Equal(t, 16, c.Start.Time().Hour())
	assert.Zero(t, c.Missing)
	for _, w := range c.Members {
		assert.Equal(t, "14.0 kW", w.Demand.String())
	}
	c, ok = by.Peak()
	require.True(t, ok)
	assert.Equal(t, 18, c.Start.Time().Hour())
	assert.Equal(t, "12.0 kW 13.0 kW 15.0 kW", c.Members[0].Demand.String()+" "+c.Members[1].Demand.String()+" "+c.Members[2].Demand.String())
}

// quarter is a window of block demand with so many watt hours, unknown if negative.
func quarter(t testing.TB, at acquire.Instant, wh int64) demand.Window {
	t.Helper()
	b := demand.Block{Start: at, End: at.Add(15 * time.Minute)}
	if wh >= 0 {
		b.Active.Import, b.Active.Coverage.Good = aggregate.WattHours(wh), 15*time.Minute
	}
	windows := register(t, demand.Config{}).ObserveBlock(&b)
	require.Len(t, windows, 1)
	return windows[0]
}

// A member without a demand is missing, and never taken for 0.
func TestMissingMembersAreSaid(t *testing.T) {
	names := []string{"a", "b"}
	sum, by := group(t, demand.GroupConfig{Members: names}), group(t, demand.GroupConfig{Members: names, Reference: "a"})
	for i, wh := range [][2]int64{{1000, 1000}, {9000, -1}, {2000, 500}} {
		for member := range wh {
			w := quarter(t, eight.Add(time.Duration(i)*15*time.Minute), wh[member])
			sum.Observe(member, w)
			by.Observe(member, w)
		}
	}
	c, ok := sum.Peak()
	require.True(t, ok)
	assert.Equal(t, "10.0 kW", c.Sum.String(), "a sum that lacks a member is no peak")
	assert.Equal(t, demand.GroupCounts{Decided: 3, Incomplete: 1}, sum.Counts())
	c, ok = by.Peak()
	require.True(t, ok)
	assert.Equal(t, "36.0 kW", c.Sum.String())
	assert.Equal(t, 1, c.Missing)
	assert.False(t, c.Members[1].Demand.Known())
}

func TestGroupWaitsForMembers(t *testing.T) {
	at := func(i int) acquire.Instant { return eight.Add(time.Duration(i) * 15 * time.Minute) }
	g := group(t, demand.GroupConfig{Members: []string{"a", "b", "c"}, Reference: "a", Pending: 2})
	g.Observe(0, quarter(t, at(0), 1000))
	g.Observe(1, quarter(t, at(0), 1000))
	_, ok := g.Peak()
	assert.False(t, ok, "c may still come")
	g.Observe(2, quarter(t, at(1), 1000)) // c has nothing to say about the first
	c, ok := g.Peak()
	require.True(t, ok)
	assert.Equal(t, 1, c.Missing)
	g.Observe(2, quarter(t, at(1), 1000))
	assert.Equal(t, uint64(1), g.Counts().Late, "given twice")

	g.Observe(0, quarter(t, at(1), 2000))
	g.Observe(0, quarter(t, at(2), 3000))
	g.Observe(0, quarter(t, at(3), 2000)) // no room: the second is decided without b
	assert.Equal(t, demand.GroupCounts{Decided: 2, Incomplete: 2, Forced: 1, Late: 1}, g.Counts())
	g.Observe(1, quarter(t, at(1), 1000))
	assert.Equal(t, uint64(2), g.Counts().Late)
	g.Advance(at(4))
	assert.Equal(t, demand.GroupCounts{Decided: 4, Incomplete: 4, Forced: 3, Late: 2}, g.Counts())
	c, _ = g.Peak()
	assert.Equal(t, at(2), c.Start)

	g.Observe(3, quarter(t, at(9), 1))
	g.Observe(-1, quarter(t, at(9), 1))
	g.Observe(0, demand.Window{})
	g.Advance(0)
	assert.Equal(t, uint64(4), g.Counts().Rejected)
	g.Reset()
	_, ok = g.Peak()
	assert.False(t, ok)
}

func TestGroupOfDifferentWindows(t *testing.T) {
	g := group(t, demand.GroupConfig{Members: []string{"a", "b"}})
	g.Observe(0, quarter(t, eight, 1000))
	w := quarter(t, eight, 1000)
	w.Start = w.Start.Add(-time.Minute)
	g.Observe(1, w)
	assert.Equal(t, uint64(1), g.Counts().Rejected, "other edges")
	_, ok := g.Peak()
	assert.False(t, ok)

	b := demand.Block{Start: eight.Add(15 * time.Minute), End: eight.Add(30 * time.Minute)}
	b.Reactive.Coverage.Good = 15 * time.Minute
	g.Observe(0, quarter(t, b.Start, 1000))
	g.Observe(1, register(t, demand.Config{Quantity: demand.ReactiveImport}).ObserveBlock(&b)[0])
	assert.Equal(t, uint64(2), g.Counts().Rejected, "another quantity")
}

// After an outage a member of rolling demand tells windows of one sub-interval,
// without a demand. That takes nothing from the peak of the others, whoever is first.
func TestGroupWithAMemberThatBeginsAnew(t *testing.T) {
	config := demand.Config{Interval: 30 * time.Minute, Subintervals: 3}
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		g := group(t, demand.GroupConfig{Members: []string{"a", "b"}, Reference: "a"})
		members := [2]*demand.Register{register(t, config), register(t, config)}
		for i := range 8 {
			at := eight.Add(time.Duration(i) * 10 * time.Minute)
			if i == 4 {
				members[1].PowerUp(at.Add(time.Minute))
			}
			wh := int64(1000)
			if i == 5 {
				wh = 4000
			}
			for _, m := range order {
				b := demand.Block{Start: at, End: at.Add(10 * time.Minute)}
				b.Active.Import, b.Active.Coverage.Good = aggregate.WattHours(wh), 10*time.Minute
				for _, w := range members[m].ObserveBlock(&b) {
					g.Observe(m, w)
				}
			}
		}
		c, ok := g.Peak()
		require.True(t, ok)
		assert.Equal(t, "12.0 kW", c.Members[0].Demand.String())
		assert.Equal(t, eight.Add(30*time.Minute), c.Start)
		assert.Equal(t, 1, c.Missing)
		assert.Equal(t, demand.GroupCounts{Decided: 8, Incomplete: 5}, g.Counts())
		saved, err := g.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, group(t, demand.GroupConfig{Members: []string{"a", "b"}, Reference: "a"}).UnmarshalBinary(saved))
	}
}

func TestNewGroupNamesEveryFault(t *testing.T) {
	_, err := demand.NewGroup(demand.GroupConfig{Members: []string{"a", "", "a"}, Reference: "b", Pending: 65})
	require.EqualError(t, err, "demand: group member 1 has no name\n"+
		"demand: group member \"a\" is named twice\n"+
		"demand: group reference \"b\" is not a member\n"+
		"demand: 65 pending windows are not within 1 and 64")
	_, err = demand.NewGroup(demand.GroupConfig{})
	require.EqualError(t, err, "demand: group of 0 members is not within 1 and 4096")
	g := group(t, demand.GroupConfig{Members: []string{"a", "b"}})
	i, ok := g.Member("b")
	assert.True(t, ok)
	assert.Equal(t, 1, i)
	_, ok = g.Member("c")
	assert.False(t, ok)
}

// Members that run ahead and behind, a save and a restore after each window, and a
// twin that sorts everything at the end.
func TestGroupEqualsTwin(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for range 60 {
		config := demand.GroupConfig{Members: []string{"a", "b", "c"}, Pending: 8}
		if rnd.IntN(2) == 0 {
			config.Reference = "b"
		}
		g := group(t, config)
		const length = 30
		var wh [length][3]int64
		for i := range wh {
			for m := range wh[i] {
				wh[i][m] = int64(rnd.IntN(6)*1000 - 500)
			}
		}
		next := [3]int{}
		for slices.Min(next[:]) < length {
			m := rnd.IntN(3)
			if next[m] >= length || next[m] >= slices.Min(next[:])+8 {
				continue
			}
			g.Observe(m, quarter(t, eight.Add(time.Duration(next[m])*15*time.Minute), wh[next[m]][m]))
			next[m]++
			saved, err := g.MarshalBinary()
			require.NoError(t, err)
			g = group(t, config)
			require.NoError(t, g.UnmarshalBinary(saved))
		}
		best, at := int64(-1), -1
		for i, row := range wh {
			value := row[1]
			if config.Reference == "" {
				value = row[0] + row[1] + row[2]
				if slices.Min(row[:]) < 0 {
					continue
				}
			}
			if value >= 0 && value > best {
				best, at = value, i
			}
		}
		c, ok := g.Peak()
		require.Equal(t, at >= 0, ok)
		require.Equal(t, uint64(length), g.Counts().Decided)
		require.Zero(t, g.Counts().Forced)
		if !ok {
			continue
		}
		require.Equal(t, eight.Add(time.Duration(at)*15*time.Minute), c.Start)
		sum, missing := new(big.Int), 0
		for m, n := range wh[at] {
			require.Equal(t, n >= 0, c.Members[m].Demand.Known())
			if n < 0 {
				missing++
				continue
			}
			sum.Add(sum, quanta(aggregate.WattHours(n)))
		}
		require.Equal(t, missing, c.Missing)
		require.Equal(t, sum.String(), energy(c.Sum).String())
	}
}
