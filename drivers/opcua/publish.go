package opcua

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// Bounds of the publishing engine.
const (
	leastPublishes = 2   // requests under way
	mostPublishes  = 5   // of them
	mostReads      = 4   // polls under way
	mostMissing    = 100 // messages of a gap that are asked for again
	mostFaults     = 10  // refused publish requests in a row
)

// pump is the goroutine behind a stream. It alone sends on the channel: publish
// requests, polls, and what keeps the subscription right. What comes goes into the
// queue, from which the stream takes it.
type pump struct {
	*standing
	queue   *queue
	channel *channel
	stop    chan struct{} // closed by the stream
	done    chan struct{}
	fetched chan struct{} // closed when nothing asks for history any more

	sink    chan *call
	flights []flight
	wanted  int                     // publish requests to be under way
	faults  int                     // refused in a row
	acks    []uabin.Acknowledgement // to be sent
	body    []byte

	heard    time.Time     // when the server said something of the subscription last
	patience time.Duration // how long it may be silent
	renewed  time.Time     // when the subscription was created anew last
	retry    time.Time     // when refused items are due; zero: there are none
	settling *settling     // nil when every item has been heard of

	polls polls
}

// flight is a request under way.
type flight struct {
	call *call
	sub  uint32 // of a publish request: the subscription that it was sent for
	part *part  // of a poll; nil: a publish request
}

// settling follows which items have been heard of since the subscription was taken up.
// While some have not, the watermark waits for them.
type settling struct {
	heard []bool
	left  int
}

func newPump(st *standing, q *queue) *pump {
	p := &pump{
		standing: st, queue: q, channel: st.session.channel, stop: make(chan struct{}), done: make(chan struct{}), fetched: make(chan struct{}),
		sink: make(chan *call, mostPublishes+mostReads+1), heard: time.Now(),
	}
	p.arm()
	p.polls.plan(st)
	return p
}

// arm sets what follows from the subscription.
func (p *pump) arm() {
	if p.sub.id == 0 {
		return
	}
	p.patience = max(2*p.sub.keepAlive, p.sub.keepAlive+3*p.sub.interval/2)
	p.wanted = min(max(leastPublishes+int(p.roundTrip/p.sub.interval), leastPublishes), mostPublishes)
	p.heard, p.faults, p.acks = time.Now(), 0, p.acks[:0]
	p.settling = &settling{heard: make([]bool, len(p.states))}
	for i := range p.states {
		// Nobody says at once what events there were, so that they are not waited for; of a
		// subscription that went on, that there were none is said in the end.
		if p.states[i].refused() || p.src.items[i].events != nil && !p.resumed {
			p.settling.heard[i] = true
			continue
		}
		p.settling.left++
	}
}

// run works until the stream wants no more, or the link is lost.
func (p *pump) run() {
	defer close(p.done)
	go func() {
		defer close(p.fetched)
		if p.src.cfg.Backfill {
			p.fetch()
		}
	}()
	if err := p.work(); err != nil {
		p.queue.fail(err)
		return
	}
	p.leave()
}

func (p *pump) work() error {
	if p.gap {
		p.queue.push(entry{kind: gapEntry, received: p.now()})
	}
	for i, m := range p.backlog {
		p.take(m, p.notes[i], true)
	}
	p.backlog, p.notes = nil, nil
	p.sayRefused(func(*itemState) bool { return true })
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := p.publish(); err != nil {
			return err
		}
		timer.Reset(max(time.Until(p.next()), 0))
		select {
		case <-p.stop:
			return nil
		case k := <-p.sink:
			if err := p.answer(k); err != nil {
				return err
			}
		case <-p.channel.ended:
			for { // what came before the end is not lost
				select {
				case k := <-p.sink:
					if err := p.answer(k); err != nil {
						return err
					}
					continue
				default:
				}
				return p.channel.err()
			}
		case <-timer.C:
			if err := p.wake(); err != nil {
				return err
			}
		}
	}
}

// now returns the stamp of this moment.
func (p *pump) now() acquire.Instant { return acquire.At(p.src.cfg.Client.Now()) }

// next returns when there is something to be done, whatever comes.
func (p *pump) next() time.Time {
	at := p.nextPoll()
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	sooner(p.retry)
	if p.sub.id != 0 {
		sooner(p.heard.Add(p.patience))
	}
	if at.IsZero() {
		at = time.Now().Add(time.Hour)
	}
	return at
}

