package opcua

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// step is how often the counters of a server go up, by one.
const step = 50 * time.Millisecond

// counters is a server of counters, read through acquire.Reconnect, with a checker that
// knows which value must follow which.
type counters struct {
	t      *testing.T
	server *fakeServer
	source *Source
	stream acquire.Stream
	start  time.Time

	next    map[acquire.PointID]uint64 // expected
	seen    map[acquire.PointID]time.Time
	badAt   map[acquire.PointID]time.Time
	lost    uint64 // values that never came
	doubled uint64
	unsaid  uint64 // gaps without a flag
	counted uint64 // Batch.Lost
}

func newCounters(t *testing.T, n int, change func(*Config)) *counters {
	p := &counters{
		t: t, server: newFakeServer(t), start: time.Now(), next: make(map[acquire.PointID]uint64),
		seen: make(map[acquire.PointID]time.Time), badAt: make(map[acquire.PointID]time.Time),
	}
	cfg := Config{
		Client: ClientConfig{
			Endpoint: "opc.tcp://192.0.2.1", Policies: []Policy{PolicyNone}, Dial: p.server.dial, Timeout: time.Second, ConnectTimeout: time.Second,
			SessionTimeout: 5 * time.Minute,
		},
		Name: "plant", Catalog: acquire.NewCatalog(), Sampling: step, Outage: 2 * time.Minute,
	}
	for i := range n {
		node := fmt.Sprintf("ns=2;s=counter %d", i)
		p.server.nodes[node] = func(now time.Time) *ua.DataValue {
			return &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(uint64(now.Sub(p.start) / step))}
		}
		cfg.Points = append(cfg.Points, Point{Name: node, Node: NodeID(node), Kind: acquire.KindUint64})
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	p.source, err = NewSource(cfg)
	require.NoError(t, err)
	p.stream, err = acquire.Reconnect(p.source, acquire.Backoff{}).Open(t.Context())
	require.NoError(t, err)
	return p
}

// read reads for d and holds each counter to what it must give next.
func (p *counters) read(d time.Duration) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	defer cancel()
	var b acquire.Batch
	for end := time.Now().Add(d); time.Now().Before(end); {
		require.NoError(p.t, p.stream.Next(ctx, &b))
		p.counted += b.Lost
		for _, s := range b.Samples {
			if s.Quality.IsBad() {
				p.badAt[s.Point] = time.Now()
				continue
			}
			v, ok := s.Value.Uint64()
			require.True(p.t, ok)
			want, known := p.next[s.Point]
			switch {
			case !known:
			case v < want:
				p.doubled++
			case v > want:
				p.lost += v - want
				if !s.Quality.Has(acquire.Overflow) {
					p.unsaid++
				}
			}
			p.next[s.Point] = max(v+1, want)
			p.seen[s.Point] = time.Now()
		}
	}
}

// well fails unless every counter has been good of late.
func (p *counters) well(points int) {
	p.t.Helper()
	good := 0
	for _, id := range p.source.Points() {
		if time.Since(p.seen[id]) < 2*time.Second && !p.seen[id].IsZero() {
			good++
		}
	}
	assert.Equal(p.t, points, good, "points that are good again")
}

