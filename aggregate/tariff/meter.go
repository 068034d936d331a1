package tariff

import (
	"errors"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// MeterConfig describes a meter to [NewMeter].
type MeterConfig struct {
	Name     string        // Interval.Meter of the intervals to take; "" = of any
	Calendar *Calendar     // required; may be shared
	Interval time.Duration // length of a demand interval; 0 = aggregate.DefaultDemandInterval

	// Revisable is how many of the latest intervals may still be replaced by
	// others of the same Start and End, or come late. A billing period then closes
	// as many intervals later. 0 = none; at most MaxRevisable.
	Revisable int
}

// MaxRevisable is the largest number of intervals that may be open to revision:
// a year of quarter hours.
const MaxRevisable = 366 * 96

// Counts are the intervals given to a meter since it began, by what became of
// them. Their sum is the number given.
type Counts struct {
	Booked  uint64 // taken, those still open to revision included
	Revised uint64 // took the place of one taken before
	Late    uint64 // refused: began before the end of one booked, or overlap one taken
	Invalid uint64 // refused: of another meter, no such time, or accounts that do not fit the interval
	Outside uint64 // refused: began outside all billing periods
}

// Meter books the intervals of one meter into registers by tariff period, and
// yields a [Statement] at the end of each billing period.
//
// A Meter belongs to one goroutine at a time. It has no clock. Make one with
// [NewMeter]; the zero Meter refuses everything.
type Meter struct {
	name   string
	ledger ledger
	window []Usage // ring of those open to revision, one more than may be
	oldest int
	held   int
	counts Counts
}

// NewMeter returns the meter of a configuration, or an error that names all of
// its faults. It allocates all that the meter will ever need.
func NewMeter(cfg MeterConfig) (*Meter, error) {
	var faults []error
	if cfg.Calendar == nil {
		faults = append(faults, errors.New("tariff: no calendar"))
	}
	if cfg.Interval == 0 {
		cfg.Interval = aggregate.DefaultDemandInterval
	}
	if cfg.Interval < 0 {
		faults = append(faults, fmt.Errorf("tariff: demand interval %v is negative", cfg.Interval))
	}
	if cfg.Revisable < 0 || cfg.Revisable > MaxRevisable {
		faults = append(faults, fmt.Errorf("tariff: %d revisable intervals, want 0 to %d", cfg.Revisable, MaxRevisable))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	m := &Meter{name: cfg.Name, ledger: ledger{calendar: cfg.Calendar, interval: cfg.Interval}}
	if cfg.Revisable > 0 {
		m.window = make([]Usage, cfg.Revisable+1)
	}
	s := &m.ledger.statement
	s.Meter = cfg.Name
	s.energyPeriods = copyNames(cfg.Calendar.energy.periods, func(i int) *string { return &s.energy[i].Period })
	s.demandPeriods = copyNames(cfg.Calendar.demand.periods, func(i int) *string { return &s.demand[i].Period })
	return m, nil
}

func copyNames(names []string, to func(int) *string) int {
	for i, name := range names {
		*to(i) = name
	}
	return len(names)
}

// Observe books an interval and appends the statements of the billing periods
// that it completes to dst. Intervals come in the order of time; time between
// them, and before the first, is booked as missing. See MeterConfig.Revisable for
// those that do not. An interval that cannot be booked is counted. It allocates
// only where dst grows.
func (m *Meter) Observe(dst []Statement, iv *aggregate.Interval) []Statement {
	if m.name != "" && iv.Meter != m.name {
		m.counts.Invalid++
		return dst
	}
	return m.Add(dst, UsageOf(iv))
}

// Add is Observe for usage that comes from elsewhere.
func (m *Meter) Add(dst []Statement, u Usage) []Statement {
	switch {
	case m.ledger.calendar == nil || !u.valid():
		m.counts.Invalid++
		return dst
	case u.Start < m.ledger.statement.Through:
		m.counts.Late++
		return dst
	case m.ledger.statement.End == 0 && m.ledger.calendar.BillingPeriod(u.Start) == Span{}:
		m.counts.Outside++
		return dst
	case m.window == nil:
		m.counts.Booked++
		return m.book(dst, &u)
	}
	if m.hold(&u) && m.held == len(m.window) {
		return m.release(dst)
	}
	return dst
}

// Advance says that nothing before t is to come or to change. It books what is
// open to revision up to there, then the time without intervals as missing, and
// appends the statements of the billing periods that end. A meter that has seen
// no interval stays as it is, and so does one for a time it does not know.
func (m *Meter) Advance(dst []Statement, t acquire.Instant) []Statement {
	if !known(t) {
		return dst
	}
	for m.held > 0 && m.window[m.oldest].End <= t {
		dst = m.release(dst)
	}
	if m.held > 0 {
		t = min(t, m.window[m.oldest].Start)
	}
	if m.ledger.statement.End == 0 {
		return dst
	}
	return m.advance(dst, t)
}

// Present returns the statement of the billing period that closes next, with all
// that has been booked of it so far, intervals open to revision included. It is
// the zero Statement but for its names before the first interval and beyond the
// last billing period.
func (m *Meter) Present() Statement {
	l := m.ledger
	if l.statement.End == 0 && m.held > 0 {
		l.open(l.calendar.BillingPeriod(m.window[m.oldest].Start))
	}
	for i := range m.held {
		u := &m.window[(m.oldest+i)%len(m.window)]
		if u.Start >= l.statement.End {
			break
		}
		l.book(u)
		l.miss(u.End)
	}
	return l.statement
}

// Counts returns what became of the intervals given.
func (m *Meter) Counts() Counts { return m.counts }

// book books u and closes what it completes.
func (m *Meter) book(dst []Statement, u *Usage) []Statement {
	if m.ledger.statement.End == 0 {
		m.ledger.open(m.ledger.calendar.BillingPeriod(u.Start))
	}
	dst = m.advance(dst, u.Start)
	if m.ledger.statement.End == 0 {
		m.counts.Booked--
		m.counts.Outside++
		return dst
	}
	m.ledger.book(u)
	return m.advance(dst, u.End)
}

// advance accounts for the time up to t and closes billing periods on the way.
func (m *Meter) advance(dst []Statement, t acquire.Instant) []Statement {
	l := &m.ledger
	for l.statement.End != 0 {
		l.miss(t)
		if !l.ended() {
			break
		}
		dst = append(dst, l.statement)
		l.open(l.calendar.BillingPeriod(l.statement.End))
	}
	return dst
}

// hold puts u among those open to revision, in the order of time, and reports
// whether it is one more than before.
func (m *Meter) hold(u *Usage) bool {
	n := len(m.window)
	at := func(i int) *Usage { return &m.window[(m.oldest+i)%n] }
	i := m.held
	for i > 0 && at(i-1).Start > u.Start {
		i--
	}
	if i > 0 {
		before := at(i - 1)
		switch {
		case before.Start == u.Start && before.End == u.End:
			*before = *u
			m.counts.Revised++
			return false
		case before.End > u.Start:
			m.counts.Late++
			return false
		}
	}
	if i < m.held && u.End > at(i).Start {
		m.counts.Late++
		return false
	}
	for j := m.held; j > i; j-- {
		*at(j) = *at(j - 1)
	}
	*at(i) = *u
	m.held++
	m.counts.Booked++
	return true
}

// release books the oldest of those open to revision.
func (m *Meter) release(dst []Statement) []Statement {
	u := m.window[m.oldest]
	m.oldest = (m.oldest + 1) % len(m.window)
	m.held--
	return m.book(dst, &u)
}
