package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/fieldtap/fieldtap/acquire"
)

// csvHeader is the first line of a CSV file.
const csvHeader = "received,time,point,unit,kind,role,value,holds,quality,status"

// CSVWriter writes samples as CSV after RFC 4180, with a line feed alone at the
// end of each line. The columns are
//
//	received  when the batch arrived, in nanoseconds since 1970 in UTC; 0 if unknown
//	time      of the sample, likewise
//	point     name; empty for a point that is not described
//	unit      symbol; empty if there is none
//	kind      of the point's values: float64, int64, uint64, bool, text
//	role      of the point: gauge, counter, state
//	value     floats in the shortest form that is read as the same; empty for none
//	holds     kind of this value, where it is not that of the point; none for none
//	quality   for people
//	status    the same as a number, acquire.Quality
//
// Watermarks, losses and empty batches are not written: for those, there is
// JSONWriter. Texts are written byte for byte.
type CSVWriter struct {
	out   *bufio.Writer
	names names
	line  []byte
}

// NewCSVWriter returns a CSVWriter to w of batches whose points are defined in c,
// and writes the line of headings. Call Flush at the end.
func NewCSVWriter(w io.Writer, c *acquire.Catalog) *CSVWriter {
	out := bufio.NewWriterSize(w, 64<<10)
	_, _ = out.WriteString(csvHeader + "\n") // Flush returns the error
	return &CSVWriter{out: out, names: names{catalog: c}}
}

// Write writes a line for each sample of b.
func (w *CSVWriter) Write(b *acquire.Batch) error {
	for i := range b.Samples {
		s := &b.Samples[i]
		p := w.names.point(s.Point)
		line := strconv.AppendInt(w.line[:0], int64(b.Received), 10)
		line = append(line, ',')
		line = strconv.AppendInt(line, int64(s.Time), 10)
		line = append(line, ',')
		line = appendField(line, p.Name, false)
		line = append(line, ',')
		line = append(line, p.Unit.Symbol()...)
		line = append(line, ',')
		if p.Name != "" {
			line = append(line, p.Kind.String()...)
			line = append(line, ',')
			line = append(line, p.Role.String()...)
		} else {
			line = append(line, ',')
		}
		line = append(line, ',')
		kind := s.Value.Kind()
		switch kind {
		case acquire.KindNone:
		case acquire.KindText:
			text, ok := b.Text(s.Value)
			if !ok {
				return fmt.Errorf("capture: text of %q is of another batch", p.Name)
			}
			line = appendField(line, text, true)
		default:
			line = appendNumber(line, s.Value)
		}
		line = append(line, ',')
		if kind != p.Kind {
			line = append(line, kind.String()...)
		}
		line = append(line, ',')
		line = appendField(line, s.Quality.String(), false)
		line = append(line, ',')
		line = strconv.AppendUint(line, uint64(s.Quality), 10)
		line = append(line, '\n')
		w.line = line
		if _, err := w.out.Write(line); err != nil {
			return fmt.Errorf("capture: %w", err)
		}
	}
	return nil
}

// Flush writes what is buffered.
func (w *CSVWriter) Flush() error {
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return nil
}

// appendField appends a field, in quotes where it needs them or must have them.
func appendField[T string | []byte](b []byte, field T, quote bool) []byte {
	for i := 0; i < len(field) && !quote; i++ {
		c := field[i]
		quote = c == ',' || c == '"' || c == '\n' || c == '\r'
	}
	if !quote {
		return append(b, field...)
	}
	b = append(b, '"')
	for i := range len(field) {
		if field[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, field[i])
	}
	return append(b, '"')
}

// CSVReader reads what CSVWriter writes, and nothing else: the headings, the number
// of fields and each field must be right. Lines that follow each other and were
// received together make a batch, of 4,096 samples at most.
type CSVReader struct {
	in      *bufio.Reader
	catalog *acquire.Catalog
	known   map[string]acquire.PointID // by the text of name, unit, kind, role
	line    int
	row     row
	waiting bool // row is not delivered yet
	err     error
}

// row is a line taken apart.
type row struct {
	raw    []byte     // the line, fields without their quotes
	fields [10]string // of it
	quoted [10]bool
}

// NewCSVReader returns a CSVReader of r, which defines the points in c.
func NewCSVReader(r io.Reader, c *acquire.Catalog) *CSVReader {
	return &CSVReader{in: bufio.NewReaderSize(r, 64<<10), catalog: c, known: make(map[string]acquire.PointID)}
}

// Next fills b with the next batch. It returns io.EOF after the last, and a
// SyntaxError for a line that is wrong, which is final.
func (r *CSVReader) Next(b *acquire.Batch) error {
	b.Reset()
	for r.err == nil {
		if !r.waiting {
			if r.err = r.read(); r.err != nil {
				break
			}
		}
		r.waiting = true
		if len(b.Samples) == maxRows {
			return nil
		}
		done, err := r.take(b)
		if err != nil {
			r.err = &SyntaxError{r.line, err}
			break
		}
		if done {
			return nil
		}
		r.waiting = false
	}
	if len(b.Samples) > 0 && errors.Is(r.err, io.EOF) {
		return nil
	}
	b.Reset()
	return r.err
}

