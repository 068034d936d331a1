package tariff

import (
	"errors"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// LedgerConfig describes a ledger to [NewLedger].
type LedgerConfig struct {
	Meter    string        // Interval.Meter of the intervals to take; "" = of any
	Calendar *Calendar     // required; may be shared
	Interval time.Duration // length of a demand interval; 0 = aggregate.DefaultDemandInterval

	// Basis is what energy is billed by: aggregate.FromRegisters or
	// aggregate.FromPower. The zero value, aggregate.NoBasis, means the registers of
	// a meter that has any, and its power else. Registers count the directions they
	// are read for, and no other.
	Basis aggregate.Basis

	// Revisable is how many of the latest intervals may still be replaced by
	// others of the same Start and End, or come late, as those of an
	// aggregate.Reviser do. One of which nothing is known, such as a silence, may be
	// replaced piece by piece. A billing period then closes as many intervals later.
	// 0 = none; at most MaxRevisable.
	Revisable int
}

// MaxRevisable is the largest number of intervals that may be open to revision:
// a year of quarter hours.
const MaxRevisable = 366 * 96

// Counts are the intervals given to a ledger since it began, by what became of
// them. Their sum is the number given.
type Counts struct {
	Booked  uint64 // taken, those still open to revision included
	Revised uint64 // took the place of one taken before
	Late    uint64 // refused: began before the end of one booked, or overlap one taken
	Invalid uint64 // refused: of another meter, no such time, or accounts that do not fit the interval
	Outside uint64 // refused: began outside all billing periods
}

// Ledger books the intervals of one meter into registers by tariff period, and
// yields a [Statement] at the end of each billing period.
//
// A Ledger belongs to one goroutine at a time. It has no clock. Make one with
// [NewLedger]; the zero Ledger refuses everything.
type Ledger struct {
	meter  string
	basis  aggregate.Basis
	page   page
	window []Usage // ring of those open to revision, one more than may be
	oldest int
	held   int
	counts Counts
}

// NewLedger returns the ledger of a configuration, or an error that names all of
// its faults. It allocates all that the ledger will ever need.
func NewLedger(cfg LedgerConfig) (*Ledger, error) {
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
	if cfg.Basis > aggregate.FromPower {
		faults = append(faults, fmt.Errorf("tariff: no basis %d", cfg.Basis))
	}
	if cfg.Revisable < 0 || cfg.Revisable > MaxRevisable {
		faults = append(faults, fmt.Errorf("tariff: %d revisable intervals, want 0 to %d", cfg.Revisable, MaxRevisable))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	l := &Ledger{meter: cfg.Meter, basis: cfg.Basis, page: page{calendar: cfg.Calendar, interval: cfg.Interval}}
	if cfg.Revisable > 0 {
		l.window = make([]Usage, cfg.Revisable+1)
	}
	s := &l.page.statement
	s.Meter = cfg.Meter
	s.energyPeriods = copyNames(cfg.Calendar.energy.periods, func(i int) *string { return &s.energy[i].Period })
	s.demandPeriods = copyNames(cfg.Calendar.demand.periods, func(i int) *string { return &s.demand[i].Period })
	return l, nil
}

func copyNames(names []string, to func(int) *string) int {
	for i, name := range names {
		*to(i) = name
	}
	return len(names)
}

// Observe books an interval and appends the statements of the billing periods
// that it completes to dst. Intervals come in the order of time; time between
// them, and before the first, is booked as missing. See LedgerConfig.Revisable for
// those that do not. An interval that cannot be booked is counted. It allocates
// only where dst grows.
func (l *Ledger) Observe(dst []Statement, iv *aggregate.Interval) []Statement {
	if l.meter != "" && iv.Meter != l.meter {
		l.counts.Invalid++
		return dst
	}
	return l.Add(dst, UsageOf(iv, l.basis))
}

// Add is Observe for usage that comes from elsewhere.
func (l *Ledger) Add(dst []Statement, u Usage) []Statement {
	switch {
	case l.page.calendar == nil || !u.valid():
		l.counts.Invalid++
		return dst
	case u.Start < l.page.statement.Through:
		l.counts.Late++
		return dst
	case l.page.statement.End == 0 && l.page.calendar.BillingPeriod(u.Start) == Span{}:
		l.counts.Outside++
		return dst
	case l.window == nil:
		l.counts.Booked++
		return l.book(dst, &u)
	}
	if l.hold(&u) && l.held == len(l.window) {
		return l.release(dst)
	}
	return dst
}

// Advance says that nothing before t is to come or to change. It books what is
// open to revision up to there, then the time without intervals as missing, and
// appends the statements of the billing periods that end. A ledger that has seen
// no interval stays as it is, and so does one for a time it does not know.
func (l *Ledger) Advance(dst []Statement, t acquire.Instant) []Statement {
	if !known(t) {
		return dst
	}
	for l.held > 0 && l.at(0).End <= t {
		dst = l.release(dst)
	}
	if l.held > 0 {
		t = min(t, l.at(0).Start)
	}
	if l.page.statement.End == 0 {
		return dst
	}
	return l.advance(dst, t)
}

// Present returns the statement of the billing period that closes next, with all
// that has been booked of it so far, intervals open to revision included. It is
// the zero Statement but for its names before the first interval and beyond the
// last billing period.
func (l *Ledger) Present() Statement {
	p := l.page
	if p.statement.End == 0 && l.held > 0 {
		p.open(p.calendar.BillingPeriod(l.at(0).Start))
	}
	for i := range l.held {
		u := l.at(i)
		if u.Start >= p.statement.End {
			break
		}
		p.book(u)
		p.miss(u.End)
	}
	return p.statement
}

// Counts returns what became of the intervals given.
func (l *Ledger) Counts() Counts { return l.counts }

// book books u and closes what it completes.
func (l *Ledger) book(dst []Statement, u *Usage) []Statement {
	if l.page.statement.End == 0 {
		l.page.open(l.page.calendar.BillingPeriod(u.Start))
	}
	dst = l.advance(dst, u.Start)
	if l.page.statement.End == 0 {
		l.counts.Booked--
		l.counts.Outside++
		return dst
	}
	l.page.book(u)
	return l.advance(dst, u.End)
}

// advance accounts for the time up to t and closes billing periods on the way.
func (l *Ledger) advance(dst []Statement, t acquire.Instant) []Statement {
	p := &l.page
	for p.statement.End != 0 {
		p.miss(t)
		if !p.ended() {
			break
		}
		dst = append(dst, p.statement)
		p.open(p.calendar.BillingPeriod(p.statement.End))
	}
	return dst
}

// at returns the i-th of those open to revision, the oldest first.
func (l *Ledger) at(i int) *Usage { return &l.window[(l.oldest+i)%len(l.window)] }

// hold puts u among those open to revision, in the order of time, and reports
// whether it is one more than before.
func (l *Ledger) hold(u *Usage) bool {
	i := l.held
	for i > 0 && l.at(i-1).Start > u.Start {
		i--
	}
	if i > 0 {
		before := l.at(i - 1)
		switch {
		case before.Start == u.Start && before.End == u.End:
			*before = *u
			l.counts.Revised++
			return false
		case before.End >= u.End && before.blank():
			// A silence gives way to what is known of it now.
			if before.Start == u.Start {
				*before = Usage{Start: u.End, End: before.End, Flags: before.Flags}
				i--
			} else {
				*before = Usage{Start: before.Start, End: u.Start, Flags: before.Flags}
			}
		case before.End > u.Start:
			l.counts.Late++
			return false
		}
	}
	if i < l.held && u.End > l.at(i).Start {
		l.counts.Late++
		return false
	}
	for j := l.held; j > i; j-- {
		*l.at(j) = *l.at(j - 1)
	}
	*l.at(i) = *u
	l.held++
	l.counts.Booked++
	return true
}

// release books the oldest of those open to revision.
func (l *Ledger) release(dst []Statement) []Statement {
	u := *l.at(0)
	l.oldest = (l.oldest + 1) % len(l.window)
	l.held--
	return l.book(dst, &u)
}
