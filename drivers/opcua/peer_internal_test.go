package opcua

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
)

// fakeServer is a server without security for tests of subscriptions: it keeps queues and
// messages as the standard has it, and misbehaves when told to. It works over any
// connection, and on virtual time.
type fakeServer struct {
	mu        sync.Mutex
	nodes     map[string]func(now time.Time) *ua.DataValue
	limits    int // nodes or items per call; 0: any
	conns     map[*fakeConn]bool
	sessions  map[string]*fakeSession
	subs      map[uint32]*fakeSub
	ids       uint32
	refusing  bool
	silent    bool
	flood     bool
	late      time.Duration
	dropNext  int           // messages that are sent nowhere
	forget    bool          // messages are not kept for Republish
	offset    time.Duration // of its clock
	writes    uint64
	services  map[string]int
	parted    int  // channels that ended with a word
	historian bool // keeps a history
	points    int  // continuation points of events that are open
	asked     []*ua.MonitoringParameters
	notifiers map[string]bool             // nodes with events
	happened  map[string][]map[string]any // what did, of each notifier, if it is a historian
	fields    func(map[string]any)        // changes what is told
	tamper    func(*ua.HistoryEvent, *ua.HistoryReadResult)
	simple    bool            // event fields of conditions are refused
	happening func(time.Time) // is called all the time, and may emit
	changed   chan struct{}   // closed by set
	every     time.Duration   // it looks at its nodes; set before it is dialled
	begin     sync.Once
	stop      chan struct{}
}

type fakeSession struct{ waiting []fakeRequest }

type fakeRequest struct {
	conn    *fakeConn
	request uint32
	handle  uint32
	acks    []*ua.SubscriptionAcknowledgement
}

type fakeSub struct {
	id        uint32
	session   string
	interval  time.Duration
	keepAlive uint32
	items     []*fakeItem
	sequence  uint32
	kept      map[uint32]*ua.NotificationMessage
	quiet     uint32
	due       time.Time
}

type fakeItem struct {
	handle uint32
	node   string
	last   *ua.DataValue
	queue  []*ua.DataValue
	most   int

	clauses []string // of an item for events: paths of browse names
	events  [][]*ua.Variant
}

func newFakeServer(t *testing.T) *fakeServer {
	p := &fakeServer{
		nodes: make(map[string]func(time.Time) *ua.DataValue), conns: make(map[*fakeConn]bool), sessions: make(map[string]*fakeSession),
		subs: make(map[uint32]*fakeSub), services: make(map[string]int), notifiers: make(map[string]bool), happened: make(map[string][]map[string]any), changed: make(chan struct{}), every: 50 * time.Millisecond, stop: make(chan struct{}),
	}
	t.Cleanup(func() {
		p.reset(true)
		close(p.stop)
	})
	return p
}

// reset cuts all connections; with all, sessions and subscriptions are gone as well, as
// after a restart.
func (p *fakeServer) reset(all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
	if all {
		p.sessions = make(map[string]*fakeSession)
		p.subs = make(map[uint32]*fakeSub)
	}
}

func (p *fakeServer) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

// emit tells an event, by paths of browse names, to whoever watches a notifier. The server
// is locked.
func (p *fakeServer) emit(notifier string, fields map[string]any) {
	if p.fields != nil {
		p.fields(fields)
	}
	if p.historian {
		p.happened[notifier] = append(p.happened[notifier], fields)
	}
	for _, s := range p.subs {
		for _, i := range s.items {
			if i.clauses == nil || i.node != notifier {
				continue
			}
			pick := func(from map[string]any) []*ua.Variant { return picked(i.clauses, from) }
			if i.events = append(i.events, pick(fields)); len(i.events) > i.most {
				i.events = i.events[len(i.events)-i.most:]
				if first := i.events[0][0].NodeID(); first == nil || first.IntID() != eventOverflow { // one is added to the queue
					i.events = append([][]*ua.Variant{pick(map[string]any{
						"EventType": ua.NewNumericNodeID(0, eventOverflow), "SourceName": "Server", "Time": time.Now().Add(p.offset),
						"Message": ua.NewLocalizedText("overflow"), "Severity": uint16(1),
					})}, i.events...)
				}
			}
		}
	}
}

// picked are the fields of an event that are asked for.
func picked(clauses []string, from map[string]any) (event []*ua.Variant) {
	for _, path := range clauses {
		event = append(event, ua.MustVariant(from[path]))
	}
	return event
}