// take adds the row to b, or tells that b is done.
func (r *CSVReader) take(b *acquire.Batch) (done bool, err error) {
	f := &r.row.fields
	received, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil {
		return false, fmt.Errorf("received: %w", err)
	}
	if len(b.Samples) > 0 && acquire.Instant(received) != b.Received {
		return true, nil
	}
	b.Received = acquire.Instant(received)
	time, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return false, fmt.Errorf("time: %w", err)
	}
	id, kind, err := r.point()
	if err != nil {
		return false, err
	}
	if f[7] != "" {
		own, ok := parseKind(f[7])
		if !ok || own == kind {
			return false, fmt.Errorf("holds: %q is no other kind", f[7])
		}
		kind = own
	}
	s := acquire.Sample{Time: acquire.Instant(time), Point: id}
	switch {
	case kind == acquire.KindText && r.row.quoted[6]:
		var ok bool
		if s.Value, ok = b.PutText([]byte(f[6])); !ok && len(b.Samples) > 0 {
			return true, nil // more text than a batch takes
		} else if !ok {
			return false, errors.New("value: text is too long")
		}
	case r.row.quoted[6]:
		return false, fmt.Errorf("value: %s in quotes", kind)
	case kind == acquire.KindNone && f[6] == "":
	default:
		if s.Value, err = parseNumber(f[6], kind); err != nil {
			return false, fmt.Errorf("value: %w", err)
		}
	}
	status, err := strconv.ParseUint(f[9], 10, 32)
	if err != nil {
		return false, fmt.Errorf("status: %w", err)
	}
	if s.Quality, err = parseStatus(status, f[8]); err != nil {
		return false, err
	}
	b.Append(s)
	return false, nil
}

// point returns the point that the row describes, and its kind.
func (r *CSVReader) point() (acquire.PointID, acquire.Kind, error) {
	f := &r.row.fields
	name, unit, kind, role := f[2], f[3], f[4], f[5]
	if name == "" && unit == "" && kind == "" && role == "" {
		return 0, acquire.KindNone, nil
	}
	p, err := parsePoint(name, unit, kind, role)
	if err != nil {
		return 0, 0, err
	}
	key := name + "\x00" + unit + "\x00" + kind + "\x00" + role
	id, ok := r.known[key]
	if !ok {
		if id, err = r.catalog.Define(p); err != nil {
			return 0, 0, err
		}
		r.known[strings.Clone(key)] = id
	}
	return id, p.Kind, nil
}

// read reads a line, and the headings before the first.
func (r *CSVReader) read() error {
	if r.line == 0 {
		if err := r.split(); err != nil {
			if errors.Is(err, io.EOF) {
				err = &SyntaxError{1, errors.New("no headings")}
			}
			return err
		}
		if strings.Join(r.row.fields[:], ",") != csvHeader {
			return &SyntaxError{1, fmt.Errorf("headings are not %s", csvHeader)}
		}
	}
	return r.split()
}

// maxLine bounds a line of text, in bytes.
const maxLine = 1 << 20

// split reads the next line, which may span several where a field in quotes has
// line feeds, and takes it apart.
func (r *CSVReader) split() error {
	r.line++
	row := &r.row
	row.raw = row.raw[:0]
	var ends [len(row.fields)]int
	n, open := 0, false
	fault := func(text string) error { return &SyntaxError{r.line, errors.New(text)} }
	start := true // of a field
	row.quoted = [len(row.fields)]bool{}
	for {
		c, err := r.in.ReadByte()
		if errors.Is(err, io.EOF) {
			if n == 0 && start && len(row.raw) == 0 && !open {
				return io.EOF
			}
			return fault("file ends within a line")
		}
		if err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		if len(row.raw) > maxLine {
			return fault("line is too long")
		}
		switch {
		case open && c == '"':
			next, err := r.in.Peek(1)
			if err == nil && next[0] == '"' {
				_, _ = r.in.Discard(1)
				row.raw = append(row.raw, '"')
				continue
			}
			open = false
			if err == nil && next[0] != ',' && next[0] != '\n' {
				return fault("text behind a closing quote")
			}
		case open:
			if c == '\n' {
				r.line++
			}
			row.raw = append(row.raw, c)
		case c == '"':
			if !start {
				return fault("quote within a field")
			}
			open, start, row.quoted[n] = true, false, true
		case c == ',' || c == '\n':
			ends[n] = len(row.raw)
			n++
			if last := n == len(row.fields); last != (c == '\n') {
				return fault(fmt.Sprintf("want %d fields", len(row.fields)))
			}
			if c == '\n' {
				all, from := string(row.raw), 0
				for i, end := range ends {
					row.fields[i] = all[from:end]
					from = end
				}
				return nil
			}
			start = true
		case c == '\r':
			return fault("carriage return")
		default:
			row.raw = append(row.raw, c)
			start = false
		}
	}
}
