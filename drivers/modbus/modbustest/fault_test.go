package modbustest_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// segment is what one read of the client found, and when.
type segment struct {
	after time.Duration
	bytes []byte
}

// record sends one write to a server with the given fault and returns what arrives within an hour of virtual time, and whether
// the server closed the connection.
func record(t *testing.T, fault modbustest.Fault, request []byte) (got []segment, closed bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: specimen(t)}, Fault: fault})
		require.NoError(t, err)
		c := pipe(s)
		defer c.Close()
		begin := time.Now()
		require.NoError(t, c.SetDeadline(begin.Add(time.Hour)))
		_, err = c.Write(request)
		require.NoError(t, err)
		for {
			buffer := make([]byte, 1024)
			n, err := c.Read(buffer)
			if n > 0 {
				got = append(got, segment{time.Since(begin), buffer[:n]})
			}
			if err != nil {
				closed = errors.Is(err, io.EOF)
				break
			}
		}
		require.NoError(t, s.Close())
	})
	return got, closed
}

// flat joins the bytes of all segments.
func flat(segments []segment) (all []byte) {
	for _, s := range segments {
		all = append(all, s.bytes...)
	}
	return all
}

func TestFaultBytes(t *testing.T) {
	const registers, coils, exception = "03 006B 0003", "01 0013 0013", "04 0000 0001"
	http := "485454502F312E31203430302042616420526571756573740D0A0D0A"
	for _, tt := range []struct {
		name    string
		fault   modbustest.Fault
		request string // PDU
		reply   string // everything received, with transaction 0x0102
		closed  bool
	}{
		{"none", nil, registers, "0102 0000 0009 01 03 06 022B 0000 0064", false},
		{"drop", modbustest.Drop(), registers, "", false},
		{"exception", modbustest.WithException(modbustest.ServerDeviceBusy), registers, "0102 0000 0003 01 83 06", false},
		{"exception on exception", modbustest.WithException(modbustest.MemoryParityError), exception, "0102 0000 0003 01 84 08", false},
		{"wrong transaction", modbustest.WrongTransaction(), registers, "8102 0000 0009 01 03 06 022B 0000 0064", false},
		{"wrong protocol", modbustest.WrongProtocol(), registers, "0102 0001 0009 01 03 06 022B 0000 0064", false},
		{"wrong unit", modbustest.WrongUnit(), registers, "0102 0000 0009 FE 03 06 022B 0000 0064", false},
		{"wrong function", modbustest.WrongFunction(), registers, "0102 0000 0009 01 04 06 022B 0000 0064", false},
		{"wrong function, coils", modbustest.WrongFunction(), coils, "0102 0000 0006 01 02 03 CD 6B 05", false},
		{"wrong function, exception", modbustest.WrongFunction(), exception, "0102 0000 0003 01 83 02", false},
		{"short", modbustest.Short(), registers, "0102 0000 0007 01 03 04 022B 0000", false},
		{"short, one register", modbustest.Short(), "04 0008 0001", "0102 0000 0003 01 04 00", false},
		{"short, coils", modbustest.Short(), coils, "0102 0000 0005 01 01 02 CD 6B", false},
		{"short, exception", modbustest.Short(), exception, "0102 0000 0003 01 84 02", false},
		{"long", modbustest.Long(), registers, "0102 0000 000B 01 03 08 022B 0000 0064 0000", false},
		{"long, coils", modbustest.Long(), coils, "0102 0000 0007 01 01 04 CD 6B 05 00", false},
		{"lying length", modbustest.LyingLength(), registers, "0102 0000 000B 01 03 06 022B 0000 0064", false},
		{"huge length", modbustest.HugeLength(), registers, "0102 0000 FFFF 01 03 06 022B 0000 0064", false},
		{"bad byte count", modbustest.BadByteCount(), registers, "0102 0000 0009 01 03 08 022B 0000 0064", false},
		{"bad byte count, exception", modbustest.BadByteCount(), exception, "0102 0000 0003 01 84 02", false},
		{"twice", modbustest.Twice(), "04 0008 0001", "0102 0000 0005 01 04 02 000A 0102 0000 0005 01 04 02 000A", false},
		{"garbage", modbustest.Garbage(), registers, http, false},
		{"closing", modbustest.Closing(), "04 0008 0001", "0102 0000 0005 01 04 02 000A", true},
		{"closing without a reply", modbustest.Chain(modbustest.Drop(), modbustest.Closing()), registers, "", true},
		{"resetting", modbustest.Resetting(), registers, "", true},
		{"cut", modbustest.Cut(8), registers, "0102 0000 0009 01 03", true},
		{"cut everything", modbustest.Cut(-1), registers, "", true},
		{"cut nothing", modbustest.Cut(1000), "04 0008 0001", "0102 0000 0005 01 04 02 000A", true},
		{"chain", modbustest.Chain(modbustest.Short(), nil, modbustest.WrongUnit()), registers, "0102 0000 0007 FE 03 04 022B 0000", false},
		{"short of nothing", modbustest.Chain(modbustest.Cut(0), modbustest.Short(), modbustest.WrongUnit(), modbustest.Twice()), registers, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, closed := record(t, tt.fault, adu(t, 0x0102, tt.request))
			assert.Equal(t, unhex(t, tt.reply), append([]byte{}, flat(got)...))
			assert.Equal(t, tt.closed, closed)
		})
	}
}