// wake does what is due.
func (p *pump) wake() error {
	now := time.Now()
	if p.sub.id != 0 && now.Sub(p.heard) >= p.patience {
		p.src.connector.counters.timeouts.Add(1)
		return &TimeoutError{Service: "Publish", After: p.patience}
	}
	if !p.retry.IsZero() && !now.Before(p.retry) {
		if err := p.retryItems(now); err != nil {
			return err
		}
	}
	return p.pollDue(now)
}

// bounded returns a context that ends with the stream.
func (p *pump) bounded() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(stopping{p.stop})
	return ctx, cancel
}

// stopping is a context that ends when its channel is closed.
type stopping struct{ stop <-chan struct{} }

func (s stopping) Deadline() (time.Time, bool) { return time.Time{}, false }
func (s stopping) Done() <-chan struct{}       { return s.stop }
func (s stopping) Value(any) any               { return nil }
func (s stopping) Err() error {
	select {
	case <-s.stop:
		return context.Canceled
	default:
		return nil
	}
}

// publish sends as many publish requests as are to be under way.
func (p *pump) publish() error {
	if p.sub.id == 0 {
		return nil
	}
	under := 0
	for i := range p.flights {
		if p.flights[i].part == nil && p.flights[i].sub == p.sub.id {
			under++
		}
	}
	for ; under < p.wanted; under++ {
		if len(p.flights) >= cap(p.sink) {
			return nil // requests for a subscription that was lost are still to be answered
		}
		k, body, err := p.channel.post(p.encodePublish, p.body, p.sink, p.src.cfg.Client.Timeout)
		p.body = body
		if err != nil {
			return err
		}
		p.acks = p.acks[:0]
		p.flights = append(p.flights, flight{call: k, sub: p.sub.id})
		p.src.tally.Update(func(s *acquire.Stats) { s.Requests++ })
	}
	return nil
}

func (p *pump) encodePublish(dst []byte, handle uint32) []byte {
	return uabin.AppendPublish(p.session.begin(dst, uabin.PublishRequestID, handle, 0), p.acks)
}

// answer handles the answer to a request under way.
func (p *pump) answer(k *call) error {
	for i := range p.flights {
		if p.flights[i].call != k {
			continue
		}
		f := p.flights[i]
		p.flights[i] = p.flights[len(p.flights)-1]
		p.flights = p.flights[:len(p.flights)-1]
		if f.part != nil {
			return p.polled(f)
		}
		return p.published(f)
	}
	k.got.release() // given up meanwhile
	return nil
}

// published handles the answer to a publish request.
func (p *pump) published(f flight) error {
	m, r, err := p.channel.judge(f.call, f.call.got, "Publish", uabin.PublishResponseID)
	if err != nil {
		return p.refused(f, err)
	}
	answer := r.Publish()
	if err := r.End(); err != nil {
		m.release()
		p.src.tally.Update(func(s *acquire.Stats) { s.Malformed++ })
		return &ProtocolError{Reason: "Publish: " + err.Error()}
	}
	if answer.Subscription != p.sub.id {
		m.release()
		p.src.connector.counters.late.Add(1)
		return nil
	}
	n := answer.Notification
	keepAlive := n.Data.Len == 0
	switch ahead := int32(n.Sequence - p.sub.expected); {
	case ahead < 0 && keepAlive:
	case ahead < -mostMissing: // the server numbers anew: what is between cannot be known
		p.queue.push(entry{kind: gapEntry, received: p.now()})
		p.sub.expected = n.Sequence
	case ahead < 0: // it came before, and is no sign of life: the next may be as old
		m.release()
		p.src.connector.counters.late.Add(1)
		return nil
	case ahead > 0:
		if err := p.fill(n.Sequence); err != nil {
			m.release()
			return err
		}
	}
	p.faults, p.heard = 0, time.Now()
	if keepAlive {
		p.queue.push(entry{kind: timeEntry, received: p.now(), promise: p.promise(n)})
		m.release()
		return p.settle()
	}
	p.sub.expected = following(n.Sequence)
	available := answer.Available.Reader()
	for range answer.Available.Len {
		if available.Uint32() == n.Sequence {
			p.acks = append(p.acks, uabin.Acknowledgement{Subscription: p.sub.id, Sequence: n.Sequence})
			break
		}
	}
	gone := p.take(m, n, answer.More)
	if gone != 0 {
		return p.renew(&ServiceError{Service: "Publish", Status: gone})
	}
	if !answer.More {
		return p.settle()
	}
	return nil
}

// promise returns the watermark after a message, unknown while it must wait.
func (p *pump) promise(n uabin.Notification) acquire.Instant {
	if p.settling != nil {
		return 0
	}
	at := p.now()
	if ns, ok := n.Time.Unix(); ok {
		at = acquire.Instant(ns)
	}
	return at.Add(-p.src.cfg.Lateness)
}

