package interop_test

import (
	"context"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// history is what a host has heard from a source that is polled meanwhile.
type history struct {
	points []acquire.PointID
	values []acquire.Value // the one value each point has, as long as it is good

	samples []acquire.Sample
	latest  []acquire.Sample // the last one of each point
	good    int              // batches with nothing but good samples, since last set
	last    time.Time        // when the last batch came

	deliveries chan delivery
	exited     chan struct{}
}

// delivery is what one Next gave, and when.
type delivery struct {
	at      time.Time
	samples []acquire.Sample
	err     error
}

// observe opens src and reads it until ctx ends, on a goroutine whose label, and
// that of all it starts, is the name of the test.
func observe(t *testing.T, ctx context.Context, src acquire.Source, values []acquire.Value) *history {
	t.Helper()
	h := &history{
		points: src.Points(), values: values, latest: make([]acquire.Sample, len(values)),
		deliveries: make(chan delivery), exited: make(chan struct{}),
	}
	go pprof.Do(ctx, pprof.Labels(owner, t.Name()), func(ctx context.Context) {
		defer close(h.exited)
		defer close(h.deliveries)
		stream, err := src.Open(ctx)
		if err != nil {
			h.deliveries <- delivery{time.Now(), nil, err}
			return
		}
		for batch, err := range acquire.Batches(ctx, stream) {
			d := delivery{at: time.Now(), err: err}
			if err == nil {
				d.samples = append(d.samples, batch.Samples...)
			}
			h.deliveries <- d
		}
		if err := stream.Close(); err != nil {
			h.deliveries <- delivery{time.Now(), nil, err}
		}
	})
	return h
}

// await takes batches until there is what the test waits for.
func (h *history) await(t *testing.T, what string, there func() bool) {
	t.Helper()
	late := time.After(patience)
	for !there() {
		select {
		case d := <-h.deliveries:
			h.note(t, d)
		case <-late:
			t.Fatalf("waited %s for %s; counting %d samples", patience, what, len(h.samples))
		}
	}
}

// follow takes batches for d.
func (h *history) follow(t *testing.T, d time.Duration) {
	t.Helper()
	over := time.After(d)
	for {
		select {
		case d := <-h.deliveries:
			h.note(t, d)
		case <-over:
			return
		}
	}
}

// ended waits for the stream to close at the end of its context, and sees that
// it leaves no goroutine.
func (h *history) ended(t *testing.T) {
	t.Helper()
	var errs []error
	for d := range h.deliveries {
		if d.err != nil {
			errs = append(errs, d.err)
		}
	}
	if assert.Len(t, errs, 1, "errors of Next and Close") {
		assert.ErrorIs(t, errs[0], context.Canceled)
	}
	<-h.exited
	noneLeft(t, t.Name())
}

func (h *history) note(t *testing.T, d delivery) {
	t.Helper()
	require.NoError(t, d.err)
	good := len(d.samples) > 0
	for _, s := range d.samples {
		good = good && s.Quality.IsGood()
		for i, id := range h.points {
			if s.Point != id {
				continue
			}
			h.latest[i] = s
			if s.Quality.IsGood() {
				require.Equal(t, h.values[i], s.Value)
			} else {
				require.True(t, s.Value.IsNone(), "a bad sample carries the value %s", s.Value)
			}
		}
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
