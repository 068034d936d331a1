package opcua

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// tally reads for d and counts how often each event of each item came.
type tally struct {
	seen   [eventful]map[int]int
	filled int
	last   [eventful]int // of those from history
}

func (c *tally) read(a *alarms, d time.Duration) {
	a.t.Helper()
	var b acquire.Batch
	for end := time.Now().Add(d); time.Now().Before(end); {
		require.NoError(a.t, a.stream.Next(a.t.Context(), &b))
		for at, s := range b.Samples {
			i, ok := a.first[s.Point]
			if !ok || s.Quality.IsBad() {
				a.waiting += map[bool]int{true: 1}[ok && s.Quality.Has(acquire.Overflow)]
				continue
			}
			text, _ := b.Text(s.Value)
			n, err := strconv.Atoi(string(text))
			require.NoError(a.t, err)
			if c.seen[i] == nil {
				c.seen[i] = make(map[int]int)
			}
			c.seen[i][n]++
			require.True(a.t, s.Quality.Has(acquire.SourceTime))
			if s.Quality.Has(acquire.Backfilled) {
				c.filled++
				assert.Greater(a.t, n, c.last[i], "in the order of time")
				c.last[i] = n
			}
			for k := 1; k < leastOfEvent; k++ {
				require.Equal(a.t, s.Point+acquire.PointID(k), b.Samples[at+k].Point)
				require.Equal(a.t, s.Time, b.Samples[at+k].Time)
				require.Equal(a.t, s.Quality.Has(acquire.Backfilled), b.Samples[at+k].Quality.Has(acquire.Backfilled))
			}
		}
	}
}

// missing returns which events of an item never came, of those between the first and the
// last that did, and how many came more than once.
func (c *tally) missing(i int) (missing []int, doubled int) {
	least, most := slices.Min(slices.Collect(maps.Keys(c.seen[i]))), slices.Max(slices.Collect(maps.Keys(c.seen[i])))
	for n := least; n <= most; n++ {
		if c.seen[i][n] == 0 {
			missing = append(missing, n)
		}
		doubled += max(c.seen[i][n]-1, 0)
	}
	return missing, doubled
}

func restart(d time.Duration) func(*alarms, *tally) {
	return func(a *alarms, c *tally) {
		a.server.set(func() { a.server.refusing = true })
		a.server.reset(true)
		c.read(a, d)
		a.server.set(func() { a.server.refusing = false })
	}
}

// TestBackfillOfEvents: what was missing comes from history, once, whatever lost it.
func TestBackfillOfEvents(t *testing.T) {
	for _, c := range []struct {
		name   string
		server func(*fakeServer)
		outage func(*alarms, *tally)
		fields func(map[string]any)
		lost   bool
		quick  bool // it may be over before anything happens
	}{
		{name: "restart", outage: restart(13 * time.Second)},
		{name: "restart of 3 minutes", outage: restart(3 * time.Minute)},
		{name: "two restarts", outage: func(a *alarms, c *tally) {
			a.server.reset(true)
			c.read(a, 1500*time.Millisecond)
			a.server.reset(true)
		}},
		{name: "short queues", outage: func(a *alarms, c *tally) {
			a.server.set(func() {
				a.server.silent = true
				for _, s := range a.server.subs {
					for _, i := range s.items {
						i.most = 20
					}
				}
			})
			c.read(a, 30*time.Second)
			a.server.set(func() { a.server.silent = false })
		}},
		{name: "messages gone", outage: func(a *alarms, _ *tally) {
			a.server.set(func() { a.server.dropNext, a.server.forget = 3, true })
		}},
		{name: "subscription dropped", quick: true, outage: func(a *alarms, _ *tally) { a.server.set(func() { clear(a.server.subs) }) }},
		{name: "a server without conditions", server: func(s *fakeServer) { s.simple = true }, outage: restart(13 * time.Second)},
		{name: "a clock that is late", server: func(s *fakeServer) { s.offset = -3 * time.Hour }, outage: restart(13 * time.Second)},
		{name: "without EventId", fields: func(f map[string]any) { delete(f, "EventId") }, outage: restart(13 * time.Second)},
		{name: "the link is lost over it", outage: func(a *alarms, c *tally) {
			pages := 0
			a.server.set(func() {
				a.server.tamper = func(*ua.HistoryEvent, *ua.HistoryReadResult) {
					if pages++; pages == 2 || pages == 4 {
						for k := range a.server.conns {
							k.Close()
						}
					}
				}
			})
			restart(time.Minute)(a, c)
			c.read(a, 30*time.Second)
			a.server.points = 0 // those of sessions that are lost
			require.Greater(a.t, pages, 4)
		}},
		{name: "no history", lost: true, server: func(s *fakeServer) { s.historian = false }, outage: restart(13 * time.Second)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := new(bytes.Buffer)
				a := newAlarms(t, 1, func(cfg *Config) {
					cfg.Backfill, cfg.Client.Logger = true, slog.New(slog.NewTextHandler(log, nil))
				})
				a.server.set(func() {
					a.server.historian = true
					if c.server != nil {
						c.server(a.server)
					}
					a.server.fields = c.fields
				})
				var seen tally
				seen.read(a, 5*time.Second)
				require.Zero(t, seen.filled)
				c.outage(a, &seen)
				seen.read(a, 45*time.Second)
				if !c.quick {
					assert.Equal(t, !c.lost, seen.filled > 0)
				}
				assert.Positive(t, a.waiting, "the loss is said")
				for i := range eventful {
					missing, doubled := seen.missing(i)
					assert.Equal(t, c.lost, len(missing) > 0, "events that never came: %v", missing)
					assert.Zero(t, doubled, "events that came twice")
				}
				told := strings.Count(log.String(), "no history of events")
				if c.lost {
					assert.Equal(t, eventful, told, "of each once")
					assert.Equal(t, eventful, a.server.services["HistoryRead of events"])
				} else {
					assert.Zero(t, told)
				}
				require.NoError(t, a.stream.Close())
				assert.Zero(t, a.server.points, "a continuation point is left on the server")
				assert.Zero(t, a.server.writes)
			})
		})
	}
}

