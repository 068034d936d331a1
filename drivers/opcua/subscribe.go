package opcua

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// standing is what a stream stands on: the session, the subscription, and what was said
// of each item. It outlives the stream, so that the next can take it up. One goroutine
// has it at a time.
type standing struct {
	src     *Source
	session *session
	sub     subscription
	nodes   []*ua.NodeID // of each item as requests carry it; nil where the namespace is unknown
	states  []itemState  // of the monitored items
	typeIDs typeIDs      // of whoever reads the stream
	types   *types       // of structures; nil if no field of one is wanted
	tracks  []track      // of each item; of whoever reads the stream
	told    []told       // of each item of events, with Backfill; likewise

	perItems, perRead, perRegister, perHistory int // the most in one request
	roundTrip                                  time.Duration
	lost                                       time.Time // when the stream before ended

	// Watermarks: of what was published, of what was polled, and given out.
	published, polled, promised acquire.Instant

	missed  *backfill
	resumed bool       // the subscription went on: what did not change is not told
	gap     bool       // values may be lost for good
	backlog []*message // what was published while we were away
	notes   []uabin.Notification
}

// subscription is one on the server, with what it made of our wishes.
type subscription struct {
	id        uint32 // 0: none
	interval  time.Duration
	keepAlive time.Duration
	lifetime  time.Duration
	expected  uint32 // sequence number of the message to come
}

// itemState is what became of a monitored item.
type itemState struct {
	status   StatusCode
	id       uint32
	sampling time.Duration // as revised
	queue    uint32        // as revised
	plain    bool          // of events: the server refuses to give those of conditions
	retry    time.Time     // when to try again, of one that was refused
	wait     time.Duration // before the next try
}

// Nodes of the server's own namespace (OPC 10000-6, annex A.3).
const (
	nodeNamespaceArray = 2255
	nodeMaxPerRead     = 11705 // OperationLimits.MaxNodesPerRead
	nodeMaxPerRegister = 11711
	nodeMaxPerItems    = 11714 // MaxMonitoredItemsPerCall
	nodeMaxPerHistory  = 12165 // MaxNodesPerHistoryReadData
)

// stand logs in and makes ready what a stream needs. old is what the stream before
// stood on, nil if there is none.
func (s *Source) stand(ctx context.Context, old *standing) (*standing, error) {
	var resume *session
	if old != nil && time.Since(old.lost) < old.session.timeout {
		resume = old.session
	}
	session, resumed, err := s.connector.login(ctx, resume)
	if err != nil {
		return nil, err
	}
	st := &standing{src: s, states: make([]itemState, s.monitored), tracks: make([]track, len(s.items)), missed: newBackfill(s.values)}
	if s.cfg.Backfill {
		for i := range s.items[s.values:s.monitored] {
			st.told = append(st.told, newTold(s.items[s.values+i].queue))
		}
	}
	if old != nil {
		*st = *old
		st.states, st.backlog, st.notes = slices.Clone(old.states), nil, nil
	}
	st.session, st.resumed, st.gap = session, false, false
	if err := st.prepare(ctx, resumed); err != nil {
		if !resumed {
			bounded, cancel := context.WithTimeout(ctx, time.Second)
			session.close(bounded, st.sub.id == 0)
			cancel()
		}
		session.channel.close()
		return nil, err
	}
	return st, nil
}

// prepare asks for what the server can do, and for the subscription.
func (st *standing) prepare(ctx context.Context, resumed bool) error {
	if !resumed || st.nodes == nil {
		if err := st.explore(ctx); err != nil {
			return err
		}
		if err := st.register(ctx); err != nil {
			return err
		}
	}
	if err := st.meet(ctx, resumed); err != nil {
		return err
	}
	if st.src.monitored == 0 {
		return nil
	}
	if st.sub.id != 0 && !resumed {
		if err := st.transfer(ctx); err != nil {
			return err
		}
	}
	if st.sub.id != 0 {
		st.resumed = true
		if err := st.catchUp(ctx); err != nil {
			return err
		}
	}
	if st.sub.id == 0 {
		return st.subscribe(ctx)
	}
	return nil
}

