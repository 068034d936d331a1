package parquet

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// none is the local number of no point.
const none = math.MaxUint32

// row is a row of the table.
type row struct {
	time, received int64
	batch          int64  // 0: none
	bits           uint64 // of the value; of a text, its number in the group
	point          uint32 // local number, or none
	status         uint32
	judged         bool // there is a status
	kind           acquire.Kind
}

// head is what a batch has beside samples.
type head struct {
	row       int // its first
	watermark int64
	lost      uint64
	set       int64 // -1: none
}

type eventRow struct {
	row   int
	event capture.Event
}

// pointRef is a point of the row group.
type pointRef struct {
	id     acquire.PointID
	number uint32 // in the file; 0 if it is not described
}

// textRef is where a text lies.
type textRef struct{ start, end int }

// group is a row group being filled.
type group struct {
	n                     int
	time, received, batch []int64
	status                []int64 // -1: none
	bits                  []uint64
	point                 []uint32
	kind                  []acquire.Kind
	count                 [acquire.KindText + 1]int // rows of each kind

	heads     []head
	events    []eventRow
	texts     []textRef
	textBytes []byte
	terms     int // bytes that dictionaries take at most

	used   []pointRef // by local number
	locals []uint32   // local number + 1, by id
}

func (g *group) add(r row) {
	status := int64(-1)
	if r.judged {
		status = int64(r.status)
	}
	g.time = append(g.time, r.time)
	g.received = append(g.received, r.received)
	g.batch = append(g.batch, r.batch)
	g.status = append(g.status, status)
	g.bits = append(g.bits, r.bits)
	g.point = append(g.point, r.point)
	g.kind = append(g.kind, r.kind)
	g.count[r.kind]++
	g.n++
}

// text keeps a text and returns its number.
func (g *group) text(text []byte) uint64 {
	start := len(g.textBytes)
	g.textBytes = append(g.textBytes, text...)
	g.texts = append(g.texts, textRef{start, len(g.textBytes)})
	return uint64(len(g.texts) - 1)
}

func (g *group) textAt(i int) []byte {
	t := g.texts[g.bits[i]]
	return g.textBytes[t.start:t.end]
}

func (g *group) reset() {
	for _, p := range g.used {
		g.locals[p.id] = 0
	}
	clear(g.events)
	g.terms = 0
	g.n, g.count = 0, [acquire.KindText + 1]int{}
	g.time, g.received, g.batch, g.status = g.time[:0], g.received[:0], g.batch[:0], g.status[:0]
	g.bits, g.point, g.kind = g.bits[:0], g.point[:0], g.kind[:0]
	g.heads, g.events, g.texts, g.textBytes, g.used = g.heads[:0], g.events[:0], g.texts[:0], g.textBytes[:0], g.used[:0]
}

// sorter puts rows in order of time.
type sorter struct {
	order []int32
	ints  []int64
	bits  []uint64
	small []uint32
	kinds []acquire.Kind
}

func (s *sorter) sort(g *group) {
	if slices.IsSorted(g.time) {
		return
	}
	s.order = resize(s.order, g.n)
	for i := range s.order {
		s.order[i] = int32(i)
	}
	slices.SortStableFunc(s.order, func(a, b int32) int { return cmp.Compare(g.time[a], g.time[b]) })
	s.ints = permute(g.time, s.ints, s.order)
	s.ints = permute(g.received, s.ints, s.order)
	s.ints = permute(g.status, s.ints, s.order)
	s.bits = permute(g.bits, s.bits, s.order)
	s.small = permute(g.point, s.small, s.order)
	s.kinds = permute(g.kind, s.kinds, s.order)
}

// permute puts values in order, with the help of scratch, which it returns.
func permute[T any](values, scratch []T, order []int32) []T {
	scratch = append(scratch[:0], values...)
	for i, from := range order {
		values[i] = scratch[from]
	}
	return scratch
}

// terms are the distinct texts of a column in a row group.
type terms struct {
	index map[string]uint32
	list  []string
}

func (t *terms) reset() {
	if t.index == nil {
		t.index = make(map[string]uint32)
	}
	clear(t.index)
	clear(t.list)
	t.list = t.list[:0]
}

func (t *terms) number(s string) uint32 {
	if n, ok := t.index[s]; ok {
		return n
	}
	n := uint32(len(t.list))
	t.index[s] = n
	t.list = append(t.list, s)
	return n
}

// statuses are the distinct qualities of a row group.
type statuses struct {
	index map[uint32]uint32
	list  []uint32
}

func (s *statuses) reset() {
	if s.index == nil {
		s.index = make(map[uint32]uint32)
	}
	clear(s.index)
	s.list = s.list[:0]
}

func (s *statuses) number(q uint32) uint32 {
	if n, ok := s.index[q]; ok {
		return n
	}
	n := uint32(len(s.list))
	s.index[q] = n
	s.list = append(s.list, q)
	return n
}

// severity returns the text of the column quality.
func severity(q acquire.Quality) string {
	switch q.Severity() {
	case acquire.Good:
		return "good"
	case acquire.Uncertain:
		return "uncertain"
	}
	return "bad"
}

// reason returns the text of the column reason, "" for none.
func reason(q acquire.Quality) string {
	if q.Reason() == acquire.Unspecified {
		return ""
	}
	return q.Reason().String()
}

// widthOf returns how many bits an index into a dictionary of n entries takes.
func widthOf(n int) int { return max(1, bits.Len(uint(max(n, 1)-1))) }