// TestHostileHistoryOfEvents: what a server makes up of the past is not told, and it ends.
func TestHostileHistoryOfEvents(t *testing.T) {
	type answer func(data *ua.HistoryEvent, result *ua.HistoryReadResult)
	for _, c := range []struct {
		name      string
		tamper    func(a *alarms) answer
		lost      bool // what is missing may stay so
		malformed bool
	}{
		{name: "another number of fields", malformed: true, lost: true, tamper: func(*alarms) answer {
			return func(data *ua.HistoryEvent, _ *ua.HistoryReadResult) {
				for i, e := range data.Events {
					if i%2 == 0 {
						e.EventFields = e.EventFields[1:]
					}
				}
			}
		}},
		{name: "each twice", tamper: func(*alarms) answer {
			return func(data *ua.HistoryEvent, _ *ua.HistoryReadResult) {
				data.Events = append(data.Events, data.Events...)
			}
		}},
		{name: "backwards", tamper: func(*alarms) answer {
			return func(data *ua.HistoryEvent, _ *ua.HistoryReadResult) { slices.Reverse(data.Events) }
		}},
		{name: "of another time", lost: true, tamper: func(*alarms) answer {
			return func(data *ua.HistoryEvent, _ *ua.HistoryReadResult) {
				for _, e := range data.Events {
					e.EventFields[eventTime] = ua.MustVariant(time.Now().Add(time.Hour))
				}
			}
		}},
		{name: "of no time", lost: true, tamper: func(*alarms) answer {
			return func(data *ua.HistoryEvent, _ *ua.HistoryReadResult) {
				for _, e := range data.Events {
					e.EventFields[eventTime] = ua.MustVariant(nil)
				}
			}
		}},
		{name: "the same page for ever", lost: true, tamper: func(*alarms) answer {
			return func(_ *ua.HistoryEvent, result *ua.HistoryReadResult) {
				result.ContinuationPoint = make([]byte, 8)
			}
		}},
		{name: "empty pages for ever", lost: true, tamper: func(*alarms) answer {
			return func(data *ua.HistoryEvent, result *ua.HistoryReadResult) {
				data.Events, result.ContinuationPoint = nil, make([]byte, 8)
			}
		}},
		{name: "overflows", lost: true, tamper: func(*alarms) answer {
			return func(data *ua.HistoryEvent, result *ua.HistoryReadResult) {
				for _, e := range data.Events {
					e.EventFields[eventType] = ua.MustVariant(ua.NewNumericNodeID(0, eventOverflow))
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAlarms(t, 1, func(cfg *Config) { cfg.Backfill = true })
				var seen tally
				a.server.set(func() { a.server.historian, a.server.tamper = true, c.tamper(a) })
				seen.read(a, 5*time.Second)
				restart(8*time.Second)(a, &seen)
				seen.read(a, 20*time.Second)
				for i := range eventful {
					missing, doubled := seen.missing(i)
					assert.Equal(t, c.lost, len(missing) > 0, "%v", missing)
					assert.Zero(t, doubled)
				}
				stats := a.source.Stats()
				assert.Equal(t, c.malformed, stats.Malformed > 0)
				assert.EqualValues(t, 2, stats.Connects, "the stream goes on")
				assert.LessOrEqual(t, a.server.services["HistoryRead of events"], 2*eventful*maxEmptyPages+10)
				require.NoError(t, a.stream.Close())
			})
		})
	}
}

