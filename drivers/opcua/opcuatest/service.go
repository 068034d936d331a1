package opcuatest

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gopcua/opcua/ua"
)

// answer answers a request, at once or, for Publish, when there is something to tell.
func (c *conn) answer(request ua.Request, id uint32) {
	s := c.server
	name := strings.TrimSuffix(strings.TrimPrefix(reflect.TypeOf(request).String(), "*ua."), "Request")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Requests[name]++
	handle := request.Header().RequestHandle
	r, status := c.dispatch(request, id)
	if status != 0 {
		s.stats.Faults++
		c.fail(name, id, handle, status)
		return
	}
	if r != nil {
		r.service, r.kind, r.request, r.handle = name, "MSG", id, handle
		c.send(r)
	}
}

// dispatch returns the answer to a request, or the status that it fails with; neither if the answer comes later. The caller holds
// the server's mu.
func (c *conn) dispatch(request ua.Request, id uint32) (*response, Status) {
	s := c.server
	switch r := request.(type) {
	case *ua.GetEndpointsRequest:
		return &response{encoding: 431, body: s.endpoints(r.EndpointURL)}, 0
	case *ua.FindServersRequest:
		url := r.EndpointURL
		if s.address != "" {
			url = s.URL()
		}
		return &response{encoding: 425, body: append(appendLength(nil, 1), s.application(url)...)}, 0
	}
	if !slices.ContainsFunc(s.cfg.Security, func(o Security) bool { return o == c.security }) {
		return nil, 0x80540000 // Bad_SecurityModeRejected: such a channel is for discovery
	}
	switch r := request.(type) {
	case *ua.CreateSessionRequest:
		return c.createSession(r)
	case *ua.ActivateSessionRequest:
		return c.activateSession(r)
	case *ua.WriteRequest, *ua.CallRequest, *ua.HistoryUpdateRequest, *ua.AddNodesRequest, *ua.AddReferencesRequest, *ua.DeleteNodesRequest, *ua.DeleteReferencesRequest:
		s.stats.Writes++
		return nil, badServiceUnsupported
	case *ua.CloseSessionRequest:
		e := s.sessions[r.RequestHeader.AuthenticationToken.String()]
		if e == nil || e.conn != c && e.maker != c {
			return nil, badSessionInvalid
		}
		s.endSession(e, r.DeleteSubscriptions)
		return &response{encoding: 476}, 0
	}
	e, status := c.session(request)
	if status != 0 {
		return nil, status
	}
	switch r := request.(type) {
	case *ua.ReadRequest:
		return s.read(r)
	case *ua.BrowseRequest:
		return s.browse(e, r)
	case *ua.BrowseNextRequest:
		return s.browseNext(e, r)
	case *ua.TranslateBrowsePathsToNodeIDsRequest:
		return s.translate(r)
	case *ua.RegisterNodesRequest:
		if status := held(len(r.NodesToRegister), s.limits.Register); status != 0 {
			return nil, status
		}
		b := appendLength(nil, len(r.NodesToRegister))
		for _, n := range r.NodesToRegister {
			b = appendNode(b, n.String())
		}
		return &response{encoding: 563, body: b}, 0
	case *ua.UnregisterNodesRequest:
		return &response{encoding: 569}, held(len(r.NodesToUnregister), s.limits.Register)
	case *ua.HistoryReadRequest:
		return s.historyRead(r)
	case *ua.CreateSubscriptionRequest:
		return s.subscribe(e, r)
	case *ua.ModifySubscriptionRequest:
		return s.modifySubscription(e, r)
	case *ua.SetPublishingModeRequest:
		return s.setPublishing(e, r)
	case *ua.DeleteSubscriptionsRequest:
		return s.deleteSubscriptions(e, r)
	case *ua.TransferSubscriptionsRequest:
		return s.transfer(e, r)
	case *ua.CreateMonitoredItemsRequest:
		return s.createItems(e, r)
	case *ua.ModifyMonitoredItemsRequest:
		return s.modifyItems(e, r)
	case *ua.SetMonitoringModeRequest:
		return s.setMonitoring(e, r)
	case *ua.DeleteMonitoredItemsRequest:
		return s.deleteItems(e, r)
	case *ua.PublishRequest:
		return s.publish(e, r, id)
	case *ua.RepublishRequest:
		return s.republish(e, r)
	}
	return nil, badServiceUnsupported
}

// held holds a number of operations against its limit.
func held(n, limit int) Status {
	switch {
	case n == 0:
		return badNothingToDo
	case limit > 0 && n > limit:
		return badTooManyOperations
	}
	return 0
}

// noDiagnostics ends most responses.
func noDiagnostics(b []byte) []byte { return appendLength(b, -1) }

