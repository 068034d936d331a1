package opcuatest_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// watch is a stream of a siege's counter, held to what it must say: a good value is the
// counter's at its time, none comes twice, and one that is missing is said.
type watch struct {
	*siege
	t      *testing.T
	source *opcua.Source
	stream acquire.Stream
	blind  bool // values may be anything

	next         int64
	good, bad    int
	wrong, twice int
	lost, unsaid int64
	said         bool // that there is something wrong, since the value before
	goodAt       time.Time
	seq          acquire.PointID
	shapes       int // bad samples of the variable with a shape of its own
}

const tick = 100 * time.Millisecond

func newWatch(t *testing.T, mode opcua.Mode) *watch {
	t.Helper()
	return newWatchOf(t, mode, func(*siege) {})
}

func newWatchOf(t *testing.T, mode opcua.Mode, arrange func(*siege)) *watch {
	t.Helper()
	w := &watch{siege: newSiege(t, mode), t: t}
	arrange(w.siege)
	w.begin(t)
	var err error
	w.source, err = opcua.NewSource(opcua.Config{
		Client: w.client, Name: "plant", Catalog: acquire.NewCatalog(), Sampling: tick,
		Points: []opcua.Point{{Name: "seq", Node: "ns=2;s=Seq", Kind: acquire.KindInt64}, {Name: "number", Node: "ns=2;s=Number", Kind: acquire.KindInt64}},
	})
	require.NoError(t, err)
	w.seq = w.source.Points()[0]
	w.stream, err = acquire.Reconnect(w.source, acquire.Backoff{}).Open(t.Context())
	require.NoError(t, err)
	return w
}

// read reads for d.
func (w *watch) read(d time.Duration) {
	w.t.Helper()
	var b acquire.Batch
	ctx, cancel := context.WithTimeout(w.t.Context(), d+20*time.Second)
	defer cancel()
	for end := time.Now().Add(d); time.Now().Before(end); {
		require.NoError(w.t, w.stream.Next(ctx, &b), "the stream is silent")
		for _, s := range b.Samples {
			if s.Point != w.seq {
				if s.Quality.IsBad() {
					w.shapes++
				}
				continue
			}
			if !s.Quality.IsGood() {
				w.bad++
				w.said = true
				continue
			}
			w.good++
			w.goodAt = time.Now()
			n, ok := s.Value.Int64()
			if !w.blind && (!ok || int64(s.Time)%int64(tick) == 0 && n != int64(s.Time)/int64(tick)) {
				w.wrong++
			}
			switch {
			case w.next == 0:
			case n < w.next-1, n == w.next-1 && int64(s.Time)%int64(tick) == 0: // one that is confirmed comes at the time of that
				w.twice++
			case n > w.next:
				w.lost += n - w.next
				if !s.Quality.Has(acquire.Overflow) && !w.said {
					w.unsaid++
				}
			}
			w.said = false
			w.next = max(w.next, n+1)
		}
	}
}

