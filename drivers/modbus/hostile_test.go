package modbus_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostile is a device written byte by byte, for what no server would do. Its
// true registers hold their own addresses, as those of labelled do.
type hostile struct {
	connected func(c net.Conn)                        // before the first request of a connection; nil: nothing
	answer    func(c net.Conn, n int, request []byte) // the n-th request of all, from 1; nil: the truth
	healed    atomic.Bool                             // tells the truth from now on
	requests  atomic.Int64
}

const requestSize = 12

// truth is the right answer to request.
func truth(request []byte) []byte {
	address, count := binary.BigEndian.Uint16(request[8:]), binary.BigEndian.Uint16(request[10:])
	values := make([]uint16, count)
	for i := range values {
		values[i] = address + uint16(i)
	}
	return holding(binary.BigEndian.Uint16(request), values...)
}

// holding is an answer with holding registers of unit 1.
func holding(id uint16, values ...uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(3+2*len(values)))
	b = append(b, 1, 3, byte(2*len(values)))
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

// lie is an answer to any request of the tests, with values of no point.
func lie(id uint16) []byte { return holding(id, 6666, 6666, 6666, 6666) }

// serve answers until the connection ends.
func (h *hostile) serve(c net.Conn) {
	defer c.Close()
	if h.connected != nil && !h.healed.Load() {
		h.connected(c)
	}
	request := make([]byte, requestSize)
	for {
		if _, err := io.ReadFull(c, request); err != nil {
			return
		}
		n := int(h.requests.Add(1))
		if h.answer == nil || h.healed.Load() {
			c.Write(truth(request))
			continue
		}
		h.answer(c, n, request)
	}
}

func (h *hostile) dial(context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	go h.serve(far)
	return near, nil
}

// judge polls h for a minute, heals it, and polls on until every point is good.
// Whatever h does, each Next returns within an interval and a timeout, each
// batch has one sample per point, and a good one carries its own value.
func judge(t *testing.T, h *hostile) (good int, reasons []acquire.Reason, stats acquire.Stats) {
	t.Helper()
	const timeout = 500 * time.Millisecond
	r := newRig(t, modbus.Config{Timeout: timeout, MaxGap: -1, Dial: h.dial}, labelled{}, 10, 11, 12, 13, 500, 501, 502, 503)
	stream, err := acquire.Reconnect(r.source, acquire.Backoff{}).Open(t.Context())
	require.NoError(t, err)
	defer time.Sleep(2 * time.Second) // until the device has noticed
	defer stream.Close()
	var b acquire.Batch
	next := func() (n int) {
		start := time.Now()
		require.NoError(t, stream.Next(t.Context(), &b))
		assert.LessOrEqual(t, time.Since(start), modbus.DefaultInterval+timeout, "hangs")
		if len(b.Samples) == 0 {
			return 0
		}
		n, bad := r.check(&b)
		reasons = append(reasons, bad...)
		return n
	}
	for start := time.Now(); time.Since(start) < time.Minute; {
		good += next()
	}
	stats = r.source.Stats()
	assert.LessOrEqual(t, stats.Connects, uint64(76), "a storm of connections: Reconnect waits 0.8 s or more")
	h.healed.Store(true)
	told := reasons
	for start := time.Now(); next() < len(r.address); {
		require.Less(t, time.Since(start), 40*time.Second, "never recovers")
	}
	return good, told, stats
}

// once has a device tell the truth, but for the answer to its fifth request.
func once(answer func(c net.Conn, request []byte)) *hostile {
	return &hostile{answer: func(c net.Conn, n int, request []byte) {
		if n == 5 {
			answer(c, request)
			return
		}
		c.Write(truth(request))
	}}
}

// edited answers with the truth after a change.
func edited(change func(answer []byte) []byte) func(net.Conn, int, []byte) {
	return func(c net.Conn, _ int, request []byte) { c.Write(change(truth(request))) }
}

func length(n uint16) func(net.Conn, int, []byte) {
	return edited(func(b []byte) []byte { binary.BigEndian.PutUint16(b[4:], n); return b })
}

