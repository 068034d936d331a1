package tariff

import (
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// ledger books usage in the order of time into the statement of the present
// billing period. It does not open or close periods.
type ledger struct {
	calendar  *Calendar
	interval  time.Duration
	segment   Segment // the last one looked up
	statement Statement
}

// at returns the segment of t. Looking within the last one is one comparison.
func (l *ledger) at(t acquire.Instant) *Segment {
	if uint64(t-l.segment.Start) >= uint64(l.segment.End-l.segment.Start) {
		l.segment = l.calendar.segmentAt(t)
	}
	return &l.segment
}

// open begins the statement of a billing period.
func (l *ledger) open(period Span) {
	s := &l.statement
	s.Span, s.Through = period, max(s.Through, period.Start)
	for i := range s.Energy() {
		s.energy[i] = EnergyRegister{Period: s.energy[i].Period}
	}
	for i := range s.Demand() {
		s.demand[i] = DemandRegister{Period: s.demand[i].Period}
	}
}

// ended reports whether the whole billing period is accounted for.
func (l *ledger) ended() bool { return l.statement.Through >= l.statement.End }

// miss accounts for the time up to t, or to the end of the billing period, of
// which nothing has come.
func (l *ledger) miss(t acquire.Instant) {
	s := &l.statement
	for t = min(t, s.End); s.Through < t; {
		at := l.at(s.Through)
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
func (l *ledger) book(u *Usage) {
	l.miss(u.Start)
	at := l.at(u.Start)
	period, end := at.Energy, at.End
	e := &l.statement.energy[at.Energy]
	e.Intervals++
	if !u.Active.Coverage.Full() {
		e.Incomplete++
	}
	if u.Flags.Has(aggregate.Carried) {
		e.Carried++
	}
	d := &l.statement.demand[at.Demand]
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
	if u.Demand && whole == l.interval {
		d.Intervals++
		d.Known += whole
		net := u.Active.Net()
		d.Import.see(Peak{net, u.Start, whole})
		d.Export.see(Peak{net.Neg(), u.Start, whole})
	} else {
		d.Incomplete++
		d.Missing += whole
	}
	if u.End > end && l.at(u.End-1).Energy != period {
		e.Straddling++
	}
	l.statement.Through = u.End
}
