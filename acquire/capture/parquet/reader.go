package parquet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/units"
)

// What a Reader takes at most, in bytes.
const (
	maxFooter = 64 << 20
	maxPage   = 64 << 20 // before and after decompression
)

// maxLoose is how many samples a batch has at most that is made of rows without one.
const maxLoose = 4096

// ErrFormat is wrapped by the error for a file that a Writer has not written, or that
// is damaged.
var ErrFormat = errors.New("not a capture as Parquet")

// ReaderConfig says what to read. The zero value reads all.
type ReaderConfig struct {
	// Catalog is where the points of the file are defined, so that samples carry its
	// ids; nil: one of the Reader's own.
	Catalog *acquire.Catalog
	// OnEvent is called by Next with each event, before the batch that follows it is
	// returned; nil: events are skipped.
	OnEvent func(capture.Event)
}

// Reader reads what a Writer has written, batch by batch, and holds a row group in
// memory. Of a Sorted file the rows that follow each other and were received together
// make a batch, of 4,096 samples at most.
//
// A Reader is used by one goroutine at a time.
type Reader struct {
	cfg     ReaderConfig
	catalog *acquire.Catalog
	src     io.ReaderAt
	size    int64
	err     error // final

	points []acquire.PointID // of the catalog, by number in the file less 1
	byName map[string]int32  // number in the file
	sets   [][]acquire.PointID
	sorted bool

	groups thriftReader // metadata of the row groups not read yet
	left   int          // of them
	group  int          // number of the present one, from 1
	total  int64        // rows of groups not read yet

	rows    int // of the present group
	row     int
	cols    [columns]columnReader
	places  [columns]chunkPlace
	buf     []byte
	unpack  decompressor
	locals  []local  // points of the group
	judge   []judged // statuses of the group
	batch   int64    // number of the latest
	arrived int64    // when it did
}

// local is a point of a row group, and what other columns must say of it once one row
// of it was seen to be right.
type local struct {
	id           acquire.PointID
	number       int32 // in the file, 0 if it is not described
	unit, source int32 // index in the dictionary; -1: null; unseen
}

// judged is a quality of a row group, likewise.
type judged struct {
	quality         acquire.Quality
	severity, cause int32
}

const (
	null   = -1
	unseen = -2
)

// NewReader returns a Reader of the size bytes of src. They are not to change
// meanwhile.
func NewReader(src io.ReaderAt, size int64, cfg ReaderConfig) (*Reader, error) {
	if src == nil || size < 0 {
		return nil, errors.New("parquet: nothing to read from")
	}
	r := &Reader{cfg: cfg, catalog: cfg.Catalog, src: src, size: size, byName: make(map[string]int32)}
	if r.catalog == nil {
		r.catalog = acquire.NewCatalog()
	}
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	return r, nil
}

// Catalog returns where the points of the file are defined.
func (r *Reader) Catalog() *acquire.Catalog { return r.catalog }

// Points returns the points of the file in order of appearance. The slice is only to
// be read.
func (r *Reader) Points() []acquire.PointID { return r.points }

// malformed makes an error of why a file is none of a Writer's.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrFormat, fmt.Errorf(format, args...))
}

