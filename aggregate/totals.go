package aggregate

import (
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Counts are the events of one meter since it began.
type Counts struct {
	Samples     uint64 // samples and readings taken
	Bad         uint64 // of bad quality, without a value, not finite or out of range
	Late        uint64 // not after the sample before, flagged as such, or of a closed interval: dropped
	Duplicates  uint64 // equal to the sample before, time included: dropped
	Ahead       uint64 // samples and watermarks stamped too far ahead of their arrival: dropped
	Untimed     uint64 // without a time, before 3 January 1970 or in 2262: dropped
	BadReadings uint64 // register readings that were not believed
	Resets      uint64 // registers that started anew
	Rollovers   uint64 // registers that passed their modulus
	Swaps       uint64 // registers and power points that were changed, as Router.Swap was told
	Forced      uint64 // blocks closed before a channel that fell behind had delivered
	Intervals   uint64 // intervals handed out
}

// Totals are the sums of one meter since its first interval began. The accounts
// are exactly the sums over all its intervals, those still open included; the
// coverage of each reaches from Start to the latest time accounted for.
type Totals struct {
	Meter             string          // Metering.Name
	Start             acquire.Instant // start of the first interval; 0 = nothing has come yet
	Power             Account         // active power, integrated here
	Registers         Account         // differences of the active energy registers
	ReactivePower     ReactiveAccount // reactive power, integrated here
	ReactiveRegisters ReactiveAccount // differences of the reactive energy registers
	ImportPeak        Peak            // largest demand of complete intervals with net import
	ExportPeak        Peak            // the same for net export
	Counts            Counts          // what happened
}

// Totals returns the sums of the meter of that name, and whether there is one.
func (r *Router) Totals(name string) (Totals, bool) {
	i, ok := r.byName[name]
	if !ok {
		return Totals{}, false
	}
	m := &r.meters[i]
	sums := m.total
	for i := range m.ring {
		for s := range sums {
			sums[s].add(&m.ring[i].tallies[s])
		}
	}
	t := Totals{Meter: m.name, Start: m.began, Counts: m.counts}
	var cover [slots]Coverage
	for s, ref := range m.refs {
		c := r.channel(ref)
		if c == nil {
			continue
		}
		present := r.gathered(ref)
		sums[s].add(&present)
		cover[s] = sums[s].coverage(int64(c.done - m.began))
		if ref > 0 {
			t.Counts.Samples += r.gauges[ref-1].samples()
		} else {
			t.Counts.Samples += r.counters[-ref-1].samples
		}
	}
	t.Power, t.Registers, t.ReactivePower, t.ReactiveRegisters = accounts(m.channels, &sums, &cover)
	t.ImportPeak = m.importPeak.over(time.Duration(m.interval))
	t.ExportPeak = m.exportPeak.over(time.Duration(m.interval))
	return t, true
}
