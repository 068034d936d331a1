package wire_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// at is an event of a conversation to be played.
type at struct {
	ms    int
	kind  wire.Kind
	data  string
	fault wire.Fault
}

// conversation makes one of events.
func conversation(packets bool, list ...at) wire.Conversation {
	c := wire.Conversation{Packets: packets, Local: netip.MustParseAddrPort("192.0.2.1:49152"), Remote: netip.MustParseAddrPort("192.0.2.2:502")}
	start := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for i, a := range list {
		c.Events = append(c.Events, wire.Event{
			Time: start.Add(time.Duration(a.ms) * time.Millisecond), Frame: i + 1, Kind: a.kind, Data: []byte(a.data), Fault: a.fault,
		})
	}
	return c
}

// mbap is a message with a transaction id.
func mbap(id byte, pdu string) string {
	return string(append([]byte{0, id, 0, 0, 0, byte(len(pdu) + 1), 1}, pdu...))
}

// played is a Peer in a bubble, and the first conversation of it.
type played struct {
	*testing.T
	peer  *wire.Peer
	conn  net.Conn
	start time.Time
}

func play(t *testing.T, p wire.Protocol, test func(*played), list ...wire.Conversation) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &played{T: t, peer: wire.NewPeer(p, list), start: time.Now()}
		var err error
		d.conn, err = d.peer.Dial(t.Context())
		require.NoError(t, err)
		test(d)
	})
}

func (d *played) write(s string) {
	d.Helper()
	n, err := d.conn.Write([]byte(s))
	require.NoError(d, err)
	require.Equal(d, len(s), n)
}

// read reads once, until a time in milliseconds since the beginning.
func (d *played) read(until int) (string, error) {
	require.NoError(d, d.conn.SetReadDeadline(d.start.Add(time.Duration(until)*time.Millisecond)))
	b := make([]byte, 100)
	n, err := d.conn.Read(b)
	return string(b[:n]), err
}

func (d *played) wants(what string, ms int) {
	d.Helper()
	got, err := d.read(ms + 1000)
	require.NoError(d, err)
	assert.Equal(d, what, got)
	assert.Equal(d, time.Duration(ms)*time.Millisecond, time.Since(d.start))
}

func (d *played) wait(until int) {
	<-time.After(time.Until(d.start.Add(time.Duration(until) * time.Millisecond)))
}

// An answer that was late is as late for a driver that asks at other times, and has
// the id of the request that it answers.
func TestLateAnswersArePlayedLate(t *testing.T) {
	c := conversation(false,
		at{0, wire.Opened, "", 0},
		at{10, wire.Sent, mbap(1, "one"), 0}, at{12, wire.Received, mbap(1, "ONE"), 0},
		at{100, wire.Sent, mbap(2, "two"), 0},
		at{200, wire.Sent, mbap(3, "three"), 0},
		at{220, wire.Received, mbap(2, "TWO"), 0}, // 120 ms after its request
		at{250, wire.Received, mbap(3, "THREE"), 0},
		at{260, wire.Received, mbap(9, "NINE"), 0}, // nobody's: 60 ms after the last request
	)
	play(t, wire.Modbus{}, func(d *played) {
		d.wait(500)
		d.write(mbap(77, "one"))
		d.wants(mbap(77, "ONE"), 502)
		d.wait(600)
		d.write(mbap(78, "two"))
		_, err := d.read(719)
		require.ErrorIs(d, err, os.ErrDeadlineExceeded)
		d.wants(mbap(78, "TWO"), 720) // though the third request is not there
		d.wait(1000)
		d.write(mbap(79, "three"))
		d.wants(mbap(79, "THREE"), 1050)
		d.wants(mbap(9, "NINE"), 1060)
		require.NoError(d, d.peer.Err())
		n, beyond := d.peer.Progress()
		assert.Equal(d, 3, n)
		assert.Zero(d, beyond)
		// There is nothing more: silence.
		d.write(mbap(80, "four"))
		_, err = d.read(100_000)
		require.ErrorIs(d, err, os.ErrDeadlineExceeded)
		_, beyond = d.peer.Progress()
		assert.Equal(d, 1, beyond)
		require.NoError(d, d.peer.Err())
	}, c)
}

func TestTornAnswersArePlayedTorn(t *testing.T) {
	answer := mbap(1, "answer")
	c := conversation(false,
		at{0, wire.Opened, "", 0},
		at{0, wire.Sent, mbap(1, "ask")[:4], 0}, at{1, wire.Sent, mbap(1, "ask")[4:], 0},
		at{10, wire.Received, answer[:5], 0}, at{110, wire.Received, answer[5:], 0},
		at{120, wire.Received, "noise", 0},
		at{130, wire.Ended, "", 0},
	)
	play(t, wire.Modbus{}, func(d *played) {
		request := mbap(9, "ask")
		d.write(request[:9])
		_, err := d.read(100)
		require.ErrorIs(d, err, os.ErrDeadlineExceeded, "half a request has no answer")
		d.write(request[9:])
		want := mbap(9, "answer")
		d.wants(want[:5], 110)
		d.wants(want[5:], 210)
		d.wants("noise", 220)
		_, err = d.read(1000)
		require.ErrorIs(d, err, io.EOF)
		assert.Equal(d, 230*time.Millisecond, time.Since(d.start))
		_, err = d.read(1000)
		require.ErrorIs(d, err, io.EOF)
	}, c)
}

