// Package driver is the smallest complete driver, to start a new one from. Its
// made-up protocol is a line for a line over any connection:
//
//	R 3        asks for number 3
//	3 230.5    is the answer
//	3 ERR 7    is the refusal, with the device's code
//
// The test beside it holds it to every contract of package acquire.
package driver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// maxLine is the longest answer that is taken, in bytes.
const maxLine = 64

// Config says what to read. Every field is required.
type Config struct {
	Name     string                                  // of the source, in errors and statistics
	Catalog  *acquire.Catalog                        // where the points are defined
	Points   []string                                // names of the numbers 0, 1, 2 ...
	Interval time.Duration                           // from poll to poll
	Timeout  time.Duration                           // for one answer
	Dial     func(context.Context) (net.Conn, error) // the transport: TCP, a port, a pipe
	Now      func() time.Time                        // clock for stamps
}

// Source polls one device. It is safe for concurrent use.
type Source struct {
	cfg    Config
	points []acquire.PointID
	tally  acquire.Tally
}

// NewSource returns the Source that cfg describes, or an error that names every
// fault of cfg.
func NewSource(cfg Config) (*Source, error) {
	if cfg.Name == "" || cfg.Catalog == nil || len(cfg.Points) == 0 || cfg.Interval <= 0 || cfg.Timeout <= 0 || cfg.Dial == nil || cfg.Now == nil {
		return nil, errors.New("driver: every field of Config is required")
	}
	s := &Source{cfg: cfg}
	var faults []error
	for _, name := range cfg.Points {
		id, err := cfg.Catalog.Define(acquire.Point{Name: name, Kind: acquire.KindFloat64})
		faults = append(faults, err)
		s.points = append(s.points, id)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("driver: %w", err)
	}
	return s, nil
}

// Name returns Config.Name.
func (s *Source) Name() string { return s.cfg.Name }

// Points returns the points in the order of Config.Points.
func (s *Source) Points() []acquire.PointID { return s.points }

// Stats returns the counters of all streams of the source together.
func (s *Source) Stats() acquire.Stats { return s.tally.Stats() }

// Open connects to the device. The first poll follows with the first Next.
func (s *Source) Open(ctx context.Context) (acquire.Stream, error) {
	err := ctx.Err()
	var conn net.Conn
	if err == nil {
		conn, err = s.cfg.Dial(ctx)
	}
	if err != nil {
		err = s.fault("open", err)
		s.tally.Fail(err, acquire.At(s.cfg.Now()))
		return nil, err
	}
	s.tally.Update(func(st *acquire.Stats) { st.Connects++ })
	return &stream{
		Source: s, conn: conn, answers: bufio.NewReaderSize(conn, maxLine),
		schedule: acquire.Schedule{Interval: s.cfg.Interval}, latest: make([]acquire.Instant, len(s.points)),
	}, nil
}

func (s *Source) fault(op string, err error) error {
	return &acquire.OpError{Op: op, Source: s.cfg.Name, Err: err}
}

type stream struct {
	*Source
	conn     net.Conn
	answers  *bufio.Reader
	schedule acquire.Schedule
	latest   []acquire.Instant // latest stamp of each point
	err      error             // final
}

// Next makes one poll and puts it into b.
func (s *stream) Next(ctx context.Context, b *acquire.Batch) error {
	if s.err != nil {
		return s.err
	}
	b.Reset()
	skipped, err := s.schedule.Wait(ctx)
	if err != nil {
		return s.fail(err)
	}
	b.Lost = skipped * uint64(len(s.points))
	// The end of ctx interrupts whatever the connection waits for.
	stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	for i, p := range s.points {
		sent := s.cfg.Now()
		sample := acquire.Sample{Point: p, Quality: acquire.QualityOf(s.err)}
		if s.err == nil {
			var err error
			if sample.Value, sample.Quality, err = s.ask(ctx, i); ctx.Err() != nil {
				return s.fail(ctx.Err())
			} else if err != nil {
				// No answer names its request, so after a failure nobody knows which
				// comes next. What was read is delivered, the rest is bad, and the
				// next call says the error.
				s.fail(err)
			}
		}
		b.Received = acquire.At(s.cfg.Now())
		sample.Time = acquire.At(sent).Add(b.Received.Sub(acquire.At(sent)) / 2)
		if sample.Time < s.latest[i] {
			sample.Quality = sample.Quality.With(acquire.TimeBackwards)
		}
		s.latest[i] = max(s.latest[i], sample.Time)
		b.Append(sample)
	}
	s.tally.Update(func(st *acquire.Stats) { st.Skipped += skipped })
	s.tally.Deliver(b)
	if s.err == nil {
		s.tally.Enter(acquire.Up, b.Received)
	}
	return nil
}

// ask makes one request. An error ends the stream; a refusal does not.
func (s *stream) ask(ctx context.Context, i int) (acquire.Value, acquire.Quality, error) {
	s.conn.SetDeadline(time.Now().Add(s.cfg.Timeout))
	if err := ctx.Err(); err != nil { // looked at after the deadline is set, or the end of ctx could be overwritten
		return acquire.Value{}, acquire.QualityOf(err), err
	}
	s.tally.Update(func(st *acquire.Stats) { st.Requests++ })
	_, err := fmt.Fprintf(s.conn, "R %d\n", i)
	var line []byte
	if err == nil {
		line, err = s.answers.ReadSlice('\n')
	}
	if err != nil {
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			s.tally.Update(func(st *acquire.Stats) { st.Timeouts++ })
		}
		return acquire.Value{}, acquire.QualityOf(err), err
	}
	v, q, err := parse(string(line), i)
	s.tally.Update(func(st *acquire.Stats) {
		if err != nil {
			st.Malformed++
		} else if q.Native() != 0 {
			st.Exceptions++
		}
	})
	return v, q, err
}

// parse reads the answer to the request for number i.
func parse(line string, i int) (acquire.Value, acquire.Quality, error) {
	fields := strings.Fields(line)
	if len(fields) == 3 && fields[0] == strconv.Itoa(i) && fields[1] == "ERR" {
		if code, err := strconv.ParseUint(fields[2], 10, 16); err == nil {
			return acquire.Value{}, acquire.Bad.Because(acquire.Configuration).WithNative(uint16(code)), nil
		}
	}
	if len(fields) == 2 && fields[0] == strconv.Itoa(i) {
		x, err := strconv.ParseFloat(fields[1], 64)
		switch {
		case err != nil:
		case math.IsNaN(x) || math.IsInf(x, 0):
			return acquire.Value{}, acquire.Bad.Because(acquire.Sensor), nil
		default:
			return acquire.Float64(x), acquire.Good, nil
		}
	}
	return acquire.Value{}, acquire.Bad.Because(acquire.Protocol), fmt.Errorf("%q is no answer to a request for %d", line, i)
}

// fail makes err final and ends the connection.
func (s *stream) fail(err error) error {
	s.err = s.fault("next", err)
	s.tally.End(s.err, acquire.At(s.cfg.Now()))
	s.conn.Close()
	return s.err
}

// Close ends the connection.
func (s *stream) Close() error {
	if s.err == nil {
		s.fail(acquire.ErrClosed)
	}
	return nil
}
