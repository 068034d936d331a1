package snmpwire_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// messages are one of each kind.
func messages(t testing.TB) [][]byte {
	t.Helper()
	enterprise, err := snmpwire.AppendOID(nil, "1.3.6.1.4.1.318")
	require.NoError(t, err)
	var all [][]byte
	for kind := snmpwire.ReadRequest; kind <= snmpwire.Report; kind++ {
		pdu := snmpwire.PDU{Type: kind, RequestID: math.MinInt32, ErrorStatus: 10, ErrorIndex: math.MaxInt32, Bindings: bindings(t, 2)}
		if kind == snmpwire.TrapV1 {
			pdu = snmpwire.PDU{Type: kind, Enterprise: enterprise, AgentAddress: [4]byte{192, 0, 2, 1},
				GenericTrap: 6, SpecificTrap: -5, Timestamp: math.MaxUint32, Bindings: bindings(t, 2)}
		}
		m := snmpwire.Message{Version: snmpwire.V2c, Community: []byte("public"), PDU: pdu}
		all = append(all, m.Append(nil))
		m.Version, m.Community, m.PDU.Bindings = snmpwire.V1, []byte{}, []byte{}
		all = append(all, m.Append(nil))
	}
	return all
}

// messagesV3 are one of each level, and a question for the engine.
func messagesV3(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, k := range []*snmpwire.Keys{
		keys(t, snmpwire.NoAuth, snmpwire.NoPriv, nil),
		keys(t, snmpwire.MD5, snmpwire.NoPriv, engineID),
		keys(t, snmpwire.SHA512, snmpwire.DES, engineID),
	} {
		b, err := answer(t, k.Level()|snmpwire.Reportable, 2).Append(nil, k)
		require.NoError(t, err)
		all = append(all, b)
	}
	discovery := snmpwire.MessageV3{ID: 1, MaxSize: snmpwire.MinMaxSize, Flags: snmpwire.Reportable,
		Scoped: snmpwire.ScopedPDU{PDU: snmpwire.PDU{Type: snmpwire.ReadRequest, RequestID: 1}}}
	b, err := discovery.Append(nil, nil)
	require.NoError(t, err)
	return append(all, b)
}

func TestRoundTrip(t *testing.T) {
	for _, b := range messages(t) {
		var m snmpwire.Message
		require.NoError(t, m.Parse(b))
		require.Equal(t, b, m.Append(nil))
		v, err := snmpwire.Peek(b)
		require.NoError(t, err)
		require.Equal(t, m.Version, v)
		checkTwin(t, b)
	}
	for _, b := range messagesV3(t) {
		v, err := snmpwire.Peek(b)
		require.NoError(t, err)
		require.Equal(t, snmpwire.V3, v)
		checkTwin(t, b)
	}
}

// TestLongMessages walks over each length at which a header grows.
func TestLongMessages(t *testing.T) {
	for _, around := range []int{0x80, 0x100, 0x10000, 0x1000000} {
		for n := around - 40; n < around+8; n += 1 + around>>20 {
			m := snmpwire.Message{Version: snmpwire.V2c, Community: make([]byte, n), PDU: snmpwire.PDU{Type: snmpwire.Response, Bindings: []byte{}}}
			b := m.Append(nil)
			var got snmpwire.Message
			require.NoError(t, got.Parse(b))
			require.Equal(t, n, len(got.Community))
			size, err := snmpwire.Size(b[:min(len(b), 6)])
			require.NoError(t, err)
			require.Equal(t, len(b), size)
		}
	}
}

// checkTwin compares what both decoders make of b, bindings included. It parses a
// slice that has more behind it, which nobody may read.
func checkTwin(t testing.TB, b []byte) {
	t.Helper()
	var m snmpwire.Message
	err := m.Parse(b)
	slow, ok := slowMessage(b)
	require.Equal(t, ok, err == nil, "%x: %v", b, err)
	if ok {
		require.True(t, sameMessage(m, slow), "%x:\n%+v\n%+v", b, m, slow)
		checkBindings(t, m.PDU.Bindings)
	}
	var v3 snmpwire.MessageV3
	err = v3.Parse(b)
	slowerV3, ok := slowV3(b)
	require.Equal(t, ok, err == nil, "%x: %v", b, err)
	if ok {
		require.True(t, sameV3(v3, slowerV3), "%x:\n%+v\n%+v", b, v3, slowerV3)
		checkBindings(t, v3.Scoped.PDU.Bindings)
	}
	version, err := snmpwire.Peek(b)
	if m.Parse(b) == nil || ok {
		require.NoError(t, err)
		require.Equal(t, ok, version == snmpwire.V3)
	}
}

