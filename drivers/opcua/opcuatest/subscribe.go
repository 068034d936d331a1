package opcuatest

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"
)

// subscription is a subscription with a goroutine that publishes. All its fields belong to the server's mu.
type subscription struct {
	server    *Server
	id        uint32
	owner     *session // nil if its session has left it
	interval  time.Duration
	lifetime  uint32 // intervals without a PublishRequest that it lives
	keepAlive uint32 // intervals without news until it says that there are none
	most      int    // notifications in a message; 0 means any number
	enabled   bool
	items     map[uint32]*item
	order     []*item
	turn      int    // of order, where the next message begins
	data      []byte // for compose

	sequence uint32 // of the last message
	retained []retained
	idle     uint32 // intervals since the last message
	unheard  uint32 // intervals without a PublishRequest
	first    bool   // nothing was sent yet
	late     bool   // there is something to send and no request
	changed  chan struct{}
	done     chan struct{}
	ended    bool
}

// retained is a message that can be had again: a NotificationMessage behind its sequence number.
type retained struct {
	sequence uint32
	message  []byte
}

// subscribe answers a CreateSubscriptionRequest.
func (s *Server) subscribe(e *session, r *ua.CreateSubscriptionRequest) (*response, Status) {
	if s.limits.Subscriptions > 0 && len(s.subscriptions) >= s.limits.Subscriptions || s.closed {
		return nil, badTooManySubs
	}
	b := &subscription{
		server: s, id: s.next(), owner: e, items: make(map[uint32]*item), enabled: r.PublishingEnabled, first: true,
		changed: make(chan struct{}, 1), done: make(chan struct{}),
	}
	b.revise(r.RequestedPublishingInterval, r.RequestedLifetimeCount, r.RequestedMaxKeepAliveCount, r.MaxNotificationsPerPublish)
	s.subscriptions[b.id] = b
	s.running.Add(1)
	go b.run(b.interval)
	return &response{encoding: 790, body: b.revised(appendBare(nil, b.id))}, 0
}

// revise takes over what a client wants, within limits (OPC 10000-4, section 5.13.2).
func (b *subscription) revise(interval float64, lifetime, keepAlive, most uint32) {
	l := b.server.limits
	b.interval = l.Publishing
	if interval > 0 {
		b.interval = max(l.Publishing, time.Duration(min(interval, 3.6e6)*float64(time.Millisecond)))
	}
	b.keepAlive = min(max(keepAlive, 1), 100_000)
	if l.KeepAlive > 0 {
		b.keepAlive = min(b.keepAlive, uint32(l.KeepAlive))
	}
	b.lifetime = max(min(lifetime, 1_000_000), 3*b.keepAlive)
	b.most = int(min(most, 1<<30))
}

func (b *subscription) revised(out []byte) []byte {
	return appendBare(appendBare(appendBare(out, milliseconds(b.interval)), b.lifetime), b.keepAlive)
}

// run publishes at each interval until the subscription ends.
func (b *subscription) run(interval time.Duration) {
	s := b.server
	defer s.running.Done()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-b.done:
			return
		case <-b.changed:
			s.mu.Lock()
			interval = b.interval
			s.mu.Unlock()
			ticker.Reset(interval)
		case <-ticker.C:
			s.mu.Lock()
			b.tick()
			s.mu.Unlock()
		}
	}
}

// tick is one interval (OPC 10000-4, section 5.13.1.2).
func (b *subscription) tick() {
	if b.ended {
		return
	}
	now := b.server.cfg.Now().UnixNano()
	for _, i := range b.order {
		i.catchUp(now)
	}
	if b.owner == nil || len(b.owner.publishing) == 0 {
		if b.unheard++; b.unheard >= b.lifetime {
			if b.owner != nil {
				b.owner.changes = append(b.owner.changes, change{b.id, badTimeout})
			}
			b.server.endSubscription(b)
			return
		}
	} else {
		b.unheard = 0
	}
	b.idle++
	if b.late = b.first || b.idle >= b.keepAlive || b.enabled && b.waiting(); b.late {
		b.flush()
	}
}

// waiting reports whether there is a notification.
func (b *subscription) waiting() bool {
	return slices.ContainsFunc(b.order, (*item).waiting)
}