// TestFaults is the table of faults that the best of clients do not get over without a
// loss, or do not notice.
func TestFaults(t *testing.T) {
	const points = 5
	for _, c := range []struct {
		name   string
		fault  func(p *counters)
		change func(*Config)
		lost   time.Duration // the most that may be lost, and then is said
		noted  bool          // every point says bad, within 3 s
		good   int           // counters that are good at the end; 0: all
	}{
		{name: "reset", noted: true, fault: func(p *counters) { p.server.reset(false) }},
		{name: "forty resets", noted: true, fault: func(p *counters) {
			for range 40 {
				p.server.reset(false)
				p.read(400 * time.Millisecond)
			}
		}},
		{name: "refused for 10 s", noted: true, fault: func(p *counters) {
			p.server.set(func() { p.server.refusing = true })
			p.server.reset(false)
			p.read(10 * time.Second)
			p.server.set(func() { p.server.refusing = false })
		}},
		{name: "silence of 15 s", noted: true, fault: func(p *counters) {
			p.server.set(func() { p.server.silent = true })
			p.read(15 * time.Second)
			p.server.set(func() { p.server.silent = false })
		}},
		{name: "silence of 90 s", noted: true, fault: func(p *counters) {
			p.server.set(func() { p.server.silent = true })
			p.read(90 * time.Second)
			p.server.set(func() { p.server.silent = false })
		}},
		{name: "silence of 90 s with short queues", noted: true, lost: 110 * time.Second, fault: func(p *counters) {
			p.server.set(func() {
				p.server.silent = true
				for _, s := range p.server.subs {
					for _, i := range s.items {
						i.most = 20
					}
				}
			})
			p.read(90 * time.Second)
			p.server.set(func() { p.server.silent = false })
		}},
		{name: "hung for 6 s", noted: true, fault: func(p *counters) {
			p.server.set(func() { p.server.silent = true })
			p.read(6 * time.Second)
			p.server.set(func() { p.server.silent = false })
		}},
		{name: "restart after 13 s", noted: true, lost: 18 * time.Second, fault: func(p *counters) {
			p.server.set(func() { p.server.refusing = true })
			p.server.reset(true)
			p.read(13 * time.Second)
			p.server.set(func() { p.server.refusing = false })
		}},
		{name: "restart without one of the nodes", noted: true, lost: 5 * time.Second, good: points - 1, fault: func(p *counters) {
			p.server.reset(true)
			p.server.set(func() { delete(p.server.nodes, "ns=2;s=counter 2") })
		}},
		{name: "session closed", noted: true, fault: func(p *counters) {
			p.server.set(func() { clear(p.server.sessions) })
		}},
		{name: "session ended, its subscription left for another", noted: true, fault: func(p *counters) {
			p.server.set(func() {
				for _, s := range p.server.sessions {
					for _, r := range s.waiting {
						r.conn.send(r.request, encodeResponse(&ua.ServiceFault{ResponseHeader: responseHeader(r.handle, ua.StatusBadNoSubscription)}))
					}
				}
				clear(p.server.sessions)
			})
		}},
		{name: "subscription dropped in silence", lost: 6 * time.Second, fault: func(p *counters) {
			p.server.set(func() { clear(p.server.subs) })
		}},
		{name: "subscription dropped", lost: 2 * time.Second, fault: func(p *counters) {
			p.server.set(func() {
				clear(p.server.subs)
				for _, s := range p.server.sessions {
					for _, r := range s.waiting {
						r.conn.send(r.request, encodeResponse(&ua.ServiceFault{ResponseHeader: responseHeader(r.handle, ua.StatusBadNoSubscription)}))
					}
					s.waiting = nil
				}
			})
		}},
		{name: "messages lost on the way", fault: func(p *counters) { p.server.set(func() { p.server.dropNext = 3 }) }},
		{name: "messages lost for good", lost: 3 * time.Second, fault: func(p *counters) {
			p.server.set(func() { p.server.dropNext, p.server.forget = 3, true })
		}},
		{name: "a server of few items per call", change: func(c *Config) { c.MaxPerCall = 2 }, fault: func(p *counters) { p.server.reset(false) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before := runtime.NumGoroutine()
				p := newCounters(t, points, c.change)
				p.read(5 * time.Second)
				p.well(points)
				require.Zero(t, p.lost+p.doubled)
				c.fault(p)
				p.read(20 * time.Second)
				good := c.good
				if good == 0 {
					good = points
				}
				p.well(good)
				assert.Zero(t, p.doubled, "values that came twice")
				assert.Zero(t, p.unsaid, "gaps that are not said")
				assert.LessOrEqual(t, p.lost, uint64(c.lost/step)*points, "values that never came")
				for _, id := range p.source.Points() {
					if c.noted {
						require.Contains(t, p.badAt, id, "the fault is not said")
					}
				}
				require.NoError(t, p.stream.Close())
				synctest.Wait()
				assert.Empty(t, p.server.sessions, "a session is left on the server")
				assert.LessOrEqual(t, runtime.NumGoroutine(), before+2)
				assert.Zero(t, p.server.writes)
			})
		})
	}
}

