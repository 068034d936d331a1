package tariff

import (
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// Usage is what a meter did in one interval [Start, End): the part of an
// [aggregate.Interval] that a tariff asks for, for callers who keep intervals
// elsewhere. It is a plain value.
type Usage struct {
	Start    acquire.Instant           // first instant
	End      acquire.Instant           // first instant after it
	Active   aggregate.Account         // the account to bill by; coverage of the whole interval, or none = not measured
	Reactive aggregate.ReactiveAccount // the same of reactive energy
	Demand   bool                      // the mean of Active over the interval is a demand; false if it is incomplete
	Flags    aggregate.Flags           // facts about the interval
}

// UsageOf returns the usage of an interval: the accounts that Active and
// Reactive choose, and whether the interval has a Demand.
func UsageOf(iv *aggregate.Interval) Usage {
	u := Usage{Start: iv.Start, End: iv.End, Flags: iv.Flags}
	u.Active, _ = iv.Active()
	u.Reactive, _ = iv.Reactive()
	_, u.Demand = iv.Demand()
	return u
}

// valid reports whether u can be booked.
func (u *Usage) valid() bool {
	if !known(u.Start) || u.End <= u.Start || u.End >= latest {
		return false
	}
	whole := u.End.Sub(u.Start)
	a, r := &u.Active, &u.Reactive
	return covers(a.Coverage, whole) && covers(r.Coverage, whole) &&
		a.Import.Sign() >= 0 && a.Export.Sign() >= 0 && r.Import.Sign() >= 0 && r.Export.Sign() >= 0
}

// covers reports whether c speaks of a stretch of that length, or of none.
func covers(c aggregate.Coverage, whole time.Duration) bool {
	if c == (aggregate.Coverage{}) {
		return true
	}
	rest := whole
	for _, part := range [...]time.Duration{c.Good, c.Uncertain, c.Missing} {
		if part < 0 || part > rest {
			return false
		}
		rest -= part
	}
	return rest == 0
}

// blank reports whether nothing is known of u: no time of it, and no energy.
func (u *Usage) blank() bool {
	a, r := &u.Active, &u.Reactive
	return a.Coverage.Good+a.Coverage.Uncertain+r.Coverage.Good+r.Coverage.Uncertain == 0 &&
		a.Import.IsZero() && a.Export.IsZero() && r.Import.IsZero() && r.Export.IsZero()
}
