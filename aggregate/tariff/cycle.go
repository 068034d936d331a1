package tariff

import (
	"slices"
	"sort"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Cycle says where billing periods begin: at local midnight of a day of the
// month, or of explicit dates. The zero value is calendar months.
type Cycle struct {
	Day    int        // day of the month on which a period begins; a shorter month begins it on its last day; 0 = 1
	Months int        // length in months, a divisor of 12; 0 = 1
	First  time.Month // a month in which a period begins; 0 = January

	// Dates are explicit read dates, ascending, in place of the above: each is
	// the first day of a period and the day after the last of the one before.
	// Before the first and from the last on there is no billing period.
	Dates []Date
}

// cycle is a Cycle with its defaults filled in.
type cycle struct {
	day    int
	months int
	first  int     // months from January
	dates  []int32 // Date.number
}

func (b *builder) cycle(cfg Cycle) cycle {
	c := cycle{day: max(cfg.Day, 1), months: max(cfg.Months, 1), first: max(int(cfg.First)-1, 0)}
	if len(cfg.Dates) > 0 {
		if cfg.Day != 0 || cfg.Months != 0 || cfg.First != 0 {
			b.fault("billing: dates and a day of the month")
		}
		if len(cfg.Dates) == 1 {
			b.fault("billing: one date makes no billing period")
		}
		for _, d := range cfg.Dates {
			if !d.valid() {
				b.fault("billing: no such day as %v", d)
				continue
			}
			c.dates = append(c.dates, d.number())
			if len(c.dates) > 1 && c.dates[len(c.dates)-2] >= d.number() {
				b.fault("billing: %v is not after %v", d, dateOf(c.dates[len(c.dates)-2]))
			}
		}
		return c
	}
	if cfg.Day < 0 || cfg.Day > 31 {
		b.fault("billing: no day %d in a month", cfg.Day)
	}
	if cfg.Months < 0 || 12%c.months != 0 {
		b.fault("billing: %d months do not divide a year", cfg.Months)
	}
	if cfg.First < 0 || cfg.First > time.December {
		b.fault("billing: no such month as %d", int(cfg.First))
	}
	return c
}

// Span is a stretch of time [Start, End). The zero value is none.
type Span struct {
	Start acquire.Instant // first instant
	End   acquire.Instant // first instant after it
}

// Duration returns the length of s.
func (s Span) Duration() time.Duration { return s.End.Sub(s.Start) }

// Contains reports whether t lies in s.
func (s Span) Contains(t acquire.Instant) bool { return t >= s.Start && t < s.End }

// Day returns the local day that t belongs to. Most are 24 h long, those on
// which the clock is changed 23 h or 25 h, or as it may be: see the package
// comment. Outside the years 1972 to 2260 it returns the zero Span.
func (c *Calendar) Day(t acquire.Instant) Span {
	if !known(t) {
		return Span{}
	}
	day := c.dayOf(t)
	return Span{c.midnight(day), c.midnight(day + 1)}
}

// Month returns the local month that t belongs to, or the zero Span as Day does.
func (c *Calendar) Month(t acquire.Instant) Span {
	if !known(t) {
		return Span{}
	}
	d := dateOf(c.dayOf(t))
	return Span{c.midnight(Date{d.Year, d.Month, 1}.number()), c.midnight(Date{d.Year, d.Month + 1, 1}.number())}
}

// BillingPeriod returns the billing period that t belongs to. It returns the
// zero Span where there is none: outside the years 1972 to 2260, before the
// first of Cycle.Dates, and from the last of them on.
func (c *Calendar) BillingPeriod(t acquire.Instant) Span {
	if !known(t) {
		return Span{}
	}
	day := c.dayOf(t)
	if dates := c.cycle.dates; dates != nil {
		i, on := slices.BinarySearch(dates, day)
		if on {
			i++
		}
		if i == 0 || i == len(dates) {
			return Span{}
		}
		return Span{c.midnight(dates[i-1]), c.midnight(dates[i])}
	}
	d := dateOf(day)
	month := d.Year*12 + int(d.Month) - 1
	month -= (month - c.cycle.first) % c.cycle.months
	if c.cycle.start(month) > day {
		month -= c.cycle.months
	}
	return Span{c.midnight(c.cycle.start(month)), c.midnight(c.cycle.start(month + c.cycle.months))}
}

// start returns the day of a month, counted from year 0, on which a period
// begins.
func (c *cycle) start(month int) int32 {
	year, m := month/12, time.Month(month%12+1)
	return Date{year, m, min(c.day, daysIn(year, m))}.number()
}

// Local returns t with the clock of the calendar.
func (c *Calendar) Local(t acquire.Instant) time.Time { return t.Time().In(c.location) }

// Label returns t as RFC 3339 in local time with its offset from UTC, which
// tells the two passes of an hour that is shown twice apart:
// "2026-10-25T02:15:00+02:00" and "2026-10-25T02:15:00+01:00".
func (c *Calendar) Label(t acquire.Instant) string { return string(c.AppendLabel(nil, t)) }

// AppendLabel appends the text of Label to dst.
func (c *Calendar) AppendLabel(dst []byte, t acquire.Instant) []byte {
	if t == 0 {
		return append(dst, t.String()...)
	}
	return c.Local(t).AppendFormat(dst, time.RFC3339)
}

// special returns the day type of a holiday, the first in the list of those on
// that day.
func (c *Calendar) special(day int32) (uint8, bool) {
	i := sort.Search(len(c.holidays), func(i int) bool { return c.holidays[i].day >= day })
	if i == len(c.holidays) || c.holidays[i].day != day {
		return 0, false
	}
	return c.holidays[i].dayType, true
}
