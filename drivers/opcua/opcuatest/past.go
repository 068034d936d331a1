package opcuatest

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gopcua/opcua/ua"
)

// happened is an event that the server keeps.
type happened struct {
	Event
	number uint64 // counts the events of the server
}

// id returns the EventId of an event.
func (h *happened) id() []byte {
	if h.ID != nil {
		return h.ID
	}
	return binary.BigEndian.AppendUint64(make([]byte, 8), h.number)
}

// field returns a field by its path of browse names; nil if there is none.
func (h *happened) field(path string) any {
	switch path {
	case "EventId":
		return h.id()
	case "EventType":
		return h.Type
	case "SourceNode":
		return h.Source
	case "SourceName":
		return h.Name
	case "Time", "ReceiveTime":
		return h.Time
	case "Message":
		return LocalizedText{Text: h.Message}
	case "Severity":
		return h.Severity
	}
	return h.Fields[path]
}

// happen completes an event and keeps it. The caller holds mu.
func (s *Server) happen(e Event) *happened {
	if e.Time.IsZero() {
		e.Time = s.cfg.Now()
	}
	if e.Source == "" {
		e.Source = "i=2253"
	}
	if e.Type == "" {
		e.Type = "i=2041"
	}
	s.events++
	h := &happened{e, s.events}
	if s.cfg.EventHistory > 0 {
		h.ID, h.Fields = slices.Clone(e.ID), maps.Clone(e.Fields)
		if s.past = append(s.past, h); len(s.past) > s.cfg.EventHistory {
			s.past = s.past[1:]
		}
	}
	return h
}

// Record keeps an event for the history and tells it to nobody, as what happens while a server is not to be reached. Without
// Config.EventHistory it does nothing.
func (s *Server) Record(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.happen(e)
}

// Past is what a HistoryRead answers of the events of one node. A [Fault] edits it.
type Past struct {
	Paths        []string // of browse names, with slashes, that were asked for
	Events       [][]any  // their values, of each event; of the types of Reading.Value
	Continuation []byte   // nil: there are no more
	Status       Status   // of the node; a bad one is sent without events
}

// selected returns the paths of select clauses.
func selected(clauses []*ua.SimpleAttributeOperand) (paths []string) {
	for _, c := range clauses {
		var path []string
		for _, name := range c.BrowsePath {
			path = append(path, name.Name)
		}
		paths = append(paths, strings.Join(path, "/"))
	}
	return paths
}

// recount answers a HistoryRead of events (OPC 10000-11, section 6.5.2).
func (s *Server) recount(r *ua.HistoryReadRequest, d *ua.ReadEventDetails) (*response, Status) {
	all := make([]Past, 0, len(r.NodesToRead))
	for _, v := range r.NodesToRead {
		n := s.space.find(v.NodeID)
		var p Past
		switch {
		case r.ReleaseContinuationPoints: // there is nothing to release
			all = append(all, p)
			continue
		case n == nil:
			p.Status = badNodeUnknown
		case !n.events || s.cfg.EventHistory == 0:
			p.Status = badHistoryUnsupported
		case d.Filter == nil || len(d.Filter.SelectClauses) == 0 || d.Filter.WhereClause != nil && len(d.Filter.WhereClause.Elements) > 0:
			p.Status = badEventFilterInvalid
		default:
			p = s.recountOf(n, d, v.ContinuationPoint)
		}
		all = append(all, p)
	}
	return &response{encoding: 667, past: all, recounted: func(all []Past) []byte {
		b := appendLength(nil, len(all))
		for _, p := range all {
			b = appendBare(appendBare(b, p.Status), p.Continuation)
			if p.Status.isBad() || p.Paths == nil {
				b = append(b, 0, 0, 0) // no data
				continue
			}
			b = append(appendNumeric(b, 661), 1, 0, 0, 0, 0) // HistoryEvent
			at := len(b)
			b = appendLength(b, len(p.Events))
			for _, fields := range p.Events {
				b = appendLength(b, len(fields))
				for _, f := range fields {
					b = appendVariant(b, f)
				}
			}
			binary.LittleEndian.PutUint32(b[at-4:], uint32(len(b)-at))
		}
		return noDiagnostics(b)
	}}, 0
}

