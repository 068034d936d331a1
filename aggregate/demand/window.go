package demand

import (
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// Power is a mean power, kept exactly: an energy and the time it is divided by.
// Values are comparable with ==. The zero value is an unknown power.
type Power struct {
	amount   aggregate.Energy
	over     time.Duration
	quantity Quantity
}

// Known reports whether there is a power at all.
func (p Power) Known() bool { return p.over > 0 }

// Quantity returns what p is a power of.
func (p Power) Quantity() Quantity { return p.quantity }

// Over returns the time that the energy is divided by; 0 if p is unknown.
func (p Power) Over() time.Duration { return p.over }

// Value returns p in the unit of its quantity, correctly rounded. It reports
// false where p is unknown.
func (p Power) Value() (float64, bool) { return float64(p.amount.Mean(p.over)), p.Known() }

// Watts returns an active power, correctly rounded. It reports false where p is
// unknown or another quantity.
func (p Power) Watts() (units.Watts, bool) {
	if !p.Known() || !p.quantity.active() {
		return 0, false
	}
	return p.amount.Mean(p.over), true
}

// Vars returns a reactive power as Watts returns an active one.
func (p Power) Vars() (units.Vars, bool) {
	e, ok := p.ReactiveEnergy()
	return e.Mean(p.over), ok
}

// VoltAmperes returns an apparent power as Watts returns an active one.
func (p Power) VoltAmperes() (units.VoltAmperes, bool) {
	e, ok := p.ApparentEnergy()
	return e.Mean(p.over), ok
}

// Energy returns the active energy behind p. It reports false where p is unknown
// or another quantity.
func (p Power) Energy() (aggregate.Energy, bool) {
	if !p.Known() || !p.quantity.active() {
		return aggregate.Energy{}, false
	}
	return p.amount, true
}

// ReactiveEnergy returns the reactive energy behind p, as Energy does the active.
func (p Power) ReactiveEnergy() (aggregate.ReactiveEnergy, bool) {
	if !p.Known() || !p.quantity.reactive() {
		return aggregate.ReactiveEnergy{}, false
	}
	return aggregate.ReactiveEnergyOf(p.amount.Quanta()), true
}

// ApparentEnergy returns the apparent energy behind p, as Energy does the active.
func (p Power) ApparentEnergy() (aggregate.ApparentEnergy, bool) {
	if !p.Known() || !p.quantity.apparent() {
		return aggregate.ApparentEnergy{}, false
	}
	return aggregate.ApparentEnergyOf(p.amount.Quanta()), true
}

// Cmp returns -1, 0 or +1 as p is less than, equal to or greater than q. It
// compares energies and times, not rounded quotients. An unknown power is less
// than any known one.
func (p Power) Cmp(q Power) int {
	switch {
	case p.Known() && q.Known():
		return compareRates(p.amount, p.over, q.amount, q.over)
	case p.Known():
		return 1
	case q.Known():
		return -1
	}
	return 0
}

// String returns p in kW, kvar or kVA with one decimal, or "unknown".
func (p Power) String() string { return string(p.Append(nil)) }

// Append appends the text of String to dst.
func (p Power) Append(dst []byte) []byte {
	value, ok := p.Value()
	if !ok {
		return append(dst, "unknown"...)
	}
	dst = strconv.AppendFloat(dst, value/1000, 'f', 1, 64)
	switch {
	case p.quantity.active():
		return append(dst, " kW"...)
	case p.quantity.reactive():
		return append(dst, " kvar"...)
	}
	return append(dst, " kVA"...)
}

// Flags are facts about a window that its demand does not tell.
type Flags uint16

// The flags.
const (
	Gap       Flags = 1 << iota // some of its time is not covered, or it is shorter than the demand interval
	Uncertain                   // some of its time is uncertain
	Carried                     // holds energy of an earlier time: no demand whatever the policy
	Starting                    // fewer full sub-intervals than a window needs since the start, an outage or a change of the zone
	Restored                    // power came back within it
	Forgiven                    // within the forgiveness after power came back: never a peak
	Shortened                   // a change of the zone ended a sub-interval early
	Stale                       // ended before the reset that closed its period: in no period's peak
)

var flagNames = [...]string{"gap", "uncertain", "carried", "starting", "restored", "forgiven", "shortened", "stale"}

const allFlags = Stale<<1 - 1

// Has reports whether all of the flags g are set.
func (f Flags) Has(g Flags) bool { return f&g == g }

// String lists the flags in words, "gap, restored", or "none".
func (f Flags) String() string {
	if f == 0 {
		return "none"
	}
	return string(f.append(nil))
}

func (f Flags) append(dst []byte) []byte {
	first := true
	for i, name := range flagNames {
		if f&(1<<i) == 0 {
			continue
		}
		if !first {
			dst = append(dst, ", "...)
		}
		dst, first = append(dst, name...), false
	}
	return dst
}

// Window is one demand interval with its demand, a plain value that is comparable
// with ==. The zero value is no window.
type Window struct {
	Start    acquire.Instant    // first instant of the window
	End      acquire.Instant    // first instant after it, when its demand becomes known
	Demand   Power              // unknown where policy and coverage leave none
	Coverage aggregate.Coverage // of the whole window
	Flags    Flags              // what the demand does not tell
}

// String formats w for people, on one line, with times in UTC:
//
//	08:00:00-08:15:00 demand 97.2 kW, covered 15m0s of 15m0s
func (w Window) String() string { return string(w.Append(nil)) }

// Append appends the text of String to dst.
func (w *Window) Append(dst []byte) []byte {
	dst = w.Start.Time().AppendFormat(dst, time.TimeOnly)
	dst = append(dst, '-')
	dst = w.End.Time().AppendFormat(dst, time.TimeOnly)
	dst = append(dst, " demand "...)
	dst = w.Demand.Append(dst)
	dst = append(dst, ", covered "...)
	dst = append(dst, time.Duration(covered(w.Coverage)).String()...)
	dst = append(dst, " of "...)
	dst = append(dst, w.Coverage.Span().String()...)
	if w.Flags != 0 {
		dst = append(dst, " ["...)
		dst = w.Flags.append(dst)
		dst = append(dst, ']')
	}
	return dst
}

// rivals reports whether w may be a peak: its demand is known, not forgiven and
// not in the other direction. A demand of 0 is one.
func (w *Window) rivals() bool {
	return w.Demand.Known() && w.Flags&(Forgiven|Stale) == 0 && w.Demand.amount.Sign() >= 0
}
