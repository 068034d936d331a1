package passive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// Encoding ids in namespace 0 of the requests that are looked into (OPC 10000-6, annex
// A.3, NodeIds.csv).
const (
	readRequestID        = 631
	writeRequestID       = 673
	createItemsRequestID = 751 // CreateMonitoredItems
	modifyItemsRequestID = 763 // ModifyMonitoredItems
	republishRequestID   = 832
)

// protection is how the messages of a secure channel are protected.
type protection uint8

const (
	unknownProtection protection = iota // joined in the middle
	unprotected
	protected // signed at least: what can be read of it tells
)

// opcuaTalk is a connection that speaks OPC UA Connection Protocol (OPC 10000-6, section
// 7.1).
type opcuaTalk struct {
	d          *decoder
	f          *flow
	client     netip.AddrPort
	server     netip.AddrPort
	reversed   bool // the server has connected to the client
	streams    [2]opcuaStream
	channel    uint32 // 0: not known
	protection protection
	signature  int // octets behind each chunk
	waiting    []*opcuaRequest
	heard      bool
	missed     uint64 // how often something of the server's was missed: responses may lie in it
}

// opcuaStream is what one end sends.
type opcuaStream struct {
	partial []byte // of a chunk
	lost    bool
	gaps    int
	begun   []*opcuaPart // messages that are not whole
}

// opcuaPart is a message in chunks.
type opcuaPart struct {
	request uint32
	chunks  int
	body    []byte
}

// opcuaRequest waits for its response.
type opcuaRequest struct {
	talk    *opcuaTalk
	id      uint64
	request uint32
	service uint32
	sent    Place
	missed  uint64
	sub     uint32
	items   []OPCUAItem
	timed   bool // pending in the decoder
}

func (r *opcuaRequest) number() uint64 { return r.id }
func (r *opcuaRequest) settle()        { r.id = 0 }

// size is the memory that r takes, about.
func (r *opcuaRequest) size() int { return 128 + 96*len(r.items) }

// Limits of a connection.
const (
	maxParts  = 16 // messages in chunks at once, each way
	maxChunks = 4096
)

func (t *opcuaTalk) gap(from direction) {
	from = t.role(from)
	t.streams[from].gaps++
	t.drop(from)
}

func (t *opcuaTalk) join(from direction) { t.streams[t.role(from)].lost = true }

// drop gives up what is not whole.
func (t *opcuaTalk) drop(from direction) {
	t.lose(from, 0)
	for _, p := range t.streams[from].begun { // a chunk may be missing
		t.d.keep(-cap(p.body))
		t.d.stats.SkippedBytes += uint64(len(p.body))
	}
	t.streams[from].begun = nil
}

// role returns who sent something, as a client or a server of OPC UA.
func (t *opcuaTalk) role(from direction) direction {
	if t.reversed {
		return 1 - from
	}
	return from
}

func (t *opcuaTalk) lose(from direction, skipped int) {
	s := &t.streams[from]
	t.d.stats.SkippedBytes += uint64(len(s.partial) + skipped)
	t.d.keep(-cap(s.partial))
	s.partial, s.lost = nil, true
	if from == toClient {
		t.missed++
	}
}

// chunkHeader is what every chunk begins with.
const chunkHeader = 8

// chunkSize returns how long the chunk at the start of b is, 0 as long as b is too short
// to tell, and false where there is none.
func (t *opcuaTalk) chunkSize(b []byte) (int, bool) {
	if len(b) >= 3 {
		switch string(b[:3]) {
		case "MSG", "OPN", "CLO", "HEL", "ACK", "ERR", "RHE":
		default:
			return 0, false
		}
	}
	if len(b) >= 4 && b[3] != 'F' && (b[0] != 'M' || b[3] != 'C' && b[3] != 'A') {
		return 0, false
	}
	if len(b) < chunkHeader {
		return 0, true
	}
	n := binary.LittleEndian.Uint32(b[4:])
	return int(n), n >= chunkHeader && n <= uint32(t.d.limits.MaxMessage)
}

