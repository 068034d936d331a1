//go:build unix

package interop_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// On a line, answers do not say what they answer. A server that stands still and
// then goes on gives late ones, which look like those to other requests, and none
// of them may pass for that: pymodbus is asked for an echo to tell by, libmodbus
// gives none and is left alone for the time in which it may be late.
func TestFrozenServerOnALine(t *testing.T) {
	const (
		unit     = 1
		interval = 50 * time.Millisecond
		timeout  = 200 * time.Millisecond
	)
	content := image{{unit, modbus.Holding(0), []uint16{4711}}, {unit, modbus.Holding(100), []uint16{815}}}
	points := []modbus.Point{
		{Name: "first", At: modbus.Holding(0), Type: modbus.Uint16},
		{Name: "second", At: modbus.Holding(100), Type: modbus.Uint16},
	}
	values := []acquire.Value{acquire.Uint64(4711), acquire.Uint64(815)}

	t.Parallel()
	for _, peer := range peers {
		if peer.over.framing == modbus.MBAP {
			continue
		}
		t.Run(peer.over.name+" "+peer.name, func(t *testing.T) {
			t.Parallel()
			server := peer.startOver(t, peer.over, content)
			cfg := server.config(unit, points)
			cfg.Interval, cfg.Timeout, cfg.MaxTimeouts, cfg.MaxGap = interval, timeout, 1000, -1
			src := newSource(t, cfg)
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			h := observe(t, ctx, acquire.Reconnect(src, acquire.Backoff{}), values)
			h.await(t, "good polls", func() bool { return h.good >= 3 })

			require.NoError(t, server.process.Signal(syscall.SIGSTOP))
			h.await(t, "the loss", h.lost)
			require.NoError(t, server.process.Signal(syscall.SIGCONT))
			h.good = 0
			h.await(t, "good polls", func() bool { return h.good >= 3 })
			cancel()
			h.ended(t)

			bad := acquire.Bad.Because(acquire.Communication)
			for _, s := range h.samples {
				assert.True(t, s.Quality == acquire.Good || s.Quality == bad, "a sample is %s", s.Quality)
			}
			stats := src.Stats()
			t.Logf("%d requests, %d timeouts, %d late answers dropped, %d samples, %d of them bad",
				stats.Requests, stats.Timeouts, stats.Late, stats.Samples, stats.BadSamples)
		})
	}
}