func (s *Server) read(r *ua.ReadRequest) (*response, Status) {
	if status := held(len(r.NodesToRead), s.limits.Read); status != 0 {
		return nil, status
	}
	now := s.cfg.Now()
	b := appendLength(nil, len(r.NodesToRead))
	for _, v := range r.NodesToRead {
		reading := s.attribute(v, now)
		stamps := r.TimestampsToReturn
		if v.AttributeID != ua.AttributeIDValue {
			stamps = ua.TimestampsToReturnNeither
		}
		b = appendDataValue(b, reading, now, stamps)
	}
	return &response{encoding: 634, body: noDiagnostics(b)}, 0
}

// attribute reads an attribute of a node.
func (s *Server) attribute(v *ua.ReadValueID, now time.Time) Reading {
	n := s.space.find(v.NodeID)
	if n == nil {
		return Reading{Status: badNodeUnknown}
	}
	variable := n.class == ua.NodeClassVariable
	if v.AttributeID != ua.AttributeIDValue && v.IndexRange != "" {
		return Reading{Status: badIndexNoData}
	}
	var value any
	switch v.AttributeID {
	case ua.AttributeIDNodeID:
		value = NodeID(n.id.String())
	case ua.AttributeIDNodeClass:
		value = int32(n.class)
	case ua.AttributeIDBrowseName:
		value = n.name
	case ua.AttributeIDDisplayName:
		value = LocalizedText{Text: n.name.Name}
	case ua.AttributeIDDescription:
		value = LocalizedText{}
	case ua.AttributeIDWriteMask, ua.AttributeIDUserWriteMask:
		value = uint32(0)
	case ua.AttributeIDEventNotifier:
		if n.class == ua.NodeClassObject {
			var bits byte
			if n.events {
				bits = 1 // SubscribeToEvents
				if s.cfg.EventHistory > 0 {
					bits |= 4 // HistoryRead
				}
			}
			value = bits
		}
	case ua.AttributeIDDataTypeDefinition:
		if n.class == ua.NodeClassDataType && n.definition != nil {
			value = n.definition
		}
	case ua.AttributeIDIsAbstract:
		if n.class == ua.NodeClassDataType || n.class == ua.NodeClassObjectType || n.class == ua.NodeClassVariableType || n.class == ua.NodeClassReferenceType {
			value = false
		}
	}
	if variable {
		switch v.AttributeID {
		case ua.AttributeIDValue:
			if n.variable != nil && n.variable.Hidden {
				return Reading{Status: badNotReadable}
			}
			if v.DataEncoding != nil && v.DataEncoding.Name != "" && v.DataEncoding.Name != "Default Binary" {
				return Reading{Status: badEncodingUnsupported}
			}
			reading := n.at(now)
			if v.IndexRange != "" && !reading.Status.isBad() {
				var status Status
				if reading.Value, status = slice(reading.Value, v.IndexRange); status != 0 {
					return Reading{Status: status, Source: reading.Source}
				}
			}
			return reading
		case ua.AttributeIDDataType:
			value = NodeID(n.dataType.String())
		case ua.AttributeIDValueRank:
			value = n.rank
		case ua.AttributeIDArrayDimensions:
			value = []uint32(nil)
			if n.rank > 0 {
				value = make([]uint32, n.rank)
			}
		case ua.AttributeIDAccessLevel, ua.AttributeIDUserAccessLevel:
			bits := byte(1)
			if n.variable != nil && n.variable.Hidden {
				bits = 0
			}
			if n.variable != nil && n.variable.Historizing {
				bits |= 4
			}
			value = bits
		case ua.AttributeIDMinimumSamplingInterval:
			value = float64(0)
			if n.variable != nil {
				value = milliseconds(n.variable.Step)
			}
		case ua.AttributeIDHistorizing:
			value = n.variable != nil && n.variable.Historizing
		}
	}
	if value == nil {
		return Reading{Status: badAttributeInvalid}
	}
	return Reading{Value: value}
}

