package tariff

import (
	"fmt"
	"strconv"
	"time"
)

// MonthDay is a day of any year. 29 February is a day of leap years only, so
// that a season may end there and mean the end of February.
type MonthDay struct {
	Month time.Month // January to December
	Day   int        // from 1
}

// Date is a day of one year.
type Date struct {
	Year  int        // 1971 to 2261
	Month time.Month // January to December
	Day   int        // from 1
}

// Weekdays is a set of days of the week. Make one of [MondayToFriday], [Weekend]
// and [EveryDay], or with [On]. The zero value is empty.
type Weekdays uint8

// Sets of weekdays.
const (
	MondayToFriday Weekdays = 1<<time.Monday | 1<<time.Tuesday | 1<<time.Wednesday | 1<<time.Thursday | 1<<time.Friday
	Weekend        Weekdays = 1<<time.Saturday | 1<<time.Sunday
	EveryDay                = MondayToFriday | Weekend
)

// On returns the set of the given days. A day that is none makes the set a fault
// of the configuration that uses it.
func On(days ...time.Weekday) Weekdays {
	var set Weekdays
	for _, d := range days {
		if d < time.Sunday || d > time.Saturday {
			d = 7 // no day: the set is not within EveryDay
		}
		set |= 1 << d
	}
	return set
}

// valid reports whether there is such a day, in a leap year at least.
func (d MonthDay) valid() bool {
	return d.Month >= time.January && d.Month <= time.December && d.Day >= 1 && d.Day <= daysIn(2000, d.Month)
}

// next returns the day after d in a leap year; after 31 December, 1 January.
func (d MonthDay) next() MonthDay {
	switch {
	case d.Day < daysIn(2000, d.Month):
		return MonthDay{d.Month, d.Day + 1}
	case d.Month < time.December:
		return MonthDay{d.Month + 1, 1}
	}
	return MonthDay{time.January, 1}
}

// String formats d as "2 January".
func (d MonthDay) String() string { return strconv.Itoa(d.Day) + " " + d.Month.String() }

// String formats d as "2026-01-02".
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

func (d Date) valid() bool {
	return d.Year >= firstYear && d.Year <= lastYear && d.Month >= time.January && d.Month <= time.December &&
		d.Day >= 1 && d.Day <= daysIn(d.Year, d.Month)
}

// number returns the days from 1 January 1970 to d. A day beyond the end of the
// month counts on into the next, a month beyond December into the next year.
func (d Date) number() int32 {
	return int32(time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// dateOf returns the date with that number.
func dateOf(number int32) Date {
	y, m, d := time.Unix(int64(number)*86400, 0).UTC().Date()
	return Date{y, m, d}
}

// weekdayOf returns the weekday of the date with that number, which is not
// before 1969: 1 January 1970 was a Thursday.
func weekdayOf(number int32) time.Weekday { return time.Weekday((number + 4 + 7*1000) % 7) }

// daysIn returns the length of a month.
func daysIn(year int, m time.Month) int {
	return time.Date(year, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
