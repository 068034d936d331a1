package interop_test

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		timeout  = time.Second
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

	for _, impl := range implementations {
		t.Run(impl.name, func(t *testing.T) {
			t.Parallel()
			server := impl.start(t, content)
			src := newSource(t, modbus.Config{
				Address: server.address(), Unit: unit, Points: points, Interval: interval, Timeout: timeout,
			})
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()

			batches := make(chan delivery)
			exited := make(chan struct{})
			go pprof.Do(ctx, pprof.Labels(owner, t.Name()), func(ctx context.Context) {
				defer close(exited)
				defer close(batches)
				deliver(ctx, acquire.Reconnect(src, acquire.Backoff{}), batches)
			})

			h := history{points: src.Points(), values: values}
			for h.good < before {
				h.take(t, batches)
			}

			killed := time.Now()
			server.kill()
			dead := time.Now()
			for !h.lost() {
				h.take(t, batches)
			}
			said := h.last
			for away := time.After(away); away != nil; {
				select {
				case d := <-batches:
					h.note(t, d)
				case <-away:
					away = nil
				}
			}
			revived := time.Now()
			server.run(t)
			ready := time.Now()
			h.good = 0
			for h.good == 0 {
				h.take(t, batches)
			}
			back := h.last
			for h.good < after {
				h.take(t, batches)
			}

			cancel()
			var end error
			for d := range batches {
				end = d.err
			}
			assert.ErrorIs(t, end, context.Canceled)
			<-exited
			none(t, owner, t.Name())

			for _, s := range h.samples {
				at := s.Time.Time()
				if !s.Quality.IsGood() {
					assert.Equal(t, acquire.Bad.Because(acquire.Communication), s.Quality)
					assert.True(t, s.Value.IsNone(), "a bad sample carries the value %s", s.Value)
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

// delivery is what one Next gave, and when.
type delivery struct {
	at      time.Time
	samples []acquire.Sample
	err     error
}

// deliver reads src until ctx ends or the stream fails, and closes it.
func deliver(ctx context.Context, src acquire.Source, to chan<- delivery) {
	stream, err := src.Open(ctx)
	if err != nil {
		to <- delivery{time.Now(), nil, err}
		return
	}
	for batch, err := range acquire.Batches(ctx, stream) {
		d := delivery{at: time.Now(), err: err}
		if err == nil {
			d.samples = append(d.samples, batch.Samples...)
		}
		to <- d
	}
	if err := stream.Close(); err != nil {
		to <- delivery{time.Now(), nil, err}
	}
}

// history is what a host has heard of its points.
type history struct {
	points []acquire.PointID
	values []acquire.Value // the one value each point has, as long as it is good

	samples []acquire.Sample
	good    int              // batches with nothing but good samples, since last set
	latest  []acquire.Sample // the last one of each point
	last    time.Time        // when the last batch came
}

// take waits for the next batch.
func (h *history) take(t *testing.T, batches <-chan delivery) {
	t.Helper()
	select {
	case d := <-batches:
		h.note(t, d)
	case <-time.After(patience):
		t.Fatal("no batch: the stream hangs")
	}
}

func (h *history) note(t *testing.T, d delivery) {
	t.Helper()
	require.NoError(t, d.err)
	if h.latest == nil {
		h.latest = make([]acquire.Sample, len(h.points))
	}
	good := len(d.samples) > 0
	for _, s := range d.samples {
		for i, id := range h.points {
			if s.Point != id {
				continue
			}
			h.latest[i] = s
			if s.Quality.IsGood() {
				require.Equal(t, h.values[i], s.Value)
			}
		}
		good = good && s.Quality.IsGood()
	}
	if good {
		h.good++
	}
	h.samples = append(h.samples, d.samples...)
	h.last = d.at
}

// lost reports whether the last word on each point is a bad one.
func (h *history) lost() bool {
	for _, s := range h.latest {
		if !s.Quality.IsBad() {
			return false
		}
	}
	return true
}

// owner is the profiler label of goroutines started on behalf of a test. A
// goroutine inherits it from the one that starts it, so tests that run at the
// same time can be told apart.
const owner = "interop-test"

// none fails the test if a goroutine with the label stays alive. One that has
// done its work may need a moment to vanish.
func none(t *testing.T, key, value string) {
	t.Helper()
	stacks := func() (left []string) {
		var all bytes.Buffer
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&all, 1))
		for stack := range strings.SplitSeq(all.String(), "\n\n") {
			if strings.Contains(stack, `"`+key+`":"`+value+`"`) {
				left = append(left, stack)
			}
		}
		return left
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		left := stacks()
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines left:\n%s", len(left), strings.Join(left, "\n\n"))
		}
	}
}

func TestGoroutineLeftBehindIsSeen(t *testing.T) {
	release, exited := make(chan struct{}), make(chan struct{})
	started := make(chan struct{})
	pprof.Do(t.Context(), pprof.Labels(owner, t.Name()), func(context.Context) {
		go func() {
			defer close(exited)
			close(started)
			<-release
		}()
	})
	<-started
	var all bytes.Buffer
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&all, 1))
	assert.Contains(t, all.String(), `"`+owner+`":"`+t.Name()+`"`)
	close(release)
	<-exited
	none(t, owner, t.Name())
}
