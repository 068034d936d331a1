package opcua

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// gopcuaID returns a node id as gopcua has it, a number in its shortest form. (Its parser
// takes the next longer one at the limits.)
func gopcuaID(t testing.TB, n node) *ua.NodeID {
	switch {
	case n.kind == uabin.Numeric && n.index == 0 && n.number < 1<<8:
		return ua.NewTwoByteNodeID(uint8(n.number))
	case n.kind == uabin.Numeric && n.index < 1<<8 && n.number < 1<<16:
		return ua.NewFourByteNodeID(uint8(n.index), uint16(n.number))
	}
	id, err := n.resolve(nil)
	require.NoError(t, err)
	return id
}

// requestTime is a time that the encoded form does not round.
var requestTime = time.Date(2026, 11, 23, 12, 0, 0, 123_456_700, time.UTC)

// gopcuaRequest encodes a request as gopcua does.
func gopcuaRequest(t testing.TB, request ua.Request, token *ua.NodeID, handle, hint uint32) []byte {
	body, err := encodeRequest(request, &ua.RequestHeader{AuthenticationToken: token, Timestamp: requestTime, RequestHandle: handle, TimeoutHint: hint})
	require.NoError(t, err)
	return body
}

// sessionOf returns a session whose requests are made at requestTime.
func sessionOf(t testing.TB, token *ua.NodeID) *session {
	encoded, err := token.Encode()
	require.NoError(t, err)
	return &session{token: token, encoded: encoded, channel: &channel{cfg: channelConfig{now: func() time.Time { return requestTime }}}}
}

// FuzzReadRequest holds requests, and parts of them, to be what gopcua makes of the same.
func FuzzReadRequest(f *testing.F) {
	f.Add("i=1\ni=255\ni=256\ni=65535\ni=65536\ni=4294967295", uint32(13), uint32(1))
	f.Add("ns=1;i=1\nns=255;i=65535\nns=255;i=65536\nns=256;i=1\nns=65535;i=4294967295", uint32(14), uint32(1<<31))
	f.Add("s=\nns=2;s=Meter1.Power\nns=3;b=\nns=3;b=M/RbKBsRVkePCePcx24oRA==\nns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a", uint32(0), uint32(0))
	f.Add("nsu=urn:plant:meters;s=a b\nnsu=urn:plant:server;i=7\nnsu=nowhere;i=1\ns=\xff", uint32(1<<32-1), uint32(1<<32-1))
	f.Fuzz(func(t *testing.T, nodes string, attribute, handle uint32) {
		request := &ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnBoth, NodesToRead: []*ua.ReadValueID{}}
		var q query
		for i, text := range strings.Split(nodes, "\n") {
			n, err := parseNode(text)
			if err != nil {
				continue
			}
			if n, err = n.at(plantNamespaces); err != nil {
				continue
			}
			q.add(n.append(q.encoded), Attribute(attribute), i)
			request.NodesToRead = append(request.NodesToRead, &ua.ReadValueID{
				NodeID: gopcuaID(t, n), AttributeID: ua.AttributeID(attribute), DataEncoding: &ua.QualifiedName{},
			})
		}
		s := sessionOf(t, ua.NewByteStringNodeID(1, []byte("secret")))
		all := request.NodesToRead
		for _, span := range [][2]int{{0, len(all)}, {0, len(all) / 2}, {len(all) / 2, len(all)}, {len(all) / 3, len(all) / 2}} {
			from, to := span[0], span[1]
			if from == to {
				continue
			}
			request.NodesToRead = all[from:to]
			ours := append(uabin.AppendRead(s.begin(nil, uabin.ReadRequestID, handle, 5*time.Second), to-from), q.part(from, to)...)
			require.Equal(t, gopcuaRequest(t, request, s.token, handle, 5000), ours)
		}
	})
}