// find returns where in b a chunk begins, after something was missed: at a header of our
// channel or, where that is not known yet or cannot be seen, at the first byte of a
// segment. It is len(b) where none does.
func (t *opcuaTalk) find(b []byte) int {
	if n, ok := t.chunkSize(b); ok && n > 0 && (t.channel == 0 || len(b) < chunkHeader+4) {
		return 0
	}
	if t.channel == 0 {
		return len(b)
	}
	for i := 0; i+chunkHeader+4 <= len(b); i++ {
		if n, ok := t.chunkSize(b[i:]); ok && n >= chunkHeader+4 && binary.LittleEndian.Uint32(b[i+chunkHeader:]) == t.channel {
			return i
		}
		next := bytes.IndexAny(b[i+1:], "MOC")
		if next < 0 {
			break
		}
		i += next
	}
	return len(b)
}

func (t *opcuaTalk) data(from direction, b []byte) {
	if len(b) >= 4 && string(b[:4]) == "RHEF" && !t.reversed && !t.heard && from == toServer && len(t.streams[from].partial) == 0 {
		t.reversed = true
		t.client, t.server = t.server, t.client
	}
	from = t.role(from)
	t.heard = t.heard || from == toClient
	s := &t.streams[from]
	if s.lost {
		at := t.find(b)
		t.d.stats.SkippedBytes += uint64(at)
		if at > 0 && from == toClient {
			t.missed++
		}
		if b = b[at:]; len(b) == 0 {
			return
		}
		s.lost = false
	}
	for len(b) > 0 {
		if len(s.partial) == 0 {
			n, ok := t.chunkSize(b)
			if ok && n > 0 && n <= len(b) {
				t.chunk(from, b[:n])
				b = b[n:]
				continue
			}
			if !ok {
				t.d.stats.Malformed++
				t.lose(from, len(b))
				return
			}
		}
		n, ok := t.chunkSize(s.partial)
		if n == 0 {
			n = chunkHeader // complete it first
		}
		take := min(n-len(s.partial), len(b))
		if !ok || !t.extend(s, b[:take], n) {
			t.d.stats.Malformed++
			t.lose(from, len(b))
			return
		}
		b = b[take:]
		if n, ok := t.chunkSize(s.partial); !ok {
			t.d.stats.Malformed++
			t.lose(from, len(b))
			return
		} else if n == len(s.partial) {
			chunk := s.partial
			t.d.keep(-cap(chunk))
			s.partial = nil // the observation keeps it
			t.chunk(from, chunk)
		}
	}
}

// extend appends to the chunk that is begun, of n octets in the end.
func (t *opcuaTalk) extend(s *opcuaStream, b []byte, n int) bool {
	before := cap(s.partial)
	if len(s.partial)+len(b) > before {
		s.partial = slices.Grow(s.partial, min(n-len(s.partial), max(len(b), len(s.partial))))
	}
	s.partial = append(s.partial, b...)
	return t.d.keep(cap(s.partial) - before)
}

