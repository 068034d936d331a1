package parquet

import (
	"math"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
)

// tables are what the columns of a row group share, and their memory.
type tables struct {
	sorter   sorter
	statuses statuses
	terms    terms
	ofPoint  []int64 // what a column says of each point; -1: nothing
	indices  []int64
	names    []string
}

// writeGroup writes the rows as a row group.
func (w *Writer) writeGroup() error {
	g, p := &w.rows, &w.pages
	if w.cfg.Sorted {
		w.tables.sorter.sort(g)
	}
	w.mark()
	t := thriftWriter{b: w.groups, outer: w.outer[:0]}
	t.begin()
	t.list(1, thriftStruct, columns)
	begin := int64(w.stats.Bytes)
	var uncompressed, compressed int64
	for c := range columns {
		p.out = p.out[:0]
		chunk := w.column(c)
		at := int64(w.stats.Bytes)
		w.put(p.out)
		if w.err != nil {
			return w.err
		}
		if chunk.dictionary != 0 {
			chunk.dictionary = at
		}
		chunk.data += at
		uncompressed += chunk.uncompressed
		compressed += chunk.compressed
		appendChunk(&t, c, &chunk, int64(g.n), codecs[p.codec.method])
	}
	t.int64(2, uncompressed)
	t.int64(3, int64(g.n))
	if w.cfg.Sorted {
		t.list(4, thriftStruct, 1)
		t.begin()
		t.int32(1, colTime)
		t.bool(2, false)
		t.bool(3, true) // of no time first
		t.end()
	}
	t.int64(5, begin)
	t.int64(6, compressed)
	t.end()
	w.groups, w.outer = t.b, t.outer
	w.total += int64(g.n)
	w.stats.RowGroups++
	return nil
}

// appendChunk appends what the metadata says of a column.
func appendChunk(t *thriftWriter, c int, k *chunk, rows int64, codec int32) {
	col := &schema[c]
	t.begin()
	first := k.data
	if k.dictionary != 0 {
		first = k.dictionary
	}
	t.int64(2, first)
	t.structure(3)
	t.int32(1, col.physical)
	encodings := [...]int32{encodingPlain, encodingRLE, col.encoding}
	n := len(encodings)
	if !k.coded {
		n--
	}
	t.list(2, thriftI32, n)
	for _, e := range encodings[:n] {
		t.b = append(t.b, byte(e<<1)) // as a signed number
	}
	t.list(3, thriftBinary, 1)
	t.element(col.name)
	t.int32(4, codec)
	t.int64(5, rows)
	t.int64(6, k.uncompressed)
	t.int64(7, k.compressed)
	t.int64(9, k.data)
	if k.dictionary != 0 {
		t.int64(11, k.dictionary)
	}
	t.structure(12)
	t.int64(3, k.nulls)
	if k.bounded {
		t.field(5, thriftBinary)
		t.b = appendLength(t.b, k.max)
		t.field(6, thriftBinary)
		t.b = appendLength(t.b, k.min)
	}
	t.end()
	t.end()
	t.end()
}

// column makes the pages of a column.
func (w *Writer) column(c int) chunk {
	g, p, t := &w.rows, &w.pages, &w.tables
	switch c {
	case colTime:
		p.gather(g.time, 0)
		return p.deltas(g.n)
	case colReceived:
		p.gather(g.received, 0)
		return p.deltas(g.n)
	case colBatch:
		p.gather(g.batch, 0)
		return p.deltas(g.n)
	case colPoint:
		t.names = t.names[:0]
		for _, ref := range g.used {
			t.names = append(t.names, w.point(ref).Name)
		}
		t.indices = t.indices[:0]
		for _, local := range g.point {
			index := int64(local)
			if local == none {
				index = -1
			}
			t.indices = append(t.indices, index)
		}
		p.gather(t.indices, -1)
		return p.texts(g.n, t.names)
	case colUnit:
		return w.ofPoint(func(p *acquire.Point) string { return p.Unit.Symbol() }, nil)
	case colSource:
		return w.ofPoint(func(p *acquire.Point) string { return sourceOf(p.Name) }, g.events)
	case colStatus:
		t.statuses.reset()
		t.indices = t.indices[:0]
		last, index := int64(-1), int64(-1)
		for _, q := range g.status {
			if q != last {
				last, index = q, -1
				if q >= 0 {
					index = int64(t.statuses.number(uint32(q)))
				}
			}
			t.indices = append(t.indices, index)
		}
		p.gather(t.indices, -1)
		return p.numbers(g.n, t.statuses.list)
	case colQuality:
		return w.ofStatus(severity)
	case colReason:
		return w.ofStatus(reason)
	case colValue:
		return w.doubles()
	case colInt64:
		return w.ofKind(acquire.KindInt64)
	case colUint64:
		return w.ofKind(acquire.KindUint64)
	case colBool:
		return w.truths()
	case colText:
		return w.texts(true)
	case colBytes:
		return w.texts(false)
	case colEvent:
		t.terms.reset()
		p.sparse(g.n)
		for i := range g.events {
			p.set(g.events[i].row, int64(t.terms.number(g.events[i].event.Kind.String())))
		}
		return p.texts(g.n, t.terms.list)
	}
	return w.ofHeads(c)
}

// point returns the description of a point, the zero Point if there is none.
func (w *Writer) point(ref pointRef) *acquire.Point {
	if ref.number == 0 {
		return &w.nobody
	}
	return &w.points[ref.number-1]
}

