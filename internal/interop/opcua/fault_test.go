package interop_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/opcua"
)

// full has the tests of faults take as long as the outages that they are about, and
// judge times: for a quiet machine and a quarter of an hour.
var full = flag.Bool("full", false, "outages of full length, 100 restarts, and times judged")

// Bounds of times, which -full judges.
const (
	mostSilent = 3 * time.Second // until silence is said
	mostAway   = 2 * time.Second // from the return of a server until its values are good
)

// pick returns what the run is for.
func pick[T any](short, long T) T {
	if *full {
		return long
	}
	return short
}

// securities are the ways that the tests of faults log in.
var securities = []struct {
	name   string
	policy opcua.Policy
	mode   opcua.Mode
}{
	{"None", opcua.PolicyNone, opcua.ModeNone},
	{"SignAndEncrypt", opcua.Basic256Sha256, opcua.SignAndEncrypt},
}

// acquires returns a configuration with the defaults in all that concerns time.
func acquires(t *testing.T, w *works, session string, policy opcua.Policy, mode opcua.Mode) opcua.Config {
	t.Helper()
	cfg := opcua.Config{
		Client:   opcua.ClientConfig{Endpoint: "opc.tcp://127.0.0.1:" + w.port + "/plant", Policies: []opcua.Policy{policy}, Mode: mode, SessionName: session},
		Sampling: -1, Backfill: true,
	}
	if policy != opcua.PolicyNone {
		cfg.Client.Certificate, cfg.Client.Trust = ownCertificate(t), trust(t)
	}
	return cfg
}

// timing is what a fault took.
type timing struct {
	seen, back []time.Duration // from its begin, and from its end
}

// strike is a fault of the network or the session: it happens to a host, whose every
// point is good.
type strike struct {
	name  string
	queue int // of each item on the server
	// happen makes the fault happen, waits for what the host must say, and ends it.
	happen func(t *testing.T, h *host, p *proxy, w *works, mu *sync.Mutex) timing
}

// outage is a fault with a begin, a length, and an end.
func outage(length time.Duration, begin func(p *proxy), end func(t *testing.T, p *proxy)) func(*testing.T, *host, *proxy, *works, *sync.Mutex) timing {
	return func(t *testing.T, h *host, p *proxy, _ *works, _ *sync.Mutex) timing {
		h.mark()
		over := time.NewTimer(length)
		began := time.Now()
		begin(p)
		seen := h.awaitLost(t).Sub(began)
		<-over.C
		h.mark()
		ended := time.Now()
		end(t, p)
		return timing{[]time.Duration{seen}, []time.Duration{h.awaitGood(t).Sub(ended)}}
	}
}

// resets resets the connection again and again, each time that everything is good.
func resets(times int) func(*testing.T, *host, *proxy, *works, *sync.Mutex) timing {
	return func(t *testing.T, h *host, p *proxy, _ *works, _ *sync.Mutex) (took timing) {
		for range times {
			h.mark()
			began := time.Now()
			p.reset()
			took.seen = append(took.seen, h.awaitLost(t).Sub(began))
			h.mark()
			took.back = append(took.back, h.awaitGood(t).Sub(began))
		}
		return took
	}
}

// ordered has the server do something to the sessions of the host, of which the host is
// to hear that its points are lost, or nothing.
func ordered(command string, lost bool) func(*testing.T, *host, *proxy, *works, *sync.Mutex) timing {
	return func(t *testing.T, h *host, _ *proxy, w *works, mu *sync.Mutex) (took timing) {
		h.mark()
		mu.Lock()
		began := time.Now()
		w.ask(t, command+" "+h.session)
		mu.Unlock()
		if lost {
			took.seen = append(took.seen, h.awaitLost(t).Sub(began))
		}
		h.mark()
		took.back = append(took.back, h.awaitGood(t).Sub(began))
		return took
	}
}

