package snmptest_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// reply is what a request for two objects gets from an agent with a fault.
func reply(t *testing.T, f snmptest.Fault, message []byte) []byte {
	t.Helper()
	c := pipe(t, small(t, snmptest.Config{Fault: f}))
	return exchange(t, c, message)
}

func TestFaultsOfBindings(t *testing.T) {
	const a, b, c1, c2, f = `1.3.1.0 04 "a"`, `1.3.2.0 04 "b"`, `1.3.3.1 46 "\x01"`, `1.3.3.2 46 "\x02"`, `1.3.6.0 04 "f"`
	const askedA, askedB = `1.3.1.0 05 ""`, `1.3.2.0 05 ""`
	get := request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3.1.0", "1.3.2.0")
	bulk := request(t, snmpwire.V2c, snmpwire.BulkRequest, 1, 3, "1.3.1", "1.3.2", "1.3.3")
	for _, tt := range []struct {
		name    string
		fault   snmptest.Fault
		request []byte
		want    []string
	}{
		{"none", nil, bulk, []string{"0 at 0", a, b, c1, c1, c2, c2, f}},
		{"nothing changed", snmptest.Chain(), bulk, []string{"0 at 0", a, b, c1, c1, c2, c2, f}},
		{"status", snmptest.WithStatus(snmptest.GenErr, 99), get, []string{"5 at 99", askedA, askedB}},
		{"status at an object", snmptest.StatusAt("1.3.2", snmptest.GenErr), get, []string{"5 at 2", askedA, askedB}},
		{"status at another object", snmptest.StatusAt("1.3.7", snmptest.GenErr), get, []string{"0 at 0", a, b}},
		{"status in a bulk", snmptest.StatusAt("1.3.3.2", snmptest.GenErr), bulk, []string{"5 at 3", `1.3.1 05 ""`, `1.3.2 05 ""`, `1.3.3 05 ""`}},
		{"too many", snmptest.TooBigAbove(1), get, []string{"1 at 0"}},
		{"not too many", snmptest.TooBigAbove(2), get, []string{"0 at 0", a, b}},
		{"too many in version 1", snmptest.TooBigAbove(1), request(t, snmpwire.V1, snmpwire.ReadRequest, 0, 0, "1.3.1.0", "1.3.2.0"),
			[]string{"1 at 0", askedA, askedB}},
		{"too many in a bulk", snmptest.TooBigAbove(2), bulk, []string{"0 at 0", a, b}},
		{"too many bytes", snmptest.TooBigAboveBytes(17), get, []string{"1 at 0"}},
		{"not too many bytes", snmptest.TooBigAboveBytes(20), get, []string{"0 at 0", a, b}},
		{"stuck", snmptest.Stuck(), request(t, snmpwire.V2c, snmpwire.BulkRequest, 0, 2, "1.3.1"), []string{"0 at 0", `1.3.1 04 "a"`, `1.3.1 04 "b"`}},
		{"not stuck", snmptest.Stuck(), get, []string{"0 at 0", a, b}},
		{"backwards", snmptest.Backwards(), bulk, []string{"0 at 0", f, c2, c2, c1, c1, b, a}},
		{"endless", snmptest.Endless("1.3.3", snmptest.Integer(7)), request(t, snmpwire.V2c, snmpwire.BulkRequest, 0, 3, "1.3.3", "1.3.3.4294967295"),
			[]string{"0 at 0", `1.3.3.1 02 "\a"`, `1.3.3.4294967295.1 02 "\a"`, `1.3.3.2 02 "\a"`, `1.3.3.4294967295.2 02 "\a"`,
				`1.3.3.3 02 "\a"`, `1.3.3.4294967295.3 02 "\a"`}},
		{"replaced", snmptest.Replaced(snmptest.NoSuchInstance()), get, []string{"0 at 0", `1.3.1.0 81 ""`, `1.3.2.0 81 ""`}},
		{"replaced at", snmptest.ReplacedAt("1.3.2", snmptest.Raw(0x99, []byte{1})), get, []string{"0 at 0", a, `1.3.2.0 99 "\x01"`}},
		{"wrong types", snmptest.WrongTypes(), request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3.1.0", "1.3.3.2"),
			[]string{"0 at 0", `1.3.1.0 02 "\x01"`, `1.3.3.2 04 "\x02"`}},
		{"long numbers", snmptest.LongNumbers(), request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3.3.2"),
			[]string{"0 at 0", `1.3.3.2 46 "` + strings.Repeat(`\x01`, 9) + `\x02"`}},
		{"empty numbers", snmptest.EmptyNumbers(), request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3.3.2"), []string{"0 at 0", `1.3.3.2 46 ""`}},
		{"swapped", snmptest.Swapped(), get, []string{"0 at 0", `1.3.2.0 04 "a"`, `1.3.1.0 04 "b"`}},
		{"reordered", snmptest.Reordered(), get, []string{"0 at 0", b, a}},
		{"renamed", snmptest.Renamed("2.5"), get, []string{"0 at 0", `2.5 04 "a"`, `2.5 04 "b"`}},
		{"missing", snmptest.Missing(0), get, []string{"0 at 0", b}},
		{"missing nothing", snmptest.Missing(2), get, []string{"0 at 0", a, b}},
		{"empty", snmptest.Empty(), get, []string{"0 at 0"}},
		{"extra", snmptest.Extra(snmptest.Binding{OID: "1.3.9", Value: snmptest.Null()}), get, []string{"0 at 0", a, b, `1.3.9 05 ""`}},
		{"when asked", snmptest.When(snmptest.Asking("1.3.1"), snmptest.Empty()), get, []string{"0 at 0"}},
		{"when not asked", snmptest.When(snmptest.Asking("1.3"), snmptest.Empty()), request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0), []string{"0 at 0"}},
		{"when of type", snmptest.When(snmptest.OfType(snmptest.ReadRequest), snmptest.Missing(0)), get, []string{"0 at 0", b}},
		{"when not of type", snmptest.When(snmptest.OfType(snmptest.BulkRequest), snmptest.Missing(0)), get, []string{"0 at 0", a, b}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, ask(t, pipe(t, small(t, snmptest.Config{Fault: tt.fault})), tt.request))
		})
	}
}

