package aggregate

import (
	"math"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// slot numbers the channels of a meter.
type slot uint8

const (
	activePowerSlot slot = iota
	reactivePowerSlot
	importSlot
	exportSlot
	reactiveImportSlot
	reactiveExportSlot
	slots
)

// channels is a set of slots.
type channels uint8

const (
	activePower            channels = 1 << activePowerSlot
	reactivePower          channels = 1 << reactivePowerSlot
	importRegister         channels = 1 << importSlot
	exportRegister         channels = 1 << exportSlot
	reactiveImportRegister channels = 1 << reactiveImportSlot
	reactiveExportRegister channels = 1 << reactiveExportSlot
)

// has reports whether any channel of d is in c.
func (c channels) has(d channels) bool { return c&d != 0 }

// block is one open demand interval of one meter.
type block struct {
	tallies [slots]tally
	flags   Flags
	carried channels // whose energy is of a time before, in part
	touched bool
}

// meter is the state of one Metering. Its open blocks form a ring: the oldest
// ends at end and stands at ring[oldest].
type meter struct {
	router   *Router
	name     string
	index    int
	channels channels
	refs     [slots]ref
	grid
	maxAhead acquire.Instant // ns

	open    bool // a first sample or watermark has been seen
	began   acquire.Instant
	end     acquire.Instant
	ring    []block
	oldest  int
	touched int // blocks in the ring that are not empty

	silent       int             // empty blocks closed in a row
	silence      acquire.Instant // start of the blocks not told one by one, 0 = none
	silenceFlags Flags

	total      [slots]tally
	counts     Counts
	importPeak peak
	exportPeak peak
}

// silentBlocks is how many empty blocks in a row are told one by one: a day of
// quarter hours.
const silentBlocks = 96

func (m *meter) start() acquire.Instant { return m.end - m.interval }

// begin opens the first block, which holds t.
func (r *Router) begin(m *meter, t acquire.Instant) {
	m.open, r.moved = true, true
	m.end = m.endOf(t)
	m.began = m.start()
	if t > m.began {
		m.flag(m.slotOf(m.end), Partial)
	}
	for _, ref := range m.refs {
		if c := r.channel(ref); c != nil {
			c.done, c.edge = m.began, m.end
		}
	}
}

// slotOf returns the open block that ends at end, which must be in the ring.
func (m *meter) slotOf(end acquire.Instant) *block {
	i := m.oldest + int((end-m.end)/m.interval)
	if i >= len(m.ring) {
		i -= len(m.ring)
	}
	return &m.ring[i]
}

// flag adds flags to an open block, which is not empty any more.
func (m *meter) flag(b *block, flags Flags) {
	b.flags |= flags
	if !b.touched {
		b.touched = true
		m.touched++
	}
}

// block returns the block that ends at end. Blocks that have to make room for
// it are closed.
func (r *Router) block(m *meter, end acquire.Instant) *block {
	room := m.interval * acquire.Instant(len(m.ring))
	if end-m.end >= room {
		r.advance(m, end-room, r.settled(m), Forced)
	}
	return m.slotOf(end)
}

// book adds what c gathered in its present block to the block.
func (m *meter) book(c *channel) {
	b := m.router.block(m, c.edge)
	b.tallies[c.slot].add(&c.tally)
	m.flag(b, c.flags)
	if c.flags&Carried != 0 {
		b.carried |= 1 << c.slot
	}
}

// note flags the block that ends at end, or the oldest if that is closed. It
// reports false if the block is not open yet: what is only noted must not close
// blocks.
func (m *meter) note(end acquire.Instant, flags Flags) bool {
	end = max(end, m.end)
	if end-m.end >= m.interval*acquire.Instant(len(m.ring)) {
		return false
	}
	m.flag(m.slotOf(end), flags)
	return true
}

func (m *meter) events() *Counts { return &m.counts }

// settled returns the time up to which every channel of m is decided, whatever
// comes.
func (r *Router) settled(m *meter) acquire.Instant {
	until := acquire.Instant(math.MaxInt64)
	for _, ref := range m.refs {
		switch {
		case ref > 0:
			until = min(until, r.gauges[ref-1].settled())
		case ref < 0:
			until = min(until, r.counters[-ref-1].settled())
		}
	}
	return until
}

// settle closes the blocks of m that are decided.
func (r *Router) settle(m *meter) {
	if s := r.settled(m); m.end <= s {
		r.advance(m, s, s, 0)
	}
}

// advance closes all blocks of m that end at or before until. Those that end
// after settled are closed before their time, and flagged with undecided.
func (r *Router) advance(m *meter, until, settled acquire.Instant, undecided Flags) {
	for m.end <= until {
		r.advanceSome(m, until, settled, undecided)
	}
}

// advanceSome is one step of advance: one block, or many silent ones.
func (r *Router) advanceSome(m *meter, until, settled acquire.Instant, undecided Flags) {
	why := Flags(0)
	if m.end > settled {
		why = undecided
	}
	if m.silent >= silentBlocks && m.touched == 0 {
		stop := until
		if why == 0 {
			stop = min(until, settled)
		}
		if r.leap(m, stop, why) {
			return
		}
	}
	r.close(m, why)
}

// leap closes in one step the blocks of m that end at or before until and are
// certain to be empty. It reports false if the oldest is not.
func (r *Router) leap(m *meter, until acquire.Instant, why Flags) bool {
	for _, ref := range m.refs {
		c := r.channel(ref)
		if c == nil {
			continue
		}
		holds := ref > 0 && c.held != unknown && r.gauges[ref-1].rule() == HoldLeft
		if holds || c.flags != 0 || !c.tally.isZero() {
			until = min(until, c.edge-m.interval)
		}
		if ref < 0 && r.counters[-ref-1].refusedIn != 0 {
			until = min(until, r.counters[-ref-1].refusedIn-m.interval)
		}
	}
	if until < m.end {
		return false
	}
	n := (until-m.end)/m.interval + 1
	start := m.start() + n*m.interval
	for _, ref := range m.refs {
		c := r.channel(ref)
		if c == nil {
			continue
		}
		if c.done < start {
			r.leave(m, ref, start, false)
		}
		c.edge = max(c.edge, start+m.interval)
	}
	if m.silence == 0 {
		m.silence = m.start()
	}
	m.silenceFlags |= why | Gap
	if why == Forced {
		m.counts.Forced += uint64(n)
	}
	m.end += n * m.interval
	r.moved = true
	return true
}

// leave takes a channel past the end of a block that closes.
func (r *Router) leave(m *meter, ref ref, end acquire.Instant, settled bool) {
	if ref > 0 {
		r.gauges[ref-1].leave(m, end, settled)
		return
	}
	r.counters[-ref-1].leave(m, end)
}

// noted reports whether a counter has flags for a block that ends by then.
func (r *Router) noted(ref ref, end acquire.Instant) bool {
	return ref < 0 && r.counters[-ref-1].refusedIn != 0 && r.counters[-ref-1].refusedIn <= end
}

// close closes the oldest block of m for the reasons why.
func (r *Router) close(m *meter, why Flags) {
	b := &m.ring[m.oldest]
	for _, ref := range m.refs {
		c := r.channel(ref)
		if c == nil {
			continue
		}
		if c.done < m.end {
			r.leave(m, ref, m.end, r.channelSettled(ref) >= m.end)
		}
		if c.edge == m.end {
			c.turn(m)
		}
		if r.noted(ref, m.end) {
			m.flag(b, BadReading)
			r.counters[-ref-1].refusedIn = 0
		}
	}
	for i := range m.total {
		m.total[i].add(&b.tallies[i])
	}
	if why == Forced {
		m.counts.Forced++
	}
	if b.touched {
		m.touched--
		m.silent = 0
		r.tellSilence(m)
	} else {
		m.silent++
	}
	start := m.start()
	switch {
	case m.silent <= silentBlocks:
		r.out = append(r.out, Interval{})
		iv := &r.out[len(r.out)-1]
		m.fill(iv, &b.tallies, start, m.end)
		iv.Flags |= b.flags | why
		iv.carried = b.carried
		m.counts.Intervals++
		if net, ok := iv.demand(); ok {
			m.importPeak.see(net, start)
			m.exportPeak.see(net.neg(), start)
		}
	default:
		if m.silence == 0 {
			m.silence = start
		}
		m.silenceFlags |= why | Gap
	}
	if b.touched {
		*b = block{}
	}
	m.end += m.interval
	r.moved = true
	m.oldest++
	if m.oldest == len(m.ring) {
		m.oldest = 0
	}
}

// tellSilence puts out the one interval that stands for a long silence, which
// ends where the oldest block starts.
func (r *Router) tellSilence(m *meter) {
	if m.silence == 0 {
		return
	}
	r.out = append(r.out, Interval{})
	iv := &r.out[len(r.out)-1]
	m.fill(iv, &[slots]tally{}, m.silence, m.start())
	iv.Flags |= m.silenceFlags | Silence
	m.counts.Intervals++
	m.silence, m.silenceFlags = 0, 0
}

// fill makes an interval of tallies.
func (m *meter) fill(iv *Interval, tallies *[slots]tally, start, end acquire.Instant) {
	iv.Meter, iv.Start, iv.End, iv.channels = m.name, start, end, m.channels
	whole := int64(end - start)
	var cover [slots]Coverage
	for i := range cover {
		if m.channels&(1<<i) == 0 {
			continue
		}
		t := &tallies[i]
		cover[i] = t.coverage(whole)
		if t.uncertain != 0 {
			iv.Flags |= Uncertain
		}
		if cover[i].Missing != 0 {
			iv.Flags |= Gap
		}
	}
	iv.Power, iv.Registers, iv.ReactivePower, iv.ReactiveRegisters = accounts(m.channels, tallies, &cover)
}

func (t *tally) coverage(whole int64) Coverage {
	return Coverage{
		Good:      time.Duration(t.good),
		Uncertain: time.Duration(t.uncertain),
		Missing:   time.Duration(whole - t.good - t.uncertain),
	}
}

// accounts puts tallies together to accounts.
func accounts(have channels, tallies *[slots]tally, cover *[slots]Coverage) (power, registers Account, reactivePower, reactiveRegisters ReactiveAccount) {
	both := func(in, out slot) Coverage {
		switch {
		case have&(1<<in) == 0:
			return cover[out]
		case have&(1<<out) == 0:
			return cover[in]
		}
		return cover[in].worse(cover[out])
	}
	p, q := &tallies[activePowerSlot], &tallies[reactivePowerSlot]
	power = Account{Energy{p.in}, Energy{p.out}, cover[activePowerSlot]}
	reactivePower = ReactiveAccount{ReactiveEnergy{q.in}, ReactiveEnergy{q.out}, cover[reactivePowerSlot]}
	registers = Account{Energy{tallies[importSlot].in}, Energy{tallies[exportSlot].in}, both(importSlot, exportSlot)}
	reactiveRegisters = ReactiveAccount{ReactiveEnergy{tallies[reactiveImportSlot].in}, ReactiveEnergy{tallies[reactiveExportSlot].in}, both(reactiveImportSlot, reactiveExportSlot)}
	return power, registers, reactivePower, reactiveRegisters
}
