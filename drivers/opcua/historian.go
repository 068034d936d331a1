package opcua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

var _ acquire.Historian = (*Source)(nil)

// History iterates over the raw values that the server has kept of points, several
// variables in one request, over a connection of its own. The time of a sample is the
// source's, else the server's. Those of events have no history here.
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
		it.members = slices.DeleteFunc(slices.Clone(it.members), func(m member) bool { return !wanted[m.id] })
		switch {
		case len(it.members) == 0:
		case it.events != nil:
			p.faults = append(p.faults, fmt.Errorf("opcua: events %q: their history is not asked for", it.events.Name))
		default:
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
	if len(nodes) == 0 {
		return nil
	}
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
	for _, m := range it.members {
		point, _ := p.source.cfg.Catalog.Point(m.id)
		p.faults = append(p.faults, fmt.Errorf("opcua: point %q: %w", point.Name, err))
	}
}
