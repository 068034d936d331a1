package comtrade

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// Config says how to read a recording. The zero value of each field but Catalog is a
// documented default.
type Config struct {
	// Catalog is where the points are defined. Required.
	Catalog *acquire.Catalog
	// Prefix opens the names of points, such as "relay 7/"; behind it stands the
	// identifier of the channel. Of several channels with one identifier, those after
	// the first add their number: "IA #A4", "TRIP #D2".
	Prefix string
	// Zone is what the times of the recording are in, where it does not say so itself;
	// nil: UTC.
	Zone *time.Location
}

// batch is about how many samples a batch takes.
const batch = 4096

// Reader reads a recording batch by batch; it is a capture.BatchReader. A batch has
// arrived when its last record was taken. Watermarks are unknown.
//
// A Reader is used by one goroutine at a time.
type Reader struct {
	recording *Recording
	points    []acquire.PointID // of analog channels, then of status channels
	dat       *bufio.Reader
	record    []byte
	seen      int   // records read
	err       error // final

	rate   int     // index of the present one
	base   float64 // time since the start of the record at from, in ns
	from   int     // index of a record
	latest int64   // time of the last record since the start, in ns
}

// NewReader reads the configuration cfg, defines the points, and returns a Reader of
// the data file dat.
func NewReader(cfg, dat io.Reader, c Config) (*Reader, error) {
	if c.Catalog == nil {
		return nil, errors.New("comtrade: no Catalog")
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	recording, err := parse(cfg, c.Zone)
	if err != nil {
		return nil, err
	}
	r := &Reader{recording: recording, latest: math.MinInt64}
	var faults []error
	taken := make(map[string]bool)
	define := func(name, suffix string, p acquire.Point) {
		p.Name = c.Prefix + name
		if name == "" || taken[p.Name] {
			p.Name += suffix
		}
		if taken[p.Name] {
			faults = append(faults, fmt.Errorf("comtrade: two channels %q", p.Name))
		}
		taken[p.Name] = true
		id, err := c.Catalog.Define(p)
		if err != nil {
			faults = append(faults, fmt.Errorf("comtrade: %w", err))
		}
		r.points = append(r.points, id)
	}
	for i, ch := range recording.Analog {
		define(ch.Name, fmt.Sprintf(" #A%d", i+1), acquire.Point{Unit: ch.Unit.Unit, Kind: acquire.KindFloat64})
	}
	for i, ch := range recording.Status {
		define(ch.Name, fmt.Sprintf(" #D%d", i+1), acquire.Point{Kind: acquire.KindBool, Role: acquire.State})
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	size := 32 * (2 + len(r.points)) // of a line
	if recording.Form != ASCII {
		size = 8 + recording.width()*len(recording.Analog) + 2*((len(recording.Status)+15)/16)
		r.record = make([]byte, size)
	}
	r.dat = bufio.NewReaderSize(dat, max(size, 1<<16))
	return r, nil
}

// width is how many bytes a binary analog value takes.
func (r *Recording) width() int {
	if r.Form == Binary {
		return 2
	}
	return 4
}

// Recording returns what the configuration says. It is only to be read.
func (r *Reader) Recording() *Recording { return r.recording }

// Points returns the points of the analog channels, then of the status channels. The
// slice is only to be read.
func (r *Reader) Points() []acquire.PointID { return r.points }

// Next fills b with the next batch. It returns io.EOF after the last, and a
// SyntaxError for a record that is wrong, which is final.
func (r *Reader) Next(b *acquire.Batch) error {
	b.Reset()
	b.Points = r.points
	for r.err == nil && len(b.Samples) < batch {
		before := len(b.Samples)
		if r.err = r.next(b); r.err != nil {
			b.Samples = b.Samples[:before]
			if !errors.Is(r.err, io.EOF) || errors.Is(r.err, io.ErrUnexpectedEOF) {
				r.err = &SyntaxError{"dat", r.seen + 1, r.err}
			}
			break
		}
		r.seen++
	}
	if len(b.Samples) == 0 {
		b.Reset()
		return r.err
	}
	b.Received = acquire.At(r.recording.Start) + acquire.Instant(r.latest)
	return nil
}

// errMore says that a file is longer than its configuration says.
var errMore = errors.New("more than the configuration says")

// next appends the samples of one record.
func (r *Reader) next(b *acquire.Batch) error {
	var err error
	if r.recording.Form == ASCII {
		r.record, err = r.line()
	} else {
		_, err = io.ReadFull(r.dat, r.record)
	}
	switch {
	case errors.Is(err, io.EOF) && r.recording.Records > r.seen:
		return fmt.Errorf("%w: %d records of %d", io.ErrUnexpectedEOF, r.seen, r.recording.Records)
	case err != nil:
		return err
	case r.recording.Records >= 0 && r.seen >= r.recording.Records:
		return errMore
	case r.recording.Form == ASCII:
		return r.text(b)
	}
	return r.binary(b)
}

// line returns the next line that is not empty, io.EOF at the end of the file.
func (r *Reader) line() ([]byte, error) {
	for {
		line, err := r.dat.ReadSlice('\n')
		line = bytes.Trim(line, " \t\r\n\x1a")
		if len(line) > 0 && (err == nil || errors.Is(err, io.EOF)) {
			return line, nil
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, errors.New("line too long")
		}
		if err != nil {
			return nil, err
		}
	}
}

// text reads a record of ASCII: number, stamp, analog values, states.
func (r *Reader) text(b *acquire.Batch) error {
	rest, ended := r.record, false
	field := func() ([]byte, bool) {
		if ended {
			return nil, false
		}
		f, behind, more := bytes.Cut(rest, []byte{','})
		rest, ended = behind, !more
		return bytes.TrimSpace(f), true
	}
	if _, ok := field(); !ok {
		return errors.New("no number")
	}
	stamp, ok := field()
	if !ok {
		return errors.New("no time")
	}
	var ticks float64
	if len(stamp) > 0 {
		var err error
		if ticks, err = strconv.ParseFloat(string(stamp), 64); err != nil {
			return fmt.Errorf("time %q", stamp)
		}
	}
	at, err := r.time(ticks, len(stamp) > 0)
	if err != nil {
		return err
	}
	for i := range r.recording.Analog {
		f, ok := field()
		if !ok {
			return fmt.Errorf("%d analog values, not %d", i, len(r.recording.Analog))
		}
		x, none := math.NaN(), len(f) == 0
		if !none {
			if x, err = strconv.ParseFloat(string(f), 64); err != nil {
				return fmt.Errorf("value %q", f)
			}
			none = x == missingText && !r.recording.Analog[i].wide
		}
		r.analog(b, i, at, x, none)
	}
	for i := range r.recording.Status {
		f, ok := field()
		if !ok {
			return fmt.Errorf("%d states, not %d", i, len(r.recording.Status))
		}
		switch {
		case len(f) == 0:
			b.Append(acquire.Sample{Time: at, Point: r.points[len(r.recording.Analog)+i], Quality: missing()})
		case len(f) == 1 && (f[0] == '0' || f[0] == '1'):
			r.status(b, i, at, f[0] == '1')
		default:
			return fmt.Errorf("state %q", f)
		}
	}
	if !ended && len(bytes.Trim(rest, " ,")) > 0 {
		return errors.New("more fields than channels")
	}
	return nil
}

// binary reads a record of the other forms (C37.111-2013, 8.6).
func (r *Reader) binary(b *acquire.Batch) error {
	const unknown = 0xffffffff
	stamp := binary.LittleEndian.Uint32(r.record[4:])
	at, err := r.time(float64(stamp), stamp != unknown)
	if err != nil {
		return err
	}
	rest := r.record[8:]
	for i := range r.recording.Analog {
		var x float64
		var none bool
		switch r.recording.Form {
		case Binary:
			n := int16(binary.LittleEndian.Uint16(rest))
			x, none = float64(n), n == math.MinInt16
		case Binary32:
			n := int32(binary.LittleEndian.Uint32(rest))
			x, none = float64(n), n == math.MinInt32
		default:
			x = float64(math.Float32frombits(binary.LittleEndian.Uint32(rest)))
		}
		r.analog(b, i, at, x, none)
		rest = rest[r.recording.width():]
	}
	for i := range r.recording.Status {
		word := binary.LittleEndian.Uint16(rest[i/16*2:])
		r.status(b, i, at, word>>(i%16)&1 != 0)
	}
	return nil
}

// missing is the quality of what the recorder has no value of.
func missing() acquire.Quality {
	return acquire.Bad.Because(acquire.Sensor).With(acquire.SourceTime)
}

// analog appends the sample of an analog channel.
func (r *Reader) analog(b *acquire.Batch, i int, at acquire.Instant, x float64, none bool) {
	c := &r.recording.Analog[i]
	s := acquire.Sample{Time: at.Add(c.Skew), Point: r.points[i]}
	v := float64(c.A*x) + c.B // no fused step: the same on every machine
	if c.Unit.Verdict == units.Understood && c.Unit.Scale != (units.Scale{}) {
		v = c.Unit.Scale.Apply(v)
	}
	if none || math.IsNaN(v) || math.IsInf(v, 0) {
		s.Quality = missing()
	} else {
		s.Value, s.Quality = acquire.Float64(v), acquire.Good.With(acquire.SourceTime)
	}
	b.Append(s)
}

func (r *Reader) status(b *acquire.Batch, i int, at acquire.Instant, on bool) {
	b.Append(acquire.Sample{Time: at, Point: r.points[len(r.recording.Analog)+i], Value: acquire.Bool(on), Quality: acquire.Good.With(acquire.SourceTime)})
}

// longest is the longest recording, so that its times fit.
const longest = float64(50 * 365 * 24 * time.Hour)

// time returns that of the present record: by the rates if there are any, else by the
// stamp.
func (r *Reader) time(ticks float64, stamped bool) (acquire.Instant, error) {
	var ns float64
	if rates := r.recording.rates; len(rates) > 0 {
		for r.rate < len(rates)-1 && r.seen >= rates[r.rate].last {
			// The first record of the next rate follows by its step.
			if last := rates[r.rate].last; last > r.from {
				r.base += float64(last-1-r.from) / rates[r.rate].hertz * 1e9
				r.from = last - 1
			}
			r.rate++
		}
		ns = r.base + float64(r.seen-r.from)/rates[r.rate].hertz*1e9
	} else if !stamped {
		return 0, errors.New("neither a rate nor a time")
	} else {
		ns = ticks * r.recording.tick
	}
	if !(math.Abs(ns) <= longest) {
		return 0, errors.New("time out of range")
	}
	at := int64(math.Round(ns))
	if at < r.latest {
		return 0, errors.New("time before that of the record before")
	}
	r.latest = at
	return acquire.At(r.recording.Start) + acquire.Instant(at), nil
}