func transaction(change func(id uint16) uint16) func(net.Conn, int, []byte) {
	return edited(func(b []byte) []byte {
		binary.BigEndian.PutUint16(b, change(binary.BigEndian.Uint16(b)))
		return b
	})
}

func exception(function, code byte) func(net.Conn, int, []byte) {
	return edited(func(b []byte) []byte { return append(b[:4], 0, 3, 1, function, code) })
}

// TestHostileForEver has the device misbehave in one way for a minute.
func TestHostileForEver(t *testing.T) {
	var (
		timeouts   = func(s acquire.Stats) uint64 { return s.Timeouts }
		late       = func(s acquire.Stats) uint64 { return s.Late }
		malformed  = func(s acquire.Stats) uint64 { return s.Malformed }
		exceptions = func(s acquire.Stats) uint64 { return s.Exceptions }
		failures   = func(s acquire.Stats) uint64 { return s.Failures }
	)
	for _, c := range []struct {
		name    string
		device  *hostile
		counter func(acquire.Stats) uint64 // tells of it
		reason  acquire.Reason             // of the first bad sample
		good    bool                       // some values come through
	}{
		{"accepts and closes", &hostile{connected: func(c net.Conn) { c.Close() }},
			failures, acquire.Communication, false},
		{"closes when asked", &hostile{answer: func(c net.Conn, _ int, _ []byte) { c.Close() }},
			failures, acquire.Communication, false},
		{"half open", &hostile{answer: func(net.Conn, int, []byte) {}},
			timeouts, acquire.Communication, false},
		{"does not read", &hostile{answer: func(c net.Conn, n int, request []byte) {
			c.Write(truth(request))
			if n%7 == 0 {
				time.Sleep(2 * time.Second)
			}
		}}, timeouts, acquire.Communication, true},
		{"foreign frames without pause", &hostile{answer: func(c net.Conn, _ int, request []byte) {
			for pour(c, lie(binary.BigEndian.Uint16(request)^1<<15)) {
			}
		}}, late, acquire.Protocol, false},
		{"foreign frames before the answer", &hostile{answer: func(c net.Conn, _ int, request []byte) {
			for range 100 {
				c.Write(lie(binary.BigEndian.Uint16(request) - 1))
			}
			c.Write(truth(request))
		}}, late, 0, true},
		{"every transaction id in turn", &hostile{answer: func(c net.Conn, _ int, _ []byte) {
			for id := range uint16(1 << 14) { // the source is in another quarter, by its clock
				if !pour(c, lie(id)) {
					return
				}
			}
		}}, late, acquire.Protocol, false},
		{"smallest frames without pause", &hostile{answer: func(c net.Conn, _ int, _ []byte) {
			for pour(c, []byte{0, 0, 0, 0, 0, 2, 1, 3}) {
			}
		}}, late, acquire.Protocol, false},
		{"one byte at a time, no end", &hostile{answer: func(c net.Conn, _ int, _ []byte) {
			c.Write([]byte{0, 0, 0, 0, 0, 254})
			for pour(c, []byte{1}) {
				time.Sleep(10 * time.Millisecond)
			}
		}}, timeouts, acquire.Communication, false},
		{"answer one byte at a time, too slow", &hostile{answer: func(c net.Conn, _ int, request []byte) {
			for _, b := range truth(request) {
				c.Write([]byte{b})
				time.Sleep(90 * time.Millisecond)
			}
		}}, timeouts, acquire.Communication, false},
		{"length 0", &hostile{answer: length(0)}, malformed, acquire.Protocol, false},
		{"length 1", &hostile{answer: length(1)}, malformed, acquire.Protocol, false},
		{"length 2", &hostile{answer: length(2)}, malformed, acquire.Protocol, false},
		{"length too short by 2", &hostile{answer: length(9)}, malformed, acquire.Protocol, false},
		{"length 254", &hostile{answer: length(254)}, timeouts, acquire.Communication, false},
		{"length 255", &hostile{answer: length(255)}, malformed, acquire.Protocol, false},
		{"length 65535", &hostile{answer: length(65535)}, malformed, acquire.Protocol, false},
		{"id always 0", &hostile{answer: transaction(func(uint16) uint16 { return 0 })}, late, acquire.Communication, false},
		{"id one ahead", &hostile{answer: transaction(func(id uint16) uint16 { return id + 1 })}, late, acquire.Communication, false},
		{"id one behind", &hostile{answer: transaction(func(id uint16) uint16 { return id - 1 })}, late, acquire.Communication, false},
		{"one answer behind", behind(1), late, acquire.Communication, false},
		{"five answers behind", behind(5), late, acquire.Communication, false},
		{"answers swapped", swapped(), late, acquire.Communication, true},
		{"next answer sent along", &hostile{answer: func(c net.Conn, _ int, request []byte) {
			c.Write(append(truth(request), lie(binary.BigEndian.Uint16(request)+1)...))
		}}, late, 0, true},
		{"half of the next answer sent along", &hostile{answer: func(c net.Conn, _ int, request []byte) {
			next := lie(binary.BigEndian.Uint16(request) + 1)
			c.Write(append(truth(request), next[:8]...))
			go func() {
				time.Sleep(700 * time.Millisecond)
				c.Write(next[8:])
			}()
		}}, malformed, acquire.Protocol, true},
		{"other unit", &hostile{answer: edited(func(b []byte) []byte { b[6] = 2; return b })}, malformed, acquire.Protocol, false},
		{"other registers, fewer", &hostile{answer: edited(func(b []byte) []byte {
			return holding(binary.BigEndian.Uint16(b), 1)
		})}, malformed, acquire.Protocol, false},
		{"exception of another function", &hostile{answer: exception(0x84, 2)}, malformed, acquire.Protocol, false},
		{"exception bit alone", &hostile{answer: exception(0x80, 2)}, malformed, acquire.Protocol, false},
		{"exception 0", &hostile{answer: exception(0x83, 0)}, malformed, acquire.Protocol, false},
		{"exception with data", &hostile{answer: edited(func(b []byte) []byte { b[7] |= 0x80; return b })},
			malformed, acquire.Protocol, false},
		{"busy", &hostile{answer: exception(0x83, 6)}, exceptions, acquire.Busy, false},
		{"illegal address", &hostile{answer: exception(0x83, 2)}, exceptions, acquire.Configuration, false},
		{"exception 255", &hostile{answer: exception(0x83, 255)}, exceptions, acquire.Device, false},
		{"every 2nd dropped", dropping(2), timeouts, acquire.Communication, true},
		{"every 3rd dropped", dropping(3), timeouts, acquire.Communication, true},
		{"every 7th dropped", dropping(7), timeouts, acquire.Communication, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				good, reasons, stats := judge(t, c.device)
				assert.Equal(t, c.good, good > 0, "%d good", good)
				assert.NotZero(t, c.counter(stats), "%+v", stats)
				if c.reason == acquire.Unspecified {
					assert.Empty(t, reasons)
				} else if assert.NotEmpty(t, reasons) {
					assert.Equal(t, c.reason, reasons[0])
				}
			})
		})
	}
}