func (r *Reader) readAt(b []byte, offset int64) error {
	if n, err := r.src.ReadAt(b, offset); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

// open reads the metadata of the file.
func (r *Reader) open() error {
	var tail [tailSize]byte
	if r.size < int64(len(magic)+tailSize) {
		return malformed("%d bytes are too few", r.size)
	}
	if err := r.readAt(tail[:len(magic)], 0); err != nil {
		return err
	}
	if string(tail[:len(magic)]) != magic {
		return malformed("it does not begin with %s", magic)
	}
	if err := r.readAt(tail[:], r.size-tailSize); err != nil {
		return err
	}
	if string(tail[4:]) != magic {
		return malformed("it does not end with %s: it was not closed, or is cut", magic)
	}
	n := int64(le.Uint32(tail[:]))
	if n > maxFooter || n > r.size-int64(len(magic)+tailSize) {
		return malformed("metadata of %d bytes", n)
	}
	footer := make([]byte, n)
	if err := r.readAt(footer, r.size-tailSize-n); err != nil {
		return err
	}
	r.size -= tailSize + n // where pages end
	return r.metadata(footer)
}

// metadata takes what the metadata of the file says.
func (r *Reader) metadata(footer []byte) error {
	var own thriftWriter
	own.begin()
	appendSchema(&own)
	var (
		t        = thriftReader{b: footer}
		same     bool
		texts    = make(map[string][]byte)
		groupsAt []byte
	)
	r.total = -1
	t.fields(func(number int16, kind byte) {
		at := t.b
		switch number {
		case 2:
			t.skip(kind, 0)
			same = bytes.Equal(at[:len(at)-len(t.b)], own.b[1:])
		case 3:
			r.total = t.int64(kind)
		case 4:
			if t.want(kind, thriftList) {
				element, n := t.list()
				r.left, groupsAt = n, t.b
				for i := 0; i < n && !t.bad; i++ {
					t.skip(element, 1)
				}
				if n > 0 && element != thriftStruct {
					t.fail()
				}
			}
		case 5:
			t.keyValues(kind, texts)
		default:
			t.skip(kind, 0)
		}
	})
	switch {
	case t.bad:
		return malformed("%w", errThrift)
	case !same:
		return malformed("it has other columns than a capture")
	case r.total < 0 || r.left > len(footer):
		return malformed("%d rows in %d groups", r.total, r.left)
	case string(texts[keyVersion]) != version:
		return malformed("version %q is not %q", texts[keyVersion], version)
	}
	r.groups = thriftReader{b: groupsAt}
	switch string(texts[keySorted]) {
	case "true":
		r.sorted = true
	case "false":
	default:
		return malformed("%s is %q", keySorted, texts[keySorted])
	}
	if err := r.define(texts[keyPoints]); err != nil {
		return err
	}
	return r.takeSets(texts[keySets])
}

// keyValues reads the list of what is known of the file beside its columns.
func (r *thriftReader) keyValues(kind byte, texts map[string][]byte) {
	if !r.want(kind, thriftList) {
		return
	}
	element, n := r.list()
	for i := 0; i < n && r.want(element, thriftStruct); i++ {
		var key, value []byte
		r.fields(func(number int16, kind byte) {
			switch number {
			case 1:
				key = r.text(kind)
			case 2:
				value = r.text(kind)
			default:
				r.skip(kind, 1)
			}
		})
		texts[string(key)] = value
	}
}

// define takes the points of the file into the catalog.
func (r *Reader) define(text []byte) error {
	var list []description
	if err := json.Unmarshal(text, &list); err != nil {
		return malformed("%s: %w", keyPoints, err)
	}
	var faults []error
	for i, d := range list {
		p, err := d.point()
		if err != nil {
			return malformed("point %q: %w", d.Name, err)
		}
		if _, twice := r.byName[p.Name]; twice {
			return malformed("point %q is described twice", p.Name)
		}
		id, err := r.catalog.Define(p)
		if err != nil {
			faults = append(faults, err)
		}
		r.points = append(r.points, id)
		r.byName[p.Name] = int32(i + 1)
	}
	return errors.Join(faults...)
}

// point returns the point that d describes.
func (d *description) point() (acquire.Point, error) {
	p := acquire.Point{Name: d.Name}
	if d.Unit != "" {
		if err := p.Unit.UnmarshalText([]byte(d.Unit)); err != nil {
			return p, err
		}
	}
	for p.Kind = acquire.KindText; p.Kind.String() != d.Kind; p.Kind-- {
		if p.Kind == acquire.KindNone {
			return p, fmt.Errorf("unknown kind %q", d.Kind)
		}
	}
	for p.Role = acquire.State; p.Role.String() != d.Role; p.Role-- {
		if p.Role == acquire.Gauge {
			return p, fmt.Errorf("unknown role %q", d.Role)
		}
	}
	if p.Unit != units.None && p.Unit.Kind().String() != d.Quantity {
		return p, fmt.Errorf("%s is no %s", d.Unit, d.Quantity)
	}
	return p, nil
}

// takeSets takes the sets of points that watermarks speak for.
func (r *Reader) takeSets(text []byte) error {
	var list [][]int32
	if err := json.Unmarshal(text, &list); err != nil {
		return malformed("%s: %w", keySets, err)
	}
	for _, numbers := range list {
		set := make([]acquire.PointID, len(numbers))
		for i, n := range numbers {
			if n < 0 || int(n) > len(r.points) {
				return malformed("%s: there is no point %d", keySets, n)
			}
			if n > 0 {
				set[i] = r.points[n-1]
			}
		}
		r.sets = append(r.sets, set)
	}
	return nil
}

// Next fills b with the next batch. It returns io.EOF after the last. An error is
// final, and wraps ErrFormat if it is the file's fault.
func (r *Reader) Next(b *acquire.Batch) error {
	b.Reset()
	if r.err == nil {
		if err := r.next(b); err != nil {
			r.err = err
			if !errors.Is(err, io.EOF) || errors.Is(err, ErrFormat) {
				r.err = fmt.Errorf("parquet: row group %d, row %d: %w", r.group, r.row+1, err)
			}
		}
	}
	if r.err != nil {
		b.Reset()
	}
	return r.err
}

func (r *Reader) next(b *acquire.Batch) error {
	for begun := false; ; {
		if r.row == r.rows {
			if r.left == 0 && begun {
				return nil
			}
			if err := r.load(); err != nil {
				return err
			}
			continue
		}
		number := null64
		if c := &r.cols[colBatch]; c.there(r.row) {
			number = c.ints[c.at]
		}
		switch {
		case r.cols[colEvent].there(r.row):
			if begun {
				return nil
			}
			if err := r.event(); err != nil {
				return err
			}
			continue
		case r.sorted:
			if begun && (len(b.Samples) >= maxLoose || r.peek(colReceived) != int64(b.Received)) {
				return nil
			}
		case number == r.batch && begun:
		case number == r.batch+1 && begun:
			return nil
		case number == r.batch+1:
		default:
			return malformed("batch %d follows %d", number, r.batch)
		}
		if !begun {
			if err := r.begin(b); err != nil {
				return err
			}
			begun = true
		} else if err := r.absent(colWatermark, colLost, colSet); err != nil {
			return err
		}
		if err := r.sample(b); err != nil {
			return err
		}
	}
}

// absent returns an error unless columns are null in the present row.
func (r *Reader) absent(list ...int) error {
	for _, c := range list {
		if r.cols[c].there(r.row) {
			return malformed("%s: %w", schema[c].name, errOther)
		}
	}
	return nil
}

const null64 = int64(math.MinInt64)

// peek returns an integer of the present row, 0 for null.
func (r *Reader) peek(c int) int64 {
	col := &r.cols[c]
	if !col.there(r.row) {
		return 0
	}
	return col.ints[col.at]
}

// take returns an integer of the present row and goes past it.
func (r *Reader) take(c int) (int64, bool) {
	col := &r.cols[c]
	if !col.there(r.row) {
		return 0, false
	}
	v := col.ints[col.at]
	col.at++
	return v, true
}

// takeIndex does so with an index.
func (r *Reader) takeIndex(c int) int32 {
	col := &r.cols[c]
	if !col.there(r.row) {
		return null
	}
	v := col.index[col.at]
	col.at++
	return int32(v)
}

// begin begins a batch with the present row.
func (r *Reader) begin(b *acquire.Batch) error {
	r.arrived = r.peek(colReceived)
	b.Received = acquire.Instant(r.arrived)
	if r.sorted {
		return r.absent(colWatermark, colLost, colSet)
	}
	r.batch++
	watermark, _ := r.take(colWatermark)
	lost, _ := r.take(colLost)
	b.Watermark, b.Lost = acquire.Instant(watermark), uint64(lost)
	if at, ok := r.take(colSet); ok {
		if at < 0 || at >= int64(len(r.sets)) {
			return malformed("there is no set %d", at)
		}
		b.Points = r.sets[at]
	}
	return nil
}

var errOther = errors.New("columns contradict each other")

// sample appends the present row to b, unless it is that of a batch without samples.
func (r *Reader) sample(b *acquire.Batch) error {
	if received, ok := r.take(colReceived); received != r.arrived || ok != (received != 0) {
		return malformed("received: %w", errOther)
	}
	if number, ok := r.take(colBatch); ok == r.sorted || !r.sorted && number != r.batch {
		return malformed("batch: %w", errOther)
	}
	at, point, status := r.peek(colTime), r.takeIndex(colPoint), r.takeIndex(colStatus)
	if _, ok := r.take(colTime); ok != (at != 0) {
		return malformed("time: %w", errOther)
	}
	if point == null {
		if r.sorted || len(b.Samples) > 0 || at != 0 || status != null {
			return malformed("row without a point: %w", errOther)
		}
		if err := r.absent(colValue, colInt64, colUint64, colBool, colText, colBytes); err != nil {
			return err
		}
		return r.endOfRow(local{unit: null, source: null}, judged{severity: null, cause: null})
	}
	if len(b.Samples) >= maxBatch {
		return malformed("batch of more than %d samples", maxBatch)
	}
	if status == null {
		return malformed("status: %w", errOther)
	}
	l, j := &r.locals[point], &r.judge[status]
	if l.unit == unseen || l.source == unseen {
		r.seePoint(l)
	}
	if j.severity == unseen || j.cause == unseen {
		r.seeStatus(j)
	}
	value, err := r.value(b)
	if err != nil {
		return err
	}
	b.Samples = append(b.Samples, acquire.Sample{Time: acquire.Instant(at), Value: value, Point: l.id, Quality: j.quality})
	return r.endOfRow(*l, *j)
}

// seePoint finds what the columns unit and source must say of a point, from the
// present row, if they do.
func (r *Reader) seePoint(l *local) {
	var unit, source string
	if l.number > 0 {
		p, _ := r.catalog.Point(l.id)
		unit, source = p.Unit.Symbol(), sourceOf(p.Name)
	}
	l.unit = r.cols[colUnit].indexOf(r.row, unit)
	l.source = r.cols[colSource].indexOf(r.row, source)
}

func (r *Reader) seeStatus(j *judged) {
	j.severity = r.cols[colQuality].indexOf(r.row, severity(j.quality))
	j.cause = r.cols[colReason].indexOf(r.row, reason(j.quality))
}

// endOfRow holds what repeats other columns to them, and goes to the next row.
func (r *Reader) endOfRow(l local, j judged) error {
	switch {
	case r.takeIndex(colUnit) != l.unit:
		return malformed("unit: %w", errOther)
	case r.takeIndex(colSource) != l.source:
		return malformed("source: %w", errOther)
	case r.takeIndex(colQuality) != j.severity:
		return malformed("quality: %w", errOther)
	case r.takeIndex(colReason) != j.cause:
		return malformed("reason: %w", errOther)
	}
	r.row++
	return nil
}

// value takes the value of the present row.
func (r *Reader) value(b *acquire.Batch) (acquire.Value, error) {
	word, number := r.take(colValue)
	signed, isInt := r.take(colInt64)
	unsigned, isUint := r.take(colUint64)
	f := math.Float64frombits(uint64(word))
	truth, text, raw := &r.cols[colBool], &r.cols[colText], &r.cols[colBytes]
	isBool, isText, isRaw := truth.there(r.row), text.there(r.row), raw.there(r.row)
	kinds := 0
	for _, is := range [...]bool{isInt, isUint, isBool, isText, isRaw} {
		if is {
			kinds++
		}
	}
	var v acquire.Value
	switch {
	case kinds > 1 || kinds == 1 && number != (isInt || isUint):
		return v, malformed("value: %w", errOther)
	case isInt:
		v = acquire.Int64(signed)
	case isUint:
		v = acquire.Uint64(uint64(unsigned))
	case isBool:
		v = acquire.Bool(truth.ints[truth.at] != 0)
		truth.at++
		return v, nil
	case isText, isRaw:
		if isRaw {
			text = raw
		}
		v, ok := b.PutText(text.text())
		if !ok {
			return v, malformed("text: longer than a text of a batch is")
		}
		return v, nil
	case number:
		return acquire.Float64(f), nil
	default:
		return v, nil
	}
	if same, _ := v.Number(); same != f {
		return v, malformed("value: %w", errOther)
	}
	return v, nil
}

// event takes the present row, which is an event.
func (r *Reader) event() error {
	if r.sorted {
		return malformed("event: %w", errOther)
	}
	if err := r.absent(colPoint, colReceived, colBatch, colWatermark, colSet, colUnit, colValue, colInt64); err != nil {
		return err
	}
	var ev capture.Event
	kind := string(r.cols[colEvent].entry(r.takeIndex(colEvent)))
	for k := capture.Opened; k <= capture.Gap; k++ {
		if k.String() == kind {
			ev.Kind = k
		}
	}
	if ev.Kind == 0 {
		return malformed("unknown event %q", kind)
	}
	at, _ := r.take(colTime)
	ev.Time = acquire.Instant(at)
	source := int32(null)
	if col := &r.cols[colSource]; col.there(r.row) {
		source = int32(col.index[col.at])
		ev.Source = string(col.entry(source))
	}
	status := r.takeIndex(colStatus)
	if status == null {
		return malformed("status: %w", errOther)
	}
	j := &r.judge[status]
	if j.severity == unseen || j.cause == unseen {
		r.seeStatus(j)
	}
	ev.Quality = j.quality
	batches, _ := r.take(colUint64)
	lost, _ := r.take(colLost)
	ev.Batches, ev.Samples = uint64(batches), uint64(lost)
	if truth := &r.cols[colBool]; truth.there(r.row) {
		ev.Permanent = truth.ints[truth.at] != 0
		truth.at++
	}
	for _, c := range [...]int{colText, colBytes} {
		if text := &r.cols[c]; text.there(r.row) {
			if ev.Text != "" {
				return malformed("text: %w", errOther)
			}
			ev.Text = string(text.text())
		}
	}
	if err := r.endOfRow(local{unit: null, source: source}, *j); err != nil {
		return err
	}
	if r.cfg.OnEvent != nil {
		r.cfg.OnEvent(ev)
	}
	return nil
}
