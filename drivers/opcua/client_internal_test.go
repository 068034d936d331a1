package opcua

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// space is the address space of a server in memory, which honours limits and keeps
// account of continuation points.
type space struct {
	mu    sync.Mutex
	nodes map[string]*spaceNode

	maxRead, maxBrowse int // 0: none, and none are named
	maxReferences      int // of one response
	maxPoints          int // continuation points for Browse, 0: none
	named              bool
	fault              func(ua.Request) ua.StatusCode

	points   map[string]*rest // open
	issued   int
	reads    int // nodes read
	requests []string
	history  map[string][]*ua.DataValue
	page     int // values of one response of HistoryRead
	lie      func(request ua.Request, response ua.Response) ua.Response
}

type rest struct {
	references []*ua.ReferenceDescription
	values     []*ua.DataValue
}

type spaceNode struct {
	id         *ua.NodeID
	class      ua.NodeClass
	name       *ua.QualifiedName
	attributes map[ua.AttributeID]any
	references []*ua.ReferenceDescription // forward
	inverse    []*ua.ReferenceDescription
	status     ua.StatusCode // of Browse
}

var plantNamespaces = []string{"http://opcfoundation.org/UA/", "urn:plant:server", "urn:plant:meters"}

func newSpace() *space {
	s := &space{nodes: make(map[string]*spaceNode), points: make(map[string]*rest), history: make(map[string][]*ua.DataValue), maxReferences: 1000, page: 1000}
	s.add("i=2255", ua.NodeClassVariable, "NamespaceArray", ua.AttributeIDValue, plantNamespaces)
	s.add("i=84", ua.NodeClassObject, "Root")
	s.add("i=85", ua.NodeClassObject, "Objects")
	s.refer("i=84", "i=85", 35)
	return s
}

// add adds a node with attributes.
func (s *space) add(id string, class ua.NodeClass, name string, attributes ...any) *spaceNode {
	n := &spaceNode{id: ua.MustParseNodeID(id), class: class, attributes: map[ua.AttributeID]any{}}
	n.name = &ua.QualifiedName{NamespaceIndex: n.id.Namespace(), Name: name}
	n.attributes[ua.AttributeIDBrowseName] = n.name
	for i := 0; i < len(attributes); i += 2 {
		n.attributes[attributes[i].(ua.AttributeID)] = attributes[i+1]
	}
	s.nodes[n.id.String()] = n
	return n
}

// refer adds a reference of a type between two nodes.
func (s *space) refer(from, to string, kind uint32) {
	describe := func(n *spaceNode, forward bool) *ua.ReferenceDescription {
		return &ua.ReferenceDescription{
			ReferenceTypeID: ua.NewNumericNodeID(0, kind), IsForward: forward, NodeID: &ua.ExpandedNodeID{NodeID: n.id}, BrowseName: n.name,
			DisplayName: ua.NewLocalizedText("the " + n.name.Name), NodeClass: n.class, TypeDefinition: &ua.ExpandedNodeID{NodeID: ua.NewTwoByteNodeID(63)},
		}
	}
	a, b := s.nodes[ua.MustParseNodeID(from).String()], s.nodes[ua.MustParseNodeID(to).String()]
	a.references = append(a.references, describe(b, true))
	b.inverse = append(b.inverse, describe(a, false))
}

func (s *space) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.points)
}

func failed(r ua.Request, status ua.StatusCode) ua.Response {
	h := head(r)
	h.ServiceResult = status
	return &ua.ServiceFault{ResponseHeader: h}
}

// answer is for impostor.
func (s *space) answer(request ua.Request, response ua.Response) ua.Response {
	if response != nil {
		return response
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		if status := s.fault(request); status != 0 {
			return failed(request, status)
		}
	}
	response = s.respond(request)
	if s.lie != nil {
		response = s.lie(request, response)
	}
	return response
}

