package opcua

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// span is a time of which values of an item are missing: after one instant and before
// another.
type span struct {
	item     int
	from, to acquire.Instant
}

// backfill has a server's history read for what is missing. It is shared by the stream,
// which finds what is missing, and the goroutine that asks for it.
type backfill struct {
	values   int // the first of items: those behind them are of events
	mu       sync.Mutex
	missing  []*span
	hopeless map[int]bool // items without a history
	news     chan struct{}
}

func newBackfill(values int) *backfill {
	return &backfill{values: values, hopeless: make(map[int]bool), news: make(chan struct{}, 1)}
}

// maxMissing is how many spans wait at most, for each item. What is beyond is not
// fetched; that something is lost was said.
const maxMissing = 8

// add notes that something is missing.
func (f *backfill) add(s span, items int) {
	f.mu.Lock()
	if !f.hopeless[s.item] && len(f.missing) < maxMissing*items {
		f.missing = append(f.missing, &s)
	}
	f.mu.Unlock()
	f.wake()
}

func (f *backfill) wake() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// next returns spans to be fetched together: the first that is missing, and those of other
// items about the same time; of events it is one alone. They stay until they are done, and
// belong to whoever fetches until then.
func (f *backfill) next(most int) (together []*span) {
	f.mu.Lock()
	defer f.mu.Unlock()
	had := make(map[int]bool)
	for _, s := range f.missing {
		if len(together) == most || len(together) > 0 && together[0].item >= f.values {
			break
		}
		if len(together) > 0 && s.item >= f.values {
			continue
		}
		if had[s.item] || len(together) > 0 && !together[0].alike(s) {
			continue
		}
		had[s.item] = true
		together = append(together, s)
	}
	return together
}

// alike reports whether two spans are about the same: to fetch what both cover takes little
// more than to fetch either.
func (s *span) alike(t *span) bool {
	length := min(s.to.Sub(s.from), t.to.Sub(t.from))
	slack := max(length/4, time.Second)
	return t.from.Sub(s.from).Abs() <= slack && t.to.Sub(s.to).Abs() <= slack
}

// fetched notes how far a span was fetched; to its end, and it is done.
func (f *backfill) fetched(s *span, until acquire.Instant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.from = until; until >= s.to {
		f.missing = slices.DeleteFunc(f.missing, func(t *span) bool { return t == s })
	}
}

// giveUp notes that an item has no history.
func (f *backfill) giveUp(item int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hopeless[item] = true
	f.missing = slices.DeleteFunc(f.missing, func(s *span) bool { return s.item == item })
}

// perEntry is how many values of history go through the queue at once.
const perEntry = 500

// fetch is the goroutine that reads history until the stream or the channel ends. What is
// missing then stays noted for the next stream.
func (p *pump) fetch() {
	ctx, cancel := context.WithCancel(stopping{p.stop})
	defer cancel()
	p.missed.wake() // there may be some of the stream before
	for {
		select {
		case <-p.stop:
			return
		case <-p.channel.ended:
			return
		case <-p.missed.news:
		}
		for {
			together := p.missed.next(min(p.perHistory, perHistory))
			if len(together) == 0 {
				break
			}
			read := p.fetchSpans
			if together[0].item >= p.src.values {
				read = p.fetchEvents
			}
			if err := read(ctx, together); err != nil {
				return // of the channel or the stream: the pump sees it, too
			}
		}
	}
}

// filling is a span that is being fetched.
type filling struct {
	*span
	batch  *acquire.Batch // of the page; nil: nothing yet
	latest acquire.Instant
}

// fetchSpans reads spans of different items into the queue.
func (p *pump) fetchSpans(ctx context.Context, together []*span) error {
	var nodes []*ua.NodeID
	var fillings []*filling
	h := histories{session: p.session}
	for _, s := range together {
		if p.nodes[s.item] == nil {
			p.missed.giveUp(s.item)
			continue
		}
		nodes, fillings = append(nodes, p.nodes[s.item]), append(fillings, &filling{span: s, latest: s.from})
		if h.from == 0 || s.from < h.from {
			h.from = s.from
		}
		h.to = max(h.to, s.to)
	}
	flush := func(f *filling, until acquire.Instant) {
		if f.batch != nil {
			p.queue.push(entry{kind: historyEntry, history: f.batch, item: f.item, received: p.now()})
			f.batch = nil
		}
		p.missed.fetched(f.span, until)
	}
	var lost error
	h.tell = func(which int, d uabin.DataValue) {
		f := fillings[which]
		if lost != nil {
			return
		}
		at := stampsOf(&d).source
		if at <= f.latest || at >= f.to { // told before, or what ends the span
			return
		}
		it := &p.src.items[f.item]
		if it.fields() {
			if _, lost = it.acquaint(ctx, p.types, &d.Value); lost != nil {
				return
			}
		}
		f.latest = at
		if f.batch == nil {
			f.batch = new(acquire.Batch)
		}
		it.deliverOf(f.batch, &d, at, acquire.SourceTime|acquire.Backfilled, p.types)
		if len(f.batch.Samples) >= perEntry {
			flush(f, at)
		}
	}
	h.over = func(which int, err error) {
		f := fillings[which]
		switch {
		case lost != nil:
			return // it is not over
		case err == nil:
			flush(f, f.to)
			return
		}
		flush(f, f.latest)
		p.src.cfg.Client.Logger.Info("opcua: no history", slog.String("source", p.src.cfg.Name),
			slog.String("node", string(p.src.items[f.item].node)), slog.Any("error", err))
		p.missed.giveUp(f.item)
	}
	h.page = func() error {
		for _, f := range fillings {
			if f.batch != nil {
				flush(f, f.latest)
			}
		}
		if lost != nil {
			return lost
		}
		return p.spare(ctx)
	}
	if len(nodes) == 0 {
		return nil
	}
	err := h.read(ctx, nodes, len(nodes))
	for _, f := range fillings {
		if f.batch != nil {
			flush(f, f.latest)
		}
	}
	return err
}

// spare waits until history has room in the queue: what is old must not drive out what is
// new.
func (p *pump) spare(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.channel.err(); err != nil {
			return err
		}
		if !p.queue.busy() {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-p.channel.ended:
		case <-p.queue.room:
		}
	}
}
