package opcua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

var _ acquire.Historian = (*Source)(nil)

// History iterates over the raw values that the server has kept of points, several
// variables in one request, over a connection of its own. The time of a sample is the
// source's, else the server's. Events come after the values, those of one notifier after
// those of another, and each of them once, as its EventId tells; of a server whose pages are
// not in order, those that go back have acquire.TimeBackwards. An event that cannot be read,
// or is not of the span, is not told; Stats counts what cannot be read.
func (s *Source) History(ctx context.Context, from, to acquire.Instant, points ...acquire.PointID) iter.Seq2[*acquire.Batch, error] {
	return func(yield func(*acquire.Batch, error) bool) {
		p := past{source: s, yield: yield}
		err := p.choose(points)
		if err == nil && (from == 0 || to == 0 || from >= to) {
			err = fmt.Errorf("opcua: history from %s to %s: want a span of time", from, to)
		}
		if err == nil {
			c, leave := s.aside(ctx)
			defer leave()
			err = c.do(ctx, func(l *link) error { return p.read(ctx, l, from, to) })
			_ = p.flush() // what came before an error
		}
		if err = errors.Join(append(p.faults, err)...); err != nil && !p.left {
			yield(nil, &acquire.OpError{Op: "history", Source: s.cfg.Name, Err: err})
		}
	}
}

// past is a History under way.
type past struct {
	source *Source
	items  []item // with the points that are wanted
	events []item // likewise: a member without a point is not wanted
	faults []error
	yield  func(*acquire.Batch, error) bool
	batch  acquire.Batch
	texts  int  // bytes in batch, at most
	left   bool // nothing more is wanted
}

// Bounds of a batch: there is one for each response, or more.
const (
	pastSamples = 5000
	pastTexts   = 8 << 20 // bytes
)

// choose finds the items of points.
func (p *past) choose(points []acquire.PointID) error {
	if len(points) == 0 {
		return errors.New("opcua: history of no points")
	}
	ours := make(map[acquire.PointID]bool, len(p.source.points))
	for _, id := range p.source.points {
		ours[id] = true
	}
	var faults []error
	wanted := make(map[acquire.PointID]bool, len(points))
	for _, id := range points {
		if wanted[id] = true; !ours[id] {
			faults = append(faults, fmt.Errorf("opcua: point %d is not of this source", id))
		}
	}
	for _, it := range p.source.items {
		it.members = slices.Clone(it.members)
		if it.events != nil {
			any := false
			for i, m := range it.members {
				if !wanted[m.id] {
					it.members[i].id = 0
				}
				any = any || wanted[m.id]
			}
			if any {
				p.events = append(p.events, it)
			}
			continue
		}
		it.members = slices.DeleteFunc(it.members, func(m member) bool { return !wanted[m.id] })
		if len(it.members) > 0 {
			p.items = append(p.items, it)
		}
	}
	return errors.Join(faults...)
}

var errLeft = errors.New("opcua: left early")

// read reads the history of the items. What a server refuses of one is among the faults.
func (p *past) read(ctx context.Context, l *link, from, to acquire.Instant) error {
	var nodes []*ua.NodeID
	var items []*item
	for i := range p.items {
		it := &p.items[i]
		node, err := it.id.resolve(l.namespaces)
		if err != nil {
			p.refuse(it, err)
			continue
		}
		nodes, items = append(nodes, node), append(items, it)
	}
	if len(nodes) > 0 {
		if err := p.readValues(ctx, l, from, to, nodes, items); err != nil {
			return err
		}
	}
	return p.readEvents(ctx, l, from, to)
}

// readValues reads the history of variables.
func (p *past) readValues(ctx context.Context, l *link, from, to acquire.Instant, nodes []*ua.NodeID, items []*item) error {
	said, err := l.attributes(ctx, []attribute{{ua.NewNumericNodeID(0, nodeMaxPerHistory), ua.AttributeIDValue}})
	if err != nil {
		return err
	}
	most := perHistory
	if n, ok := said[0].Uint(); ok && n > 0 {
		most = int(min(n, perHistory))
	}
	h := histories{session: l.session, from: from, to: to}
	var lost error
	h.tell = func(which int, d uabin.DataValue) {
		it := items[which]
		if p.left || lost != nil {
			return
		}
		if it.fields() {
			if _, lost = it.acquaint(ctx, l.types, &d.Value); lost != nil {
				return
			}
		}
		times := stampsOf(&d)
		it.deliverOf(&p.batch, &d, cmp.Or(times.source, times.server), acquire.SourceTime|acquire.Backfilled, l.types)
		p.texts += len(it.members) * len(d.Value.Bytes)
		if len(p.batch.Samples) >= pastSamples || p.texts >= pastTexts {
			_ = p.flush() // left tells
		}
	}
	h.over = func(which int, err error) {
		if err != nil {
			p.refuse(items[which], err)
		}
	}
	h.page = func() error {
		if lost != nil {
			return lost
		}
		if err := p.flush(); err != nil {
			return err
		}
		return ctx.Err() // which the loop may have ended, before an answer that is there wins
	}
	return h.read(ctx, nodes, most)
}

// readEvents reads the history of events.
func (p *past) readEvents(ctx context.Context, l *link, from, to acquire.Instant) error {
	names := typeIDs{namespaces: l.namespaces}
	for i := range p.events {
		it := &p.events[i]
		node, err := it.id.resolve(l.namespaces)
		if err != nil {
			p.refuse(it, err)
			continue
		}
		latest := from
		h := eventHistory{session: l.session, namespaces: l.namespaces, seed: p.source.seed, from: from, to: to}
		h.tell = func(events []pastEvent) error {
			for i := range events {
				e := &events[i]
				flags := acquire.SourceTime | acquire.Backfilled
				if e.at < latest {
					flags |= acquire.TimeBackwards
				}
				latest = max(latest, e.at)
				it.happen(&p.batch, &e.event, &names, e.at, flags)
				p.texts += e.texts()
				if len(p.batch.Samples) >= pastSamples || p.texts >= pastTexts {
					if err := p.flush(); err != nil {
						return err
					}
				}
			}
			if err := p.flush(); err != nil {
				return err
			}
			return ctx.Err()
		}
		err = h.read(ctx, node, it.events)
		if h.malformed > 0 {
			p.source.tally.Update(func(st *acquire.Stats) { st.Malformed += uint64(h.malformed) })
		}
		switch refused, ok := errors.AsType[*ServiceError](err); {
		case ok && !passing(refused.Status):
			p.refuse(it, err)
		case err != nil:
			return err
		}
	}
	return nil
}

// flush yields what there is.
func (p *past) flush() error {
	if !p.left && len(p.batch.Samples) > 0 {
		p.batch.Received = acquire.At(p.source.cfg.Client.Now())
		p.left = !p.yield(&p.batch, nil)
		p.batch.Reset()
		p.texts = 0
	}
	if p.left {
		return errLeft
	}
	return nil
}

// refuse notes that there is no history of an item.
func (p *past) refuse(it *item, err error) {
	var names []string
	for _, m := range it.members {
		if m.id != 0 {
			point, _ := p.source.cfg.Catalog.Point(m.id)
			names = append(names, strconv.Quote(point.Name))
		}
	}
	what := "point "
	if len(names) > 1 {
		what = "points "
	}
	p.faults = append(p.faults, fmt.Errorf("opcua: %s%s: %w", what, strings.Join(names, ", "), err))
}
