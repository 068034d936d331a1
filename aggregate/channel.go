package aggregate

import (
	"math"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// The first and last instants accepted leave room for the block they fall into,
// so that its start is known and its end is in range.
const (
	soonest = acquire.Instant(48 * time.Hour)
	latest  = math.MaxInt64 - soonest
)

// tally is what one channel has gathered in one block: energy by direction (a
// register uses in alone) and known time. What is missing is the rest.
type tally struct {
	in, out         int128
	good, uncertain int64 // ns
}

func (t *tally) isZero() bool {
	return t.in.hi|t.in.lo|t.out.hi|t.out.lo|uint64(t.good)|uint64(t.uncertain) == 0
}

// cover books d ns as known with quality q.
func (t *tally) cover(d int64, q uint8) {
	if q == good {
		t.good += d
	} else {
		t.uncertain += d
	}
}

func (t *tally) add(u *tally) {
	t.in = t.in.plus(u.in)
	t.out = t.out.plus(u.out)
	t.good += u.good
	t.uncertain += u.uncertain
}

// The qualities of what a channel holds.
const (
	unknown   = uint8(acquire.Bad)
	uncertain = uint8(acquire.Uncertain)
	good      = uint8(acquire.Good)
)

// channel is what gauges and counters have in common: where they stand in time.
// All time before done is decided, known or missing. What the present block has
// gathered stays here until the channel leaves the block, so that a push touches
// no other memory and a channel that jumps ahead displaces no open block.
//
// The order of the fields keeps what each push touches together.
type channel struct {
	last   acquire.Instant // time of the last accepted sample
	maxGap int64           // ns
	tally                  // of the present block
	done   acquire.Instant // accounted for up to here
	edge   acquire.Instant // end of the present block: for a gauge the one that done is in, for a counter the one up to done
	mark   acquire.Instant // watermark: nothing older will come
	meter  uint32          // index in Router.meters
	flags  Flags           // for the present block
	held   uint8           // quality of what is held since last; unknown = nothing
	slot   slot
}

// grid cuts time into blocks of one length.
type grid struct {
	interval acquire.Instant
	offset   acquire.Instant // 0 <= offset < interval
}

// endOf returns the end of the block [start, end) that holds t.
func (g *grid) endOf(t acquire.Instant) acquire.Instant {
	phase := (t - g.offset) % g.interval
	if phase < 0 {
		phase += g.interval
	}
	return t - phase + g.interval
}

// after returns the end of the block that follows the one that ends at edge.
func (g *grid) after(edge acquire.Instant) acquire.Instant { return edge + g.interval }

// ledger is what a channel needs of its owner: where time is cut, and where to
// book what it leaves behind. Gauges and counters know nothing else of the meter
// they are part of.
type ledger interface {
	endOf(t acquire.Instant) acquire.Instant    // end of the block [start, end) that holds t
	after(edge acquire.Instant) acquire.Instant // end of the block after the one that ends at edge
	book(c *channel)                            // take c.tally and c.flags for the block that ends at c.edge
	note(end acquire.Instant, flags Flags) bool // flag a block that c need not have come to; false = not open yet
	events() *Counts                            // where what happens is counted
}

// spill books what c gathered in its present block.
func (c *channel) spill(l ledger) {
	if c.tally.isZero() && c.flags == 0 {
		return
	}
	l.book(c)
	c.tally, c.flags = tally{}, 0
}

// turn leaves the present block of c, of which all is known, for the next.
func (c *channel) turn(l ledger) {
	c.spill(l)
	c.done = max(c.done, c.edge)
	c.edge = l.after(c.edge)
}

// skip moves the channel of a gauge to t; the time up to there is missing.
func (c *channel) skip(l ledger, t acquire.Instant) {
	if t >= c.edge {
		c.spill(l)
		c.edge = l.endOf(t)
	}
	c.done = t
}

// skipUpTo is skip for a counter, which stays in the block that ends at t: the
// energy of a reading belongs to the time before it.
func (c *channel) skipUpTo(l ledger, t acquire.Instant) {
	if t > c.edge {
		c.spill(l)
		c.edge = l.endOf(t - 1)
	}
	c.done = t
}
