package aggregate

import (
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// Period is what one series of a Bank or Meter did in one demand interval
// [Start, End), or in a longer silence. It is a plain value without pointers:
// copy it freely.
type Period struct {
	Slot     uint32          // which series of the Bank; 0 for a Meter
	Flags    Flags           // what the numbers do not tell
	Start    acquire.Instant // first instant
	End      acquire.Instant // first instant after it
	Coverage Coverage        // how well the time is known

	in, out int128
	kind    slot // what the series counts
}

// Account returns the active energy of p. It reports false for a series that is
// not of active power or energy. A register counts into Import alone.
func (p *Period) Account() (Account, bool) {
	if p.kind.reactive() {
		return Account{}, false
	}
	return Account{Import: Energy{p.in}, Export: Energy{p.out}, Coverage: p.Coverage}, true
}

// ReactiveAccount returns the reactive energy of p. It reports false for a series
// that is not of reactive power or energy.
func (p *Period) ReactiveAccount() (ReactiveAccount, bool) {
	if !p.kind.reactive() {
		return ReactiveAccount{}, false
	}
	return ReactiveAccount{Import: ReactiveEnergy{p.in}, Export: ReactiveEnergy{p.out}, Coverage: p.Coverage}, true
}

// Duration returns the length of p.
func (p *Period) Duration() time.Duration { return p.End.Sub(p.Start) }

// Demand returns the mean active power over p, negative for export. It reports
// false, and no demand, for a reactive series, and where time is missing or
// energy is Carried.
func (p *Period) Demand() (units.Watts, bool) {
	net, ok := p.complete()
	if !ok || p.kind.reactive() {
		return 0, false
	}
	return units.Watts(net.mean(p.Duration())), true
}

// complete returns the net energy of p if p has all of it and nothing else.
func (p *Period) complete() (int128, bool) {
	return p.in.plus(p.out.neg()), p.Coverage.Full() && p.Flags&Carried == 0
}

// Interval returns p as the Interval of a meter of that name with a channel for
// this series alone.
func (p *Period) Interval(name string) Interval {
	iv := Interval{Meter: name, Start: p.Start, End: p.End, Flags: p.Flags, channels: 1 << p.kind}
	var tallies [slots]tally
	var cover [slots]Coverage
	tallies[p.kind] = tally{in: p.in, out: p.out}
	cover[p.kind] = p.Coverage
	iv.Power, iv.Registers, iv.ReactivePower, iv.ReactiveRegisters = accounts(iv.channels, &tallies, &cover)
	if p.Flags&Carried != 0 {
		iv.carried = iv.channels
	}
	return iv
}