// TestTold holds what is kept in mind against a twin that forgets nothing but what the
// ring does.
func TestTold(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		most := 1 + r.IntN(20)
		k := told{most: most}
		type event struct {
			key  uint64
			at   acquire.Instant
			past bool
		}
		var all []event
		now := acquire.Instant(1000)
		for range 300 {
			now += acquire.Instant(r.IntN(5))
			e := event{uint64(r.IntN(60)), now, r.IntN(3) == 0}
			recent := all[max(len(all)-most, 0):]
			known := func(past bool) bool {
				return slices.ContainsFunc(recent, func(x event) bool { return x.key == e.key && (!past || x.past) })
			}
			if e.past {
				e.at -= acquire.Instant(r.IntN(50))
				floor := acquire.Instant(0)
				for _, x := range all[:len(all)-len(recent)] {
					floor = max(floor, x.at)
				}
				want := !known(false) && e.at > floor
				require.Equal(t, want, k.recall(e.key, e.at), fmt.Sprint(seed, e))
				if want {
					all = append(all, e)
				}
				continue
			}
			// Of several with one key the last counts, as a server that gives the same EventId twice
			// means the same.
			want := true
			for _, x := range recent {
				if x.key == e.key {
					want = !x.past
				}
			}
			require.Equal(t, want, k.live(e.key, e.at), fmt.Sprint(seed, e))
			if want {
				all = append(all, e)
			}
			require.LessOrEqual(t, len(k.ring), most)
		}
	}
}

func TestToldAllocs(t *testing.T) {
	k := newTold(0)
	n := uint64(0)
	for range 2 * leastTold {
		n++
		k.live(n, acquire.Instant(n))
	}
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		n++
		k.live(n, acquire.Instant(n))
	}))
	assert.True(t, k.recall(n+1, acquire.Instant(n+1)))
	n++
	assert.False(t, k.live(n, acquire.Instant(n)), "told by history")
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		n++
		k.live(n, acquire.Instant(n))
	}))
	for range leastTold {
		n++
		k.live(n, acquire.Instant(n))
	}
	assert.Nil(t, k.at, "no event to come was told by history")
}

// FuzzPastEvents: whatever a history holds, what is told of it is of the span, in order, and
// each event once.
func FuzzPastEvents(f *testing.F) {
	const at = 1_000_000
	fields := func(id string, at int64) *ua.HistoryEventFieldList {
		return &ua.HistoryEventFieldList{EventFields: []*ua.Variant{
			ua.MustVariant(ua.NewTwoByteNodeID(1)), ua.MustVariant("x"), ua.MustVariant(time.Unix(at, 0)), ua.MustVariant(ua.NewLocalizedText("m")),
			ua.MustVariant(uint16(1)), ua.MustVariant([]byte(id)),
		}}
	}
	for _, events := range [][]*ua.HistoryEventFieldList{nil, {fields("b", at+2), fields("a", at), fields("a", at)}, {fields("", at), fields("", at), {}}} {
		body, err := ua.Encode(&ua.HistoryEvent{Events: events})
		require.NoError(f, err)
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := uabin.ExtensionObject{Binary: true, Body: body}.PastEvents()
		if err != nil {
			return
		}
		it, _ := testEvents(t, EventPoint{Name: "a"})
		told := 0
		h := eventHistory{seed: maphash.MakeSeed(), from: second(at), to: second(at + 2), seen: make(map[uint64]struct{})}
		h.tell = func(some []pastEvent) error {
			latest := h.from
			for i := range some {
				e := &some[i]
				require.True(t, e.at >= latest && e.at < h.to)
				latest = e.at
				var b acquire.Batch
				it.happen(&b, &e.event, &typeIDs{namespaces: plantNamespaces}, e.at, acquire.Backfilled)
				require.Len(t, b.Samples, e.samples())
			}
			told += len(some)
			return nil
		}
		require.NoError(t, h.take(events))
		require.Len(t, h.seen, told)
		require.Equal(t, events.Len, told+h.malformed+h.stray+h.doubled, "each is told or counted")
	})
}