// checkBindings compares a walk over a list, up to the first fault.
func checkBindings(t testing.TB, list []byte) {
	t.Helper()
	for len(list) > 0 {
		got, rest, err := snmpwire.NextBinding(list)
		n, slowRest, ok := slowFirst(list)
		var fields [][]byte
		if ok = ok && n.tag == snmpwire.Sequence; ok {
			fields, ok = slowFields(n.contents, snmpwire.ObjectID, 0)
		}
		if ok {
			_, ok = slowOID(fields[0])
		}
		require.Equal(t, ok, err == nil, "%x: %v", list, err)
		if !ok {
			require.Zero(t, got)
			require.Empty(t, rest)
			return
		}
		require.Equal(t, slowRest, rest)
		require.True(t, bytes.Equal(fields[0], got.Name) && bytes.Equal(fields[1], got.Value), "%x", list)
		require.Equal(t, slowLast(n.contents).tag, got.Tag)
		require.Equal(t, []int{len(got.Name), len(got.Value)}, []int{cap(got.Name), cap(got.Value)}, "a view reaches beyond its value")
		checkNumbers(t, got.Value)
		list = rest
	}
}

// TestTwins compares both decoders on every truncation, every flipped bit and many
// random damages of good messages.
func TestTwins(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, good := range append(messages(t), messagesV3(t)...) {
		b := bytes.Clone(good)
		for i := range b {
			checkTwin(t, b[:i])
			var m snmpwire.Message
			require.Error(t, m.Parse(b[:i]))
			for bit := range 8 {
				b[i] ^= 1 << bit
				checkTwin(t, b)
				b[i] ^= 1 << bit
			}
		}
		for range 500 {
			checkTwin(t, damage(random, good))
		}
		checkTwin(t, append(b, 0))
	}
}

// TestTruncatedBindings wants no walk beyond the end of a list that has more behind it.
func TestTruncatedBindings(t *testing.T) {
	list := bindings(t, 3)
	for i := range list {
		checkBindings(t, list[:i])
	}
	// A long length that looks like a short one and a name.
	list = append([]byte("\x30\x81\x06\x06\x02\x2b\x06\x05\x00\x30\x04\x77"), make([]byte, 119)...)
	checkBindings(t, list)
}

// damage changes some octets, and inserts or removes some.
func damage(random *rand.Rand, good []byte) []byte {
	b := bytes.Clone(good)
	telling := [...]byte{0, 1, 2, 4, 5, 6, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x84, 0x85, 0xff}
	for range 1 + random.IntN(3) {
		i := random.IntN(len(b))
		switch random.IntN(4) {
		case 0:
			b[i] = byte(random.Uint32())
		case 1:
			b[i] = telling[random.IntN(len(telling))]
		case 2:
			b = append(b[:i], b[i+1:]...)
		default:
			b = append(b[:i], append([]byte{telling[random.IntN(len(telling))]}, b[i:]...)...)
		}
	}
	return b
}

