package load

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// Config is the configuration of a Summary. The zero value holds each value for
// aggregate.DefaultMaxGap at most.
type Config struct {
	Rule   aggregate.Rule // how values stand between samples: HoldLeft is stepped, Trapezoid sloped
	MaxGap time.Duration  // longest time between two samples that is bridged, up to 24 h; 0 = aggregate.DefaultMaxGap
}

// Extreme is a least or largest value, with the time of the first sample that
// had it.
type Extreme struct {
	Value float64         // in the unit of the series
	At    acquire.Instant // 0 = there was no usable sample
}

// Counts says what became of the samples. Each is counted once.
type Counts struct {
	Good      uint64 // used
	Uncertain uint64 // used, in doubt
	Bad       uint64 // of bad quality, not a number or infinite: a gap
	Late      uint64 // at or before the last sample, or in time already decided
	Refused   uint64 // with a time that is unknown or beyond what can be counted
}

func (c *Counts) add(d Counts) {
	c.Good += d.Good
	c.Uncertain += d.Uncertain
	c.Bad += d.Bad
	c.Late += d.Late
	c.Refused += d.Refused
}

// Summary gathers one series: values with times, each weighed by the time that
// it stood. Values have any unit, and the results have the same. It is a plain
// value of about 1 KB without pointers: a copy is a snapshot. It is not safe for
// concurrent use; the zero value refuses all samples. Make one with New.
type Summary struct {
	rule    aggregate.Rule
	maxGap  uint64 // ns; 0 = not made by New
	first   point
	last    point
	done    acquire.Instant // decided up to here
	cover   aggregate.Coverage
	least   Extreme
	most    Extreme
	counts  Counts
	values  [valueLimbs]uint64  // 2∫v
	squares [squareLimbs]uint64 // 3∫v²
}

// point is a sample: its quality is Bad, Uncertain or Good without more.
type point struct {
	at      acquire.Instant // 0 = none
	value   float64
	quality acquire.Quality
}

// New checks c, and names all its faults at once.
func New(c Config) (Summary, error) {
	var faults []error
	if c.Rule > aggregate.MeanOverPast {
		faults = append(faults, fmt.Errorf("load: unknown %v", c.Rule))
	}
	if c.MaxGap < 0 || c.MaxGap > 24*time.Hour {
		faults = append(faults, fmt.Errorf("load: longest gap %v is not within 0 and 24 h", c.MaxGap))
	}
	if faults != nil {
		return Summary{}, errors.Join(faults...)
	}
	if c.MaxGap == 0 {
		c.MaxGap = aggregate.DefaultMaxGap
	}
	return Summary{rule: c.Rule, maxGap: uint64(c.MaxGap)}, nil
}

// maxInstant leaves room to add a gap.
const maxInstant = math.MaxInt64 - acquire.Instant(72*time.Hour)

// Push takes the value v at the time t. One of bad quality, or that is not finite,
// opens a gap: the time up to the next usable sample is missing.
func (s *Summary) Push(t acquire.Instant, v float64, q acquire.Quality) {
	p := point{t, v, q.Severity()}
	if math.IsNaN(v) || math.IsInf(v, 0) || p.quality == acquire.Bad {
		p.value, p.quality = 0, acquire.Bad
	}
	switch {
	case s.maxGap == 0 || t <= 0 || t > maxInstant:
		s.counts.Refused++
		return
	case s.first.at == 0:
		s.first, s.done = p, t
	case t <= s.last.at || t < s.done:
		s.counts.Late++
		return
	default:
		s.join(p)
	}
	s.last = p
	switch p.quality {
	case acquire.Good:
		s.counts.Good++
	case acquire.Uncertain:
		s.counts.Uncertain++
	default:
		s.counts.Bad++
		return
	}
	extreme := Extreme{v, t}
	s.see(extreme, extreme)
}

// see takes note of extremes that come later than those seen.
func (s *Summary) see(least, most Extreme) {
	if least.At != 0 && (s.least.At == 0 || least.Value < s.least.Value) {
		s.least = least
	}
	if most.At != 0 && (s.most.At == 0 || most.Value > s.most.Value) {
		s.most = most
	}
}

// join decides the time from done to p.
func (s *Summary) join(p point) {
	last, gap := s.last, uint64(p.at-s.last.at) > s.maxGap
	switch {
	case last.quality == acquire.Bad:
	case s.rule == aggregate.HoldLeft:
		s.hold(p.at)
	case p.quality == acquire.Bad || gap:
	case s.rule == aggregate.Trapezoid:
		dt := uint64(p.at - s.done)
		addValue(&s.values, last.value, dt)
		addValue(&s.values, p.value, dt)
		addProduct(&s.squares, last.value, last.value, dt)
		addProduct(&s.squares, last.value, p.value, dt)
		addProduct(&s.squares, p.value, p.value, dt)
		s.decide(p.at, min(last.quality, p.quality))
	default:
		s.constant(p.value, p.at, min(last.quality, p.quality))
	}
	s.decide(p.at, acquire.Bad)
}