func (s *space) respond(request ua.Request) ua.Response {
	switch r := request.(type) {
	case *ua.ReadRequest:
		s.requests = append(s.requests, "Read")
		if s.maxRead > 0 && len(r.NodesToRead) > s.maxRead {
			return failed(r, ua.StatusBadTooManyOperations)
		}
		response := &ua.ReadResponse{ResponseHeader: head(r)}
		for _, n := range r.NodesToRead {
			s.reads++
			response.Results = append(response.Results, s.read(n))
		}
		return response
	case *ua.BrowseRequest:
		s.requests = append(s.requests, "Browse")
		if s.maxBrowse > 0 && len(r.NodesToBrowse) > s.maxBrowse {
			return failed(r, ua.StatusBadTooManyOperations)
		}
		response := &ua.BrowseResponse{ResponseHeader: head(r)}
		for _, d := range r.NodesToBrowse {
			response.Results = append(response.Results, s.browse(d))
		}
		return response
	case *ua.BrowseNextRequest:
		s.requests = append(s.requests, "BrowseNext")
		if s.maxBrowse > 0 && len(r.ContinuationPoints) > s.maxBrowse {
			return failed(r, ua.StatusBadTooManyOperations)
		}
		response := &ua.BrowseNextResponse{ResponseHeader: head(r)}
		for _, p := range r.ContinuationPoints {
			point := s.points[string(p)]
			delete(s.points, string(p))
			switch {
			case r.ReleaseContinuationPoints:
				response.Results = append(response.Results, &ua.BrowseResult{})
			case point == nil:
				response.Results = append(response.Results, &ua.BrowseResult{StatusCode: ua.StatusBadContinuationPointInvalid})
			default:
				response.Results = append(response.Results, s.some(point.references))
			}
		}
		return response
	case *ua.HistoryReadRequest:
		s.requests = append(s.requests, "HistoryRead")
		return s.past(r)
	}
	return failed(request, ua.StatusBadServiceUnsupported)
}

func (s *space) read(n *ua.ReadValueID) *ua.DataValue {
	limits := map[string]int{"i=11705": s.maxRead, "i=11710": s.maxBrowse, "i=2735": s.maxPoints}
	var value any
	if limit, ok := limits[n.NodeID.String()]; ok && s.named {
		value = uint32(limit)
		if n.NodeID.IntID() == 2735 {
			value = uint16(limit)
		}
	} else if node := s.nodes[n.NodeID.String()]; node == nil {
		return &ua.DataValue{EncodingMask: ua.DataValueStatusCode, Status: ua.StatusBadNodeIDUnknown}
	} else if value, ok = node.attributes[n.AttributeID]; !ok {
		return &ua.DataValue{EncodingMask: ua.DataValueStatusCode, Status: ua.StatusBadAttributeIDInvalid}
	}
	return &ua.DataValue{EncodingMask: ua.DataValueValue | ua.DataValueSourceTimestamp, Value: ua.MustVariant(value), SourceTimestamp: time.Unix(1000, 0)}
}

func (s *space) browse(d *ua.BrowseDescription) *ua.BrowseResult {
	n := s.nodes[d.NodeID.String()]
	if n == nil {
		return &ua.BrowseResult{StatusCode: ua.StatusBadNodeIDUnknown}
	}
	if n.status != 0 {
		return &ua.BrowseResult{StatusCode: n.status}
	}
	list := n.references
	if d.BrowseDirection == ua.BrowseDirectionInverse {
		list = n.inverse
	}
	if kind := d.ReferenceTypeID.IntID(); kind != 33 {
		list = slices.DeleteFunc(slices.Clone(list), func(r *ua.ReferenceDescription) bool { return r.ReferenceTypeID.IntID() != kind })
	}
	return s.some(list)
}

// some returns the first references, with a continuation point for the others.
func (s *space) some(list []*ua.ReferenceDescription) *ua.BrowseResult {
	if len(list) <= s.maxReferences {
		return &ua.BrowseResult{References: list}
	}
	if s.maxPoints > 0 && len(s.points) >= s.maxPoints {
		return &ua.BrowseResult{StatusCode: ua.StatusBadNoContinuationPoints}
	}
	return &ua.BrowseResult{References: list[:s.maxReferences], ContinuationPoint: s.point(&rest{references: list[s.maxReferences:]})}
}

func (s *space) point(r *rest) []byte {
	s.issued++
	name := "point " + time.Duration(s.issued).String()
	s.points[name] = r
	return []byte(name)
}

