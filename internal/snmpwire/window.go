package snmpwire

import (
	"math"
	"time"
)

// Window is how far a message may lie from the time of its engine, in seconds, to
// either side (RFC 3414, section 2.2.3).
const Window = 150

// LatchedBoots is the number of boots at which an engine accepts nothing more until
// it gets new keys (RFC 3414, section 2.2.2).
const LatchedBoots = math.MaxInt32

// Fresh reports whether a message is timely, in the judgement of the engine that is
// authoritative for it: an agent that is asked, or the receiver of an inform (RFC
// 3414, 3.2, step 7a). The first two numbers are the engine's own.
func Fresh(ownBoots, ownTime, boots, time int32) bool {
	if ownBoots == LatchedBoots || boots != ownBoots {
		return false
	}
	d := int64(time) - int64(ownTime)
	return -Window <= d && d <= Window
}

// Clock is the time of an engine as somebody knows it: an engine its own, or a
// manager that of an agent. It is a plain value. The zero value knows nothing, and a
// manager sends zeros then, which is how it asks (RFC 3414, section 4).
type Clock struct {
	Boots  int32     // of the engine
	Time   int32     // in seconds since its boot, at At
	At     time.Time // by the holder's clock
	Latest int32     // the latest engine time heard in Boots (RFC 3414, section 2.3)
}

// Now returns boots and time of the engine at a moment. The time stops at its largest
// value: only the engine itself may start anew.
func (c Clock) Now(now time.Time) (boots, seconds int32) {
	passed := int64(max(now.Sub(c.At), 0) / time.Second)
	if c.At.IsZero() {
		passed = 0
	}
	return c.Boots, int32(min(int64(c.Time)+passed, math.MaxInt32))
}

// Hear takes the boots and time of an authentic message from the engine that is
// authoritative for it, moves the clock forward where the message is newer than all
// before it, and reports whether the message is timely (RFC 3414, 3.2, step 7b). A
// message that has not been verified must not come here. An agent that restarts and
// does not count its boots, as some do, stays untimely until its time has caught up:
// that is how a replay looks too, and whoever begins a new Clock decides about it.
func (c *Clock) Hear(boots, seconds int32, now time.Time) bool {
	if c.At.IsZero() || boots > c.Boots || (boots == c.Boots && seconds > c.Latest) {
		*c = Clock{boots, seconds, now, seconds}
	}
	ownBoots, ownTime := c.Now(now)
	return ownBoots != LatchedBoots && boots == ownBoots && int64(seconds) >= int64(ownTime)-Window
}
