package opcua

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// Bounds of reading the history of events.
const (
	perEventPage  = 500     // events of one response, and that are sorted at once
	maxPastEvents = 1 << 17 // of one span
)

// pastEvent is an event of a server's history.
type pastEvent struct {
	event
	key uint64
}

// eventHistory reads the history of the events of one notifier, of one span of time (OPC
// 10000-11, section 6.5.2). It leaves no continuation point on the server.
type eventHistory struct {
	session    *session
	namespaces []string
	seed       maphash.Seed
	from, to   acquire.Instant // inclusive, exclusive
	// tell takes events in the order of their times, as far as they came together. Their
	// fields are valid until it returns. An error ends all.
	tell func([]pastEvent) error

	// What is not told: events that cannot be read, those of another time than was asked for
	// or of none, and those that were told.
	malformed, stray, doubled int

	seen   map[uint64]struct{}
	sorted []pastEvent
}

// read reads the history of p's notifier. A server that does not know conditions is asked
// for the fields of all events alone.
func (h *eventHistory) read(ctx context.Context, node *ua.NodeID, p *EventPoint) error {
	if h.from == 0 || h.to == 0 || h.from >= h.to {
		return fmt.Errorf("opcua: history from %s to %s: want a span of time", h.from, h.to)
	}
	h.seen = make(map[uint64]struct{})
	for _, plain := range []bool{false, true} {
		filter, err := p.filter(h.namespaces, plain)
		if err != nil {
			return err
		}
		err = h.pages(ctx, node, filter)
		refused, ok := errors.AsType[*ServiceError](err)
		if plain || !ok || !filterRefused(refused.Status) || len(h.seen) > 0 {
			return err
		}
	}
	return nil
}

// pages reads page by page.
func (h *eventHistory) pages(ctx context.Context, node *ua.NodeID, filter *ua.EventFilter) error {
	details := ua.NewExtensionObject(&ua.ReadEventDetails{NumValuesPerNode: perEventPage, StartTime: h.from.Time(), EndTime: h.to.Time(), Filter: filter})
	details.UpdateMask()
	var point []byte
	request := func(release bool) *ua.HistoryReadRequest {
		return &ua.HistoryReadRequest{
			HistoryReadDetails: details, TimestampsToReturn: ua.TimestampsToReturnBoth, ReleaseContinuationPoints: release,
			NodesToRead: []*ua.HistoryReadValueID{{NodeID: node, DataEncoding: &ua.QualifiedName{}, ContinuationPoint: point}},
		}
	}
	defer func() {
		if point != nil && h.session.channel.err() == nil {
			l := link{session: h.session}
			l.dismiss(ctx, request(true), "HistoryRead", uabin.HistoryReadResponseID)
		}
	}()
	for empty := 0; ; {
		m, events, next, err := page(ctx, h.session, request(false), pastEvents)
		if err != nil {
			return err
		}
		point = next
		before := len(h.seen)
		err = h.take(events)
		m.release()
		if err != nil || point == nil {
			return err
		}
		if empty++; len(h.seen) > before {
			empty = 0
		}
		if empty == maxEmptyPages {
			return &ProtocolError{Reason: fmt.Sprintf("HistoryRead: %d pages without an event", empty)}
		}
	}
}

// take tells the events of a page.
func (h *eventHistory) take(events uabin.List) error {
	each := events.Reader()
	for left := events.Len; left > 0; {
		h.sorted = h.sorted[:0]
		for ; left > 0 && len(h.sorted) < perEventPage; left-- {
			e, ok := readEvent(each.Fields())
			key := e.key(h.seed)
			_, told := h.seen[key]
			switch {
			case !ok:
				h.malformed++
			case e.overflow: // what it says is not of this time
				h.stray++
			case e.at < h.from || e.at >= h.to:
				h.stray++
			case told:
				h.doubled++
			case len(h.seen) == maxPastEvents:
				return &ProtocolError{Reason: fmt.Sprintf("HistoryRead: more than %d events from %s to %s", maxPastEvents, h.from, h.to)}
			default:
				h.seen[key] = struct{}{}
				h.sorted = append(h.sorted, pastEvent{e, key})
			}
		}
		slices.SortStableFunc(h.sorted, func(a, b pastEvent) int { return int(min(max(a.at-b.at, -1), 1)) })
		if len(h.sorted) > 0 {
			if err := h.tell(h.sorted); err != nil {
				return err
			}
		}
	}
	return nil
}

// key returns what tells an event apart from others: its EventId or, of a server that gives
// none, all that it says.
func (e *event) key(seed maphash.Seed) uint64 {
	if id := &e.fields[eventID]; id.Type == uabin.TypeByteString && !id.Array && len(id.Bytes) > 0 {
		return maphash.Bytes(seed, id.Bytes)
	}
	var h maphash.Hash
	h.SetSeed(seed)
	for i := range e.fields {
		f := &e.fields[i]
		var head [10]byte
		head[0], head[1] = byte(f.Type), byte(i)
		binary.LittleEndian.PutUint64(head[2:], f.Bits)
		h.Write(head[:])
		h.Write(f.Bytes)
	}
	return h.Sum64()
}

