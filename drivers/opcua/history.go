package opcua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// Aggregate is what a server computes from the values of a span of time (OPC 10000-13,
// section 4.2), by the number of its node in namespace 0.
type Aggregate uint32

// The aggregates of the standard. Those with a 2 take the value before the span into
// account.
const (
	Interpolative          Aggregate = 2341
	Average                Aggregate = 2342
	TimeAverage            Aggregate = 2343
	Total                  Aggregate = 2344
	Minimum                Aggregate = 2346
	Maximum                Aggregate = 2347
	MinimumActualTime      Aggregate = 2348
	MaximumActualTime      Aggregate = 2349
	RangeOfValues          Aggregate = 2350 // "Range": Maximum less Minimum
	Count                  Aggregate = 2352
	NumberOfTransitions    Aggregate = 2355
	Start                  Aggregate = 2357
	End                    Aggregate = 2358
	Delta                  Aggregate = 2359
	DurationGood           Aggregate = 2360
	DurationBad            Aggregate = 2361
	PercentGood            Aggregate = 2362
	PercentBad             Aggregate = 2363
	WorstQuality           Aggregate = 2364
	TimeAverage2           Aggregate = 11285
	Minimum2               Aggregate = 11286
	Maximum2               Aggregate = 11287
	Total2                 Aggregate = 11304
	DurationInStateZero    Aggregate = 11307
	DurationInStateNonZero Aggregate = 11308
)

var aggregateNames = map[Aggregate]string{
	Interpolative: "Interpolative", Average: "Average", TimeAverage: "TimeAverage", Total: "Total", Minimum: "Minimum", Maximum: "Maximum",
	MinimumActualTime: "MinimumActualTime", MaximumActualTime: "MaximumActualTime", RangeOfValues: "Range", Count: "Count",
	NumberOfTransitions: "NumberOfTransitions", Start: "Start", End: "End", Delta: "Delta", DurationGood: "DurationGood", DurationBad: "DurationBad",
	PercentGood: "PercentGood", PercentBad: "PercentBad", WorstQuality: "WorstQuality", TimeAverage2: "TimeAverage2", Minimum2: "Minimum2",
	Maximum2: "Maximum2", Total2: "Total2", DurationInStateZero: "DurationInStateZero", DurationInStateNonZero: "DurationInStateNonZero",
}

// String returns the standard's name of the aggregate.
func (a Aggregate) String() string {
	if name, ok := aggregateNames[a]; ok {
		return name
	}
	return fmt.Sprintf("aggregate %d", uint32(a))
}

// UnmarshalText reads the standard's name of an aggregate.
func (a *Aggregate) UnmarshalText(text []byte) error {
	for known, name := range aggregateNames {
		if name == string(text) {
			*a = known
			return nil
		}
	}
	return fmt.Errorf("opcua: no aggregate is named %.50q", text)
}

// Bounds of reading history.
const (
	perPage       = 1000    // values of one response
	leastPerPage  = 100     // of one variable in it
	perHistory    = 20      // variables in one request
	maxEmptyPages = 100     // one after the other
	maxIntervals  = 1 << 20 // of one HistoryProcessed
)

// History iterates over the values of a variable that the server has kept, from an
// instant on and before another, in the order in which the server sends them, which is
// that of their source times. Values are fetched a page at a time when they are asked
// for, and the server is told when the iteration is left early.
//
// The error, with a zero Value, ends the iteration. A ServiceError tells that the
// variable has no history, or that it may not be read. When the connection is lost the
// rest can be asked for from the last value on.
func (c *Client) History(ctx context.Context, variable NodeID, from, to acquire.Instant) iter.Seq2[Value, error] {
	return c.history(ctx, variable, func(l *link, id *ua.NodeID) iter.Seq2[uabin.DataValue, error] {
		return historyRaw(ctx, l.session, id, from, to)
	})
}

// HistoryProcessed iterates over an aggregate of a variable that the server computes, of
// each interval from an instant on and before another. The source time of a value is the
// start of its interval, unless the aggregate says otherwise.
func (c *Client) HistoryProcessed(ctx context.Context, variable NodeID, a Aggregate, interval time.Duration, from, to acquire.Instant) iter.Seq2[Value, error] {
	return c.history(ctx, variable, func(l *link, id *ua.NodeID) iter.Seq2[uabin.DataValue, error] {
		if interval <= 0 || to > from && to.Sub(from)/interval > maxIntervals {
			return failing(fmt.Errorf("opcua: interval of %s in %s: want at most %d intervals", interval, to.Sub(from), maxIntervals))
		}
		return l.pages(ctx, id, from, to, &ua.ReadProcessedDetails{
			StartTime: from.Time(), EndTime: to.Time(), ProcessingInterval: float64(interval) / float64(time.Millisecond),
			AggregateType:          []*ua.NodeID{ua.NewNumericNodeID(0, uint32(a))},
			AggregateConfiguration: &ua.AggregateConfiguration{UseServerCapabilitiesDefaults: true},
		})
	})
}

