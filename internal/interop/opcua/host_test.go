package interop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
)

// owner is the profiler label of the goroutines of a host, which those that they start
// inherit: whatever carries it when the host has ended was left behind.
const owner = "interop-host"

// host is a program that acquires from a server of faults, and holds what it hears
// against what the server says: the counters, of which each value and its time follow
// from the epoch.
type host struct {
	name    string
	session string // the name of its session
	plant   plant
	source  acquire.Source // with acquire.Reconnect
	cancel  context.CancelFunc
	ended   chan error

	mu      sync.Mutex
	news    chan struct{}
	watches []watch // by point
	index   map[acquire.PointID]int
}

// watch is what was heard of one point.
type watch struct {
	name     string
	counter  bool
	history  bool // what was missed is to be had
	optional bool // the server may be without it

	// Since the last mark: when it was good and bad for the first time, when bad
	// because there is no such node, and whether it is bad now.
	good, lost, unknown time.Time
	bad                 bool

	seen        map[uint64]bool
	first, last uint64 // of a counter
	said        uint64 // values that were missed, and the sample after them said so
	unsaid      uint64 // values that were missed without a word
	doubled     uint64 // values told again after others
	backwards   uint64 // values older than one before them, that are not from history
	again       uint64 // values that were told again as the latest one
	filled      uint64 // values from history
	wrong       uint64 // values under a time that is not theirs
}

// missing is how many values of a counter there are between the first and the last that
// were not heard of.
func (w *watch) missing() uint64 {
	if len(w.seen) == 0 {
		return 0
	}
	return w.last - w.first + 1 - uint64(len(w.seen))
}

// newHost starts a host.
func newHost(t *testing.T, name string, p plant, cfg opcua.Config) *host {
	t.Helper()
	h := &host{
		name: name, session: cfg.Client.SessionName, plant: p, ended: make(chan error, 1), news: make(chan struct{}, 1), index: make(map[acquire.PointID]int),
	}
	cfg.Catalog = acquire.NewCatalog()
	source, err := opcua.NewSource(cfg)
	require.NoError(t, err)
	for i, point := range cfg.Points {
		w := watch{
			name: point.Name, counter: strings.HasPrefix(point.Name, "Seq") || strings.HasPrefix(point.Name, "Hist"),
			history: strings.HasPrefix(point.Name, "Hist"), optional: point.Name == "Absent", seen: make(map[uint64]bool),
		}
		h.watches = append(h.watches, w)
		id, ok := cfg.Catalog.Lookup(point.Name)
		require.True(t, ok)
		h.index[id] = i
	}
	h.source = acquire.Reconnect(source, acquire.Backoff{
		Min: 500 * time.Millisecond, // 1 s, a login and the first publication can come to 2 s
	})
	ctx, cancel := context.WithCancel(t.Context())
	h.cancel = cancel
	go pprof.Do(ctx, pprof.Labels(owner, name), func(ctx context.Context) { h.ended <- h.listen(ctx) })
	t.Cleanup(cancel)
	return h
}

func (h *host) listen(ctx context.Context) error {
	stream, err := h.source.Open(ctx)
	if err != nil {
		return err
	}
	var b acquire.Batch
	for {
		if err := stream.Next(ctx, &b); err != nil {
			return errors.Join(err, stream.Close())
		}
		h.note(&b, time.Now())
	}
}

// note takes in a batch.
func (h *host) note(b *acquire.Batch, now time.Time) {
	h.mu.Lock()
	for _, s := range b.Samples {
		h.watches[h.index[s.Point]].note(h.plant, s, now)
	}
	h.mu.Unlock()
	select {
	case h.news <- struct{}{}:
	default:
	}
}

func (w *watch) note(p plant, s acquire.Sample, now time.Time) {
	if !s.Quality.IsGood() {
		w.bad = true
		switch {
		case s.Quality.Reason() == acquire.NotFound && w.unknown.IsZero():
			w.unknown = now
		case s.Quality.Reason() != acquire.NotFound && w.lost.IsZero():
			w.lost = now
		}
		return
	}
	backfilled := s.Quality.Has(acquire.Backfilled)
	if !backfilled {
		if w.bad = false; w.good.IsZero() {
			w.good = now
		}
	}
	if !w.counter {
		return
	}
	n, _ := s.Value.Uint64()
	known, own := w.seen[n], s.Time.Time().Equal(p.at(n))
	switch w.seen[n] = true; {
	case known && n == w.last:
		w.again++
	case known:
		w.doubled++
	case backfilled:
		if w.filled++; !own {
			w.wrong++
		}
	case w.last == 0:
		w.first = n
	case n < w.last:
		w.backwards++
	case n > w.last+1 && s.Quality.Has(acquire.Overflow):
		w.said += n - w.last - 1
	case n > w.last+1:
		w.unsaid += n - w.last - 1
	}
	if n < w.first { // history from before the first
		w.wrong++
		delete(w.seen, n)
	}
	w.last = max(w.last, n)
}

