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

// UsageOf returns the usage of an interval by one basis, which
// LedgerConfig.Basis explains. It stays with that basis where the other is better
// covered: registers count through an outage and make up for it afterwards, so
// that to fill in from power would count the energy twice. There is a demand where
// the account covers the interval and holds no energy that is
// [aggregate.Carried].
func UsageOf(iv *aggregate.Interval, basis aggregate.Basis) Usage {
	u := Usage{Start: iv.Start, End: iv.End, Flags: iv.Flags}
	carried := false
	if registers(basis, iv.Registers.Coverage) {
		// Covered in full, registers are what Demand goes by.
		_, u.Demand = iv.Demand()
		u.Active, u.Demand = iv.Registers, u.Demand && iv.Registers.Coverage.Full()
		carried = true
	} else {
		u.Active, u.Demand = iv.Power, iv.Power.Coverage.Full()
	}
	if registers(basis, iv.ReactiveRegisters.Coverage) {
		u.Reactive = iv.ReactiveRegisters
		carried = true
	} else {
		u.Reactive = iv.ReactivePower
	}
	if !carried {
		u.Flags &^= aggregate.Carried // power never is
	}
	return u
}

// registers reports whether to take the registers, whose coverage is zero if the
// meter has none.
func registers(basis aggregate.Basis, c aggregate.Coverage) bool {
	return basis == aggregate.FromRegisters || basis == aggregate.NoBasis && c != aggregate.Coverage{}
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
