package part13

import (
	"errors"
	"fmt"
	"math"
)

// Calculator computes functions over a stream of raw values in order of time. It
// keeps one open interval and the last raw values, whatever the length of the
// request. Push takes a value, Next gives the results it decides:
//
//	for _, s := range samples {
//		if err := c.Push(s); err != nil { ... }
//		for r, ok := c.Next(); ok; r, ok = c.Next() { ... }
//	}
//	c.Close()
//	for r, ok := c.Next(); ok; r, ok = c.Next() { ... }
//
// The stream should begin with what bounds at the start of the request need: the
// last raw value before it, and for interpolated bounds the last non-Bad one, two
// of them under UseSlopedExtrapolation. It may stop as soon as Done says so. An
// interval is decided by the first raw value at or after its end (after it in a
// backward request); for the functions with interpolated bounds and sloped data
// by the first non-Bad one.
//
// Results of one function come in order of time, in a backward request too, where
// the last one asked for comes first. A Calculator is for one goroutine. Make it
// with NewCalculator.
type Calculator struct {
	set   settings
	grid  grid
	stats Stats

	behind neighbours
	in     point  // the sample being pushed
	notes  uint32 // its annotations
	any    bool   // a raw value was seen
	first  int64  // time of the first one
	state  state

	plain  plainTracker
	smooth smoothTracker
}

// Stats counts what became of the samples.
type Stats struct {
	Samples      uint64 // taken as raw values
	Placeholders uint64 // Bad_NoData and Bad_BoundNotFound: passed over
	NotFinite    uint64 // NaN or infinite: taken as Bad_OutOfRange
	OutOfOrder   uint64 // refused with ErrOrder
}

type state uint8

const (
	idle    state = iota
	pushing       // Next has yet to take in the sample
	closing       // Close was called, Next gives what is left
	closed
)

// NewCalculator returns a Calculator for one or several functions. It reports all
// faults of the configuration, the request and the functions at once.
func NewCalculator(cfg Config, req Request, fs ...Function) (*Calculator, error) {
	set, err := cfg.settings()
	g, gridErr := req.grid()
	errs := []error{err, gridErr}
	if len(fs) == 0 {
		errs = append(errs, errors.New("part13: no function"))
	}
	c := &Calculator{set: set, grid: g}
	for i, f := range fs {
		if !f.Valid() {
			errs = append(errs, fmt.Errorf("part13: %v is not standard", f))
			continue
		}
		for _, other := range fs[:i] {
			if other == f {
				errs = append(errs, fmt.Errorf("part13: %v is asked for twice", f))
				break
			}
		}
		if f.Bounds() == InterpolatedBounds {
			c.smooth.functions = append(c.smooth.functions, f)
		} else {
			c.plain.functions = append(c.plain.functions, f)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.plain.done = len(c.plain.functions) == 0
	c.smooth.done = len(c.smooth.functions) == 0
	c.plain.iv, c.smooth.iv = g.begin(), g.begin()
	return c, nil
}

// Push takes the next raw value. It returns ErrOrder if s is not later than the
// one before or its time is unknown, ErrPending before Next has given all results,
// and ErrClosed after Close; s is not taken then. It does not allocate.
func (c *Calculator) Push(s Sample) error {
	switch c.state {
	case pushing:
		return ErrPending
	case closing, closed:
		return ErrClosed
	}
	if code := s.Status.Code(); code == BadNoData || code == BadBoundNotFound {
		c.stats.Placeholders++
		return nil
	}
	if s.Time == 0 || c.any && int64(s.Time) <= c.behind.prev.t {
		c.stats.OutOfOrder++
		return ErrOrder
	}
	if !s.Status.IsBad() && (math.IsNaN(s.Value) || math.IsInf(s.Value, 0)) {
		c.stats.NotFinite++
		s.Status = BadOutOfRange
	}
	c.stats.Samples++
	c.in, c.notes = c.set.point(s), s.Annotations
	if !c.any {
		c.any, c.first = true, c.in.t
	}
	c.plain.meet(c)
	c.smooth.meet(c)
	if c.plain.due(c) || c.smooth.due(c) {
		c.state = pushing
		return nil
	}
	c.absorb()
	return nil
}

// Next returns the next decided result, and false when there is none until the
// next Push. One raw value decides all intervals since the one before: after a
// long silence, or in front of a clock that is wrong, they may be many. It does
// not allocate.
func (c *Calculator) Next() (Result, bool) {
	if c.state == idle || c.state == closed {
		return Result{}, false
	}
	for {
		if c.plain.due(c) {
			if r, ok := c.plain.next(c); ok {
				return finite(r), true
			}
			continue
		}
		if c.smooth.due(c) {
			if r, ok := c.smooth.next(c); ok {
				return finite(r), true
			}
			continue
		}
		if c.state == closing {
			c.state = closed
			return Result{}, false
		}
		c.absorb()
		c.state = idle
		return Result{}, false
	}
}

// Close says that the data ends here: the last raw value pushed is the last there
// is. Next then gives the rest of the results: up to the end of the request, or up
// to the interval with the last value if the request has no end. Closing twice
// does nothing, and closing with results pending returns ErrPending.
func (c *Calculator) Close() error {
	switch c.state {
	case pushing:
		return ErrPending
	case idle:
		c.state = closing
		c.plain.meet(c)
		c.smooth.meet(c)
	}
	return nil
}

// Done reports whether all results were given, so that further values would
// change nothing.
func (c *Calculator) Done() bool {
	return c.state == closed || c.state != pushing && c.plain.done && c.smooth.done
}

// Stats returns the counts so far.
func (c *Calculator) Stats() Stats { return c.stats }

func (c *Calculator) absorb() {
	c.plain.absorb(c)
	c.smooth.absorb(c)
	c.behind.push(c.in)
}

// ahead returns the sample that follows the last one taken in; nil past the end of
// the data.
func (c *Calculator) ahead() *point {
	if c.state == closing {
		return nil
	}
	return &c.in
}

// ended reports whether i lies beyond the last raw value.
func (c *Calculator) ended(i interval) bool {
	return c.state == closing && (!c.any || !c.grid.reached(i, c.behind.prev.t))
}

// exhausted reports whether a request without end has come to the end of the data.
func (c *Calculator) exhausted(i interval) bool { return c.grid.open && c.ended(i) }

// holdsFirst reports whether the data begins within i.
func (c *Calculator) holdsFirst(i interval) bool {
	return c.any && c.first > i.a && !c.grid.passed(i, c.first)
}

// stamp begins a result for i.
func (c *Calculator) stamp(f Function, i interval) Result {
	start, end := i.a, i.b
	if c.grid.backward {
		start, end = end, start
	}
	return Result{Function: f, Start: instant(start), End: instant(end), Time: instant(start)}
}

// finite makes a result that does not fit a float64 Bad_OutOfRange.
func finite(r Result) Result {
	if !r.Status.IsBad() && (math.IsNaN(r.Value) || math.IsInf(r.Value, 0)) {
		r.Value, r.Status = math.NaN(), BadOutOfRange
	}
	return r
}