// mark forgets when points were good and bad.
func (h *host) mark() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.watches {
		w := &h.watches[i]
		w.good, w.lost, w.unknown = time.Time{}, time.Time{}, time.Time{}
	}
}

// await waits until there is of every point, but those without an interest, what the
// test waits for, and returns since when.
func (h *host) await(t *testing.T, what string, there func(*watch) (at time.Time, ok bool)) time.Time {
	t.Helper()
	late := time.After(patience)
	for {
		var latest time.Time
		var waiting []string
		h.mu.Lock()
		for i := range h.watches {
			at, ok := there(&h.watches[i])
			if !ok {
				waiting = append(waiting, h.watches[i].name)
			}
			if at.After(latest) {
				latest = at
			}
		}
		h.mu.Unlock()
		if len(waiting) == 0 {
			return latest
		}
		select {
		case <-h.news:
		case err := <-h.ended:
			t.Fatalf("%s: the stream has ended: %v", h.name, err)
		case <-late:
			t.Fatalf("%s: waited %s for %s of %d points, such as %s; last error: %v", h.name, patience, what, len(waiting), waiting[0], h.stats().LastError)
		}
	}
}

// awaitLost waits until every point was said to be lost since the mark.
func (h *host) awaitLost(t *testing.T) time.Time {
	t.Helper()
	return h.await(t, "the loss", func(w *watch) (time.Time, bool) { return w.lost, !w.lost.IsZero() })
}

// awaitGood waits until every point that the server has was good since the mark.
func (h *host) awaitGood(t *testing.T) time.Time {
	t.Helper()
	return h.await(t, "a good value", func(w *watch) (time.Time, bool) {
		return w.good, !w.good.IsZero() && !w.bad || !w.unknown.IsZero()
	})
}

// awaitFilled waits until nothing is missing that history holds, and more has come.
func (h *host) awaitFilled(t *testing.T) {
	t.Helper()
	now := h.plant.count(time.Now())
	h.await(t, "what history holds", func(w *watch) (time.Time, bool) {
		return time.Time{}, !w.counter || w.optional || w.last > now && (!w.history || w.missing() == 0)
	})
}

func (h *host) stats() acquire.Stats {
	r, _ := acquire.As[acquire.Reporter](h.source)
	return r.Stats()
}

// end ends the host and sees that nothing of it is left.
func (h *host) end(t *testing.T) {
	t.Helper()
	h.cancel()
	select {
	case err := <-h.ended:
		assert.ErrorIs(t, err, context.Canceled)
	case <-time.After(patience):
		t.Fatalf("%s does not end", h.name)
	}
	var left string
	assert.Eventually(t, func() bool {
		var all bytes.Buffer
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&all, 1))
		stacks := slices.DeleteFunc(strings.Split(all.String(), "\n\n"), func(stack string) bool {
			return !strings.Contains(stack, fmt.Sprintf("%q:%q", owner, h.name))
		})
		left = strings.Join(stacks, "\n\n")
		return left == ""
	}, patience, 10*time.Millisecond, "goroutines of %s are left", h.name)
	if left != "" {
		t.Log(left)
	}
}

// account is what became of the counters of a host in all.
type account struct{ said, filled, again, lost uint64 }

// audit holds what was heard against what the server said.
func (h *host) audit(t *testing.T) (a account) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.watches {
		w := &h.watches[i]
		if !w.counter {
			continue
		}
		assert.NotZero(t, w.last, "%s: nothing of %s", h.name, w.name)
		assert.Zero(t, w.unsaid, "%s: values of %s lost without a word", h.name, w.name)
		assert.Zero(t, w.doubled, "%s: values of %s told twice", h.name, w.name)
		assert.Zero(t, w.backwards, "%s: values of %s out of order", h.name, w.name)
		assert.Zero(t, w.wrong, "%s: values of %s at another time", h.name, w.name)
		// The first value of a subscription, and with this server of a session that is
		// activated once more, is the latest, which may have been told before.
		assert.LessOrEqual(t, w.again, h.stats().Connects, "%s: values of %s told again", h.name, w.name)
		if w.history {
			assert.Zero(t, w.missing(), "%s: values of %s that history holds", h.name, w.name)
		}
		a.said += w.said
		a.filled += w.filled
		a.again += w.again
		a.lost += w.missing()
	}
	return a
}