// HistoryAt returns what the value of a variable was at instants, in their order: values
// that the server has kept, or that it computes from those around, which their status
// tells (OPC 10000-13, section 4.3).
func (c *Client) HistoryAt(ctx context.Context, variable NodeID, at ...acquire.Instant) (values []Value, err error) {
	err = c.do(ctx, func(l *link) error {
		values = make([]Value, 0, len(at))
		id, err := l.resolve(variable)
		if err != nil {
			return err
		}
		return l.at.parts(len(at), func(from, to int) error {
			details := &ua.ReadAtTimeDetails{UseSimpleBounds: true}
			for _, i := range at[from:to] {
				details.ReqTimes = append(details.ReqTimes, i.Time())
			}
			before := len(values)
			for d, err := range pages(ctx, l.session, id, details) {
				if err != nil {
					values = values[:before]
					return err
				}
				if len(values)-before == to-from {
					return &ProtocolError{Reason: fmt.Sprintf("HistoryRead: more than %d values", to-from)}
				}
				values = append(values, newValue(d, l.namespaces))
			}
			if len(values)-before != to-from {
				return &ProtocolError{Reason: fmt.Sprintf("HistoryRead: %d values, want %d", len(values)-before, to-from)}
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// history iterates over values as they are found by one link. Nothing is asked again once
// a value has been told.
func (c *Client) history(ctx context.Context, variable NodeID, read func(*link, *ua.NodeID) iter.Seq2[uabin.DataValue, error]) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		told, left := false, false
		err := c.do(ctx, func(l *link) error {
			id, err := l.resolve(variable)
			if err != nil {
				return err
			}
			for d, err := range read(l, id) {
				if err != nil && told {
					left = true
					yield(Value{}, err)
					return nil
				}
				if err != nil {
					return err
				}
				told = true
				if !yield(newValue(d, l.namespaces), nil) {
					left = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !left {
			yield(Value{}, err)
		}
	}
}

func failing(err error) iter.Seq2[uabin.DataValue, error] {
	return func(yield func(uabin.DataValue, error) bool) { yield(uabin.DataValue{}, err) }
}

// pages iterates over the values of details within a span of time.
func (l *link) pages(ctx context.Context, variable *ua.NodeID, from, to acquire.Instant, details any) iter.Seq2[uabin.DataValue, error] {
	if from == 0 || to == 0 || from >= to {
		return failing(fmt.Errorf("opcua: history from %s to %s: want a span of time", from, to))
	}
	return pages(ctx, l.session, variable, details)
}

// historyRaw iterates over the values that a server has kept of a variable, from an
// instant on and before another, as the server sends them. A value is valid until the
// next. A page is asked for when the one before has been taken.
//
// A value without a time, or of another time than was asked for, is not told, as it may
// not be believed to be of the span: the server's last one for the end of the span is
// the usual case.
func historyRaw(ctx context.Context, s *session, variable *ua.NodeID, from, to acquire.Instant) iter.Seq2[uabin.DataValue, error] {
	if from == 0 || to == 0 || from >= to {
		return failing(fmt.Errorf("opcua: history from %s to %s: want a span of time", from, to))
	}
	details := &ua.ReadRawModifiedDetails{StartTime: from.Time(), EndTime: to.Time(), NumValuesPerNode: perPage}
	return func(yield func(uabin.DataValue, error) bool) {
		for d, err := range pages(ctx, s, variable, details) {
			if err == nil {
				stamped := stampsOf(&d)
				if at := cmp.Or(stamped.source, stamped.server); at < from || at >= to {
					continue
				}
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// Codes of HistoryRead (OPC 10000-6, annex A.2).
const statusGoodNoData StatusCode = 0x00A50000

// pages reads the history of one variable, page by page. It leaves no continuation point
// on the server.
func pages(ctx context.Context, s *session, variable *ua.NodeID, details any) iter.Seq2[uabin.DataValue, error] {
	return func(yield func(uabin.DataValue, error) bool) {
		var point []byte
		request := func(release bool) *ua.HistoryReadRequest {
			object := ua.NewExtensionObject(details)
			object.UpdateMask()
			return &ua.HistoryReadRequest{
				HistoryReadDetails: object, TimestampsToReturn: ua.TimestampsToReturnBoth, ReleaseContinuationPoints: release,
				NodesToRead: []*ua.HistoryReadValueID{{NodeID: variable, DataEncoding: &ua.QualifiedName{}, ContinuationPoint: point}},
			}
		}
		defer func() {
			if point != nil && s.channel.err() == nil {
				l := link{session: s}
				l.dismiss(ctx, request(true), "HistoryRead", uabin.HistoryReadResponseID)
			}
		}()
		for empty := 0; ; {
			m, values, next, err := page(ctx, s, request(false), pastValues)
			if err != nil {
				yield(uabin.DataValue{}, err)
				return
			}
			point = next
			each := values.Reader()
			for range values.Len {
				if !yield(each.DataValue(), nil) {
					m.release()
					return
				}
			}
			m.release()
			if point == nil {
				return
			}
			if empty++; values.Len > 0 {
				empty = 0
			}
			if empty == maxEmptyPages {
				yield(uabin.DataValue{}, &ProtocolError{Reason: fmt.Sprintf("HistoryRead: %d pages without a value", empty)})
				return
			}
		}
	}
}

// pastKind is what a history is of.
type pastKind struct {
	encoding uint32 // of the structure that holds it
	list     func(uabin.ExtensionObject) (uabin.List, error)
}

var (
	pastValues = pastKind{uabin.HistoryDataID, uabin.ExtensionObject.Values}
	pastEvents = pastKind{uabin.HistoryEventID, uabin.ExtensionObject.PastEvents}
)

// page reads one page. The values are part of the message.
func page(ctx context.Context, s *session, request *ua.HistoryReadRequest, kind pastKind) (m *message, values uabin.List, next []byte, err error) {
	m, r, err := s.request(ctx, request, "HistoryRead", uabin.HistoryReadResponseID)
	if err != nil {
		return nil, values, nil, err
	}
	results := r.Histories()
	if err = complete(&r, "HistoryRead", results, 1); err != nil {
		m.release()
		return nil, values, nil, err
	}
	each := results.Reader()
	if values, next, err = historyOf(each.History(), kind); err != nil {
		m.release()
		return nil, uabin.List{}, nil, err
	}
	return m, values, next, nil
}

// historyOf returns the values of a result, which are part of the message, and what to
// go on with, if there is more. A ServiceError is of this variable alone.
func historyOf(result uabin.History, kind pastKind) (values uabin.List, next []byte, err error) {
	status := StatusCode(result.Status)
	switch {
	case result.Status.IsBad():
		return values, nil, &ServiceError{Service: "HistoryRead", Status: status}
	case result.Data.Body == nil && result.Continuation == nil, status&0xFFFF0000 == statusGoodNoData && result.Data.Body == nil:
	case result.Data.Type.Namespace != 0 || result.Data.Type.Kind != uabin.Numeric || result.Data.Type.Number != kind.encoding || !result.Data.Binary:
		return values, nil, &ProtocolError{Reason: fmt.Sprintf("HistoryRead: data of type %.50s", result.Data.Type.AppendText(nil))}
	default:
		if values, err = kind.list(result.Data); err != nil {
			return uabin.List{}, nil, &ProtocolError{Reason: "HistoryRead: " + err.Error()}
		}
	}
	if result.Continuation != nil {
		next = slices.Clone(result.Continuation)
	}
	return values, next, nil
}

// histories reads the raw history of several variables in the same requests, of one span
// of time. It leaves no continuation point on the server.
type histories struct {
	session  *session
	from, to acquire.Instant // inclusive, exclusive
	// tell takes a value of the variable of a number. It is valid until tell returns.
	tell func(which int, d uabin.DataValue)
	// over is told how the history of a variable ended: with an error if the server refuses
	// it, after which the others go on.
	over func(which int, err error)
	// page is called after each response, before the next request. An error ends all.
	page func() error
}

// open is a variable whose history is being read.
type open struct {
	which int
	point []byte // to go on with
	empty int    // pages without a value, one after the other
}

// read reads the history of nodes, most of them in one request. The error is of the
// connection, of a response that breaks the rules, or of page.
func (h *histories) read(ctx context.Context, nodes []*ua.NodeID, most int) error {
	if h.from == 0 || h.to == 0 || h.from >= h.to {
		return fmt.Errorf("opcua: history from %s to %s: want a span of time", h.from, h.to)
	}
	which := make([]int, len(nodes))
	for i := range which {
		which[i] = i
	}
	for len(which) > 0 {
		n := min(max(most, 1), len(which))
		some := which[:n:n]
		without, err := h.part(ctx, nodes, some)
		switch {
		case tooLarge(err) && n > 1:
			most = n / 2
			continue
		case tooLarge(err):
			h.over(some[0], err)
		case err != nil:
			return err
		}
		which = which[n:]
		for _, i := range without { // one after the other, each with all that the server has
			if _, err := h.part(ctx, nodes, []int{i}); tooLarge(err) {
				h.over(i, err)
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// part reads the history of some nodes to its end, and returns those for which the
// server had no continuation point. If it asks for too much at once, nothing was told.
func (h *histories) part(ctx context.Context, nodes []*ua.NodeID, which []int) (without []int, err error) {
	details := ua.NewExtensionObject(&ua.ReadRawModifiedDetails{StartTime: h.from.Time(), EndTime: h.to.Time(), NumValuesPerNode: uint32(max(perPage/len(which), leastPerPage))})
	details.UpdateMask()
	left := make([]open, len(which))
	for i := range which {
		left[i].which = which[i]
	}
	request := func(release bool) *ua.HistoryReadRequest {
		r := &ua.HistoryReadRequest{HistoryReadDetails: details, TimestampsToReturn: ua.TimestampsToReturnBoth, ReleaseContinuationPoints: release}
		for _, o := range left {
			r.NodesToRead = append(r.NodesToRead, &ua.HistoryReadValueID{NodeID: nodes[o.which], DataEncoding: &ua.QualifiedName{}, ContinuationPoint: o.point})
		}
		return r
	}
	defer func() {
		left = slices.DeleteFunc(left, func(o open) bool { return o.point == nil })
		if len(left) > 0 && h.session.channel.err() == nil {
			l := link{session: h.session}
			l.dismiss(ctx, request(true), "HistoryRead", uabin.HistoryReadResponseID)
		}
	}()
	for first := true; len(left) > 0; first = false {
		m, r, err := h.session.request(ctx, request(false), "HistoryRead", uabin.HistoryReadResponseID)
		switch refused, ok := errors.AsType[*ServiceError](err); {
		case ok && tooLarge(err) && first:
			return nil, err
		case ok && !passing(refused.Status): // of all of them
			for _, o := range left {
				h.over(o.which, err)
			}
			return without, nil
		case err != nil:
			return without, err
		}
		results := r.Histories()
		if err := complete(&r, "HistoryRead", results, len(left)); err != nil {
			m.release()
			return without, err
		}
		each := results.Reader()
		more := left[:0]
		var broken error
		for _, o := range left {
			values, next, err := historyOf(each.History(), pastValues)
			refused, ok := errors.AsType[*ServiceError](err)
			o.point = next
			if o.empty++; values.Len > 0 {
				o.empty = 0
			}
			switch {
			case ok && refused.Status&0xFFFF0000 == statusNoContinuationPoints && first && len(which) > 1:
				without = append(without, o.which)
				continue
			case ok:
				h.over(o.which, err)
				continue
			case o.empty == maxEmptyPages:
				err = &ProtocolError{Reason: fmt.Sprintf("HistoryRead: %d pages without a value", o.empty)}
			}
			if err != nil { // the rest of the points is still noted, to be released
				broken = errors.Join(broken, err)
			}
			told := values.Reader()
			for range values.Len {
				h.take(o.which, told.DataValue())
			}
			if o.point == nil && err == nil {
				h.over(o.which, nil)
			} else {
				more = append(more, o)
			}
		}
		left = more
		m.release()
		if broken == nil {
			broken = h.page()
		}
		if broken != nil {
			return without, broken
		}
	}
	return without, nil
}

// passing reports whether a refusal says nothing of what was asked for.
func passing(status StatusCode) bool {
	switch status {
	case StatusBadTimeout, StatusBadSessionIDInvalid, StatusBadSessionClosed, StatusBadSessionNotActivated, StatusBadSecureChannelIDInvalid:
		return true
	}
	return false
}

// take tells a value if it is of the span. One without a time, or of another time, as the
// server's last one for the end of the span, may not be believed to be.
func (h *histories) take(which int, d uabin.DataValue) {
	stamped := stampsOf(&d)
	if at := cmp.Or(stamped.source, stamped.server); at >= h.from && at < h.to {
		h.tell(which, d)
	}
}