// TestFaults wants each fault with the place where it is.
func TestFaults(t *testing.T) {
	const head = "\x30\x18\x02\x01\x01\x04\x06public"
	for _, v := range []struct {
		message string
		want    error
		text    string
	}{
		{"", snmpwire.ErrTruncated, "snmpwire: message: truncated"},
		{"\x31\x00", snmpwire.ErrTag, "snmpwire: message: unexpected tag"},
		{"\x30\x80\x00\x00", snmpwire.ErrLength, "snmpwire: message: length form not allowed"},
		{"\x30\x85\x00\x00\x00\x00\x00", snmpwire.ErrLength, "snmpwire: message: length form not allowed"},
		{"\x30\x84\xff\xff\xff\xff", snmpwire.ErrLength, "snmpwire: message: length form not allowed"},
		{"\x30\x00\x00", snmpwire.ErrTrailing, "snmpwire: message: bytes after the end"},
		{"\x30\x02\x02\x00", snmpwire.ErrTruncated, "snmpwire: version: truncated"},
		{"\x30\x07\x02\x05\x01\x00\x00\x00\x00", snmpwire.ErrRange, "snmpwire: version: number out of range"},
		{"\x30\x03\x02\x01\x03", snmpwire.ErrSupport, "snmpwire: version: not supported"},
		{"\x30\x06\x02\x01\x01\x04\x02p", snmpwire.ErrTruncated, "snmpwire: community: truncated"},
		{head + "\xa9\x0b\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x00", snmpwire.ErrSupport, "snmpwire: PDU: not supported"},
		{head + "\xa2\x0b\x02\x01\x01\x02\x01\x00\x04\x01\x00\x30\x00", snmpwire.ErrTag, "snmpwire: PDU header: unexpected tag"},
		{head + "\xa4\x0b\x02\x01\x01\x02\x01\x00\x04\x01\x00\x30\x00", snmpwire.ErrTag, "snmpwire: trap header: unexpected tag"},
		{"\x30\x24" + head[2:] + "\xa4\x17\x06\x01\x2b\x40\x05\xc0\x00\x02\x01\x00\x02\x01\x06\x02\x01\x00\x43\x01\x00\x30\x02\x30\x00", snmpwire.ErrRange, "snmpwire: trap header: number out of range"},
		{head + "\xa2\x0b\x02\x01\x01\x02\x01\x00\x02\x01\x00\x31\x00", snmpwire.ErrTag, "snmpwire: variable bindings: unexpected tag"},
	} {
		var m snmpwire.Message
		err := m.Parse([]byte(v.message))
		assert.ErrorIs(t, err, v.want, "%x", v.message)
		assert.EqualError(t, err, v.text, "%x", v.message)
	}
	var m snmpwire.MessageV3
	// The header must be readable where the security model is not.
	err := m.Parse([]byte("\x30\x14\x02\x01\x03\x30\x0d\x02\x01\x07\x02\x02\x05\xdc\x04\x01\x04\x02\x01\x04\x04\x00"))
	require.EqualError(t, err, "snmpwire: security model: not supported")
	require.Equal(t, []any{int32(7), int32(1500), snmpwire.Reportable, int32(4)}, []any{m.ID, m.MaxSize, m.Flags, m.Model})
}

func TestSize(t *testing.T) {
	for _, v := range []struct {
		b    string
		size int
		err  error
	}{
		{"", 0, nil},
		{"\x30", 0, nil},
		{"\x30\x00", 2, nil},
		{"\x30\x7f", 129, nil},
		{"\x30\x82\x01", 0, nil},
		{"\x30\x82\x01\x00", 260, nil},
		{"\x30\x84\x00\x00\x00\x01", 7, nil},
		{"\x30\x84\x7f\xff\xff\xff", 0, snmpwire.ErrLength}, // with its header beyond 2 GiB
		{"\x30\x80", 0, snmpwire.ErrLength},
		{"\x30\x85", 0, snmpwire.ErrLength},
		{"\x31", 0, snmpwire.ErrTag},
	} {
		size, err := snmpwire.Size([]byte(v.b))
		assert.ErrorIs(t, err, v.err, "%x", v.b)
		assert.Equal(t, v.size, size, "%x", v.b)
	}
}

// TestLimitsOfV3 holds the limits of fields: the last that passes, the first that not.
func TestLimitsOfV3(t *testing.T) {
	for place, set := range map[string]func(m *snmpwire.MessageV3, over int){
		"header": func(m *snmpwire.MessageV3, over int) { m.MaxSize = snmpwire.MinMaxSize - int32(over) },
		"engine": func(m *snmpwire.MessageV3, over int) { m.EngineID = make([]byte, snmpwire.MaxEngineID+over) },
		"user":   func(m *snmpwire.MessageV3, over int) { m.User = make([]byte, snmpwire.MaxUser+over) },
		"context": func(m *snmpwire.MessageV3, over int) {
			m.Scoped.ContextEngineID = make([]byte, snmpwire.MaxEngineID+over)
		},
	} {
		for over := range 2 {
			m := answer(t, 0, 1)
			set(m, over)
			b, err := m.Append(nil, nil)
			require.NoError(t, err)
			var got snmpwire.MessageV3
			if err = got.Parse(b); over == 0 {
				require.NoError(t, err, place)
				continue
			}
			require.ErrorIs(t, err, snmpwire.ErrRange, place)
			require.EqualError(t, err, "snmpwire: "+place+": number out of range")
		}
	}
}