// chunk takes one chunk.
func (t *opcuaTalk) chunk(from direction, b []byte) {
	d := t.d
	kind, final := string(b[:3]), b[3]
	r := uabin.NewReader(b[chunkHeader:])
	switch kind {
	case "HEL", "ACK", "ERR", "RHE":
		d.stats.Messages++
		t.observe(from, kind, b)
		return
	case "OPN":
		t.open(from, b, r)
		return
	}
	channel, _, _, request := r.Uint32(), r.Uint32(), r.Uint32(), r.Uint32() // token and sequence number
	if r.Err() != nil {
		d.stats.Malformed++
		t.observe(from, kind, b).Err = r.Err()
		return
	}
	t.channel = channel
	body := r.Rest()
	s := &t.streams[from]
	at := slices.IndexFunc(s.begun, func(p *opcuaPart) bool { return p.request == request })
	if at < 0 && t.protection != unprotected && !readable(body) {
		d.stats.Encrypted++
		if final != 'C' {
			o := t.observe(from, kind, b)
			o.OPCUA.Channel, o.Err = channel, ErrEncrypted
			d.stats.Messages++
		}
		return
	}
	if len(body) < t.signature {
		d.stats.Malformed++
		return
	}
	body = body[:len(body)-t.signature]
	if final == 'C' {
		t.collect(s, at, request, body)
		return
	}
	chunks := 1
	if at >= 0 {
		part := s.begun[at]
		s.begun = slices.Delete(s.begun, at, at+1)
		d.keep(-cap(part.body))
		chunks += part.chunks
		body = append(part.body, body...)
	}
	d.stats.Messages++
	o := t.observe(from, kind, b)
	m := &o.OPCUA
	m.Channel, m.RequestID, m.Chunks = channel, request, chunks
	switch {
	case final == 'A':
		o.Err = errAborted
	case from == toServer:
		d.stats.Requests++
		t.request(o, body)
	default:
		d.stats.Answers++
		t.response(o, body)
	}
}

// readable reports whether a body begins with the id of a service, as an encrypted one
// does once in a million times a thousand.
func readable(body []byte) bool {
	if len(body) < 4 || body[0] != 1 || body[1] != 0 { // a NodeId of four bytes, in namespace 0
		return false
	}
	id := binary.LittleEndian.Uint16(body[2:])
	return id >= 391 && id <= 868
}

// collect keeps a chunk of a message that is not whole.
func (t *opcuaTalk) collect(s *opcuaStream, at int, request uint32, body []byte) {
	var part *opcuaPart
	if at >= 0 {
		part = s.begun[at]
	} else {
		if len(s.begun) == maxParts {
			t.d.keep(-cap(s.begun[0].body))
			t.d.stats.Malformed++
			s.begun = slices.Delete(s.begun, 0, 1)
		}
		part = &opcuaPart{request: request}
		s.begun = append(s.begun, part)
	}
	before := cap(part.body)
	part.body = append(part.body, body...)
	part.chunks++
	if !t.d.keep(cap(part.body)-before) || len(part.body) > t.d.limits.MaxMessage || part.chunks > maxChunks {
		t.d.keep(-cap(part.body))
		t.d.stats.Malformed++
		t.d.stats.SkippedBytes += uint64(len(part.body))
		s.begun = slices.DeleteFunc(s.begun, func(p *opcuaPart) bool { return p == part })
	}
}

func (t *opcuaTalk) observe(from direction, kind string, b []byte) *Observation {
	o := t.d.observe(OPCUA, t.client, t.server, from)
	o.Gaps = t.streams[from].gaps
	o.OPCUA.Type, o.OPCUA.Chunk, o.OPCUA.Size, o.OPCUA.Chunks = kindOf(kind), b[3], len(b), 1
	return o
}

// kindOf returns kind as a constant, that does not keep the packet alive.
func kindOf(kind string) string {
	for _, k := range []string{"MSG", "OPN", "CLO", "HEL", "ACK", "ERR", "RHE"} {
		if k == kind {
			return k
		}
	}
	return ""
}

