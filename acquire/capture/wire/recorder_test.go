package wire_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scripted is a connection whose every Read gives the next of its answers.
type scripted struct {
	net.Conn
	answers  []any // []byte, or error
	writeErr error
	closed   bool
}

func (s *scripted) Read(b []byte) (int, error) {
	if len(s.answers) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	next := s.answers[0]
	s.answers = s.answers[1:]
	switch next := next.(type) {
	case error:
		return 0, next
	case []byte:
		return copy(b, next), nil
	}
	return 0, nil
}

func (s *scripted) Write(b []byte) (int, error) {
	if s.writeErr != nil {
		return 0, s.writeErr
	}
	return len(b), nil
}
func (s *scripted) Close() error         { s.closed = true; return nil }
func (s *scripted) LocalAddr() net.Addr  { return nil }
func (s *scripted) RemoteAddr() net.Addr { return nil }

// record wraps c, lets use use it, and returns what was recorded.
func record(t testing.TB, cfg wire.Config, link wire.Link, c net.Conn, use func(net.Conn)) (*wire.Recording, []byte, wire.Stats) {
	t.Helper()
	var file bytes.Buffer
	rec, err := wire.NewRecorder(&file, cfg)
	require.NoError(t, err)
	conn, err := rec.Dial(link, func(context.Context) (net.Conn, error) { return c, nil })(t.Context())
	require.NoError(t, err)
	use(conn)
	require.NoError(t, rec.Close())
	raw := bytes.Clone(file.Bytes())
	recording, err := wire.Read(&file)
	require.NoError(t, err)
	assert.NoError(t, recording.Torn)
	return recording, raw, rec.Stats()
}

func kinds(events []wire.Event) (list []wire.Kind) {
	for _, e := range events {
		list = append(list, e.Kind)
	}
	return list
}

func joined(events []wire.Event, kind wire.Kind) (b []byte) {
	for _, e := range events {
		if e.Kind == kind {
			b = append(b, e.Data...)
		}
	}
	return b
}

func TestWhatHappensIsRecorded(t *testing.T) {
	refused := &net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("read", syscall.ECONNREFUSED)}
	for _, packets := range []bool{false, true} {
		c := &scripted{answers: []any{[]byte("one"), refused, io.EOF, io.EOF}}
		recording, _, _ := record(t, wire.Config{}, wire.Link{Name: `a "meter"`, Packets: packets}, c, func(conn net.Conn) {
			b := make([]byte, 10)
			conn.Write([]byte("ask"))
			conn.Read(b)
			if packets {
				conn.Read(b) // the connection outlives it
			} else {
				c.answers = c.answers[1:]
			}
			conn.Read(b)
			conn.Read(b)
			c.writeErr = syscall.EPIPE
			conn.Write([]byte("lost"))
			conn.Close()
			conn.Write([]byte("not recorded"))
		})
		require.Len(t, recording.Conversations, 1)
		got := recording.Conversations[0]
		assert.Equal(t, `a "meter"`, got.Name)
		assert.Equal(t, packets, got.Packets)
		want := []wire.Kind{wire.Opened, wire.Sent, wire.Received, wire.Reset, wire.Ended, wire.Sent, wire.Unsent, wire.Closed}
		if !packets {
			want = slices.Delete(want, 3, 4)
		}
		assert.Equal(t, want, kinds(got.Events))
		assert.Equal(t, "asklost", string(joined(got.Events, wire.Sent)))
		assert.Equal(t, "one", string(joined(got.Events, wire.Received)))
		for _, e := range got.Events {
			switch e.Kind {
			case wire.Reset:
				assert.Equal(t, wire.Refused, e.Fault)
				assert.Equal(t, refused.Error(), e.Text)
			case wire.Unsent:
				assert.Equal(t, wire.Aborted, e.Fault)
			}
			assert.False(t, e.Gap)
		}
		assert.True(t, c.closed)
	}
}

