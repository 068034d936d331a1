package snmp_test

import (
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
	"github.com/fieldtap/fieldtap/internal/wirefault"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rerecord makes the recordings anew, of the driver and an agent with a fault that are
// joined by sockets, in real time:
//
//	go test ./drivers/snmp -run TestWire -record
var rerecord = flag.Bool("record", false, "make the recordings of connections anew")

// wireFault is trouble as it is met in the field, recorded once and played to the driver
// since.
type wireFault struct {
	wirefault.Fault
	fault snmptest.Fault
}

const (
	wireTimeout = 60 * time.Millisecond
	wireObjects = private + ".7"

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
			Fault: wirefault.Fault{
				File: "late.pcapng", Polls: 6,
				Judge: func(r *wirefault.Run) []string {
					return append(r.Values(100, 200, 0, 400, 500, 600), r.Rate(1, wireTimeout/2)...)
				},
				Naive: func(_ context.Context, conn net.Conn) (wirefault.Reading, error) {
					// It does not look at the request id.
					p, _, err := wireAsk(conn, time.Now().Add(wireTimeout))
					if errors.Is(err, os.ErrDeadlineExceeded) {
						return wirefault.Reading{}, nil
					}
					return p, err
				},
				Caught: "poll 4 has the value 300, want 400",
			},
			fault: snmptest.Chain(
				snmptest.Nth(3, snmptest.Late(wirefault.Interval+20*time.Millisecond)),
				snmptest.Nth(4, snmptest.Late(40*time.Millisecond))),
		},
		// The agent is gone without a word from the third request on, and back for
		// the seventh.
		"silent agent": {
			Fault: wirefault.Fault{
				File: "silent.pcapng", Polls: 10,
				Judge: func(r *wirefault.Run) []string {
					return slices.Concat(
						r.Values(100, 200, 0, 0, 0, 0, 700, 800, 900, 1000),
						r.Silence(2*wirefault.Interval, wirefault.Interval+wireTimeout),
						// 1 s, less a fifth at most
						r.BackOff(2, 800*time.Millisecond, wirefault.Pauses{First: 1, Each: 1}))
				},
				Naive: func(ctx context.Context, conn net.Conn) (wirefault.Reading, error) {
					// It waits as long as the system does.
					stop := context.AfterFunc(ctx, func() { conn.Close() })
					defer stop()
					p, _, err := wireAsk(conn, time.Time{})
					return p, err
				},
				Caught: "silence since 200ms",
			},
			fault: func(x *snmptest.Exchange) { x.Drop = x.N >= 3 && x.N <= 6 },
		},
		// From the second request on the agent has an error in place of an answer.
		"error storm": {
			Fault: wirefault.Fault{
				File: "errors.pcapng", Polls: 8,
				Judge: func(r *wirefault.Run) []string {
					return append(r.Values(100, 0, 0, 0, 0, 0, 0, 0), r.Rate(3, wireTimeout/2)...)
				},
				Naive: func(ctx context.Context, conn net.Conn) (wirefault.Reading, error) {
					// It asks again until it has an answer.
					for end := time.Now().Add(wireTimeout); ; {
						p, refused, err := wireAsk(conn, end)
						if errors.Is(err, os.ErrDeadlineExceeded) {
							return wirefault.Reading{}, nil
						}
						if err != nil || !refused {
							return p, err
						}
					}
				},
				// The driver has asked for each object by itself.
				Caught: "request differs from the recorded request",
			},
			fault: snmptest.From(2, func(x *snmptest.Exchange) {
				x.Reply.PDU.Status, x.Reply.PDU.Bindings = snmptest.GenErr, x.Request.PDU.Bindings
			}),
		},
	}
}

// drive polls with the driver as often as was recorded.
func (f wireFault) drive(t *testing.T, r *wirefault.Run, community acquire.Secret, dial wirefault.Dial) {
	src, err := snmp.NewSource(snmp.Config{
		Name: "agent", Community: community, Catalog: acquire.NewCatalog(), Dial: r.Watch(dial),
		Interval: wirefault.Interval, Timeout: wireTimeout, Retries: -1,
		Points: []snmp.Point{
			{Name: "count", OID: wireObjects + ".1.0", Type: snmp.Uint32},
			{Name: "check", OID: wireObjects + ".2.0", Type: snmp.Uint32},
		},
	})
	require.NoError(t, err)
	r.Follow(t, src, f.Polls, r.Pair)
}

// wireAsk sends the request of the recordings and takes what comes for its answer.
func wireAsk(conn net.Conn, until time.Time) (p wirefault.Reading, refused bool, err error) {
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
	return wirefault.Reading{Good: err == nil, N: uint64(value)}, m.PDU.ErrorStatus != 0, nil
}

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
	dial := func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", agent.Address())
	}
	f.Record(t, wire.Link{Name: "agent", Protocol: wire.SNMP{}}, dial, func(r *wirefault.Run, dial wirefault.Dial) {
		f.drive(t, r, wireCommunity, dial)
	})
}

func TestWireFaults(t *testing.T) {
	for name, f := range wireFaults() {
		t.Run(name, func(t *testing.T) {
			if *rerecord {
				f.record(t)
			}
			raw, err := os.ReadFile(f.Path())
			require.NoError(t, err)
			assert.NotContains(t, string(raw), wireCommunity)
			f.Test(t, wirefault.Client{
				Protocol: wire.SNMP{},
				Drive: func(t *testing.T, r *wirefault.Run, peer *wire.Peer) {
					f.drive(t, r, otherCommunity, peer.Dial)
				},
			})
		})
	}
}
