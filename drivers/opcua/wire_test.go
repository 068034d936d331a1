package opcua_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
	"github.com/fieldtap/fieldtap/internal/uabin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rerecord makes the recordings anew, of the driver and a server with a fault that are
// joined by sockets, in real time:
//
//	go test ./drivers/opcua -run TestWire -record
var rerecord = flag.Bool("record", false, "make the recordings of connections anew")

// wireFault is trouble as it is met in the field, recorded once and played to the driver
// since. What a client made of it is judged, and the judge is judged by a client that
// lacks the guard.
type wireFault struct {
	file   string
	polls  int // that were recorded
	fault  opcuatest.Fault
	judge  func(*wireRun) []string
	naive  func(context.Context, *blunderer) (wireReading, error) // one poll
	caught string                                                 // what the judge says of it
}

const (
	wireInterval = 100 * time.Millisecond
	wireTimeout  = 80 * time.Millisecond
)

func wireFaults() map[string]wireFault {
	return map[string]wireFault{
		// The answer to the fourth poll comes after its deadline, while the fifth waits
		// for its own.
		"late answer": {
			file: "late.pcapng", polls: 7,
			fault: opcuatest.On("Read", opcuatest.Nth(5, opcuatest.Delay(wireInterval+30*time.Millisecond))),
			judge: func(r *wireRun) []string {
				return append(r.values(1, 2, 3, 0, 5, 6, 7), r.rate(1)...)
			},
			naive: func(_ context.Context, c *blunderer) (wireReading, error) {
				// It does not look at the request id.
				p, _, err := c.ask(time.Now().Add(wireTimeout))
				if errors.Is(err, os.ErrDeadlineExceeded) {
					return wireReading{}, nil
				}
				return p, err
			},
			caught: "poll 5 has the value 4, want 5",
		},
		// After the third poll the server says nothing more on this connection.
		"half-open link": {
			file: "half-open.pcapng", polls: 8,
			fault: opcuatest.On("Read", opcuatest.After(4, func(x *opcuatest.Exchange) { x.Drop = x.Conn == 2 })),
			judge: func(r *wireRun) []string {
				return slices.Concat(
					r.values(1, 2, 3, 0, 0, 0, 6, 7),
					r.silence(3*wireInterval, wireInterval+wireTimeout),
					r.backOff(2, 800*time.Millisecond)) // 1 s, less a fifth at most
			},
			naive: func(ctx context.Context, c *blunderer) (wireReading, error) {
				// It waits as long as the system does.
				stop := context.AfterFunc(ctx, func() { c.conn.Close() })
				defer stop()
				p, _, err := c.ask(time.Time{})
				return p, err
			},
			caught: "silence since 300ms",
		},
		// From the fourth poll on the server has a fault in place of an answer.
		"fault storm": {
			file: "faults.pcapng", polls: 9,
			fault: opcuatest.On("Read", opcuatest.After(4, opcuatest.Failing(0x80EE0000))), // Bad_ServerTooBusy
			judge: func(r *wireRun) []string {
				return append(r.values(1, 2, 3, 0, 0, 0, 0, 0, 0), r.rate(1)...)
			},
			naive: func(_ context.Context, c *blunderer) (wireReading, error) {
				// It asks again until it has an answer.
				for end := time.Now().Add(wireTimeout); ; {
					p, refused, err := c.ask(end)
					if errors.Is(err, os.ErrDeadlineExceeded) {
						return wireReading{}, nil
					}
					if err != nil || !refused {
						return p, err
					}
				}
			},
			caught: "want 1 at most",
		},
	}
}

// wireRun is what a client has made of a recording.
type wireRun struct {
	polls []wireReading
	asked []time.Duration // when polls were sent

	mu    sync.Mutex
	sent  []time.Duration // when it has sent requests
	dials []time.Duration // when it has dialled
}

// wireReading is what one poll has brought.
type wireReading struct {
	at   time.Duration // since the beginning
	good bool
	n    uint64 // how often the value had been read; only if good
}

// values says what is wrong with the values of polls, of which 0 is to have none.
func (r *wireRun) values(want ...uint64) (wrong []string) {
	if len(r.polls) != len(want) {
		wrong = append(wrong, fmt.Sprintf("%d polls, want %d", len(r.polls), len(want)))
	}
	for i, p := range r.polls[:min(len(r.polls), len(want))] {
		switch n := want[i]; {
		case p.good && n == 0:
			wrong = append(wrong, fmt.Sprintf("poll %d has the value %d, want none", i+1, p.n))
		case p.good && p.n != n:
			wrong = append(wrong, fmt.Sprintf("poll %d has the value %d, want %d", i+1, p.n, n))
		case !p.good && n != 0:
			wrong = append(wrong, fmt.Sprintf("poll %d has no value, want %d", i+1, n))
		}
	}
	return wrong
}