// open takes an OpenSecureChannel message: its header, which is readable in any case,
// tells how the channel is protected (OPC 10000-6, section 6.7.2.3).
func (t *opcuaTalk) open(from direction, b []byte, r uabin.Reader) {
	d := t.d
	d.stats.Messages++
	o := t.observe(from, "OPN", b)
	m := &o.OPCUA
	m.Channel = r.Uint32()
	policy := r.Bytes()
	r.Bytes() // certificate
	r.Bytes() // thumbprint
	if o.Err = r.Err(); o.Err != nil {
		d.stats.Malformed++
		return
	}
	if m.Channel != 0 {
		t.channel = m.Channel
	}
	if !bytes.HasSuffix(policy, []byte("#None")) && len(policy) > 0 {
		t.protection, t.signature = protected, 32 // HMAC-SHA-256
		if bytes.HasSuffix(policy, []byte("#Basic128Rsa15")) || bytes.HasSuffix(policy, []byte("#Basic256")) {
			t.signature = 20 // HMAC-SHA-1
		}
		d.stats.Encrypted++
		o.Err = ErrEncrypted
		return
	}
	t.protection, t.signature = unprotected, 0
	r.Uint32() // sequence number
	m.RequestID = r.Uint32()
	if o.Err = r.Err(); o.Err != nil {
		d.stats.Malformed++
		return
	}
	if from == toServer {
		d.stats.Requests++
		t.request(o, r.Rest())
		return
	}
	d.stats.Answers++
	t.response(o, r.Rest())
}

// fault notes that a message could not be read.
func (t *opcuaTalk) fault(o *Observation, err error) {
	t.d.stats.Malformed++
	o.Err = fmt.Errorf("%w: %w", ErrMalformed, err)
}

// end returns the fault of a body that should have been read whole. A channel joined in
// the middle may be a signed one, which its first body tells.
func (t *opcuaTalk) end(r *uabin.Reader) error {
	if rest := len(r.Rest()); t.protection == unknownProtection && r.Err() == nil && (rest == 20 || rest == 32) {
		t.protection, t.signature = protected, rest
		return nil
	}
	return r.End()
}

// request reads a request, as far as it is of interest, and remembers it.
func (t *opcuaTalk) request(o *Observation, body []byte) {
	m := &o.OPCUA
	r := uabin.NewReader(body)
	id := r.NodeID()
	// RequestHeader (OPC 10000-4, section 7.33).
	r.NodeID() // authentication token: a secret, and not shown
	sent := r.Time()
	r.Uint32() // handle
	r.Uint32() // diagnostics wanted
	r.Bytes()  // audit entry
	r.Uint32() // timeout hint
	r.ExtensionObject()
	if err := r.Err(); err != nil {
		t.fault(o, err)
		return
	}
	if id.Kind != uabin.Numeric || id.Namespace != 0 {
		return // of a service that is not of the standard
	}
	m.Service = id.Number
	if ns, ok := sent.Unix(); ok {
		m.Time = acquire.Instant(ns)
	}
	first := len(t.d.items)
	looked := true
	switch m.Service {
	case readRequestID:
		r.Float64() // greatest age
		r.Uint32()  // timestamps wanted
		for range r.Count(leastReadValue) {
			t.d.items = append(t.d.items, t.readValue(&r))
		}
	case writeRequestID:
		for range r.Count(leastReadValue) {
			item := OPCUAItem{Node: t.d.node(r.NodeID()), Attribute: r.Uint32(), Range: r.Text()}
			item.Value = dataValue(&r)
			t.d.items = append(t.d.items, item)
		}
	case createItemsRequestID:
		m.Subscription = r.Uint32()
		r.Uint32() // timestamps wanted
		for range r.Count(leastCreate) {
			item := t.readValue(&r)
			r.Uint32() // monitoring mode
			item.Handle = itemHandle(&r)
			t.d.items = append(t.d.items, item)
		}
	case modifyItemsRequestID:
		t.modify(&r, m)
	case republishRequestID:
		m.Subscription = r.Uint32()
		r.Uint32() // sequence number
	default:
		looked = false
	}
	if looked {
		if err := t.end(&r); err != nil {
			t.d.items = t.d.items[:first]
			t.fault(o, err)
			return
		}
	}
	m.Items = t.d.items[first:len(t.d.items):len(t.d.items)]
	if m.Service == createItemsRequestID {
		t.d.monitor(t.server, m)
	}
	t.remember(o)
}

