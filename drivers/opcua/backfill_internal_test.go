package opcua

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// TestBackfill: exactly what was missing comes from history, whatever was lost it.
func TestBackfill(t *testing.T) {
	for _, c := range []struct {
		name      string
		historian bool
		outage    func(s *fakeServer, read func(time.Duration))
	}{
		{"restart", true, func(s *fakeServer, read func(time.Duration)) {
			s.set(func() { s.refusing = true })
			s.reset(true)
			read(13 * time.Second)
			s.set(func() { s.refusing = false })
		}},
		{"two restarts", true, func(s *fakeServer, read func(time.Duration)) {
			s.reset(true)
			read(1500 * time.Millisecond)
			s.reset(true)
		}},
		{"short queues", true, func(s *fakeServer, read func(time.Duration)) {
			s.set(func() {
				s.silent = true
				for _, sub := range s.subs {
					for _, i := range sub.items {
						i.most = 20
					}
				}
			})
			read(30 * time.Second)
			s.set(func() { s.silent = false })
		}},
		{"messages gone", true, func(s *fakeServer, _ func(time.Duration)) {
			s.set(func() { s.dropNext, s.forget = 3, true })
		}},
		{"no history", false, func(s *fakeServer, _ func(time.Duration)) { s.reset(true) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newCounters(t, 3, func(c *Config) { c.Backfill = true })
				p.server.set(func() { p.server.historian = c.historian })
				seen := make(map[acquire.PointID]map[uint64]int)
				var b acquire.Batch
				filled := 0
				read := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); {
						require.NoError(t, p.stream.Next(t.Context(), &b))
						for _, s := range b.Samples {
							if v, ok := s.Value.Uint64(); ok {
								if seen[s.Point] == nil {
									seen[s.Point] = make(map[uint64]int)
								}
								seen[s.Point][v]++
								assert.Equal(t, v, uint64(s.Time.Time().Sub(p.start)/step), "a value at another time")
							}
							if s.Quality.Has(acquire.Backfilled) {
								filled++
								assert.True(t, s.Quality.Has(acquire.TimeBackwards|acquire.SourceTime))
							}
						}
					}
				}
				read(5 * time.Second)
				c.outage(p.server, read)
				read(20 * time.Second)
				assert.Equal(t, c.historian, filled > 0)
				for _, values := range seen {
					least, most := uint64(1<<63), uint64(0)
					for v, n := range values {
						assert.Equal(t, 1, n, "value %d came more than once", v)
						least, most = min(least, v), max(most, v)
					}
					if c.historian {
						assert.Len(t, values, int(most-least+1), "values that never came")
					}
				}
				if !c.historian {
					assert.Equal(t, 1, p.server.services["HistoryRead"], "asked once, for all items")
				}
				require.NoError(t, p.stream.Close())
			})
		})
	}
}

// TestBackfillOfMany: the history of many items comes in few requests, and does not drive
// what is new out of a small buffer.
func TestBackfillOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 50
		p := newCounters(t, many, func(c *Config) { c.Backfill, c.Buffer = true, 40*many })
		p.server.set(func() { p.server.historian = true })
		seen := make(map[acquire.PointID]map[uint64]bool)
		for _, id := range p.source.Points() {
			seen[id] = make(map[uint64]bool)
		}
		var b acquire.Batch
		var lost uint64
		read := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				require.NoError(t, p.stream.Next(t.Context(), &b))
				lost += b.Lost
				for _, s := range b.Samples {
					if v, ok := s.Value.Uint64(); ok {
						assert.False(t, seen[s.Point][v], "value %d comes again", v)
						seen[s.Point][v] = true
					}
				}
			}
		}
		read(5 * time.Second)
		p.server.set(func() { p.server.refusing = true })
		p.server.reset(true)
		read(30 * time.Second)
		p.server.set(func() { p.server.refusing = false })
		read(20 * time.Second)
		for id, values := range seen {
			least, most := uint64(1<<63), uint64(0)
			for v := range values {
				least, most = min(least, v), max(most, v)
			}
			assert.Equal(t, int(most-least+1), len(values), "values of point %d that never came", id)
		}
		assert.Zero(t, lost)
		// 600 values and more of each, at most 100 in one answer of this server.
		assert.LessOrEqual(t, p.server.services["HistoryRead"], 30)
		require.NoError(t, p.stream.Close())
	})
}

// TestSpansTogether: what is fetched in one request, and that what is not stays.
func TestSpansTogether(t *testing.T) {
	f := newBackfill(10)
	at := func(item int, from, to int64) { f.add(span{item, second(from), second(to)}, 10) }
	at(0, 100, 200)
	at(1, 110, 200)
	at(2, 10, 200)
	at(0, 100, 201)
	at(3, 100, 300)
	at(4, 101, 199)
	items := func(spans []*span) (items []int) {
		for _, s := range spans {
			items = append(items, s.item)
		}
		return items
	}
	together := f.next(20)
	assert.Equal(t, []int{0, 1, 4}, items(together), "of different items, about the same time")
	assert.Equal(t, []int{0, 1}, items(f.next(2)))
	f.fetched(together[1], second(150))
	assert.Equal(t, []int{0, 4}, items(f.next(20)), "one that has come far is no more like the others")
	f.fetched(together[0], second(200))
	f.giveUp(4)
	assert.Equal(t, []int{1}, items(f.next(20)))
	f.fetched(together[1], second(200))
	assert.Equal(t, []int{2}, items(f.next(1)))
	at(4, 100, 200)
	assert.Len(t, f.missing, 3, "what has no history is not asked for again")
}