// rate says where more requests were sent within an interval than most.
func (r *wireRun) rate(most int) (wrong []string) {
	for i, from := range r.asked {
		n := 0
		for _, at := range r.asked[i:] {
			if at-from < wireInterval-wireTimeout/2 {
				n++
			}
		}
		if n > most {
			return []string{fmt.Sprintf("%d requests within %v, want %d at most", n, wireInterval, most)}
		}
	}
	return nil
}

// silence says whether the silence from a time on was told within some time.
func (r *wireRun) silence(from, within time.Duration) (wrong []string) {
	for _, p := range r.polls {
		if !p.good && p.at >= from && p.at <= from+within {
			return nil
		}
	}
	return []string{fmt.Sprintf("silence since %v was not told within %v", from, within)}
}

// backOff says whether there were so many logins, of two connections each, with so much
// time in between.
func (r *wireRun) backOff(times int, least time.Duration) (wrong []string) {
	if len(r.dials) != 2*times {
		wrong = append(wrong, fmt.Sprintf("%d connections, want %d", len(r.dials), 2*times))
	}
	for i := 2; i < len(r.dials); i += 2 {
		if d := r.dials[i] - r.dials[i-1]; d < least {
			wrong = append(wrong, fmt.Sprintf("connection %d after %v, want %v at least", i+1, d, least))
		}
	}
	return wrong
}

// requests returns when requests were sent so far.
func (r *wireRun) requests() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// watch lets r know when dial is called and when its connections send.
func (r *wireRun) watch(dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	start := time.Now()
	return func(ctx context.Context) (net.Conn, error) {
		r.mu.Lock()
		r.dials = append(r.dials, time.Since(start))
		r.mu.Unlock()
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return &wireConn{conn, r, start}, nil
	}
}

type wireConn struct {
	net.Conn
	run   *wireRun
	start time.Time
}

func (w *wireConn) Write(b []byte) (int, error) {
	w.run.mu.Lock()
	w.run.sent = append(w.run.sent, time.Since(w.start))
	w.run.mu.Unlock()
	return w.Conn.Write(b)
}

