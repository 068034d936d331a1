package capture

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
)

// JSONWriter writes all that a capture holds as JSON Lines: fixtures that people
// read and compare. Each line is an object, of one of four kinds:
//
//	{"define":"main/P","unit":"kW","kind":"float64","role":"gauge"}
//	{"batch":1,"received":…,"watermark":…,"lost":0,"points":["main/P"]}
//	{"time":…,"point":"main/P","value":97.2,"unit":"kW","quality":"good","status":2}
//	{"event":"failed","time":…,"source":"meter",…}
//
// A point is defined before it is named. A batch is followed by its samples; its points
// are those of the batch before where they are absent. Times are in nanoseconds since
// 1970 in UTC, 0 if unknown. Floats have the shortest form that is read as the same;
// those that JSON has no number for are strings. A text that is no UTF-8 stands in
// base64: {"base64":"…"}. A value of another kind than its point's is followed by
// "holds" with its kind; null is none. A point that is not described has the name "".
type JSONWriter struct {
	out     *bufio.Writer
	names   names
	defined []bool // by id
	points  []acquire.PointID
	batches uint64
	line    []byte
	err     error
}

// NewJSONWriter returns a JSONWriter to w of batches whose points are defined in
// c. Call Flush at the end.
func NewJSONWriter(w io.Writer, c *acquire.Catalog) *JSONWriter {
	return &JSONWriter{out: bufio.NewWriterSize(w, 64<<10), names: names{catalog: c}}
}

// Write writes b: a line for it, and one for each sample.
func (w *JSONWriter) Write(b *acquire.Batch) error {
	for i := range b.Samples {
		w.define(b.Samples[i].Point)
	}
	for _, id := range b.Points {
		w.define(id)
	}
	w.batches++
	same := slices.Equal(w.points, b.Points)
	w.emit(appendBatchLine(w.line[:0], w.batches, b, &w.names, same))
	w.points = append(w.points[:0], b.Points...)
	for i := range b.Samples {
		s := &b.Samples[i]
		p := w.names.point(s.Point)
		text, ok := b.Text(s.Value)
		if !ok && s.Value.Kind() == acquire.KindText {
			return fmt.Errorf("capture: text of %q is of another batch", p.Name)
		}
		w.emit(appendSampleLine(w.line[:0], s, p, text))
	}
	return w.err
}

// Event writes ev.
func (w *JSONWriter) Event(ev Event) error {
	w.emit(appendEventLine(w.line[:0], &ev))
	return w.err
}

// Flush writes what is buffered.
func (w *JSONWriter) Flush() error {
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return nil
}

func (w *JSONWriter) define(id acquire.PointID) {
	if int64(id) < int64(len(w.defined)) && w.defined[id] {
		return
	}
	p := w.names.point(id)
	if p.Name == "" {
		return
	}
	if more := int(id) + 1 - len(w.defined); more > 0 {
		w.defined = append(w.defined, make([]bool, more)...)
	}
	w.defined[id] = true
	w.emit(appendDefineLine(w.line[:0], p))
}

func (w *JSONWriter) emit(line []byte) {
	w.line = append(line, '\n')
	if _, err := w.out.Write(w.line); err != nil && w.err == nil {
		w.err = fmt.Errorf("capture: %w", err)
	}
}