func TestDivergenceNamesTheFrame(t *testing.T) {
	c := conversation(false,
		at{0, wire.Opened, "", 0},
		at{0, wire.Sent, mbap(1, "one"), 0}, at{2, wire.Received, mbap(1, "ONE"), 0},
		at{9, wire.Sent, mbap(2, "two"), 0}, at{11, wire.Received, mbap(2, "TWO"), 0},
	)
	play(t, wire.Modbus{}, func(d *played) {
		d.write(mbap(1, "one"))
		_, err := d.conn.Write([]byte(mbap(2, "owt")))
		var divergence *wire.Divergence
		require.ErrorAs(d, err, &divergence)
		assert.Equal(d, 1, divergence.Conversation)
		assert.Equal(d, 4, divergence.Frame)
		assert.Equal(d, mbap(2, "two"), string(divergence.Want))
		assert.Equal(d, mbap(2, "owt"), string(divergence.Got))
		assert.EqualError(d, err, "wire: conversation 1, frame 4: request differs from the recorded request:\n"+
			"  want 10 bytes: 0002000000040174776f\n  got  10 bytes: 000200000004016f7774")
		assert.Equal(d, err, d.peer.Err())
		// Nothing works any more, so that no driver goes on by mistake.
		_, err = d.read(1000)
		require.ErrorAs(d, err, &divergence)
		_, err = d.conn.Write([]byte(mbap(2, "two")))
		require.ErrorAs(d, err, &divergence)
		_, err = d.peer.Dial(d.Context())
		require.ErrorAs(d, err, &divergence)
	}, c, c)
}

func TestTroubleIsPlayed(t *testing.T) {
	broken := conversation(false,
		at{0, wire.Opened, "", 0},
		at{5, wire.Received, "hello", 0},
		at{10, wire.Sent, "ask", 0}, at{20, wire.Received, "half", 0}, at{50, wire.Reset, "", wire.Aborted},
	)
	failed := conversation(false, at{0, wire.Failed, "", wire.Refused})
	failed.Events[0].After = 3 * time.Second
	datagrams := conversation(true,
		at{0, wire.Opened, "", 0},
		at{0, wire.Sent, "one", 0}, at{1, wire.Reset, "", wire.Refused},
		at{100, wire.Sent, "two", 0}, at{100, wire.Unsent, "", wire.Refused},
		at{101, wire.Sent, "two", 0}, at{102, wire.Received, "a long datagram", 0}, at{102, wire.Received, "", 0}, at{103, wire.Received, "TWO", 0},
	)
	play(t, nil, func(d *played) {
		d.wants("hello", 5)
		d.write("ask")
		d.wants("half", 15)
		_, err := d.read(1000)
		require.ErrorIs(d, err, syscall.ECONNRESET)
		assert.Equal(d, 45*time.Millisecond, time.Since(d.start))
		require.NoError(d, d.conn.Close())
		_, err = d.conn.Read(make([]byte, 1))
		require.ErrorIs(d, err, net.ErrClosed)
		_, err = d.conn.Write([]byte("x"))
		require.ErrorIs(d, err, net.ErrClosed)
		require.ErrorIs(d, d.conn.Close(), net.ErrClosed)
		require.ErrorIs(d, d.conn.SetDeadline(time.Time{}), net.ErrClosed)

		before := time.Now()
		_, err = d.peer.Dial(d.Context())
		require.ErrorIs(d, err, syscall.ECONNREFUSED)
		assert.Equal(d, 3*time.Second, time.Since(before))
		ctx, cancel := context.WithTimeout(d.Context(), time.Second)
		defer cancel()
		_, err = d.peer.Dial(ctx)
		require.ErrorIs(d, err, context.DeadlineExceeded)

		d.conn, err = d.peer.Dial(d.Context())
		require.NoError(d, err)
		d.start = time.Now()
		assert.Equal(d, "udp", d.conn.LocalAddr().Network())
		assert.Equal(d, "192.0.2.2:502", d.conn.RemoteAddr().String())
		d.write("one")
		_, err = d.read(1000)
		require.ErrorIs(d, err, syscall.ECONNREFUSED)
		_, err = d.conn.Write([]byte("two"))
		require.ErrorIs(d, err, syscall.ECONNREFUSED)
		d.write("two")
		b := make([]byte, 6)
		n, err := d.conn.Read(b)
		require.NoError(d, err)
		assert.Equal(d, "a long", string(b[:n]), "the rest of a datagram is lost")
		d.wants("", 2)
		d.wants("TWO", 3)
		require.NoError(d, d.conn.Close())

		assert.Zero(d, d.peer.Left())
		_, err = d.peer.Dial(d.Context())
		require.ErrorIs(d, err, wire.ErrEnd)
		ctx, cancel = context.WithCancel(d.Context())
		cancel()
		_, err = d.peer.Dial(ctx)
		require.ErrorIs(d, err, context.Canceled)
		require.NoError(d, d.peer.Err())
	}, broken, failed, failed, datagrams)
}

