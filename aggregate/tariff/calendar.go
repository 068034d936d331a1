package tariff

import (
	"errors"
	"fmt"
	"hash/fnv"
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

// CalendarConfig describes a calendar to [NewCalendar], which copies it. The zero
// value is a calendar in UTC with one period, "", and calendar months as billing
// periods.
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

// DayType is a kind of day with a schedule of its own.
type DayType struct {
	Name string   // unique
	On   Weekdays // days of the week that are of this type; 0 = only holidays are
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

// hash returns a number that differs, nearly always, between calendars that
// differ.
func (c *Calendar) hash() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %q %v %v %v %v %v %v", c.location.String(), c.seasons, c.dayTypes,
		c.seasonOf, c.typeOf, c.holidays, c.energy, c.demand, c.cycle)
	return h.Sum64()
}
