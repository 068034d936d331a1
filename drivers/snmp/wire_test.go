package snmp_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rerecord makes the recordings anew, of the driver and an agent with a fault that are
// joined by sockets, in real time:
//
//	go test ./drivers/snmp -run TestWire -record
var rerecord = flag.Bool("record", false, "make the recordings of connections anew")

// wireFault is trouble as it is met in the field, recorded once and played to the driver
// since. What a client made of it is judged, and the judge is judged by a client that
// lacks the guard.
type wireFault struct {
	file   string
	polls  int // that were recorded
	fault  snmptest.Fault
	judge  func(wireRun) []string
	naive  func(context.Context, net.Conn) (wireReading, error) // one poll
	caught string                                               // what the judge says of it
}

const (
	wireInterval = 100 * time.Millisecond
	wireTimeout  = 60 * time.Millisecond
	wireObjects  = private + ".7"

	// The community of the recordings, of which nothing must be in them, and that of
	// the driver they are played to.
	wireCommunity  = "canary-5b1d93"
	otherCommunity = "of another agent"
)

func wireFaults() map[string]wireFault {
	return map[string]wireFault{
		// The answer to the third request comes after its deadline, while the fourth
		// waits for its own.
		"late answer": {
			file: "late.pcapng", polls: 6,
			fault: snmptest.Chain(
				snmptest.Nth(3, snmptest.Late(wireInterval+20*time.Millisecond)),
				snmptest.Nth(4, snmptest.Late(40*time.Millisecond))),
			judge: func(r wireRun) []string {
				return append(r.values(1, 2, 0, 4, 5, 6), r.rate(1)...)
			},
			naive: func(_ context.Context, conn net.Conn) (wireReading, error) {
				// It does not look at the request id.
				p, _, err := wireAsk(conn, time.Now().Add(wireTimeout))
				if errors.Is(err, os.ErrDeadlineExceeded) {
					return wireReading{}, nil
				}
				return p, err
			},
			caught: "poll 4 has the value 300, want 400",
		},
		// The agent is gone without a word from the third request on, and back for
		// the seventh.
		"silent agent": {
			file: "silent.pcapng", polls: 10,
			fault: func(x *snmptest.Exchange) { x.Drop = x.N >= 3 && x.N <= 6 },
			judge: func(r wireRun) []string {
				return slices.Concat(
					r.values(1, 2, 0, 0, 0, 0, 7, 8, 9, 10),
					r.silence(2*wireInterval, wireInterval+wireTimeout),
					r.backOff(2, 800*time.Millisecond)) // 1 s, less a fifth at most
			},
			naive: func(ctx context.Context, conn net.Conn) (wireReading, error) {
				// It waits as long as the system does.
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				defer stop()
				p, _, err := wireAsk(conn, time.Time{})
				return p, err
			},
			caught: "silence since 200ms",
		},
		// From the second request on the agent has an error in place of an answer.
		"error storm": {
			file: "errors.pcapng", polls: 8,
			fault: snmptest.From(2, func(x *snmptest.Exchange) {
				x.Reply.PDU.Status, x.Reply.PDU.Bindings = snmptest.GenErr, x.Request.PDU.Bindings
			}),
			judge: func(r wireRun) []string {
				return append(r.values(1, 0, 0, 0, 0, 0, 0, 0), r.rate(3)...)
			},
			naive: func(ctx context.Context, conn net.Conn) (wireReading, error) {
				// It asks again until it has an answer.
				for end := time.Now().Add(wireTimeout); ; {
					p, refused, err := wireAsk(conn, end)
					if errors.Is(err, os.ErrDeadlineExceeded) {
						return wireReading{}, nil
					}
					if err != nil || !refused {
						return p, err
					}
				}
			},
			// The driver has asked for each object by itself.
			caught: "request differs from the recorded request",
		},
	}
}

// wireRun is what a client has made of a recording.
type wireRun struct {
	polls []wireReading
	sent  []time.Duration // when it has sent requests
	dials []time.Duration // when it has dialled
}