// pour reports whether the connection took frame.
func pour(c net.Conn, frame []byte) bool {
	_, err := c.Write(frame)
	return err == nil
}

// behind answers each request with the answer to the n-th before it.
func behind(n int) *hostile {
	owed := make(chan []byte, n+1) // of all connections
	return &hostile{answer: func(c net.Conn, _ int, request []byte) {
		owed <- truth(request)
		if len(owed) > n {
			c.Write(<-owed)
		}
	}}
}

// swapped keeps each odd answer until the even one after it is sent.
func swapped() *hostile {
	kept := make(chan []byte, 1)
	return &hostile{answer: func(c net.Conn, n int, request []byte) {
		if n%2 == 1 {
			kept <- truth(request)
			return
		}
		c.Write(append(truth(request), <-kept...))
	}}
}

func dropping(k int) *hostile {
	return &hostile{answer: func(c net.Conn, n int, request []byte) {
		if n%k != 0 {
			c.Write(truth(request))
		}
	}}
}

// TestTruncatedEverywhere cuts one answer after each of its bytes, once with the
// connection left open and once with it closed.
func TestTruncatedEverywhere(t *testing.T) {
	whole := len(lie(0))
	for n := range whole {
		for _, closes := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, closes %v", n, closes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					good, reasons, stats := judge(t, once(func(c net.Conn, request []byte) {
						c.Write(truth(request)[:n])
						if closes {
							c.Close()
						}
					}))
					assert.Greater(t, good, 8*50)
					require.NotEmpty(t, reasons)
					assert.Equal(t, acquire.Communication, reasons[0])
					assert.Equal(t, !closes, stats.Timeouts == 1, "%+v", stats)
					assert.Equal(t, closes || n > 0, stats.Connects == 2, "%+v", stats)
					assert.Zero(t, stats.Malformed)
				})
			})
		}
	}
}