// TestNetworkFaults has each fault of a network, and each of a session, happen to a
// client without and one with security, all of one server at the same time.
func TestNetworkFaults(t *testing.T) {
	t.Parallel()
	w := build(t, plant{Step: pick[int64](20, 10), Counters: 3})
	silent := func(length time.Duration) func(*testing.T, *host, *proxy, *works, *sync.Mutex) timing {
		return outage(length, (*proxy).hold, func(_ *testing.T, p *proxy) { p.pass() })
	}
	strikes := []strike{
		{"reset", 5000, resets(1)},
		{fmt.Sprintf("%d resets", pick(3, 40)), 5000, resets(pick(3, 40))},
		{"refused " + pick("2 s", "10 s"), 5000, outage(pick(2*time.Second, 10*time.Second), (*proxy).refuse, func(t *testing.T, p *proxy) { p.accept(t) })},
		{"silence " + pick("3 s", "15 s"), 5000, silent(pick(3*time.Second, 15*time.Second))},
		// Longer than the queues of the server.
		{"silence " + pick("4 s", "90 s"), pick(50, 5000), silent(pick(4*time.Second, 90*time.Second))},
		{"session expired", 5000, ordered("expire", true)},
		{"session closed", 5000, ordered("close", true)},
		{"subscription dropped", 5000, ordered("drop", false)},
	}
	var answers, report sync.Mutex // one line to the server at a time; one of the table
	var lines []string
	t.Cleanup(func() {
		slices.Sort(lines)
		t.Logf("\n%-24s %-15s %9s %9s %8s %8s %8s %8s %8s\n%s", "fault", "security", "said", "good", "missed", "filled", "again", "lost", "connects", strings.Join(lines, "\n"))
	})
	for i, s := range strikes {
		for _, security := range securities {
			t.Run(s.name+"/"+security.name, func(t *testing.T) {
				t.Parallel()
				p := newProxy(t, "127.0.0.1:"+w.port)
				cfg := acquires(t, w, fmt.Sprintf("%d-%s", i, security.name), security.policy, security.mode)
				cfg.Client.Dial = p.dial
				cfg.Points = w.points(s.queue)
				h := newHost(t, cfg.Client.SessionName, w.plant, cfg)
				h.awaitGood(t)
				took := s.happen(t, h, p, w, &answers)
				h.awaitFilled(t)
				answers.Lock()
				sessions, subscriptions := w.sessions(t, h.session)
				answers.Unlock()
				assert.Equal(t, [2]int{1, 1}, [2]int{sessions, subscriptions}, "sessions and subscriptions on the server")
				h.end(t)
				answers.Lock()
				sessions, subscriptions = w.sessions(t, h.session)
				answers.Unlock()
				assert.Equal(t, [2]int{0, 0}, [2]int{sessions, subscriptions}, "sessions and subscriptions left on the server")
				a := h.audit(t)
				took.judge(t, mostSilent, 0)
				report.Lock()
				defer report.Unlock()
				lines = append(lines, fmt.Sprintf("%-24s %-15s %9s %9s %8d %8d %8d %8d %8d", fmt.Sprint(i+1, " ", s.name), security.name,
					worst(took.seen), worst(took.back), a.said, a.filled, a.again, a.lost, h.stats().Connects))
			})
		}
	}
}

// judge fails the test where something took longer than it may; under -full.
func (took timing) judge(t *testing.T, seen, back time.Duration) {
	t.Helper()
	if !*full {
		return
	}
	for _, d := range took.seen {
		assert.LessOrEqual(t, d, seen, "until the loss was said")
	}
	for _, d := range took.back {
		assert.True(t, back == 0 || d <= back, "%s until all was good again", d)
	}
}

// worst is the longest of times.
func worst(times []time.Duration) string {
	if len(times) == 0 {
		return "-"
	}
	return slices.Max(times).Round(time.Millisecond).String()
}

// percentiles prints the middle, the 99th of a hundred, and the longest.
func percentiles(times []time.Duration) string {
	times = slices.Sorted(slices.Values(times))
	at := func(share float64) time.Duration {
		return times[min(int(share*float64(len(times))), len(times)-1)].Round(time.Millisecond)
	}
	return fmt.Sprintf("p50 %s, p99 %s, longest %s of %d", at(0.5), at(0.99), at(1), len(times))
}