// TestSilenceIsSeen measures how long it takes until silence is said.
func TestSilenceIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newCounters(t, 3, nil)
		p.read(5 * time.Second)
		p.server.set(func() { p.server.silent = true })
		since := time.Now()
		var b acquire.Batch
		for len(p.badAt) < 3 {
			require.NoError(t, p.stream.Next(t.Context(), &b))
			for _, s := range b.Samples {
				if s.Quality.IsBad() {
					assert.Equal(t, acquire.Communication, s.Quality.Reason())
					p.badAt[s.Point] = time.Now()
				}
			}
		}
		assert.Less(t, time.Since(since), 3*time.Second)
		require.NoError(t, p.stream.Close())
	})
}

// TestRestarts kills the server a hundred times.
func TestRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newCounters(t, 3, nil)
		p.read(3 * time.Second)
		for range 100 {
			p.server.reset(true)
			p.read(5 * time.Second)
			p.well(3)
		}
		assert.Zero(t, p.doubled)
		assert.Zero(t, p.unsaid)
		require.NoError(t, p.stream.Close())
		synctest.Wait()
		assert.Empty(t, p.server.sessions)
	})
}

// TestSlowConsumer stays away until the buffer is full: what is dropped is counted to
// the value, and said by a flag.
func TestSlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newCounters(t, 3, func(c *Config) { c.Buffer = 100 })
		p.read(5 * time.Second)
		<-time.After(30 * time.Second)
		p.read(5 * time.Second)
		assert.NotZero(t, p.lost)
		assert.Equal(t, p.lost, p.counted, "what is lost is counted")
		assert.Zero(t, p.doubled)
		assert.Zero(t, p.unsaid)
		assert.Equal(t, p.lost, p.source.Stats().Lost)
		assert.EqualValues(t, 1, p.source.Stats().Connects)
		require.NoError(t, p.stream.Close())
	})
}

// TestServerLimits subscribes to 2,000 items of a server that takes 100 in a call, and
// reads 500 more.
func TestServerLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newCounters(t, 2000, func(c *Config) {
			for i := range c.Points[:500] {
				c.Points = append(c.Points, Point{Name: fmt.Sprint("poll ", i), Node: c.Points[i].Node, Kind: acquire.KindUint64, Poll: true})
			}
		})
		p.server.set(func() { p.server.limits, p.server.every = 100, 500*time.Millisecond })
		good := make(map[acquire.PointID]bool)
		var b acquire.Batch
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
			require.NoError(t, p.stream.Next(t.Context(), &b))
			for _, s := range b.Samples {
				require.True(t, s.Quality.IsGood(), s.Quality)
				good[s.Point] = true
			}
		}
		assert.Len(t, good, 2500)
		assert.EqualValues(t, 1, p.source.Stats().Connects)
		assert.Zero(t, p.source.Stats().Failures)
		require.NoError(t, p.stream.Close())
	})
}

// TestRefusedItem is bad by its own status, and good once the server has it.
func TestRefusedItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newCounters(t, 2, func(c *Config) {
			c.Points = append(c.Points, Point{Name: "new", Node: "ns=2;s=new", Kind: acquire.KindUint64},
				Point{Name: "elsewhere", Node: "nsu=urn:none;s=x"}, Point{Name: "polled elsewhere", Node: "nsu=urn:none;s=x", Poll: true})
		})
		p.read(5 * time.Second)
		ids := p.source.Points()
		assert.Contains(t, p.badAt, ids[2])
		assert.Contains(t, p.badAt, ids[3])
		assert.Contains(t, p.badAt, ids[4])
		p.well(2)
		p.server.set(func() { p.server.nodes["ns=2;s=new"] = p.server.nodes["ns=2;s=counter 0"] })
		p.read(15 * time.Second)
		p.well(3)
		assert.Zero(t, p.lost+p.doubled)
		require.NoError(t, p.stream.Close())
	})
}