// The least octets that a ReadValueId, and a MonitoredItemCreateRequest, take.
const (
	leastReadValue = 2 + 4 + 4
	leastCreate    = leastReadValue + 6 + 4 + 25
)

// readValue reads a ReadValueId (OPC 10000-4, section 7.29).
func (t *opcuaTalk) readValue(r *uabin.Reader) OPCUAItem {
	item := OPCUAItem{Node: t.d.node(r.NodeID()), Attribute: r.Uint32(), Range: r.Text()}
	r.QualifiedName() // data encoding
	return item
}

// itemHandle reads MonitoringParameters (OPC 10000-4, section 7.21) and returns the
// client's handle.
func itemHandle(r *uabin.Reader) uint32 {
	handle := r.Uint32()
	r.Float64() // sampling interval
	r.ExtensionObject()
	r.Uint32() // length of the queue
	r.Bool()   // discard oldest
	return handle
}

// modify follows the handles of monitored items that a client changes.
func (t *opcuaTalk) modify(r *uabin.Reader, m *OPCUAMessage) {
	m.Subscription = r.Uint32()
	r.Uint32() // timestamps wanted
	sub := t.d.subscriptions[subscriptionKey{t.server, m.Subscription}]
	type change struct {
		id, handle uint32
	}
	var changes []change
	for range r.Count(4 + 25) {
		c := change{id: r.Uint32()}
		c.handle = itemHandle(r)
		changes = append(changes, c)
	}
	if r.Err() != nil || sub == nil {
		return
	}
	moved := make(map[uint32]monitored)
	for _, c := range changes {
		old, known := sub.handles[c.id]
		if item, ok := sub.items[old]; known && ok && old != c.handle {
			delete(sub.items, old)
			moved[c.handle] = item
			sub.handles[c.id] = c.handle
		}
	}
	for handle, item := range moved {
		sub.items[handle] = item
	}
}

// remember keeps a request for its response.
func (t *opcuaTalk) remember(o *Observation) {
	d, m := t.d, &o.OPCUA
	if len(t.waiting) == maxWaiting {
		t.forget(0)
	}
	r := &opcuaRequest{talk: t, request: m.RequestID, service: m.Service, sent: o.Place, missed: d.since(t.missed), sub: m.Subscription}
	if m.Service == readRequestID || m.Service == createItemsRequestID {
		r.items = slices.Clone(m.Items)
	}
	t.waiting = append(t.waiting, r)
	if r.service == readRequestID {
		r.timed = true
		r.id = d.await(r, r.size())
	} else if !d.keep(r.size()) {
		d.stats.DroppedRequests++
		t.forget(len(t.waiting) - 1)
	}
}

// forget drops the request at i.
func (t *opcuaTalk) forget(i int) {
	r := t.waiting[i]
	if r.timed {
		t.d.done(r, r.size())
	} else {
		t.d.keep(-r.size())
	}
	t.waiting = slices.Delete(t.waiting, i, i+1)
}

func (r *opcuaRequest) expire(why ending) {
	t, d := r.talk, r.talk.d
	d.gone(why)
	if i := slices.Index(t.waiting, r); i >= 0 {
		t.forget(i)
	}
	if (why == interrupted || why == timedOut && d.spoke(t.f, r.sent.Time)) && t.heard && t.missed == r.missed && !t.f.withholds(t.role(toClient)) {
		o := d.regret(OPCUA, t.client, t.server, why)
		o.Request = r.sent
		o.OPCUA = OPCUAMessage{Channel: t.channel, RequestID: r.request, Service: r.service, Items: r.items}
	}
}