// TestServerFaults has a server hang, die, shut down, come back without a node, and die
// again and again, while three clients acquire from it, one of them 2,000 values a second.
func TestServerFaults(t *testing.T) {
	t.Parallel()
	kills := pick(1, 97) // besides those of which more is asked; each costs seconds of loading
	w := build(t, plant{Step: 20, Counters: 3, Load: 2000})
	var hosts []*host
	for i, security := range append(securities[:2:2], securities[1]) {
		cfg := acquires(t, w, fmt.Sprint("server-", i, "-", security.name), security.policy, security.mode)
		if cfg.Points = w.points(5000); i == 2 {
			for k := range w.Load {
				name := fmt.Sprint("Load.", k)
				cfg.Points = append(cfg.Points, opcua.Point{Name: name, Node: node(name)})
			}
		}
		hosts = append(hosts, newHost(t, cfg.Client.SessionName, w.plant, cfg))
	}
	for _, h := range hosts {
		h.awaitGood(t)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-24s %9s %9s", "fault", "said", "good")
	all := make(map[string]*timing)
	// strike has a fault happen to all hosts; end returns when it was over.
	strike := func(name string, begin func(), end func()) {
		took := all[name]
		if took == nil {
			took = new(timing)
			all[name] = took
		}
		for _, h := range hosts {
			h.mark()
		}
		began := time.Now()
		begin()
		for _, h := range hosts {
			took.seen = append(took.seen, h.awaitLost(t).Sub(began))
		}
		for _, h := range hosts {
			h.mark()
		}
		end()
		ended := time.Now()
		for _, h := range hosts {
			back := max(h.awaitGood(t).Sub(ended), 0)
			if took.back = append(took.back, back); back > mostAway {
				t.Logf("%s: %s is good after %s; it was away for %s, and failed with: %v", name, h.name, back, ended.Sub(began), h.stats().LastError)
			}
		}
		for _, h := range hosts {
			sessions, subscriptions := w.sessions(t, h.session)
			assert.Equal(t, [2]int{1, 1}, [2]int{sessions, subscriptions}, "%s: sessions and subscriptions of %s", name, h.name)
		}
		if !strings.HasPrefix(name, "killed again") {
			fmt.Fprintf(&table, "\n%-24s %9s %9s", name, worst(took.seen), worst(took.back))
		}
	}
	back := func() { w.run(t) }

	length := pick(3*time.Second, 6*time.Second)
	w.prepare(t)
	strike("hung "+length.String(), func() { w.ask(t, fmt.Sprint("hang ", length.Milliseconds())) }, func() { w.ask(t, "sessions any") })
	strike("killed", func() { w.kill() }, back)
	w.prepare(t, "Seq.2")
	strike("shut down", func() { w.ask(t, "stop") }, back)
	for _, h := range hosts {
		h.mu.Lock()
		for i := range h.watches {
			if w := &h.watches[i]; w.name == "Seq.2" {
				assert.NotZero(t, w.unknown, "%s: a node that is gone", h.name)
			}
		}
		h.mu.Unlock()
	}
	for i := range kills {
		w.prepare(t)
		w.spare.ready(t)
		strike("killed again", func() { w.kill() }, func() {
			if *full { // for a time that is not in step with the attempts
				<-time.After(time.Duration(rand.Int64N(int64(4 * time.Second))))
			}
			back()
		})
		if *full && i%10 == 9 {
			t.Logf("killed %d times", i+1)
		}
	}
	for _, h := range hosts {
		h.awaitFilled(t)
	}
	for _, h := range hosts {
		h.end(t)
		sessions, subscriptions := w.sessions(t, h.session)
		assert.Equal(t, [2]int{0, 0}, [2]int{sessions, subscriptions}, "sessions and subscriptions left of %s", h.name)
		a := h.audit(t)
		fmt.Fprintf(&table, "\n%s: %d missed and said, %d filled, %d again, %d lost, %d connections", h.name, a.said, a.filled, a.again, a.lost, h.stats().Connects)
	}
	again := all["killed again"]
	require.NotNil(t, again)
	fmt.Fprintf(&table, "\nkilled again, %d times, of 3 clients: said %s; good %s", kills, percentiles(again.seen), percentiles(again.back))
	t.Log(table.String())
	for _, took := range all {
		took.judge(t, mostSilent, mostAway)
	}
}