// FuzzNodeIDForm holds node ids to come back from their encoded form, and to be no longer
// than those of gopcua.
func FuzzNodeIDForm(f *testing.F) {
	for _, text := range []string{"i=0", "i=255", "ns=255;i=65535", "ns=256;i=1", "ns=7;s=", "s=x", "b=", "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseNode(text)
		if err != nil || n.uri != "" {
			return
		}
		ours := n.append(nil)
		require.Equal(t, ours, uabin.AppendNodeID(nil, n.index, n.kind, n.number, []byte(n.bytes)))
		theirs, err := gopcuaID(t, n).Encode()
		require.NoError(t, err)
		require.Equal(t, theirs, ours)
		r := uabin.NewReader(ours)
		id := r.NodeID()
		require.NoError(t, r.End())
		require.Equal(t, n, node{index: id.Namespace, kind: id.Kind, number: id.Number, bytes: string(id.Bytes)})
	})
}

func TestPublishRequestTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, token := range []*ua.NodeID{ua.NewTwoByteNodeID(0), ua.NewNumericNodeID(1, 1<<31), ua.NewStringNodeID(3, "x"), ua.NewByteStringNodeID(1, make([]byte, 32))} {
		s := sessionOf(t, token)
		for n := range 20 {
			request := &ua.PublishRequest{SubscriptionAcknowledgements: []*ua.SubscriptionAcknowledgement{}}
			p := &pump{standing: &standing{session: s}}
			for range n {
				a := uabin.Acknowledgement{Subscription: random.Uint32(), Sequence: random.Uint32()}
				p.acks = append(p.acks, a)
				request.SubscriptionAcknowledgements = append(request.SubscriptionAcknowledgements,
					&ua.SubscriptionAcknowledgement{SubscriptionID: a.Subscription, SequenceNumber: a.Sequence})
			}
			handle := random.Uint32()
			require.Equal(t, gopcuaRequest(t, request, token, handle, 0), p.encodePublish(nil, handle))
		}
	}
}

func TestPollRequestTwin(t *testing.T) {
	request := &ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnBoth}
	p := &pump{standing: &standing{}}
	f := &part{}
	for i, text := range []string{"i=2258", "ns=2;s=Meter1.Power", "ns=300;i=70000", "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a", "ns=3;b=AAAA"} {
		n, err := parseNode(text)
		require.NoError(t, err)
		p.nodes, f.items = append(p.nodes, gopcuaID(t, n)), append(f.items, i)
		request.NodesToRead = append(request.NodesToRead, readValue(p.nodes[i]))
	}
	require.NoError(t, p.encodeRead(f))
	s := sessionOf(t, ua.NewTwoByteNodeID(9))
	assert.Equal(t, gopcuaRequest(t, request, s.token, 77, 1000), append(s.begin(nil, uabin.ReadRequestID, 77, time.Second), f.rest...))
}

// echo is a connection to a server that answers each Read of so many nodes with the same
// values, and allocates nothing.
type echo struct {
	net.Conn
	mu       sync.Mutex
	arrived  sync.Cond
	response []byte // body
	asked    []byte // the latest request, without its chunk header
	out      []byte
	read     int
	sequence uint32
	closed   bool
}

// echoToken is how many bytes the token of the session takes in a request.
const echoToken = 2

func (e *echo) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body := b[24:]
	e.asked = append(e.asked[:0], body...)
	if e.closed || requestID(body) != uabin.ReadRequestID {
		return len(b), nil
	}
	e.sequence++
	start := len(e.out)
	e.out = append(e.out, "MSGF\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00"...)
	e.out = binary.LittleEndian.AppendUint32(e.out, e.sequence)
	e.out = append(e.out, b[20:24]...)
	e.out = append(e.out, e.response...)
	binary.LittleEndian.PutUint32(e.out[start+4:], uint32(len(e.out)-start))
	copy(e.out[start+24+4+8:], body[4+echoToken+8:][:4]) // the handle
	e.arrived.Signal()
	return len(b), nil
}

