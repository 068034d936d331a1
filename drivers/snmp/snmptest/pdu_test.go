package snmptest_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// pipe returns a connection to s in memory.
func pipe(t testing.TB, s *snmptest.Server) net.Conn {
	t.Helper()
	c, err := s.Dial(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func oid(t testing.TB, text string) []byte {
	t.Helper()
	b, err := snmpwire.AppendOID(nil, text)
	require.NoError(t, err)
	return b
}

func request(t testing.TB, version snmpwire.Version, kind snmpwire.PDUType, a, b int32, oids ...string) []byte {
	t.Helper()
	m := snmpwire.Message{Version: version, Community: []byte("public"), PDU: snmpwire.PDU{Type: kind, RequestID: 4711, ErrorStatus: a, ErrorIndex: b}}
	for _, o := range oids {
		m.PDU.Bindings = snmpwire.AppendQuery(m.PDU.Bindings, oid(t, o))
	}
	return m.Append(nil)
}

// exchange sends a message and returns the next that comes.
func exchange(t testing.TB, c net.Conn, message []byte) []byte {
	t.Helper()
	_, err := c.Write(message)
	require.NoError(t, err)
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	require.NoError(t, err)
	return b[:n]
}

// ask sends a request and returns the response as text: error-status, error-index, and the bindings.
func ask(t testing.TB, c net.Conn, message []byte) []string {
	t.Helper()
	var m snmpwire.Message
	require.NoError(t, m.Parse(exchange(t, c, message)))
	require.Equal(t, snmpwire.Response, m.PDU.Type)
	require.EqualValues(t, 4711, m.PDU.RequestID)
	require.Equal(t, "public", string(m.Community))
	return append([]string{fmt.Sprint(m.PDU.ErrorStatus, " at ", m.PDU.ErrorIndex)}, texts(t, m.PDU.Bindings)...)
}

func texts(t testing.TB, list []byte) (all []string) {
	for len(list) > 0 {
		b, rest, err := snmpwire.NextBinding(list)
		require.NoError(t, err)
		all = append(all, fmt.Sprintf("%s %02x %q", snmpwire.AppendOIDText(nil, b.Name), byte(b.Tag), b.Value))
		list = rest
	}
	return all
}

func small(t testing.TB, cfg snmptest.Config) *snmptest.Server {
	t.Helper()
	m, err := snmptest.NewMIB(snmptest.Objects{
		"1.3.1.0": snmptest.Text("a"),
		"1.3.2.0": snmptest.Text("b"),
		"1.3.3.1": snmptest.Counter64(1),
		"1.3.3.2": snmptest.Counter64(2),
		"1.3.4.0": snmptest.Func(func(snmptest.Clock) snmptest.Value { return snmptest.Value{} }),
		"1.3.5.0": snmptest.NoSuchObject(),
		"1.3.6.0": snmptest.Text("f"),
	})
	require.NoError(t, err)
	cfg.MIB = m
	return start(t, cfg)
}

func TestResponses(t *testing.T) {
	const v1, v2c = snmpwire.V1, snmpwire.V2c
	const get, next, bulk = snmpwire.ReadRequest, snmpwire.NextRequest, snmpwire.BulkRequest
	const a, b, c1, c2, f = `1.3.1.0 04 "a"`, `1.3.2.0 04 "b"`, `1.3.3.1 46 "\x01"`, `1.3.3.2 46 "\x02"`, `1.3.6.0 04 "f"`
	const end = `1.3.6.0 82 ""`
	c := pipe(t, small(t, snmptest.Config{}))
	for _, tt := range []struct {
		name    string
		request []byte
		want    []string
	}{
		{"get", request(t, v2c, get, 0, 0, "1.3.2.0", "1.3.1.0"), []string{"0 at 0", b, a}},
		{"get nothing", request(t, v2c, get, 0, 0), []string{"0 at 0"}},
		{"get the same twice", request(t, v2c, get, 0, 0, "1.3.1.0", "1.3.1.0"), []string{"0 at 0", a, a}},
		{"get what is not there", request(t, v2c, get, 0, 0, "1.3.1.1", "1.3.7.0", "1.3.3", "1.3.4.0", "1.3.5.0"),
			[]string{"0 at 0", `1.3.1.1 81 ""`, `1.3.7.0 80 ""`, `1.3.3 81 ""`, `1.3.4.0 81 ""`, `1.3.5.0 80 ""`}},
		{"get in version 1", request(t, v1, get, 0, 0, "1.3.2.0"), []string{"0 at 0", b}},
		{"get in version 1 what is not there", request(t, v1, get, 0, 0, "1.3.2.0", "1.3.7.0", "1.3.8.0"),
			[]string{"2 at 2", `1.3.2.0 05 ""`, `1.3.7.0 05 ""`, `1.3.8.0 05 ""`}},
		{"get in version 1 what it has not", request(t, v1, get, 0, 0, "1.3.3.1"), []string{"2 at 1", `1.3.3.1 05 ""`}},
		{"next", request(t, v2c, next, 0, 0, "1.3", "1.3.1.0", "1.3.2.0", "1.3.3.2", "1.3.6.0", "2.5"),
			[]string{"0 at 0", a, b, c1, f, end, `2.5 82 ""`}},
		{"next in version 1", request(t, v1, next, 0, 0, "1.3.2.0"), []string{"0 at 0", f}},
		{"next in version 1 at the end", request(t, v1, next, 0, 0, "1.3.2.0", "1.3.6.0"), []string{"2 at 2", `1.3.2.0 05 ""`, `1.3.6.0 05 ""`}},
		{"bulk", request(t, v2c, bulk, 1, 2, "1.3", "1.3.1.0", "1.3.3.0"), []string{"0 at 0", a, b, c1, c1, c2}},
		{"bulk past the end", request(t, v2c, bulk, 0, 10, "1.3.3.1", "1.3.6.0"), []string{"0 at 0", c2, end, f, end, end, end}},
		{"bulk without repetitions", request(t, v2c, bulk, 1, 0, "1.3", "1.3.1.0"), []string{"0 at 0", a}},
		{"bulk of negative numbers", request(t, v2c, bulk, -1, -1, "1.3"), []string{"0 at 0"}},
		{"bulk of non-repeaters alone", request(t, v2c, bulk, 9, 5, "1.3", "1.3.1.0"), []string{"0 at 0", a, b}},
		{"bulk of nothing", request(t, v2c, bulk, 0, 1<<31-1), []string{"0 at 0"}},
		{"bulk of everything", request(t, v2c, bulk, 0, 1<<31-1, "1.3"), []string{"0 at 0", a, b, c1, c2, f, end}},
		{"set", request(t, v2c, snmpwire.SetRequest, 0, 0, "1.3.1.0"), []string{"6 at 1", `1.3.1.0 05 ""`}},
		{"set in version 1", request(t, v1, snmpwire.SetRequest, 0, 0, "1.3.1.0"), []string{"4 at 1", `1.3.1.0 05 ""`}},
	} {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, ask(t, c, tt.request)) })
	}
}

