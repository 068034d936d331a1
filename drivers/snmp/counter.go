package snmp

import (
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// clock is what the agent says of the time since it started, in the packets that
// counters came with.
type clock struct {
	ticks uint32 // sysUpTime, in hundredths of a second
	at    time.Time
	known bool
	boots int32 // version 3: how often the engine has booted, 0 unknown
}

// wrapAfter is when sysUpTime starts again from 0, in hundredths of a second: 497 days.
const wrapAfter = 1 << 32

// restarted takes what a packet says, and reports whether the agent has restarted since
// the one before: its counters may have done so too.
//
// A time that fell says so unless it wrapped, which it does when the local clock expects
// it. So does one that has grown by less than half of what has passed here, where the
// agent may have started within that.
func (c *clock) restarted(ticks uint32, at time.Time) bool {
	before := *c
	c.ticks, c.at, c.known = ticks, at, true
	if !before.known {
		return false
	}
	passed := int64(max(at.Sub(before.at), 0) / (10 * time.Millisecond))
	tolerance := max(60*100, passed/10)
	now, expected := int64(ticks), int64(before.ticks)+passed
	if turns := (expected - now + wrapAfter/2) / wrapAfter; turns > 0 && abs(expected-turns*wrapAfter-now) <= tolerance {
		return false
	}
	return ticks < before.ticks ||
		now <= passed && now-int64(before.ticks) < passed/2 && expected-now > max(100, passed/10)
}

func abs(n int64) int64 { return max(n, -n) }

// rebooted takes what version 3 says of the engine, and reports whether it has booted.
func (c *clock) rebooted(boots int32) bool {
	before := c.boots
	if boots != 0 {
		c.boots = boots
	}
	return before != 0 && boots != 0 && boots != before
}

// track is what is known of one point from sample to sample.
type track struct {
	id     acquire.PointID // 0: not defined
	latest acquire.Instant // stamp of its latest sample
	epoch  uint32          // of the agent, when it had its latest good sample
	row    uint32          // the same of its row
	poll   uint32          // that it was last heard in
	good   bool            // it had a good sample
	live   bool            // it has not been said to be gone
	broken bool            // it was gone, or its counter is known to have restarted
	denied bool            // the catalog refuses it
}

// stamp flags quality if the clock ran backwards since the latest sample.
func (t *track) stamp(at acquire.Instant, quality acquire.Quality) acquire.Quality {
	if at < t.latest {
		return quality.With(acquire.TimeBackwards)
	}
	t.latest = at
	return quality
}

// count flags quality, of a good sample of a counter, if it is the first one since the
// agent or the row restarted.
func (t *track) count(quality acquire.Quality, epoch, row uint32) acquire.Quality {
	if quality.IsBad() {
		return quality
	}
	if t.good && (t.broken || t.epoch != epoch || t.row != row) {
		quality = quality.With(acquire.Discontinuity)
	}
	t.good, t.broken, t.epoch, t.row = true, false, epoch, row
	return quality
}