// TestHostileSource holds a source against a server that is hostile for 15 s.
func TestHostileSource(t *testing.T) {
	on := opcuatest.On
	publish := func(f opcuatest.Fault) opcuatest.Fault { return on("Publish", f) }
	set := func(v any) func(*watch) {
		return func(w *watch) {
			w.server.Set("ns=2;s=Number", opcuatest.Reading{Value: v})
		}
	}
	var table strings.Builder
	out := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "attack\tmode\tgood\tbad\tlost\tlogins\ttaken in\theap\tlast error")
	makeKeys()
	for _, a := range []struct {
		name   string
		fault  opcuatest.Fault
		nth    int // publish response that the fault is for alone; 0: it is as it is
		begin  func(*watch)
		blind  bool
		lies   bool // messages under each other's numbers: some come twice, or not at all, and nobody can tell
		shapes bool // the other variable must be bad, and the counter stay good
	}{
		{name: "one sequence number ahead", nth: 3, fault: opcuatest.SequenceGap(1), lies: true},
		{name: "sequence numbers ahead", fault: publish(opcuatest.SequenceGap(3)), lies: true},
		{name: "sequence numbers far ahead", fault: publish(opcuatest.SequenceGap(math.MaxInt32)), lies: true},
		{name: "sequence numbers behind", fault: publish(opcuatest.SequenceGap(math.MaxUint32 - 2)), lies: true},
		{name: "one unknown subscription", nth: 3, fault: opcuatest.UnknownSubscription()},
		{name: "unknown subscriptions", fault: publish(opcuatest.UnknownSubscription())},
		{name: "list of 200,000 messages", fault: publish(opcuatest.AvailableList(200_000))},
		{name: "each answer twice", fault: publish(opcuatest.Twice())},
		{name: "one byte a second", fault: publish(opcuatest.Drip(100_000, time.Second))},
		{name: "one byte in 100 µs", fault: publish(opcuatest.Drip(100_000, 100*time.Microsecond))},
		{name: "silence", fault: publish(opcuatest.Silence())},
		{name: "silence of everything", fault: opcuatest.Silence()},
		{name: "late by 4 s", fault: publish(opcuatest.Delay(4 * time.Second))},
		{name: "faults", fault: publish(opcuatest.Failing(0x800E0000))},
		{name: "session closed", fault: publish(opcuatest.Failing(0x80260000))},
		{name: "other handles", fault: publish(opcuatest.WrongHandle())},
		{name: "to no request", fault: publish(opcuatest.WrongRequest())},
		{name: "endless messages", fault: publish(opcuatest.EndlessMessage(8000))},
		{name: "endless answers to nobody", fault: publish(opcuatest.EndlessRequests(8000))},
		{name: "forged or cut", fault: publish(opcuatest.All(opcuatest.Forged(), opcuatest.Truncated(60)))},
		{name: "2^31-1 sequence numbers", fault: publish(opcuatest.Results(math.MaxInt32))},
		{name: "mutated", fault: publish(opcuatest.Mutated(7, 3)), blind: true},
		{name: "everything mutated", fault: opcuatest.Mutated(8, 2), blind: true},
		{name: "dates of tokens", fault: opcuatest.Dated(20 * 365 * 24 * time.Hour)},
		{name: "dimensions of 65,536 × 65,536", begin: set(opcuatest.MatrixOf(6, 1<<16, 1<<16)), shapes: true},
		{name: "negative dimensions", begin: set(opcuatest.MatrixOf(6, -5, 7)), shapes: true},
		{name: "array of 2^31-1", begin: set(opcuatest.ArrayOf(6, math.MaxInt32))},
		{name: "variants, 50,000 deep", begin: set(opcuatest.DeepVariant(50_000))},
	} {
		for _, mode := range []opcua.Mode{opcua.ModeNone, opcua.SignAndEncrypt} {
			t.Run(a.name+"/"+mode.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWatch(t, mode)
					defer func() { assert.NoError(t, w.server.Close()) }()
					w.read(3 * time.Second)
					require.NotZero(t, w.good)
					w.blind = a.blind
					fault := a.fault
					if a.nth > 0 {
						fault = publish(opcuatest.Nth(a.nth, a.fault))
					}
					w.server.SetFault(fault)
					if a.begin != nil {
						a.begin(w)
					}
					began := w.source.Stats().Connects
					before := w.goodAt
					w.read(15 * time.Second)
					logins := w.source.Stats().Connects - began
					assert.LessOrEqual(t, logins, uint64(20), "a storm of logins")
					if a.shapes {
						assert.Greater(t, w.goodAt.Sub(before), 14*time.Second, "what is right is not told")
						assert.NotZero(t, w.shapes)
						assert.Zero(t, logins)
					}
					w.server.SetFault(nil)
					w.server.Unset("ns=2;s=Number")
					w.read(15 * time.Second)
					assert.Less(t, time.Since(w.goodAt), 2*time.Second, "it is not good again")
					assert.Zero(t, w.wrong, "values of another time")
					if !a.blind && !a.lies {
						assert.Zero(t, w.twice, "values that came twice")
						assert.Zero(t, w.unsaid, "gaps that are not said")
					}
					last := "-"
					if err := w.source.Stats().LastError; err != nil {
						last = kind(err)
						assert.True(t, typed(err), "%T %v", err, err)
					}
					w.secretless(t, w.source.Stats().LastError)
					grown, taken := w.tap.grown()
					assert.Less(t, grown, uint64(mostMemory))
					require.NoError(t, w.stream.Close())
					assert.Zero(t, w.server.Stats().Writes)
					fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%d\t%d\t%d kB\t%d kB\t%s\n", a.name, mode, w.good, w.bad, w.lost, logins, taken>>10, grown>>10, last)
				})
			})
		}
	}
	out.Flush()
	t.Logf("\n%s", table.String())
}