func TestCounts(t *testing.T) {
	s := small(t, snmptest.Config{})
	c := pipe(t, s)
	send := func(message []byte) {
		_, err := c.Write(message)
		require.NoError(t, err)
	}
	ask(t, c, request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3.1.0", "1.3.2.0"))
	ask(t, c, request(t, snmpwire.V2c, snmpwire.NextRequest, 0, 0, "1.3.1.0"))
	ask(t, c, request(t, snmpwire.V2c, snmpwire.BulkRequest, 0, 1, "1.3.1.0"))
	ask(t, c, request(t, snmpwire.V2c, snmpwire.SetRequest, 0, 0, "1.3.1.0"))
	send([]byte("no SNMP"))
	send(request(t, snmpwire.V1, snmpwire.BulkRequest, 0, 1, "1.3.1.0"))
	send(request(t, snmpwire.V2c, snmpwire.Response, 0, 0, "1.3.1.0"))
	send(request(t, snmpwire.V2c, snmpwire.TrapV2, 0, 0, "1.3.1.0"))
	stranger := snmpwire.Message{Version: snmpwire.V2c, Community: []byte("private"), PDU: snmpwire.PDU{Type: snmpwire.ReadRequest}}
	send(stranger.Append(nil))
	ask(t, c, request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0)) // none of these was answered
	require.NoError(t, s.Close())
	assert.Equal(t, snmptest.Stats{Requests: 10, Gets: 2, Nexts: 1, Bulks: 1, Sets: 1, Bindings: 5, Replies: 5, Malformed: 4, UnknownCommunity: 1},
		s.Stats())
	assert.EqualValues(t, 1, s.Sets())
}

