package opcua

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// EventPoint stands for the events of one notifier, alarms among them. It makes seven
// points, which are named by Name and an ending:
//
//	/message    text, in the language of the server
//	/severity   uint64, 1 to 1000
//	/source     text, the name of what the event is about
//	/type       text, the node id of the event type
//	/condition  text, the name of the condition
//	/active     bool, a state: whether the alarm is active
//	/acked      bool, a state: whether it has been acknowledged
//
// The samples of one event follow each other in one batch, in this order, with one time:
// that of the event. Those of the last three come with events of conditions alone.
// The first four come with each, bad if the server left them out.
type EventPoint struct {
	// Name is what the names of the points begin with. It is always needed.
	Name string
	// Notifier is the node whose events are wanted. Default: ServerObject, which has all.
	Notifier NodeID
	// MinSeverity leaves out events that are less severe: 1 to 1000. Default: none.
	MinSeverity int
	// Types leaves out events of other types than these and their subtypes. Default: none.
	Types []NodeID
}

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
	eventCondition
	eventActive
	eventAcked
	eventFieldCount
)

// eventFields are the fields of OPC 10000-5, section 6.4.2 (BaseEventType), and of OPC
// 10000-9, sections 5.5.2, 5.7.2 and 5.8.2 (conditions).
var eventFields = [eventFieldCount]eventField{
	eventType:      {2041, []string{"EventType"}},
	eventSource:    {2041, []string{"SourceName"}},
	eventTime:      {2041, []string{"Time"}},
	eventMessage:   {2041, []string{"Message"}},
	eventSeverity:  {2041, []string{"Severity"}},
	eventCondition: {2782, []string{"ConditionName"}},
	eventActive:    {2915, []string{"ActiveState", "Id"}},
	eventAcked:     {2881, []string{"AckedState", "Id"}},
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
}

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
	const maxEventTypes = 100
	if len(p.Types) > maxEventTypes {
		fault("%d types, at most %d", len(p.Types), maxEventTypes)
	}
	return errors.Join(faults...)
}

// eventItem is a monitored item for events.
type eventItem struct {
	EventPoint
	ids    [len(eventEndings)]acquire.PointID
	latest acquire.Instant
}

// newEventItem defines the points of p, which has no faults.
func newEventItem(p EventPoint, c *acquire.Catalog) (*eventItem, error) {
	if p.Notifier == "" {
		p.Notifier = ServerObject
	}
	e := &eventItem{EventPoint: p}
	var faults []error
	for i, ending := range eventEndings {
		point := ending.point
		point.Name = p.Name + ending.name
		id, err := c.Define(point)
		if err != nil {
			faults = append(faults, fmt.Errorf("opcua: %w", err))
		}
		e.ids[i] = id
	}
	return e, errors.Join(faults...)
}

// request returns what asks a server for the events, under a handle and with a queue of
// some length. The error is of a type in a namespace that the server does not have.
func (e *eventItem) request(namespaces []string, handle, queue uint32) (*ua.MonitoredItemCreateRequest, error) {
	n, err := parseNode(string(e.Notifier))
	if err != nil {
		return nil, fmt.Errorf("opcua: %w", err)
	}
	node, err := n.resolve(namespaces)
	if err != nil {
		return nil, err
	}
	filter, err := e.filter(namespaces)
	if err != nil {
		return nil, err
	}
	object := ua.NewExtensionObject(filter)
	object.UpdateMask()
	return &ua.MonitoredItemCreateRequest{
		ItemToMonitor:       &ua.ReadValueID{NodeID: node, AttributeID: ua.AttributeIDEventNotifier, DataEncoding: &ua.QualifiedName{}},
		MonitoringMode:      ua.MonitoringModeReporting,
		RequestedParameters: &ua.MonitoringParameters{ClientHandle: handle, Filter: object, QueueSize: queue, DiscardOldest: true},
	}, nil
}

// filter returns the EventFilter (OPC 10000-4, section 7.22.3).
func (e *eventItem) filter(namespaces []string) (*ua.EventFilter, error) {
	operand := func(f eventField) *ua.SimpleAttributeOperand {
		o := &ua.SimpleAttributeOperand{TypeDefinitionID: ua.NewNumericNodeID(0, f.of), AttributeID: ua.AttributeIDValue}
		for _, name := range f.path {
			o.BrowsePath = append(o.BrowsePath, &ua.QualifiedName{Name: name})
		}
		return o
	}
	filter := &ua.EventFilter{WhereClause: &ua.ContentFilter{}}
	for _, f := range eventFields {
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
	if e.MinSeverity > 0 {
		severe = append(severe, &ua.ContentFilterElement{FilterOperator: ua.FilterOperatorGreaterThanOrEqual, FilterOperands: []*ua.ExtensionObject{
			object(operand(eventFields[eventSeverity])), object(&ua.LiteralOperand{Value: ua.MustVariant(uint16(e.MinSeverity))}),
		}})
	}
	for _, id := range e.Types {
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

// deliver appends the samples of one event to a batch. It returns false, having appended
// nothing, of an event that has not as many fields as were asked for.
func (e *eventItem) deliver(b *acquire.Batch, fields uabin.List, namespaces []string, received acquire.Instant) bool {
	if fields.Len != eventFieldCount {
		return false
	}
	var said [eventFieldCount]uabin.Variant
	r := fields.Reader()
	for i := range said {
		said[i] = r.Variant()
	}
	if r.Err() != nil {
		return false
	}
	at, flags := received, acquire.Flags(0)
	if t := said[eventTime]; t.Type == uabin.TypeDateTime && !t.Array {
		if ns, ok := uabin.Time(t.Bits).Unix(); ok {
			at, flags = acquire.Instant(ns), acquire.SourceTime
		}
	}
	if at < e.latest {
		flags |= acquire.TimeBackwards // events of other sources may be older
	}
	e.latest = max(e.latest, at)
	if t := said[eventType]; t.Type == uabin.TypeNodeID && !t.Array {
		id := uabin.NewReader(t.Bytes)
		if n := id.NodeID(); n.Namespace == 0 && n.Kind == uabin.Numeric && n.Number == eventOverflow {
			flags |= acquire.Overflow
		}
	}
	for i, ending := range eventEndings {
		v := &said[ending.field]
		if v.Type == uabin.Null && !v.Malformed && !ending.needs {
			continue
		}
		value, quality := eventValue(b, v, ending.point.Kind, namespaces)
		b.Append(acquire.Sample{Time: at, Point: e.ids[i], Value: value, Quality: quality.With(flags)})
	}
	return true
}

// eventValue converts one field of an event.
func eventValue(b *acquire.Batch, v *uabin.Variant, kind acquire.Kind, namespaces []string) (acquire.Value, acquire.Quality) {
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
		return eventText(b, []byte(nameNode(r.NodeID(), namespaces)))
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
