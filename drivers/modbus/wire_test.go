package modbus_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"flag"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/internal/wirefault"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rerecord makes the recordings anew, of the driver and a device with a fault that are
// joined by sockets, in real time:
//
//	go test ./drivers/modbus -run TestWire -record
var rerecord = flag.Bool("record", false, "make the recordings of connections anew")

// wireFault is trouble as it is met in the field, recorded once and played to the driver
// since.
type wireFault struct {
	wirefault.Fault
	retries int // Config.Retries
	lost    int // connections that are refused after the first one
	fault   func() modbustest.Fault
}

const wireTimeout = 60 * time.Millisecond

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
					// It does not look at the transaction id.
					answer, err := ask(conn, time.Now().Add(wireTimeout))
					if errors.Is(err, os.ErrDeadlineExceeded) {
						return wirefault.Reading{}, nil
					}
					return answer.reading(), err
				},
				Caught: "poll 4 has the value 300, want 400",
			},
			retries: -1,
			fault: func() modbustest.Fault {
				return modbustest.Chain(
					modbustest.Nth(3, modbustest.Late(wirefault.Interval+20*time.Millisecond)),
					modbustest.Nth(4, modbustest.Late(40*time.Millisecond)))
			},
		},
		// After the second answer the device is gone without a word. Later it refuses
		// connections twice before it is back.
		"half-open link": {
			Fault: wirefault.Fault{
				File: "half-open.pcapng", Polls: 10,
				Judge: func(r *wirefault.Run) []string {
					return slices.Concat(
						r.Values(100, 200, 0, 0, 0, 600, 700, 800, 900, 1000),
						r.Silence(2*wirefault.Interval, wirefault.Interval+wireTimeout),
						// 1 s, less a fifth at most; the first time at once
						r.BackOff(4, 800*time.Millisecond, wirefault.Pauses{First: 2, Each: 1}))
				},
				Naive: func(ctx context.Context, conn net.Conn) (wirefault.Reading, error) {
					// It waits as long as the system does.
					stop := context.AfterFunc(ctx, func() { conn.Close() })
					defer stop()
					answer, err := ask(conn, time.Time{})
					return answer.reading(), err
				},
				Caught: "silence since 200ms",
			},
			retries: -1, lost: 2,
			fault: func() modbustest.Fault {
				n := 0
				return func(x *modbustest.Exchange) {
					if n++; n >= 3 && x.Conn == 1 {
						x.Drop = true
					}
				}
			},
		},
		// From the second request on the device is busy.
		"exception storm": {
			Fault: wirefault.Fault{
				File: "busy.pcapng", Polls: 8,
				Judge: func(r *wirefault.Run) []string {
					return append(r.Values(100, 0, 0, 0, 0, 0, 0, 0), r.Rate(3, wireTimeout/2)...)
				},
				Naive: func(ctx context.Context, conn net.Conn) (wirefault.Reading, error) {
					// It asks again until it has an answer.
					for {
						answer, err := ask(conn, time.Now().Add(wireTimeout))
						if errors.Is(err, os.ErrDeadlineExceeded) || answer.exception() && time.Until(answer.until) <= 0 {
							return wirefault.Reading{}, nil
						}
						if err != nil || !answer.exception() {
							return answer.reading(), err
						}
					}
				},
				Caught: "requests within 100ms, want 3",
			},
			retries: 2,
			fault: func() modbustest.Fault {
				return modbustest.From(2, modbustest.WithException(modbustest.ServerDeviceBusy))
			},
		},
	}
}

type dialFunc = wirefault.Dial

// drive polls with the driver as often as was recorded.
func (f wireFault) drive(t *testing.T, r *wirefault.Run, dial dialFunc) {
	src, err := modbus.NewSource(modbus.Config{
		Name: "meter", Unit: 1, Catalog: acquire.NewCatalog(), Dial: r.Watch(dial),
		Interval: wirefault.Interval, Timeout: wireTimeout, Retries: f.retries,
		Points: []modbus.Point{
			{Name: "count", At: modbus.Holding(0), Type: modbus.Uint16},
			{Name: "check", At: modbus.Holding(1), Type: modbus.Uint16},
		},
	})
	require.NoError(t, err)
	r.Follow(t, src, f.Polls, r.Pair)
}

// answerFrame is what came after a request.
type answerFrame struct {
	bytes []byte
	until time.Time
}

func (a answerFrame) exception() bool { return len(a.bytes) >= 9 && a.bytes[7]&0x80 != 0 }

func (a answerFrame) reading() wirefault.Reading {
	if len(a.bytes) < 13 {
		return wirefault.Reading{}
	}
	return wirefault.Reading{Good: true, N: uint64(binary.BigEndian.Uint16(a.bytes[9:]))}
}

