package modbustest_test

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// adu wraps a PDU, given in hex, for unit 1.
func adu(t testing.TB, transaction uint16, pdu string) []byte {
	t.Helper()
	p := unhex(t, pdu)
	f := binary.BigEndian.AppendUint16(nil, transaction)
	f = append(f, 0, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(len(p)+1))
	return append(append(f, 1), p...)
}

// dial connects to a server over loopback TCP.
func dial(t testing.TB, s *modbustest.Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Address())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	// Bounds a broken test; no test waits for it.
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return c
}

// exchange sends a frame and reads as many bytes as are wanted.
func exchange(t testing.TB, c net.Conn, request []byte, want int) []byte {
	t.Helper()
	_, err := c.Write(request)
	require.NoError(t, err)
	got := make([]byte, want)
	n, err := io.ReadFull(c, got)
	require.NoError(t, err, "after %d of %d bytes: % x", n, want, got[:n])
	return got
}

func start(t testing.TB, cfg modbustest.Config) *modbustest.Server {
	t.Helper()
	s, err := modbustest.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// pipe connects to a server over net.Pipe; the server's end is served in a goroutine of its own.
func pipe(s *modbustest.Server) net.Conn {
	client, server := net.Pipe()
	go s.ServeConn(server)
	return client
}

func bitsOf(bytes []byte, count int) []bool {
	bits := make([]bool, count)
	for i := range bits {
		bits[i] = bytes[i/8]>>(i%8)&1 == 1
	}
	return bits
}

// specimen holds what the examples of V1.1b3, sections 6.1 to 6.4, read, and a little more.
func specimen(t testing.TB) *modbustest.Image {
	t.Helper()
	var m modbustest.Image
	require.NoError(t, m.SetBits(modbustest.Coils, 0x13, bitsOf([]byte{0xCD, 0x6B, 0x05}, 19)...))
	require.NoError(t, m.SetBits(modbustest.DiscreteInputs, 0xC4, bitsOf([]byte{0xAC, 0xDB, 0x35}, 22)...))
	require.NoError(t, m.SetRegisters(modbustest.HoldingRegisters, 0x6B, 0x022B, 0x0000, 0x0064))
	require.NoError(t, m.SetRegisters(modbustest.InputRegisters, 8, 0x000A))
	require.NoError(t, m.SetRegisters(modbustest.InputRegisters, 65535, 7))
	require.NoError(t, m.SetRegisters(modbustest.InputRegisters, 1000, make([]uint16, 200)...))
	require.NoError(t, m.SetBits(modbustest.Coils, 1000, make([]bool, 2100)...))
	return &m
}

func TestReplies(t *testing.T) {
	s := start(t, modbustest.Config{Units: map[byte]modbustest.Device{1: specimen(t)}})
	c := dial(t, s)
	zeros := func(n int) string { return strings.Repeat("00", n) }
	for _, tt := range []struct {
		name, request, reply string
	}{
		{"6.1 read coils, 20 to 38", "01 0013 0013", "01 03 CD 6B 05"},
		{"6.2 read discrete inputs, 197 to 218", "02 00C4 0016", "02 03 AC DB 35"},
		{"6.3 read holding registers, 108 to 110", "03 006B 0003", "03 06 022B 0000 0064"},
		{"6.4 read input register 9", "04 0008 0001", "04 02 000A"},
		{"largest number of registers", "04 03E8 007D", "04 FA" + zeros(250)},
		{"one register too many", "04 03E8 007E", "84 03"},
		{"no register", "03 006B 0000", "83 03"},
		{"largest number of coils", "01 03E8 07D0", "01 FA" + zeros(250)},
		{"one coil too many", "01 03E8 07D1", "81 03"},
		{"no discrete input", "02 00C4 0000", "82 03"},
		{"last address", "04 FFFF 0001", "04 02 0007"},
		{"past the last address", "04 FFFF 0002", "84 02"},
		{"past the last coil", "01 FFFF 0002", "81 02"},
		{"hole", "03 006A 0002", "83 02"},
		{"hole at the end", "03 006D 0002", "83 02"},
		{"table not there", "02 0000 0001", "82 02"},
		{"count before address", "03 FFFF 00FF", "83 03"},
		{"request cut short", "03 006B 00", "83 03"},
		{"request with a tail", "03 006B 0003 00", "83 03"},
		{"function without anything", "03", "83 03"},
		{"write single coil", "05 0013 FF00", "85 01"},
		{"write single register", "06 006B 0001", "86 01"},
		{"read exception status", "07", "87 01"},
		{"write coils", "0F 0013 000A 02 CD01", "8F 01"},
		{"write registers", "10 006B 0001 02 0001", "90 01"},
		{"write file", "15 00", "95 01"},
		{"mask write", "16 006B 00F2 0025", "96 01"},
		{"read and write", "17 006B 0001 006B 0001 02 0001", "97 01"},
		{"identification", "2B 0E 01 00", "AB 01"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := adu(t, 0x1501, tt.reply)
			assert.Equal(t, want, exchange(t, c, adu(t, 0x1501, tt.request), len(want)))
		})
	}
	require.NoError(t, s.Close()) // a reply is counted after it is written
	st := s.Stats()
	assert.EqualValues(t, 1, st.Connections)
	assert.EqualValues(t, 29, st.Requests)
	assert.EqualValues(t, 29, st.Replies)
	assert.EqualValues(t, 22, st.Exceptions)
	assert.EqualValues(t, 7, st.Writes)
	assert.EqualValues(t, 8, st.Functions[3])
	assert.EqualValues(t, 1, st.Functions[0x2B])
	assert.Zero(t, st.Malformed)
}