// paths are those of select clauses.
func paths(clauses []*ua.SimpleAttributeOperand) (all []string) {
	for _, c := range clauses {
		var path []string
		for _, name := range c.BrowsePath {
			path = append(path, name.Name)
		}
		all = append(all, strings.Join(path, "/"))
	}
	return all
}

// recount answers with the events that happened, at most 100 in one answer.
func (p *fakeServer) recount(n *ua.HistoryReadValueID, details *ua.ReadEventDetails) *ua.HistoryReadResult {
	result := &ua.HistoryReadResult{HistoryData: ua.NewExtensionObject(nil)}
	clauses := details.Filter.SelectClauses
	switch {
	case !p.historian || !p.notifiers[n.NodeID.String()]:
		result.StatusCode = ua.StatusBadHistoryOperationUnsupported
		return result
	case p.conditionless(clauses):
		result.StatusCode = ua.StatusBadEventFilterInvalid
		return result
	}
	first := 0
	if len(n.ContinuationPoint) == 8 {
		p.points--
		first = int(binary.LittleEndian.Uint64(n.ContinuationPoint))
	}
	data := &ua.HistoryEvent{}
	for i, fields := range p.happened[n.NodeID.String()] {
		at := fields["Time"].(time.Time)
		if i < first || at.Before(details.StartTime) || !at.Before(details.EndTime) {
			continue
		}
		if len(data.Events) == min(int(details.NumValuesPerNode), 100) {
			p.points++
			result.ContinuationPoint = binary.LittleEndian.AppendUint64(nil, uint64(i))
			break
		}
		data.Events = append(data.Events, &ua.HistoryEventFieldList{EventFields: picked(paths(clauses), fields)})
	}
	if p.tamper != nil {
		p.tamper(data, result)
	}
	result.HistoryData = object(data)
	return result
}

// conditionless reports whether fields are asked for that this server does not know.
func (p *fakeServer) conditionless(clauses []*ua.SimpleAttributeOperand) bool {
	return p.simple && slices.ContainsFunc(clauses, func(c *ua.SimpleAttributeOperand) bool { return c.TypeDefinitionID.IntID() != 2041 })
}

func (p *fakeServer) dial(context.Context) (net.Conn, error) {
	p.begin.Do(func() { go p.run() })
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	c := &fakeConn{Conn: far, server: p, out: make(chan []byte, 1<<12), closed: make(chan struct{})}
	p.conns[c] = true
	go c.write()
	go c.read()
	return near, nil
}

func (p *fakeServer) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

type fakeConn struct {
	net.Conn
	server   *fakeServer
	out      chan []byte // bodies with their request id in front, or whole frames behind 0
	closed   chan struct{}
	once     sync.Once
	sequence uint32
}

