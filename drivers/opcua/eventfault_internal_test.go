package opcua

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// alarms is a server that numbers its events, one in each step, read through
// acquire.Reconnect, with a checker that knows which must follow which.
type alarms struct {
	*counters
	first   map[acquire.PointID]int // message points, and the item that they are of
	number  []int                   // that comes next, of each item
	lost    int
	doubled int
	unsaid  int
	waiting int // samples that say so
	dropped uint64
	events  int
}

const eventful = 2 // items for events

func newAlarms(t *testing.T, values int, change func(*Config)) *alarms {
	a := &alarms{first: make(map[acquire.PointID]int), number: make([]int, eventful)}
	a.counters = newCounters(t, values, func(c *Config) {
		for i := range eventful {
			c.Events = append(c.Events, EventPoint{Name: fmt.Sprint("alarms ", i), Notifier: NodeID(fmt.Sprintf("ns=2;s=alarms %d", i))})
		}
		if change != nil {
			change(c)
		}
	})
	for i := range eventful {
		a.first[a.source.Points()[values+i*len(eventEndings)]] = i
	}
	next := 0
	a.server.set(func() {
		for i := range eventful {
			a.server.notifiers[fmt.Sprintf("ns=2;s=alarms %d", i)] = true
		}
		a.server.happening = func(now time.Time) {
			next++
			for i := range eventful {
				a.server.emit(fmt.Sprintf("ns=2;s=alarms %d", i), map[string]any{
					"EventType": ua.NewNumericNodeID(0, 2041), "SourceName": "counter", "Time": now.Add(a.server.offset), "Message": ua.NewLocalizedText(strconv.Itoa(next)), "Severity": uint16(1),
					"EventId": []byte(fmt.Sprint(i, " ", next)),
				})
			}
		}
	})
	return a
}

// read reads for d and holds the events of each item to their order.
func (a *alarms) read(d time.Duration) {
	a.t.Helper()
	var b acquire.Batch
	for end := time.Now().Add(d); time.Now().Before(end); {
		require.NoError(a.t, a.stream.Next(a.t.Context(), &b))
		a.dropped += b.Lost
		for at, s := range b.Samples {
			i, ok := a.first[s.Point]
			switch {
			case !ok:
				continue
			case s.Quality.IsBad():
				if s.Quality.Reason() == acquire.Waiting {
					a.waiting++
					if s.Quality.Has(acquire.Overflow) {
						a.number[i] = -a.number[i] // what is missing is said
					}
				}
				continue
			}
			text, ok := b.Text(s.Value)
			require.True(a.t, ok)
			n, err := strconv.Atoi(string(text))
			require.NoError(a.t, err)
			a.events++
			want, said := a.number[i], s.Quality.Has(acquire.Overflow)
			if want < 0 {
				want, said = -want, true
			}
			switch {
			case want == 0:
			case n < want:
				a.doubled++
			case n > want:
				a.lost += n - want
				if !said {
					a.unsaid++
				}
			}
			a.number[i] = max(n+1, want)
			// What follows is of the same event.
			for k := 1; k < leastOfEvent; k++ {
				require.Equal(a.t, s.Point+acquire.PointID(k), b.Samples[at+k].Point)
				require.Equal(a.t, s.Time, b.Samples[at+k].Time)
				require.True(a.t, b.Samples[at+k].Quality.IsGood())
			}
		}
	}
}

// TestEventFaults: what the queues of a server hold comes once, whatever happened to the
// connection, and the rest is said to be lost.
func TestEventFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(a *alarms)
		most  time.Duration // of which events may be lost, and then are said to be
	}{
		{name: "none", fault: func(*alarms) {}},
		{name: "reset", fault: func(a *alarms) { a.server.reset(false) }},
		{name: "twenty resets", fault: func(a *alarms) {
			for range 20 {
				a.server.reset(false)
				a.read(400 * time.Millisecond)
			}
		}},
		{name: "refused for 10 s", fault: func(a *alarms) {
			a.server.set(func() { a.server.refusing = true })
			a.server.reset(false)
			a.read(10 * time.Second)
			a.server.set(func() { a.server.refusing = false })
		}},
		{name: "silence of 15 s", fault: func(a *alarms) {
			a.server.set(func() { a.server.silent = true })
			a.read(15 * time.Second)
			a.server.set(func() { a.server.silent = false })
		}},
		{name: "session closed", fault: func(a *alarms) { a.server.set(func() { clear(a.server.sessions) }) }},
		{name: "messages lost on the way", fault: func(a *alarms) { a.server.set(func() { a.server.dropNext = 3 }) }},
		{name: "messages lost for good", most: 3 * time.Second, fault: func(a *alarms) {
			a.server.set(func() { a.server.dropNext, a.server.forget = 3, true })
		}},
		{name: "short queues", most: 20 * time.Second, fault: func(a *alarms) {
			a.server.set(func() {
				a.server.silent = true
				for _, s := range a.server.subs {
					for _, i := range s.items {
						i.most = 20
					}
				}
			})
			a.read(15 * time.Second)
			a.server.set(func() { a.server.silent = false })
		}},
		{name: "restart", most: 5 * time.Second, fault: func(a *alarms) { a.server.reset(true) }},
		{name: "subscription dropped", most: 3 * time.Second, fault: func(a *alarms) {
			a.server.set(func() {
				clear(a.server.subs)
				for _, s := range a.server.sessions {
					for _, r := range s.waiting {
						r.conn.send(r.request, encodeResponse(&ua.ServiceFault{ResponseHeader: responseHeader(r.handle, ua.StatusBadNoSubscription)}))
					}
					s.waiting = nil
				}
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before := runtime.NumGoroutine()
				a := newAlarms(t, 1, nil)
				a.read(5 * time.Second)
				require.Zero(t, a.lost+a.doubled+a.waiting)
				require.Greater(t, a.events, 150)
				c.fault(a)
				a.read(5 * time.Second)
				known := a.events
				a.read(15 * time.Second)
				assert.Greater(t, a.events-known, 2*eventful*int(5*time.Second/step), "events come again")
				assert.Zero(t, a.doubled, "events that came twice")
				assert.Zero(t, a.unsaid, "losses that are not said")
				assert.LessOrEqual(t, a.lost, eventful*int(c.most/step), "events that never came")
				assert.Equal(t, c.most > 0, a.waiting > 0, "states are doubted if and only if events were lost")
				require.NoError(t, a.stream.Close())
				synctest.Wait()
				assert.Empty(t, a.server.sessions, "a session is left on the server")
				assert.LessOrEqual(t, runtime.NumGoroutine(), before+2)
				assert.Zero(t, a.server.writes, "no ConditionRefresh, no acknowledgement")
			})
		})
	}
}