// drive polls with the driver as often as was recorded.
func (f wireFault) drive(t *testing.T, now func() time.Time, dial func(context.Context) (net.Conn, error)) *wireRun {
	r := &wireRun{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // else Reconnect goes on for ever
	defer cancel()
	src, err := opcua.NewSource(opcua.Config{
		Client: opcua.ClientConfig{
			Endpoint: "opc.tcp://plant.example", Policies: []opcua.Policy{opcua.PolicyNone},
			Timeout: wireTimeout, Now: now, Dial: r.watch(dial),
		},
		Name: "server", Catalog: acquire.NewCatalog(), PollInterval: wireInterval,
		Points: []opcua.Point{{Name: "count", Node: "ns=2;s=Count", Kind: acquire.KindInt64, Poll: true}},
	})
	require.NoError(t, err)
	stream, err := acquire.Reconnect(src, acquire.Backoff{}).Open(ctx)
	require.NoError(t, err)
	defer stream.Close()
	start, login := time.Time{}, 0
	var b acquire.Batch
	for len(r.polls) < f.polls {
		require.NoError(t, stream.Next(ctx, &b))
		if start.IsZero() {
			start, login = time.Now(), len(r.requests())-1 // the last one was the first poll
		}
		for _, s := range b.Samples {
			n, _ := s.Value.Int64()
			r.polls = append(r.polls, wireReading{at: time.Since(start), good: s.Quality.IsGood(), n: uint64(n)})
		}
	}
	r.asked = r.requests()[login:]
	return r
}

// blunderer is a client that logs in and asks in the words of the recorded driver.
type blunderer struct {
	conn  net.Conn
	words [][]byte // what the driver sent
}

// blunder polls with a client that lacks the guard.
func (f wireFault) blunder(t *testing.T, recording *wire.Recording, dial func(context.Context) (net.Conn, error)) *wireRun {
	r := &wireRun{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	session := slices.IndexFunc(recording.Conversations, func(c wire.Conversation) bool { return len(c.Events) > 20 })
	require.Equal(t, 1, session, "the first connection is that of a discovery")
	discovery, err := dial(ctx)
	require.NoError(t, err)
	require.NoError(t, discovery.Close())
	c := &blunderer{}
	for _, e := range recording.Conversations[session].Events {
		if e.Kind == wire.Sent {
			c.words = append(c.words, e.Data)
		}
	}
	c.conn, err = r.watch(dial)(ctx)
	require.NoError(t, err)
	defer c.conn.Close()
	for _, expect := range []string{"ACK", "OPN", "MSG", "MSG", "MSG", "MSG"} { // the last ones: session, limits
		answer, err := c.exchange(time.Now().Add(time.Second))
		require.NoError(t, err)
		require.Equal(t, expect, string(answer[:3]))
	}
	start := time.Now()
	r.sent = nil
	for i := range f.polls {
		<-time.After(time.Duration(i)*wireInterval - time.Since(start))
		p, err := f.naive(ctx, c)
		r.asked = r.requests()
		if err != nil {
			return r
		}
		p.at = time.Since(start)
		r.polls = append(r.polls, p)
	}
	return r
}

// exchange sends the next words and takes the chunk that comes for the answer.
func (c *blunderer) exchange(until time.Time) ([]byte, error) {
	if len(c.words) == 0 {
		return nil, io.EOF
	}
	if err := c.conn.SetReadDeadline(until); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(c.words[0]); err != nil {
		return nil, err
	}
	c.words = c.words[1:]
	chunk := make([]byte, 8)
	if _, err := io.ReadFull(c.conn, chunk); err != nil {
		return nil, err
	}
	chunk = append(chunk, make([]byte, binary.LittleEndian.Uint32(chunk[4:])-8)...)
	_, err := io.ReadFull(c.conn, chunk[8:])
	return chunk, err
}

// ask asks for the value.
func (c *blunderer) ask(until time.Time) (p wireReading, refused bool, err error) {
	chunk, err := c.exchange(until)
	if err != nil {
		return p, false, err
	}
	r := uabin.NewReader(chunk[24:])
	if h := r.Header(); h.ID == uabin.ServiceFaultID {
		return p, true, r.Err()
	}
	r.Count(1)
	v := r.DataValue()
	return wireReading{good: r.Err() == nil, n: v.Value.Bits}, false, r.Err()
}

func (f wireFault) path() string { return filepath.Join("testdata", "wire", f.file) }

// record makes the recording.
func (f wireFault) record(t *testing.T) {
	var reads atomic.Int64
	server, err := opcuatest.Start(opcuatest.Config{
		Fault: f.fault,
		Variables: []opcuatest.Variable{{
			ID: "ns=2;s=Count", Name: "Count", DataType: "i=8",
			Read: func(at time.Time) opcuatest.Reading { return opcuatest.Reading{Value: reads.Add(1), Source: at} },
		}},
	})
	require.NoError(t, err)
	defer server.Close()
	reads.Store(0)
	require.NoError(t, os.MkdirAll(filepath.Dir(f.path()), 0o777))
	file, err := os.Create(f.path())
	require.NoError(t, err)
	recorder, err := wire.NewRecorder(file, wire.Config{Name: t.Name()})
	require.NoError(t, err)
	link := wire.Link{Name: "server", Protocol: wire.OPCUA{}}
	f.drive(t, nil, recorder.Dial(link, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Address())
	}))
	require.NoError(t, recorder.Close())
	require.NoError(t, file.Close())
	assert.Zero(t, recorder.Stats().Dropped)
}

func TestWireFaults(t *testing.T) {
	for name, f := range wireFaults() {
		t.Run(name, func(t *testing.T) {
			if *rerecord {
				f.record(t)
			}
			recording, err := wire.Open(f.path())
			require.NoError(t, err)
			t.Run("driver", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					peer := wire.NewPeer(wire.OPCUA{}, recording.Conversations)
					defer func() {
						assert.NoError(t, peer.Err(), "a driver that says something else needs new recordings: see rerecord")
					}()
					r := f.drive(t, peer.Now, peer.Dial)
					assert.Empty(t, f.judge(r))
					played, beyond := peer.Progress()
					assert.Equal(t, len(r.requests()), played, "requests")
					assert.Zero(t, beyond, "requests")
					assert.Zero(t, peer.Left(), "conversations")
				})
			})
			t.Run("without the guard", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					peer := wire.NewPeer(wire.OPCUA{}, recording.Conversations)
					wrong := f.judge(f.blunder(t, recording, peer.Dial))
					assert.Contains(t, fmt.Sprint(wrong), f.caught)
				})
			})
		})
	}
}