func TestTooBig(t *testing.T) {
	o := make(snmptest.Objects)
	for i := range 40 {
		o["1.3.1."+strconv.Itoa(i)] = snmptest.Text(strings.Repeat("x", 30))
	}
	m, err := snmptest.NewMIB(o)
	require.NoError(t, err)
	c := pipe(t, start(t, snmptest.Config{MIB: m, MaxMessage: 484}))
	var names, asked []string
	for i := range 20 {
		names = append(names, "1.3.1."+strconv.Itoa(i))
		asked = append(asked, fmt.Sprintf(`1.3.1.%d 05 ""`, i))
	}
	assert.Equal(t, []string{"1 at 0"}, ask(t, c, request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, names...)))
	assert.Equal(t, append([]string{"1 at 0"}, asked...), ask(t, c, request(t, snmpwire.V1, snmpwire.NextRequest, 0, 0, names...)))
	assert.Len(t, ask(t, c, request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, names[:10]...)), 11)

	answer := exchange(t, c, request(t, snmpwire.V2c, snmpwire.BulkRequest, 0, 100, "1.3.1"))
	assert.LessOrEqual(t, len(answer), 484)
	assert.Greater(t, len(answer), 484-38-20, "one more binding would have been too much")
}

// rows are a MIB as a slow and plain reading of the standard wants it.
type rows []row

type row struct {
	arcs []uint32
	name string
	text string
}

func (r rows) next(after []uint32) (row, bool) {
	for _, x := range r {
		if slices.Compare(x.arcs, after) > 0 {
			return x, true
		}
	}
	return row{}, false
}

func arcs(name string) (a []uint32) {
	for s := range strings.SplitSeq(name, ".") {
		n, _ := strconv.ParseUint(s, 10, 32)
		a = append(a, uint32(n))
	}
	return a
}

// bulk is RFC 3416, section 4.2.3, without limits of size.
func (r rows) bulk(nonRepeaters, maxRepetitions int, names []string) (all []string) {
	all = []string{}
	step := func(name string) (string, bool) {
		if x, ok := r.next(arcs(name)); ok {
			all = append(all, x.name+x.text)
			return x.name, true
		}
		all = append(all, name+` 82 ""`)
		return name, false
	}
	n := max(0, min(nonRepeaters, len(names)))
	for _, name := range names[:n] {
		step(name)
	}
	repeaters := slices.Clone(names[n:])
	for range max(0, maxRepetitions) {
		more := false
		for i := range repeaters {
			var ok bool
			repeaters[i], ok = step(repeaters[i])
			more = more || ok
		}
		if !more {
			break
		}
	}
	return all
}