func (c *fakeConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (c *fakeConn) write() {
	garbage := make([]byte, 64<<10)
	for {
		flood := (<-chan time.Time)(nil)
		c.server.mu.Lock()
		changed := c.server.changed
		if c.server.flood {
			flood = time.After(time.Millisecond)
		}
		c.server.mu.Unlock()
		select {
		case <-c.closed:
			return
		case <-flood:
			copy(garbage, "MSGF")
			binary.LittleEndian.PutUint32(garbage[4:], uint32(len(garbage)))
			binary.LittleEndian.PutUint32(garbage[8:], 1)
			if _, err := c.Write(garbage); err != nil {
				return
			}
		case <-changed: // the flood may begin
		case m := <-c.out:
			if request := binary.LittleEndian.Uint32(m); request == 0 {
				m = m[4:]
				if string(m[:3]) == "OPN" {
					c.sequence++
					binary.LittleEndian.PutUint32(m[12+4+len(ua.SecurityPolicyURINone)+8:], c.sequence)
				}
			} else {
				body := m[4:]
				const room = 60 << 10
				var frames []byte
				for first := true; first || len(body) > 0; first = false {
					part := body[:min(room, len(body))]
					body = body[len(part):]
					kind := "MSGF"
					if len(body) > 0 {
						kind = "MSGC"
					}
					c.sequence++
					frame := append([]byte(kind), 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
					frame = binary.LittleEndian.AppendUint32(frame, c.sequence)
					frame = binary.LittleEndian.AppendUint32(frame, request)
					frame = append(frame, part...)
					binary.LittleEndian.PutUint32(frame[4:], uint32(len(frame)))
					frames = append(frames, frame...)
				}
				m = frames
			}
			if _, err := c.Write(m); err != nil {
				return
			}
		}
	}
}

func (c *fakeConn) read() {
	defer func() {
		c.Close()
		c.server.mu.Lock()
		delete(c.server.conns, c)
		c.server.mu.Unlock()
	}()
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		rest := make([]byte, binary.LittleEndian.Uint32(head[4:])-8)
		if _, err := io.ReadFull(c, rest); err != nil {
			return
		}
		switch string(head[:3]) {
		case "HEL":
			ack := append([]byte("ACKF\x1c\x00\x00\x00"), rest[:12]...)
			ack = append(ack, 0, 0, 0, 0, 0, 0, 0, 0)
			c.server.set(func() { c.send(0, ack) })
		case "OPN":
			r := rest[4:]
			for range 3 {
				n := int32(binary.LittleEndian.Uint32(r))
				r = r[4+max(n, 0):]
			}
			request := binary.LittleEndian.Uint32(r[4:])
			_, decoded, err := ua.DecodeService(r[8:])
			if err != nil {
				return
			}
			body := encodeResponse(&ua.OpenSecureChannelResponse{
				ResponseHeader: responseHeader(decoded.(ua.Request).Header().RequestHandle, 0),
				SecurityToken:  &ua.ChannelSecurityToken{ChannelID: 1, TokenID: 1, CreatedAt: time.Now(), RevisedLifetime: 3_600_000},
			})
			frame := append([]byte("OPNF"), 0, 0, 0, 0, 1, 0, 0, 0)
			frame = appendText(frame, ua.SecurityPolicyURINone)
			frame = append(frame, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
			frame = append(frame, 0, 0, 0, 0) // its number, when it is sent
			frame = binary.LittleEndian.AppendUint32(frame, request)
			frame = append(frame, body...)
			binary.LittleEndian.PutUint32(frame[4:], uint32(len(frame)))
			c.server.set(func() { c.send(0, frame) })
		case "MSG":
			request := binary.LittleEndian.Uint32(rest[12:])
			if head[3] != 'F' {
				return // our requests in tests are of one chunk
			}
			_, decoded, err := ua.DecodeService(rest[16:])
			if err != nil {
				return
			}
			c.server.serve(c, request, decoded.(ua.Request))
		case "CLO":
			c.server.set(func() { c.server.parted++ })
			return
		default:
			return
		}
	}
}

func encodeResponse(r ua.Response) []byte {
	body, err := ua.Encode(r)
	if err != nil {
		return nil
	}
	id := ua.ServiceTypeID(r)
	return append([]byte{0x01, 0, byte(id), byte(id >> 8)}, body...)
}

func responseHeader(handle uint32, status ua.StatusCode) *ua.ResponseHeader {
	return &ua.ResponseHeader{
		Timestamp: time.Now(), RequestHandle: handle, ServiceResult: status, ServiceDiagnostics: &ua.DiagnosticInfo{},
		StringTable: []string{}, AdditionalHeader: ua.NewExtensionObject(nil),
	}
}

// send puts a message on its way, unless the server is silent. The server is locked.
func (c *fakeConn) send(request uint32, body []byte) {
	m := append(binary.LittleEndian.AppendUint32(nil, request), body...)
	out := func() {
		select {
		case c.out <- m:
		default:
		}
	}
	switch late := c.server.late; {
	case c.server.silent:
	case late > 0:
		time.AfterFunc(late, out)
	default:
		out()
	}
}

func (p *fakeServer) value(node string) *ua.DataValue {
	f, ok := p.nodes[node]
	now := time.Now()
	if !ok {
		return &ua.DataValue{EncodingMask: ua.DataValueStatusCode, Status: ua.StatusBadNodeIDUnknown}
	}
	v := f(now)
	v.EncodingMask |= ua.DataValueSourceTimestamp | ua.DataValueServerTimestamp
	v.SourceTimestamp, v.ServerTimestamp = now.Add(p.offset), now.Add(p.offset)
	return v
}

func (p *fakeServer) serve(c *fakeConn, request uint32, r ua.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	handle, token := r.Header().RequestHandle, ""
	if r.Header().AuthenticationToken != nil {
		token = r.Header().AuthenticationToken.String()
	}
	fault := func(status ua.StatusCode) {
		c.send(request, encodeResponse(&ua.ServiceFault{ResponseHeader: responseHeader(handle, status)}))
	}
	answer := func(response ua.Response) { c.send(request, encodeResponse(response)) }
	ok := responseHeader(handle, 0)
	session := p.sessions[token]
	limits := p.limits
	count := func(name string) { p.services[name]++ }
	switch r := r.(type) {
	case *ua.GetEndpointsRequest:
		answer(&ua.GetEndpointsResponse{ResponseHeader: ok, Endpoints: []*ua.EndpointDescription{p.endpoint(r.EndpointURL)}})
		return
	case *ua.CreateSessionRequest:
		count("CreateSession")
		p.ids++
		id := ua.NewNumericNodeID(1, p.ids)
		p.sessions[id.String()] = &fakeSession{}
		answer(&ua.CreateSessionResponse{
			ResponseHeader: ok, SessionID: id, AuthenticationToken: id, RevisedSessionTimeout: r.RequestedSessionTimeout, ServerNonce: make([]byte, 32),
			ServerEndpoints: []*ua.EndpointDescription{p.endpoint(r.EndpointURL)}, ServerSignature: &ua.SignatureData{},
		})
		return
	}
	if session == nil {
		fault(ua.StatusBadSessionIDInvalid)
		return
	}
	switch r := r.(type) {
	case *ua.ActivateSessionRequest:
		count("ActivateSession")
		answer(&ua.ActivateSessionResponse{ResponseHeader: ok, ServerNonce: make([]byte, 32)})
	case *ua.CloseSessionRequest:
		delete(p.sessions, token)
		for id, s := range p.subs {
			if s.session == token && r.DeleteSubscriptions {
				delete(p.subs, id)
			}
		}
		answer(&ua.CloseSessionResponse{ResponseHeader: ok})
	case *ua.ReadRequest:
		count("Read")
		if limits > 0 && len(r.NodesToRead) > limits {
			fault(ua.StatusBadTooManyOperations)
			return
		}
		response := &ua.ReadResponse{ResponseHeader: ok}
		for _, n := range r.NodesToRead {
			response.Results = append(response.Results, p.value(n.NodeID.String()))
		}
		answer(response)
	case *ua.HistoryReadRequest:
		count("HistoryRead")
		response := &ua.HistoryReadResponse{ResponseHeader: ok}
		if details, of := r.HistoryReadDetails.Value.(*ua.ReadEventDetails); of {
			count("HistoryRead of events")
			for _, n := range r.NodesToRead {
				if r.ReleaseContinuationPoints {
					p.points--
					response.Results = append(response.Results, &ua.HistoryReadResult{HistoryData: ua.NewExtensionObject(nil)})
					continue
				}
				response.Results = append(response.Results, p.recount(n, details))
			}
			answer(response)
			return
		}
		details := r.HistoryReadDetails.Value.(*ua.ReadRawModifiedDetails)
		for _, n := range r.NodesToRead {
			f := p.nodes[n.NodeID.String()]
			if !p.historian || f == nil {
				response.Results = append(response.Results, &ua.HistoryReadResult{StatusCode: ua.StatusBadHistoryOperationUnsupported, HistoryData: ua.NewExtensionObject(nil)})
				continue
			}
			data := &ua.HistoryData{}
			result := &ua.HistoryReadResult{}
			from := details.StartTime
			if len(n.ContinuationPoint) == 8 {
				from = time.Unix(0, int64(binary.LittleEndian.Uint64(n.ContinuationPoint)))
			}
			for at := from.Truncate(step); at.Before(details.EndTime) && at.Before(time.Now()); at = at.Add(step) {
				if at.Before(details.StartTime) {
					continue
				}
				if len(data.DataValues) == 100 {
					result.ContinuationPoint = binary.LittleEndian.AppendUint64(nil, uint64(at.UnixNano()))
					break
				}
				v := f(at)
				v.EncodingMask |= ua.DataValueSourceTimestamp
				v.SourceTimestamp = at
				data.DataValues = append(data.DataValues, v)
			}
			result.HistoryData = ua.NewExtensionObject(data)
			response.Results = append(response.Results, result)
		}
		answer(response)
	case *ua.RegisterNodesRequest:
		count("RegisterNodes")
		if limits > 0 && len(r.NodesToRegister) > limits {
			fault(ua.StatusBadTooManyOperations)
			return
		}
		answer(&ua.RegisterNodesResponse{ResponseHeader: ok, RegisteredNodeIDs: r.NodesToRegister})
	case *ua.CreateSubscriptionRequest:
		count("CreateSubscription")
		p.ids++
		s := &fakeSub{
			id: p.ids, session: token, interval: time.Duration(r.RequestedPublishingInterval * float64(time.Millisecond)),
			keepAlive: r.RequestedMaxKeepAliveCount, kept: make(map[uint32]*ua.NotificationMessage), due: time.Now().Add(time.Duration(r.RequestedPublishingInterval * float64(time.Millisecond))),
		}
		p.subs[s.id] = s
		answer(&ua.CreateSubscriptionResponse{
			ResponseHeader: ok, SubscriptionID: s.id, RevisedPublishingInterval: r.RequestedPublishingInterval,
			RevisedLifetimeCount: r.RequestedLifetimeCount, RevisedMaxKeepAliveCount: r.RequestedMaxKeepAliveCount,
		})
	case *ua.CreateMonitoredItemsRequest:
		count("CreateMonitoredItems")
		if limits > 0 && len(r.ItemsToCreate) > limits {
			fault(ua.StatusBadTooManyOperations)
			return
		}
		s := p.subs[r.SubscriptionID]
		if s == nil {
			fault(ua.StatusBadSubscriptionIDInvalid)
			return
		}
		response := &ua.CreateMonitoredItemsResponse{ResponseHeader: ok}
		for _, i := range r.ItemsToCreate {
			result := &ua.MonitoredItemCreateResult{
				RevisedSamplingInterval: i.RequestedParameters.SamplingInterval, RevisedQueueSize: i.RequestedParameters.QueueSize,
				FilterResult: ua.NewExtensionObject(nil),
			}
			p.asked = append(p.asked, i.RequestedParameters)
			response.Results = append(response.Results, result)
			node := i.ItemToMonitor.NodeID.String()
			if i.ItemToMonitor.AttributeID == ua.AttributeIDEventNotifier {
				clauses := i.RequestedParameters.Filter.Value.(*ua.EventFilter).SelectClauses
				switch {
				case !p.notifiers[node]:
					result.StatusCode = ua.StatusBadNodeIDUnknown
				case p.conditionless(clauses):
					result.StatusCode = ua.StatusBadEventFilterInvalid
				default:
					item := &fakeItem{handle: i.RequestedParameters.ClientHandle, node: node, most: int(i.RequestedParameters.QueueSize), clauses: paths(clauses)}
					p.ids++
					result.MonitoredItemID = p.ids
					s.items = append(s.items, item)
				}
				continue
			}
			if p.nodes[node] == nil {
				result.StatusCode = ua.StatusBadNodeIDUnknown
				continue
			}
			p.ids++
			result.MonitoredItemID = p.ids
			most := int(i.RequestedParameters.QueueSize)
			s.items = append(s.items, &fakeItem{handle: i.RequestedParameters.ClientHandle, node: node, most: most})
		}
		answer(response)
	case *ua.PublishRequest:
		for _, a := range r.SubscriptionAcknowledgements {
			if s := p.subs[a.SubscriptionID]; s != nil {
				delete(s.kept, a.SequenceNumber)
			}
		}
		if !slices.ContainsFunc(slices.Collect(maps.Values(p.subs)), func(s *fakeSub) bool { return s.session == token }) {
			fault(ua.StatusBadNoSubscription)
			return
		}
		session.waiting = append(session.waiting, fakeRequest{c, request, handle, r.SubscriptionAcknowledgements})
	case *ua.RepublishRequest:
		count("Republish")
		s := p.subs[r.SubscriptionID]
		switch {
		case s == nil || s.session != token:
			fault(ua.StatusBadSubscriptionIDInvalid)
		case s.kept[r.RetransmitSequenceNumber] == nil:
			fault(ua.StatusBadMessageNotAvailable)
		default:
			answer(&ua.RepublishResponse{ResponseHeader: ok, NotificationMessage: s.kept[r.RetransmitSequenceNumber]})
		}
	case *ua.TransferSubscriptionsRequest:
		count("TransferSubscriptions")
		response := &ua.TransferSubscriptionsResponse{ResponseHeader: ok}
		for _, id := range r.SubscriptionIDs {
			result := &ua.TransferResult{StatusCode: ua.StatusBadSubscriptionIDInvalid}
			if s := p.subs[id]; s != nil {
				s.session, result.StatusCode = token, 0
				result.AvailableSequenceNumbers = slices.Collect(maps.Keys(s.kept))
			}
			response.Results = append(response.Results, result)
		}
		answer(response)
	default:
		p.writes++
		fault(ua.StatusBadServiceUnsupported)
	}
}

func (p *fakeServer) endpoint(url string) *ua.EndpointDescription {
	return &ua.EndpointDescription{
		EndpointURL: url, SecurityMode: ua.MessageSecurityModeNone, SecurityPolicyURI: ua.SecurityPolicyURINone, TransportProfileURI: binaryProfile,
		Server:             &ua.ApplicationDescription{ApplicationURI: "urn:peer", ApplicationName: ua.NewLocalizedText("peer")},
		UserIdentityTokens: []*ua.UserTokenPolicy{{PolicyID: "anonymous", TokenType: ua.UserTokenTypeAnonymous}},
	}
}

// run samples all the time, and publishes when it is time.
func (p *fakeServer) run() {
	ticker := time.NewTicker(p.every)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-ticker.C:
			p.mu.Lock()
			if p.happening != nil {
				p.happening(now)
			}
			for _, id := range slices.Sorted(maps.Keys(p.subs)) {
				s := p.subs[id]
				p.sample(s)
				if !now.Before(s.due) {
					s.due = s.due.Add(s.interval)
					p.publish(s)
				}
			}
			p.mu.Unlock()
		}
	}
}

