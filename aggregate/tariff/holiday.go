package tariff

import (
	"cmp"
	"slices"
	"time"
)

// Holiday gives days a day type that overrides the one of their weekday.
type Holiday struct {
	Name     string   // for messages
	DayType  string   // one of CalendarConfig.DayTypes
	On       Rule     // which days
	Observed Observed // where the holiday goes that falls on a weekend; zero = AsIs
	From, To int      // first and last year; 0 = no limit
}

// Observed says what becomes of a holiday that falls on a Saturday or Sunday. A
// holiday that moves leaves its own day with the day type of the weekday. The
// year limits of the holiday mean the year it falls in, not the one it moves to.
type Observed uint8

// The ways to observe a holiday.
const (
	AsIs           Observed = iota // on its day, whatever the weekday
	SundayToMonday                 // a Sunday moves to Monday, a Saturday stays
	NearestWeekday                 // a Saturday moves to Friday, a Sunday to Monday (5 U.S.C. 6103(b), Executive Order 11582)
	NextWeekday                    // a weekend day moves to the next Monday to Friday that is no holiday yet, as substitute days in Great Britain
)

// Rule says on which days of a year a holiday falls. Make one with [Fixed],
// [Nth], [Easter], [OrthodoxEaster] or [Dates]; the zero Rule is a fault.
type Rule struct {
	kind    ruleKind
	month   time.Month
	day     int // day of month; nth weekday; days from Easter
	weekday time.Weekday
	dates   []Date
}

type ruleKind uint8

const (
	noRule ruleKind = iota
	fixedRule
	nthRule
	easterRule
	orthodoxRule
	datesRule
)

// Fixed is the same day every year. 29 February comes in leap years only.
func Fixed(m time.Month, day int) Rule { return Rule{kind: fixedRule, month: m, day: day} }

// Nth is the n-th such weekday of a month, from 1 to 5; or counted from the end,
// -1 being the last. A month without a fifth one has no holiday.
func Nth(n int, weekday time.Weekday, m time.Month) Rule {
	return Rule{kind: nthRule, month: m, day: n, weekday: weekday}
}

// Easter is so many days after Easter Sunday of the Gregorian calendar, or
// before if negative: -2 is Good Friday, 1 Easter Monday, 39 Ascension, 50 Whit
// Monday, 60 Corpus Christi.
func Easter(days int) Rule { return Rule{kind: easterRule, day: days} }

// OrthodoxEaster is [Easter] by the Julian computation, which most Orthodox
// churches follow; days and years are those of the Gregorian calendar.
func OrthodoxEaster(days int) Rule { return Rule{kind: orthodoxRule, day: days} }

// Dates are explicit days. The slice is copied.
func Dates(dates ...Date) Rule { return Rule{kind: datesRule, dates: slices.Clone(dates)} }

// special is a day that is a holiday.
type special struct {
	day     int32 // Date.number
	dayType uint8
}

func (b *builder) holidays(holidays []Holiday) {
	types := make([]uint8, len(holidays))
	for i, h := range holidays {
		switch t := index(b.c.dayTypes, h.DayType); {
		case t < 0:
			b.fault("holiday %q: unknown day type %q", h.Name, h.DayType)
		default:
			types[i] = uint8(t)
		}
		if h.Observed > NextWeekday {
			b.fault("holiday %q: unknown way to observe it", h.Name)
		}
		if h.From != 0 && h.To != 0 && h.From > h.To {
			b.fault("holiday %q: from %d to %d", h.Name, h.From, h.To)
		}
		for _, why := range h.On.faults() {
			b.fault("holiday %q: %s", h.Name, why)
		}
	}
	if len(b.faults) > 0 || len(holidays) == 0 {
		return
	}
	b.c.holidays = specials(holidays, types)
}

// faults says what is wrong with a rule.
func (r Rule) faults() []string {
	var why []string
	switch r.kind {
	case fixedRule:
		if !(MonthDay{r.month, r.day}).valid() {
			why = append(why, "no such day in any year")
		}
	case nthRule:
		if r.day == 0 || r.day < -5 || r.day > 5 {
			why = append(why, "no such number of weekdays in a month")
		}
		if r.weekday < time.Sunday || r.weekday > time.Saturday {
			why = append(why, "no such weekday")
		}
		if r.month < time.January || r.month > time.December {
			why = append(why, "no such month")
		}
	case easterRule, orthodoxRule:
		if r.day < -80 || r.day > 250 {
			why = append(why, "too many days from Easter to be in its year")
		}
	case datesRule:
		for _, d := range r.dates {
			if !d.valid() {
				why = append(why, "no such day as "+d.String())
			}
		}
	default:
		why = append(why, "no rule")
	}
	return why
}

