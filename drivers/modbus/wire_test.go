package modbus_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rerecord makes the recordings anew, of the driver and a device with a fault that are
// joined by sockets, in real time:
//
//	go test ./drivers/modbus -run TestWire -record
var rerecord = flag.Bool("record", false, "make the recordings of connections anew")

// wireFault is trouble as it is met in the field, recorded once and played to the driver
// since. What a client made of it is judged, and the judge is judged by a client that
// lacks the guard.
type wireFault struct {
	file    string
	polls   int // that were recorded
	retries int // Config.Retries
	lost    int // connections that are refused after the first one
	fault   func() modbustest.Fault
	judge   func(run) []string
	naive   func(context.Context, net.Conn) (wireReading, error) // one poll
	caught  string                                               // what the judge says of it
}

const (
	wireInterval = 100 * time.Millisecond
	wireTimeout  = 60 * time.Millisecond
)

func wireFaults() map[string]wireFault {
	return map[string]wireFault{
		// The answer to the third request comes after its deadline, while the fourth
		// waits for its own.
		"late answer": {
			file: "late.pcapng", polls: 6, retries: -1,
			fault: func() modbustest.Fault {
				return modbustest.Chain(
					modbustest.Nth(3, modbustest.Late(wireInterval+20*time.Millisecond)),
					modbustest.Nth(4, modbustest.Late(40*time.Millisecond)))
			},
			judge: func(r run) []string {
				return append(r.values(1, 2, 0, 4, 5, 6), r.rate(1)...)
			},
			naive: func(_ context.Context, conn net.Conn) (wireReading, error) {
				// It does not look at the transaction id.
				answer, err := ask(conn, time.Now().Add(wireTimeout))
				if errors.Is(err, os.ErrDeadlineExceeded) {
					return wireReading{}, nil
				}
				return answer.reading(), err
			},
			caught: "poll 4 has the value 300, want 400",
		},
		// After the second answer the device is gone without a word. Later it refuses
		// connections twice before it is back.
		"half-open link": {
			file: "half-open.pcapng", polls: 10, retries: -1, lost: 2,
			fault: func() modbustest.Fault {
				n := 0
				return func(x *modbustest.Exchange) {
					if n++; n >= 3 && x.Conn == 1 {
						x.Drop = true
					}
				}
			},
			judge: func(r run) []string {
				return slices.Concat(
					r.values(1, 2, 0, 0, 0, 6, 7, 8, 9, 10),
					r.silence(2*wireInterval, wireInterval+wireTimeout),
					r.backOff(4, 800*time.Millisecond)) // 1 s, less a fifth at most
			},
			naive: func(ctx context.Context, conn net.Conn) (wireReading, error) {
				// It waits as long as the system does.
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				defer stop()
				answer, err := ask(conn, time.Time{})
				return answer.reading(), err
			},
			caught: "silence since 200ms",
		},
		// From the second request on the device is busy.
		"exception storm": {
			file: "busy.pcapng", polls: 8, retries: 2,
			fault: func() modbustest.Fault {
				return modbustest.From(2, modbustest.WithException(modbustest.ServerDeviceBusy))
			},
			judge: func(r run) []string {
				return append(r.values(1, 0, 0, 0, 0, 0, 0, 0), r.rate(3)...)
			},
			naive: func(ctx context.Context, conn net.Conn) (wireReading, error) {
				// It asks again until it has an answer.
				for {
					answer, err := ask(conn, time.Now().Add(wireTimeout))
					if errors.Is(err, os.ErrDeadlineExceeded) || answer.exception() && time.Until(answer.until) <= 0 {
						return wireReading{}, nil
					}
					if err != nil || !answer.exception() {
						return answer.reading(), err
					}
				}
			},
			caught: "requests within 100ms, want 3",
		},
	}
}

// run is what a client has made of a recording.
type run struct {
	polls []wireReading
	sent  []time.Duration // when it has sent requests
	dials []time.Duration // when it has dialled
}

// wireReading is what one poll has brought.
type wireReading struct {
	at   time.Duration // since the beginning
	good bool
	n    uint16 // how often the device was read, times 100; only if good
}

