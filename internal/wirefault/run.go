package wirefault

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Interval is how often clients poll.
const Interval = 100 * time.Millisecond

// limit ends what would go on for ever, such as Reconnect.
const limit = time.Minute

// Dial makes a connection.
type Dial = func(context.Context) (net.Conn, error)

// Reading is what one poll has brought. The zero value is none.
type Reading struct {
	Good bool   // whether there was a value
	N    uint64 // the value; only if Good
}

// Run is what a client has made of a recording. Make one with NewRun.
type Run struct {
	start time.Time
	polls []poll
	login int         // requests before the first poll
	asked []time.Time // when requests were sent, from login to the end of the polls

	mu    sync.Mutex
	sent  []time.Time
	dials []time.Time
}

type poll struct {
	at time.Duration // since the start
	Reading
}

// NewRun returns a Run that starts now.
func NewRun() *Run { return &Run{start: time.Now()} }

// Restart lets the time of polls count from now, and leaves the first requests, as many
// as login, out of Rate: the client has logged in with them.
func (r *Run) Restart(login int) { r.start, r.login = time.Now(), login }

// Add notes a poll that has ended now.
func (r *Run) Add(p Reading) { r.polls = append(r.polls, poll{time.Since(r.start), p}) }

// Sent returns how many requests were sent so far.
func (r *Run) Sent() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sent)
}

// Watch lets r know when dial is called and when its connections send.
func (r *Run) Watch(dial Dial) Dial {
	return func(ctx context.Context) (net.Conn, error) {
		r.mu.Lock()
		r.dials = append(r.dials, time.Now())
		r.mu.Unlock()
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return &watched{conn, r}, nil
	}
}

type watched struct {
	net.Conn
	run *Run
}

func (w *watched) Write(b []byte) (int, error) {
	w.run.mu.Lock()
	w.run.sent = append(w.run.sent, time.Now())
	w.run.mu.Unlock()
	return w.Conn.Write(b)
}

// Follow reads src, connecting as often as it takes, until there are so many polls. Each
// batch goes to take, which adds them.
func (r *Run) Follow(t *testing.T, src acquire.Source, polls int, take func(*testing.T, *acquire.Batch)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	stream, err := acquire.Reconnect(src, acquire.Backoff{}).Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var b acquire.Batch
	for len(r.polls) < polls {
		if err := stream.Next(ctx, &b); err != nil {
			t.Fatal(err)
		}
		take(t, &b)
	}
	r.end()
}

// end notes that all polls are done: what is sent later takes leave.
func (r *Run) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = slices.Clone(r.sent[r.login:])
}

// Pair adds a batch as one poll of two points, of which the second is to have one more
// than the first.
func (r *Run) Pair(t *testing.T, b *acquire.Batch) {
	t.Helper()
	if len(b.Samples) == 0 { // the connection is being made
		return
	}
	p := Reading{Good: true}
	for _, s := range b.Samples {
		p.Good = p.Good && s.Quality.IsGood()
	}
	if p.Good && len(b.Samples) == 2 {
		count, _ := b.Samples[0].Value.Uint64()
		check, _ := b.Samples[1].Value.Uint64()
		if check != count+1 {
			t.Errorf("%d and %d are not of one reading", count, check)
		}
		p.N = count
	}
	r.Add(p)
}

// Values says what is wrong with the values of polls, of which 0 is to have none.
func (r *Run) Values(want ...uint64) (wrong []string) {
	if len(r.polls) != len(want) {
		wrong = append(wrong, fmt.Sprintf("%d polls, want %d", len(r.polls), len(want)))
	}
	for i, p := range r.polls[:min(len(r.polls), len(want))] {
		switch n := want[i]; {
		case p.Good && n == 0:
			wrong = append(wrong, fmt.Sprintf("poll %d has the value %d, want none", i+1, p.N))
		case p.Good && p.N != n:
			wrong = append(wrong, fmt.Sprintf("poll %d has the value %d, want %d", i+1, p.N, n))
		case !p.Good && n != 0:
			wrong = append(wrong, fmt.Sprintf("poll %d has no value, want %d", i+1, n))
		}
	}
	return wrong
}

// Rate says where polls have sent more requests within an Interval, less some slack, than
// most.
func (r *Run) Rate(most int, slack time.Duration) (wrong []string) {
	for i, from := range r.asked {
		n := 0
		for _, at := range r.asked[i:] {
			if at.Sub(from) < Interval-slack {
				n++
			}
		}
		if n > most {
			return []string{fmt.Sprintf("%d requests within %v, want %d at most", n, Interval, most)}
		}
	}
	return nil
}

// Silence says whether the silence from a time on was told within some time.
func (r *Run) Silence(from, within time.Duration) (wrong []string) {
	for _, p := range r.polls {
		if !p.Good && p.at >= from && p.at <= from+within {
			return nil
		}
	}
	return []string{fmt.Sprintf("silence since %v was not told within %v", from, within)}
}

// Pauses says in front of which connections, counted from 0, a client is to wait.
type Pauses struct {
	First int // the first such
	Each  int // from one to the next
}

// BackOff says whether the device was dialled so often, with so much time in the pauses.
func (r *Run) BackOff(times int, least time.Duration, pauses Pauses) (wrong []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.dials) != times {
		wrong = append(wrong, fmt.Sprintf("%d connections, want %d", len(r.dials), times))
	}
	for i := pauses.First; i < len(r.dials); i += pauses.Each {
		if d := r.dials[i].Sub(r.dials[i-1]); d < least {
			wrong = append(wrong, fmt.Sprintf("connection %d after %v, want %v at least", i+1, d, least))
		}
	}
	return wrong
}
