package demand

import (
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// Block is what a Register takes from one interval of a meter. BlockOf makes it
// from an aggregate.Interval; a host that reads a load profile out of the meter
// itself fills it in.
//
// The coverage of an account adds up to the length of the block; an account whose
// coverage is zero throughout is absent. The zero value is rejected.
type Block struct {
	Start    acquire.Instant           // first instant of the block
	End      acquire.Instant           // first instant after it; within the years 1824 to 2116, as Start
	Active   aggregate.Account         // active energy by direction
	Reactive aggregate.ReactiveAccount // reactive energy by direction

	ActiveCarried   bool // Active holds energy of a time before Start
	ReactiveCarried bool // Reactive does
}

// BlockOf returns the block of a closed interval: the accounts that
// Interval.Active and Interval.Reactive choose.
func BlockOf(iv *aggregate.Interval) Block {
	b := Block{Start: iv.Start, End: iv.End}
	b.Active, _ = iv.Active()
	b.Reactive, _ = iv.Reactive()
	b.ActiveCarried, b.ReactiveCarried = iv.Carries()
	return b
}

// horizon keeps sums and differences of instants within 64 bits.
const horizon acquire.Instant = 1 << 62

func inHorizon(t acquire.Instant) bool { return t != 0 && t > -horizon && t < horizon }

func (b *Block) valid() bool {
	return inHorizon(b.Start) && inHorizon(b.End) && b.Start < b.End &&
		fits(b.Active.Coverage, b.End.Sub(b.Start)) && fits(b.Reactive.Coverage, b.End.Sub(b.Start))
}

// fits reports whether the parts of c add up to length, or c is that of an absent
// account.
func fits(c aggregate.Coverage, length time.Duration) bool {
	if c == (aggregate.Coverage{}) {
		return true
	}
	return c.Good >= 0 && c.Uncertain >= 0 && c.Good <= length && c.Uncertain <= length-c.Good &&
		c.Missing == length-c.Good-c.Uncertain
}