// response reads a response, as far as it is of interest.
func (t *opcuaTalk) response(o *Observation, body []byte) {
	m := &o.OPCUA
	var request *opcuaRequest
	for i, r := range t.waiting {
		if r.request == m.RequestID {
			request = r
			o.Request = r.sent
			t.forget(i)
			break
		}
	}
	r := uabin.NewReader(body)
	h := r.Header()
	if err := r.Err(); err != nil {
		t.fault(o, err)
		return
	}
	m.Service, m.Result = h.ID, opcua.StatusCode(h.Result)
	if ns, ok := h.Time.Unix(); ok {
		m.Time = acquire.Instant(ns)
	}
	if request == nil {
		t.d.stats.Unpaired++
		o.Err = ErrUnpaired
	} else {
		m.Subscription = request.sub
	}
	if h.ID == uabin.ServiceFaultID || h.Result.IsBad() {
		t.d.stats.Exceptions++
		if request != nil && request.service == readRequestID {
			m.Items = request.items
		}
		return
	}
	first := len(t.d.items)
	looked := true
	switch h.ID {
	case uabin.ReadResponseID:
		t.results(o, request, r.Read().Results)
	case uabin.PublishResponseID:
		p := r.Publish()
		m.Subscription = p.Subscription
		if r.Err() == nil {
			t.notified(o, p.Notification, false)
		}
		if request == nil && o.Err == ErrUnpaired {
			o.Err = nil // it names its subscription, and that the items
			t.d.stats.Unpaired--
		}
	case uabin.RepublishResponseID:
		n := r.Notification()
		if r.Err() == nil && request != nil {
			t.notified(o, n, true)
		}
	case uabin.SubscribeResponseID:
		s := r.Subscribed()
		m.Subscription = s.ID
		if r.Err() == nil {
			t.d.subscribe(t.server, s.ID)
		}
	case uabin.CreateItemsResponseID:
		list := r.CreatedItems()
		if request != nil && list.Len == len(request.items) {
			t.d.created(t.server, request, list)
		}
	default:
		looked = false
	}
	if !looked {
		return
	}
	if err := t.end(&r); err != nil {
		t.d.items, m.Items = t.d.items[:first], nil
		t.fault(o, err)
		return
	}
	if first < len(t.d.items) {
		m.Items = t.d.items[first:len(t.d.items):len(t.d.items)]
	}
}

// results are those of a Read, in the order of what was asked for.
func (t *opcuaTalk) results(o *Observation, request *opcuaRequest, list uabin.List) {
	if request != nil && (request.service != readRequestID || len(request.items) != list.Len) {
		t.fault(o, errCount)
		return
	}
	each := list.Reader()
	for i := range list.Len {
		var item OPCUAItem
		if request != nil {
			item = request.items[i]
		}
		item.Value = dataValue(&each)
		t.d.items = append(t.d.items, item)
	}
}

// dataValue returns the octets of a DataValue.
func dataValue(r *uabin.Reader) []byte {
	before := r.Rest()
	if r.DataValue(); r.Err() != nil {
		return nil
	}
	n := len(before) - len(r.Rest())
	return before[:n:n]
}

// notified takes a NotificationMessage.
func (t *opcuaTalk) notified(o *Observation, n uabin.Notification, again bool) {
	m := &o.OPCUA
	m.Sequence = n.Sequence
	sub := t.d.subscriptions[subscriptionKey{t.server, m.Subscription}]
	if sub != nil && !again {
		if sub.next != 0 && n.Sequence != sub.next && n.Data.Len > 0 {
			m.Lost = n.Sequence > sub.next
		}
		sub.next = n.Sequence
		if n.Data.Len > 0 {
			sub.next++
		}
	}
	objects := n.Data.Reader()
	for range n.Data.Len {
		object := objects.ExtensionObject()
		if object.Type.Kind != uabin.Numeric || object.Type.Namespace != 0 || !object.Binary || object.Type.Number != uabin.DataChangeID {
			continue
		}
		list, err := object.Items()
		if err != nil {
			t.fault(o, err)
			continue
		}
		t.d.stats.Notifications++
		each := list.Reader()
		for range list.Len {
			item := OPCUAItem{Handle: each.Uint32()}
			item.Value = dataValue(&each)
			if sub != nil {
				if known, ok := sub.items[item.Handle]; ok {
					item.Node, item.Attribute, item.Range = known.node, known.attribute, known.part
					if item.First = !known.told; item.First {
						known.told = true
						sub.items[item.Handle] = known
					}
				}
			}
			if item.Node == "" {
				t.d.stats.UnknownItems++
			}
			t.d.items = append(t.d.items, item)
		}
	}
}