// TestEventOverflow: the event by which a server says that it lost some is none of its
// events, and counts as one that was lost.
func TestEventOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAlarms(t, 0, func(c *Config) {
			for i := range c.Events {
				c.Events[i].Queue = 5 // less than there are in an interval
			}
		})
		a.read(10 * time.Second)
		assert.Positive(t, a.lost)
		assert.Zero(t, a.unsaid+a.doubled)
		assert.Positive(t, a.waiting)
		assert.EqualValues(t, leastOfEvent*(a.waiting+eventful), a.dropped, "nothing is said of what was lost before the first event")
		assert.Equal(t, a.dropped, a.source.Stats().Lost)
		require.NoError(t, a.stream.Close())
	})
}

// TestEventsOfSlowConsumer stays away until the buffer is full: what is dropped is counted
// to the sample, and said.
func TestEventsOfSlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAlarms(t, 0, func(c *Config) { c.Buffer = 1000 })
		a.read(5 * time.Second)
		<-time.After(30 * time.Second)
		a.read(5 * time.Second)
		assert.Positive(t, a.lost)
		assert.Zero(t, a.doubled+a.unsaid)
		assert.Equal(t, eventful, a.waiting)
		assert.EqualValues(t, leastOfEvent*a.lost, a.dropped)
		assert.Equal(t, a.dropped, a.source.Stats().Lost)
		assert.EqualValues(t, 1, a.source.Stats().Connects)
		require.NoError(t, a.stream.Close())
	})
}

// qualities returns the last quality of each point, read for d.
func (a *alarms) qualities(d time.Duration) map[string]acquire.Quality {
	a.t.Helper()
	last := make(map[string]acquire.Quality)
	var b acquire.Batch
	for end := time.Now().Add(d); time.Now().Before(end); {
		require.NoError(a.t, a.stream.Next(a.t.Context(), &b))
		for _, s := range b.Samples {
			p, _ := a.source.cfg.Catalog.Point(s.Point)
			last[p.Name] = s.Quality
		}
	}
	return last
}

// TestEventsWhenNothingHappens: when the connection was lost and is back, and there was
// no event, the points wait for one; nothing is asked of the server for it.
func TestEventsWhenNothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAlarms(t, 1, nil)
		a.read(5 * time.Second)
		a.server.set(func() { a.server.happening = nil })
		a.read(5 * time.Second)
		require.Zero(t, a.waiting)
		a.server.reset(false)
		for name, q := range a.qualities(10 * time.Second) {
			if name == "ns=2;s=counter 0" {
				assert.True(t, q.IsGood())
				continue
			}
			assert.Equal(t, acquire.Waiting, q.Reason(), name)
			assert.False(t, q.Has(acquire.Overflow), "nothing was lost")
		}
		assert.Zero(t, a.server.writes)
		require.NoError(t, a.stream.Close())
	})
}

// TestEventsRefused: a notifier that is none, a type that the server does not have, and a
// server that does not know conditions.
func TestEventsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAlarms(t, 1, func(c *Config) {
			c.Events = append(c.Events, EventPoint{Name: "none", Notifier: "ns=2;s=none"},
				EventPoint{Name: "untyped", Notifier: "ns=2;s=alarms 0", Types: []NodeID{"nsu=urn:none;i=1"}})
		})
		a.server.set(func() { a.server.simple = true })
		said := a.qualities(3 * time.Second)
		for _, name := range []string{"none/message", "none/retain", "untyped/severity"} {
			assert.Equal(t, StatusBadNodeIDUnknown.quality(), said[name]&^acquire.Quality(0xFF00), name)
		}
		assert.True(t, said["alarms 0/message"].IsGood())
		assert.True(t, said["ns=2;s=counter 0"].IsGood())
		assert.NotContains(t, said, "alarms 0/active")
		plan := a.source.Plan()
		require.Len(t, plan.Items, 5)
		assert.Equal(t, NodeID("ns=2;s=alarms 1"), plan.Items[2].Node)
		assert.Equal(t, StatusGood, plan.Items[2].Status)
		assert.Equal(t, eventQueue, plan.Items[2].Queue)
		assert.Len(t, plan.Items[2].Points, len(eventEndings))
		assert.Equal(t, StatusBadNodeIDUnknown, plan.Items[3].Status)
		a.server.set(func() { a.server.notifiers["ns=2;s=none"] = true })
		a.qualities(15 * time.Second)
		assert.Equal(t, StatusGood, a.source.Plan().Items[3].Status, "tried again")
		require.NoError(t, a.stream.Close())
	})
}