func (s *space) past(r *ua.HistoryReadRequest) ua.Response {
	response := &ua.HistoryReadResponse{ResponseHeader: head(r)}
	for _, n := range r.NodesToRead {
		var values []*ua.DataValue
		if n.ContinuationPoint != nil {
			point := s.points[string(n.ContinuationPoint)]
			delete(s.points, string(n.ContinuationPoint))
			if point == nil {
				response.Results = append(response.Results, &ua.HistoryReadResult{StatusCode: ua.StatusBadContinuationPointInvalid, HistoryData: ua.NewExtensionObject(nil)})
				continue
			}
			values = point.values
		} else {
			kept, ok := s.history[n.NodeID.String()]
			if !ok {
				response.Results = append(response.Results, &ua.HistoryReadResult{StatusCode: ua.StatusBadHistoryOperationUnsupported, HistoryData: ua.NewExtensionObject(nil)})
				continue
			}
			switch d := r.HistoryReadDetails.Value.(type) {
			case *ua.ReadRawModifiedDetails:
				for _, v := range kept {
					if !v.SourceTimestamp.Before(d.StartTime) && !v.SourceTimestamp.After(d.EndTime) { // with the end, as some do
						values = append(values, v)
					}
				}
			case *ua.ReadAtTimeDetails:
				for _, at := range d.ReqTimes {
					v := *kept[0]
					v.SourceTimestamp = at
					values = append(values, &v)
				}
			case *ua.ReadProcessedDetails:
				for at := d.StartTime; at.Before(d.EndTime); at = at.Add(time.Duration(d.ProcessingInterval * float64(time.Millisecond))) {
					v := *kept[0]
					v.SourceTimestamp, v.Value = at, ua.MustVariant(float64(d.AggregateType[0].IntID()))
					values = append(values, &v)
				}
			}
		}
		if r.ReleaseContinuationPoints {
			values = nil
		}
		result := &ua.HistoryReadResult{}
		if len(values) > s.page && s.maxPoints > 0 && len(s.points) >= s.maxPoints {
			response.Results = append(response.Results, &ua.HistoryReadResult{StatusCode: ua.StatusBadNoContinuationPoints, HistoryData: ua.NewExtensionObject(nil)})
			continue
		}
		if len(values) > s.page {
			result.ContinuationPoint = s.point(&rest{values: values[s.page:]})
			values = values[:s.page]
		}
		result.HistoryData = ua.NewExtensionObject(&ua.HistoryData{DataValues: values})
		result.HistoryData.UpdateMask()
		response.Results = append(response.Results, result)
	}
	return response
}

// client returns a client of the space.
func (s *space) client(t *testing.T) (*Client, *impostor) {
	t.Helper()
	server := &impostor{t: t, offered: []*ua.EndpointDescription{described(PolicyNone, ModeNone, nil)}, answer: s.answer}
	c, err := NewClient(ClientConfig{Endpoint: "opc.tcp://plant:4840", Policies: []Policy{PolicyNone}, Dial: server.dial})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.NoError(t, c.Close(ctx))
	})
	return c, server
}

func TestNewClientNamesEveryFault(t *testing.T) {
	_, err := NewClient(ClientConfig{Timeout: -1, MaxMessage: 1})
	require.Error(t, err)
	for _, text := range []string{"no endpoint", "timeout", "MaxMessage"} {
		assert.Contains(t, err.Error(), text)
	}
}

func TestClientReads(t *testing.T) {
	s := newSpace()
	s.add("ns=2;s=P", ua.NodeClassVariable, "P", ua.AttributeIDValue, 21.5, ua.AttributeIDDescription, ua.NewLocalizedText("power"))
	s.add("ns=2;s=N", ua.NodeClassVariable, "N", ua.AttributeIDValue, []int16{1, -2, 3})
	c, server := s.client(t)
	values, err := c.Read(t.Context(), "nsu=urn:plant:meters;s=P", "ns=2;s=N", "ns=2;s=unknown", "nsu=urn:none;i=1", "nonsense")
	require.NoError(t, err)
	require.Len(t, values, 5)
	power, ok := values[0].Float()
	assert.True(t, ok)
	assert.Equal(t, 21.5, power)
	assert.Equal(t, int64(1000), values[0].SourceTime.Time().Unix())
	assert.Equal(t, "[1 -2 3]", values[1].String())
	for _, v := range values[2:] {
		assert.Equal(t, StatusBadNodeIDUnknown, v.Status)
		assert.True(t, v.IsNone(), "no value is made up")
	}
	text, err := c.ReadAttributes(t.Context(), AttributeOf{"ns=2;s=P", AttributeDescription})
	require.NoError(t, err)
	assert.Equal(t, `"power"`, text[0].String())
	uris, err := c.Namespaces(t.Context())
	require.NoError(t, err)
	assert.Equal(t, plantNamespaces, uris)
	assert.Equal(t, 1, server.sessions, "one session for all questions")
}

func TestClientKeepsLimits(t *testing.T) {
	var ids []NodeID
	s := newSpace()
	for i := range 1203 {
		id := NodeID("ns=2;i=" + itoa(i))
		ids = append(ids, id)
		s.add(string(id), ua.NodeClassVariable, "v", ua.AttributeIDValue, int32(i))
	}
	check := func(t *testing.T, c *Client) {
		values, err := c.Read(t.Context(), ids...)
		require.NoError(t, err)
		require.Len(t, values, len(ids))
		for i, v := range values {
			n, ok := v.Int()
			require.True(t, ok)
			require.EqualValues(t, i, n)
		}
	}
	t.Run("named", func(t *testing.T) {
		s.maxRead, s.named, s.requests = 100, true, nil
		c, _ := s.client(t)
		check(t, c)
		assert.Len(t, s.requests, 1+13)
	})
	t.Run("found out", func(t *testing.T) {
		s.maxRead, s.named, s.requests = 70, false, nil
		c, server := s.client(t)
		check(t, c)
		assert.Equal(t, 1, server.sessions, "a refusal is no reason to log in again")
		s.requests = nil
		check(t, c)
		assert.Len(t, s.requests, 1203/62+1, "500, 250, 125, 62: what was found out is remembered")
	})
	t.Run("nothing helps", func(t *testing.T) {
		s.maxRead = 0
		c, _ := s.client(t)
		check(t, c)
		s.fault = func(ua.Request) ua.StatusCode { return ua.StatusBadTooManyOperations }
		defer func() { s.fault = nil }()
		_, err := c.Read(t.Context(), ids...)
		var refused *ServiceError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, StatusBadTooManyOperations, refused.Status)
	})
}

