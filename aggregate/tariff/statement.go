package tariff

import (
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// Statement is what the registers of a meter hold of one billing period. It is a
// plain value of a few kilobytes without references to its meter: keep as many
// past ones as you need.
type Statement struct {
	Meter   string          // LedgerConfig.Meter
	Span                    // the billing period
	Through acquire.Instant // everything up to here is accounted for; End or later once the period is closed

	energyPeriods, demandPeriods int
	energy                       [MaxPeriods]EnergyRegister
	demand                       [MaxPeriods]DemandRegister
}

// Energy returns the energy registers, one a period in the order of the
// calendar. The slice is part of s.
func (s *Statement) Energy() []EnergyRegister { return s.energy[:s.energyPeriods] }

// Demand returns the demand registers, one a period in the order of the
// calendar. The slice is part of s.
func (s *Statement) Demand() []DemandRegister { return s.demand[:s.demandPeriods] }

// EnergyTotal returns the sum of all energy registers, with Period "".
func (s *Statement) EnergyTotal() EnergyRegister {
	var total EnergyRegister
	for i := range s.Energy() {
		total.add(&s.energy[i])
	}
	return total
}

// DemandTotal returns the maximum demand over all demand periods, the earliest
// of equal ones, with Period "".
func (s *Statement) DemandTotal() DemandRegister {
	var total DemandRegister
	for i := range s.Demand() {
		total.add(&s.demand[i])
	}
	return total
}

// Complete reports whether the period is closed, some of its active energy was
// booked, and neither that nor a demand is missing.
func (s *Statement) Complete() bool {
	energy, demand := s.EnergyTotal(), s.DemandTotal()
	return s.End != 0 && s.Through >= s.End && energy.Active.Coverage.Full() && demand.Missing == 0
}

// EnergyRegister is the energy of one energy period. Its coverages add up to the
// time for which the period was in force, as far as it is accounted for; an
// interval that straddles a switch counts where it starts. Time before the first
// interval of a meter is missing time.
type EnergyRegister struct {
	Period   string                    // name of the period
	Active   aggregate.Account         // active energy
	Reactive aggregate.ReactiveAccount // reactive energy; all time is missing of a meter that does not measure it

	Intervals  int // intervals booked here
	Incomplete int // of these, those with missing time of active energy
	Carried    int // of these, those with energy of an earlier time, see [aggregate.Carried]
	Straddling int // of these, those during which the energy period changed
}

// add adds q to r.
func (r *EnergyRegister) add(q *EnergyRegister) {
	addAccount(&r.Active, &q.Active)
	addReactive(&r.Reactive, &q.Reactive)
	r.Intervals += q.Intervals
	r.Incomplete += q.Incomplete
	r.Carried += q.Carried
	r.Straddling += q.Straddling
}

// DemandRegister is the maximum demand of one demand period, by direction. Known
// and Missing add up to the time for which the period was in force, as far as it
// is accounted for.
type DemandRegister struct {
	Period string // name of the period
	Import Peak   // largest demand of intervals with net import
	Export Peak   // largest demand of intervals with net export

	Intervals  int           // intervals with a demand
	Incomplete int           // intervals without: incomplete, carried, or not of the demand interval
	Straddling int           // of both, those during which the demand period changed
	Known      time.Duration // time of the intervals with a demand
	Missing    time.Duration // time of those without, and of none
}

// add adds what q says to r; of equal peaks the earlier stays.
func (r *DemandRegister) add(q *DemandRegister) {
	r.Import.see(q.Import)
	r.Export.see(q.Export)
	r.Intervals += q.Intervals
	r.Incomplete += q.Incomplete
	r.Straddling += q.Straddling
	r.Known += q.Known
	r.Missing += q.Missing
}

// Peak is a maximum demand. The zero value is none.
type Peak struct {
	Energy   aggregate.Energy // net energy of the interval in the direction of the peak, positive
	Start    acquire.Instant  // start of the interval; 0 = no peak
	Duration time.Duration    // length of the interval
}

// Power returns the demand, the mean power over the interval.
func (p Peak) Power() units.Watts { return p.Energy.Mean(p.Duration) }

// End returns the end of the interval.
func (p Peak) End() acquire.Instant { return p.Start.Add(p.Duration) }

// see takes the larger of both, of equal ones the earlier; no peak is less than
// any. Both are of one duration, so that energies compare as powers do.
func (p *Peak) see(q Peak) {
	if d := q.Energy.Cmp(p.Energy); d > 0 || d == 0 && q.Start < p.Start {
		*p = q
	}
}

func addAccount(a, b *aggregate.Account) {
	a.Import, a.Export = a.Import.Add(b.Import), a.Export.Add(b.Export)
	addCoverage(&a.Coverage, b.Coverage)
}

func addReactive(a, b *aggregate.ReactiveAccount) {
	a.Import, a.Export = a.Import.Add(b.Import), a.Export.Add(b.Export)
	addCoverage(&a.Coverage, b.Coverage)
}

func addCoverage(c *aggregate.Coverage, d aggregate.Coverage) {
	c.Good += d.Good
	c.Uncertain += d.Uncertain
	c.Missing += d.Missing
}
