package parquet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// Extension is the end of the name of a Parquet file.
const Extension = ".parquet"

// What a file holds at most.
const (
	defaultRowGroup = 122_880
	maxRowGroup     = 1 << 20
	maxBatch        = 1 << 20  // samples
	maxText         = 16 << 20 // bytes of text of a batch, and of a row group before its last row
	maxSetPoints    = 1 << 22  // points in all sets
	maxEventText    = 255
)

// The metadata of a file, by key.
const (
	keyVersion = "fieldtap.version"
	keyPoints  = "fieldtap.points"
	keySets    = "fieldtap.sets"
	keySorted  = "fieldtap.sorted"

	version = "1"
)

// ErrClosed is returned by a Writer after Close.
var ErrClosed = errors.New("parquet: closed")

var (
	_ capture.BatchWriter = (*Writer)(nil)
	_ capture.BatchReader = (*Reader)(nil)
)

// Config says how to write. The zero value of each field but Catalog is a documented
// default.
type Config struct {
	// Catalog describes the points. Required.
	Catalog *acquire.Catalog
	// RowGroup is how many rows a row group has at most, up to 1,048,576; 0: 122,880.
	// It has fewer where their texts exceed 16 MiB.
	RowGroup int
	// Sorted puts the rows of each row group in order of time, and leaves out what are
	// no samples: batches, watermarks, losses, events. Row groups overlap by as much
	// as samples came late.
	Sorted bool
	// Compression is the method; 0: Zstd.
	Compression Compression
}

// Stats is a snapshot of what a Writer has done.
type Stats struct {
	Batches   uint64 // given to Write; each piece of one beyond 1,048,576 samples counts
	Samples   uint64 // given to Write
	Events    uint64 // given to Event
	RowGroups uint64 // written
	Bytes     uint64 // written
}

// Writer writes batches as rows of a table. It holds a row group in memory, and the
// file is a file only after Close.
//
// A Writer is used by one goroutine at a time.
type Writer struct {
	cfg   Config
	out   io.Writer
	stats Stats
	err   error // final

	numbers []uint32        // of points in the file, from 1, by id
	points  []acquire.Point // of the file
	sets    map[string]int64
	setList [][]uint32
	inSets  int
	setKey  []byte
	setLast []acquire.PointID // the set that was looked up last
	setAt   int64

	rows   group
	pages  pageWriter
	tables tables
	nobody acquire.Point // that is not described
	groups []byte        // metadata of the row groups written, as elements of a list
	outer  []int16       // memory of what writes it
	total  int64         // rows in them
}

// NewWriter returns a Writer to w, which it does not close.
func NewWriter(w io.Writer, cfg Config) (*Writer, error) {
	var faults []error
	if w == nil {
		faults = append(faults, errors.New("parquet: nothing to write to"))
	}
	if cfg.Catalog == nil {
		faults = append(faults, errors.New("parquet: Catalog is missing"))
	}
	if cfg.RowGroup < 0 || cfg.RowGroup > maxRowGroup {
		faults = append(faults, fmt.Errorf("parquet: RowGroup %d is not within 0 to %d", cfg.RowGroup, maxRowGroup))
	}
	codec, err := newCompressor(cfg.Compression)
	if err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if cfg.RowGroup == 0 {
		cfg.RowGroup = defaultRowGroup
	}
	return &Writer{cfg: cfg, out: w, sets: make(map[string]int64), pages: pageWriter{codec: codec}}, nil
}

// Write writes a row for each sample of b. An error is final, except that of a text of
// another batch, of which nothing is written.
func (w *Writer) Write(b *acquire.Batch) error {
	if w.err != nil {
		return w.err
	}
	for i := range b.Samples {
		s := &b.Samples[i]
		if s.Value.Kind() != acquire.KindText {
			continue
		}
		if _, ok := b.Text(s.Value); !ok {
			p, _ := w.cfg.Catalog.Point(s.Point)
			return fmt.Errorf("parquet: text of %q is of another batch", p.Name)
		}
	}
	samples, lost := b.Samples, b.Lost
	for {
		n := piece(b, samples)
		if n == len(samples) {
			break
		}
		// A piece promises nothing: what follows is as old as it.
		w.batch(b, 0, nil, lost, samples[:n])
		samples, lost = samples[n:], 0
	}
	w.batch(b, b.Watermark, b.Points, lost, samples)
	return w.err
}