// hold books the last value up to t, for MaxGap at most.
func (s *Summary) hold(t acquire.Instant) {
	if uint64(t-s.last.at) > s.maxGap {
		t = s.last.at + acquire.Instant(s.maxGap)
	}
	if t > s.done {
		s.constant(s.last.value, t, s.last.quality)
	}
}

func (s *Summary) constant(v float64, until acquire.Instant, q acquire.Quality) {
	dt := uint64(until - s.done)
	addValue(&s.values, v, 2*dt)
	addProduct(&s.squares, v, v, 3*dt)
	s.decide(until, q)
}

// decide moves done to t.
func (s *Summary) decide(t acquire.Instant, q acquire.Quality) {
	d := t.Sub(s.done)
	switch q {
	case acquire.Good:
		s.cover.Good += d
	case acquire.Uncertain:
		s.cover.Uncertain += d
	default:
		s.cover.Missing += d
	}
	s.done = t
}

// Tick says that no sample before watermark will come, and decides what then is
// certain: held values up to there, by HoldLeft, and otherwise what no later
// sample can reach over MaxGap.
func (s *Summary) Tick(watermark acquire.Instant) {
	if s.first.at == 0 || watermark <= s.done || watermark > maxInstant {
		return
	}
	expired := uint64(watermark-s.last.at) > s.maxGap
	if s.last.quality != acquire.Bad && s.rule == aggregate.HoldLeft {
		s.hold(watermark)
	}
	if s.last.quality == acquire.Bad || expired {
		s.last.quality = acquire.Bad
		s.decide(watermark, acquire.Bad)
	}
}

// The errors of Merge.
var (
	ErrConfig  = errors.New("load: not of the same configuration")
	ErrOverlap = errors.New("load: the later part begins before the earlier one ends")
)

// Merge adds next, which was gathered from the samples that follow those of s. The
// time between the two is judged as if all had been pushed into one: any cutting
// of a series into shards, merged in order of time and in any grouping, gives the
// bits that one pass gives. On an error s is unchanged. next is not changed.
func (s *Summary) Merge(next *Summary) error {
	if s.rule != next.rule || s.maxGap != next.maxGap {
		return ErrConfig
	}
	if next.first.at == 0 {
		s.counts.add(next.counts)
		return nil
	}
	if s.first.at == 0 {
		counts := s.counts
		*s = *next
		s.counts.add(counts)
		return nil
	}
	if next.first.at <= s.last.at || next.first.at < s.done {
		return ErrOverlap
	}
	s.join(next.first)
	addLimbs(s.values[:], next.values[:])
	addLimbs(s.squares[:], next.squares[:])
	s.cover.Good += next.cover.Good
	s.cover.Uncertain += next.cover.Uncertain
	s.cover.Missing += next.cover.Missing
	s.counts.add(next.counts)
	s.see(next.least, next.most)
	s.last, s.done = next.last, next.done
	return nil
}

// known returns the time that is covered, in ns.
func (s *Summary) known() uint64 { return uint64(s.cover.Good + s.cover.Uncertain) }

// Mean returns the time-weighted mean, the float64 nearest to the exact one. It
// reports false where no time is covered.
func (s *Summary) Mean() (float64, bool) {
	if s.known() == 0 {
		return 0, false
	}
	return mean(&s.values, s.known(), 2), true
}

// StandardDeviation returns the time-weighted standard deviation of the whole
// covered time (of the population: time is not a sample). It is within two units
// in the last place of the exact one. It reports false where no time is covered.
func (s *Summary) StandardDeviation() (float64, bool) {
	if s.known() == 0 {
		return 0, false
	}
	return deviation(&s.values, &s.squares, s.known()), true
}

// Min returns the least value of the usable samples. Its At is zero if there was
// none.
func (s *Summary) Min() Extreme { return s.least }

// Max returns the largest value of the usable samples. Its At is zero if there
// was none.
func (s *Summary) Max() Extreme { return s.most }

// Coverage returns how well the time from the first sample to the last decided
// instant is known.
func (s *Summary) Coverage() aggregate.Coverage { return s.cover }

// Counts returns what became of the samples.
func (s *Summary) Counts() Counts { return s.counts }