// recountOf returns the events of a node from one instant on and before another, or back. A continuation point is the number of the event
// to go on from.
func (s *Server) recountOf(n *node, d *ua.ReadEventDetails, point []byte) (p Past) {
	from, to := d.StartTime, d.EndTime
	if from.IsZero() && to.IsZero() || (from.IsZero() || to.IsZero()) && d.NumValuesPerNode == 0 {
		return Past{Status: badHistoryInvalid}
	}
	back := from.IsZero() || !to.IsZero() && to.Before(from)
	within := func(at time.Time) bool {
		if back {
			return (from.IsZero() || !at.After(from)) && at.After(to)
		}
		return !at.Before(from) && (to.IsZero() || at.Before(to))
	}
	var list []*happened
	whole := n == s.space.number(2253)
	for _, h := range s.past {
		if within(h.Time) && (whole || s.lookup(h.Source) == n) {
			list = append(list, h)
		}
	}
	slices.SortStableFunc(list, func(a, b *happened) int { return a.Time.Compare(b.Time) })
	if back {
		slices.Reverse(list)
	}
	if point != nil {
		at := -1
		if len(point) == 8 {
			number := binary.LittleEndian.Uint64(point)
			at = slices.IndexFunc(list, func(h *happened) bool { return number == 0 || h.number == number }) // 0: from the beginning
		}
		if at < 0 {
			return Past{Status: badContinuationInvalid}
		}
		list = list[at:]
	}
	limit := s.limits.HistoryValues
	if most := int(min(d.NumValuesPerNode, 1<<30)); most > 0 {
		limit = min(limit, most)
	}
	if len(list) > limit {
		p.Continuation = binary.LittleEndian.AppendUint64(nil, list[limit].number)
		list = list[:limit]
	}
	if len(list) == 0 {
		p.Status = goodNoData
	}
	p.Paths = selected(d.Filter.SelectClauses)
	for _, h := range list {
		fields := make([]any, len(p.Paths))
		for i, path := range p.Paths {
			fields[i] = h.field(path)
		}
		p.Events = append(p.Events, fields)
	}
	return p
}

// past edits the history of events of each node.
func past(edit func(*Past)) Fault {
	return func(x *Exchange) {
		for i := range x.Past {
			edit(&x.Past[i])
		}
	}
}

// RepeatedPast tells each event of the history twice.
func RepeatedPast() Fault { return past(func(p *Past) { p.Events = append(p.Events, p.Events...) }) }

// DisorderedPast tells the events of a page from the last to the first.
func DisorderedPast() Fault { return past(func(p *Past) { slices.Reverse(p.Events) }) }

// ShortPast leaves the last n fields of each event away.
func ShortPast(n int) Fault {
	return past(func(p *Past) {
		for i, fields := range p.Events {
			p.Events[i] = fields[:max(len(fields)-n, 0)]
		}
	})
}

// MovedPast has each event happen later than it did, or earlier if d is negative.
func MovedPast(d time.Duration) Fault {
	return past(func(p *Past) {
		at := slices.Index(p.Paths, "Time")
		for _, fields := range p.Events {
			if at >= 0 {
				if t, ok := fields[at].(time.Time); ok {
					fields[at] = t.Add(d)
				}
			}
		}
	})
}

// EndlessPast says after each page that there is more: the same page, as long as the history of the node does not change.
func EndlessPast() Fault {
	return past(func(p *Past) {
		if p.Continuation == nil && len(p.Events) > 0 {
			p.Continuation = make([]byte, 8)
		}
	})
}
