package modbus

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tape is a connection that gives what was recorded, in portions, and then
// nothing in time.
type tape struct {
	net.Conn
	recorded []byte
	portion  int
	read     int // bytes given
	asked    int // bytes given when the latest request was written
}

func (c *tape) Read(p []byte) (int, error) {
	if c.read == len(c.recorded) {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p[:min(len(p), c.portion)], c.recorded[c.read:])
	c.read += n
	return n, nil
}

func (c *tape) Write(p []byte) (int, error) {
	c.asked = c.read
	return len(p), nil
}

func (*tape) SetReadDeadline(time.Time) error  { return nil }
func (*tape) SetWriteDeadline(time.Time) error { return nil }
func (*tape) Close() error                     { return nil }

// FuzzLink asks again and again while any bytes come, and holds what is taken
// for an answer against its place in them.
func FuzzLink(f *testing.F) {
	answer := func(ids ...uint16) (b []byte) {
		for _, id := range ids {
			b = binary.BigEndian.AppendUint16(b, id)
			b = append(b, 0, 0, 0, 5, 1, 3, 2, 0, 42)
		}
		return b
	}
	f.Add(answer(1, 2, 3), byte(11))         // each in time
	f.Add(answer(1, 2, 3), byte(255))        // two before they were asked for
	f.Add(answer(1, 1, 2), byte(12))         // one twice, and torn
	f.Add(answer(7, 8, 9, 1), byte(1))       // the answer last
	f.Add(answer(1, 2)[:17], byte(3))        // cut
	f.Add([]byte("HTTP/1.1 400"), byte(255)) // not Modbus
	f.Fuzz(func(t *testing.T, recorded []byte, portion byte) {
		bus := newBus(BusConfig{Dial: func(context.Context) (net.Conn, error) { return nil, nil }, Now: time.Now}, false)
		bus.transactions.Store(0)
		c := &tape{recorded: recorded, portion: max(1, int(portion))}
		l, who := newLink(bus, c), &caller{}
		request := make([]byte, 12)
		for n := uint16(1); l.failure() == nil && c.read < len(recorded); n++ {
			late := who.counts.late
			frame, _, err := l.exchange(context.Background(), who, request, time.Second)
			require.LessOrEqual(t, who.counts.late-late, uint64(maxForeign))
			require.Equal(t, n, binary.BigEndian.Uint16(request))
			if err != nil {
				require.Nil(t, frame)
				continue
			}
			start := c.read - (l.end - l.start) - len(frame)
			require.GreaterOrEqual(t, start, c.asked, "began before it was asked for")
			require.Equal(t, recorded[start:start+len(frame)], frame)
			require.Equal(t, n, binary.BigEndian.Uint16(frame))
			require.LessOrEqual(t, len(frame), maxFrame)
		}
		assert.EqualValues(t, bus.transactions.Load(), who.counts.requests)
	})
}

// An answer stays what it is while others use the link.
func TestAnswersOfASharedLinkAreKept(t *testing.T) {
	bus := newBus(BusConfig{Dial: func(context.Context) (net.Conn, error) { return nil, nil }, Now: time.Now}, true)
	bus.transactions.Store(0)
	var recorded []byte
	for id := range uint16(20) {
		recorded = binary.BigEndian.AppendUint16(recorded, id+1)
		recorded = append(recorded, 0, 0, 0, 5, 1, 3, 2, 0, byte(id))
	}
	l := newLink(bus, &tape{recorded: recorded, portion: 11})
	one, two := &caller{unit: 1}, &caller{unit: 1}
	request := make([]byte, 12)
	for id := byte(0); id < 20; id += 2 {
		mine, _, err := l.exchange(t.Context(), one, request, time.Second)
		require.NoError(t, err)
		_, _, err = l.exchange(t.Context(), two, request, time.Second)
		require.NoError(t, err)
		require.Equal(t, id, mine[10])
	}
}