// flush sends what is there, as far as there are requests to answer.
func (b *subscription) flush() {
	for b.late && b.owner != nil && b.owner.conn != nil && len(b.owner.publishing) > 0 {
		e := b.owner
		p := e.publishing[0]
		e.publishing = e.publishing[1:]
		note := Notification{Subscription: b.id, Sequence: b.sequence%0xFFFF_FFFF + 1}
		var message []byte
		if b.enabled && b.waiting() {
			message = b.compose()
			b.sequence = note.Sequence
			if b.retained = append(b.retained, retained{note.Sequence, message}); len(b.retained) > b.server.limits.Retained {
				b.retained = b.retained[1:]
			}
		} else { // a keep-alive, with the number of the next message
			message = appendLength(appendTime(nil, b.server.cfg.Now()), 0)
		}
		b.first, b.idle = false, 0
		note.More = b.enabled && b.waiting()
		b.late = note.More
		for _, m := range b.retained {
			note.Available = append(note.Available, m.sequence)
		}
		e.conn.publish(p, note, message)
	}
}

// compose takes notifications out of the queues, in turn: a NotificationMessage behind its sequence number.
func (b *subscription) compose() []byte {
	s := b.server
	room := b.most
	if room == 0 {
		room = 1 << 30
	}
	values, events := 0, 0
	data, happened := b.data[:0], []byte(nil)
	for n := range len(b.order) {
		at := (b.turn + n) % len(b.order)
		i := b.order[at]
		if i.mode != ua.MonitoringModeReporting {
			continue
		}
		gone := min(len(i.queue), room-values-events)
		for _, q := range i.queue[:gone] {
			data = binary.LittleEndian.AppendUint32(data, i.handle)
			data = appendDataValue(data, q.reading, q.at, i.stamps)
		}
		i.queue = append(i.queue[:0], i.queue[gone:]...)
		values += gone
		for len(i.events) > 0 && values+events < room {
			happened = append(appendBare(happened, i.handle), i.events[0]...)
			i.events, i.lost = i.events[1:], false
			events++
		}
		if values+events == room {
			b.turn = at
			break
		}
	}
	b.data = data
	s.stats.Notifications += uint64(values + events)
	parts := 0
	out := make([]byte, 0, len(data)+len(happened)+64)
	wrap := func(encoding uint32, count int, list []byte, diagnostics bool) {
		if count == 0 {
			return
		}
		parts++
		out = append(appendNumeric(out, encoding), 1, 0, 0, 0, 0)
		at := len(out)
		out = append(appendLength(out, count), list...)
		if diagnostics {
			out = noDiagnostics(out)
		}
		binary.LittleEndian.PutUint32(out[at-4:], uint32(len(out)-at))
	}
	wrap(811, values, data, true)      // DataChangeNotification
	wrap(916, events, happened, false) // EventNotificationList
	return append(appendLength(appendTime(nil, s.cfg.Now()), parts), out...)
}

// publish answers a PublishRequest.
func (c *conn) publish(p publishing, note Notification, message []byte) {
	c.send(&response{
		service: "Publish", kind: "MSG", request: p.request, handle: p.handle, encoding: 829, note: &note,
		published: func(n Notification) []byte {
			b := appendBare(nil, n.Subscription)
			b = appendBare(appendBare(b, n.Available), n.More)
			b = append(appendBare(b, n.Sequence), message...)
			return noDiagnostics(appendBare(b, p.results))
		},
	})
}

// publish takes a PublishRequest in.
func (s *Server) publish(e *session, r *ua.PublishRequest, id uint32) (*response, Status) {
	p := publishing{request: id, handle: r.RequestHeader.RequestHandle, results: make([]Status, len(r.SubscriptionAcknowledgements))}
	for i, a := range r.SubscriptionAcknowledgements {
		b := s.subscriptions[a.SubscriptionID]
		if b == nil || b.owner != e {
			p.results[i] = badSubscriptionInvalid
			continue
		}
		at := slices.IndexFunc(b.retained, func(m retained) bool { return m.sequence == a.SequenceNumber })
		if at < 0 {
			p.results[i] = badSequenceUnknown
			continue
		}
		b.retained = slices.Delete(b.retained, at, at+1)
	}
	if len(e.changes) > 0 {
		change := e.changes[0]
		e.changes = e.changes[1:]
		message := appendLength(appendTime(nil, s.cfg.Now()), 1)
		message = append(appendNumeric(message, 820), 1, 5, 0, 0, 0) // StatusChangeNotification
		e.conn.publish(p, Notification{Subscription: change.subscription, Sequence: 1}, append(appendBare(message, change.status), 0))
		return nil, 0
	}
	var mine []*subscription
	for _, b := range s.subscriptions {
		if b.owner == e {
			mine = append(mine, b)
		}
	}
	if len(mine) == 0 {
		return nil, badNoSubscription
	}
	if len(e.publishing) >= s.limits.PublishRequests {
		first := e.publishing[0]
		e.publishing = e.publishing[1:]
		e.conn.fail("Publish", first.request, first.handle, badTooManyPublish)
	}
	e.publishing = append(e.publishing, p)
	// Those that wait longest go first.
	slices.SortFunc(mine, func(a, b *subscription) int { return int(b.idle) - int(a.idle) })
	for _, b := range mine {
		b.unheard = 0
		b.flush()
	}
	return nil, 0
}