// What a fault does to a message that it does not mean to make unreadable.
func TestFaultsOfHeader(t *testing.T) {
	get := request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3.1.0")
	parse := func(f snmptest.Fault) snmpwire.Message {
		var m snmpwire.Message
		require.NoError(t, m.Parse(reply(t, f, get)))
		return m
	}
	assert.EqualValues(t, 0, parse(snmptest.WithRequestID(0)).PDU.RequestID)
	assert.NotEqualValues(t, 4711, parse(snmptest.WrongRequestID()).PDU.RequestID)
	assert.NotEqual(t, "public", string(parse(snmptest.WrongCommunity()).Community))
	assert.Equal(t, snmpwire.V1, parse(snmptest.WrongVersion()).Version)
	assert.Equal(t, snmpwire.ReadRequest, parse(snmptest.WithType(snmptest.ReadRequest)).PDU.Type)
	assert.EqualValues(t, 4711, parse(snmptest.LongLength()).PDU.RequestID)
	assert.EqualValues(t, 4711, parse(snmptest.OffBoots(3)).PDU.RequestID, "a fault of another version")
}

func TestFaultsOfEncoding(t *testing.T) {
	get := request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3.1.0")
	whole := reply(t, nil, get)
	assert.Equal(t, whole, reply(t, snmptest.Chain(), get), "taken apart and put together")
	for name, tt := range map[string]struct {
		fault snmptest.Fault
		size  int
	}{
		"garbage":         {snmptest.Garbage(), 28},
		"noise":           {snmptest.Noise(1), len(whole)},
		"cut":             {snmptest.Cut(11), 11},
		"padded":          {snmptest.Padded(3), len(whole) + 3},
		"header only":     {snmptest.HeaderOnly(), 2},
		"bad length":      {snmptest.BadLength(), len(whole)},
		"huge length":     {snmptest.HugeLength(), len(whole) + 4},
		"indefinite":      {snmptest.IndefiniteLength(), len(whole)},
		"nested":          {snmptest.Nested(10), 20},
		"flipped":         {snmptest.Flipped(0), len(whole)},
		"a bad name":      {snmptest.Renamed("x"), len(whole) - 2},
		"noise of header": {snmptest.Chain(snmptest.Cut(6), snmptest.Noise(2)), 6},
	} {
		t.Run(name, func(t *testing.T) {
			got := reply(t, tt.fault, get)
			assert.Len(t, got, tt.size)
			assert.NotEqual(t, whole, got)
		})
	}
}

func TestFaultsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := snmptest.NewMIB(snmptest.Objects{sysUpTime: snmptest.Uptime()})
		require.NoError(t, err)
		s, err := snmptest.New(snmptest.Config{MIB: m})
		require.NoError(t, err)
		c := pipe(t, s)
		now := func() []string { return ask(t, c, request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, sysUpTime)) }
		ticks := func(v uint32) []string {
			return []string{"0 at 0", texts(t, snmpwire.AppendBinding(nil, oid(t, sysUpTime), snmpwire.AppendUint(nil, snmpwire.TimeTicks, uint64(v))))[0]}
		}
		assert.Equal(t, ticks(0), now())

		s.SetLatency(50 * time.Millisecond)
		begin := time.Now()
		assert.Equal(t, ticks(2), now(), "read in the middle")
		assert.Equal(t, 50*time.Millisecond, time.Since(begin))
		s.SetLatency(0)

		s.SetFault(snmptest.Once(snmptest.Late(time.Second)))
		_, err = c.Write(request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, sysUpTime))
		require.NoError(t, err)
		assert.Equal(t, ticks(5), now(), "the second overtakes")
		begin = time.Now()
		b := make([]byte, 100)
		_, err = c.Read(b)
		require.NoError(t, err)
		assert.Equal(t, time.Second, time.Since(begin))

		s.SetFault(snmptest.Stale())
		before := s.Stats()
		_, err = c.Write(request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, sysUpTime))
		require.NoError(t, err)
		time.Sleep(time.Second)
		assert.Equal(t, before.Gets+1, s.Stats().Gets)
		assert.Equal(t, before.Replies, s.Stats().Replies, "nothing came before")
		assert.Equal(t, ticks(105), now(), "the answer before")
		time.Sleep(time.Second)
		assert.Equal(t, ticks(205), now())

		s.SetFault(snmptest.Frozen())
		assert.Equal(t, ticks(305), now())
		time.Sleep(time.Second)
		assert.Equal(t, ticks(305), now())

		s.SetFault(nil)
		s.Restart()
		assert.Equal(t, ticks(0), now())

		s.SetFault(snmptest.Silent())
		require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		_, err = c.Write(request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, sysUpTime))
		require.NoError(t, err)
		_, err = c.Read(b)
		require.Error(t, err)

		s.SetFault(snmptest.Late(time.Hour))
		_, err = c.Write(request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, sysUpTime))
		require.NoError(t, err)
		require.NoError(t, s.Close())
	})
}

// Latency holds up the answer to each request alone: a thousand at once take no longer than one.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := snmptest.New(snmptest.Config{Latency: 50 * time.Millisecond})
		require.NoError(t, err)
		c := pipe(t, s)
		begin := time.Now()
		for range 1000 {
			_, err := c.Write(request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3"))
			require.NoError(t, err)
		}
		b := make([]byte, 100)
		for range 1000 {
			_, err := c.Read(b)
			require.NoError(t, err)
		}
		assert.Equal(t, 50*time.Millisecond, time.Since(begin))
		require.NoError(t, s.Close())
		assert.EqualValues(t, 1000, s.Stats().Replies)
	})
}

// More than a bound are not held up, and told.
func TestOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := snmptest.New(snmptest.Config{Latency: time.Hour})
		require.NoError(t, err)
		c := pipe(t, s)
		for range 1<<12 + 10 {
			_, err := c.Write([]byte{0})
			require.NoError(t, err)
		}
		synctest.Wait()
		require.NoError(t, s.Close())
		assert.EqualValues(t, 10, s.Stats().Overrun)
	})
}