func TestUnknownUnit(t *testing.T) {
	request := adu(t, 9, "03 006B 0001")
	request[6] = 7
	t.Run("answers as a gateway", func(t *testing.T) {
		s := start(t, modbustest.Config{Units: map[byte]modbustest.Device{1: specimen(t)}})
		assert.Equal(t, unhex(t, "0009 0000 0003 07 83 0B"), exchange(t, dial(t, s), request, 9))
	})
	t.Run("stays silent", func(t *testing.T) {
		s := start(t, modbustest.Config{Units: map[byte]modbustest.Device{1: specimen(t)}, IgnoreUnknown: true})
		c := dial(t, s)
		_, err := c.Write(request)
		require.NoError(t, err)
		want := adu(t, 10, "04 02 000A") // the first bytes to come answer the next request
		assert.Equal(t, want, exchange(t, c, adu(t, 10, "04 0008 0001"), len(want)))
	})
}

func TestLostFraming(t *testing.T) {
	for name, request := range map[string]string{
		"other protocol":   "0001 0001 0006 01 03 0000 0001",
		"length too small": "0001 0000 0001 01",
		"length too large": "0001 0000 00FF 01 03",
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, modbustest.Config{})
			c := dial(t, s)
			_, err := c.Write(unhex(t, request))
			require.NoError(t, err)
			rest, _ := io.ReadAll(c) // an end or a reset, as the kernel likes
			assert.Empty(t, rest)
			assert.EqualValues(t, 1, s.Stats().Malformed)
			assert.Zero(t, s.Stats().Requests)
		})
	}
}

// Requests in one segment, and requests cut anywhere, are all answered, in order.
func TestPipelining(t *testing.T) {
	s := start(t, modbustest.Config{Units: map[byte]modbustest.Device{1: specimen(t)}})
	var requests, want []byte
	for i := range uint16(200) {
		pdu, reply := "04 0008 0001", "04 02 000A"
		if i%3 == 1 {
			pdu, reply = "04 0000 0001", "84 02"
		}
		requests = append(requests, adu(t, i, pdu)...)
		want = append(want, adu(t, i, reply)...)
	}
	c := dial(t, s)
	assert.Equal(t, want, exchange(t, c, requests, len(want)))
	go func() {
		for p := range slices.Chunk(requests, 5) {
			if _, err := c.Write(p); err != nil {
				return
			}
		}
	}()
	assert.Equal(t, want, exchange(t, c, nil, len(want)))
}

func TestVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := modbustest.New(modbustest.Config{
			Units:      map[byte]modbustest.Device{1: specimen(t)},
			PerRequest: 10 * time.Millisecond,
		})
		require.NoError(t, err)
		assert.Empty(t, s.Address())
		c := pipe(s)
		begin := time.Now()
		want := adu(t, 1, "04 02 000A")
		for range 360 { // an hour, in an instant
			time.Sleep(10 * time.Second)
			assert.Equal(t, want, exchange(t, c, adu(t, 1, "04 0008 0001"), len(want)))
		}
		assert.Equal(t, 360*(10*time.Second+10*time.Millisecond), time.Since(begin))

		// A whole window written before the first reply is read: the server must not wait for the reader.
		var window, replies []byte
		for i := range uint16(16) {
			window = append(window, adu(t, i, "04 0008 0001")...)
			replies = append(replies, adu(t, i, "04 02 000A")...)
		}
		assert.Equal(t, replies, exchange(t, c, window, len(replies)))

		require.NoError(t, s.Close())
		_, err = c.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF)
	})
}

