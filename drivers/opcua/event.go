package opcua

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// EventPoint stands for the events of one notifier, alarms among them. It makes eight
// points, which are named by Name and an ending:
//
//	/message    text, in the language of the server
//	/severity   uint64, 1 to 1000
//	/source     text, the name of what the event is about
//	/type       text, the node id of the event type
//	/condition  text, the name of the condition
//	/active     bool, a state: whether the alarm is active
//	/acked      bool, a state: whether it has been acknowledged
//	/retain     bool, a state: whether the condition is still of interest
//
// The samples of one event follow each other in one batch, in this order, with one time:
// that of the event. The first four come with each event, bad if the server left them
// out; the others come with what has them, which are events of conditions. A server
// that does not know conditions is asked for the first four alone.
//
// The states are those of the condition that /source and /condition name in the same
// event. They are told when they change, and no earlier: to ask a server for them is to
// call a method, ConditionRefresh, and this package calls none. So they are not known
// from the start, and no more after what follows; then all eight points are bad because
// of acquire.Waiting until the next event, or stay bad as the loss of the link was said:
//
//   - Events were lost, as by a new subscription after a restart of the server, by a
//     queue that ran over there or a full Config.Buffer here. The sample that says so
//     has acquire.Overflow. What a full Config.Buffer drops is counted in Batch.Lost to
//     the sample. Of what a server dropped it says no number, and one event of four
//     samples is counted.
//   - The link was lost and came back, and no event was told meanwhile.
//
// With Config.Backfill, events that a server lost but has in its history follow, in the
// order of time within each answer of it. What was told already is known by its EventId, or
// by all its fields where a server gives none; of a span of time at most 131,072 are taken.
// An event without a time, or of another time than was asked for, is not told.
//
// To acquire.Reconnect a source is well again with its first good sample. Beside events,
// which may be rare, give it a value that changes or can be read.
type EventPoint struct {
	// Name is what the names of the points begin with. It is always needed.
	Name string
	// Notifier is the node whose events are wanted. Default: ServerObject, which has all.
	Notifier NodeID
	// MinSeverity leaves out events that are less severe: 1 to 1000. Default: none.
	MinSeverity int
	// Types leaves out events of other types than these and their subtypes. Default: none.
	Types []NodeID
	// Queue is how many events the server is to keep between two publications, or while
	// we are away. Default: 1000.
	Queue int
}

// eventQueue is the default of EventPoint.Queue.
const eventQueue = 1000

// eventField is a field of events that is asked for.
type eventField struct {
	of   uint32 // type in namespace 0 that has it
	path []string
}

// Fields, in the order of eventFields.
const (
	eventType = iota
	eventSource
	eventTime
	eventMessage
	eventSeverity
	eventID
	eventCondition
	eventActive
	eventAcked
	eventRetain
	eventFieldCount

	plainFieldCount = eventCondition // the fields of all events
)

// eventFields are the fields of OPC 10000-5, section 6.4.2 (BaseEventType), and of OPC
// 10000-9, sections 5.5.2, 5.7.2 and 5.8.2 (conditions).
var eventFields = [eventFieldCount]eventField{
	eventType:      {2041, []string{"EventType"}},
	eventSource:    {2041, []string{"SourceName"}},
	eventTime:      {2041, []string{"Time"}},
	eventMessage:   {2041, []string{"Message"}},
	eventSeverity:  {2041, []string{"Severity"}},
	eventID:        {2041, []string{"EventId"}},
	eventCondition: {2782, []string{"ConditionName"}},
	eventActive:    {2915, []string{"ActiveState", "Id"}},
	eventAcked:     {2881, []string{"AckedState", "Id"}},
	eventRetain:    {2782, []string{"Retain"}},
}