func TestFaultLargestFrame(t *testing.T) {
	got, _ := record(t, modbustest.Long(), adu(t, 1, "04 03E8 007D"))
	assert.Len(t, flat(got), 7+2+252)
	got, _ = record(t, modbustest.Chain(modbustest.Long(), modbustest.Twice()), adu(t, 1, "01 03E8 07D0"))
	assert.Len(t, flat(got), 2*(7+2+251))
}

func TestFaultTimes(t *testing.T) {
	a, b := adu(t, 1, "04 0008 0001"), adu(t, 2, "04 0000 0001")
	replyA, replyB := adu(t, 1, "04 02 000A"), adu(t, 2, "84 02")
	both := append(append([]byte{}, a...), b...)
	first := func(f modbustest.Fault) modbustest.Fault {
		return modbustest.When(func(r modbustest.Request) bool { return r.Transaction == 1 }, f)
	}
	for _, tt := range []struct {
		name  string
		fault modbustest.Fault
		want  []segment
	}{
		{"delay holds up", first(modbustest.Delay(3 * time.Second)), []segment{{3 * time.Second, replyA}, {3 * time.Second, replyB}}},
		{"late is overtaken", first(modbustest.Late(3 * time.Second)), []segment{{0, replyB}, {3 * time.Second, replyA}}},
		{"late and closing", first(modbustest.Chain(modbustest.Late(time.Second), modbustest.Closing())),
			[]segment{{0, replyB}, {time.Second, replyA}}},
		{"torn", first(modbustest.Torn([]int{5, 0, -1, 2, 4}, time.Second)),
			[]segment{{0, replyA[:5]}, {time.Second, replyA[5:7]}, {2 * time.Second, replyA[7:]}, {2 * time.Second, replyB}}},
		{"drip", modbustest.When(func(r modbustest.Request) bool { return r.Transaction == 2 }, modbustest.Drip(time.Second)), []segment{
			{0, replyA}, {0, replyB[:1]}, {1 * time.Second, replyB[1:2]}, {2 * time.Second, replyB[2:3]}, {3 * time.Second, replyB[3:4]},
			{4 * time.Second, replyB[4:5]}, {5 * time.Second, replyB[5:6]}, {6 * time.Second, replyB[6:7]}, {7 * time.Second, replyB[7:8]},
			{8 * time.Second, replyB[8:]}}},
		{"late does not cut into torn", modbustest.Chain(first(modbustest.Late(time.Second)), modbustest.When(
			func(r modbustest.Request) bool { return r.Transaction == 2 }, modbustest.Torn([]int{4}, 3*time.Second))),
			[]segment{{0, replyB[:4]}, {3 * time.Second, replyB[4:]}, {3 * time.Second, replyA}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := record(t, tt.fault, both)
			assert.Equal(t, tt.want, got)
		})
	}
}

// A late answer is cut off with its connection, and the connection's end does not wait for it.
func TestFaultLateOutlived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: specimen(t)}, Fault: modbustest.Late(time.Hour)})
		require.NoError(t, err)
		client, server := net.Pipe()
		begin, ended := time.Now(), make(chan struct{})
		go func() {
			defer close(ended)
			s.ServeConn(server)
		}()
		_, err = client.Write(adu(t, 1, "04 0008 0001"))
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, client.Close())
		<-ended
		assert.Zero(t, time.Since(begin))
		assert.EqualValues(t, 1, s.Stats().Requests)
		assert.Zero(t, s.Stats().Replies)
		require.NoError(t, s.Close())
	})
}