// appendJSON appends s as a JSON string.
func appendJSON[T string | []byte](b []byte, s T) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			var text bytes.Buffer
			enc := json.NewEncoder(&text)
			enc.SetEscapeHTML(false)
			if enc.Encode(string(s)) != nil { // a string: cannot be
				break
			}
			return append(b, bytes.TrimSuffix(text.Bytes(), []byte("\n"))...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendDefineLine(b []byte, p *acquire.Point) []byte {
	b = appendJSON(append(b, `{"define":`...), p.Name)
	b = appendJSON(append(b, `,"unit":`...), p.Unit.Symbol())
	b = appendJSON(append(b, `,"kind":`...), p.Kind.String())
	b = appendJSON(append(b, `,"role":`...), p.Role.String())
	return append(b, '}')
}

func appendBatchLine(b []byte, number uint64, batch *acquire.Batch, n *names, same bool) []byte {
	b = strconv.AppendUint(append(b, `{"batch":`...), number, 10)
	b = strconv.AppendInt(append(b, `,"received":`...), int64(batch.Received), 10)
	b = strconv.AppendInt(append(b, `,"watermark":`...), int64(batch.Watermark), 10)
	b = strconv.AppendUint(append(b, `,"lost":`...), batch.Lost, 10)
	if !same {
		b = append(b, `,"points":[`...)
		for i, id := range batch.Points {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, n.point(id).Name)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendSampleLine(b []byte, s *acquire.Sample, p *acquire.Point, text []byte) []byte {
	b = strconv.AppendInt(append(b, `{"time":`...), int64(s.Time), 10)
	b = appendJSON(append(b, `,"point":`...), p.Name)
	b = append(b, `,"value":`...)
	kind := s.Value.Kind()
	f, isFloat := s.Value.Float64()
	switch {
	case kind == acquire.KindNone:
		b = append(b, "null"...)
	case kind == acquire.KindText && utf8.Valid(text):
		b = appendJSON(b, text)
	case kind == acquire.KindText:
		b = append(b, `{"base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, text)
		b = append(b, `"}`...)
	case isFloat && f-f != 0: // infinite, or no number
		b = append(b, '"')
		b = appendFloat(b, f)
		b = append(b, '"')
	default:
		b = appendNumber(b, s.Value)
	}
	if kind != p.Kind && kind != acquire.KindNone {
		b = appendJSON(append(b, `,"holds":`...), kind.String())
	}
	b = appendJSON(append(b, `,"unit":`...), p.Unit.Symbol())
	b = appendJSON(append(b, `,"quality":`...), s.Quality.String())
	b = strconv.AppendUint(append(b, `,"status":`...), uint64(s.Quality), 10)
	return append(b, '}')
}

func appendEventLine(b []byte, ev *Event) []byte {
	b = appendJSON(append(b, `{"event":`...), ev.Kind.String())
	b = strconv.AppendInt(append(b, `,"time":`...), int64(ev.Time), 10)
	b = appendJSON(append(b, `,"source":`...), ev.Source)
	if ev.Kind == Failed {
		b = appendJSON(append(b, `,"quality":`...), ev.Quality.String())
		b = strconv.AppendUint(append(b, `,"status":`...), uint64(ev.Quality), 10)
		b = strconv.AppendBool(append(b, `,"permanent":`...), ev.Permanent)
		b = appendJSON(append(b, `,"text":`...), ev.Text)
	}
	if ev.Kind == Gap {
		b = strconv.AppendUint(append(b, `,"batches":`...), ev.Batches, 10)
		b = strconv.AppendUint(append(b, `,"samples":`...), ev.Samples, 10)
	}
	return append(b, '}')
}

// JSONReader reads what JSONWriter writes, and nothing else: apart from white
// space, each line must be as JSONWriter would write it.
type JSONReader struct {
	in      *bufio.Scanner
	catalog *acquire.Catalog
	onEvent func(Event)
	names   names
	ids     map[string]acquire.PointID // of defined points
	points  []acquire.PointID          // of the latest batch
	line    int
	batches uint64
	ahead   *object // was read and belongs behind the batch that was returned
	err     error

	compact bytes.Buffer
	text    string // of the latest line, without white space
	own     []byte
}

// object is a line.
type object struct {
	Define *string `json:"define"`
	Kind   string  `json:"kind"`
	Role   string  `json:"role"`

	Batch     *uint64   `json:"batch"`
	Received  int64     `json:"received"`
	Watermark int64     `json:"watermark"`
	Lost      uint64    `json:"lost"`
	Points    *[]string `json:"points"`

	Point *string         `json:"point"`
	Time  int64           `json:"time"`
	Value json.RawMessage `json:"value"`
	Holds string          `json:"holds"`

	Event     *string `json:"event"`
	Source    string  `json:"source"`
	Permanent bool    `json:"permanent"`
	Text      string  `json:"text"`
	Batches   uint64  `json:"batches"`
	Samples   uint64  `json:"samples"`

	Unit    string `json:"unit"`
	Quality string `json:"quality"`
	Status  uint64 `json:"status"`
}

// maxJSON bounds a line of JSON, in bytes: the points of a batch may be many.
const maxJSON = 64 << 20

// NewJSONReader returns a JSONReader of r, which defines the points in c. Next
// calls onEvent with each event before it returns the batch behind it; nil skips events.
func NewJSONReader(r io.Reader, c *acquire.Catalog, onEvent func(Event)) *JSONReader {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), maxJSON)
	return &JSONReader{in: in, catalog: c, onEvent: onEvent, names: names{catalog: c}, ids: make(map[string]acquire.PointID)}
}

// Next fills b with the next batch. It returns io.EOF after the last, and a
// SyntaxError for a line that is wrong, which is final.
func (r *JSONReader) Next(b *acquire.Batch) error {
	b.Reset()
	if r.err == nil {
		r.err = r.next(b)
	}
	if r.err != nil {
		b.Reset()
	}
	return r.err
}

var errLine = errors.New("not a line that JSONWriter writes")

// next reads a batch, up to the line behind its last sample.
func (r *JSONReader) next(b *acquire.Batch) error {
	begun := false
	for {
		o := r.ahead
		r.ahead = nil
		if o == nil {
			var err error
			if o, err = r.read(); err != nil {
				if begun && errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
		}
		if begun && (o.Batch != nil || o.Event != nil) {
			r.ahead = o
			return nil
		}
		if err := r.take(b, o, begun); err != nil {
			return &SyntaxError{r.line, err}
		}
		begun = begun || o.Batch != nil
	}
}

// take does what a line says.
func (r *JSONReader) take(b *acquire.Batch, o *object, begun bool) error {
	switch {
	case o.Define != nil:
		return r.define(o)
	case o.Batch != nil:
		return r.begin(b, o)
	case o.Event != nil:
		return r.event(o)
	case o.Point != nil && begun:
		return r.sample(b, o)
	case o.Point != nil:
		return errors.New("a sample without a batch")
	}
	return errLine
}

// read reads a line.
func (r *JSONReader) read() (*object, error) {
	if !r.in.Scan() {
		if err := r.in.Err(); err != nil {
			return nil, fmt.Errorf("capture: %w", err)
		}
		return nil, io.EOF
	}
	r.line++
	r.compact.Reset()
	o := new(object)
	err := json.Compact(&r.compact, r.in.Bytes())
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(r.compact.Bytes()))
		dec.DisallowUnknownFields()
		err = dec.Decode(o)
	}
	if err != nil {
		return nil, &SyntaxError{r.line, errLine}
	}
	r.text = r.compact.String()
	return o, nil
}

// same holds a line to what JSONWriter would have written.
func (r *JSONReader) same(own []byte) error {
	r.own = own
	if string(own) != r.text {
		return errLine
	}
	return nil
}

func (r *JSONReader) define(o *object) error {
	p, err := parsePoint(*o.Define, o.Unit, o.Kind, o.Role)
	if err != nil {
		return err
	}
	if err := r.same(appendDefineLine(r.own[:0], &p)); err != nil {
		return err
	}
	id, err := r.catalog.Define(p)
	if err != nil {
		return err
	}
	r.ids[p.Name] = id
	return nil
}

func (r *JSONReader) id(name string) (acquire.PointID, error) {
	id, ok := r.ids[name]
	if !ok && name != "" {
		return 0, fmt.Errorf("point %q is not defined", name)
	}
	return id, nil
}

func (r *JSONReader) begin(b *acquire.Batch, o *object) error {
	if r.batches++; *o.Batch != r.batches {
		return fmt.Errorf("batch %d is not number %d", *o.Batch, r.batches)
	}
	points := r.points
	if o.Points != nil {
		points = make([]acquire.PointID, 0, len(*o.Points))
		for _, name := range *o.Points {
			id, err := r.id(name)
			if err != nil {
				return err
			}
			points = append(points, id)
		}
	}
	b.Received, b.Watermark, b.Lost = acquire.Instant(o.Received), acquire.Instant(o.Watermark), o.Lost
	if len(points) > 0 {
		b.Points = points
	}
	same := slices.Equal(points, r.points)
	r.points = points
	return r.same(appendBatchLine(r.own[:0], *o.Batch, b, &r.names, same))
}

func (r *JSONReader) sample(b *acquire.Batch, o *object) error {
	id, err := r.id(*o.Point)
	if err != nil {
		return err
	}
	p := r.names.point(id)
	if id == 0 {
		p = new(acquire.Point)
	}
	s := acquire.Sample{Time: acquire.Instant(o.Time), Point: id}
	if s.Quality, err = parseStatus(o.Status, o.Quality); err != nil {
		return err
	}
	kind, ok := p.Kind, true
	if o.Holds != "" {
		if kind, ok = parseKind(o.Holds); !ok {
			return fmt.Errorf("unknown kind %q", o.Holds)
		}
	}
	var text []byte
	switch raw := string(o.Value); {
	case raw == "null" || raw == "":
	case kind == acquire.KindText:
		if text, err = parseText(o.Value); err != nil {
			return err
		}
		if s.Value, ok = b.PutText(text); !ok {
			return errors.New("text is too long")
		}
	default:
		if number := ""; raw[0] == '"' && json.Unmarshal(o.Value, &number) == nil {
			raw = number
		}
		if s.Value, err = parseNumber(raw, kind); err != nil {
			return err
		}
	}
	if err := r.same(appendSampleLine(r.own[:0], &s, p, text)); err != nil {
		return err
	}
	b.Append(s)
	return nil
}

func parseText(raw json.RawMessage) ([]byte, error) {
	if raw[0] == '{' {
		var coded struct {
			Base64 []byte `json:"base64"`
		}
		err := json.Unmarshal(raw, &coded)
		return coded.Base64, err
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return []byte(text), err
}

func (r *JSONReader) event(o *object) error {
	ev := Event{
		Time: acquire.Instant(o.Time), Source: o.Source, Permanent: o.Permanent, Text: o.Text,
		Batches: o.Batches, Samples: o.Samples,
	}
	for k := Opened; k <= Gap; k++ {
		if k.String() == *o.Event {
			ev.Kind = k
		}
	}
	if ev.Kind == Failed {
		var err error
		if ev.Quality, err = parseStatus(o.Status, o.Quality); err != nil {
			return err
		}
	}
	if err := r.same(appendEventLine(r.own[:0], &ev)); err != nil {
		return err
	}
	if r.onEvent != nil {
		r.onEvent(ev)
	}
	return nil
}