// piece returns how many of the samples go into one batch.
func piece(b *acquire.Batch, samples []acquire.Sample) int {
	size := 0
	for i := range samples {
		if text, ok := b.Text(samples[i].Value); ok {
			size += len(text)
		}
		if i == maxBatch || size > maxText {
			return i
		}
	}
	return len(samples)
}

// batch adds samples of b as a batch of their own.
func (w *Writer) batch(b *acquire.Batch, watermark acquire.Instant, points []acquire.PointID, lost uint64, samples []acquire.Sample) {
	w.stats.Batches++
	w.stats.Samples += uint64(len(samples))
	number := int64(0)
	if !w.cfg.Sorted {
		w.makeRoom()
		number = int64(w.stats.Batches)
		h := head{row: w.rows.n, watermark: int64(watermark), lost: lost, set: w.set(points)}
		w.rows.heads = append(w.rows.heads, h)
		if len(samples) == 0 {
			w.rows.add(row{received: int64(b.Received), point: none, batch: number})
		}
	}
	for i := range samples {
		w.makeRoom()
		s := &samples[i]
		r := row{
			time: int64(s.Time), received: int64(b.Received), point: w.local(s.Point),
			kind: s.Value.Kind(), status: uint32(s.Quality), judged: true, batch: number,
		}
		r.bits, _ = s.Value.Uint64()
		if r.kind == acquire.KindText {
			text, _ := b.Text(s.Value)
			r.bits = w.rows.text(text)
		}
		w.rows.add(r)
	}
}

// Event writes ev in its place among the batches. Of its texts, 255 bytes are kept. It
// does nothing if the file is Sorted.
func (w *Writer) Event(ev capture.Event) error {
	switch {
	case w.err != nil:
		return w.err
	case ev.Kind < capture.Opened || ev.Kind > capture.Gap:
		return fmt.Errorf("parquet: %s is no kind of event", ev.Kind)
	}
	w.stats.Events++
	if w.cfg.Sorted {
		return nil
	}
	w.makeRoom()
	ev.Source, ev.Text = strings.ToValidUTF8(clip(ev.Source), "\uFFFD"), clip(ev.Text)
	r := row{time: int64(ev.Time), point: none, status: uint32(ev.Quality), judged: true}
	if ev.Text != "" {
		r.kind, r.bits = acquire.KindText, w.rows.text([]byte(ev.Text))
	}
	w.rows.events = append(w.rows.events, eventRow{w.rows.n, ev})
	w.rows.terms += len(ev.Source) + 4
	w.rows.add(r)
	return w.err
}

// Stats returns a snapshot.
func (w *Writer) Stats() Stats { return w.stats }

// Close writes what is left, and what makes a file of it all. It is idempotent, and
// returns an error if there is no file.
func (w *Writer) Close() error {
	if errors.Is(w.err, ErrClosed) {
		return nil
	}
	if w.err == nil {
		w.flush()
	}
	if w.err == nil {
		w.finish()
	}
	err := w.err
	if err == nil {
		w.err = ErrClosed
	}
	return err
}

// makeRoom sees to it that the row group takes a row more.
func (w *Writer) makeRoom() {
	if w.rows.n >= w.cfg.RowGroup || len(w.rows.textBytes) >= maxText || w.rows.terms >= maxText {
		w.flush()
	}
}

func (w *Writer) flush() {
	if w.err == nil && w.rows.n > 0 {
		w.err = w.writeGroup()
	}
	w.rows.reset()
}

// local returns the number of a point within the row group, and gives it one.
func (w *Writer) local(id acquire.PointID) uint32 {
	g := &w.rows
	if int64(id) < int64(len(g.locals)) && g.locals[id] != 0 {
		return g.locals[id] - 1
	}
	number := w.number(id)
	if number == 0 {
		id = 0 // of no description: all are one
		if len(g.locals) > 0 && g.locals[0] != 0 {
			return g.locals[0] - 1
		}
	}
	if more := int(id) + 1 - len(g.locals); more > 0 {
		g.locals = append(g.locals, make([]uint32, more)...)
	}
	g.used = append(g.used, pointRef{id: id, number: number})
	g.terms += acquire.MaxName + 4
	g.locals[id] = uint32(len(g.used))
	return g.locals[id] - 1
}

// number returns the number of a point in the file, and gives it one; 0 if the
// catalog does not describe it.
func (w *Writer) number(id acquire.PointID) uint32 {
	if int64(id) < int64(len(w.numbers)) && w.numbers[id] != 0 {
		return w.numbers[id]
	}
	p, ok := w.cfg.Catalog.Point(id)
	if !ok {
		return 0
	}
	if more := int(id) + 1 - len(w.numbers); more > 0 {
		w.numbers = append(w.numbers, make([]uint32, more)...)
	}
	w.points = append(w.points, p)
	w.numbers[id] = uint32(len(w.points))
	return w.numbers[id]
}

