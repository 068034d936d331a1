package opcua_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
	"github.com/fieldtap/fieldtap/internal/uabin"
	"github.com/fieldtap/fieldtap/internal/wirefault"
	"github.com/stretchr/testify/require"
)

// rerecord makes the recordings anew, of the driver and a server with a fault that are
// joined by sockets, in real time:
//
//	go test ./drivers/opcua -run TestWire -record
var rerecord = flag.Bool("record", false, "make the recordings of connections anew")

// wireFault is trouble as it is met in the field, recorded once and played to the driver
// since.
type wireFault struct {
	wirefault.Fault
	fault opcuatest.Fault
}

const wireTimeout = 80 * time.Millisecond

func wireFaults() map[string]wireFault {
	return map[string]wireFault{
		// The answer to the fourth poll comes after its deadline, while the fifth waits
		// for its own.
		"late answer": {
			Fault: wirefault.Fault{
				File: "late.pcapng", Polls: 7,
				Judge: func(r *wirefault.Run) []string {
					return append(r.Values(1, 2, 3, 0, 5, 6, 7), r.Rate(1, wireTimeout/2)...)
				},
				Naive: func(_ context.Context, conn net.Conn) (wirefault.Reading, error) {
					// It does not look at the request id.
					p, _, err := ask(conn, time.Now().Add(wireTimeout))
					if errors.Is(err, os.ErrDeadlineExceeded) {
						return wirefault.Reading{}, nil
					}
					return p, err
				},
				Caught: "poll 5 has the value 4, want 5",
			},
			fault: opcuatest.On("Read", opcuatest.Nth(5, opcuatest.Delay(wirefault.Interval+30*time.Millisecond))),
		},
		// After the third poll the server says nothing more on this connection.
		"half-open link": {
			Fault: wirefault.Fault{
				File: "half-open.pcapng", Polls: 8,
				Judge: func(r *wirefault.Run) []string {
					return slices.Concat(
						r.Values(1, 2, 3, 0, 0, 0, 6, 7),
						r.Silence(3*wirefault.Interval, wirefault.Interval+wireTimeout),
						// 1 s, less a fifth at most. A login takes two connections.
						r.BackOff(4, 800*time.Millisecond, wirefault.Pauses{First: 2, Each: 2}))
				},
				Naive: func(ctx context.Context, conn net.Conn) (wirefault.Reading, error) {
					// It waits as long as the system does.
					stop := context.AfterFunc(ctx, func() { conn.Close() })
					defer stop()
					p, _, err := ask(conn, time.Time{})
					return p, err
				},
				Caught: "silence since 300ms",
			},
			fault: opcuatest.On("Read", opcuatest.After(4, func(x *opcuatest.Exchange) { x.Drop = x.Conn == 2 })),
		},
		// From the fourth poll on the server has a fault in place of an answer.
		"fault storm": {
			Fault: wirefault.Fault{
				File: "faults.pcapng", Polls: 9,
				Judge: func(r *wirefault.Run) []string {
					return append(r.Values(1, 2, 3, 0, 0, 0, 0, 0, 0), r.Rate(1, wireTimeout/2)...)
				},
				Naive: func(_ context.Context, conn net.Conn) (wirefault.Reading, error) {
					// It asks again until it has an answer.
					for end := time.Now().Add(wireTimeout); ; {
						p, refused, err := ask(conn, end)
						if errors.Is(err, os.ErrDeadlineExceeded) {
							return wirefault.Reading{}, nil
						}
						if err != nil || !refused {
							return p, err
						}
					}
				},
				Caught: "want 1 at most",
			},
			fault: opcuatest.On("Read", opcuatest.After(4, opcuatest.Failing(0x80EE0000))), // Bad_ServerTooBusy
		},
	}
}

// drive polls with the driver as often as was recorded.
func (f wireFault) drive(t *testing.T, r *wirefault.Run, now func() time.Time, dial wirefault.Dial) {
	src, err := opcua.NewSource(opcua.Config{
		Client: opcua.ClientConfig{
			Endpoint: "opc.tcp://plant.example", Policies: []opcua.Policy{opcua.PolicyNone},
			Timeout: wireTimeout, Now: now, Dial: r.Watch(dial),
		},
		Name: "server", Catalog: acquire.NewCatalog(), PollInterval: wirefault.Interval,
		Points: []opcua.Point{{Name: "count", Node: "ns=2;s=Count", Kind: acquire.KindInt64, Poll: true}},
	})
	require.NoError(t, err)
	first := true
	r.Follow(t, src, f.Polls, func(_ *testing.T, b *acquire.Batch) {
		if first {
			r.Restart(r.Sent() - 1) // the last one was the first poll
			first = false
		}
		for _, s := range b.Samples {
			n, _ := s.Value.Int64()
			r.Add(wirefault.Reading{Good: s.Quality.IsGood(), N: uint64(n)})
		}
	})
}

// blunderer is a client that logs in and asks in the words of the recorded driver.
type blunderer struct {
	net.Conn
	words [][]byte // what the driver sent
}

// login discovers the server and opens a session.
func (f wireFault) login(ctx context.Context, t *testing.T, r *wirefault.Run, dial wirefault.Dial) net.Conn {
	recording, err := wire.Open(f.Path())
	require.NoError(t, err)
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
	c.Conn, err = r.Watch(dial)(ctx)
	require.NoError(t, err)
	for _, expect := range []string{"ACK", "OPN", "MSG", "MSG", "MSG", "MSG"} { // the last ones: session, limits
		answer, err := c.exchange(time.Now().Add(time.Second))
		require.NoError(t, err)
		require.Equal(t, expect, string(answer[:3]))
	}
	return c
}

// exchange sends the next words and takes the chunk that comes for the answer.
func (c *blunderer) exchange(until time.Time) ([]byte, error) {
	if len(c.words) == 0 {
		return nil, io.EOF
	}
	if err := c.SetReadDeadline(until); err != nil {
		return nil, err
	}
	if _, err := c.Write(c.words[0]); err != nil {
		return nil, err
	}
	c.words = c.words[1:]
	chunk := make([]byte, 8)
	if _, err := io.ReadFull(c, chunk); err != nil {
		return nil, err
	}
	chunk = append(chunk, make([]byte, binary.LittleEndian.Uint32(chunk[4:])-8)...)
	_, err := io.ReadFull(c, chunk[8:])
	return chunk, err
}

// ask asks for the value.
func ask(conn net.Conn, until time.Time) (p wirefault.Reading, refused bool, err error) {
	chunk, err := conn.(*blunderer).exchange(until)
	if err != nil {
		return p, false, err
	}
	r := uabin.NewReader(chunk[24:])
	if h := r.Header(); h.ID == uabin.ServiceFaultID {
		return p, true, r.Err()
	}
	r.Count(1)
	v := r.DataValue()
	return wirefault.Reading{Good: r.Err() == nil, N: v.Value.Bits}, false, r.Err()
}

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
	dial := func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Address())
	}
	f.Record(t, wire.Link{Name: "server", Protocol: wire.OPCUA{}}, dial, func(r *wirefault.Run, dial wirefault.Dial) {
		f.drive(t, r, nil, dial)
	})
}

func TestWireFaults(t *testing.T) {
	for name, f := range wireFaults() {
		t.Run(name, func(t *testing.T) {
			if *rerecord {
				f.record(t)
			}
			f.Test(t, wirefault.Client{
				Protocol: wire.OPCUA{},
				Drive:    func(t *testing.T, r *wirefault.Run, peer *wire.Peer) { f.drive(t, r, peer.Now, peer.Dial) },
				Login:    f.login,
			})
		})
	}
}
