package tariff

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// MaxPeriods is the largest number of energy periods, and of demand periods, of
// one calendar.
const MaxPeriods = 16

// The years that a calendar knows, with a year of room on either side for the
// day and the billing period around an instant. UTC has its present form since
// 1972; an instant ends in 2262.
const (
	firstYear, lastYear = 1971, 2261

	earliest = acquire.Instant(63072000 * 1e9)   // 1 January 1972
	latest   = acquire.Instant(9183110400 * 1e9) // 1 January 2261
)

// CalendarConfig describes a calendar. It is read by [NewCalendar] and may be changed or
// dropped afterwards. The zero value is a calendar in UTC with one period, "",
// and calendar months as billing periods.
type CalendarConfig struct {
	Location *time.Location // whose clock on the wall the tariff goes by; nil = UTC
	Seasons  []Season       // cover every day of the year once; none = one season ""
	DayTypes []DayType      // cover every weekday once; none = one day type ""
	Holidays []Holiday      // days with a day type of their own; the first in the list wins a day
	Energy   Schedule       // periods of energy registers; zero = one period ""
	Demand   Schedule       // periods of demand registers; zero = those of Energy
	Billing  Cycle          // billing periods; zero = calendar months
}

// Season is a stretch of the year that comes back every year. Several stretches
// of one name are one season.
type Season struct {
	Name string   // unique but for further stretches of the same season
	From MonthDay // first day
	To   MonthDay // last day, included; before From = into the next year
}

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

// DayType is a kind of day with a schedule of its own.
type DayType struct {
	Name string   // unique
	On   Weekdays // days of the week that are of this type; 0 = only holidays are
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

// Schedule names periods and says when each is in force.
type Schedule struct {
	Periods  []string     // names of the periods, in the order of their registers; at most MaxPeriods
	Profiles []DayProfile // cover every season and day type once; none = the only period all day
}

// DayProfile is how the days of some seasons and day types go.
type DayProfile struct {
	Seasons  []string // names of seasons; none = all
	DayTypes []string // names of day types; none = all
	Switches []Switch // the first at 00:00, then ascending
}

// Switch puts a period in force from a time of day, by the clock on the wall, to
// the next switch or the end of the day.
type Switch struct {
	At     time.Duration // what the clock shows, as time since 00:00: whole seconds, less than 24 h
	Period string        // one of Schedule.Periods
}

// Calendar says which period is in force at any instant, and where days, months
// and billing periods begin. It is immutable and safe for concurrent use; many
// meters share one. Make one with [NewCalendar].
type Calendar struct {
	location *time.Location
	seasons  []string
	dayTypes []string
	seasonOf [13][32]uint8 // by month and day, from 1
	typeOf   [7]uint8      // by weekday
	holidays []special     // ascending
	energy   schedule
	demand   schedule
	cycle    cycle

	fingerprint uint64 // of all of the above, in saved states
}

// schedule is a Schedule with numbers for names.
type schedule struct {
	periods  []string
	profiles [][]turn // by season * number of day types + day type
}

// turn is a Switch: seconds since 00:00 and the number of the period.
type turn struct {
	at     int32
	period uint8
}

// NewCalendar returns the calendar of a configuration, or an error that names
// all of its faults.
func NewCalendar(cfg CalendarConfig) (*Calendar, error) {
	b := builder{c: &Calendar{location: cfg.Location}}
	if b.c.location == nil {
		b.c.location = time.UTC
	}
	b.seasons(cfg.Seasons)
	b.dayTypes(cfg.DayTypes)
	b.holidays(cfg.Holidays)
	b.c.energy = b.schedule("energy", cfg.Energy)
	b.c.demand = b.c.energy
	if len(cfg.Demand.Periods)+len(cfg.Demand.Profiles) > 0 {
		b.c.demand = b.schedule("demand", cfg.Demand)
	}
	b.c.cycle = b.cycle(cfg.Billing)
	if len(b.faults) > 0 {
		return nil, errors.Join(b.faults...)
	}
	b.c.fingerprint = b.c.hash()
	return b.c, nil
}

// Location returns the time zone of the calendar.
func (c *Calendar) Location() *time.Location { return c.location }

// EnergyPeriods returns the names of the energy periods, in the order of their
// registers. The slice is the caller's.
func (c *Calendar) EnergyPeriods() []string { return append([]string(nil), c.energy.periods...) }

// DemandPeriods returns the names of the demand periods, in the order of their
// registers. The slice is the caller's.
func (c *Calendar) DemandPeriods() []string { return append([]string(nil), c.demand.periods...) }

// builder collects the faults of a configuration while it compiles.
type builder struct {
	c      *Calendar
	faults []error
}

func (b *builder) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Errorf("tariff: "+format, args...))
}

func (b *builder) seasons(seasons []Season) {
	if len(seasons) == 0 {
		b.c.seasons = []string{""}
		return
	}
	const none = 0xff
	for m := range b.c.seasonOf {
		for d := range b.c.seasonOf[m] {
			b.c.seasonOf[m][d] = none
		}
	}
	overlaps := map[[2]string]bool{}
	for _, s := range seasons {
		if !s.From.valid() || !s.To.valid() {
			b.fault("season %q: %v to %v: no such day", s.Name, s.From, s.To)
			continue
		}
		i := index(b.c.seasons, s.Name)
		if i < 0 {
			if i = len(b.c.seasons); i == none {
				b.fault("more than %d seasons", none)
				return
			}
			b.c.seasons = append(b.c.seasons, s.Name)
		}
		for day := s.From; ; day = day.next() {
			at := &b.c.seasonOf[day.Month][day.Day]
			if *at != none {
				if pair := [2]string{b.c.seasons[*at], s.Name}; !overlaps[pair] {
					overlaps[pair] = true
					b.fault("seasons %q and %q overlap on %v", pair[0], pair[1], day)
				}
			}
			*at = uint8(i)
			if day == s.To {
				break
			}
		}
	}
	if len(b.faults) > 0 {
		return // a hole may be a season with a fault
	}
	first := MonthDay{time.January, 1}
	for day := first; ; {
		if b.c.seasonOf[day.Month][day.Day] == none {
			from := day
			for b.c.seasonOf[day.next().Month][day.next().Day] == none && day.next() != first {
				day = day.next()
			}
			if from == day {
				b.fault("no season on %v", day)
			} else {
				b.fault("no season from %v to %v", from, day)
			}
		}
		if day = day.next(); day == first {
			return
		}
	}
}