// ask sends the request of the recordings and takes what comes for its answer.
func ask(conn net.Conn, until time.Time) (answerFrame, error) {
	if err := conn.SetReadDeadline(until); err != nil {
		return answerFrame{}, err
	}
	if _, err := conn.Write([]byte{0, 0, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2}); err != nil {
		return answerFrame{}, err
	}
	b := make([]byte, 260)
	n, err := conn.Read(b)
	return answerFrame{b[:n], until}, err
}

// counting is a device whose registers 0 and 1 hold how often it was read, times 100, and
// one more than that.
type counting struct{ reads atomic.Uint32 }

func (*counting) ReadBits(modbustest.Table, uint16, []bool) modbustest.Exception {
	return modbustest.IllegalFunction
}

func (d *counting) ReadRegisters(_ modbustest.Table, addr uint16, dst []uint16) modbustest.Exception {
	n := uint16(d.reads.Add(1))
	for i := range dst {
		dst[i] = n*100 + addr + uint16(i)
	}
	return 0
}

// record makes the recording.
func (f wireFault) record(t *testing.T) {
	server, err := modbustest.Start(modbustest.Config{Units: map[byte]modbustest.Device{1: &counting{}}, Fault: f.fault()})
	require.NoError(t, err)
	defer server.Close()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	dials := 0
	dial := func(ctx context.Context) (net.Conn, error) {
		address := server.Address()
		if dials++; dials > 1 && dials <= 1+f.lost {
			address = nobody.Addr().String()
		}
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	f.Record(t, wire.Link{Name: "meter", Protocol: wire.Modbus{}}, dial, func(r *wirefault.Run, dial dialFunc) { f.drive(t, r, dial) })
}

func TestWireFaults(t *testing.T) {
	for name, f := range wireFaults() {
		t.Run(name, func(t *testing.T) {
			if *rerecord {
				f.record(t)
			}
			f.Test(t, wirefault.Client{
				Protocol: wire.Modbus{},
				Drive:    func(t *testing.T, r *wirefault.Run, peer *wire.Peer) { f.drive(t, r, peer.Dial) },
			})
		})
	}
}

// A connection of TLS that is recorded is one of TLS all the same, and its plaintext is
// left out of the recording; recorded below, it shows what is on the wire.
func TestWireRecordsTLS(t *testing.T) {
	theirs, ours := both(t, "reader")
	server, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: &counting{}}})
	require.NoError(t, err)
	defer server.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", theirs)
	require.NoError(t, err)
	go server.Serve(listener)
	plain := func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	}
	link := wire.Link{Name: "meter", Protocol: wire.Modbus{}}
	for name, dial := range map[string]func(*wire.Recorder) dialFunc{
		"above": func(r *wire.Recorder) dialFunc {
			return r.Dial(link, func(ctx context.Context) (net.Conn, error) {
				conn, err := plain(ctx)
				if err != nil {
					return nil, err
				}
				return tls.Client(conn, ours), nil
			})
		},
		"below": func(r *wire.Recorder) dialFunc {
			recorded := r.Dial(link, plain)
			return func(ctx context.Context) (net.Conn, error) {
				conn, err := recorded(ctx)
				if err != nil {
					return nil, err
				}
				return tls.Client(conn, ours), nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var file bytes.Buffer
			recorder, err := wire.NewRecorder(&file, wire.Config{})
			require.NoError(t, err)
			told := 0
			src, err := modbus.NewSource(modbus.Config{
				Name: "meter", Unit: 1, Catalog: acquire.NewCatalog(), Dial: dial(recorder), Interval: -1,
				Points: []modbus.Point{{Name: "count", At: modbus.Holding(0), Type: modbus.Uint16}},
				Trace:  modbus.Trace{Secured: func(modbus.Security) { told++ }},
			})
			require.NoError(t, err)
			stream, err := src.Open(t.Context())
			require.NoError(t, err)
			var b acquire.Batch
			for range 3 {
				require.NoError(t, stream.Next(t.Context(), &b))
				assert.True(t, b.Samples[0].Quality.IsGood())
			}
			require.NoError(t, stream.Close())
			require.NoError(t, recorder.Close())
			assert.Equal(t, 1, told)
			// A request, without its transaction id.
			assert.False(t, bytes.Contains(file.Bytes(), []byte{0, 0, 0, 6, 1, 3, 0, 0, 0, 1}))
			recording, err := wire.Read(&file)
			require.NoError(t, err)
			sent := 0
			for _, e := range recording.Conversations[0].Events {
				sent += len(e.Data)
			}
			if name == "above" {
				assert.Zero(t, sent)
				assert.NotZero(t, recorder.Stats().Withheld)
			} else {
				assert.Greater(t, sent, 1000, "handshake and records")
			}
		})
	}
}
