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

// A server that stands still and then goes on answers requests which nobody
// waits for any more. None of these answers may pass for that to a later
// request, and the connection stays in use.
//
// Stopped again, it is killed with requests waiting for it.
func TestFrozenServerAnswersLate(t *testing.T) {
	const (
		unit     = 1
		interval = 50 * time.Millisecond
		timeout  = 200 * time.Millisecond
	)
	content := image{{unit, modbus.Holding(0), []uint16{4711}}, {unit, modbus.Input(0), []uint16{815}}}
	points := []modbus.Point{
		{Name: "holding", At: modbus.Holding(0), Type: modbus.Uint16},
		{Name: "input", At: modbus.Input(0), Type: modbus.Uint16},
	}
	values := []acquire.Value{acquire.Uint64(4711), acquire.Uint64(815)}

	t.Parallel()
	for _, impl := range implementations {
		t.Run(impl.name, func(t *testing.T) {
			t.Parallel()
			server := impl.start(t, content)
			src := newSource(t, modbus.Config{
				Address: server.address(), Unit: unit, Points: points,
				Interval: interval, Timeout: timeout, MaxTimeouts: 1000,
			})
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			h := observe(t, ctx, acquire.Reconnect(src, acquire.Backoff{}), values)
			h.await(t, "good polls", func() bool { return h.good >= 3 })

			require.NoError(t, server.process.Signal(syscall.SIGSTOP))
			h.await(t, "the loss", h.lost)
			unanswered := src.Stats().Timeouts + 3
			h.await(t, "requests without an answer", func() bool { return src.Stats().Timeouts >= unanswered })
			require.NoError(t, server.process.Signal(syscall.SIGCONT))
			h.good = 0
			h.await(t, "good polls", func() bool { return h.good >= 3 })
			stats := src.Stats()
			assert.Equal(t, uint64(1), stats.Connects, "connections made")
			assert.NotZero(t, stats.Late, "answers that came late")

			require.NoError(t, server.process.Signal(syscall.SIGSTOP))
			h.await(t, "the loss", h.lost)
			server.kill()
			server.run(t)
			h.good = 0
			h.await(t, "good polls", func() bool { return h.good >= 3 })
			cancel()
			h.ended(t)

			bad := acquire.Bad.Because(acquire.Communication)
			for _, s := range h.samples {
				assert.True(t, s.Quality == acquire.Good || s.Quality == bad, "a sample is %s", s.Quality)
			}
			assert.Equal(t, uint64(2), src.Stats().Connects, "connections made")
			t.Logf("%s: %d requests, %d timeouts, %d late answers dropped, %d samples, %d of them bad",
				impl.name, stats.Requests, stats.Timeouts, stats.Late, stats.Samples, stats.BadSamples)
		})
	}
}
