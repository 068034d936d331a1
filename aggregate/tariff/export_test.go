package tariff

import "time"

// Easter and its like, for tests.
var (
	EasterOf         = func(year int) Date { return dateOf(easter(year)) }
	OrthodoxEasterOf = func(year int) Date { return dateOf(orthodoxEaster(year)) }
)

// The first and last instants of a calendar.
const (
	Earliest = earliest
	Latest   = latest
)

// Falls reports whether a rule falls on the date of t: the slow twin of
// Rule.days, from the sentences in the documentation.
func Falls(r Rule, t time.Time) bool {
	switch r.kind {
	case fixedRule:
		return t.Month() == r.month && t.Day() == r.day
	case nthRule:
		left := daysIn(t.Year(), t.Month()) - t.Day()
		return t.Month() == r.month && t.Weekday() == r.weekday &&
			(r.day > 0 && (t.Day()-1)/7+1 == r.day || r.day < 0 && left/7+1 == -r.day)
	case easterRule:
		d := EasterOf(t.Year())
		e := time.Date(d.Year, d.Month, d.Day+r.day, 0, 0, 0, 0, time.UTC)
		return e.Format(time.DateOnly) == t.Format(time.DateOnly)
	}
	return false
}

// Spoilt returns the state of m after spoil has had its way with the statement
// and the usages open to revision.
func Spoilt(m *Ledger, spoil func(*Statement, []Usage)) []byte {
	window := make([]Usage, m.held)
	for i := range window {
		window[i] = m.window[(m.oldest+i)%len(m.window)]
	}
	spoil(&m.page.statement, window)
	m.oldest = 0
	copy(m.window, window)
	state, _ := m.MarshalBinary()
	return state
}
