package capture

import (
	"bufio"
	"fmt"
	"io"
	"strconv"

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
		line = appendField(line, w.names.quality(s.Quality), false)
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
