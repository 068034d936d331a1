package capture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
)

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
	held    bool    // the latest line was not taken, as it belongs behind that batch
	err     error

	compact bytes.Buffer
	text    string // of the latest line, without white space
	own     []byte
	scratch acquire.Batch // for a text
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
			err := r.scan()
			if err == nil {
				if begun && bytes.HasPrefix(r.in.Bytes(), []byte(`{"batch":`)) {
					r.held = true
					return nil
				}
				if begun && r.plainSample(b) || !begun && r.plainBatch(b) {
					begun = true
					continue
				}
				o, err = r.read()
			}
			if err != nil {
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

// scan goes to the next line.
func (r *JSONReader) scan() error {
	if r.held {
		r.held = false
		return nil
	}
	if !r.in.Scan() {
		if err := r.in.Err(); err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		return io.EOF
	}
	r.line++
	return nil
}

// read reads a line of any kind.
func (r *JSONReader) read() (*object, error) {
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
	if s.Quality, err = r.names.parseStatus(o.Status, o.Quality); err != nil {
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
	if err := r.same(appendSampleLine(r.own[:0], &s, p, text, o.Quality)); err != nil {
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
		if ev.Quality, err = r.names.parseStatus(o.Status, o.Quality); err != nil {
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