// Deadlines and closing wake a reader.
func TestReadersAreWoken(t *testing.T) {
	c := conversation(false, at{0, wire.Opened, "", 0}, at{10, wire.Sent, "ask", 0}, at{20, wire.Received, "answer", 0})
	for name, wake := range map[string]func(net.Conn) error{
		"deadline": func(conn net.Conn) error { return conn.SetDeadline(time.Unix(1, 0)) },
		"close":    func(conn net.Conn) error { return conn.Close() },
		"answer":   func(conn net.Conn) error { _, err := conn.Write([]byte("ask")); return err },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(d *played) {
				done := make(chan error, 1)
				go func() {
					_, err := d.conn.Read(make([]byte, 10))
					done <- err
				}()
				synctest.Wait()
				require.Empty(d, done)
				require.NoError(d, wake(d.conn))
				err := <-done
				switch name {
				case "deadline":
					assert.ErrorIs(d, err, os.ErrDeadlineExceeded)
					_, err = d.conn.Write([]byte("ask"))
					assert.ErrorIs(d, err, os.ErrDeadlineExceeded)
				case "close":
					assert.ErrorIs(d, err, net.ErrClosed)
				default:
					assert.NoError(d, err)
					assert.Equal(d, 10*time.Millisecond, time.Since(d.start))
				}
			}, c)
		})
	}
}

// The clock of a Peer is that of the recording.
func TestNowIsTheTimeOfTheRecording(t *testing.T) {
	c := conversation(false, at{0, wire.Opened, "", 0})
	play(t, nil, func(d *played) {
		assert.Equal(d, c.Events[0].Time, d.peer.Now())
		d.wait(1500)
		assert.Equal(d, c.Events[0].Time.Add(1500*time.Millisecond), d.peer.Now())
	}, c)
}

// An answer that overtakes another does so again.
func TestAnswersOvertake(t *testing.T) {
	c := conversation(false,
		at{0, wire.Opened, "", 0},
		at{0, wire.Sent, mbap(1, "one"), 0}, at{100, wire.Sent, mbap(2, "two"), 0},
		at{120, wire.Received, mbap(2, "TWO"), 0}, at{150, wire.Received, mbap(1, "ONE"), 0},
	)
	play(t, wire.Modbus{}, func(d *played) {
		d.write(mbap(1, "one"))
		d.wait(100)
		d.write(mbap(2, "two"))
		d.wants(mbap(2, "TWO"), 120)
		d.wants(mbap(1, "ONE"), 150)
	}, c)
}

// uaChunk is a chunk of a message of OPC UA without security.
func uaChunk(kind string, request uint32, body []byte) string {
	b := binary.LittleEndian.AppendUint32([]byte("MSG"+kind), uint32(24+len(body)))
	for _, n := range []uint32{1, 1, request, request} { // channel, token, sequence number, request id
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return string(append(b, body...))
}

// uaRead begins a ReadRequest, and uaValues is the answer to it.
func uaRead(handle uint32) []byte {
	b := []byte{1, 0, 0x77, 2, 0, 0} // its type, and no token of a session
	b = binary.LittleEndian.AppendUint32(append(b, make([]byte, 8)...), handle)
	b = append(b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0)
	return append(b, "nodes"...)
}

func uaValues(handle uint32) []byte {
	b := append([]byte{1, 0, 0x7a, 2}, make([]byte, 8)...)
	return append(binary.LittleEndian.AppendUint32(b, handle), "values"...)
}

// A request of several chunks is answered with its handle, which stands in the first of
// them.
func TestHandleOfChunks(t *testing.T) {
	c := conversation(false,
		at{0, wire.Opened, "", 0},
		at{10, wire.Sent, uaChunk("C", 7, uaRead(47)), 0}, at{10, wire.Sent, uaChunk("F", 7, []byte("and more nodes, thirty bytes long")), 0},
		at{20, wire.Received, uaChunk("F", 7, uaValues(47)), 0},
		at{30, wire.Sent, uaChunk("F", 8, uaRead(48)), 0}, at{40, wire.Received, uaChunk("F", 8, uaValues(48)), 0},
	)
	play(t, wire.OPCUA{}, func(d *played) {
		d.wait(10)
		d.write(uaChunk("C", 7, uaRead(90)) + uaChunk("F", 7, []byte("and more nodes, thirty bytes long")))
		d.wants(uaChunk("F", 7, uaValues(90)), 20)
		d.wait(30)
		d.write(uaChunk("F", 8, uaRead(91)))
		d.wants(uaChunk("F", 8, uaValues(91)), 40)
	}, c)
}
