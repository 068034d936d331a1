package partial

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/aggregate"
)

// Part is what one stretch of a series came to.
type Part struct {
	Series string          // its name, such as that of its point; UTF-8
	From   acquire.Instant // first instant of the stretch
	To     acquire.Instant // first instant after it
	First  acquire.Instant // of its first sample; unknown if there is none
	Last   acquire.Instant // of its last sample; unknown if there is none
	State  []byte          // of the aggregate.Shard that took them
}

// NewPart returns the part of a series that s has taken from from to to. The error says
// that s has samples of other times, or that the stretch or the name is none.
func NewPart(series string, from, to acquire.Instant, s *aggregate.Shard) (Part, error) {
	state, err := s.MarshalBinary()
	if err != nil {
		return Part{}, err
	}
	p := Part{Series: series, From: from, To: to, State: state}
	p.First, p.Last = s.Span()
	return p, p.validate()
}

func (p *Part) validate() error {
	switch {
	case p.Series == "" || !utf8.ValidString(p.Series):
		return fmt.Errorf("partial: %q is no name of a series", p.Series)
	case p.To <= p.From:
		return fmt.Errorf("partial: %s: end %s is not after start %s", p.Series, p.To, p.From)
	case (p.First == 0) != (p.Last == 0) || p.First > p.Last:
		return fmt.Errorf("partial: %s: samples from %s to %s", p.Series, p.First, p.Last)
	case p.First != 0 && (p.First < p.From || p.Last >= p.To):
		return fmt.Errorf("partial: %s: samples from %s to %s are not within %s and %s", p.Series, p.First, p.Last, p.From, p.To)
	}
	return nil
}

// String formats p for people, its state apart.
func (p *Part) String() string {
	return fmt.Sprintf("%s from %s to %s", p.Series, p.From, p.To)
}

// partJSON is a Part as JSON.
type partJSON struct {
	Series string          `json:"series"`
	From   acquire.Instant `json:"from"`
	To     acquire.Instant `json:"to"`
	First  acquire.Instant `json:"first"`
	Last   acquire.Instant `json:"last"`
	State  []byte          `json:"state"`
}

// MarshalJSON returns p as the package comment says.
func (p Part) MarshalJSON() ([]byte, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	return json.Marshal(partJSON(p))
}

// UnmarshalJSON takes what MarshalJSON returns. The error says what is wrong with
// anything else, and p is unchanged then.
func (p *Part) UnmarshalJSON(data []byte) error {
	var j partJSON
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return fmt.Errorf("partial: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("partial: something follows the part")
	}
	next := Part(j)
	if err := next.validate(); err != nil {
		return err
	}
	*p = next
	return nil
}

// The topics of a file, by number.
const (
	intervals = iota
	partials
)

func topics() []capture.Topic {
	return []capture.Topic{
		intervals: {Name: "/intervals", Encoding: "json", Schema: "fieldtap.Interval", SchemaEncoding: "jsonschema", SchemaData: []byte(intervalSchema)},
		partials:  {Name: "/partials", Encoding: "json", Schema: "fieldtap.Partial", SchemaEncoding: "jsonschema", SchemaData: []byte(partialSchema)},
	}
}

// Writer writes parts and intervals to a file. It belongs to one goroutine at a time.
type Writer struct {
	out *capture.MessageWriter
}

// NewWriter returns a Writer to w, which it does not close.
func NewWriter(w io.Writer) (*Writer, error) {
	out, err := capture.NewMessageWriter(w, topics()...)
	if err != nil {
		return nil, err
	}
	return &Writer{out}, nil
}

// Part writes p. Its place in the index is its end.
func (w *Writer) Part(p Part) error {
	text, err := p.MarshalJSON()
	if err != nil {
		return err
	}
	return w.out.Write(partials, p.To, p.From, text)
}

// Interval writes a closed interval. Its place in the index is its end.
func (w *Writer) Interval(iv aggregate.Interval) error {
	text, err := iv.MarshalJSON()
	if err != nil {
		return err
	}
	return w.out.Write(intervals, iv.End, iv.Start, text)
}

// Flush writes what waits to be. What was written before is in the file once it
// returns nil.
func (w *Writer) Flush() error { return w.out.Flush() }

// Close writes what waits to be, and the index. It is idempotent.
func (w *Writer) Close() error { return w.out.Close() }

// Record is what a file holds: one of the two is not nil.
type Record struct {
	Part     *Part               // a mergeable state
	Interval *aggregate.Interval // a closed interval
}

// MarshalJSON returns the part or the interval as JSON.
func (r Record) MarshalJSON() ([]byte, error) {
	if r.Part != nil {
		return r.Part.MarshalJSON()
	}
	if r.Interval != nil {
		return r.Interval.MarshalJSON()
	}
	return nil, errors.New("partial: record of nothing")
}

// Reader reads a file record by record, in its order. It belongs to one goroutine at a
// time.
type Reader struct {
	in      *capture.MessageReader
	foreign uint64
	faulty  []error
}

// maxFaulty is how many faulty records a Reader names.
const maxFaulty = 1000

// NewReader returns a Reader of the size bytes of src, which are not to change
// meanwhile. Decompressors are for files that other tools have compressed. The error
// wraps capture.ErrFormat if src is no MCAP file.
func NewReader(src io.ReaderAt, size int64, decompressors ...capture.Decompressor) (*Reader, error) {
	in, err := capture.NewMessageReader(src, size, decompressors...)
	if err != nil {
		return nil, err
	}
	return &Reader{in: in}, nil
}

// Next returns the next record. It returns io.EOF after the last that can be read:
// Report tells whether that is the end of the file, and Faulty what was left out.
func (r *Reader) Next() (Record, error) {
	names := topics()
	var m capture.Message
	for {
		if err := r.in.Next(&m); err != nil {
			return Record{}, err
		}
		var err error
		switch m.Topic {
		case names[intervals].Name:
			iv := new(aggregate.Interval)
			if err = iv.UnmarshalJSON(m.Data); err == nil {
				return Record{Interval: iv}, nil
			}
		case names[partials].Name:
			p := new(Part)
			if err = p.UnmarshalJSON(m.Data); err == nil {
				return Record{Part: p}, nil
			}
		default:
			r.foreign++
			continue
		}
		if len(r.faulty) < maxFaulty {
			r.faulty = append(r.faulty, err)
		}
	}
}

// Report tells what was read so far, as that of a capture.MessageReader does, with
// messages of other topics as Foreign.
func (r *Reader) Report() capture.Report {
	report := r.in.Report()
	report.Foreign = r.foreign
	return report
}

// Faulty returns why records were left out that were whole, and none of a Writer's: the
// first 1,000.
func (r *Reader) Faulty() []error { return append([]error(nil), r.faulty...) }

// Dump writes the records of r as JSON Lines, up to the end.
func Dump(w io.Writer, r *Reader) error {
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line, err := record.MarshalJSON()
		if err != nil {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("partial: %w", err)
		}
	}
}