// eventEndings are the points of an EventPoint, in the order of their samples.
var eventEndings = [...]struct {
	name  string
	field int
	point acquire.Point
	needs bool // every event has it
}{
	{"/message", eventMessage, acquire.Point{Kind: acquire.KindText}, true},
	{"/severity", eventSeverity, acquire.Point{Kind: acquire.KindUint64}, true},
	{"/source", eventSource, acquire.Point{Kind: acquire.KindText}, true},
	{"/type", eventType, acquire.Point{Kind: acquire.KindText}, true},
	{"/condition", eventCondition, acquire.Point{Kind: acquire.KindText}, false},
	{"/active", eventActive, acquire.Point{Kind: acquire.KindBool, Role: acquire.State}, false},
	{"/acked", eventAcked, acquire.Point{Kind: acquire.KindBool, Role: acquire.State}, false},
	{"/retain", eventRetain, acquire.Point{Kind: acquire.KindBool, Role: acquire.State}, false},
}

// leastOfEvent is how many samples an event makes at least.
const leastOfEvent = 4

// eventOverflow is the number of EventQueueOverflowEventType: the server lost events
// before it (OPC 10000-4, section 7.22.3).
const eventOverflow = 3035

// faults returns everything wrong with p by itself.
func (p EventPoint) faults() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("opcua: events %q: %w", p.Name, fmt.Errorf(format, args...)))
	}
	if p.Name == "" {
		fault("no name")
	}
	nodes := p.Types
	if p.Notifier != "" {
		nodes = append([]NodeID{p.Notifier}, nodes...)
	}
	for _, id := range nodes {
		if !id.Valid() {
			fault("%.100q is no canonical node id", string(id))
		}
	}
	if p.MinSeverity < 0 || p.MinSeverity > 1000 {
		fault("severity of at least %d, want 1 to 1000", p.MinSeverity)
	}
	if p.Queue < 0 || int64(p.Queue) > math.MaxUint32 {
		fault("queue of %d", p.Queue)
	}
	const maxEventTypes = 100
	if len(p.Types) > maxEventTypes {
		fault("%d types, at most %d", len(p.Types), maxEventTypes)
	}
	return errors.Join(faults...)
}

// withDefaults returns p with its defaults filled in.
func (p EventPoint) withDefaults() EventPoint {
	p.Notifier = cmp.Or(p.Notifier, ServerObject)
	p.Queue = cmp.Or(p.Queue, eventQueue)
	p.Types = slices.Clone(p.Types)
	return p
}

// names iterates over the names of the points of p.
func (p EventPoint) names(yield func(string) bool) {
	for _, ending := range eventEndings {
		if !yield(p.Name + ending.name) {
			return
		}
	}
}

// define defines the points of p, which has no faults.
func (p EventPoint) define(c *acquire.Catalog) (ids []acquire.PointID, err error) {
	var faults []error
	for _, ending := range eventEndings {
		point := ending.point
		point.Name = p.Name + ending.name
		id, err := c.Define(point)
		if err != nil {
			faults = append(faults, fmt.Errorf("opcua: %w", err))
		}
		ids = append(ids, id)
	}
	return ids, errors.Join(faults...)
}

// item returns the monitored item of p, which has no faults, with the points that define
// returned.
func (p EventPoint) item(ids []acquire.PointID) item {
	id, _ := parseNode(string(p.Notifier)) // it is valid
	it := item{wishes: wishes{node: p.Notifier, queue: uint32(p.Queue)}, id: id, events: &p}
	for _, id := range ids {
		it.members = append(it.members, member{id: id})
	}
	return it
}

// eventsRequest returns what asks a server for the events of an item, under a handle;
// plain: for the fields of all events alone. The error is of a type in a namespace that
// the server does not have.
func (it *item) eventsRequest(node *ua.NodeID, namespaces []string, handle uint32, plain bool) (*ua.MonitoredItemCreateRequest, error) {
	filter, err := it.events.filter(namespaces, plain)
	if err != nil {
		return nil, err
	}
	object := ua.NewExtensionObject(filter)
	object.UpdateMask()
	return &ua.MonitoredItemCreateRequest{
		ItemToMonitor:       &ua.ReadValueID{NodeID: node, AttributeID: ua.AttributeIDEventNotifier, DataEncoding: &ua.QualifiedName{}},
		MonitoringMode:      ua.MonitoringModeReporting,
		RequestedParameters: &ua.MonitoringParameters{ClientHandle: handle, Filter: object, QueueSize: it.queue, DiscardOldest: true},
	}, nil
}