// told are the events of a notifier that were told last, so that what history has of them
// is not told again. The zero value is not ready for use.
type told struct {
	most int
	ring []toldEvent
	next int // of ring, when it is full
	// floor is the latest time of those that are forgotten: of history, an event that is
	// not later may have been told.
	floor acquire.Instant
	at    map[uint64]int // place in ring, by key; nil while no history is told
	past  int            // events of history in ring
}

type toldEvent struct {
	key  uint64
	at   acquire.Instant
	past bool // as history has it
}

// leastTold is how many events are kept in mind at least, and mostTold at most.
const (
	leastTold = 1 << 14
	mostTold  = 1 << 18
)

func newTold(queue uint32) told {
	return told{most: int(min(max(2*uint64(queue), leastTold), mostTold))}
}

// live notes an event that the server tells of, and returns false of one that its history
// has told.
func (t *told) live(key uint64, at acquire.Instant) bool {
	if i, ok := t.at[key]; ok && t.ring[i].past {
		return false
	}
	t.add(toldEvent{key: key, at: at})
	return true
}

// recall notes an event of history, and returns false of one that was told or may have been.
func (t *told) recall(key uint64, at acquire.Instant) bool {
	if t.at == nil {
		t.at = make(map[uint64]int, len(t.ring))
		for n := range t.ring { // of two with one key the later counts
			i := (t.next + n) % len(t.ring)
			t.at[t.ring[i].key] = i
		}
	}
	if _, ok := t.at[key]; ok || at <= t.floor {
		return false
	}
	t.add(toldEvent{key, at, true})
	return true
}

func (t *told) add(e toldEvent) {
	i := t.next
	if len(t.ring) < t.most {
		i = len(t.ring)
		t.ring = append(t.ring, e)
	} else {
		old := t.ring[i]
		t.ring[i] = e
		t.next = (i + 1) % t.most
		t.floor = max(t.floor, old.at)
		if t.at != nil && t.at[old.key] == i {
			delete(t.at, old.key)
		}
		if old.past {
			t.past--
		}
	}
	if e.past {
		t.past++
	}
	if t.at != nil {
		t.at[e.key] = i
	}
	if t.past == 0 {
		t.at = nil // no event to come was told by history
	}
}

// fetchEvents reads the events of a span into the queue.
func (p *pump) fetchEvents(ctx context.Context, together []*span) error {
	s := together[0] // it is alone
	it := &p.src.items[s.item]
	if p.nodes[s.item] == nil {
		p.missed.giveUp(s.item)
		return nil
	}
	names := typeIDs{namespaces: p.typeIDs.namespaces} // the other is of whoever reads the stream
	h := eventHistory{session: p.session, namespaces: p.typeIDs.namespaces, seed: p.src.seed, from: s.from, to: s.to}
	h.tell = func(events []pastEvent) error {
		e := entry{kind: historyEntry, history: new(acquire.Batch), item: s.item, received: p.now()}
		for i := range events {
			past := &events[i]
			it.happen(e.history, &past.event, &names, past.at, acquire.SourceTime|acquire.Backfilled)
			e.past = append(e.past, recalled{past.key, past.at, past.samples()})
			e.texts += past.texts()
		}
		p.queue.push(e)
		p.missed.fetched(s, events[len(events)-1].at)
		return p.spare(ctx)
	}
	err := h.read(ctx, p.nodes[s.item], it.events)
	log, attributes := p.src.cfg.Client.Logger, []any{slog.String("source", p.src.cfg.Name), slog.String("events", it.events.Name)}
	if h.malformed > 0 {
		p.src.tally.Update(func(st *acquire.Stats) { st.Malformed += uint64(h.malformed) })
	}
	if h.malformed+h.stray > 0 {
		log.Warn("opcua: events of history are not told", append(attributes, slog.Int("malformed", h.malformed), slog.Int("stray", h.stray))...)
	}
	refused, isRefused := errors.AsType[*ServiceError](err)
	_, isWrong := errors.AsType[*ProtocolError](err)
	switch {
	case err == nil:
		p.missed.fetched(s, s.to)
	case p.channel.err() != nil || ctx.Err() != nil:
		return err
	case isRefused && !passing(refused.Status):
		log.Info("opcua: no history of events", append(attributes, slog.Any("error", err))...)
		p.missed.giveUp(s.item)
	case isWrong: // to ask again would bring the same
		log.Warn("opcua: history of events", append(attributes, slog.Any("error", err))...)
		p.missed.fetched(s, s.to)
	default:
		return err
	}
	return nil
}

// recalled is an event of a historyEntry.
type recalled struct {
	key     uint64
	at      acquire.Instant
	samples int // of the batch, that it made
}

// recall makes samples of events of history that were not told.
func (s *stream) recall(b *acquire.Batch, e *entry) {
	known := &s.st.told[e.item-s.src.values]
	samples := e.history.Samples
	for _, r := range e.past {
		if known.recall(r.key, r.at) {
			s.bring(b, e, samples[:r.samples])
		}
		samples = samples[r.samples:]
	}
}

// texts is how many bytes the texts of an event are.
func (e *event) texts() (n int) {
	for i := range e.fields {
		n += len(e.fields[i].Bytes)
	}
	return n
}