// TestStaticValues: what does not change while we are away is good again all the same,
// at the server's time, and only then.
func TestStaticValues(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newCounters(t, 1, func(c *Config) {
					c.Points = append(c.Points, Point{Name: "static", Node: "ns=2;s=static"})
				})
				p.server.set(func() {
					p.server.nodes["ns=2;s=static"] = func(time.Time) *ua.DataValue {
						return &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(7.5)}
					}
				})
				static := p.source.Points()[1]
				times := make(map[acquire.Instant]bool)
				var good, bad int
				var b acquire.Batch
				run := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); {
						require.NoError(t, p.stream.Next(t.Context(), &b))
						for _, s := range b.Samples {
							switch {
							case s.Point != static:
							case s.Quality.IsBad():
								bad++
							default:
								good++
								assert.False(t, times[s.Time], "the same sample again")
								assert.False(t, s.Quality.Has(acquire.TimeBackwards))
								times[s.Time] = true
							}
						}
					}
				}
				run(5 * time.Second)
				assert.Equal(t, 1, good)
				p.server.reset(restart)
				run(10 * time.Second)
				assert.Equal(t, 1, bad)
				assert.Equal(t, 2, good)
				require.NoError(t, p.stream.Close())
			})
		})
	}
}

// TestPolls: a poll in each interval, and the ones that are late are skipped and counted.
func TestPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newCounters(t, 3, func(c *Config) {
			for i := range c.Points {
				c.Points[i].Poll = true
			}
		})
		count := func(d time.Duration) (n int) {
			var b acquire.Batch
			for end := time.Now().Add(d); time.Now().Before(end); {
				require.NoError(t, p.stream.Next(t.Context(), &b))
				for _, s := range b.Samples {
					require.True(t, s.Quality.IsGood())
					n++
				}
			}
			return n
		}
		assert.InDelta(t, 60, count(20*time.Second), 3)
		assert.Zero(t, p.source.Stats().Skipped)
		require.NoError(t, p.stream.Close())
		assert.Zero(t, p.server.services["CreateSubscription"])
		assert.Equal(t, 1, p.server.services["RegisterNodes"])
	})
}

// TestSourceRefuses tells every fault of a configuration at once.
func TestSourceRefuses(t *testing.T) {
	_, err := NewSource(Config{Points: []Point{
		{Name: "a", Node: "ns=2;s=x"}, {Name: "a", Node: "ns=2;s=x"}, {Name: "b", Node: "nonsense"}, {Node: "i=1"},
		{Name: "c", Node: "i=1", Index: "1:2"}, {Name: "d", Node: "i=1", Deadband: -1}, {Name: "e", Node: "i=1", Poll: true, Queue: 3},
		{Name: "f", Node: "i=1", Kind: 99}, {Name: "g", Node: "i=1", Names: map[int64]string{1: "x"}, Kind: acquire.KindInt64},
	}, Interval: -1, Buffer: -1})
	require.Error(t, err)
	for _, part := range []string{
		"no endpoint", "no catalog", "given twice", "nonsense", "has no name", `index "1:2"`, "deadband", "polled", "no such kind", "names of kind",
		"interval of -1ns", "buffer of -1",
	} {
		assert.ErrorContains(t, err, part)
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		assert.True(t, strings.HasPrefix(line, "opcua: "), line)
	}
}

// TestOpenEnds: Open keeps to its context.
func TestOpenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newCounters(t, 1, nil)
		p.server.set(func() { p.server.silent = true })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := p.source.Open(ctx)
		assert.True(t, errors.Is(err, context.DeadlineExceeded), err)
		require.NoError(t, p.stream.Close())
		synctest.Wait()
		assert.Zero(t, p.server.open())
	})
}