// slice cuts a range of one dimension, such as "2" or "0:9", out of an array or text (OPC 10000-4, section 7.27).
func slice(value any, text string) (any, Status) {
	first, last, pair := strings.Cut(text, ":")
	from, err := strconv.ParseUint(first, 10, 31)
	to := from
	if err == nil && pair {
		to, err = strconv.ParseUint(last, 10, 31)
	}
	if err != nil || pair && to <= from {
		return nil, badIndexInvalid
	}
	v := reflect.ValueOf(value)
	if !v.IsValid() || v.Kind() != reflect.Slice && v.Kind() != reflect.String || uint64(v.Len()) <= from {
		return nil, badIndexNoData
	}
	return v.Slice(int(from), int(min(to+1, uint64(v.Len())))).Interface(), 0
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// continuation is the rest of a Browse.
type continuation struct {
	references []reference
	mask       uint32
	most       int
}

// browseTo appends a BrowseResult and leaves what does not fit in a continuation point.
func (s *Server) browseTo(b []byte, e *session, p *continuation) []byte {
	n := min(len(p.references), p.most)
	b = appendBare(b, Status(0))
	if n < len(p.references) {
		e.pointsNow++
		e.points[e.pointsNow] = &continuation{p.references[n:], p.mask, p.most}
		b = appendBare(b, binary.LittleEndian.AppendUint32(nil, e.pointsNow))
	} else {
		b = appendLength(b, -1)
	}
	b = appendLength(b, n)
	for _, r := range p.references[:n] {
		t := r.target
		b = appendNode(b, ua.NewNumericNodeID(0, r.kind).String())
		b = appendBare(b, !r.inverse)
		b = appendNode(b, t.id.String())
		b = appendBare(b, t.name)
		b = appendBare(b, LocalizedText{Text: t.name.Name})
		b = appendBare(b, uint32(t.class))
		typed := "i=0"
		if t.class == ua.NodeClassObject || t.class == ua.NodeClassVariable {
			for _, up := range t.references {
				if up.kind == refType && !up.inverse {
					typed = up.target.id.String()
				}
			}
		}
		b = appendNode(b, typed)
	}
	return b
}

// badBrowse is a BrowseResult without references.
func badBrowse(b []byte, status Status) []byte {
	return appendLength(appendLength(appendBare(b, status), -1), -1)
}

func (s *Server) browse(e *session, r *ua.BrowseRequest) (*response, Status) {
	if status := held(len(r.NodesToBrowse), s.limits.Browse); status != 0 {
		return nil, status
	}
	b := appendLength(nil, len(r.NodesToBrowse))
	for _, d := range r.NodesToBrowse {
		n := s.space.find(d.NodeID)
		if n == nil {
			b = badBrowse(b, badNodeUnknown)
			continue
		}
		p := &continuation{most: s.limits.References}
		if most := int(r.RequestedMaxReferencesPerNode); most > 0 {
			p.most = min(p.most, most)
		}
		for _, ref := range n.references {
			wanted := d.ReferenceTypeID == nil || d.ReferenceTypeID.String() == "i=0" || d.ReferenceTypeID.Namespace() == 0 && is(ref.kind, d.ReferenceTypeID.IntID(), d.IncludeSubtypes)
			if ref.inverse && d.BrowseDirection == ua.BrowseDirectionForward || !ref.inverse && d.BrowseDirection == ua.BrowseDirectionInverse {
				wanted = false
			}
			if d.NodeClassMask != 0 && d.NodeClassMask&uint32(ref.target.class) == 0 {
				wanted = false
			}
			if wanted {
				p.references = append(p.references, ref)
			}
		}
		b = s.browseTo(b, e, p)
	}
	return &response{encoding: 530, body: noDiagnostics(b)}, 0
}

func (s *Server) browseNext(e *session, r *ua.BrowseNextRequest) (*response, Status) {
	if status := held(len(r.ContinuationPoints), s.limits.Browse); status != 0 {
		return nil, status
	}
	b := appendLength(nil, len(r.ContinuationPoints))
	for _, id := range r.ContinuationPoints {
		var p *continuation
		if len(id) == 4 {
			n := binary.LittleEndian.Uint32(id)
			p = e.points[n]
			delete(e.points, n)
		}
		switch {
		case p == nil:
			b = badBrowse(b, badContinuationInvalid)
		case r.ReleaseContinuationPoints:
			b = badBrowse(b, 0)
		default:
			b = s.browseTo(b, e, p)
		}
	}
	return &response{encoding: 536, body: noDiagnostics(b)}, 0
}

func (s *Server) translate(r *ua.TranslateBrowsePathsToNodeIDsRequest) (*response, Status) {
	if status := held(len(r.BrowsePaths), s.limits.Translate); status != 0 {
		return nil, status
	}
	b := appendLength(nil, len(r.BrowsePaths))
	for _, p := range r.BrowsePaths {
		start := s.space.find(p.StartingNode)
		if start == nil {
			b = appendLength(appendBare(b, badNodeUnknown), -1)
			continue
		}
		found := []*node{start}
		if p.RelativePath == nil || len(p.RelativePath.Elements) == 0 {
			b = appendLength(appendBare(b, badNothingToDo), -1)
			continue
		}
		for _, step := range p.RelativePath.Elements {
			var next []*node
			for _, n := range found {
				for _, ref := range n.references {
					any := step.ReferenceTypeID == nil || step.ReferenceTypeID.String() == "i=0"
					if ref.inverse == step.IsInverse && step.TargetName != nil && ref.target.name == (QualifiedName{step.TargetName.NamespaceIndex, step.TargetName.Name}) &&
						(any || is(ref.kind, step.ReferenceTypeID.IntID(), step.IncludeSubtypes)) {
						next = append(next, ref.target)
					}
				}
			}
			found = next
		}
		if len(found) == 0 {
			b = appendLength(appendBare(b, badNoMatch), -1)
			continue
		}
		b = appendLength(appendBare(b, Status(0)), len(found))
		for _, n := range found {
			b = appendBare(appendNode(b, n.id.String()), uint32(0xFFFF_FFFF))
		}
	}
	return &response{encoding: 557, body: noDiagnostics(b)}, 0
}

func (s *Server) historyRead(r *ua.HistoryReadRequest) (*response, Status) {
	if r.HistoryReadDetails == nil {
		return nil, badHistoryInvalid
	}
	if status := held(len(r.NodesToRead), s.limits.History); status != 0 {
		return nil, status
	}
	if d, ok := r.HistoryReadDetails.Value.(*ua.ReadEventDetails); ok {
		return s.recount(r, d)
	}
	now := s.cfg.Now()
	b := appendLength(nil, len(r.NodesToRead))
	for _, v := range r.NodesToRead {
		n := s.space.find(v.NodeID)
		var list []Reading
		var point []byte
		status := badHistoryUnsupported
		switch d := r.HistoryReadDetails.Value.(type) {
		case *ua.ReadRawModifiedDetails:
			if n != nil && n.variable != nil && n.variable.Historizing && !d.IsReadModified {
				list, point, status = s.raw(n.variable, d, v.ContinuationPoint, now)
			}
		case *ua.ReadAtTimeDetails:
			if n != nil && n.variable != nil && n.variable.Historizing {
				status = 0
				for _, t := range d.ReqTimes {
					list = append(list, n.variable.past(t, now))
				}
			}
		}
		if n == nil {
			status = badNodeUnknown
		}
		if r.ReleaseContinuationPoints {
			list, point, status = nil, nil, 0
		}
		b = appendBare(appendBare(b, status), point)
		if status.isBad() || r.ReleaseContinuationPoints {
			b = append(b, 0, 0, 0) // no data
			continue
		}
		b = append(appendNumeric(b, 658), 1, 0, 0, 0, 0) // HistoryData
		at := len(b)
		b = appendLength(b, len(list))
		for _, reading := range list {
			b = appendDataValue(b, reading, reading.Source, r.TimestampsToReturn)
		}
		binary.LittleEndian.PutUint32(b[at-4:], uint32(len(b)-at))
	}
	return &response{encoding: 667, body: noDiagnostics(b)}, 0
}

// past returns what a variable has shown at an instant, which may not be to come.
func (v *Variable) past(t, now time.Time) Reading {
	if t.After(now) {
		return Reading{Status: badNoData, Source: t}
	}
	n := node{variable: v}
	r := n.at(t)
	r.Source = t
	return r
}

// raw returns the values of a variable from one instant on and before another, or back; a continuation point is the instant to go on
// from.
func (s *Server) raw(v *Variable, d *ua.ReadRawModifiedDetails, point []byte, now time.Time) (list []Reading, next []byte, status Status) {
	from, to := d.StartTime, d.EndTime
	most := int(d.NumValuesPerNode)
	if from.IsZero() && (to.IsZero() || most == 0) || to.IsZero() && most == 0 {
		return nil, nil, badHistoryInvalid
	}
	back := !to.IsZero() && to.Before(from)
	if from.IsZero() {
		from, to, back = to, time.Unix(0, 0), true
	}
	if to.IsZero() {
		to = now.Add(1)
	}
	if point != nil {
		if len(point) != 8 {
			return nil, nil, badContinuationInvalid
		}
		from = time.Unix(0, int64(binary.LittleEndian.Uint64(point)))
	}
	step := int64(v.Step)
	n := node{variable: v}
	t := from.UnixNano()
	switch {
	case back:
		if n := now.UnixNano(); t > n {
			t = n
		}
		t -= t % step
	case t%step != 0:
		t += step - t%step
	}
	limit := s.limits.HistoryValues
	if most > 0 {
		limit = min(limit, most)
	}
	for {
		at := time.Unix(0, t)
		if !back && (!at.Before(to) || at.After(now)) || back && !at.After(to) {
			break
		}
		if len(list) == limit {
			next = binary.LittleEndian.AppendUint64(nil, uint64(t))
			break
		}
		list = append(list, n.at(at))
		if back {
			t -= step
		} else {
			t += step
		}
	}
	if len(list) == 0 {
		status = goodNoData
	}
	return list, next, status
}