func (t *opcuaTalk) close(orderly bool) {
	for len(t.waiting) > 0 {
		switch r := t.waiting[0]; {
		case !r.timed: // nobody misses it
			t.forget(0)
		case orderly:
			r.expire(interrupted)
		default:
			r.expire(forgotten)
		}
	}
	for from := range t.streams {
		t.drop(direction(from))
	}
}

// subscription is what is known of one on a server. It outlives connections.
type subscription struct {
	items   map[uint32]monitored // by the client's handle
	handles map[uint32]uint32    // by the server's id of the item
	next    uint32               // sequence number to come; 0: not known
}

type subscriptionKey struct {
	server netip.AddrPort
	id     uint32
}

// monitored is a monitored item.
type monitored struct {
	node      opcua.NodeID
	attribute uint32
	part      string
	told      bool // a value of it came
}

// monitoredSize is the memory that one takes, about.
const monitoredSize = 160

// subscribe begins a subscription; one of the same id is gone.
func (d *decoder) subscribe(server netip.AddrPort, id uint32) *subscription {
	key := subscriptionKey{server, id}
	if old := d.subscriptions[key]; old != nil {
		d.keep(-monitoredSize * (1 + len(old.items)))
		delete(d.subscriptions, key)
	}
	if !d.keep(monitoredSize) {
		d.keep(-monitoredSize)
		return nil
	}
	s := &subscription{items: make(map[uint32]monitored), handles: make(map[uint32]uint32)}
	d.subscriptions[key] = s
	return s
}

// monitor takes the items of a request for monitored items.
func (d *decoder) monitor(server netip.AddrPort, m *OPCUAMessage) {
	s := d.subscriptions[subscriptionKey{server, m.Subscription}]
	if s == nil {
		if s = d.subscribe(server, m.Subscription); s == nil {
			return
		}
	}
	for i := range m.Items {
		item := &m.Items[i]
		if _, known := s.items[item.Handle]; !known && !d.keep(monitoredSize) {
			d.keep(-monitoredSize)
			return
		}
		s.items[item.Handle] = monitored{node: item.Node, attribute: item.Attribute, part: item.Range}
	}
}

// created takes the ids that the server gave monitored items.
func (d *decoder) created(server netip.AddrPort, request *opcuaRequest, list uabin.List) {
	s := d.subscriptions[subscriptionKey{server, request.sub}]
	if s == nil {
		return
	}
	each := list.Reader()
	for i := range list.Len {
		if c := each.CreatedItem(); each.Err() == nil && !c.Status.IsBad() && len(s.handles) <= 2*len(s.items) {
			s.handles[c.ID] = request.items[i].Handle
		}
	}
}

// node returns the text of a node id, the same string for the same node.
func (d *decoder) node(id uabin.NodeID) opcua.NodeID {
	if id.Kind == uabin.Numeric && id.Namespace == 0 && id.Number == 0 {
		return ""
	}
	d.text = id.AppendText(d.text[:0])
	if id.Kind == uabin.GUID {
		at := bytes.Index(d.text, []byte("g="))
		copy(d.text[at:], bytes.ToLower(d.text[at:]))
	}
	if known, ok := d.nodes[string(d.text)]; ok {
		return known
	}
	text := string(d.text)
	if len(d.nodes) < maxNodes {
		d.nodes[text] = opcua.NodeID(text)
	}
	return opcua.NodeID(text)
}

// maxNodes is how many node ids are kept to be used again.
const maxNodes = 1 << 16
