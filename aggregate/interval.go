package aggregate

import (
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// Coverage says how well a stretch of time is known. The three parts add up to
// the whole stretch.
type Coverage struct {
	Good      time.Duration // measured, and good at both ends
	Uncertain time.Duration // measured, in doubt
	Missing   time.Duration // not known: neither zero nor interpolated
}

// Span returns the length of the whole stretch.
func (c Coverage) Span() time.Duration { return c.Good + c.Uncertain + c.Missing }

// Full reports whether no time is missing.
func (c Coverage) Full() bool { return c.Missing == 0 && c.Span() > 0 }

// Percent returns the known part, good or uncertain, of the whole: 0 to 100,
// and 100 only if no time is missing.
func (c Coverage) Percent() float64 {
	span := c.Span()
	if span <= 0 {
		return 0
	}
	if c.Missing == 0 {
		return 100
	}
	return min(100*(float64(c.Good)+float64(c.Uncertain))/float64(span), 100-1e-9)
}

// worse returns the coverage with more missing, then with more uncertain time.
func (c Coverage) worse(d Coverage) Coverage {
	if d.Missing > c.Missing || d.Missing == c.Missing && d.Uncertain > c.Uncertain {
		return d
	}
	return c
}

// Account is active energy by direction, neither part negative. Where import
// and export come from two registers, Coverage is that of the worse covered one.
// A direction without a register counts nothing.
type Account struct {
	Import   Energy   // consumed, seen by a load
	Export   Energy   // delivered
	Coverage Coverage // of both
}

// Net returns import less export.
func (a Account) Net() Energy { return a.Import.Sub(a.Export) }

// ReactiveAccount is reactive energy by direction, as Account is active energy.
// Import is what quadrants 1 and 2 consume.
type ReactiveAccount struct {
	Import   ReactiveEnergy // consumed
	Export   ReactiveEnergy // delivered
	Coverage Coverage       // of both
}

// Net returns import less export.
func (a ReactiveAccount) Net() ReactiveEnergy { return a.Import.Sub(a.Export) }

// Flags are facts about an interval that its numbers do not tell.
type Flags uint16

// The flags.
const (
	Partial    Flags = 1 << iota // data begins or ends within the interval
	Gap                          // some channel misses time
	Uncertain                    // some channel has uncertain time
	Reset                        // a register started anew
	Rollover                     // a register passed its modulus
	Carried                      // holds register energy of a time longer than MaxGap, of closed intervals or of a clock set back: how much is known, when is not
	Forced                       // closed before a channel that fell behind had delivered
	BadReading                   // a register reading was rejected
	Lossy                        // a source lost samples of power before one of this interval; registers make up for theirs
	Silence                      // stands for many silent blocks, not one
	Swapped                      // a meter or its multiplier was changed, as Router.Swap was told
	Revised                      // handed out before, and different now: stands for all of that time; see Reviser
	OffPulse                     // a demand pulse outside of the tolerance ended it; see Sync
	NoPulse                      // no demand pulse ended it in time; see Sync
)

var flagNames = [...]string{"partial", "gap", "uncertain", "reset", "rollover", "carried", "forced", "bad reading", "lossy", "silence", "swapped", "revised", "off pulse", "no pulse"}

// Has reports whether all of the flags g are set.
func (f Flags) Has(g Flags) bool { return f&g == g }

// String lists the flags in words, "partial, gap", or "none".
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

// Basis says which channels an account comes from.
type Basis uint8

// The bases.
const (
	NoBasis       Basis = iota // the meter has no such channel
	FromRegisters              // differences of the meter's own energy registers
	FromPower                  // power samples, integrated here
)

// String returns "registers", "power" or "none".
func (b Basis) String() string {
	switch b {
	case FromRegisters:
		return "registers"
	case FromPower:
		return "power"
	}
	return "none"
}

// Interval is what one meter did in one demand interval [Start, End). It is a
// plain value: copy it freely. An account whose channels the meter does not have
// is zero, coverage included.
type Interval struct {
	Meter             string          // Metering.Name
	Start             acquire.Instant // first instant of the interval
	End               acquire.Instant // first instant after it
	Power             Account         // active power, integrated here
	Registers         Account         // differences of the active energy registers
	ReactivePower     ReactiveAccount // reactive power, integrated here
	ReactiveRegisters ReactiveAccount // differences of the reactive energy registers
	Flags             Flags           // what the numbers do not tell
	Revision          uint32          // how often the time was handed out before; 0 = for the first time

	channels channels
	carried  channels // those of Carried
}

// Active returns the account of active energy to bill by, and where it comes
// from. The rule is best covered: of registers and power the one with less
// missing time, and registers if equal, because a meter that counts for itself
// misses nothing between two readings. It looks at this interval alone: where the
// choice changes from one interval to the next, energy that is Carried may be
// counted twice or not at all in a sum of them, and Totals has the exact sums of
// both. A meter with power in both directions needs both registers, or none: the
// missing one counts nothing.
func (iv *Interval) Active() (Account, Basis) {
	registers, power := iv.channels.has(importRegister|exportRegister), iv.channels.has(activePower)
	switch {
	case registers && (!power || iv.Registers.Coverage.Missing <= iv.Power.Coverage.Missing):
		return iv.Registers, FromRegisters
	case power:
		return iv.Power, FromPower
	}
	return Account{}, NoBasis
}

// Reactive returns the account of reactive energy by the rule of Active.
func (iv *Interval) Reactive() (ReactiveAccount, Basis) {
	registers, power := iv.channels.has(reactiveImportRegister|reactiveExportRegister), iv.channels.has(reactivePower)
	switch {
	case registers && (!power || iv.ReactiveRegisters.Coverage.Missing <= iv.ReactivePower.Coverage.Missing):
		return iv.ReactiveRegisters, FromRegisters
	case power:
		return iv.ReactivePower, FromPower
	}
	return ReactiveAccount{}, NoBasis
}

// Duration returns the length of the interval.
func (iv *Interval) Duration() time.Duration { return iv.End.Sub(iv.Start) }

// Demand returns the mean active power: net imported energy over the length
// of the interval, negative for export. It reports false, and no demand, where
// Active does not cover the whole interval or holds energy that is Carried.
func (iv *Interval) Demand() (units.Watts, bool) {
	net, ok := iv.demand()
	if !ok {
		return 0, false
	}
	return units.Watts(net.mean(iv.Duration())), true
}

// demand returns the net energy of a complete interval.
func (iv *Interval) demand() (int128, bool) {
	account, basis := iv.Active()
	if !account.Coverage.Full() || basis == FromRegisters && iv.carried.has(importRegister|exportRegister) {
		return int128{}, false
	}
	return account.Net().quanta, true
}

// Coverage returns the coverage of the account that Active chooses, or of
// Reactive if the meter has no active channel.
func (iv *Interval) Coverage() Coverage {
	if active, basis := iv.Active(); basis != NoBasis {
		return active.Coverage
	}
	reactive, _ := iv.Reactive()
	return reactive.Coverage
}

// String formats iv for people, on one line, with times in UTC:
//
//	08:00:00-08:15:00 main 24.310 kWh, demand 97.2 kW, PF 0.93 (Q1 lag), coverage 100 %
func (iv Interval) String() string { return string(iv.Append(nil)) }

// Append appends the text of String to dst.
func (iv *Interval) Append(dst []byte) []byte {
	start, end := iv.Start.Time(), iv.End.Time()
	layout := time.TimeOnly
	if iv.Flags&Silence != 0 {
		layout = time.DateTime
	}
	dst = start.AppendFormat(dst, layout)
	dst = append(dst, '-')
	dst = end.AppendFormat(dst, layout)
	dst = append(dst, ' ')
	dst = append(dst, iv.Meter...)
	dst = append(dst, ' ')
	if active, basis := iv.Active(); basis != NoBasis {
		dst = appendDirections(dst, active.Import.quanta, active.Export.quanta, "Wh")
	} else {
		reactive, _ := iv.Reactive()
		dst = appendDirections(dst, reactive.Import.quanta, reactive.Export.quanta, "varh")
	}
	if power, ok := iv.Demand(); ok {
		dst = append(dst, ", demand "...)
		dst = strconv.AppendFloat(dst, power.Kilowatts(), 'f', 1, 64)
		dst = append(dst, " kW"...)
	}
	if factor, ok := iv.PowerFactor(); ok {
		dst = append(dst, ", PF "...)
		dst = factor.Append(dst)
	}
	dst = append(dst, ", coverage "...)
	dst = appendPercent(dst, iv.Coverage())
	dst = append(dst, " %"...)
	if iv.Flags != 0 {
		dst = append(dst, " ["...)
		dst = iv.Flags.append(dst)
		dst = append(dst, ']')
	}
	return dst
}

func appendDirections(dst []byte, in, out int128, unit string) []byte {
	dst = in.appendHours(dst, unit)
	if !out.isZero() {
		dst = append(dst, " in, "...)
		dst = out.appendHours(dst, unit)
		dst = append(dst, " out"...)
	}
	return dst
}

// appendPercent rounds down, so that 100 is printed for full coverage only.
func appendPercent(dst []byte, c Coverage) []byte {
	tenths := int64(c.Percent() * 10)
	dst = strconv.AppendInt(dst, tenths/10, 10)
	if tenths%10 != 0 {
		dst = append(dst, '.', byte('0'+tenths%10))
	}
	return dst
}