// ofPoint writes a column of what is known of the points, and of the sources of events.
func (w *Writer) ofPoint(text func(*acquire.Point) string, events []eventRow) chunk {
	g, p, t := &w.rows, &w.pages, &w.tables
	t.terms.reset()
	t.ofPoint = t.ofPoint[:0]
	for _, ref := range g.used {
		index := int64(-1)
		if s := text(w.point(ref)); s != "" {
			index = int64(t.terms.number(s))
		}
		t.ofPoint = append(t.ofPoint, index)
	}
	t.indices = t.indices[:0]
	for _, local := range g.point {
		index := int64(-1)
		if local != none {
			index = t.ofPoint[local]
		}
		t.indices = append(t.indices, index)
	}
	for i := range events {
		if s := events[i].event.Source; s != "" {
			t.indices[events[i].row] = int64(t.terms.number(s))
		}
	}
	p.gather(t.indices, -1)
	return p.texts(g.n, t.terms.list)
}

// ofStatus writes a column of what a status says, of the distinct statuses that the
// column status has collected.
func (w *Writer) ofStatus(text func(acquire.Quality) string) chunk {
	g, p, t := &w.rows, &w.pages, &w.tables
	t.terms.reset()
	t.indices = t.indices[:0]
	last, index := int64(-1), int64(-1)
	for _, q := range g.status {
		if q != last {
			last, index = q, -1
			if q >= 0 {
				if s := text(acquire.Quality(q)); s != "" {
					index = int64(t.terms.number(s))
				}
			}
		}
		t.indices = append(t.indices, index)
	}
	p.gather(t.indices, -1)
	return p.texts(g.n, t.terms.list)
}

// doubles writes the column value.
func (w *Writer) doubles() chunk {
	g, p := &w.rows, &w.pages
	p.mask, p.ints = resize(p.mask, g.n), resize(p.ints, g.n)
	n := 0
	for i, kind := range g.kind {
		word, there := g.bits[i], uint32(1)
		switch kind {
		case acquire.KindFloat64:
		case acquire.KindInt64:
			word = math.Float64bits(float64(int64(word)))
		case acquire.KindUint64:
			word = math.Float64bits(float64(word))
		default:
			there = 0
		}
		p.mask[i] = there
		p.ints[n] = int64(word)
		n += int(there)
	}
	p.ints = p.ints[:n]
	return p.words(g.n)
}

// ofKind writes a column of exact integers. A gap counts batches in uint64.
func (w *Writer) ofKind(kind acquire.Kind) chunk {
	g, p := &w.rows, &w.pages
	p.sparse(g.n)
	if g.count[kind] == 0 && len(g.events) == 0 {
		return p.nulls(g.n)
	}
	events := g.events
	for i, k := range g.kind {
		for len(events) > 0 && events[0].row < i {
			events = events[1:]
		}
		switch {
		case len(events) > 0 && events[0].row == i:
			if n := events[0].event.Batches; n != 0 && kind == acquire.KindUint64 {
				p.set(i, int64(n))
			}
		case k == kind:
			p.set(i, int64(g.bits[i]))
		}
	}
	return p.words(g.n)
}

// truths writes the column bool. Of an event it says whether it is permanent.
func (w *Writer) truths() chunk {
	g, p := &w.rows, &w.pages
	if g.count[acquire.KindBool] == 0 && len(g.events) == 0 {
		return p.nulls(g.n)
	}
	p.sparse(g.n)
	p.bools = p.bools[:0]
	events := g.events
	for i, k := range g.kind {
		for len(events) > 0 && events[0].row < i {
			events = events[1:]
		}
		switch {
		case len(events) > 0 && events[0].row == i:
			if events[0].event.Permanent {
				p.mask[i] = 1
				p.bools = append(p.bools, true)
			}
		case k == acquire.KindBool:
			p.mask[i] = 1
			p.bools = append(p.bools, g.bits[i] != 0)
		}
	}
	p.levels(g.n, len(p.bools))
	p.body = appendBools(p.body, p.bools)
	return p.data(g.n, g.n-len(p.bools), encodingPlain, chunk{})
}

// texts writes the texts that are UTF-8, or those that are not.
func (w *Writer) texts(valid bool) chunk {
	g, p := &w.rows, &w.pages
	if g.count[acquire.KindText] == 0 {
		return p.nulls(g.n)
	}
	p.sparse(g.n)
	present := 0
	for i, k := range g.kind {
		if k == acquire.KindText && utf8.Valid(g.textAt(i)) == valid {
			p.mask[i] = 1
			present++
		}
	}
	p.levels(g.n, present)
	for i, there := range p.mask {
		if there != 0 {
			p.body = appendBytes(p.body, g.textAt(i))
		}
	}
	return p.data(g.n, g.n-present, encodingPlain, chunk{})
}

// ofHeads writes a column of the first rows of batches. A gap counts lost samples.
func (w *Writer) ofHeads(c int) chunk {
	g, p := &w.rows, &w.pages
	p.sparse(g.n)
	events := g.events
	gaps := func(before int) {
		for ; len(events) > 0 && events[0].row < before; events = events[1:] {
			if n := events[0].event.Samples; c == colLost && n != 0 {
				p.set(events[0].row, int64(n))
			}
		}
	}
	for i := range g.heads {
		h := &g.heads[i]
		gaps(h.row)
		switch {
		case c == colWatermark && h.watermark != 0:
			p.set(h.row, h.watermark)
		case c == colLost && h.lost != 0:
			p.set(h.row, int64(h.lost))
		case c == colSet && h.set >= 0:
			p.set(h.row, h.set)
		}
	}
	gaps(g.n)
	if c == colWatermark {
		return p.deltas(g.n)
	}
	return p.words(g.n)
}
