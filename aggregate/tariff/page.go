package tariff

import (
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// page books usage in the order of time into the statement of the present
// billing period. It does not open or close periods.
type page struct {
	calendar  *Calendar
	interval  time.Duration
	segment   Segment // the last one looked up
	statement Statement
}

// at returns the segment of t. Looking within the last one is one comparison.
func (p *page) at(t acquire.Instant) *Segment {
	if uint64(t-p.segment.Start) >= uint64(p.segment.End-p.segment.Start) {
		p.segment = p.calendar.segmentAt(t)
	}
	return &p.segment
}

// open begins the statement of a billing period.
func (p *page) open(period Span) {
	s := &p.statement
	s.Span, s.Through = period, max(s.Through, period.Start)
	for i := range s.Energy() {
		s.energy[i] = EnergyRegister{Period: s.energy[i].Period}
	}
	for i := range s.Demand() {
		s.demand[i] = DemandRegister{Period: s.demand[i].Period}
	}
}

// ended reports whether the whole billing period is accounted for.
func (p *page) ended() bool { return p.statement.Through >= p.statement.End }

// miss accounts for the time up to t, or to the end of the billing period, of
// which nothing has come.
func (p *page) miss(t acquire.Instant) {
	s := &p.statement
	for t = min(t, s.End); s.Through < t; {
		at := p.at(s.Through)
		end := min(at.End, t)
		d := end.Sub(s.Through)
		s.energy[at.Energy].Active.Coverage.Missing += d
		s.energy[at.Energy].Reactive.Coverage.Missing += d
		s.demand[at.Demand].Missing += d
		s.Through = end
	}
}

// book books u, which starts in the billing period and not before Through. The
// time of a blank u is left to miss.
func (p *page) book(u *Usage) {
	p.miss(u.Start)
	at := *p.at(u.Start)
	e, d := &p.statement.energy[at.Energy], &p.statement.demand[at.Demand]
	e.Intervals++
	if !u.Active.Coverage.Full() {
		e.Incomplete++
	}
	if u.Flags.Has(aggregate.Carried) {
		e.Carried++
	}
	if u.blank() {
		d.Incomplete++
		return // miss knows how to share out its time
	}
	whole := u.End.Sub(u.Start)
	addAccount(&e.Active, &u.Active)
	if u.Active.Coverage == (aggregate.Coverage{}) {
		e.Active.Coverage.Missing += whole
	}
	addReactive(&e.Reactive, &u.Reactive)
	if u.Reactive.Coverage == (aggregate.Coverage{}) {
		e.Reactive.Coverage.Missing += whole
	}
	if u.Demand && whole == p.interval {
		d.Intervals++
		d.Known += whole
		net := u.Active.Net()
		d.Import.see(Peak{net, u.Start, whole})
		d.Export.see(Peak{net.Neg(), u.Start, whole})
	} else {
		d.Incomplete++
		d.Missing += whole
	}
	if u.End > at.End {
		energy, demand := p.crossed(&at, u.End)
		e.Straddling += energy
		d.Straddling += demand
	}
	p.statement.Through = u.End
}

// crossed returns 1 each if the energy and the demand period change between a
// segment and end, even if they change back.
func (p *page) crossed(from *Segment, end acquire.Instant) (energy, demand int) {
	for t := from.End; t < end && energy+demand < 2; {
		at := p.at(t)
		if at.Energy != from.Energy {
			energy = 1
		}
		if at.Demand != from.Demand {
			demand = 1
		}
		t = at.End
	}
	return energy, demand
}
