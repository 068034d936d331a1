package opcua

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/fieldtap/fieldtap/acquire"
)

// span is a time of which values of an item are missing: after one instant and before
// another.
type span struct {
	item     int
	from, to acquire.Instant
}

// backfill has a server's history read for what is missing, one span at a time. It is
// shared by the stream, which finds what is missing, and the goroutine that asks for it.
type backfill struct {
	mu       sync.Mutex
	missing  []span
	hopeless map[int]bool // items without a history
	news     chan struct{}
}

func newBackfill() *backfill {
	return &backfill{hopeless: make(map[int]bool), news: make(chan struct{}, 1)}
}

// maxMissing is how many spans wait at most, for each item. What is beyond is not
// fetched; that something is lost was said.
const maxMissing = 8

// add notes that something is missing.
func (f *backfill) add(s span, items int) {
	f.mu.Lock()
	if !f.hopeless[s.item] && len(f.missing) < maxMissing*items {
		f.missing = append(f.missing, s)
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

// next returns a span to be fetched; it stays until it is done.
func (f *backfill) next() (s span, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.missing) == 0 {
		return span{}, false
	}
	return f.missing[0], true
}

// fetched notes how far the first span was fetched; to its end, and it is done.
func (f *backfill) fetched(until acquire.Instant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.missing[0].from = until; until >= f.missing[0].to {
		f.missing = f.missing[:copy(f.missing, f.missing[1:])]
	}
}

// giveUp notes that an item has no history.
func (f *backfill) giveUp(item int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hopeless[item] = true
	kept := f.missing[:0]
	for _, s := range f.missing {
		if s.item != item {
			kept = append(kept, s)
		}
	}
	f.missing = kept
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
		for s, ok := p.missed.next(); ok; s, ok = p.missed.next() {
			err := p.fetchSpan(ctx, s)
			if _, refused := errors.AsType[*ServiceError](err); refused {
				p.src.cfg.Client.Logger.Info("opcua: no history", slog.String("source", p.src.cfg.Name),
					slog.String("node", string(p.src.items[s.item].node)), slog.Any("error", err))
				p.missed.giveUp(s.item)
				continue
			}
			if err != nil {
				return // of the channel or the stream: the pump sees it, too
			}
		}
	}
}

// fetchSpan reads one span of one item into the queue.
func (p *pump) fetchSpan(ctx context.Context, s span) error {
	it := &p.src.items[s.item]
	node := p.nodes[s.item]
	if node == nil {
		p.missed.giveUp(s.item)
		return nil
	}
	var batch *acquire.Batch
	latest := s.from
	flush := func(until acquire.Instant) {
		if batch != nil {
			p.queue.push(entry{kind: historyEntry, history: batch, item: s.item, received: p.now()})
			batch = nil
		}
		p.missed.fetched(until)
	}
	for v, err := range historyRaw(ctx, p.session, node, s.from, s.to) {
		if err != nil {
			if batch != nil {
				flush(latest)
			}
			return err
		}
		at := stampsOf(&v).source
		if at <= latest || at >= s.to { // told before, or what ends the span
			continue
		}
		latest = at
		if batch == nil {
			batch = new(acquire.Batch)
		}
		if it.fields() {
			if err := it.acquaint(ctx, p.types, &v.Value); err != nil {
				return err
			}
		}
		it.deliverOf(batch, &v, at, acquire.SourceTime|acquire.Backfilled, p.types)
		if len(batch.Samples) >= perEntry {
			flush(latest)
		}
	}
	flush(s.to)
	return nil
}