// TestEveryBitFlipped inverts each bit of one answer, but for those of the
// registers: Modbus/TCP has no checksum, so that an answer with another number
// in it is as valid as the right one. TCP's own checksum has to catch those.
func TestEveryBitFlipped(t *testing.T) {
	const registers = 9 // where they start
	for bit := range registers * 8 {
		t.Run(fmt.Sprint("bit ", bit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				good, reasons, stats := judge(t, once(func(c net.Conn, request []byte) {
					answer := truth(request)
					answer[bit/8] ^= 0x80 >> (bit % 8)
					c.Write(answer)
				}))
				assert.Greater(t, good, 8*50)
				require.NotEmpty(t, reasons, "no flip goes unseen")
				assert.NotZero(t, stats.Late+stats.Malformed+stats.Timeouts, "%+v", stats)
				assert.LessOrEqual(t, stats.Connects, uint64(2))
			})
		})
	}
}

// TestStaleBytesOnConnect has a gateway send, on each new connection, what it
// owes to earlier ones. The ids of those were given by the same source.
func TestStaleBytesOnConnect(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	var (
		owed   [][]byte
		served = make(chan struct{})
	)
	go func() {
		defer close(served)
		for link := 0; ; link++ {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			for _, frame := range owed {
				frame[len(frame)-1] ^= 0xFF // whoever takes it shows
				c.Write(frame)
			}
			owed = nil
			request := make([]byte, requestSize)
			for n := 0; ; n++ {
				if _, err := io.ReadFull(c, request); err != nil {
					break
				}
				if n < link%2*10 { // every second one answers nothing
					c.Write(truth(request))
				} else {
					owed = append(owed, truth(request))
				}
			}
			c.Close()
		}
	}()
	r := newRig(t, modbus.Config{
		Interval: -1, Timeout: 20 * time.Millisecond,
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
		},
	}, labelled{}, 10)
	var b acquire.Batch
	for range 8 {
		stream, err := r.source.Open(t.Context())
		require.NoError(t, err)
		for err == nil {
			if err = stream.Next(t.Context(), &b); err == nil {
				r.check(&b)
			}
		}
		require.NoError(t, stream.Close())
	}
	assert.NotZero(t, r.source.Stats().Late, "what is stale is counted")
	listener.Close()
	<-served
}

// TestFloodIsBounded has a device fill every connection over a real socket, and
// asserts that what is kept does not grow with what is sent.
func TestFloodIsBounded(t *testing.T) {
	h := &hostile{answer: func(c net.Conn, _ int, request []byte) {
		frames := slices.Repeat(lie(binary.BigEndian.Uint16(request)^1<<15), 4000)
		for pour(c, frames) {
		}
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			h.serve(c)
		}
	}()
	defer func() { listener.Close(); <-served }()
	r := newRig(t, modbus.Config{Interval: -1, Timeout: time.Minute, Dial: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	}}, labelled{}, 10, 11, 12, 13)
	held := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := held()
	var b acquire.Batch
	const links = 20
	for range links {
		stream, err := r.source.Open(t.Context())
		require.NoError(t, err)
		var wrong *modbus.FrameError
		require.ErrorAs(t, stream.Next(t.Context(), &b), &wrong)
		assert.Equal(t, "transaction id", wrong.Field)
		require.NoError(t, stream.Close())
	}
	assert.EqualValues(t, links*256, r.source.Stats().Late)
	assert.Less(t, held(), before+1<<20)
}
