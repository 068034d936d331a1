package demand

import (
	"errors"
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// Cause says who resets the maximum demand. A lockout holds for each apart.
type Cause uint8

// The causes.
const (
	Manual   Cause = iota // by hand, at the meter or its screen
	Command               // over a link
	Schedule              // at the end of a billing period

	causes
)

// String returns the cause in words, such as "schedule".
func (c Cause) String() string {
	switch c {
	case Manual:
		return "manual"
	case Command:
		return "command"
	case Schedule:
		return "schedule"
	}
	return "cause " + strconv.Itoa(int(c))
}

// Errors of Reset.
var (
	// ErrLockedOut means that a reset of the same cause was too short a time ago.
	ErrLockedOut = errors.New("demand: reset is locked out")
	// ErrResetTime means that the time is unknown, not after the last reset, or
	// before the end of an interval observed already.
	ErrResetTime = errors.New("demand: reset is out of the order of time")
	// ErrCause means that the cause is none of the named ones.
	ErrCause = errors.New("demand: reset has no known cause")
)

// Period is what a reset closes. A window counts for the period in which it
// ends, since only then has it a demand; a rolling window reaches back over a
// reset.
type Period struct {
	Start      acquire.Instant // the reset before, or the start of the first sub-interval; 0 = nothing was observed
	End        acquire.Instant // the reset that closes it
	Peak       Window          // the largest demand, the first of equal ones; unknown demand = none
	Highest    []Window        // the largest ones, falling; it belongs to the Register until the next Reset
	Cumulative Power           // of all periods closed, this one included
	Resets     uint64          // so far, this one included
}

// billing is the part of a Register that a reset acts upon.
type billing struct {
	begun      acquire.Instant // of the present period; 0 = not yet
	reset      acquire.Instant // the last one; 0 = none
	resets     uint64
	causes     [causes]acquire.Instant
	highest    []Window
	closed     []Window
	cumulative aggregate.Energy // over one demand interval
}

// since opens the first period, unless a reset has.
func (r *billing) since(t acquire.Instant) {
	if r.begun == 0 {
		r.begun = t
	}
}

// judge counts a window and takes it among the highest if it belongs there.
func (r *Register) judge(w *Window) {
	if !w.Demand.Known() {
		r.counts.Unknown++
		return
	}
	r.counts.Windows++
	if w.Flags&Forgiven != 0 {
		r.counts.Forgiven++
	}
	if r.reset != 0 && w.End <= r.reset {
		w.Flags |= Stale
		r.counts.Stale++
	}
	if w.rivals() {
		r.rank(w)
	}
}

// rank puts w behind all that are not smaller; of equal ones the first stays
// ahead.
func (r *billing) rank(w *Window) {
	i := len(r.highest)
	for i > 0 && r.highest[i-1].Demand.Cmp(w.Demand) < 0 {
		i--
	}
	if i == cap(r.highest) {
		return
	}
	if len(r.highest) < cap(r.highest) {
		r.highest = r.highest[:len(r.highest)+1]
	}
	copy(r.highest[i+1:], r.highest[i:])
	r.highest[i] = *w
}

// Peak returns the window of the present period with the largest demand, the
// first of equal ones. Its demand is unknown where there was none yet.
func (r *Register) Peak() Window {
	if len(r.highest) == 0 {
		return Window{}
	}
	return r.highest[0]
}

// Highest returns the windows of the present period with the largest demands,
// falling, up to Config.Highest. Windows of rolling demand overlap, so that one
// event may fill the list. The slice belongs to the Register until the next call
// of any method.
func (r *Register) Highest() []Window { return r.highest }

// Cumulative returns the sum of the peaks of all periods closed so far. Under the
// policy Elapsed each is scaled to the demand interval, to the nearest quantum of
// energy.
func (r *Register) Cumulative() Power { return r.total(r.cumulative) }

// ContinuousCumulative returns Cumulative and the present peak together. It does
// not change by a reset, so that readings of it survive one that was lost.
func (r *Register) ContinuousCumulative() Power { return r.total(r.cumulative.Add(r.peakEnergy())) }

func (r *Register) total(e aggregate.Energy) Power {
	return Power{amount: e, over: r.config.Interval, quantity: r.config.Quantity}
}

// peakEnergy returns the energy of the present peak over a demand interval.
func (r *Register) peakEnergy() aggregate.Energy {
	if len(r.highest) == 0 {
		return aggregate.Energy{}
	}
	d := r.highest[0].Demand
	return scale(d.amount, r.config.Interval, d.over)
}

// Resets returns how many resets there were, and when the last was; 0 = never.
func (r *Register) Resets() (n uint64, last acquire.Instant) { return r.resets, r.reset }

// Reset closes a billing period: the present peak is added to the cumulative
// demand, returned with the period, and begins anew. Windows go on. Call it after
// the intervals up to that time have been observed: windows that end before it
// and come after it are Stale.
//
// A reset that fails changes nothing but Counts. The errors are ErrLockedOut,
// ErrResetTime and ErrCause.
func (r *Register) Reset(at acquire.Instant, cause Cause) (Period, error) {
	switch {
	case cause >= causes:
		r.counts.Rejected++
		return Period{}, ErrCause
	case !inHorizon(at) || r.started && at < r.known || r.reset != 0 && at <= r.reset:
		r.counts.Rejected++
		return Period{}, ErrResetTime
	case r.lockedOut(at, r.causes[cause]):
		r.counts.LockedOut++
		return Period{}, ErrLockedOut
	}
	r.cumulative = r.cumulative.Add(r.peakEnergy())
	p := Period{Start: r.begun, End: at, Peak: r.Peak(), Cumulative: r.Cumulative(), Resets: r.resets + 1}
	r.highest, r.closed = r.closed[:0], r.highest
	p.Highest = r.closed
	r.begun, r.reset, r.causes[cause] = at, at, at
	r.resets++
	return p, nil
}

func (r *Register) lockedOut(at, last acquire.Instant) bool {
	return last != 0 && at.Sub(last) < time.Duration(r.config.Lockout)
}