// What a connection gives and takes must not depend on whether it is recorded.
func TestFailedDialsAreRecordedAndReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file bytes.Buffer
		rec, err := wire.NewRecorder(&file, wire.Config{})
		require.NoError(t, err)
		failures := []error{
			&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 502}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
			context.DeadlineExceeded,
			errors.New(strings.Repeat("ü", 300)),
			&net.OpError{Op: "dial", Net: "udp", Addr: &net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 161, Zone: "eth0"}, Err: errors.New("no route")},
		}
		for _, want := range failures {
			_, err := rec.Dial(wire.Link{}, func(context.Context) (net.Conn, error) {
				<-time.After(1500 * time.Millisecond)
				return nil, want
			})(t.Context())
			assert.Equal(t, want, err)
		}
		require.NoError(t, rec.Close())
		recording, err := wire.Read(&file)
		require.NoError(t, err)
		require.Len(t, recording.Conversations, 4)
		for i, want := range []wire.Fault{wire.Refused, wire.Timeout, wire.Other, wire.Other} {
			c := recording.Conversations[i]
			require.Len(t, c.Events, 1)
			assert.Equal(t, wire.Failed, c.Events[0].Kind)
			assert.Equal(t, want, c.Events[0].Fault)
			assert.Equal(t, 1500*time.Millisecond, c.Events[0].After)
			if i != 2 {
				assert.Equal(t, failures[i].Error(), c.Events[0].Text)
			}
		}
		assert.Equal(t, strings.Repeat("ü", 100), recording.Conversations[2].Events[0].Text)
		assert.Equal(t, "10.1.2.3:502", recording.Conversations[0].Remote.String())
		assert.Equal(t, "[fe80::1]:161", recording.Conversations[3].Remote.String())
		assert.True(t, recording.Conversations[3].Packets)
	})
}

// A stuck disk must not be felt.
func TestSlowAndFailingDisk(t *testing.T) {
	for _, link := range []wire.Link{{}, {Packets: true}} {
		t.Run(fmt.Sprintf("slow, packets %v", link.Packets), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := &stuck{free: make(chan struct{})}
				rec, err := wire.NewRecorder(disk, wire.Config{Buffer: 128 << 10})
				require.NoError(t, err)
				synctest.Wait() // the head of the file is on its way
				conn, err := rec.Dial(link, func(context.Context) (net.Conn, error) { return &scripted{}, nil })(t.Context())
				require.NoError(t, err)
				block := bytes.Repeat([]byte("0123456789"), 1000)
				for range 100 {
					n, err := conn.Write(block)
					require.NoError(t, err)
					require.Equal(t, len(block), n)
				}
				require.Equal(t, uint64(100-12), rec.Stats().Dropped)
				close(disk.free)
				synctest.Wait()
				_, err = conn.Write([]byte("the end"))
				require.NoError(t, err)
				require.NoError(t, conn.Close())
				require.NoError(t, rec.Close())
				recording, err := wire.Read(&disk.file)
				require.NoError(t, err)
				assert.Equal(t, uint64(100-12), recording.Dropped)
				events := recording.Conversations[0].Events
				gap := slices.IndexFunc(events, func(e wire.Event) bool { return e.Gap })
				require.Equal(t, 1+12, gap)
				assert.Equal(t, "the end", string(events[gap].Data))
				for _, e := range events[1:gap] {
					assert.True(t, bytes.Equal(block, e.Data))
				}
			})
		})
	}
	t.Run("full", func(t *testing.T) {
		full := errors.New("no space left on device")
		disk := &failing{left: 10, err: full}
		rec, err := wire.NewRecorder(disk, wire.Config{})
		require.NoError(t, err)
		conn, err := rec.Dial(wire.Link{}, func(context.Context) (net.Conn, error) { return &scripted{}, nil })(t.Context())
		require.NoError(t, err)
		for range 10 {
			n, err := conn.Write([]byte("request"))
			require.NoError(t, err)
			require.Equal(t, 7, n)
		}
		require.NoError(t, conn.Close())
		assert.ErrorIs(t, rec.Close(), full)
		assert.ErrorIs(t, rec.Err(), full)
		s := rec.Stats()
		assert.Zero(t, s.Packets)
		assert.Equal(t, uint64(3+10+1), s.Dropped)
		assert.Equal(t, uint64(10), s.Written)
	})
}

// stuck is a disk that takes nothing until free is closed.
type stuck struct {
	free chan struct{}
	file bytes.Buffer
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.free
	return s.file.Write(b)
}

// failing is a disk that has room for a few bytes.
type failing struct {
	left int
	err  error
}

func (f *failing) Write(b []byte) (int, error) {
	n := min(f.left, len(b))
	f.left -= n
	if n < len(b) {
		return n, f.err
	}
	return n, nil
}

func TestFaultsOfConfig(t *testing.T) {
	_, err := wire.NewRecorder(nil, wire.Config{Buffer: 10, Name: strings.Repeat("n", 1000)})
	require.Error(t, err)
	for _, part := range []string{"nothing to write to", "Buffer", "Name"} {
		assert.ErrorContains(t, err, part)
	}
}

// secure looks like a connection of crypto/tls.
type secure struct{ scripted }

func (*secure) ConnectionState() tls.ConnectionState { return tls.ConnectionState{ServerName: "meter"} }