func TestFaultSelection(t *testing.T) {
	drop := modbustest.Drop()
	odd := func(r modbustest.Request) bool { return r.Transaction%2 == 1 }
	for _, tt := range []struct {
		name  string
		fault modbustest.Fault
		hit   []int
	}{
		{"once", modbustest.Once(drop), []int{1}},
		{"third", modbustest.Nth(3, drop), []int{3}},
		{"never", modbustest.Nth(0, drop), nil},
		{"every second", modbustest.Every(2, drop), []int{2, 4, 6, 8}},
		{"every none", modbustest.Every(0, drop), nil},
		{"from the sixth", modbustest.From(6, drop), []int{6, 7, 8}},
		{"when odd", modbustest.When(odd, drop), []int{1, 3, 5, 7}},
		{"second of the odd", modbustest.When(odd, modbustest.Nth(2, drop)), []int{3}},
		{"chain of selections", modbustest.Chain(modbustest.Once(drop), modbustest.Nth(4, drop)), []int{1, 4}},
		{"nothing to apply", modbustest.Once(nil), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var hit []int
			for n := 1; n <= 8; n++ {
				x := modbustest.Exchange{N: n, Request: modbustest.Request{Transaction: uint16(n)}}
				tt.fault(&x)
				if x.Drop {
					hit = append(hit, n)
				}
			}
			assert.Equal(t, tt.hit, hit)
		})
	}
}

func TestNoiseIsReproducible(t *testing.T) {
	noise := func(seed uint64) []byte {
		x := modbustest.Exchange{Reply: make([]byte, 40)}
		modbustest.Noise(seed)(&x)
		return x.Reply
	}
	assert.Equal(t, noise(1), noise(1))
	assert.NotEqual(t, noise(1), noise(2))
}

// What a fault is told about an exchange, and that SetFault takes effect with the next request.
func TestExchange(t *testing.T) {
	s := start(t, modbustest.Config{Units: map[byte]modbustest.Device{1: specimen(t)}})
	var seen []modbustest.Exchange
	request, reply := adu(t, 0x0A0B, "04 0008 0001"), adu(t, 0x0A0B, "04 02 000A")
	one, two := dial(t, s), dial(t, s)
	exchange(t, one, request, len(reply))
	s.SetFault(func(x *modbustest.Exchange) {
		got := *x
		got.Frame, got.Reply = append([]byte{}, x.Frame...), append([]byte{}, x.Reply...)
		seen = append(seen, got)
	})
	exchange(t, two, request, len(reply))
	exchange(t, one, adu(t, 1, "2B 0E 01 00"), 9)
	s.SetFault(nil)
	exchange(t, one, request, len(reply))
	require.Len(t, seen, 2)
	assert.Equal(t, modbustest.Exchange{
		Conn: seen[0].Conn, N: 2, Frame: request, Reply: reply,
		Request: modbustest.Request{Transaction: 0x0A0B, Unit: 1, Function: 4, Address: 8, Count: 1},
	}, seen[0])
	assert.Equal(t, 3, seen[1].N)
	assert.Equal(t, modbustest.Request{Transaction: 1, Unit: 1, Function: 0x2B}, seen[1].Request)
	assert.ElementsMatch(t, []int{1, 2}, []int{seen[0].Conn, seen[1].Conn})
}

// A fault may answer for a unit that the server would leave silent, and replace a reply by one of any length.
func TestFaultReplaces(t *testing.T) {
	s := start(t, modbustest.Config{IgnoreUnknown: true, Fault: func(x *modbustest.Exchange) {
		if x.Drop {
			x.Drop, x.Reply = false, make([]byte, 5000)
		}
	}})
	assert.Equal(t, make([]byte, 5000), exchange(t, dial(t, s), adu(t, 1, "04 0008 0001"), 5000))
}

func TestResettingOverTCP(t *testing.T) {
	s := start(t, modbustest.Config{Units: map[byte]modbustest.Device{1: specimen(t)}, Fault: modbustest.Resetting()})
	c := dial(t, s)
	_, err := c.Write(adu(t, 1, "04 0008 0001"))
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	assert.NotErrorIs(t, err, io.EOF, "an orderly end is not a reset")
}

// A server without a fault allocates nothing for a request.
func TestNoAllocations(t *testing.T) {
	s := start(t, modbustest.Config{Units: map[byte]modbustest.Device{1: specimen(t)}})
	c := dial(t, s)
	request, reply := adu(t, 1, "04 03E8 007D"), make([]byte, 259)
	allocations := testing.AllocsPerRun(200, func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, reply); err != nil {
			t.Fatal(err)
		}
	})
	assert.Zero(t, allocations)
}
