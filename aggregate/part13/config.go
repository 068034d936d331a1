package part13

import (
	"errors"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Config is the AggregateConfiguration of a variable (4.2.1.2) together with its
// Stepped property. The zero value has the defaults of the standard.
type Config struct {
	// UseUncertain is the negation of TreatUncertainAsBad: raw values of Uncertain
	// status count as non-Bad. False, the standard's default, treats them as Bad.
	UseUncertain bool
	// PercentDataGood is the least share of Good data, in percent, that makes a
	// result Good; 0 means 100.
	PercentDataGood uint8
	// PercentDataBad is the least share of Bad data, in percent, that makes a result
	// Bad; 0 means 100. It is looked at first, as in 5.4.3.2.1.
	PercentDataBad uint8
	// UseSlopedExtrapolation extends the line through the last two non-Bad values
	// beyond the end of the data. False holds the last value.
	UseSlopedExtrapolation bool
	// Stepped holds each value until the next one, instead of drawing a line. States
	// and Booleans are always Stepped.
	Stepped bool
	// Shares says how Uncertain data counts against the two percentages.
	Shares Shares
	// Resolution is the least difference of two times: the last value of the data is
	// taken to hold that long, and an extreme at the excluded edge of an interval is
	// dated that much within it (3.1.3). 0 means a millisecond, as in Annex A.
	Resolution time.Duration
}

// Shares is a rule for the share of Uncertain data in an interval. The text of
// the standard and its worked tables disagree.
type Shares uint8

// The rules for Uncertain data.
const (
	// ThreeShares counts Uncertain data as neither Good nor Bad, unless
	// TreatUncertainAsBad makes a raw value Bad: a result that rests on Uncertain
	// data is not Good unless the Good data suffices. The tables of Annex A are
	// computed so, and 4.2.1.2 asks for it.
	ThreeShares Shares = iota
	// TwoShares counts Uncertain data as Bad with TreatUncertainAsBad and as Good
	// without, derived values included, as the text of 5.4.3.2.1 has it.
	TwoShares
)

// Request is the extent of a processed read (Part 11, 6.5.4.2). Intervals begin at
// Start and include it; End is excluded. If End is before Start the intervals run
// backwards from Start, which they include.
type Request struct {
	Start acquire.Instant
	// End is where the last interval ends, cut short if need be. The unknown
	// Instant means never: intervals follow each other as long as data comes.
	End acquire.Instant
	// Interval is the ProcessingInterval. 0 makes one interval of the whole extent.
	Interval time.Duration
}

// Sample is a raw value. Its Value counts only if Status is not Bad.
type Sample struct {
	Time        acquire.Instant // the source timestamp
	Value       float64         // a Boolean is 0 or 1
	Status      StatusCode      // Bad_NoData and Bad_BoundNotFound mark places without a value
	Annotations uint32          // how many annotations there are with this timestamp
}

// FromAcquired returns s as a raw value. A value that is neither a number nor a
// Boolean becomes Bad_TypeMismatch, unless s is Bad anyway. Integers beyond 2^53
// are rounded.
func FromAcquired(s acquire.Sample) Sample {
	r := Sample{Time: s.Time, Status: StatusOf(s.Quality)}
	if r.Status.IsBad() {
		return r
	}
	if v, ok := s.Value.Number(); ok {
		r.Value = v
	} else if v, ok := s.Value.Bool(); ok {
		if v {
			r.Value = 1
		}
	} else {
		r.Status = BadTypeMismatch
	}
	return r
}

// Result is the value of one function in one interval.
type Result struct {
	Function Function // what was computed
	// Start and End are the interval in the direction of the request: it includes
	// Start and excludes End. End is before Start in a backward request.
	Start, End acquire.Instant
	// Time is the timestamp of the value: Start, or for Start, End and the
	// ...ActualTime functions that of the value found.
	Time acquire.Instant
	// Value is in the unit of the samples, save that Total and Total2 are in units
	// times seconds, durations in milliseconds, Percent... in percent, counts are
	// counts, variances are in the square of the unit, and WorstQuality gives the
	// number of a StatusCode. NaN if Status is Bad.
	Value  float64
	Status StatusCode
}

// Errors of Push.
var (
	// ErrOrder means that the sample is not later than the one before, or that its
	// time is unknown; it is not taken.
	ErrOrder = errors.New("part13: sample not later than the one before")
	// ErrPending means that Next has results to give first; the sample is not taken.
	ErrPending = errors.New("part13: results not taken yet")
	// ErrClosed means that the Calculator is closed.
	ErrClosed = errors.New("part13: calculator is closed")
)

// settings is a Config with the defaults filled in.
type settings struct {
	useUncertain bool
	sloped       bool // extrapolation
	stepped      bool
	shares       Shares
	pctGood      uint64
	pctBad       uint64
	resolution   uint64
}

func (c Config) settings() (settings, error) {
	s := settings{
		useUncertain: c.UseUncertain,
		sloped:       c.UseSlopedExtrapolation,
		stepped:      c.Stepped,
		shares:       c.Shares,
		pctGood:      100,
		pctBad:       100,
		resolution:   uint64(time.Millisecond),
	}
	if c.PercentDataGood != 0 {
		s.pctGood = uint64(c.PercentDataGood)
	}
	if c.PercentDataBad != 0 {
		s.pctBad = uint64(c.PercentDataBad)
	}
	var errs []error
	if s.pctGood > 100 {
		errs = append(errs, fmt.Errorf("part13: PercentDataGood %d is above 100", s.pctGood))
	}
	if s.pctBad > 100 {
		errs = append(errs, fmt.Errorf("part13: PercentDataBad %d is above 100", s.pctBad))
	}
	if s.pctGood+s.pctBad < 100 {
		errs = append(errs, fmt.Errorf("part13: PercentDataGood %d is below 100 - PercentDataBad %d (4.2.1.2)", s.pctGood, s.pctBad))
	}
	if c.Shares > TwoShares {
		errs = append(errs, fmt.Errorf("part13: no rule %d for shares", c.Shares))
	}
	if c.Resolution < 0 {
		errs = append(errs, fmt.Errorf("part13: Resolution %v is negative", c.Resolution))
	} else if c.Resolution > 0 {
		s.resolution = uint64(c.Resolution)
	}
	return s, errors.Join(errs...)
}

// grid is the sequence of intervals of a request, in order of time.
type grid struct {
	lo, hi   int64
	asked    uint64 // length of a whole interval
	length   uint64 // asked, or the extent if that is shorter
	first    uint64 // length of the earliest interval
	backward bool
	open     bool // no end: hi is the end of time
}

func (r Request) grid() (grid, error) {
	var errs []error
	g := grid{lo: int64(r.Start), hi: int64(r.End), asked: uint64(r.Interval)}
	if r.Start == 0 {
		errs = append(errs, errors.New("part13: Start is unknown"))
	}
	if r.Interval < 0 {
		errs = append(errs, fmt.Errorf("part13: Interval %v is negative", r.Interval))
	}
	if r.End == 0 {
		g.open, g.hi = true, 1<<63-1
		if r.Interval == 0 {
			errs = append(errs, errors.New("part13: without End there must be an Interval"))
		}
	} else if r.End == r.Start {
		errs = append(errs, errors.New("part13: Start and End are equal (Bad_InvalidArgument)"))
	}
	if err := errors.Join(errs...); err != nil {
		return grid{}, err
	}
	if g.hi < g.lo {
		g.lo, g.hi, g.backward = g.hi, g.lo, true
	}
	extent := span(g.lo, g.hi)
	if g.asked == 0 {
		g.asked = extent
	}
	g.length = min(g.asked, extent)
	g.first = g.length
	if g.backward {
		if rest := extent % g.length; rest != 0 {
			g.first = rest
		}
	}
	return g, nil
}

// interval is [a, b) forwards and (a, b] backwards.
type interval struct {
	a, b int64
	cut  bool // shorter than the request asked for
}

func (g *grid) begin() interval { return g.fit(g.lo, g.first) }

func (g *grid) after(i interval) interval { return g.fit(i.b, g.length) }

func (g *grid) fit(a int64, length uint64) interval {
	i := interval{a: a, b: g.hi}
	if length < span(a, g.hi) {
		i.b = a + int64(length)
	}
	i.cut = span(i.a, i.b) < g.asked
	return i
}

// reached reports whether a sample at t lies in i or beyond.
func (g *grid) reached(i interval, t int64) bool {
	if g.backward {
		return t > i.a
	}
	return t >= i.a
}

// passed reports whether a sample at t lies beyond i.
func (g *grid) passed(i interval, t int64) bool {
	if g.backward {
		return t > i.b
	}
	return t >= i.b
}

// span returns the time from a to b, a <= b, which may not fit an int64.
func span(a, b int64) uint64 { return uint64(b) - uint64(a) }
