package opcuatest

import (
	"math"
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"
)

// item is a monitored item. All its fields belong to the server's mu.
type item struct {
	id        uint32
	owner     *subscription
	handle    uint32
	node      *node
	attribute ua.AttributeID
	indices   string
	mode      ua.MonitoringMode
	stamps    ua.TimestampsToReturn
	sampling  int64 // ns
	most      int   // of the queue
	oldest    bool  // of a full queue goes, else the newest
	trigger   ua.DataChangeTrigger
	deadband  float64  // 0 for none
	clauses   []string // of an event item: paths of browse names
	due       int64    // next sampling instant, Unix ns
	step      int64    // of the variable that was sampled last
	last      Reading  // that was put into the queue
	sampled   bool     // there was one
	queue     []queued // values
	events    [][]byte // encoded EventFieldLists behind the handle
	lost      bool     // the first of events says that events were lost
	counters  *Stats   // of the server
}

type queued struct {
	reading Reading
	at      time.Time
}

// overflow is the bit of a value that has lost its neighbour (OPC 10000-4, section 7.39.1).
const overflow Status = 0x0480

// catchUp takes the samples that were due since the last time.
func (i *item) catchUp(now int64) {
	if i.mode == ua.MonitoringModeDisabled || i.clauses != nil || i.due > now {
		return
	}
	v := i.node.variable
	if i.attribute != ua.AttributeIDValue || i.node.held != nil || v == nil && i.node.live == nil || v != nil && v.Hidden {
		i.due = now + i.sampling
		return
	}
	const most = 100_000 // of one go: whoever was away longer has lost more than any queue holds
	if behind := (now - i.due) / i.sampling; behind > most {
		i.due += (behind - most) * i.sampling
	}
	for ; i.due <= now; i.due += i.sampling {
		if v != nil && v.Step > 0 {
			step := i.due / int64(v.Step)
			if step == i.step {
				continue
			}
			i.step = step
		}
		at := time.Unix(0, i.due)
		i.sample(i.slice(i.node.at(at)), at)
	}
}

// slice applies the item's range to a reading.
func (i *item) slice(r Reading) Reading {
	if i.indices == "" || r.Status.isBad() {
		return r
	}
	value, status := slice(r.Value, i.indices)
	if status != 0 {
		return Reading{Status: status, Source: r.Source}
	}
	r.Value = value
	return r
}

// sample puts a reading into the queue if the filter lets it.
func (i *item) sample(r Reading, at time.Time) {
	if i.mode == ua.MonitoringModeDisabled || i.attribute != ua.AttributeIDValue || i.sampled && !i.news(r) {
		return
	}
	i.last, i.sampled = r, true
	if len(i.queue) < i.most {
		i.queue = append(i.queue, queued{r, at})
		return
	}
	i.counters.Overflows++
	if !i.oldest {
		i.queue[len(i.queue)-1] = queued{r, at}
		if i.most > 1 {
			i.queue[len(i.queue)-1].reading.Status |= overflow
		}
		return
	}
	if i.most == 1 {
		i.queue[0] = queued{r, at}
		return
	}
	i.queue = append(i.queue[1:], queued{r, at})
	i.queue[0].reading.Status |= overflow
}

// news reports whether a reading differs from the last one by more than the filter demands (OPC 10000-4, section 7.22.2).
func (i *item) news(r Reading) bool {
	if r.Status != i.last.Status {
		return true
	}
	if i.trigger == ua.DataChangeTriggerStatus {
		return false
	}
	if i.trigger == ua.DataChangeTriggerStatusValueTimestamp && !r.Source.Equal(i.last.Source) {
		return true
	}
	if i.deadband > 0 {
		a, ok := number(r.Value)
		b, too := number(i.last.Value)
		if ok && too {
			return !(math.Abs(a-b) <= i.deadband)
		}
	}
	return !same(r.Value, i.last.Value)
}

// waiting reports whether there is something to publish.
func (i *item) waiting() bool {
	return i.mode == ua.MonitoringModeReporting && (len(i.queue) > 0 || len(i.events) > 0)
}

