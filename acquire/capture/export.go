package capture

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// BatchReader is what gives batches one by one, and io.EOF after the last:
// Reader, Merged, CSVReader, JSONReader. A Stream is none, as it needs a context.
type BatchReader interface {
	// Next fills b with the next batch.
	Next(b *acquire.Batch) error
}

// BatchWriter is what takes batches one by one: Writer, CSVWriter, JSONWriter.
type BatchWriter interface {
	// Write takes b and keeps nothing of it that Next would change.
	Write(b *acquire.Batch) error
}

var (
	_ = []BatchReader{(*Reader)(nil), (*Merged)(nil), (*CSVReader)(nil), (*JSONReader)(nil)}
	_ = []BatchWriter{(*Writer)(nil), (*CSVWriter)(nil), (*JSONWriter)(nil)}
)

// Copy writes all batches of src to dst. Neither is closed or flushed. It stops at
// the first error, which is nil at the end of src.
func Copy(dst BatchWriter, src BatchReader) error {
	var b acquire.Batch
	for {
		if err := src.Next(&b); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := dst.Write(&b); err != nil {
			return err
		}
	}
}

// maxRows is how many samples a batch gets at most that is made of lines.
const maxRows = 4096

// SyntaxError says where a file of text is not as this package writes it.
type SyntaxError struct {
	Line int   // from 1
	Err  error // what is wrong with it
}

// Error formats e as "capture: line 7: cause".
func (e *SyntaxError) Error() string { return fmt.Sprintf("capture: line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *SyntaxError) Unwrap() error { return e.Err }

// canonicalNaN is the one NaN that is written without its bits.
var canonicalNaN = math.Float64bits(math.NaN())

// appendFloat appends the shortest text that is read as f again, to the bit.
func appendFloat(b []byte, f float64) []byte {
	if word := math.Float64bits(f); f != f && word != canonicalNaN {
		b = append(b, "NaN(0x"...)
		b = strconv.AppendUint(b, word, 16)
		return append(b, ')')
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

var errFloat = errors.New("malformed float")

func parseFloat(s string) (float64, error) {
	if hex, ok := strings.CutPrefix(s, "NaN(0x"); ok {
		hex, closed := strings.CutSuffix(hex, ")")
		word, err := strconv.ParseUint(hex, 16, 64)
		if f := math.Float64frombits(word); err == nil && closed && f != f {
			return f, nil
		}
		return 0, errFloat
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, errFloat
	}
	return f, nil
}

// appendNumber appends a value that is no text and not none.
func appendNumber(b []byte, v acquire.Value) []byte {
	if f, ok := v.Float64(); ok {
		return appendFloat(b, f)
	}
	if i, ok := v.Int64(); ok {
		return strconv.AppendInt(b, i, 10)
	}
	if u, ok := v.Uint64(); ok {
		return strconv.AppendUint(b, u, 10)
	}
	t, _ := v.Bool()
	return strconv.AppendBool(b, t)
}

// parseNumber reads what appendNumber wrote of a value of that kind.
func parseNumber(s string, kind acquire.Kind) (acquire.Value, error) {
	switch kind {
	case acquire.KindFloat64:
		f, err := parseFloat(s)
		return acquire.Float64(f), err
	case acquire.KindInt64:
		i, err := strconv.ParseInt(s, 10, 64)
		return acquire.Int64(i), err
	case acquire.KindUint64:
		u, err := strconv.ParseUint(s, 10, 64)
		return acquire.Uint64(u), err
	case acquire.KindBool:
		switch s {
		case "true":
			return acquire.Bool(true), nil
		case "false":
			return acquire.Bool(false), nil
		}
	}
	return acquire.Value{}, fmt.Errorf("%q is no %s", strings.Clone(s), kind)
}

// parseStatus reads a quality from its number and holds it to its text.
func (n *names) parseStatus(number uint64, text string) (acquire.Quality, error) {
	q := acquire.Quality(number)
	if number > math.MaxUint32 {
		return 0, fmt.Errorf("status %d has more than 32 bits", number)
	}
	if n.quality(q) != text {
		return 0, fmt.Errorf("status %d means %q, not %q", number, q, strings.Clone(text))
	}
	return q, nil
}

// parsePoint makes a point of the texts that describe it.
func parsePoint(name, unit, kind, role string) (acquire.Point, error) {
	p := acquire.Point{Name: name}
	if unit != "" {
		var err error
		if p.Unit, err = units.Parse(unit); err != nil {
			return p, err
		}
	}
	var ok bool
	if p.Kind, ok = parseKind(kind); !ok {
		return p, fmt.Errorf("unknown kind %q", kind)
	}
	if p.Role, ok = parseRole(role); !ok {
		return p, fmt.Errorf("unknown role %q", role)
	}
	return p, nil
}

// names keeps the points of a catalog and the texts of qualities at hand.
type names struct {
	catalog   *acquire.Catalog
	points    []acquire.Point // by id
	qualities map[acquire.Quality]string
}

// maxQualities is how many texts of qualities are kept at hand.
const maxQualities = 1024

// quality returns the text of q.
func (n *names) quality(q acquire.Quality) string {
	if text, ok := n.qualities[q]; ok {
		return text
	}
	if n.qualities == nil || len(n.qualities) >= maxQualities {
		n.qualities = make(map[acquire.Quality]string)
	}
	n.qualities[q] = q.String()
	return n.qualities[q]
}

// point returns the description of id, the zero Point if there is none.
func (n *names) point(id acquire.PointID) *acquire.Point {
	if int64(id) >= int64(len(n.points)) {
		n.points = append(n.points[:0], acquire.Point{})
		for _, p := range n.catalog.After(0) {
			n.points = append(n.points, p)
		}
		if int64(id) >= int64(len(n.points)) {
			return &n.points[0]
		}
	}
	return &n.points[id]
}