// explore reads the limits of the server and its namespaces.
func (st *standing) explore(ctx context.Context) error {
	request := &ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnNeither}
	for _, id := range []uint32{nodeNamespaceArray, nodeMaxPerRead, nodeMaxPerRegister, nodeMaxPerItems, nodeMaxPerHistory} {
		request.NodesToRead = append(request.NodesToRead, readValue(ua.NewNumericNodeID(0, id)))
	}
	sent := time.Now()
	m, r, err := st.session.request(ctx, request, "Read", uabin.ReadResponseID)
	if err != nil {
		return err
	}
	defer m.release()
	st.roundTrip = time.Since(sent)
	results := r.Read().Results
	if err := r.End(); err != nil {
		return &ProtocolError{Reason: "Read: " + err.Error()}
	}
	if results.Len != 5 {
		return &ProtocolError{Reason: "Read: not as many results as nodes"}
	}
	each := results.Reader()
	var namespaces []string
	if v := each.DataValue().Value; v.Type == uabin.TypeString && v.Array && !v.Malformed {
		e := v.Elements()
		for range v.Length {
			namespaces = append(namespaces, e.Text())
		}
	}
	for _, limit := range []*int{&st.perRead, &st.perRegister, &st.perItems, &st.perHistory} {
		*limit = min(perCall, st.src.cfg.MaxPerCall)
		if v := each.DataValue().Value; v.Type == uabin.TypeUInt32 && !v.Array && v.Bits > 0 {
			*limit = int(min(v.Bits, uint64(st.src.cfg.MaxPerCall)))
		}
	}
	st.typeIDs = typeIDs{namespaces: namespaces}
	st.nodes = make([]*ua.NodeID, len(st.src.items))
	for i := range st.src.items {
		st.nodes[i], _ = st.src.items[i].id.resolve(namespaces) // nil is said for each item
	}
	return nil
}

func readValue(node *ua.NodeID) *ua.ReadValueID {
	return &ua.ReadValueID{NodeID: node, AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}}
}

// register has the server make ready the nodes that are polled (OPC 10000-4, section
// 5.9.5). A server that does not is asked by their own ids.
func (st *standing) register(ctx context.Context) error {
	var known []int
	for i := st.src.monitored; i < len(st.nodes); i++ {
		if st.nodes[i] != nil {
			known = append(known, i)
		}
	}
	for len(known) > 0 {
		some := known[:min(len(known), st.perRegister)]
		request := &ua.RegisterNodesRequest{}
		for _, i := range some {
			request.NodesToRegister = append(request.NodesToRegister, st.nodes[i])
		}
		m, r, err := st.session.request(ctx, request, "RegisterNodes", uabin.RegisterResponseID)
		if tooLarge(err) && len(some) > 1 {
			st.perRegister = len(some) / 2
			continue
		}
		if _, refused := errors.AsType[*ServiceError](err); refused {
			return nil
		}
		if err != nil {
			return err
		}
		registered := r.Registered()
		each := registered.Reader()
		if r.End() == nil && registered.Len == len(some) {
			for _, i := range some {
				if id, err := nodeID(each.NodeID()); err == nil {
					st.nodes[i] = id
				}
			}
		}
		m.release()
		known = known[len(some):]
	}
	return nil
}

// tooLarge reports whether err says that a request asks for too much at once.
func tooLarge(err error) bool {
	refused, ok := errors.AsType[*ServiceError](err)
	if !ok {
		return false
	}
	switch refused.Status {
	case StatusBadTooManyOperations, StatusBadRequestTooLarge, StatusBadResponseTooLarge, StatusBadEncodingLimitsExceeded:
		return true
	}
	return false
}

// subscribe creates the subscription and its items.
func (st *standing) subscribe(ctx context.Context) error {
	cfg := &st.src.cfg
	st.resumed = false
	keepAlive := max(uint32(cfg.KeepAlive/cfg.Interval), 1)
	// OPC 10000-4, section 5.14.2.2: the lifetime is at least three times the keep-alive.
	lifetime := max(3*keepAlive, uint32(max(cfg.Outage, st.session.timeout)/cfg.Interval))
	m, r, err := st.session.request(ctx, &ua.CreateSubscriptionRequest{
		RequestedPublishingInterval: float64(cfg.Interval) / float64(time.Millisecond), RequestedMaxKeepAliveCount: keepAlive,
		RequestedLifetimeCount: lifetime, MaxNotificationsPerPublish: maxNotifications, PublishingEnabled: true,
	}, "CreateSubscription", uabin.SubscribeResponseID)
	if err != nil {
		return err
	}
	made := r.Subscribed()
	err = r.End()
	m.release()
	if err != nil {
		return &ProtocolError{Reason: "CreateSubscription: " + err.Error()}
	}
	interval := milliseconds(made.Interval)
	if interval <= 0 || made.ID == 0 {
		return &ProtocolError{Reason: "CreateSubscription: no interval, or no id"}
	}
	st.sub = subscription{
		id: made.ID, interval: interval, keepAlive: times(interval, made.KeepAlive), lifetime: times(interval, made.Lifetime), expected: 1,
	}
	all := make([]int, st.src.monitored)
	for i := range all {
		all[i] = i
		st.states[i] = itemState{}
	}
	return st.createItems(ctx, all)
}