func itoa(i int) string { return string(ua.NewNumericNodeID(0, uint32(i)).String()[2:]) }

func TestClientLogsInAgain(t *testing.T) {
	s := newSpace()
	s.add("ns=2;s=P", ua.NodeClassVariable, "P", ua.AttributeIDValue, 1.0)
	c, server := s.client(t)
	_, err := c.Read(t.Context(), "ns=2;s=P")
	require.NoError(t, err)

	t.Run("session closed", func(t *testing.T) {
		once := true
		s.fault = func(ua.Request) ua.StatusCode {
			if once {
				once = false
				return ua.StatusBadSessionIDInvalid
			}
			return 0
		}
		defer func() { s.fault = nil }()
		_, err = c.Read(t.Context(), "ns=2;s=P")
		require.NoError(t, err)
		assert.Equal(t, 2, server.sessions)
	})
	t.Run("connection lost", func(t *testing.T) {
		l, err := c.standing()
		require.NoError(t, err)
		l.session.channel.conn.Close()
		<-l.session.channel.ended
		_, err = c.Read(t.Context(), "ns=2;s=P")
		require.NoError(t, err)
		assert.Equal(t, 3, server.sessions)
	})
	t.Run("not for ever", func(t *testing.T) {
		s.fault = func(r ua.Request) ua.StatusCode {
			if read, ok := r.(*ua.ReadRequest); ok && read.NodesToRead[0].NodeID.Namespace() == 2 {
				return ua.StatusBadSessionIDInvalid
			}
			return 0
		}
		defer func() { s.fault = nil }()
		_, err = c.Read(t.Context(), "ns=2;s=P")
		require.Error(t, err)
		assert.Equal(t, 4, server.sessions, "asked once more, not again and again")
	})
}

func TestClientClosed(t *testing.T) {
	s := newSpace()
	c, server := s.client(t)
	_, err := c.Namespaces(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.Close(t.Context()))
	require.NoError(t, c.Close(t.Context()))
	_, err = c.Read(t.Context(), "i=84")
	require.ErrorIs(t, err, ErrClientClosed)
	assert.Contains(t, server.asked(), "CloseSession plain", "no session is left on the server")
}

func TestClientCancelled(t *testing.T) {
	s := newSpace()
	c, _ := s.client(t)
	_, err := c.Namespaces(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	hold := make(chan struct{})
	s.fault = func(ua.Request) ua.StatusCode {
		cancel()
		<-hold
		return ua.StatusBadTimeout
	}
	_, err = c.Read(ctx, "i=84")
	close(hold)
	require.ErrorIs(t, err, context.Canceled)
}

func TestClientDiscovers(t *testing.T) {
	s := newSpace()
	c, server := s.client(t)
	applications, err := c.FindServers(t.Context())
	require.NoError(t, err)
	require.Len(t, applications, 1)
	assert.Equal(t, serverURI, applications[0].URI)
	endpoints, err := c.Endpoints(t.Context())
	require.NoError(t, err)
	require.Len(t, endpoints, 1)
	assert.Zero(t, server.sessions, "discovery does not log in")
}

func TestClientWithGopcua(t *testing.T) {
	t.Parallel() // it waits for a real clock
	address := gopcuaServer(t, selfSigned(t, "urn:server", 2048))
	c, err := NewClient(ClientConfig{Endpoint: "opc.tcp://" + address, Policies: []Policy{PolicyNone}})
	require.NoError(t, err)
	defer c.Close(t.Context())
	values, err := c.Read(t.Context(), "i=2258", "i=2255")
	require.NoError(t, err)
	now, ok := values[0].Time()
	assert.True(t, ok)
	assert.InDelta(t, time.Now().Unix(), now.Time().Unix(), 10)
	assert.True(t, values[1].IsArray())
	var paths []string
	for n, err := range c.Browse(t.Context(), RootFolder, "Objects/**") {
		require.NoError(t, err)
		paths = append(paths, n.Path)
	}
	assert.Contains(t, paths, "Objects/Server")
	assert.Contains(t, paths, "Objects/Server/ServerStatus/CurrentTime")
}
