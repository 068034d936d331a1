package tariff

import (
	"fmt"
	"strconv"
	"time"
)

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