// specials returns all holidays of all years, ascending; those of one day in the
// order of the list.
func specials(holidays []Holiday, types []uint8) []special {
	type falling struct {
		special
		rank     int // in the list
		observed Observed
	}
	var all []falling
	taken := make(map[int32]bool) // days that are holidays
	for year := firstYear; year <= lastYear; year++ {
		for i, h := range holidays {
			if h.From != 0 && year < h.From || h.To != 0 && year > h.To {
				continue
			}
			for _, day := range h.On.days(year) {
				all = append(all, falling{special{day, types[i]}, i, h.Observed})
			}
		}
	}
	slices.SortStableFunc(all, func(x, y falling) int { return cmp.Or(cmp.Compare(x.day, y.day), cmp.Compare(x.rank, y.rank)) })
	for i := range all {
		h := &all[i]
		switch weekday := weekdayOf(h.day); {
		case weekday == time.Sunday && (h.observed == SundayToMonday || h.observed == NearestWeekday):
			h.day++
		case weekday == time.Saturday && h.observed == NearestWeekday:
			h.day--
		}
		taken[h.day] = true
	}
	// Substitute days come last, on what is left.
	for i := range all {
		h := &all[i]
		if h.observed != NextWeekday || !weekend(h.day) {
			continue
		}
		for weekend(h.day) || taken[h.day] {
			h.day++
		}
		taken[h.day] = true
	}
	slices.SortStableFunc(all, func(x, y falling) int { return cmp.Or(cmp.Compare(x.day, y.day), cmp.Compare(x.rank, y.rank)) })
	list := make([]special, len(all))
	for i, h := range all {
		list[i] = h.special
	}
	return list
}

func weekend(day int32) bool {
	d := weekdayOf(day)
	return d == time.Saturday || d == time.Sunday
}

// days returns the days of a year, as Date.number gives them.
func (r Rule) days(year int) []int32 {
	switch r.kind {
	case fixedRule:
		if r.day <= daysIn(year, r.month) {
			return []int32{Date{year, r.month, r.day}.number()}
		}
	case nthRule:
		if day, ok := nth(r.day, r.weekday, year, r.month); ok {
			return []int32{day}
		}
	case easterRule:
		return []int32{easter(year) + int32(r.day)}
	case orthodoxRule:
		return []int32{orthodoxEaster(year) + int32(r.day)}
	case datesRule:
		var days []int32
		for _, d := range r.dates {
			if d.Year == year {
				days = append(days, d.number())
			}
		}
		return days
	}
	return nil
}

// nth returns the n-th weekday of a month, and whether there is one.
func nth(n int, weekday time.Weekday, year int, m time.Month) (int32, bool) {
	first := Date{year, m, 1}.number()
	last := first + int32(daysIn(year, m)) - 1
	day := first + int32(weekday-weekdayOf(first)+7)%7 + 7*int32(n-1)
	if n < 0 {
		day = last - int32(weekdayOf(last)-weekday+7)%7 + 7*int32(n+1)
	}
	return day, day >= first && day <= last
}

// easter returns Easter Sunday by the Gregorian computation (J. Meeus,
// Astronomical Algorithms, chapter 8).
func easter(year int) int32 {
	a, b, c := year%19, year/100, year%100
	d, e := b/4, b%4
	f := (b + 8) / 25
	g := (b - f + 1) / 3
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 22*l) / 451
	n := h + l - 7*m + 114
	return Date{year, time.Month(n / 31), n%31 + 1}.number()
}

// orthodoxEaster returns Easter Sunday by the Julian computation (Meeus, ibid.),
// as a day of the Gregorian calendar.
func orthodoxEaster(year int) int32 {
	d := (19*(year%19) + 15) % 30
	e := (2*(year%4) + 4*(year%7) - d + 34) % 7
	n := d + e + 114
	behind := year/100 - year/400 - 2 // days of the Julian calendar, 13 in 1900 to 2099
	return Date{year, time.Month(n / 31), n%31 + 1 + behind}.number()
}