// set returns the number of a set of points, -1 for none.
func (w *Writer) set(points []acquire.PointID) int64 {
	if len(points) == 0 {
		return -1
	}
	if slices.Equal(points, w.setLast) {
		return w.setAt
	}
	w.setKey = w.setKey[:0]
	for _, id := range points {
		w.setKey = le.AppendUint32(w.setKey, w.number(id))
	}
	at, ok := w.sets[string(w.setKey)]
	if !ok {
		if w.inSets += len(points); w.inSets > maxSetPoints {
			w.err = fmt.Errorf("parquet: sets of points hold more than %d in all", maxSetPoints)
			return -1
		}
		at = int64(len(w.setList))
		set := make([]uint32, len(points))
		for i, id := range points {
			set[i] = w.number(id)
		}
		w.sets[string(w.setKey)] = at
		w.setList = append(w.setList, set)
	}
	w.setLast, w.setAt = append(w.setLast[:0], points...), at
	return at
}

// description is a point as JSON.
type description struct {
	Name     string `json:"name"`
	Unit     string `json:"unit,omitempty"`
	Kind     string `json:"kind"`
	Role     string `json:"role"`
	Quantity string `json:"quantity,omitempty"`
}

func describe(p *acquire.Point) description {
	d := description{Name: p.Name, Unit: p.Unit.Symbol(), Kind: p.Kind.String(), Role: p.Role.String()}
	if d.Unit != "" {
		d.Quantity = p.Unit.Kind().String()
	}
	return d
}

// finish writes the metadata of the file.
func (w *Writer) finish() {
	descriptions := make([]description, len(w.points))
	for i := range w.points {
		descriptions[i] = describe(&w.points[i])
	}
	points, err := json.Marshal(descriptions)
	if err != nil { // strings alone: cannot be
		w.err = fmt.Errorf("parquet: %w", err)
		return
	}
	sets := []byte{'['}
	for i, set := range w.setList {
		if i > 0 {
			sets = append(sets, ',')
		}
		sets = append(sets, '[')
		for j, number := range set {
			if j > 0 {
				sets = append(sets, ',')
			}
			sets = strconv.AppendUint(sets, uint64(number), 10)
		}
		sets = append(sets, ']')
	}
	sets = append(sets, ']')
	meta := [][2]string{{keyVersion, version}, {keyPoints, string(points)}, {keySets, string(sets)}, {keySorted, strconv.FormatBool(w.cfg.Sorted)}}

	var t thriftWriter
	t.begin()
	t.int32(1, 2) // version of the format
	appendSchema(&t)
	t.int64(3, w.total)
	if w.stats.RowGroups > math.MaxInt32 {
		w.err = errors.New("parquet: too many row groups")
		return
	}
	t.list(4, thriftStruct, int(w.stats.RowGroups))
	t.b = append(t.b, w.groups...)
	t.list(5, thriftStruct, len(meta))
	for _, kv := range meta {
		t.begin()
		t.text(1, kv[0])
		t.text(2, kv[1])
		t.end()
	}
	t.text(6, "fieldtap")
	t.list(7, thriftStruct, columns)
	for range columns {
		t.begin()
		t.structure(1) // ordered by type: statistics mean what they say
		t.end()
		t.end()
	}
	t.end()
	n := len(t.b)
	if n > maxFooter {
		w.err = fmt.Errorf("parquet: metadata of %d bytes is longer than %d", n, maxFooter)
		return
	}
	w.mark()
	w.put(append(le.AppendUint32(t.b, uint32(n)), magic...))
}

// mark writes the magic at the beginning of the file.
func (w *Writer) mark() {
	if w.stats.Bytes == 0 {
		w.put([]byte(magic))
	}
}

// put writes b to the file.
func (w *Writer) put(b []byte) {
	if w.err != nil {
		return
	}
	n, err := w.out.Write(b)
	w.stats.Bytes += uint64(max(n, 0))
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("parquet: %w", err)
	}
}

// sourceOf returns the part of a point's name that names its source.
func sourceOf(name string) string {
	source, _, ok := strings.Cut(name, "/")
	if !ok {
		return ""
	}
	return source
}

// clip shortens s to what an event keeps, between two characters.
func clip(s string) string {
	if len(s) <= maxEventText {
		return s
	}
	n := maxEventText
	for n > maxEventText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