// wireReading is what one poll has brought.
type wireReading struct {
	at   time.Duration // since the beginning
	good bool
	n    uint64 // the number of the request that was answered, times 100; only if good
}

// values says what is wrong with the values of polls, of which 0 is to have none.
func (r wireRun) values(want ...uint64) (wrong []string) {
	if len(r.polls) != len(want) {
		wrong = append(wrong, fmt.Sprintf("%d polls, want %d", len(r.polls), len(want)))
	}
	for i, p := range r.polls[:min(len(r.polls), len(want))] {
		switch n := want[i] * 100; {
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
func (r wireRun) rate(most int) (wrong []string) {
	for i, from := range r.sent {
		n := 0
		for _, at := range r.sent[i:] {
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
func (r wireRun) silence(from, within time.Duration) (wrong []string) {
	for _, p := range r.polls {
		if !p.good && p.at >= from && p.at <= from+within {
			return nil
		}
	}
	return []string{fmt.Sprintf("silence since %v was not told within %v", from, within)}
}

// backOff says whether the agent was dialled so often, with so much time after it was
// given up.
func (r wireRun) backOff(times int, least time.Duration) (wrong []string) {
	if len(r.dials) != times {
		wrong = append(wrong, fmt.Sprintf("%d connections, want %d", len(r.dials), times))
	}
	for i := 1; i < len(r.dials); i++ {
		if d := r.dials[i] - r.dials[i-1]; d < least {
			wrong = append(wrong, fmt.Sprintf("connection %d after %v, want %v at least", i+1, d, least))
		}
	}
	return wrong
}

// watch lets r know when dial is called and when its connections send.
func (r *wireRun) watch(dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	start := time.Now()
	return func(ctx context.Context) (net.Conn, error) {
		r.dials = append(r.dials, time.Since(start))
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
	w.run.sent = append(w.run.sent, time.Since(w.start))
	return w.Conn.Write(b)
}

// drive polls with the driver as often as was recorded.
func (f wireFault) drive(t *testing.T, community acquire.Secret, dial func(context.Context) (net.Conn, error)) (r wireRun) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // else Reconnect goes on for ever
	defer cancel()
	src, err := snmp.NewSource(snmp.Config{
		Name: "agent", Community: community, Catalog: acquire.NewCatalog(), Dial: r.watch(dial),
		Interval: wireInterval, Timeout: wireTimeout, Retries: -1,
		Points: []snmp.Point{
			{Name: "count", OID: wireObjects + ".1.0", Type: snmp.Uint32},
			{Name: "check", OID: wireObjects + ".2.0", Type: snmp.Uint32},
		},
	})
	require.NoError(t, err)
	stream, err := acquire.Reconnect(src, acquire.Backoff{}).Open(ctx)
	require.NoError(t, err)
	defer stream.Close()
	var b acquire.Batch
	for len(r.polls) < f.polls {
		require.NoError(t, stream.Next(ctx, &b))
		if len(b.Samples) == 0 { // the connection is being made
			continue
		}
		p := wireReading{at: time.Since(start), good: true}
		for _, s := range b.Samples {
			p.good = p.good && s.Quality.IsGood()
		}
		if p.good && len(b.Samples) == 2 {
			count, _ := b.Samples[0].Value.Uint64()
			check, _ := b.Samples[1].Value.Uint64()
			assert.Equal(t, count+1, check, "both of one reading")
			p.n = count
		}
		r.polls = append(r.polls, p)
	}
	return r
}

// blunder polls with a client that lacks the guard.
func (f wireFault) blunder(t *testing.T, dial func(context.Context) (net.Conn, error)) (r wireRun) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := r.watch(dial)(ctx)
	require.NoError(t, err)
	defer conn.Close()
	for i := range f.polls {
		<-time.After(time.Duration(i)*wireInterval - time.Since(start))
		p, err := f.naive(ctx, conn)
		if err != nil {
			return r
		}
		p.at = time.Since(start)
		r.polls = append(r.polls, p)
	}
	return r
}

// wireAsk sends the request of the recordings and takes what comes for its answer.
func wireAsk(conn net.Conn, until time.Time) (p wireReading, refused bool, err error) {
	var names []byte
	for _, oid := range []string{wireObjects + ".1.0", wireObjects + ".2.0"} {
		name, err := snmpwire.AppendOID(nil, oid)
		if err != nil {
			return p, false, err
		}
		names = snmpwire.AppendQuery(names, name)
	}
	m := snmpwire.Message{Version: snmpwire.V2c, Community: []byte(otherCommunity), PDU: snmpwire.PDU{
		Type: snmpwire.ReadRequest, RequestID: 1, Bindings: names,
	}}
	if err := conn.SetReadDeadline(until); err != nil {
		return p, false, err
	}
	if _, err := conn.Write(m.Append(nil)); err != nil {
		return p, false, err
	}
	b := make([]byte, 1500)
	n, err := conn.Read(b)
	if err != nil {
		return p, false, err
	}
	if err := m.Parse(b[:n]); err != nil {
		return p, false, err
	}
	first, _, err := snmpwire.NextBinding(m.PDU.Bindings)
	if err != nil {
		return p, false, err
	}
	value, err := snmpwire.Uint32(first.Value)
	return wireReading{good: err == nil, n: uint64(value)}, m.PDU.ErrorStatus != 0, nil
}

func (f wireFault) path() string { return filepath.Join("testdata", "wire", f.file) }

// record makes the recording.
func (f wireFault) record(t *testing.T) {
	mib, err := snmptest.NewMIB(snmptest.Objects{
		wireObjects + ".1.0": snmptest.Gauge32(0), wireObjects + ".2.0": snmptest.Gauge32(0),
	})
	require.NoError(t, err)
	numbered := func(x *snmptest.Exchange) {
		for i := range x.Reply.PDU.Bindings {
			x.Reply.PDU.Bindings[i].Value = snmptest.Gauge32(uint32(x.N*100 + i))
		}
	}
	agent, err := snmptest.Start(snmptest.Config{
		Communities: map[string]*snmptest.MIB{wireCommunity: mib}, Fault: snmptest.Chain(numbered, f.fault),
	})
	require.NoError(t, err)
	defer agent.Close()
	require.NoError(t, os.MkdirAll(filepath.Dir(f.path()), 0o777))
	file, err := os.Create(f.path())
	require.NoError(t, err)
	recorder, err := wire.NewRecorder(file, wire.Config{Name: t.Name()})
	require.NoError(t, err)
	link := wire.Link{Name: "agent", Protocol: wire.SNMP{}}
	f.drive(t, wireCommunity, recorder.Dial(link, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", agent.Address())
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
			raw, err := os.ReadFile(f.path())
			require.NoError(t, err)
			assert.NotContains(t, string(raw), wireCommunity)
			recording, err := wire.Open(f.path())
			require.NoError(t, err)
			t.Run("driver", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					peer := wire.NewPeer(wire.SNMP{}, recording.Conversations)
					defer func() {
						assert.NoError(t, peer.Err(), "a driver that says something else needs new recordings: see rerecord")
					}()
					r := f.drive(t, otherCommunity, peer.Dial)
					assert.Empty(t, f.judge(r))
					played, beyond := peer.Progress()
					assert.Equal(t, len(r.sent), played, "requests")
					assert.Zero(t, beyond, "requests")
					assert.Zero(t, peer.Left(), "conversations")
				})
			})
			t.Run("without the guard", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					peer := wire.NewPeer(wire.SNMP{}, recording.Conversations)
					wrong := f.judge(f.blunder(t, peer.Dial))
					assert.Contains(t, fmt.Sprint(wrong, peer.Err()), f.caught)
				})
			})
		})
	}
}
