package modbus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tcpPair is a connection over loopback: our end, and that of the device.
func tcpPair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer listener.Close()
	near, err = net.DialTCP("tcp", nil, listener.Addr().(*net.TCPAddr))
	require.NoError(t, err)
	t.Cleanup(func() { near.Close() })
	far, err = listener.AcceptTCP()
	require.NoError(t, err)
	t.Cleanup(func() { far.Close() })
	return near, far
}

// A trip on a connection that is not fit for it, before or while it is made.
func TestRoundTrip(t *testing.T) {
	request := []byte("request")
	answer := func(c net.Conn) {
		io.ReadFull(c, make([]byte, len(request)))
		c.Write([]byte("answer"))
	}
	const past, soon = -time.Hour, 50 * time.Millisecond
	for _, c := range []struct {
		name     string
		before   func(near, far *net.TCPConn) // what has happened when the trip begins
		deadline time.Duration                // 0: none
		device   func(far *net.TCPConn)       // what happens meanwhile
		got      string
		err      error
		unsent   bool
	}{
		{"answered", nil, 0, func(far *net.TCPConn) { answer(far) }, "answer", nil, false},
		{"not answered", nil, soon, nil, "", os.ErrDeadlineExceeded, false},
		{"time is up before it begins", nil, past, nil, "", nil, true},
		{"closed by us", func(near, _ *net.TCPConn) { near.Close() }, 0, nil, "", net.ErrClosed, true},
		{"closed by the device meanwhile", nil, 0, func(far *net.TCPConn) {
			io.ReadFull(far, make([]byte, len(request)))
			far.Close()
		}, "", io.EOF, false},
		{"closed by the device before", func(_, far *net.TCPConn) { far.Close() }, 0, nil, "", io.EOF, false},
		{"the device has nothing more to say, and the time is up", func(_, far *net.TCPConn) { far.CloseWrite() },
			soon, nil, "", io.EOF, false},
		{"something came before, and nothing after", func(_, far *net.TCPConn) { far.Write([]byte("late")) },
			soon, nil, "late", nil, false},
		{"something came before", func(_, far *net.TCPConn) { far.Write([]byte("late ")) }, 0,
			func(far *net.TCPConn) { answer(far) }, "late answer", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := tcpPair(t)
			r := newRoundTrip(near)
			if c.before != nil {
				c.before(near, far)
				arrived(near)
			}
			if c.deadline != 0 {
				require.NoError(t, near.SetReadDeadline(time.Now().Add(c.deadline)))
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if c.device != nil {
					c.device(far)
				}
			}()
			var in [64]byte
			sent, n, err := r.do(request, in[:])
			<-done
			assert.Equal(t, c.unsent, sent < len(request), "%d bytes sent", sent)
			assert.Equal(t, c.got, string(in[:n]))
			assert.ErrorIs(t, err, c.err)
			if c.err == nil {
				assert.NoError(t, err)
			}
		})
	}
}

// arrived waits until what the device has said has come, where it said something.
func arrived(near *net.TCPConn) {
	raw, err := near.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(uintptr) bool { return true })
	near.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_ = raw.Read(func(uintptr) bool { return false })
	near.SetReadDeadline(time.Time{})
}

// A request that the system takes no byte of, or only some, is not lost.
func TestRoundTripWithoutRoom(t *testing.T) {
	near, far := tcpPair(t)
	require.NoError(t, near.SetWriteBuffer(4096))
	near.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	filled := 0
	for block := make([]byte, 1<<16); ; {
		n, err := near.Write(block)
		if filled += n; err != nil {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			break
		}
	}
	r := newRoundTrip(near)
	near.SetReadDeadline(time.Now().Add(time.Second))
	sent, got, err := r.do(bytes.Repeat([]byte{1}, 1<<20), make([]byte, 10))
	require.NoError(t, err)
	assert.Less(t, sent, 1<<20)
	assert.Zero(t, got)
	n, err := io.ReadFull(far, make([]byte, filled+sent))
	require.NoError(t, err)
	assert.Equal(t, filled+sent, n)
}

// The end of a context interrupts a trip.
func TestRoundTripIsInterrupted(t *testing.T) {
	near, _ := tcpPair(t)
	l := newLink(newBus(BusConfig{Now: time.Now}, false), near)
	require.NotNil(t, l.trip)
	c := &caller{}
	ctx, cancel := context.WithCancel(t.Context())
	c.watch(ctx)
	defer c.release()
	time.AfterFunc(10*time.Millisecond, cancel)
	_, _, err := l.exchange(ctx, c, make([]byte, 12), time.Hour)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, l.failure())
}

// The twin makes no trips: whatever the device does, its caller learns the same.
func TestTripsTellWhatTheTwinDoes(t *testing.T) {
	const requests = 400
	learn := func(seed uint64, trips bool) (story []string) {
		near, far := tcpPair(t)
		go misbehave(far, rand.New(rand.NewPCG(seed, seed)))
		bus := newBus(BusConfig{Now: time.Now}, false)
		bus.transactions.Store(0)
		l := newLink(bus, near)
		if !trips {
			l.trip = nil
		}
		c := &caller{}
		request := []byte{0, 0, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1}
		for range requests {
			answer, _, err := l.exchange(t.Context(), c, request, 10*time.Second)
			switch {
			case err == nil:
				story = append(story, fmt.Sprintf("%x", answer))
			case errors.Is(err, errGone), errors.Is(err, io.EOF):
				return append(story, "gone")
			default:
				return append(story, err.Error())
			}
		}
		return append(story, fmt.Sprint(c.counts))
	}
	for seed := range uint64(10) {
		require.Equal(t, learn(seed, false), learn(seed, true), "seed %d", seed)
	}
}

// misbehave answers requests as it should, in pieces, after answers to nobody, with
// what belongs to the next one behind it, and now and then not at all.
func misbehave(c net.Conn, random *rand.Rand) {
	defer c.Close()
	frame := func(id uint16, value byte) []byte {
		return append(binary.BigEndian.AppendUint16(nil, id), 0, 0, 0, 5, 1, 3, 2, 0, value)
	}
	var request [12]byte
	for {
		if _, err := io.ReadFull(c, request[:]); err != nil {
			return
		}
		id := binary.BigEndian.Uint16(request[:])
		right := frame(id, byte(random.Uint32()))
		switch random.IntN(8) {
		case 0: // in two segments
			c.Write(right[:5])
			c.Write(right[5:])
		case 1: // behind a late one
			c.Write(append(frame(id-1, 1), right...))
		case 2: // behind a late one, in a segment of its own
			c.Write(frame(id-1, 1))
			c.Write(right)
		case 3: // in front of one that nobody has asked for yet
			c.Write(append(right, frame(id+1, 2)...))
		case 4:
			if random.IntN(20) == 0 {
				return
			}
			c.Write(right)
		default:
			c.Write(right)
		}
	}
}