func (p *fakeServer) sample(s *fakeSub) {
	for _, i := range s.items {
		if i.clauses != nil {
			continue
		}
		v := p.value(i.node)
		if i.last != nil && i.last.Status == v.Status && (v.Value == nil) == (i.last.Value == nil) && (v.Value == nil || i.last.Value.Value() == v.Value.Value()) {
			continue
		}
		i.last = v
		if i.queue = append(i.queue, v); len(i.queue) > i.most {
			i.queue = i.queue[1:]
			i.queue[0].EncodingMask |= ua.DataValueStatusCode
			i.queue[0].Status |= 0x480 // InfoType DataValue, Overflow
		}
	}
}

func (p *fakeServer) publish(s *fakeSub) {
	session := p.sessions[s.session]
	if session == nil {
		return
	}
	s.quiet++
	data, events := &ua.DataChangeNotification{}, &ua.EventNotificationList{}
	for _, i := range s.items {
		for _, fields := range i.events {
			events.Events = append(events.Events, &ua.EventFieldList{ClientHandle: i.handle, EventFields: fields})
		}
		for _, v := range i.queue {
			data.MonitoredItems = append(data.MonitoredItems, &ua.MonitoredItemNotification{ClientHandle: i.handle, Value: v})
		}
	}
	session.waiting = slices.DeleteFunc(session.waiting, func(r fakeRequest) bool { return !p.conns[r.conn] })
	news := len(data.MonitoredItems)+len(events.Events) > 0
	if len(session.waiting) == 0 || !news && s.quiet < s.keepAlive {
		return
	}
	to := session.waiting[0]
	session.waiting = session.waiting[1:]
	s.quiet = 0
	m := &ua.NotificationMessage{SequenceNumber: s.sequence + 1, PublishTime: time.Now().Add(p.offset)}
	if news {
		s.sequence++
		for _, i := range s.items {
			i.queue, i.events = nil, nil
		}
		if len(data.MonitoredItems) > 0 {
			m.NotificationData = append(m.NotificationData, ua.NewExtensionObject(data))
		}
		if len(events.Events) > 0 {
			m.NotificationData = append(m.NotificationData, ua.NewExtensionObject(events))
		}
		for _, part := range m.NotificationData {
			part.UpdateMask()
		}
		if !p.forget {
			s.kept[s.sequence] = m
		}
		if p.dropNext > 0 {
			p.dropNext--
			session.waiting = append([]fakeRequest{to}, session.waiting...)
			return
		}
	}
	body := encodeResponse(&ua.PublishResponse{
		ResponseHeader: responseHeader(to.handle, 0), SubscriptionID: s.id, NotificationMessage: m,
		AvailableSequenceNumbers: slices.Sorted(maps.Keys(s.kept)), Results: make([]ua.StatusCode, len(to.acks)),
	})
	to.conn.send(to.request, body)
}