// maxNotifications is the most values of one message. More come in the next, at once.
const maxNotifications = 10_000

// milliseconds returns a duration of the protocol, at most a day.
func milliseconds(ms float64) time.Duration {
	if !(ms > 0) {
		return 0
	}
	const most = 24 * time.Hour
	return time.Duration(min(ms, float64(most/time.Millisecond)) * float64(time.Millisecond))
}

// times returns n intervals, at most a day and at least one.
func times(interval time.Duration, n uint32) time.Duration {
	const most = 24 * time.Hour
	if int64(max(n, 1)) > int64(most/interval) {
		return most
	}
	return interval * time.Duration(max(n, 1))
}

// createItems asks for monitored items, in as many requests as the server wants. What
// is refused by itself is noted in states; the error is that of a service.
func (st *standing) createItems(ctx context.Context, which []int) error {
	for len(which) > 0 {
		some := which[:min(len(which), st.perItems)]
		request := &ua.CreateMonitoredItemsRequest{SubscriptionID: st.sub.id, TimestampsToReturn: ua.TimestampsToReturnBoth}
		asked := make([]int, 0, len(some))
		for _, i := range some {
			create := st.wish(i)
			if create == nil {
				st.states[i].refuse(StatusBadNodeIDUnknown)
				continue
			}
			asked = append(asked, i)
			request.ItemsToCreate = append(request.ItemsToCreate, create)
		}
		if len(asked) == 0 {
			which = which[len(some):]
			continue
		}
		m, r, err := st.session.request(ctx, request, "CreateMonitoredItems", uabin.CreateItemsResponseID)
		if tooLarge(err) && len(asked) > 1 {
			st.perItems = len(asked) / 2
			continue
		}
		if err != nil {
			return err
		}
		created := r.CreatedItems()
		if err := r.End(); err != nil || created.Len != len(asked) {
			m.release()
			return &ProtocolError{Reason: "CreateMonitoredItems: not as many results as items"}
		}
		each := created.Reader()
		which = which[len(some):]
		for _, i := range asked {
			c := each.CreatedItem()
			state := &st.states[i]
			switch {
			case !c.Status.IsBad():
				*state = itemState{status: StatusCode(c.Status), id: c.ID, sampling: milliseconds(c.Sampling), queue: c.Queue, plain: state.plain}
			case st.src.items[i].events != nil && !state.plain && filterRefused(StatusCode(c.Status)):
				state.plain = true
				which = append(slices.Clip(which), i) // at once
			default:
				state.refuse(StatusCode(c.Status))
			}
		}
		m.release()
	}
	return nil
}

// wish returns the request for an item, nil if it is of a namespace that the server does
// not have.
func (st *standing) wish(i int) *ua.MonitoredItemCreateRequest {
	it := &st.src.items[i]
	switch {
	case st.nodes[i] == nil:
		return nil
	case it.events == nil:
		return it.request(st.nodes[i], handle(i))
	}
	request, err := it.eventsRequest(st.nodes[i], st.typeIDs.namespaces, handle(i), st.states[i].plain)
	if err != nil {
		return nil
	}
	return request
}

// handle is what we call an item to the server; 0 is none.
func handle(i int) uint32 { return uint32(i) + 1 }

// itemOf is the reverse of handle, false of one that we did not give.
func itemOf(handle uint32, items []item) (i int, ok bool) {
	if handle == 0 || uint64(handle) > uint64(len(items)) {
		return 0, false
	}
	return int(handle) - 1, true
}

// Waits before an item that was refused is asked for again.
const (
	firstRetry = 10 * time.Second
	lastRetry  = 5 * time.Minute
)