func (b *builder) dayTypes(types []DayType) {
	if len(types) == 0 {
		b.c.dayTypes = []string{""}
		return
	}
	if len(types) > 0xff {
		b.fault("more than %d day types", 0xff)
		return
	}
	var seen Weekdays
	for i, t := range types {
		if index(b.c.dayTypes, t.Name) >= 0 {
			b.fault("day type %q is there twice", t.Name)
		}
		b.c.dayTypes = append(b.c.dayTypes, t.Name)
		if t.On&^EveryDay != 0 {
			b.fault("day type %q: no such weekday", t.Name)
		}
		for d := time.Sunday; d <= time.Saturday; d++ {
			switch {
			case t.On&(1<<d) == 0:
			case seen&(1<<d) != 0:
				b.fault("%v is of day types %q and %q", d, types[b.c.typeOf[d]].Name, t.Name)
			default:
				seen |= 1 << d
				b.c.typeOf[d] = uint8(i)
			}
		}
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if seen&(1<<d) == 0 {
			b.fault("%v is of no day type", d)
		}
	}
}

func (b *builder) schedule(what string, cfg Schedule) schedule {
	s := schedule{periods: append([]string(nil), cfg.Periods...)}
	if len(s.periods) == 0 {
		s.periods = []string{""}
	}
	if len(s.periods) > MaxPeriods {
		b.fault("%s: %d periods, at most %d", what, len(s.periods), MaxPeriods)
	}
	for i, name := range s.periods {
		if index(s.periods[:i], name) >= 0 {
			b.fault("%s: period %q is there twice", what, name)
		}
	}
	s.profiles = make([][]turn, len(b.c.seasons)*len(b.c.dayTypes))
	if len(cfg.Profiles) == 0 {
		if len(s.periods) > 1 {
			b.fault("%s: %d periods and no profile", what, len(s.periods))
		}
		for i := range s.profiles {
			s.profiles[i] = []turn{{}}
		}
		return s
	}
	used := make([]bool, len(s.periods))
	for n, p := range cfg.Profiles {
		where := what + ": profile " + strconv.Itoa(n+1)
		turns := b.turns(where, s.periods, used, p.Switches)
		for _, season := range b.numbers(where, "season", p.Seasons, b.c.seasons) {
			for _, dayType := range b.numbers(where, "day type", p.DayTypes, b.c.dayTypes) {
				at := &s.profiles[season*len(b.c.dayTypes)+dayType]
				if *at != nil {
					b.fault("%s: season %q, day type %q has a profile already", where, b.c.seasons[season], b.c.dayTypes[dayType])
				}
				*at = turns
			}
		}
	}
	for i, turns := range s.profiles {
		if turns == nil {
			b.fault("%s: no profile for season %q, day type %q", what, b.c.seasons[i/len(b.c.dayTypes)], b.c.dayTypes[i%len(b.c.dayTypes)])
		}
	}
	for i, is := range used {
		if !is {
			b.fault("%s: period %q is never in force", what, s.periods[i])
		}
	}
	return s
}

// turns returns the switches of a profile, never nil.
func (b *builder) turns(where string, periods []string, used []bool, switches []Switch) []turn {
	turns := make([]turn, 0, len(switches))
	if len(switches) == 0 || switches[0].At != 0 {
		b.fault("%s: no period from 00:00", where)
	}
	for i, sw := range switches {
		switch {
		case sw.At < 0 || sw.At >= 24*time.Hour:
			b.fault("%s: switch %d at %v is not within the day", where, i+1, sw.At)
		case sw.At%time.Second != 0:
			b.fault("%s: switch %d at %v is not in whole seconds", where, i+1, sw.At)
		case i > 0 && sw.At <= switches[i-1].At:
			b.fault("%s: switch %d at %v is not after the one before", where, i+1, sw.At)
		}
		period := index(periods, sw.Period)
		if period < 0 {
			b.fault("%s: switch %d: unknown period %q", where, i+1, sw.Period)
			continue
		}
		if period < len(used) {
			used[period] = true
		}
		if n := len(turns); n > 0 && turns[n-1].period == uint8(period) {
			continue // not a change
		}
		turns = append(turns, turn{at: int32(sw.At / time.Second), period: uint8(period)})
	}
	return turns
}

// numbers returns the places of names in all, or all places for no names.
func (b *builder) numbers(where, kind string, names, all []string) []int {
	var found []int
	if len(names) == 0 {
		for i := range all {
			found = append(found, i)
		}
		return found
	}
	for _, name := range names {
		if i := index(all, name); i >= 0 {
			found = append(found, i)
		} else {
			b.fault("%s: unknown %s %q", where, kind, name)
		}
	}
	return found
}

func index(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}

// hash returns a number that differs, nearly always, between calendars that
// differ.
func (c *Calendar) hash() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %q %v %v %v %v %v %v", c.location.String(), c.seasons, c.dayTypes,
		c.seasonOf, c.typeOf, c.holidays, c.energy, c.demand, c.cycle)
	return h.Sum64()
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