func (e *echo) Read(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.read == len(e.out) {
		if e.closed {
			return 0, os.ErrClosed
		}
		e.arrived.Wait()
	}
	n := copy(b, e.out[e.read:])
	if e.read += n; e.read == len(e.out) {
		e.out, e.read = e.out[:0], 0
	}
	return n, nil
}

func (e *echo) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.arrived.Broadcast()
	return nil
}

func (e *echo) SetWriteDeadline(time.Time) error { return nil }

// readNodes is how many nodes the requests of the benchmarks are of.
const readNodes = 1000

// echoing returns a session with a server that answers each Read with doubles.
func echoing(t testing.TB, values ...*ua.DataValue) (*session, *echo) {
	response := encodeResponse(&ua.ReadResponse{ResponseHeader: responseHeader(1, 0), Results: values})
	require.NotNil(t, response)
	e := &echo{response: response}
	e.arrived.L = &e.mu
	c := &channel{
		conn: e, waiting: make(map[uint32]*call), ended: make(chan struct{}), id: 1, sendChunk: ourBuffer,
		cfg:     channelConfig{maxMessage: 1 << 24, now: time.Now, counters: &channelCounters{}},
		current: token{id: 1, valid: true, lifetime: time.Hour, since: time.Now()},
	}
	c.inner.Add(1)
	go c.read()
	t.Cleanup(func() {
		c.fail(net.ErrClosed)
		c.inner.Wait()
	})
	return &session{channel: c, token: ua.NewTwoByteNodeID(9), encoded: []byte{0, 9}, cfg: sessionConfig{request: 10 * time.Second}}, e
}

func doubles() (values []*ua.DataValue) {
	for i := range readNodes {
		values = append(values, &ua.DataValue{
			EncodingMask: ua.DataValueValue | ua.DataValueSourceTimestamp | ua.DataValueServerTimestamp,
			Value:        ua.MustVariant(float64(i) / 7), SourceTimestamp: requestTime, ServerTimestamp: requestTime,
		})
	}
	return values
}

// readingClient returns a function that reads doubles with a Client.
func readingClient(t testing.TB) func() {
	s, _ := echoing(t, doubles()...)
	l := &link{session: s, namespaces: plantNamespaces}
	l.types = newTypes(l)
	l.read.Store(readNodes)
	c := &Client{link: l}
	ids := make([]NodeID, readNodes)
	for i := range ids {
		ids[i] = NodeID("nsu=urn:plant:meters;s=Meter" + strconv.Itoa(i))
	}
	return func() {
		values, err := c.Read(t.Context(), ids...)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if x, ok := v.Float(); !ok || x != float64(i)/7 {
				t.Fatal(i, v)
			}
		}
	}
}

// TestReadAllocs: what is allocated is of the request, not of each node.
func TestReadAllocs(t *testing.T) {
	read := readingClient(t)
	read()
	assert.LessOrEqual(t, testing.AllocsPerRun(50, read), 25.0, "of %d nodes", readNodes)
}

func BenchmarkRead(b *testing.B) {
	read := readingClient(b)
	b.ReportAllocs()
	for b.Loop() {
		read()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/readNodes, "ns/node")
}