// filterRefused reports whether a server may take an item with a plainer filter.
func filterRefused(status StatusCode) bool {
	switch status & 0xFFFF0000 {
	case 0x80430000, 0x80440000, 0x80450000, // Bad_MonitoredItemFilterInvalid, -Unsupported, Bad_FilterNotAllowed
		0x80470000, 0x80600000, 0x80630000: // Bad_EventFilterInvalid, Bad_BrowseNameInvalid, Bad_TypeDefinitionInvalid
		return true
	}
	return false
}

// filter returns the EventFilter (OPC 10000-4, section 7.22.3).
func (p *EventPoint) filter(namespaces []string, plain bool) (*ua.EventFilter, error) {
	operand := func(f eventField) *ua.SimpleAttributeOperand {
		o := &ua.SimpleAttributeOperand{TypeDefinitionID: ua.NewNumericNodeID(0, f.of), AttributeID: ua.AttributeIDValue}
		for _, name := range f.path {
			o.BrowsePath = append(o.BrowsePath, &ua.QualifiedName{Name: name})
		}
		return o
	}
	filter := &ua.EventFilter{WhereClause: &ua.ContentFilter{}}
	fields := eventFields[:]
	if plain {
		fields = fields[:plainFieldCount]
	}
	for _, f := range fields {
		filter.SelectClauses = append(filter.SelectClauses, operand(f))
	}
	object := func(v any) *ua.ExtensionObject {
		o := ua.NewExtensionObject(v)
		o.UpdateMask()
		return o
	}
	// The first element is the whole condition, and names those behind it.
	elements := &filter.WhereClause.Elements
	var severe, ofType []*ua.ContentFilterElement
	if p.MinSeverity > 0 {
		severe = append(severe, &ua.ContentFilterElement{FilterOperator: ua.FilterOperatorGreaterThanOrEqual, FilterOperands: []*ua.ExtensionObject{
			object(operand(eventFields[eventSeverity])), object(&ua.LiteralOperand{Value: ua.MustVariant(uint16(p.MinSeverity))}),
		}})
	}
	for _, id := range p.Types {
		n, err := parseNode(string(id))
		if err != nil {
			return nil, fmt.Errorf("opcua: %w", err)
		}
		node, err := n.resolve(namespaces)
		if err != nil {
			return nil, err
		}
		ofType = append(ofType, &ua.ContentFilterElement{FilterOperator: ua.FilterOperatorOfType, FilterOperands: []*ua.ExtensionObject{
			object(&ua.LiteralOperand{Value: ua.MustVariant(node)}),
		}})
	}
	join := func(operator ua.FilterOperator, a, b uint32) *ua.ContentFilterElement {
		return &ua.ContentFilterElement{FilterOperator: operator, FilterOperands: []*ua.ExtensionObject{
			object(&ua.ElementOperand{Index: a}), object(&ua.ElementOperand{Index: b}),
		}}
	}
	if len(severe) > 0 && len(ofType) > 0 {
		*elements = append(*elements, join(ua.FilterOperatorAnd, 1, 2))
	}
	*elements = append(*elements, severe...)
	for i, t := range ofType {
		if i < len(ofType)-1 { // this one, or what comes behind
			at := uint32(len(*elements))
			*elements = append(*elements, join(ua.FilterOperatorOr, at+1, at+2))
		}
		*elements = append(*elements, t)
	}
	return filter, nil
}

// event is an event as a server told it: a part of a message.
type event struct {
	fields   [eventFieldCount]uabin.Variant
	at       acquire.Instant // unknown if the server does not say
	overflow bool            // there is none: the server lost events before it
}

