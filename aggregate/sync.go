package aggregate

import (
	"errors"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// SyncSource says what starts the demand periods of a Series.
type SyncSource uint8

// The sources.
const (
	ByClock     SyncSource = iota // the clock: periods as Demand cuts the day
	FreeRunning                   // the first sample, and from there on periods of Demand.Interval one after the other
	ByPulse                       // a pulse from outside, mostly of the utility's meter, that marks the start of each period
)

// String returns the source's name in lower case.
func (s SyncSource) String() string {
	switch s {
	case ByClock:
		return "by clock"
	case FreeRunning:
		return "free running"
	case ByPulse:
		return "by pulse"
	}
	return fmt.Sprintf("sync source %d", uint8(s))
}

// Sync says how the demand periods of a Series are synchronised. The zero value
// is by the clock. The Meterings of a Router know the clock alone.
type Sync struct {
	By SyncSource // what starts a period
	// Tolerance is how far from Demand.Interval after the pulse before a pulse may
	// come. Each pulse starts a period, so that a lasting shift is adopted; one
	// outside of the tolerance ends a period that is too short or too long, which is
	// flagged OffPulse.
	Tolerance time.Duration
	// Force ends a period for which no pulse comes, so long after Demand.Interval;
	// it is flagged NoPulse. 0 = wait for the pulse however long.
	Force time.Duration
}

func (s Sync) validate(demand, reach time.Duration) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("sync: "+format, args...)) }
	if s.By > ByPulse {
		fault("unknown %v", s.By)
	}
	if s.By != ByPulse && (s.Tolerance != 0 || s.Force != 0) {
		fault("tolerance %v and force %v have no meaning %v", s.Tolerance, s.Force, s.By)
	}
	if s.Tolerance < 0 || s.Tolerance > demand/2 {
		fault("tolerance %v is not within 0 and half of %v", s.Tolerance, demand)
	}
	if s.Force < 0 || s.Force > 24*time.Hour || s.Force != 0 && s.Force < s.Tolerance {
		fault("force %v is not within the tolerance and 24 h", s.Force)
	}
	if s.By == ByPulse && reach >= demand-s.Tolerance {
		fault("longest gap %v is not shorter than a period between pulses", reach)
	}
	return errors.Join(faults...)
}

// Sync says that a demand pulse came at t, which ends the present period of all
// slots and starts the next, and that no sample before t is still to come. It
// appends the periods that this closes to dst. Where lines are drawn to the next
// sample, or a register is read, they close with that.
//
// The error joins the slots that could not be synchronised, and why: their
// samples are ahead of t, or they have another pulse pending with no sample since.
// The Bank's plan has to be synchronised ByPulse.
func (b *Bank) Sync(dst []Period, t acquire.Instant) ([]Period, error) {
	var faults []error
	for i := range b.records {
		var err error
		if dst, err = b.sync(dst, uint32(i), t); err != nil {
			faults = append(faults, fmt.Errorf("slot %d: %w", i, err))
		}
	}
	return dst, errors.Join(faults...)
}

// Sync takes a demand pulse as Bank.Sync does.
func (m *Meter) Sync(dst []Period, t acquire.Instant) ([]Period, error) {
	return m.bank.sync(dst, 0, t)
}

// sync takes a demand pulse for one slot.
func (b *Bank) sync(dst []Period, slot uint32, t acquire.Instant) ([]Period, error) {
	p, rec := b.desk.plan, &b.records[slot]
	c := b.channel(slot)
	switch {
	case p.series.Sync.By != ByPulse:
		return dst, fmt.Errorf("aggregate: pulse for a series that runs %v", p.series.Sync.By)
	case t < soonest || t > latest:
		return dst, errors.New("aggregate: pulse out of the range of times")
	case rec.open && (t <= rec.start || t < c.done || t < c.last):
		return dst, fmt.Errorf("%w: pulse at %v is not after %v", ErrOrder, t, max(rec.start, c.done, c.last))
	case rec.open && rec.fixed:
		return dst, fmt.Errorf("%w: pulse at %v while that at %v awaits a sample", ErrOrder, t, rec.end)
	}
	d := b.at(slot, dst)
	if !rec.open {
		d.begin(c, t)
		c.flags = 0
		return d.drop(), nil
	}
	if t > rec.end { // ends by force come first
		c.mark = max(c.mark, t)
		b.settle(d)
		if t > rec.end {
			return d.drop(), fmt.Errorf("%w: pulse at %v while the end forced at %v awaits a sample", ErrOrder, t, rec.end)
		}
		if t == rec.start { // it was forced at that very time
			return d.drop(), nil
		}
	}
	shift := time.Duration(t-rec.start) - time.Duration(p.interval)
	if c.flags&Partial == 0 && max(shift, -shift) > p.series.Sync.Tolerance {
		c.flags |= OffPulse
	}
	rec.end, rec.fixed = t, true
	c.edge, c.mark = t, max(c.mark, t)
	b.settle(d)
	return d.drop(), nil
}

// settle closes the periods of the desk's slot that are decided, whose end may
// have moved.
func (b *Bank) settle(d *desk) {
	if len(b.gauges) != 0 {
		g := b.gauge(d.slot)
		g.rest()
		g.arm()
		d.settleGauge(g)
		return
	}
	c := &b.counters[d.slot]
	c.rest()
	c.limit = min(c.limit, c.edge)
	d.settleCounter(c)
}

// length is that of the periods after the present one, as long as no pulse ends
// them. It reaches to the end of time where the pulse is waited for.
func (d *desk) length() acquire.Instant {
	p := d.plan
	switch {
	case p.series.Sync.By != ByPulse:
		return p.interval
	case p.series.Sync.Force != 0:
		return p.interval + acquire.Instant(p.series.Sync.Force)
	}
	return latest
}