// The agent answers as the plain reading does, up to where the message ends.
func TestTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	values := []uint32{0, 1, 39, 127, 128, 129, 16383, 16384, 1<<31 - 1, 1<<32 - 1}
	name := func() string {
		s := "1.3"
		for range random.IntN(4) {
			s += "." + strconv.FormatUint(uint64(values[random.IntN(len(values))]), 10)
		}
		return s
	}
	o := make(snmptest.Objects)
	for i := range 300 {
		n := name()
		o[n] = snmptest.Integer(int32(i % 100))
		if i%5 == 0 {
			o[n] = snmptest.Value{}
		}
	}
	m, err := snmptest.NewMIB(nil)
	require.NoError(t, err)
	var plain rows
	for n, v := range o { // one by one, so that Set has to find the place
		require.NoError(t, m.Set(snmptest.Objects{n: v}))
		if v != (snmptest.Value{}) {
			plain = append(plain, row{arcs(n), n, fmt.Sprintf(" 02 %q", v.Read(snmptest.Clock{}).Contents())})
		}
	}
	slices.SortFunc(plain, func(a, b row) int { return slices.Compare(a.arcs, b.arcs) })
	const limit = 1472
	c := pipe(t, start(t, snmptest.Config{MIB: m, MaxMessage: limit}))
	cut := 0
	for range 2000 {
		var names []string
		for range 1 + random.IntN(4) {
			names = append(names, name())
		}
		nonRepeaters, maxRepetitions := random.IntN(5)-1, random.IntN(60)-1
		want := plain.bulk(nonRepeaters, maxRepetitions, names)
		message := request(t, snmpwire.V2c, snmpwire.BulkRequest, int32(nonRepeaters), int32(maxRepetitions), names...)
		got := ask(t, c, message)[1:]
		if len(got) < len(want) {
			cut++
			size := len(exchange(t, c, message))
			require.LessOrEqual(t, size, limit)
			require.Greater(t, size, limit-60)
			want = want[:len(got)]
		}
		require.Equal(t, want, got, "%v %d %d", names, nonRepeaters, maxRepetitions)
	}
	assert.Greater(t, cut, 100)
}

func TestMIB(t *testing.T) {
	m, err := snmptest.NewMIB(snmptest.Objects{"1.3.1.0": snmptest.Null(), "1.3.10.1": snmptest.Null(), "1.3.1.5.7": snmptest.Null()})
	require.NoError(t, err)
	assert.Equal(t, 2, m.Delete("1.3.1", "1.3.2", "malformed"))
	assert.Equal(t, 1, m.Len())
	err = m.Set(snmptest.Objects{"1.3.5.0": snmptest.Null(), "x": snmptest.Null(), "1.3.6.0": nil})
	require.ErrorContains(t, err, `object "x"`)
	require.ErrorContains(t, err, `object "1.3.6.0" is nil`)
	assert.Equal(t, 1, m.Len(), "all or nothing")
	require.NoError(t, m.Set(snmptest.Objects{}.Row("1.3.2.1", "7.8", map[uint32]snmptest.Object{1: snmptest.Null(), 2: snmptest.Null()})))
	assert.Equal(t, 1, m.Delete("1.3.2.1.2.7.8"))

	require.NoError(t, m.Set(snmptest.Objects{"1.3.10.1": snmptest.Text("new")}))
	assert.Equal(t, 2, m.Len())
	assert.Equal(t, []string{"0 at 0", `1.3.10.1 04 "new"`}, ask(t, pipe(t, start(t, snmptest.Config{MIB: m})),
		request(t, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, "1.3.10.1")))
}

func TestClimb(t *testing.T) {
	for _, tt := range []struct {
		o    snmptest.Object
		up   time.Duration
		want snmptest.Value
	}{
		{snmptest.Uptime(), 12340 * time.Millisecond, snmptest.TimeTicks(1234)},
		{snmptest.Uptime(), (1<<32 + 5) * 10 * time.Millisecond, snmptest.TimeTicks(5)},
		{snmptest.Climb32(1<<32-100, 50), 2 * time.Second, snmptest.Counter32(0)},
		{snmptest.Climb32(1<<32-100, 50), 1999 * time.Millisecond, snmptest.Counter32(1<<32 - 1)},
		{snmptest.Climb32(7, 50), -time.Second, snmptest.Counter32(7)},
		{snmptest.Climb64(1<<64-1, 1<<63), time.Second, snmptest.Counter64(1<<63 - 1)},
	} {
		assert.Equal(t, tt.want, tt.o.Read(snmptest.Clock{Up: tt.up}))
	}
}
