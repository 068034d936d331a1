package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/fieldtap/fieldtap/acquire"
)

// CSVReader reads what CSVWriter writes, and nothing else: the headings, the number
// of fields and each field must be right. Lines that follow each other and were
// received together make a batch, of 4,096 samples at most.
type CSVReader struct {
	in      *bufio.Reader
	catalog *acquire.Catalog
	known   map[string]described // by the text of name, unit, kind, role
	key     []byte
	names   names // for texts of qualities
	line    int
	row     row
	waiting bool // row is not delivered yet
	err     error
}

// described is a point as a row describes it.
type described struct {
	id   acquire.PointID
	kind acquire.Kind
}

// row is a line taken apart. The fields are valid until the next one.
type row struct {
	raw    []byte     // a line with quotes, fields without them
	fields [10][]byte // of it
	quoted [10]bool
}

// NewCSVReader returns a CSVReader of r, which defines the points in c.
func NewCSVReader(r io.Reader, c *acquire.Catalog) *CSVReader {
	return &CSVReader{in: bufio.NewReaderSize(r, 64<<10), catalog: c, known: make(map[string]described)}
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
	received, err := strconv.ParseInt(string(f[0]), 10, 64)
	if err != nil {
		return false, fmt.Errorf("received: %w", err)
	}
	if len(b.Samples) > 0 && acquire.Instant(received) != b.Received {
		return true, nil
	}
	b.Received = acquire.Instant(received)
	time, err := strconv.ParseInt(string(f[1]), 10, 64)
	if err != nil {
		return false, fmt.Errorf("time: %w", err)
	}
	id, kind, err := r.point()
	if err != nil {
		return false, err
	}
	if len(f[7]) > 0 {
		own, ok := parseKind(string(f[7]))
		if !ok || own == kind {
			return false, fmt.Errorf("holds: %q is no other kind", f[7])
		}
		kind = own
	}
	s := acquire.Sample{Time: acquire.Instant(time), Point: id}
	switch {
	case kind == acquire.KindText && r.row.quoted[6]:
		var ok bool
		if s.Value, ok = b.PutText(f[6]); !ok && len(b.Samples) > 0 {
			return true, nil // more text than a batch takes
		} else if !ok {
			return false, errors.New("value: text is too long")
		}
	case r.row.quoted[6]:
		return false, fmt.Errorf("value: %s in quotes", kind)
	case kind == acquire.KindNone && len(f[6]) == 0:
	default:
		if s.Value, err = parseNumber(string(f[6]), kind); err != nil {
			return false, fmt.Errorf("value: %w", err)
		}
	}
	status, err := strconv.ParseUint(string(f[9]), 10, 32)
	if err != nil {
		return false, fmt.Errorf("status: %w", err)
	}
	if s.Quality, err = r.names.parseStatus(status, string(f[8])); err != nil {
		return false, err
	}
	b.Append(s)
	return false, nil
}

// point returns the point that the row describes, and its kind.
func (r *CSVReader) point() (acquire.PointID, acquire.Kind, error) {
	f := &r.row.fields
	if len(f[2])+len(f[3])+len(f[4])+len(f[5]) == 0 {
		return 0, acquire.KindNone, nil
	}
	r.key = r.key[:0]
	for _, field := range f[2:6] {
		r.key = append(binary.AppendUvarint(r.key, uint64(len(field))), field...)
	}
	if d, ok := r.known[string(r.key)]; ok {
		return d.id, d.kind, nil
	}
	p, err := parsePoint(string(f[2]), string(f[3]), string(f[4]), string(f[5]))
	if err != nil {
		return 0, 0, err
	}
	id, err := r.catalog.Define(p)
	if err != nil {
		return 0, 0, err
	}
	r.known[string(r.key)] = described{id, p.Kind}
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
		if string(bytes.Join(r.row.fields[:], []byte{','})) != csvHeader {
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
	if row.plain(r.in) {
		return nil
	}
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
				from := 0
				for i, end := range ends {
					row.fields[i] = row.raw[from:end]
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

// plain takes the next line apart if it is in the buffer, has all its fields, and none
// in quotes.
func (row *row) plain(in *bufio.Reader) bool {
	ahead, err := in.Peek(in.Buffered())
	n := bytes.IndexByte(ahead, '\n')
	if err != nil || n < 0 {
		return false
	}
	line := ahead[:n]
	if bytes.IndexByte(line, '"') >= 0 || bytes.IndexByte(line, '\r') >= 0 {
		return false
	}
	last := len(row.fields) - 1
	for i := range last {
		end := bytes.IndexByte(line, ',')
		if end < 0 {
			return false
		}
		row.fields[i], line = line[:end], line[end+1:]
	}
	if bytes.IndexByte(line, ',') >= 0 {
		return false
	}
	row.fields[last], row.quoted = line, [len(row.fields)]bool{}
	_, err = in.Discard(n + 1)
	return err == nil
}