// refused handles the fault of a publish request.
func (p *pump) refused(f flight, err error) error {
	fault, ok := errors.AsType[*ServiceError](err)
	if !ok {
		return err
	}
	p.src.tally.Update(func(s *acquire.Stats) { s.Exceptions++ })
	if f.sub != p.sub.id {
		return nil
	}
	switch p.faults++; {
	case p.faults > mostFaults:
		return err
	case fault.Status == StatusBadNoSubscription || fault.Status == StatusBadSubscriptionIDInvalid:
		return p.renew(err)
	case fault.Status == StatusBadTooManyPublishRequests && p.wanted > 1:
		p.wanted--
		return nil
	case fault.Status == StatusBadTimeout:
		return nil
	}
	return err
}

// fill fetches what lies between the message that is expected and one that came, and
// says what cannot be had.
func (p *pump) fill(until uint32) error {
	missing := until - p.sub.expected
	lost := missing > mostMissing
	ctx, cancel := p.bounded()
	defer cancel()
	for ; !lost && p.sub.expected != until; p.sub.expected = following(p.sub.expected) {
		if p.sub.expected == 0 {
			continue
		}
		m, n, err := p.republish(ctx, p.sub.expected, min(p.src.cfg.Client.Timeout, p.patience))
		if _, refused := errors.AsType[*ServiceError](err); refused {
			lost = true
			break
		}
		if err != nil {
			return err
		}
		p.acks = append(p.acks, uabin.Acknowledgement{Subscription: p.sub.id, Sequence: n.Sequence})
		p.take(m, n, true)
	}
	if lost {
		p.src.cfg.Client.Logger.Warn("opcua: messages were lost", slog.String("source", p.src.cfg.Name), slog.Uint64("messages", uint64(until-p.sub.expected)))
		p.queue.push(entry{kind: gapEntry, received: p.now(), promise: 0})
		p.sub.expected = until
	}
	return nil
}

// take puts a message into the queue. It returns the status of the subscription if
// that has ended.
func (p *pump) take(m *message, n uabin.Notification, more bool) (gone StatusCode) {
	e := entry{kind: dataEntry, message: m, received: p.now()}
	each := n.Data.Reader()
	for range n.Data.Len {
		o := each.ExtensionObject()
		if o.Type.Kind != uabin.Numeric || o.Type.Namespace != 0 || !o.Binary {
			continue
		}
		switch o.Type.Number {
		case uabin.DataChangeID:
			list, err := o.Items()
			if err != nil {
				p.malformed(err)
				continue
			}
			if p.settling != nil || p.types != nil {
				p.note(list)
			}
			e.list.add(list)
		case uabin.EventListID:
			list, err := o.Events()
			if err != nil {
				p.malformed(err)
				continue
			}
			each := list.Reader()
			for range list.Len {
				p.hear(each.Event().Handle)
			}
			e.events.add(list)
		case uabin.StatusChangeID:
			status, err := o.StatusChange()
			if err != nil {
				p.malformed(err)
				continue
			}
			if status.IsBad() || StatusCode(status) == StatusGoodSubscriptionTransferred {
				gone = StatusCode(status)
			}
		}
	}
	if !more && p.settling != nil && p.settling.left == 0 {
		p.settling = nil
	}
	if !more {
		e.promise = p.promise(n)
	}
	p.queue.push(e)
	return gone
}

// note looks at what came before anybody decodes it.
func (p *pump) note(list uabin.List) {
	each := list.Reader()
	for range list.Len {
		n := each.Item()
		p.hear(n.Handle)
		if i, ok := itemOf(n.Handle, p.src.items[:p.src.values]); ok {
			p.acquaint(i, &n.Value.Value)
		}
	}
}

// acquaint has the types learnt that a value needs. When the link is lost over it, the
// pump gets to know that otherwise.
func (p *pump) acquaint(i int, v *uabin.Variant) {
	if p.types == nil || !p.src.items[i].fields() {
		return
	}
	ctx, cancel := p.bounded()
	defer cancel()
	if asked, _ := p.src.items[i].acquaint(ctx, p.types, v); asked {
		p.heard = time.Now() // nobody listened meanwhile
	}
}

// malformed says of all monitored items that something of them could not be read.
func (p *pump) malformed(err error) {
	p.src.tally.Update(func(s *acquire.Stats) { s.Malformed++ })
	p.src.cfg.Client.Logger.Warn("opcua: notification cannot be read", slog.String("source", p.src.cfg.Name), slog.Any("error", err))
	e := entry{kind: statusEntry, received: p.now()}
	for i := range p.states {
		e.statuses = append(e.statuses, itemStatus{i, badProtocol})
	}
	p.queue.push(e)
}