func TestCounted(t *testing.T) {
	for name, tt := range map[string]struct {
		fault snmptest.Fault
		want  string
	}{
		"once":        {snmptest.Once(snmptest.Empty()), "x....."},
		"third":       {snmptest.Nth(3, snmptest.Empty()), "..x..."},
		"first":       {snmptest.First(2, snmptest.Empty()), "xx...."},
		"from":        {snmptest.From(5, snmptest.Empty()), "....xx"},
		"every":       {snmptest.Every(2, snmptest.Empty()), ".x.x.x"},
		"every never": {snmptest.Every(0, snmptest.Empty()), "......"},
	} {
		t.Run(name, func(t *testing.T) {
			c := pipe(t, small(t, snmptest.Config{Fault: tt.fault}))
			got := ""
			for range 6 {
				if len(ask(t, c, request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3.1.0"))) == 1 {
					got += "x"
				} else {
					got += "."
				}
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestDatagramFaults(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			s, err := snmptest.Start(snmptest.Config{Address: address})
			require.NoError(t, err)
			defer s.Close()
			p, err := net.ListenPacket("udp", address)
			require.NoError(t, err)
			defer p.Close()
			require.NoError(t, p.SetDeadline(time.Now().Add(10*time.Second)))
			to, err := net.ResolveUDPAddr("udp", s.Address())
			require.NoError(t, err)
			send := func() {
				_, err := p.WriteTo(request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3"), to)
				require.NoError(t, err)
			}
			receive := func() string {
				_, from, err := p.ReadFrom(make([]byte, 1500))
				require.NoError(t, err)
				return from.String()
			}
			send()
			assert.Equal(t, s.Address(), receive())
			s.SetFault(snmptest.Duplicated(3))
			send()
			for range 3 {
				assert.Equal(t, s.Address(), receive())
			}
			s.SetFault(snmptest.ForeignSource())
			send()
			assert.NotEqual(t, s.Address(), receive())
			s.SetFault(snmptest.Giant(1 << 17)) // no datagram
			send()
			s.SetFault(nil)
			send()
			assert.Equal(t, s.Address(), receive())
		})
	}
}

// Over TCP messages follow each other, and are answered in their order.
func TestStream(t *testing.T) {
	s := small(t, snmptest.Config{Network: "tcp"})
	c, err := net.Dial("tcp", s.Address())
	require.NoError(t, err)
	defer c.Close()
	get := request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3.1.0")
	want := reply(t, nil, get)
	for _, b := range append(append([]byte{}, get...), get...) {
		_, err := c.Write([]byte{b})
		require.NoError(t, err)
	}
	got := make([]byte, 2*len(want))
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	assert.Equal(t, append(append([]byte{}, want...), want...), got)

	s.SetFault(snmptest.Closing())
	_, err = c.Write(get)
	require.NoError(t, err)
	got, _ = io.ReadAll(c)
	assert.Equal(t, want, got)

	for _, message := range []string{"\x30\x80", "\x30\x85\x01\x01\x01\x01\x01", "\x30\x84\xFF\xFF\xFF\xFF", "\x31\x00", "\x30\x83\x01\x00\x00"} {
		before := s.Stats().Malformed
		c, err := net.Dial("tcp", s.Address())
		require.NoError(t, err)
		_, err = io.WriteString(c, message)
		require.NoError(t, err)
		_, _ = io.ReadAll(c) // an end or a reset, as the kernel likes
		assert.Equal(t, before+1, s.Stats().Malformed)
		require.NoError(t, c.Close())
	}
}

func TestClose(t *testing.T) {
	s := small(t, snmptest.Config{Network: "tcp", Latency: time.Hour})
	c, err := net.Dial("tcp", s.Address())
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write(request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3.1.0"))
	require.NoError(t, err)
	var both sync.WaitGroup
	both.Go(func() { assert.NoError(t, s.Close()) })
	both.Go(func() { assert.NoError(t, s.Close()) })
	both.Wait()
	got, _ := io.ReadAll(c)
	assert.Empty(t, got)
	_, err = net.Dial("tcp", s.Address())
	require.Error(t, err)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, s.Serve(l), "a closed server closes the listener")
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, s.ServePackets(p))
	client, server := net.Pipe()
	s.ServeConn(server)
	_, err = client.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	s.ServeDatagrams(server)
	_, err = s.Dial(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
}

// A peer who does not read holds up nobody, and what it loses is counted.
func TestDeafPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := snmptest.New(snmptest.Config{})
		require.NoError(t, err)
		c := pipe(t, s)
		const asked = 1<<12 + 11
		for range asked {
			_, err := c.Write(request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3"))
			require.NoError(t, err)
		}
		synctest.Wait()
		st := s.Stats()
		assert.EqualValues(t, 10, st.Overrun, "one more than the queue takes is being written")
		assert.EqualValues(t, asked, st.Replies+st.Overrun)
		require.NoError(t, s.Close())
	})
}

// A request that is longer than what the agent takes is none.
func TestLongRequest(t *testing.T) {
	s := small(t, snmptest.Config{MaxMessage: 484})
	p, err := net.Dial("udp", s.Address())
	require.NoError(t, err)
	defer p.Close()
	var names []string
	of := func(size int) []byte {
		names = nil
		for {
			m := request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, append(names, "1.3"+strings.Repeat(".1", 40))...)
			if len(m) >= size {
				break
			}
			names = append(names, "1.3"+strings.Repeat(".1", 40))
		}
		for arcs := 0; ; arcs++ {
			m := request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, append(names, "1.3"+strings.Repeat(".1", arcs))...)
			if len(m) >= size {
				require.Len(t, m, size)
				return m
			}
		}
	}
	_, err = p.Write(of(485))
	require.NoError(t, err)
	assert.Equal(t, []string{"1 at 0"}, ask(t, p, of(484))[:1])
	assert.EqualValues(t, 1, s.Stats().Malformed)
}

