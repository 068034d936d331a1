package tariff

import (
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Segment is a stretch of time in which nothing changes: one energy period, one
// demand period, one local date and one offset of the clock from UTC. The zero
// value is none.
type Segment struct {
	Span
	Energy  int    // which of EnergyPeriods is in force
	Demand  int    // which of DemandPeriods is in force
	Season  string // of the local date
	DayType string // of the local date, holidays considered
}

// At returns the segment that t lies in. What is in force at an instant is what
// the clock on the wall and the calendar beside it say at that instant: see the
// package comment for days on which the clock is changed. It returns the zero
// Segment outside the years 1972 to 2260. It allocates nothing.
func (c *Calendar) At(t acquire.Instant) Segment {
	if !known(t) {
		return Segment{}
	}
	return c.segmentAt(t)
}

// segmentAt is At for any instant from 1971 on, since a billing period may begin
// in the year before the first that is known.
func (c *Calendar) segmentAt(t acquire.Instant) Segment {
	zone := c.zoneAt(t)
	wall := seconds(t) + zone.offset
	day := int32(wall / secondsPerDay)
	midnight := int64(day) * secondsPerDay
	second := int32(wall - midnight)

	date := dateOf(day)
	season := c.seasonOf[date.Month][date.Day]
	dayType, holiday := c.special(day)
	if !holiday {
		dayType = c.typeOf[weekdayOf(day)]
	}
	profile := int(season)*len(c.dayTypes) + int(dayType)
	energy, from, to := inForce(c.energy.profiles[profile], second)
	demand, demandFrom, demandTo := inForce(c.demand.profiles[profile], second)
	from, to = max(from, demandFrom), min(to, demandTo)
	return Segment{
		Span: Span{
			instant(max(midnight+int64(from)-zone.offset, zone.from)),
			instant(min(midnight+int64(to)-zone.offset, zone.to)),
		},
		Energy: energy, Demand: demand,
		Season: c.seasons[season], DayType: c.dayTypes[dayType],
	}
}

// Next returns the first boundary after t: a switch of the energy or the demand
// period, a local midnight, or a change of the clock. Months and billing periods
// end at midnights. It returns 0 outside the years 1972 to 2260.
func (c *Calendar) Next(t acquire.Instant) acquire.Instant { return c.At(t).End }

// inForce returns the period at a second of the day, and where it begins and
// ends.
func inForce(turns []turn, second int32) (period int, from, to int32) {
	i := len(turns) - 1
	for ; i > 0 && turns[i].at > second; i-- {
	}
	to = secondsPerDay
	if i+1 < len(turns) {
		to = turns[i+1].at
	}
	return int(turns[i].period), turns[i].at, to
}

const secondsPerDay = 86400

// known reports whether the calendar knows the instant.
func known(t acquire.Instant) bool { return t >= earliest && t < latest }

// seconds returns the whole seconds of t, which is after 1970.
func seconds(t acquire.Instant) int64 { return int64(t) / 1e9 }

func instant(seconds int64) acquire.Instant { return acquire.Instant(seconds * 1e9) }

// zone is a stretch of constant offset from UTC, all in seconds.
type zone struct{ from, to, offset int64 }

// dusk is beyond all boundaries of a calendar, and an instant still. All are
// after 1970.
const dusk = int64(latest)/1e9 + 370*secondsPerDay

// zoneAt returns the zone in force at t.
func (c *Calendar) zoneAt(t acquire.Instant) zone { return c.zoneAtSecond(seconds(t)) }

// zoneAtSecond returns the zone in force, whose ends are right where they lie
// within three days of the second.
func (c *Calendar) zoneAtSecond(second int64) zone {
	const reach = 3 * secondsPerDay
	z := c.stretch(second)
	for z.to <= second+reach && z.to < dusk {
		next := c.stretch(z.to)
		if next.offset != z.offset {
			break
		}
		z.to = next.to
	}
	for z.from > second-reach && z.from > 0 {
		before := c.stretch(z.from - 1)
		if before.offset != z.offset {
			break
		}
		z.from = before.from
	}
	return z
}

// stretch returns a stretch of constant offset around the second. It is not
// always the longest: beyond the table of a zone, where its rule takes over, the
// time package ends one with each year in UTC. And it ends the last one of a
// leap year a day early, so that 31 December lies outside.
func (c *Calendar) stretch(second int64) zone {
	t := time.Unix(second, 0).In(c.location)
	_, offset := t.Zone()
	z := zone{0, dusk, int64(offset)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		z.from = max(z.from, start.Unix())
	}
	if !end.IsZero() {
		z.to = min(z.to, end.Unix())
	}
	if z.to <= second {
		z.to = time.Date(t.UTC().Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC).Unix()
	}
	return z
}

// midnight returns the instant at which a local day begins: the first from which
// on the clock shows that date, or a later one, and never an earlier one again.
// Most often it is when the clock shows 00:00. Where 00:00 is skipped it is the
// moment of the change. Where midnight passes twice it is the second time.
func (c *Calendar) midnight(day int32) acquire.Instant {
	wall := int64(day) * secondsPerDay
	// No offset is more than 26 h. From the zone after the midnight of all zones,
	// go back to the last one with an instant at which the clock shows less.
	z := c.zoneAtSecond(wall + 26*3600)
	for wall-z.offset <= z.from && z.from > 0 {
		z = c.zoneAtSecond(z.from - 1)
	}
	return instant(min(wall-z.offset, z.to))
}

// dayOf returns the day that an instant belongs to.
func (c *Calendar) dayOf(t acquire.Instant) int32 {
	day := int32((seconds(t) + c.zoneAt(t).offset) / secondsPerDay)
	for c.midnight(day) > t { // shown before midnight has passed for good
		day--
	}
	return day
}
