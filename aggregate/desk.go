package aggregate

import (
	"math"
	"math/bits"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// record is what a series has besides its channel: where its periods stand and
// what they have come to. Pushes touch it at the ends of periods alone.
type record struct {
	start acquire.Instant // of the oldest open period
	end   acquire.Instant // of it; all later ones are of the plan's length
	began acquire.Instant // start of the first
	open  bool            // a first sample or watermark has been seen
	fixed bool            // a pulse has set end

	refused uint64          // bit n: a reading was refused in the n-th open period
	far     acquire.Instant // end of a period beyond those 64 in which one was, 0 = none

	silent       uint32          // empty periods closed in a row
	silenceFlags Flags           // of those not told one by one
	silence      acquire.Instant // start of these, 0 = none

	total      tally
	counts     Counts
	importPeak peak
	exportPeak peak
}

// desk keeps the books of one series: the ledger of its channel. It closes
// periods in their order and appends them to out. A desk serves the series of a
// Bank one after the other.
type desk struct {
	plan *Plan
	rec  *record
	slot uint32
	why  Flags // what closes periods that are not decided
	out  []Period

	journaling bool // what the desk is told is kept in journal, for a Shard
	journal    []entry
}

// admit reports whether a sample at t can be taken, and opens the series with the
// first. The flag is for the first period, and the channel to start.
func (d *desk) admit(c *channel, t acquire.Instant) bool {
	if t < soonest || t > latest {
		d.rec.counts.Untimed++
		return false
	}
	if !d.rec.open {
		d.begin(c, t)
	}
	return true
}

// begin opens the first period, which holds t.
func (d *desk) begin(c *channel, t acquire.Instant) {
	rec := d.rec
	g := grid{interval: d.plan.interval, offset: d.plan.offset}
	rec.open = true
	if d.plan.series.Sync.By == ByClock {
		rec.end = g.endOf(t)
		rec.start = rec.end - g.interval
	} else {
		rec.start, rec.end = t, d.cap(t+d.length())
	}
	rec.began = rec.start
	c.done, c.edge = rec.start, rec.end
	if t > rec.start || d.plan.series.Sync.By == ByPulse {
		c.flags |= Partial
	}
}

// endOf returns the end of the open period that holds t.
func (d *desk) endOf(t acquire.Instant) acquire.Instant {
	if t < d.rec.end {
		return d.rec.end
	}
	length := d.length()
	return d.cap(d.rec.end + (t-d.rec.end)/length*length + length)
}

// cap keeps a period that waits for its pulse within the range of times.
func (d *desk) cap(end acquire.Instant) acquire.Instant {
	if d.plan.series.Sync.By == ByPulse && (end > latest || end < 0) {
		return latest + 1 // after all samples
	}
	return end
}

func (d *desk) after(edge acquire.Instant) acquire.Instant { return d.endOf(edge) }

// book closes the period that ends at c.edge, and all before it.
func (d *desk) book(c *channel) {
	if d.journaling {
		d.journal = append(d.journal, entry{kind: booked, tally: c.tally, end: c.edge, flag: c.flags})
		if c.flags == grafted && c.tally.isZero() {
			return // nothing is in it that is known here
		}
	}
	d.pass(c.edge - 1)
	d.close(&c.tally, c.flags)
}

// note takes note of a reading that was refused, which is all that is noted.
func (d *desk) note(end acquire.Instant, flags Flags) bool {
	if d.journaling {
		d.journal = append(d.journal, entry{kind: noted, end: end, flag: flags})
	}
	d.refuse(end)
	return true
}

// refuse remembers that a reading was refused in the period that ends at end.
func (d *desk) refuse(end acquire.Instant) {
	if n := max(0, (end-d.rec.end)/d.length()); n < 64 {
		d.rec.refused |= 1 << n
	} else {
		d.rec.far = end
	}
}

func (d *desk) events() *Counts { return &d.rec.counts }

// passOver is pass on behalf of a channel that has left all these periods.
func (d *desk) passOver(until acquire.Instant) {
	if d.journaling {
		d.journal = append(d.journal, entry{kind: passedOver, end: until})
	}
	d.pass(until)
}

// pass closes the periods that end at or before until, in which nothing was
// booked.
func (d *desk) pass(until acquire.Instant) {
	rec := d.rec
	for rec.end <= until && rec.start < rec.end {
		stop := until
		if far := rec.far; far != 0 {
			if rec.far = 0; (far-rec.end)/64 >= d.length() {
				stop = min(until, far-64*d.length())
			}
			d.refuse(far)
		}
		if rec.silent >= silentBlocks && rec.refused == 0 {
			n := (stop-rec.end)/d.length() + 1
			if rec.silence == 0 {
				rec.silence = rec.start
			}
			rec.silenceFlags |= d.why | Gap
			rec.end += n * d.length()
			rec.start, rec.fixed = rec.end-d.length(), false
			continue
		}
		d.close(&tally{}, 0)
	}
}

// close closes the oldest period with what was booked in it.
func (d *desk) close(t *tally, flags Flags) {
	rec := d.rec
	if rec.refused&1 != 0 {
		flags |= BadReading
	}
	rec.refused >>= 1
	if d.plan.series.Sync.By == ByPulse && !rec.fixed && d.why == 0 {
		flags |= NoPulse
	}
	switch {
	case flags != 0 || !t.isZero():
		rec.silent = 0
		d.tellSilence()
		d.put(rec.start, rec.end, t, flags|d.why)
	case rec.silent < silentBlocks:
		rec.silent++
		d.put(rec.start, rec.end, t, d.why)
	default:
		if rec.silence == 0 {
			rec.silence = rec.start
		}
		rec.silenceFlags |= d.why | Gap
	}
	rec.start, rec.fixed = rec.end, false
	rec.end = d.cap(rec.end + d.length())
}

// tellSilence puts out the one period that stands for a long silence, which ends
// where the oldest open period starts.
func (d *desk) tellSilence() {
	rec := d.rec
	if rec.silence == 0 {
		return
	}
	d.put(rec.silence, rec.start, &tally{}, rec.silenceFlags|Silence)
	rec.silence, rec.silenceFlags = 0, 0
}

// put appends a closed period and counts it.
func (d *desk) put(start, end acquire.Instant, t *tally, flags Flags) {
	rec := d.rec
	rec.counts.Intervals++
	d.out = append(d.out, Period{Slot: d.slot, Start: start, End: end, Flags: flags, Coverage: t.coverage(int64(end - start)), in: t.in, out: t.out, kind: d.plan.kind})
	p := &d.out[len(d.out)-1]
	if p.Coverage.Uncertain != 0 {
		p.Flags |= Uncertain
	}
	if p.Coverage.Missing != 0 {
		p.Flags |= Gap
	}
	rec.total.add(t)
	if net, ok := p.complete(); ok && !d.plan.kind.reactive() && d.plan.series.Sync.By != ByPulse {
		rec.importPeak.see(net, start)
		rec.exportPeak.see(net.neg(), start)
	}
}

// settledEnd returns the end of the last period that ends at or before s.
func (d *desk) settledEnd(s acquire.Instant) acquire.Instant {
	if s < d.rec.end {
		return d.rec.start
	}
	length := d.length()
	return d.rec.end + (s-d.rec.end)/length*length
}

// settleGauge closes the periods of g that are decided.
func (d *desk) settleGauge(g *gauge) { d.closeGauge(g, d.settledEnd(g.settled()), true) }

// closeGauge closes the periods of g up to end.
func (d *desk) closeGauge(g *gauge, end acquire.Instant, settled bool) {
	if end <= d.rec.start {
		return
	}
	if g.done < end {
		g.leave(d, end, settled)
	}
	if g.edge <= end { // a pulse came at the time of a sample
		g.rest()
		g.turn(d)
	}
	g.arm()
	d.passOver(end)
}

// settleCounter closes the periods of c that are decided.
func (d *desk) settleCounter(c *counter) { d.closeCounter(c, d.settledEnd(c.settled())) }

// closeCounter closes the periods of c up to end.
func (d *desk) closeCounter(c *counter, end acquire.Instant) {
	if end <= d.rec.start {
		return
	}
	if c.done < end {
		c.leave(d, end)
	}
	if c.edge <= end {
		c.turn(d)
	}
	d.passOver(end)
}

// takeNext takes a sample that is a common one but for being in the period after the
// present one, which it closes. It reports false, with nothing done, for all others:
// takeGauge comes to the same, by way of all cases.
func (d *desk) takeNext(g *gauge, t acquire.Instant, x float64, q acquire.Quality) bool {
	edge := g.limit
	next := edge + d.plan.interval
	dt := uint64(t - g.last)
	if t < edge || t >= next || dt-1 >= uint64(g.maxGap) || q&plain != acquire.Good || edge != d.rec.end || g.mark >= next || d.journaling || d.plan.series.Sync.By == ByPulse {
		return false
	}
	p, ok := round(float64(x * g.factor))
	if !ok || p < 0 {
		return false
	}
	first, second := g.ends(p)
	g.account()
	whole := product(uint64(first)+uint64(second), dt)
	before := whole
	if t > edge {
		straight := newLine(first, second, dt)
		before = straight.net(uint64(edge - g.last))
	}
	g.in = g.in.add(before)
	g.good += int64(edge - g.last)
	closed := g.gathered()
	d.close(&closed, g.flags)
	g.tally, g.flags = tally{in: whole.sub(before), good: int64(t - edge)}, 0
	g.done, g.edge, g.limit = t, next, next
	g.advance(t, p)
	return true
}

// takeGauge takes a sample that is not a common one.
func (d *desk) takeGauge(g *gauge, s *acquire.Sample) {
	if !d.admit(&g.channel, s.Time) {
		return
	}
	edge := g.edge
	g.observe(d, &d.plan.convert, s)
	if g.edge != edge {
		d.settleGauge(g)
	}
}

// takeCounter takes a reading.
func (d *desk) takeCounter(c *counter, s *acquire.Sample) {
	if !d.admit(&c.channel, s.Time) {
		return
	}
	c.observe(d, s)
	if s.Time >= d.rec.end {
		d.settleCounter(c)
	}
}

// cut ends the present period at until, where the data end, if it waits for a
// pulse, but not where it starts. It returns the end.
func (d *desk) cut(c *channel, until acquire.Instant) acquire.Instant {
	if until = max(until, d.rec.start+1); d.plan.series.Sync.By == ByPulse && until < d.rec.end {
		d.rec.end, d.rec.fixed, c.edge = until, true, until
	}
	return d.rec.end
}

// flushGauge closes the periods of g that hold anything.
func (d *desk) flushGauge(g *gauge) {
	if !d.rec.open {
		return
	}
	d.settleGauge(g)
	until := max(g.done, d.rec.start)
	if g.flags != 0 {
		until = max(until, d.cut(&g.channel, until))
	}
	d.why = Partial
	if until > d.rec.start {
		d.cut(&g.channel, until)
		d.closeGauge(g, d.endOf(until-1), false)
	}
	d.tellSilence()
	d.why = 0
}

// flushCounter closes the periods of c that hold anything. A reading in doubt is
// refused.
func (d *desk) flushCounter(c *counter) {
	if !d.rec.open {
		return
	}
	d.settleCounter(c)
	if c.doubtAt != 0 {
		c.refuse(d, c.doubtAt)
		c.doubtAt = 0
	}
	until := max(c.done, d.rec.start, d.rec.far)
	if c.flags != 0 {
		until = max(until, c.edge)
	}
	if n := bits.Len64(d.rec.refused); n > 0 {
		until = max(until, d.cap(d.rec.end+acquire.Instant(n-1)*d.length()))
	}
	if d.plan.series.Sync.By == ByPulse {
		until = max(c.done, c.last, d.rec.start)
		if c.flags != 0 || d.rec.refused != 0 {
			until = max(until, d.cut(&c.channel, until))
		}
	}
	if until > d.rec.start {
		d.cut(&c.channel, until)
		end := d.endOf(until - 1)
		d.closeCounter(c, min(end, d.settledEnd(c.settled())))
		d.why = Partial
		d.closeCounter(c, end)
	}
	d.tellSilence()
	d.why = 0
}

// totals returns the sums of a series whose channel has t in its present period
// and is accounted for up to done.
func (d *desk) totals(t *tally, done acquire.Instant, samples uint64) Totals {
	rec := d.rec
	sums := [slots]tally{}
	sums[d.plan.kind] = rec.total
	sums[d.plan.kind].add(t)
	var cover [slots]Coverage
	cover[d.plan.kind] = sums[d.plan.kind].coverage(int64(done - rec.began))
	all := Totals{Start: rec.began, Counts: rec.counts}
	all.Power, all.Registers, all.ReactivePower, all.ReactiveRegisters = accounts(1<<d.plan.kind, &sums, &cover)
	all.ImportPeak = rec.importPeak.over(time.Duration(d.plan.interval))
	all.ExportPeak = rec.exportPeak.over(time.Duration(d.plan.interval))
	all.Counts.Samples += samples
	return all
}

var _ ledger = (*desk)(nil)

const maxSeries = math.MaxInt32 // so that a slot fits an int everywhere