// No fault breaks the server, whatever is asked.
func TestFaultsOnEverything(t *testing.T) {
	faults := map[string]snmptest.Fault{
		"late": snmptest.Late(time.Nanosecond), "duplicated": snmptest.Duplicated(2), "never": snmptest.Duplicated(-1),
		"foreign": snmptest.ForeignSource(), "stale": snmptest.Stale(), "frozen": snmptest.Frozen(), "torn": snmptest.Torn([]int{1, 0, -1, 5}, 1),
		"request id": snmptest.WithRequestID(-1 << 31), "community": snmptest.WrongCommunity(), "version": snmptest.WrongVersion(),
		"type": snmptest.WithType(snmptest.TrapV2), "status": snmptest.WithStatus(-5, 1<<31-1), "status at": snmptest.StatusAt("1.3", 5),
		"too big": snmptest.TooBigAbove(0), "too many bytes": snmptest.TooBigAboveBytes(-1), "stuck": snmptest.Stuck(), "backwards": snmptest.Backwards(),
		"endless": snmptest.Endless("1.3.3", snmptest.Value{}), "giant": snmptest.Giant(40000), "no giant": snmptest.Giant(-1),
		"raw": snmptest.Replaced(snmptest.Raw(0xFF, nil)), "bad name": snmptest.Replaced(snmptest.ObjectID("x")), "types": snmptest.WrongTypes(),
		"long": snmptest.LongNumbers(), "empty numbers": snmptest.EmptyNumbers(), "swapped": snmptest.Swapped(), "reordered": snmptest.Reordered(),
		"renamed": snmptest.Renamed(""), "missing": snmptest.Missing(-1), "empty": snmptest.Empty(), "extra": snmptest.Extra(snmptest.Binding{}),
		"garbage": snmptest.Garbage(), "noise": snmptest.Noise(1), "cut": snmptest.Cut(-1), "padded": snmptest.Padded(-1), "header": snmptest.HeaderOnly(),
		"bad length": snmptest.BadLength(), "huge": snmptest.HugeLength(), "indefinite": snmptest.IndefiniteLength(), "long length": snmptest.LongLength(),
		"nested": snmptest.Nested(1000), "flipped": snmptest.Flipped(-1), "flipped far": snmptest.Flipped(1 << 20), "digest": snmptest.WrongDigest(),
		"level": snmptest.WithLevel(99), "user": snmptest.WithUser(strings.Repeat("x", 100)), "engine": snmptest.OtherEngine(),
		"context": snmptest.OtherContext("x"), "message id": snmptest.WrongMessageID(), "time": snmptest.OffTime(-1 << 63), "boots": snmptest.OffBoots(-9),
		"reporting": snmptest.Reporting("x", snmptest.AuthPriv), "nil": nil, "nothing": snmptest.Chain(snmptest.Cut(0), snmptest.Flipped(3), snmptest.BadLength(), nil),
	}
	s, r := newReader(t, snmptest.Config{})
	messages := [][]byte{
		request(t, snmpwire.V1, snmpwire.ReadRequest, 0, 0, sysDescr), request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0),
		request(t, snmpwire.V2c, snmpwire.BulkRequest, 1, 1<<31-1, "1.3", "1.3", ifEntry), request(t, snmpwire.V2c, snmpwire.SetRequest, 0, 0, sysDescr),
		r.request(nil), r.request(func(m *snmpwire.MessageV3) { m.EngineID = nil }),
		r.request(func(m *snmpwire.MessageV3) { m.Flags, m.User = snmpwire.Reportable, []byte("open") }),
	}
	for name, fault := range faults {
		s.SetFault(fault)
		c := pipe(t, s)
		for _, m := range messages {
			_, err := c.Write(m)
			require.NoError(t, err, name)
		}
		s.SetFault(nil)
		require.NoError(t, c.Close())
	}
	m, verified := r.ask(nil)
	require.NoError(t, verified)
	assert.Equal(t, snmpwire.Response, m.Scoped.PDU.Type)
}

