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
					assert.Equal(t, 3, p.server.services["HistoryRead"], "asked once for each item")
				}
				require.NoError(t, p.stream.Close())
			})
		})
	}
}