func TestClose(t *testing.T) {
	s, err := modbustest.Start(modbustest.Config{
		Units: map[byte]modbustest.Device{1: specimen(t)},
		Fault: modbustest.Chain(modbustest.When(func(r modbustest.Request) bool { return r.Transaction == 1 }, modbustest.Late(time.Hour)),
			modbustest.When(func(r modbustest.Request) bool { return r.Transaction == 2 }, modbustest.Delay(time.Hour))),
	})
	require.NoError(t, err)
	idle, busy := dial(t, s), dial(t, s)
	_, err = busy.Write(append(adu(t, 1, "04 0008 0001"), adu(t, 2, "04 0008 0001")...))
	require.NoError(t, err)
	var both sync.WaitGroup
	both.Go(func() { assert.NoError(t, s.Close()) })
	both.Go(func() { assert.NoError(t, s.Close()) })
	both.Wait()
	require.NoError(t, s.Close())
	for _, c := range []net.Conn{idle, busy} {
		got, _ := io.ReadAll(c)
		assert.Empty(t, got)
	}
	_, err = net.Dial("tcp", s.Address())
	require.Error(t, err)
	assert.Zero(t, s.Stats().Open)

	client, server := net.Pipe()
	s.ServeConn(server) // returns at once, with the connection closed
	_, err = client.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func TestDisconnect(t *testing.T) {
	s := start(t, modbustest.Config{Units: map[byte]modbustest.Device{1: specimen(t)}})
	want := adu(t, 1, "04 02 000A")
	for range 3 {
		c := dial(t, s)
		assert.Equal(t, want, exchange(t, c, adu(t, 1, "04 0008 0001"), len(want)))
		s.Disconnect()
		got, _ := io.ReadAll(c)
		assert.Empty(t, got)
	}
	assert.EqualValues(t, 3, s.Stats().Connections)
}

func TestServe(t *testing.T) {
	s, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: specimen(t)}})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	want := adu(t, 1, "04 02 000A")
	assert.Equal(t, want, exchange(t, c, adu(t, 1, "04 0008 0001"), len(want)))
	go func() { assert.NoError(t, s.Close()) }()
	require.NoError(t, <-served)
	l, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, s.Serve(l), "a closed server closes the listener")
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestConfig(t *testing.T) {
	_, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{4: nil}, PerRequest: -time.Second})
	require.ErrorContains(t, err, "unit 4 has no device")
	require.ErrorContains(t, err, "-1s is negative")
	_, err = modbustest.Start(modbustest.Config{Address: "127.0.0.1:none"})
	require.ErrorContains(t, err, "modbustest: listen")
	_, err = modbustest.Start(modbustest.Config{PerRequest: -1})
	require.Error(t, err)
}

// Whatever arrives, the server does not panic, ends, and answers only what it counted.
func FuzzServeConn(f *testing.F) {
	f.Add(adu(f, 1, "04 0008 0001"))
	f.Add(append(adu(f, 1, "01 0013 0013"), adu(f, 2, "2B 0E 01 00")...))
	f.Add(unhex(f, "0001 0000 FFFF 01 03"))
	image := specimen(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: image}})
		require.NoError(t, err)
		client, server := net.Pipe()
		var ends sync.WaitGroup
		ends.Go(func() { s.ServeConn(server) })
		replies := uint64(0)
		ends.Go(func() {
			for {
				header := make([]byte, 6)
				if _, err := io.ReadFull(client, header); err != nil {
					return
				}
				n := binary.BigEndian.Uint16(header[4:])
				if n < 3 || n > 254 {
					t.Errorf("reply of length %d", n)
				}
				if _, err := io.ReadFull(client, make([]byte, n)); err != nil {
					return
				}
				replies++
			}
		})
		_, _ = client.Write(in) // fails where the server hangs up
		client.Close()
		ends.Wait()
		require.NoError(t, s.Close())
		assert.LessOrEqual(t, replies, s.Stats().Requests)
	})
}

func BenchmarkRead125Registers(b *testing.B) {
	s := start(b, modbustest.Config{Units: map[byte]modbustest.Device{1: specimen(b)}})
	c := dial(b, s)
	request, reply := adu(b, 1, "04 03E8 007D"), make([]byte, 259)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, reply); err != nil {
			b.Fatal(err)
		}
	}
}