// configure takes over parameters that a client wants, and revises them.
func (i *item) configure(p *ua.MonitoringParameters, first bool) Status {
	s := i.owner.server
	if p == nil {
		return badItemFilterInvalid
	}
	trigger, deadband, clauses := ua.DataChangeTriggerStatusValue, 0.0, []string(nil)
	var filter any
	if p.Filter != nil {
		filter = p.Filter.Value
	}
	switch f := filter.(type) {
	case nil:
		if i.attribute == ua.AttributeIDEventNotifier {
			return badEventFilterInvalid
		}
	case *ua.DataChangeFilter:
		if i.attribute != ua.AttributeIDValue {
			return badFilterNotAllowed
		}
		trigger = f.Trigger
		_, numeric := number(i.node.at(s.cfg.Now()).Value)
		switch ua.DeadbandType(f.DeadbandType) {
		case ua.DeadbandTypeNone:
		case ua.DeadbandTypeAbsolute:
			if !numeric {
				return badFilterNotAllowed
			}
			deadband = f.DeadbandValue
		case ua.DeadbandTypePercent:
			if !numeric || i.node.variable == nil || i.node.variable.Range == nil || !(f.DeadbandValue >= 0 && f.DeadbandValue <= 100) {
				return 0x808E0000 // Bad_DeadbandFilterInvalid
			}
			deadband = f.DeadbandValue / 100 * (i.node.variable.Range.High - i.node.variable.Range.Low)
		default:
			return badItemFilterInvalid
		}
	case *ua.EventFilter:
		if i.attribute != ua.AttributeIDEventNotifier {
			return badFilterNotAllowed
		}
		if f.WhereClause != nil && len(f.WhereClause.Elements) > 0 || len(f.SelectClauses) == 0 {
			return badEventFilterInvalid
		}
		clauses = selected(f.SelectClauses)
	default:
		return badItemFilterInvalid
	}
	least := max(s.limits.Sampling, time.Millisecond)
	if v := i.node.variable; v != nil && v.Step > 0 {
		least = max(least, min(v.Step, time.Second))
	} else {
		least = max(least, 10*time.Millisecond)
	}
	sampling := time.Duration(min(p.SamplingInterval, 3.6e6) * float64(time.Millisecond))
	if p.SamplingInterval < 0 {
		sampling = i.owner.interval
	}
	i.handle, i.trigger, i.deadband, i.clauses = p.ClientHandle, trigger, deadband, clauses
	i.sampling = int64(max(sampling, least))
	i.most, i.oldest = int(min(max(p.QueueSize, 1), uint32(s.limits.Queue))), p.DiscardOldest
	for len(i.queue) > i.most {
		i.counters.Overflows++
		i.queue = i.queue[1:]
	}
	if first {
		i.begin()
	}
	return 0
}

// begin takes the first sample.
func (i *item) begin() {
	s := i.owner.server
	now := s.cfg.Now()
	i.due = now.UnixNano() + i.sampling
	if i.clauses != nil || i.mode == ua.MonitoringModeDisabled {
		return
	}
	r := s.attribute(&ua.ReadValueID{NodeID: i.node.id, AttributeID: i.attribute, IndexRange: i.indices}, now)
	if v := i.node.variable; v != nil && v.Step > 0 {
		i.step = now.UnixNano() / int64(v.Step)
	}
	i.last, i.sampled = r, true
	i.queue = append(i.queue, queued{r, now})
}

// createItems answers a CreateMonitoredItemsRequest.
func (s *Server) createItems(e *session, r *ua.CreateMonitoredItemsRequest) (*response, Status) {
	b, status := s.owned(e, r.SubscriptionID)
	if status != 0 {
		return nil, status
	}
	if status := held(len(r.ItemsToCreate), s.limits.Items); status != 0 {
		return nil, status
	}
	out := appendLength(nil, len(r.ItemsToCreate))
	for _, want := range r.ItemsToCreate {
		i, status := s.createItem(b, r.TimestampsToReturn, want)
		out = appendBare(out, status)
		if status.isBad() {
			out = append(out, make([]byte, 4+8+4)...)
		} else {
			b.items[i.id] = i
			b.order = append(b.order, i)
			if s.watchers[i.node] == nil {
				s.watchers[i.node] = make(map[*item]struct{})
			}
			s.watchers[i.node][i] = struct{}{}
			out = appendBare(out, i.id)
			out = appendBare(appendBare(out, float64(i.sampling)/1e6), uint32(i.most))
		}
		out = append(out, 0, 0, 0)
	}
	return &response{encoding: 754, body: noDiagnostics(out)}, 0
}

func (s *Server) createItem(b *subscription, stamps ua.TimestampsToReturn, want *ua.MonitoredItemCreateRequest) (*item, Status) {
	if want.ItemToMonitor == nil {
		return nil, badNodeIDInvalid
	}
	n := s.space.find(want.ItemToMonitor.NodeID)
	if n == nil {
		return nil, badNodeUnknown
	}
	if s.limits.MonitoredItems > 0 && len(b.items) >= s.limits.MonitoredItems {
		return nil, badTooManyItems
	}
	attribute := want.ItemToMonitor.AttributeID
	if attribute != ua.AttributeIDEventNotifier {
		if r := s.attribute(want.ItemToMonitor, s.cfg.Now()); r.Status == badAttributeInvalid || r.Status == badIndexInvalid || r.Status == badEncodingUnsupported {
			return nil, r.Status
		}
	} else if !n.events {
		return nil, badAttributeInvalid
	}
	i := &item{
		id: s.next(), owner: b, node: n, attribute: attribute, indices: want.ItemToMonitor.IndexRange, mode: want.MonitoringMode, stamps: stamps, counters: &s.stats,
	}
	return i, i.configure(want.RequestedParameters, true)
}