func TestPlaintextOfTLSIsLeftOut(t *testing.T) {
	use := func(conn net.Conn) {
		_, err := conn.Write([]byte("plain text"))
		require.NoError(t, err)
		n, err := conn.Read(make([]byte, 20))
		require.NoError(t, err)
		require.Equal(t, 6, n)
		state, ok := conn.(interface{ ConnectionState() tls.ConnectionState })
		require.True(t, ok)
		require.Equal(t, "meter", state.ConnectionState().ServerName)
		require.NoError(t, conn.Close())
	}
	answers := func() []any { return []any{[]byte("answer")} }
	recording, raw, stats := record(t, wire.Config{}, wire.Link{}, &secure{scripted{answers: answers()}}, use)
	assert.Equal(t, []wire.Kind{wire.Opened, wire.Closed}, kinds(recording.Conversations[0].Events))
	assert.NotContains(t, string(raw), "plain")
	assert.NotContains(t, string(raw), "answer")
	assert.Equal(t, uint64(16), stats.Withheld)

	recording, _, stats = record(t, wire.Config{Plaintext: true}, wire.Link{}, &secure{scripted{answers: answers()}}, use)
	assert.Equal(t, "plain text", string(joined(recording.Conversations[0].Events, wire.Sent)))
	assert.Zero(t, stats.Withheld)
}

// Times must not follow a clock that is set back.
func TestTimesDoNotGoBackwards(t *testing.T) {
	begun := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	now := begun
	recording, _, _ := record(t, wire.Config{Now: func() time.Time { return now }}, wire.Link{}, &scripted{}, func(conn net.Conn) {
		for _, step := range []time.Duration{time.Second, time.Second, -time.Hour, time.Minute, 2 * time.Hour} {
			now = now.Add(step)
			conn.Write([]byte("x"))
		}
	})
	var seconds []float64
	for _, e := range recording.Conversations[0].Events {
		seconds = append(seconds, e.Time.Sub(begun).Seconds())
	}
	assert.Equal(t, []float64{0, 1, 2, 2, 2, 2 + 3600 + 60}, seconds)
}

// addressed is a connection with addresses.
type addressed struct {
	scripted
	local, remote net.Addr
}

func (a *addressed) LocalAddr() net.Addr  { return a.local }
func (a *addressed) RemoteAddr() net.Addr { return a.remote }