func (s *itemState) refuse(status StatusCode) {
	s.status, s.id, s.plain = status, 0, false
	s.wait = min(max(2*s.wait, firstRetry), lastRetry)
	s.retry = time.Now().Add(s.wait)
}

// refused reports whether there is no monitored item.
func (s *itemState) refused() bool { return s.id == 0 && s.status>>31 == 1 }

// request returns the request for a monitored item.
func (it *item) request(node *ua.NodeID, handle uint32) *ua.MonitoredItemCreateRequest {
	filter := ua.NewExtensionObject(nil)
	if it.deadband > 0 || it.timestamps {
		f := &ua.DataChangeFilter{Trigger: ua.DataChangeTriggerStatusValue}
		if it.timestamps {
			f.Trigger = ua.DataChangeTriggerStatusValueTimestamp
		}
		if it.deadband > 0 {
			f.DeadbandType, f.DeadbandValue = uint32(ua.DeadbandTypeAbsolute), it.deadband
			if it.percent {
				f.DeadbandType = uint32(ua.DeadbandTypePercent)
			}
		}
		filter = ua.NewExtensionObject(f)
	}
	return &ua.MonitoredItemCreateRequest{
		ItemToMonitor: readValue(node), MonitoringMode: ua.MonitoringModeReporting,
		RequestedParameters: &ua.MonitoringParameters{
			ClientHandle: handle, SamplingInterval: it.sampling, Filter: filter, QueueSize: it.queue, DiscardOldest: !it.keepOldest,
		},
	}
}

// transfer takes the subscription over into a new session (OPC 10000-4, section
// 5.14.7). Without success it is given up.
func (st *standing) transfer(ctx context.Context) error {
	m, r, err := st.session.request(ctx, &ua.TransferSubscriptionsRequest{SubscriptionIDs: []uint32{st.sub.id}}, "TransferSubscriptions", uabin.TransferResponseID)
	if _, refused := errors.AsType[*ServiceError](err); refused {
		st.abandon()
		return nil
	}
	if err != nil {
		return err
	}
	defer m.release()
	results := r.TransferredAll()
	each := results.Reader()
	if r.End() != nil || results.Len != 1 || each.Transferred().Status.IsBad() {
		st.abandon()
	}
	return nil
}

// abandon gives the subscription up: what it held is lost.
func (st *standing) abandon() { st.sub, st.gap, st.resumed = subscription{}, true, false }

// Limits of what is fetched of the time that we were away.
const (
	maxBacklog      = 10_000   // messages
	maxBacklogBytes = 64 << 20 // of them
)

// catchUp asks for the messages that were published while we were away, until there is
// none. A server that does not know the subscription any more loses it.
func (st *standing) catchUp(ctx context.Context) error {
	for size := 0; len(st.backlog) < maxBacklog && size < maxBacklogBytes; {
		m, n, err := st.republish(ctx, st.sub.expected, st.session.cfg.request)
		refused, ok := errors.AsType[*ServiceError](err)
		switch {
		case ok && (refused.Status == StatusBadSubscriptionIDInvalid || refused.Status == StatusBadNoSubscription):
			st.abandon()
			return nil
		case ok: // there are no more, or the server keeps none: then the numbers will tell
			return nil
		case err != nil:
			return err
		}
		size += len(m.body)
		st.backlog, st.notes = append(st.backlog, m), append(st.notes, n)
		st.sub.expected = following(st.sub.expected)
	}
	return nil
}

// republish asks for one message again.
func (st *standing) republish(ctx context.Context, number uint32, timeout time.Duration) (*message, uabin.Notification, error) {
	m, r, err := st.session.channel.request(ctx, &ua.RepublishRequest{SubscriptionID: st.sub.id, RetransmitSequenceNumber: number},
		st.session.token, "Republish", uabin.RepublishResponseID, timeout)
	if err != nil {
		return nil, uabin.Notification{}, err
	}
	n := r.Notification()
	if err := r.End(); err != nil || n.Sequence != number {
		m.release()
		return nil, n, &ProtocolError{Reason: "Republish: not the message that was asked for"}
	}
	return m, n, nil
}

// following is the number of the message after another (OPC 10000-4, section 5.14.1.2:
// 0 is left out).
func following(number uint32) uint32 {
	if number == math.MaxUint32 {
		return 1
	}
	return number + 1
}