func TestConfig(t *testing.T) {
	_, err := snmptest.New(snmptest.Config{
		Communities: map[string]*snmptest.MIB{"c": nil}, Contexts: map[string]*snmptest.MIB{"x": nil},
		Users: []snmptest.User{{Name: "a"}, {Name: "a"}, {}, {Name: "b", Auth: 9}, {Name: "d", Priv: snmptest.DES}, {Name: "e", Priv: 9},
			{Name: "f", Auth: snmptest.MD5, AuthPassword: "short"}, {Name: "g", Least: 3}},
		EngineID: []byte("1234"), Boots: -1, MaxMessage: 483, Latency: -1,
	})
	for _, want := range []string{`community "c" has no MIB`, `context "x" has no MIB`, `user "a" is there twice`, `user "": a name has`,
		`user "b": authentication protocol 9`, `user "d": privacy needs`, `user "e": privacy protocol 9`, `user "f": authentication: `,
		`user "g": level 3`, "engine id of 4 octets", "boots -1", "longest message of 483", "latency -1ns"} {
		require.ErrorContains(t, err, want)
	}
	_, err = snmptest.Start(snmptest.Config{Address: "127.0.0.1:none"})
	require.ErrorContains(t, err, "snmptest: listen")
	_, err = snmptest.Start(snmptest.Config{Network: "tcp", Address: "127.0.0.1:none"})
	require.ErrorContains(t, err, "snmptest: listen")
}

// Whatever comes, the agent does not panic, and answers at most once.
func FuzzAgent(f *testing.F) {
	f.Add(request(f, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3.1.0"))
	f.Add(request(f, snmpwire.V1, snmpwire.NextRequest, 0, 0, "1.3.6.0"))
	f.Add(request(f, snmpwire.V2c, snmpwire.BulkRequest, 1, 1<<31-1, "1.3", "1.3.6.0"))
	engine := []byte("\x80\x00\x7E\xD9\x04fuzz")
	discovery := snmpwire.MessageV3{ID: 1, MaxSize: 484, Flags: snmpwire.Reportable, Scoped: snmpwire.ScopedPDU{PDU: snmpwire.PDU{Type: snmpwire.ReadRequest}}}
	b, err := discovery.Append(nil, nil)
	require.NoError(f, err)
	f.Add(b)
	bulk := snmpwire.MessageV3{ID: 1, MaxSize: 484, Flags: snmpwire.Reportable, EngineID: engine, User: []byte("open"), Scoped: snmpwire.ScopedPDU{
		ContextEngineID: engine, PDU: snmpwire.PDU{Type: snmpwire.BulkRequest, ErrorIndex: 1 << 30, Bindings: snmpwire.AppendQuery(nil, oid(f, "1.3"))}}}
	b, err = bulk.Append(nil, nil)
	require.NoError(f, err)
	f.Add(b)
	o := make(snmptest.Objects)
	for i := range uint32(100) {
		o.Row("1.3.6.1", "7", map[uint32]snmptest.Object{i: snmptest.Climb64(uint64(i), 1)})
	}
	m, err := snmptest.NewMIB(o)
	require.NoError(f, err)
	users := []snmptest.User{{Name: "open"}, {Name: "closed", Auth: snmptest.SHA1, AuthPassword: "authentication", Priv: snmptest.DES, PrivPassword: "and privacy"}}
	s, err := snmptest.New(snmptest.Config{MIB: m, MaxMessage: 1472, EngineID: engine, Users: users})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	f.Fuzz(func(t *testing.T, in []byte) {
		c := &once{in: in}
		s.ServeDatagrams(c)
		require.LessOrEqual(t, c.replies, 1)
		require.LessOrEqual(t, len(c.out), 1472)
		if c.replies > 0 {
			version, err := snmpwire.Peek(c.out)
			require.NoError(t, err)
			if version == snmpwire.V3 {
				require.NoError(t, new(snmpwire.MessageV3).Parse(c.out))
			} else {
				require.NoError(t, new(snmpwire.Message).Parse(c.out))
			}
		}
	})
}

// once is a connection that gives one message, keeps the answers, and ends.
type once struct {
	net.Conn
	in, out []byte
	replies int
}

func (c *once) Read(b []byte) (int, error) {
	if c.in == nil {
		return 0, io.EOF
	}
	n := copy(b, c.in)
	c.in = nil
	return n, nil
}

func (c *once) Write(b []byte) (int, error) {
	c.replies++
	c.out = append(c.out[:0], b...)
	return len(b), nil
}

func (*once) Close() error { return nil }