func TestAddressesAreThoseOfTheConnection(t *testing.T) {
	tcp := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	udp := func(s string) net.Addr { return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	for _, c := range []struct {
		local, remote net.Addr
		want, to      string
		packets       bool
	}{
		{tcp("10.0.0.1:5000"), tcp("10.0.0.2:502"), "10.0.0.1:5000", "10.0.0.2:502", false},
		{tcp("[::ffff:10.0.0.1]:5000"), tcp("10.0.0.2:502"), "10.0.0.1:5000", "10.0.0.2:502", false},
		{tcp("[fe80::1%eth0]:5000"), tcp("[fe80::2%eth0]:502"), "[fe80::1]:5000", "[fe80::2]:502", false},
		{udp("[2001:db8::1]:5000"), udp("[2001:db8::2]:161"), "[2001:db8::1]:5000", "[2001:db8::2]:161", true},
		{udp("10.0.0.1:5000"), udp("[2001:db8::2]:161"), "192.0.2.1:49152", "192.0.2.2:161", true},
		{&net.UnixAddr{Name: "/run/x", Net: "unix"}, nil, "192.0.2.1:49152", "192.0.2.2:161", false},
		{nil, nil, "192.0.2.1:49152", "192.0.2.2:161", false},
	} {
		long := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
		if c.packets {
			long = long[:9000]
		}
		recording, _, _ := record(t, wire.Config{Secrets: true}, wire.Link{Protocol: wire.SNMP{}}, &addressed{local: c.local, remote: c.remote}, func(conn net.Conn) {
			conn.Write(long)
			conn.Close()
		})
		got := recording.Conversations[0]
		assert.Equal(t, c.want, got.Local.String())
		assert.Equal(t, c.to, got.Remote.String())
		assert.Equal(t, c.packets, got.Packets)
		assert.True(t, bytes.Equal(long, joined(got.Events, wire.Sent)))
		assert.Zero(t, recording.Skipped)
	}
}

// A datagram longer than IP can say, of a connection in memory, is cut and not lost.
func TestGiantDatagram(t *testing.T) {
	recording, _, _ := record(t, wire.Config{}, wire.Link{Packets: true}, &scripted{}, func(conn net.Conn) { conn.Write(make([]byte, 70_000)) })
	assert.Len(t, joined(recording.Conversations[0].Events, wire.Sent), 65507)
	assert.Zero(t, recording.Skipped)
}

// A listener has a conversation with each sender.
func TestListener(t *testing.T) {
	for _, on := range []string{"127.0.0.1:0", ":0"} {
		var file bytes.Buffer
		rec, err := wire.NewRecorder(&file, wire.Config{})
		require.NoError(t, err)
		listen := rec.Listen(wire.Link{Protocol: wire.SNMP{}}, func(context.Context) (net.PacketConn, error) { return net.ListenPacket("udp", on) })
		conn, err := listen(t.Context())
		require.NoError(t, err)
		_, port, err := net.SplitHostPort(conn.LocalAddr().String())
		require.NoError(t, err)
		trap := getRequest(canary)
		b := make([]byte, 1000)
		for i := range 3 {
			sender, err := net.Dial("udp", net.JoinHostPort("127.0.0.1", port))
			require.NoError(t, err)
			_, err = sender.Write(trap)
			require.NoError(t, err)
			n, from, err := conn.ReadFrom(b)
			require.NoError(t, err)
			require.Equal(t, trap, b[:n])
			if i == 1 {
				_, err = conn.WriteTo(trap[:10], from)
				require.NoError(t, err)
			}
			require.NoError(t, sender.Close())
		}
		require.NoError(t, conn.Close())
		require.NoError(t, rec.Close())
		assert.NotContains(t, file.String(), canary)
		recording, err := wire.Read(&file)
		require.NoError(t, err)
		require.Len(t, recording.Conversations, 3)
		for i, c := range recording.Conversations {
			want := []wire.Kind{wire.Received}
			if i == 1 {
				want = append(want, wire.Sent)
			}
			assert.Equal(t, want, kinds(c.Events))
			assert.Equal(t, port, strconv.Itoa(int(c.Local.Port())))
			assert.Equal(t, "127.0.0.1", c.Remote.Addr().String())
			assert.Len(t, c.Events[0].Data, len(trap))
		}
		failing := rec.Listen(wire.Link{}, func(context.Context) (net.PacketConn, error) { return nil, io.ErrUnexpectedEOF })
		_, err = failing(t.Context())
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	for name, link := range map[string]wire.Link{
		"modbus":   {Protocol: wire.Modbus{}},
		"snmp":     {Protocol: wire.SNMP{}, Packets: true},
		"snmp/tcp": {Protocol: wire.SNMP{}},
	} {
		t.Run(name, func(t *testing.T) {
			frame := getRequest("secret")
			if link.Protocol == (wire.Modbus{}) {
				frame = []byte{0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2}
			}
			rec, err := wire.NewRecorder(io.Discard, wire.Config{Buffer: 128 << 10})
			require.NoError(t, err)
			defer rec.Close()
			inner := &echo{frame: frame}
			conn, err := rec.Dial(link, func(context.Context) (net.Conn, error) { return inner, nil })(t.Context())
			require.NoError(t, err)
			b := make([]byte, 300)
			exchange := func() {
				if _, err := conn.Write(frame); err != nil {
					t.Fatal(err)
				}
				if _, err := conn.Read(b); err != nil {
					t.Fatal(err)
				}
			}
			for range 3000 { // until the buffers have their size
				exchange()
			}
			assert.Zero(t, testing.AllocsPerRun(1000, exchange))
		})
	}
}

// echo answers each Read with the same frame.
type echo struct {
	scripted
	frame []byte
}

func (e *echo) Read(b []byte) (int, error) { return copy(b, e.frame), nil }

// getRequest is a message of version 2c.
func getRequest(community string) []byte {
	pdu := []byte{0xa0, 11, 2, 1, 7, 2, 1, 0, 2, 1, 0, 0x30, 0}
	pdu[1] = byte(len(pdu) - 2)
	body := append([]byte{2, 1, 1, 4, byte(len(community))}, community...)
	body = append(body, pdu...)
	return append([]byte{0x30, byte(len(body))}, body...)
}

func BenchmarkRecord(b *testing.B) {
	frame := []byte{0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2}
	run := func(b *testing.B, conn net.Conn) {
		buffer := make([]byte, 300)
		for b.Loop() {
			conn.Write(frame)
			conn.Read(buffer)
		}
	}
	b.Run("bare", func(b *testing.B) { run(b, &echo{frame: frame}) })
	b.Run("recorded", func(b *testing.B) {
		rec, err := wire.NewRecorder(io.Discard, wire.Config{})
		require.NoError(b, err)
		defer rec.Close()
		conn, err := rec.Dial(wire.Link{Protocol: wire.Modbus{}}, func(context.Context) (net.Conn, error) { return &echo{frame: frame}, nil })(b.Context())
		require.NoError(b, err)
		run(b, conn)
		b.ReportMetric(float64(rec.Stats().Dropped)/float64(b.N), "dropped/op")
	})
}
