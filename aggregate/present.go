package aggregate

import "github.com/fieldtap/fieldtap/acquire"

// Present returns what the meter of that name has done so far in its oldest open
// interval, for a prediction of its demand while there is time to act. Start and
// End are those of the whole interval; the coverage of each account reaches from
// Start to where that account is decided, so that its Span is the time so far.
// until is that time of the account that Active chooses, or of Reactive if there
// is no active one.
//
// It reports false for a meter that there is not, or that has seen nothing yet.
// Nothing changes, and no interval is handed out.
func (r *Router) Present(name string) (interval Interval, until acquire.Instant, ok bool) {
	i, ok := r.byName[name]
	if !ok || !r.meters[i].open {
		return Interval{}, 0, false
	}
	m := &r.meters[i]
	b := &m.ring[m.oldest]
	sums := b.tallies
	var cover [slots]Coverage
	iv := Interval{Meter: m.name, Start: m.start(), End: m.end, Flags: b.flags, channels: m.channels, carried: b.carried}
	for s, ref := range m.refs {
		c := r.channel(ref)
		if c == nil {
			continue
		}
		if c.edge == m.end {
			present := r.gathered(ref)
			sums[s].add(&present)
			iv.Flags |= c.flags
			if c.flags&Carried != 0 {
				iv.carried |= 1 << s
			}
		}
		cover[s] = sums[s].coverage(int64(min(max(c.done, iv.Start), iv.End) - iv.Start))
		if cover[s].Uncertain != 0 {
			iv.Flags |= Uncertain
		}
		if cover[s].Missing != 0 {
			iv.Flags |= Gap
		}
	}
	iv.Power, iv.Registers, iv.ReactivePower, iv.ReactiveRegisters = accounts(m.channels, &sums, &cover)
	return iv, iv.Start + acquire.Instant(iv.Coverage().Span()), true
}

// Present returns what a slot has done so far in its oldest open period: End is
// where it is decided, and not the end that the period will have. It reports
// false for a slot that there is not, or that has seen nothing yet, or nothing
// since the period began.
func (b *Bank) Present(slot uint32) (Period, bool) {
	if uint(slot) >= uint(len(b.records)) || !b.records[slot].open {
		return Period{}, false
	}
	rec, c := &b.records[slot], *b.channel(slot)
	if len(b.gauges) != 0 {
		b.gauge(slot).arm()
	}
	p := Period{Slot: slot, Flags: c.flags, Start: rec.start, End: min(c.done, rec.end), in: c.in, out: c.out, kind: b.desk.plan.kind}
	if p.End <= p.Start {
		return Period{}, false
	}
	p.Coverage = c.tally.coverage(int64(p.End - p.Start))
	if rec.refused&1 != 0 {
		p.Flags |= BadReading
	}
	if p.Coverage.Uncertain != 0 {
		p.Flags |= Uncertain
	}
	if p.Coverage.Missing != 0 {
		p.Flags |= Gap
	}
	return p, true
}

// Present returns what m has done so far in its oldest open period, as
// Bank.Present does.
func (m *Meter) Present() (Period, bool) { return m.bank.Present(0) }
