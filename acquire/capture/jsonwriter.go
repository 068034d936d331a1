package capture

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
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
		w.emit(appendSampleLine(w.line[:0], s, p, text, w.names.quality(s.Quality)))
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

func appendSampleLine(b []byte, s *acquire.Sample, p *acquire.Point, text []byte, quality string) []byte {
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
	b = appendJSON(append(b, `,"quality":`...), quality)
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
