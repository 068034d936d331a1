package interop_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// The server is killed while it is being polled and comes back after five
// seconds. The host hears of both, and of no value in between.
//
// Real programs need real time, so order and counts are asserted; the times are
// printed.
func TestKilledServerIsSaidAndComesBack(t *testing.T) {
	const (
		unit     = 1
		interval = 250 * time.Millisecond
		timeout  = 5 * time.Second // for a busy machine: a killed server is heard of at once
		away     = 5 * time.Second
		before   = 4 // polls before the kill
		after    = 4 // good polls until the end
	)
	content := image{{unit, modbus.Holding(0), []uint16{4711}}, {unit, modbus.Input(0), []uint16{0x0123, 0x4567}}}
	points := []modbus.Point{
		{Name: "holding", At: modbus.Holding(0), Type: modbus.Uint16},
		{Name: "input", At: modbus.Input(0), Type: modbus.Uint32},
	}
	values := []acquire.Value{acquire.Uint64(4711), acquire.Uint64(0x01234567)}

	t.Parallel()
	for _, impl := range implementations {
		t.Run(impl.name, func(t *testing.T) {
			t.Parallel()
			server := impl.start(t, content)
			src := newSource(t, modbus.Config{
				Address: server.address(), Unit: unit, Points: points, Interval: interval, Timeout: timeout,
			})
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()

			h := observe(t, ctx, acquire.Reconnect(src, acquire.Backoff{}), values)
			h.await(t, "good polls", func() bool { return h.good >= before })

			killed := time.Now()
			server.kill()
			dead := time.Now()
			h.await(t, "the loss", h.lost)
			said := h.last
			h.follow(t, away)

			revived := time.Now()
			server.run(t)
			ready := time.Now()
			h.good = 0
			h.await(t, "a good poll", func() bool { return h.good > 0 })
			back := h.last
			h.await(t, "good polls", func() bool { return h.good >= after })

			cancel()
			h.ended(t)

			for _, s := range h.samples {
				at := s.Time.Time()
				if !s.Quality.IsGood() {
					assert.Equal(t, acquire.Bad.Because(acquire.Communication), s.Quality)
					assert.True(t, at.After(killed.Add(-timeout)), "bad sample at %s, before the kill", at)
					continue
				}
				assert.False(t, at.After(dead) && at.Before(revived), "good sample at %s, while there was no server", at)
			}
			stats := src.Stats()
			assert.Equal(t, uint64(2), stats.Connects, "connections made")
			t.Logf("%s, poll every %s, timeout %s: loss said %s after the kill; good again %s after the server was ready (away %s, %d attempts)",
				impl.name, interval, timeout, said.Sub(killed).Round(time.Millisecond),
				back.Sub(ready).Round(time.Millisecond), ready.Sub(dead).Round(time.Millisecond), stats.Failures)
		})
	}
}