func (s *Server) modifyItems(e *session, r *ua.ModifyMonitoredItemsRequest) (*response, Status) {
	b, status := s.owned(e, r.SubscriptionID)
	if status != 0 {
		return nil, status
	}
	if status := held(len(r.ItemsToModify), s.limits.Items); status != 0 {
		return nil, status
	}
	out := appendLength(nil, len(r.ItemsToModify))
	for _, want := range r.ItemsToModify {
		i, status := b.items[want.MonitoredItemID], badItemInvalid
		if i != nil {
			i.stamps = r.TimestampsToReturn
			status = i.configure(want.RequestedParameters, false)
		}
		out = appendBare(out, status)
		if status.isBad() {
			out = append(out, make([]byte, 8+4)...)
		} else {
			out = appendBare(appendBare(out, float64(i.sampling)/1e6), uint32(i.most))
		}
		out = append(out, 0, 0, 0)
	}
	return &response{encoding: 766, body: noDiagnostics(out)}, 0
}

func (s *Server) setMonitoring(e *session, r *ua.SetMonitoringModeRequest) (*response, Status) {
	b, status := s.owned(e, r.SubscriptionID)
	if status != 0 {
		return nil, status
	}
	if status := held(len(r.MonitoredItemIDs), s.limits.Items); status != 0 {
		return nil, status
	}
	out := appendLength(nil, len(r.MonitoredItemIDs))
	for _, id := range r.MonitoredItemIDs {
		i, status := b.items[id], badItemInvalid
		if i != nil {
			status = 0
			before := i.mode
			i.mode = r.MonitoringMode
			if i.mode == ua.MonitoringModeDisabled {
				i.queue, i.events, i.lost = nil, nil, false
			} else if before == ua.MonitoringModeDisabled {
				i.begin()
			}
		}
		out = appendBare(out, status)
	}
	return &response{encoding: 772, body: noDiagnostics(out)}, 0
}

func (s *Server) deleteItems(e *session, r *ua.DeleteMonitoredItemsRequest) (*response, Status) {
	b, status := s.owned(e, r.SubscriptionID)
	if status != 0 {
		return nil, status
	}
	if status := held(len(r.MonitoredItemIDs), s.limits.Items); status != 0 {
		return nil, status
	}
	out := appendLength(nil, len(r.MonitoredItemIDs))
	gone := false
	for _, id := range r.MonitoredItemIDs {
		i, status := b.items[id], badItemInvalid
		if i != nil {
			status, gone = 0, true
			delete(b.items, id)
			delete(s.watchers[i.node], i)
		}
		out = appendBare(out, status)
	}
	if gone {
		b.order = slices.DeleteFunc(b.order, func(i *item) bool { return b.items[i.id] != i })
		b.turn = 0
	}
	return &response{encoding: 784, body: noDiagnostics(out)}, 0
}

// Event is something that happened.
type Event struct {
	Source   NodeID // of the node it came from; empty means the Server object
	Name     string // of the source
	Type     NodeID // of its event type; empty means BaseEventType
	Message  string // text
	Severity uint16 // 1 to 1000
	// Time is when. Zero means now.
	Time time.Time
	// ID is its EventId. Nil means one of its own.
	ID []byte
	// Fields are further ones by browse name or path of names with slashes, such as "ActiveState/Id".
	Fields map[string]any
}

// Emit tells an event to every item that watches the events of its source or of the Server object, and keeps it if there is a history.
func (s *Server) Emit(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.happen(e)
	watched := []*node{s.space.number(2253)}
	if n := s.lookup(h.Source); n != nil && n != watched[0] {
		watched = append(watched, n)
	}
	for _, n := range watched {
		for i := range s.watchers[n] {
			if i.clauses == nil || i.mode == ua.MonitoringModeDisabled {
				continue
			}
			i.tell(h)
		}
	}
}

// tell puts an event into the queue. In place of what falls out of it there is one more that says so (OPC 10000-4, section 7.22.3).
func (i *item) tell(h *happened) {
	if len(i.events) == i.most && !i.lost || len(i.events) > i.most {
		i.counters.Overflows++
		if !i.lost {
			full := happened{Event: Event{Type: "i=3035", Source: "i=2253", Name: "Server", Message: "events were lost", Severity: 500, Time: h.Time}}
			i.events[0], i.lost = i.encode(&full), true
		} else {
			i.events = slices.Delete(i.events, 1, 2)
		}
	}
	i.events = append(i.events, i.encode(h))
}

// encode returns the fields of an event that the item is of.
func (i *item) encode(h *happened) []byte {
	b := appendLength(nil, len(i.clauses))
	for _, path := range i.clauses {
		b = appendVariant(b, h.field(path))
	}
	return b
}