// readEvent reads the fields of an event. It returns false of one that has not as many
// fields as are asked for.
func readEvent(fields uabin.List) (e event, ok bool) {
	if fields.Len != eventFieldCount && fields.Len != plainFieldCount {
		return e, false
	}
	r := fields.Reader()
	for i := range fields.Len {
		e.fields[i] = r.Variant()
	}
	if t := &e.fields[eventTime]; t.Type == uabin.TypeDateTime && !t.Array {
		if ns, ok := uabin.Time(t.Bits).Unix(); ok {
			e.at = acquire.Instant(ns)
		}
	}
	if t := &e.fields[eventType]; t.Type == uabin.TypeNodeID && !t.Array {
		id := uabin.NewReader(t.Bytes)
		n := id.NodeID()
		e.overflow = n.Namespace == 0 && n.Kind == uabin.Numeric && n.Number == eventOverflow
	}
	return e, r.Err() == nil
}

// has reports whether an event makes a sample of a point.
func (e *event) has(point int) bool {
	v := &e.fields[eventEndings[point].field]
	return eventEndings[point].needs || v.Type != uabin.Null || v.Malformed
}

// samples is how many samples an event makes.
func (e *event) samples() (n int) {
	for point := range eventEndings {
		if e.has(point) {
			n++
		}
	}
	return n
}

// happen appends the samples of an event to a batch.
func (it *item) happen(b *acquire.Batch, e *event, names *typeIDs, at acquire.Instant, flags acquire.Flags) {
	for point := range eventEndings {
		if !e.has(point) || it.members[point].id == 0 {
			continue
		}
		ending := &eventEndings[point]
		value, quality := eventValue(b, &e.fields[ending.field], ending.point.Kind, names)
		b.Append(acquire.Sample{Time: at, Point: it.members[point].id, Value: value, Quality: quality.With(flags)})
	}
}

// typeIDs are the texts of the node ids of event types, which are few and come with
// every event.
type typeIDs struct {
	namespaces []string
	known      map[string][]byte // by what is encoded
}

// Bounds of what is kept.
const (
	maxTypeIDs = 1000
	maxTypeID  = 256 // bytes
)

// text returns the text of an encoded node id.
func (t *typeIDs) text(encoded []byte) []byte {
	if text, ok := t.known[string(encoded)]; ok {
		return text
	}
	r := uabin.NewReader(encoded)
	text := []byte(nameNode(r.NodeID(), t.namespaces))
	if len(t.known) < maxTypeIDs && len(encoded) <= maxTypeID {
		if t.known == nil {
			t.known = make(map[string][]byte)
		}
		t.known[string(encoded)] = text
	}
	return text
}

// eventValue converts one field of an event.
func eventValue(b *acquire.Batch, v *uabin.Variant, kind acquire.Kind, names *typeIDs) (acquire.Value, acquire.Quality) {
	if v.Array || v.Malformed {
		return acquire.Value{}, badProtocol
	}
	r := uabin.NewReader(v.Bytes)
	switch {
	case v.Type == uabin.Null:
		return acquire.Value{}, badSensor
	case v.Type == uabin.TypeStatusCode && uabin.Status(v.Bits).IsBad(): // in place of a field: OPC 10000-4, section 7.22.3
		return acquire.Value{}, StatusCode(v.Bits).quality()
	case kind == acquire.KindBool && v.Type == uabin.TypeBoolean:
		return acquire.Bool(v.Bits != 0), acquire.Good
	case kind == acquire.KindUint64 && v.Type == uabin.TypeUInt16:
		return acquire.Uint64(v.Bits), acquire.Good
	case kind != acquire.KindText:
	case v.Type == uabin.TypeLocalizedText:
		return eventText(b, r.LocalizedText().Text)
	case v.Type == uabin.TypeString:
		return eventText(b, v.Bytes)
	case v.Type == uabin.TypeNodeID:
		return eventText(b, names.text(v.Bytes))
	}
	return acquire.Value{}, badProtocol
}

// eventText puts a text. A null one is the empty text here: many servers send it for an
// event that is about nothing in particular.
func eventText(b *acquire.Batch, text []byte) (acquire.Value, acquire.Quality) {
	if !utf8.Valid(text) {
		return acquire.Value{}, badProtocol
	}
	return put(b, text)
}
