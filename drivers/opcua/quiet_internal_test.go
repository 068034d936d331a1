package opcua

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// TestQuietEvents: a source of events alone, to which nothing happens, is up when it is
// connected, after an outage too, whether its subscription went on or had to be made anew.
// Each point is said to be lost once an outage, and then to wait.
func TestQuietEvents(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := newAlarms(t, 0, nil)
			a.server.set(func() { a.server.happening = nil })
			src := acquire.Reconnect(a.source, acquire.Backoff{Jitter: -1})
			require.NoError(t, a.stream.Close())
			stream, err := src.Open(t.Context())
			require.NoError(t, err)
			said := make(map[acquire.PointID][]acquire.Reason)
			link := func() acquire.Link { return src.(acquire.Reporter).Stats().Link }
			var b acquire.Batch
			read := func(d time.Duration) {
				for end := time.Now().Add(d); time.Now().Before(end); {
					require.NoError(t, stream.Next(t.Context(), &b))
					for _, s := range b.Samples {
						require.True(t, s.Quality.IsBad())
						require.Zero(t, s.Quality.Flags())
						said[s.Point] = append(said[s.Point], s.Quality.Reason())
					}
				}
			}
			read(3 * time.Second)
			require.NoError(t, src.(acquire.Reporter).Stats().LastError)
			assert.Equal(t, acquire.Up, link())
			assert.Empty(t, said, "nothing is lost")
			for range 2 {
				clear(said)
				a.server.set(func() { a.server.refusing = true })
				a.server.reset(restart)
				read(20 * time.Second)
				assert.Equal(t, acquire.Down, link())
				a.server.set(func() { a.server.refusing = false })
				read(10 * time.Second)
				assert.Equal(t, acquire.Up, link(), "without an event")
				for _, p := range a.source.Points() {
					assert.Equal(t, []acquire.Reason{acquire.Communication, acquire.Waiting}, said[p])
				}
				read(time.Hour)
				assert.Equal(t, acquire.Up, link())
			}
			require.NoError(t, stream.Close())
		})
	}
}