// polling returns a function that has a Source make one poll of doubles.
func polling(t testing.TB) func() {
	s, _ := echoing(t, doubles()...)
	cfg := Config{Client: ClientConfig{Endpoint: "opc.tcp://192.0.2.1", Policies: []Policy{PolicyNone}}, Catalog: acquire.NewCatalog()}
	for i := range readNodes {
		cfg.Points = append(cfg.Points, Point{Name: strconv.Itoa(i), Node: NodeID("ns=2;i=" + strconv.Itoa(i)), Poll: true})
	}
	src, err := NewSource(cfg)
	require.NoError(t, err)
	st := &standing{src: src, session: s, tracks: make([]track, len(src.items)), perRead: readNodes}
	for i := range src.items {
		node, err := src.items[i].id.resolve(nil)
		require.NoError(t, err)
		st.nodes = append(st.nodes, node)
	}
	stream := &stream{src: src, st: st, queue: newQueue(src.items, src.cfg.Buffer)}
	p := newPump(st, stream.queue)
	stream.pump = p
	var b acquire.Batch
	return func() {
		if err := p.pollDue(p.polls.tick); err != nil {
			t.Fatal(err)
		}
		if err := p.answer(<-p.sink); err != nil {
			t.Fatal(err)
		}
		if err := stream.Next(t.Context(), &b); err != nil || len(b.Samples) != readNodes || b.Lost > 0 {
			t.Fatal(err, len(b.Samples), b.Lost)
		}
		for i := range b.Samples {
			if v, ok := b.Samples[i].Value.Float64(); !ok || v != float64(i)/7 {
				t.Fatal(i, b.Samples[i])
			}
		}
	}
}

func TestPollAllocs(t *testing.T) {
	poll := polling(t)
	for range 3 {
		poll()
	}
	assert.Zero(t, testing.AllocsPerRun(50, poll), "of a poll of %d nodes, sent, decoded and delivered", readNodes)
}

func BenchmarkPoll(b *testing.B) {
	poll := polling(b)
	b.ReportAllocs()
	for b.Loop() {
		poll()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/readNodes, "ns/node")
}

// TestReadReuse: what one Read leaves behind does not get into the next, whatever becomes
// of either.
func TestReadReuse(t *testing.T) {
	three := []*ua.DataValue{
		{EncodingMask: ua.DataValueValue, Value: ua.MustVariant("one")},
		{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(int32(2))},
		{EncodingMask: ua.DataValueStatusCode, Status: ua.StatusBadNotReadable},
	}
	s, e := echoing(t, three...)
	l := &link{session: s, namespaces: plantNamespaces}
	l.types = newTypes(l)
	l.read.Store(readNodes)
	c := &Client{link: l}
	first, err := c.Read(t.Context(), "i=1", "no id", "i=2", "nsu=nowhere;i=3", "i=4")
	require.NoError(t, err)
	expect := func() {
		require.Len(t, first, 5)
		text, ok := first[0].Text()
		assert.True(t, ok)
		assert.Equal(t, "one", text)
		n, ok := first[2].Int()
		assert.True(t, ok)
		assert.EqualValues(t, 2, n)
		assert.Equal(t, StatusBadNodeIDUnknown, first[1].Status)
		assert.Equal(t, StatusBadNodeIDUnknown, first[3].Status)
		assert.EqualValues(t, ua.StatusBadNotReadable, first[4].Status)
	}
	expect()
	e.mu.Lock()
	e.response = bytes.ReplaceAll(e.response, []byte("one"), []byte("two"))
	e.mu.Unlock()
	var protocol *ProtocolError
	_, err = c.Read(t.Context(), "i=1", "i=2")
	require.ErrorAs(t, err, &protocol, "three results of two nodes")
	_, err = c.ReadAttributes(t.Context(), AttributeOf{"i=7", AttributeDisplayName}, AttributeOf{"i=8", AttributeValue}, AttributeOf{"ns=2;s=x", AttributeDataType})
	require.NoError(t, err)
	request := &ua.ReadRequest{}
	_, err = ua.Decode(e.asked[4:], request)
	require.NoError(t, err)
	require.Len(t, request.NodesToRead, 3)
	assert.Equal(t, "i=7", request.NodesToRead[0].NodeID.String())
	assert.Equal(t, ua.AttributeIDDisplayName, request.NodesToRead[0].AttributeID)
	assert.Equal(t, "ns=2;s=x", request.NodesToRead[2].NodeID.String())
	expect()
	none, err := c.Read(t.Context())
	require.NoError(t, err)
	assert.Empty(t, none)
}