// hear notes that there is news of an item.
func (p *pump) hear(handle uint32) {
	if i, ok := itemOf(handle, p.src.items[:p.src.monitored]); ok && p.settling != nil && !p.settling.heard[i] {
		p.settling.heard[i] = true
		p.settling.left--
	}
}

// settle is called when the server has said all that it has to. Of a subscription that
// went on, what did not change while we were away is read: a host was told meanwhile
// that it is bad. Events cannot be read: until there is one, they are waited for.
func (p *pump) settle() error {
	s := p.settling
	if s == nil {
		return nil
	}
	if p.resumed {
		p.resumed = false
		var unheard []int
		quiet := entry{kind: statusEntry, received: p.now()}
		for i, heard := range s.heard {
			switch {
			case heard || p.states[i].refused():
			case p.src.items[i].events != nil:
				quiet.statuses = append(quiet.statuses, itemStatus{i, badWaiting})
			default:
				unheard = append(unheard, i)
			}
		}
		if len(quiet.statuses) > 0 {
			p.queue.push(quiet)
		}
		p.polls.refresh(p.standing, unheard)
		if err := p.sendReads(time.Now()); err != nil {
			return err
		}
	}
	if s.left == 0 || p.polls.refreshing == 0 {
		p.settling = nil
	}
	return nil
}

// renew creates the subscription anew after the server dropped it for a reason.
func (p *pump) renew(reason error) error {
	if time.Since(p.renewed) < time.Second {
		return reason
	}
	p.renewed = time.Now()
	p.src.cfg.Client.Logger.Warn("opcua: subscription was dropped", slog.String("source", p.src.cfg.Name), slog.Any("error", reason))
	old, states := p.sub, slices.Clone(p.states)
	p.abandon()
	ctx, cancel := p.bounded()
	defer cancel()
	if err := p.subscribe(ctx); err != nil {
		// The next stream finds out what is left: a server that ends the session first
		// lets another one take the subscription over.
		p.sub, p.states, p.gap = old, states, false
		return err
	}
	p.gap = false
	p.src.agree(p.standing)
	p.queue.push(entry{kind: gapEntry, received: p.now()})
	p.arm()
	p.sayRefused(func(*itemState) bool { return true })
	return nil
}

// sayRefused puts the status of refused items into the queue, and notes when the next
// of all is due.
func (p *pump) sayRefused(which func(*itemState) bool) {
	e := entry{kind: statusEntry, received: p.now()}
	p.retry = time.Time{}
	for i := range p.states {
		s := &p.states[i]
		if !s.refused() {
			continue
		}
		if p.retry.IsZero() || s.retry.Before(p.retry) {
			p.retry = s.retry
		}
		if which(s) {
			e.statuses = append(e.statuses, itemStatus{i, s.status.quality()})
		}
	}
	if len(e.statuses) > 0 {
		p.queue.push(e)
	}
}

// retryItems asks again for items that were refused.
func (p *pump) retryItems(now time.Time) error {
	var due []int
	for i := range p.states {
		if s := &p.states[i]; s.refused() && !now.Before(s.retry) {
			due = append(due, i)
		}
	}
	ctx, cancel := p.bounded()
	defer cancel()
	err := p.createItems(ctx, due)
	if _, refused := errors.AsType[*ServiceError](err); refused {
		for _, i := range due {
			if s := &p.states[i]; s.refused() && !now.Before(s.retry) {
				s.refuse(s.status)
			}
		}
		err = nil
	}
	p.src.agree(p.standing)
	p.sayRefused(func(s *itemState) bool { return s.retry.After(now) })
	return err
}

// leave ends the session on the server, as far as that is still to be had at once.
func (p *pump) leave() {
	k, _, err := p.channel.post(func(dst []byte, handle uint32) []byte {
		return append(p.session.begin(dst, closeSessionRequestID, handle, leaveTime), 1) // with its subscriptions
	}, p.body, p.sink, leaveTime)
	if err != nil {
		return
	}
	timer := time.NewTimer(leaveTime)
	defer timer.Stop()
	for {
		select {
		case other := <-p.sink:
			other.got.release()
			if other == k {
				return
			}
		case <-p.channel.ended:
			return
		case <-timer.C:
			return
		}
	}
}

// leaveTime is how long the end of a session may take.
const leaveTime = 500 * time.Millisecond