func (s *Server) republish(e *session, r *ua.RepublishRequest) (*response, Status) {
	b, status := s.owned(e, r.SubscriptionID)
	if status != 0 {
		return nil, status
	}
	at := slices.IndexFunc(b.retained, func(m retained) bool { return m.sequence == r.RetransmitSequenceNumber })
	if at < 0 {
		return nil, badNotAvailable
	}
	message := b.retained[at].message
	return &response{encoding: 835, note: &Notification{Subscription: b.id, Sequence: r.RetransmitSequenceNumber}, published: func(n Notification) []byte {
		return append(appendBare(nil, n.Sequence), message...)
	}}, 0
}

// owned finds a subscription of a session.
func (s *Server) owned(e *session, id uint32) (*subscription, Status) {
	b := s.subscriptions[id]
	if b == nil || b.owner != e {
		return nil, badSubscriptionInvalid
	}
	b.unheard = 0
	return b, 0
}

func (s *Server) modifySubscription(e *session, r *ua.ModifySubscriptionRequest) (*response, Status) {
	b, status := s.owned(e, r.SubscriptionID)
	if status != 0 {
		return nil, status
	}
	b.revise(r.RequestedPublishingInterval, r.RequestedLifetimeCount, r.RequestedMaxKeepAliveCount, r.MaxNotificationsPerPublish)
	select {
	case b.changed <- struct{}{}:
	default:
	}
	return &response{encoding: 796, body: b.revised(nil)}, 0
}

func (s *Server) setPublishing(e *session, r *ua.SetPublishingModeRequest) (*response, Status) {
	return s.each(799, r.SubscriptionIDs, func(id uint32) Status {
		b, status := s.owned(e, id)
		if status == 0 {
			b.enabled = r.PublishingEnabled
		}
		return status
	})
}

func (s *Server) deleteSubscriptions(e *session, r *ua.DeleteSubscriptionsRequest) (*response, Status) {
	return s.each(850, r.SubscriptionIDs, func(id uint32) Status {
		b, status := s.owned(e, id)
		if status == 0 {
			s.endSubscription(b)
			s.release(e)
		}
		return status
	})
}

// release answers the PublishRequests of a session that has no subscription any more.
func (s *Server) release(e *session) {
	for _, b := range s.subscriptions {
		if b.owner == e {
			return
		}
	}
	for _, p := range e.publishing {
		e.conn.fail("Publish", p.request, p.handle, badNoSubscription)
	}
	e.publishing = nil
}

// each does something for each id and answers with the list of what became of it.
func (s *Server) each(encoding uint32, ids []uint32, do func(id uint32) Status) (*response, Status) {
	if len(ids) == 0 {
		return nil, badNothingToDo
	}
	b := appendLength(nil, len(ids))
	for _, id := range ids {
		b = appendBare(b, do(id))
	}
	return &response{encoding: encoding, body: noDiagnostics(b)}, 0
}

func (s *Server) transfer(e *session, r *ua.TransferSubscriptionsRequest) (*response, Status) {
	if len(r.SubscriptionIDs) == 0 {
		return nil, badNothingToDo
	}
	out := appendLength(nil, len(r.SubscriptionIDs))
	for _, id := range r.SubscriptionIDs {
		b := s.subscriptions[id]
		if b == nil {
			out = appendLength(appendBare(out, badSubscriptionInvalid), -1)
			continue
		}
		if before := b.owner; before != nil && before != e {
			before.changes = append(before.changes, change{id, goodTransferred})
		}
		b.owner, b.unheard = e, 0
		var available []uint32
		for _, m := range b.retained {
			available = append(available, m.sequence)
		}
		out = appendBare(appendBare(out, Status(0)), available)
		if !r.SendInitialValues {
			continue
		}
		for _, i := range b.order {
			if i.sampled && len(i.queue) == 0 {
				i.queue = append(i.queue, queued{i.last, s.cfg.Now()})
			}
		}
	}
	return &response{encoding: 844, body: noDiagnostics(out)}, 0
}

// endSubscription forgets a subscription.
func (s *Server) endSubscription(b *subscription) {
	if b.ended {
		return
	}
	b.ended = true
	close(b.done)
	delete(s.subscriptions, b.id)
	for _, i := range b.order {
		delete(s.watchers[i.node], i)
	}
}