// values says what is wrong with the values of polls, of which 0 is to have none.
func (r run) values(want ...uint16) (wrong []string) {
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
func (r run) rate(most int) (wrong []string) {
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
func (r run) silence(from, within time.Duration) (wrong []string) {
	for _, p := range r.polls {
		if !p.good && p.at >= from && p.at <= from+within {
			return nil
		}
	}
	return []string{fmt.Sprintf("silence since %v was not told within %v", from, within)}
}

// backOff says whether the device was dialled so often, with so much time in between.
func (r run) backOff(times int, least time.Duration) (wrong []string) {
	if len(r.dials) != times {
		wrong = append(wrong, fmt.Sprintf("%d connections, want %d", len(r.dials), times))
	}
	for i := 1; i < len(r.dials); i++ {
		if d := r.dials[i] - r.dials[i-1]; i > 1 && d < least {
			wrong = append(wrong, fmt.Sprintf("connection %d after %v, want %v at least", i+1, d, least))
		}
	}
	return wrong
}

type dialFunc = func(context.Context) (net.Conn, error)

// watch lets r know when dial is called and when its connections send.
func (r *run) watch(dial dialFunc) dialFunc {
	start := time.Now()
	return func(ctx context.Context) (net.Conn, error) {
		r.dials = append(r.dials, time.Since(start))
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return &watched{conn, r, start}, nil
	}
}

type watched struct {
	net.Conn
	run   *run
	start time.Time
}

func (w *watched) Write(b []byte) (int, error) {
	w.run.sent = append(w.run.sent, time.Since(w.start))
	return w.Conn.Write(b)
}

// drive polls with the driver as often as was recorded.
func (f wireFault) drive(t *testing.T, dial dialFunc) (r run) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // else Reconnect goes on for ever
	defer cancel()
	c := acquire.NewCatalog()
	src, err := modbus.NewSource(modbus.Config{
		Name: "meter", Unit: 1, Catalog: c, Dial: r.watch(dial),
		Interval: wireInterval, Timeout: wireTimeout, Retries: f.retries,
		Points: []modbus.Point{
			{Name: "count", At: modbus.Holding(0), Type: modbus.Uint16},
			{Name: "check", At: modbus.Holding(1), Type: modbus.Uint16},
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
			p.n = uint16(count)
		}
		r.polls = append(r.polls, p)
	}
	return r
}

// blunder polls with a client that lacks the guard.
func (f wireFault) blunder(t *testing.T, dial dialFunc) (r run) {
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

// answerFrame is what came after a request.
type answerFrame struct {
	bytes []byte
	until time.Time
}

func (a answerFrame) exception() bool { return len(a.bytes) >= 9 && a.bytes[7]&0x80 != 0 }

func (a answerFrame) reading() wireReading {
	if len(a.bytes) < 13 {
		return wireReading{}
	}
	return wireReading{good: true, n: binary.BigEndian.Uint16(a.bytes[9:])}
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

func (f wireFault) path() string { return filepath.Join("testdata", "wire", f.file) }

// record makes the recording.
func (f wireFault) record(t *testing.T) {
	server, err := modbustest.Start(modbustest.Config{Units: map[byte]modbustest.Device{1: &counting{}}, Fault: f.fault()})
	require.NoError(t, err)
	defer server.Close()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	require.NoError(t, os.MkdirAll(filepath.Dir(f.path()), 0o777))
	file, err := os.Create(f.path())
	require.NoError(t, err)
	recorder, err := wire.NewRecorder(file, wire.Config{Name: t.Name()})
	require.NoError(t, err)
	dials := 0
	f.drive(t, recorder.Dial(wire.Link{Name: "meter", Protocol: wire.Modbus{}}, func(ctx context.Context) (net.Conn, error) {
		address := server.Address()
		if dials++; dials > 1 && dials <= 1+f.lost {
			address = nobody.Addr().String()
		}
		return new(net.Dialer).DialContext(ctx, "tcp", address)
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
					peer := wire.NewPeer(wire.Modbus{}, recording.Conversations)
					defer func() {
						assert.NoError(t, peer.Err(), "a driver that says something else needs new recordings: see rerecord")
					}()
					r := f.drive(t, peer.Dial)
					assert.Empty(t, f.judge(r))
					played, beyond := peer.Progress()
					assert.Equal(t, len(r.sent), played, "requests")
					assert.Zero(t, beyond, "requests")
					assert.Zero(t, peer.Left(), "conversations")
				})
			})
			t.Run("without the guard", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					peer := wire.NewPeer(wire.Modbus{}, recording.Conversations)
					wrong := f.judge(f.blunder(t, peer.Dial))
					assert.Contains(t, fmt.Sprint(wrong), f.caught)
				})
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
