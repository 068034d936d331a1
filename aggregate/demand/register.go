package demand

import (
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// Register is the demand register of one quantity of one meter, on the model of
// COSEM interface class 5 (IEC 62056-6-2): a window of Subintervals sub-intervals,
// renewed at the end of each. It is fed with the closed intervals of the meter in
// the order of time. Make it with NewRegister; it allocates nothing after that. The
// zero value rejects every block.
//
// A Register belongs to one goroutine at a time.
type Register struct {
	config Config
	step   time.Duration // length of a sub-interval
	grid   grid
	counts Counts

	started bool
	known   acquire.Instant // what is before is decided
	sub     subinterval     // that holds known
	ring    []subinterval   // the last ones of the present window; before it is whole, full ones only
	oldest  int
	held    int // of ring, at most Subintervals

	silent time.Duration // run of missing time up to known
	power  outages
	last   Window
	out    []Window

	billing
}

// subinterval is what a Register sums up.
type subinterval struct {
	start, end acquire.Instant
	part
}

// outages are the returns of power that still matter: to sub-intervals that have
// not ended, or by forgiveness to windows that have not.
type outages struct {
	at [maxOutages]acquire.Instant
	n  int // of them
}

// maxOutages is how many returns of power are kept apart.
const maxOutages = 16

// Counts tells what became of the input. Counters only grow.
type Counts struct {
	Windows    uint64        // windows with a demand
	Unknown    uint64        // windows told without a demand
	Forgiven   uint64        // of Windows, those whose demand was ignored
	Stale      uint64        // of Windows, those that came after the reset that closed their period
	Rejected   uint64        // blocks and times that make no sense
	Late       uint64        // blocks that begin before the end of an earlier one
	Misaligned uint64        // blocks across the edge of a sub-interval: taken for missing time
	Outages    uint64        // returns of power, told or found
	LockedOut  uint64        // resets refused because of the lockout
	Unobserved time.Duration // time between blocks, for which no block came
}

// NewRegister returns a Register for one meter, or every fault of the
// configuration at once.
func NewRegister(config Config) (*Register, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	r := &Register{config: config, step: config.Interval / time.Duration(config.Subintervals)}
	r.grid = grid{step: r.step, offset: config.Offset, location: config.In}
	r.ring = make([]subinterval, config.Subintervals)
	// One block ends at most the open sub-interval, those that empty the window,
	// and its own.
	r.out = make([]Window, 0, config.Subintervals+2)
	r.highest = make([]Window, 0, config.Highest)
	r.closed = make([]Window, 0, config.Highest)
	return r, nil
}

// Config returns the configuration with its defaults filled in.
func (r *Register) Config() Config { return r.config }

// Counts returns what became of the input so far.
func (r *Register) Counts() Counts { return r.counts }

// Last returns the last window that ended, with a demand or without (COSEM
// last_average_value and, in End, capture_time). Before the first it is zero.
func (r *Register) Last() Window { return r.last }

// Current returns the energy of the window that is still open, so far, over the
// whole interval (COSEM current_average_value): what demand will be at least if
// no energy flows back. Its time runs from the start of the window (start_time_current)
// to the end of the last block. The demand is unknown before the first block, and
// if any of that time is missing.
func (r *Register) Current() Window {
	if !r.started {
		return Window{}
	}
	w := Window{Start: r.sub.start, End: r.known}
	sum := r.sub.part
	if r.config.Quantity == ApparentSubintervals {
		sum.p, sum.q = hypot(sum.p, sum.q), aggregate.Energy{}
	}
	newest := min(r.held, r.config.Subintervals-1)
	for _, at := range r.power.at[:r.power.n] {
		if at == r.sub.start {
			newest = 0
		} else if at > r.sub.start && at < r.known {
			sum.flags |= Restored
		}
	}
	for i := r.held - newest; i < r.held; i++ {
		s := r.at(i)
		if i == r.held-newest {
			w.Start = s.start
		}
		sum.add(&s.part)
	}
	if newest < r.config.Subintervals-1 {
		sum.flags |= Starting
	}
	w.Coverage, w.Flags = sum.coverage, sum.flags
	w.Flags |= doubts(sum.coverage)
	if w.Flags&(Gap|Starting|Carried|Restored) == 0 && w.Coverage.Span() > 0 {
		w.Demand = r.mean(&sum, r.config.Interval)
	}
	return w
}

// Observe takes a closed interval of the meter and returns the windows that end
// with it, oldest first: one as a rule, none within a sub-interval, several after
// a hole. The slice belongs to the Register until the next call.
//
// Intervals come in the order of time. A hole between two is missing time; one
// that begins before the end of an earlier one is counted and passed over.
func (r *Register) Observe(iv *aggregate.Interval) []Window {
	b := BlockOf(iv)
	return r.ObserveBlock(&b)
}

// ObserveBlock is Observe for a block. It does not keep b.
func (r *Register) ObserveBlock(b *Block) []Window {
	r.out = r.out[:0]
	switch {
	case !b.valid() || r.step == 0:
		r.counts.Rejected++
		return nil
	case r.started && b.Start < r.known:
		r.counts.Late++
		return nil
	case !r.started:
		r.begin(b.Start)
	case b.Start > r.known:
		hole := b.Start.Sub(r.known)
		r.counts.Unobserved += hole
		r.silent += hole
		r.miss(b.Start)
	}
	r.take(b)
	return r.out
}

// PowerUp tells that power came back to the meter at that time. The sub-interval
// that holds it is incomplete, a rolling window is unknown until Subintervals full
// ones have passed since, and Forgiveness begins. Tell it before observing the
// interval that holds it; later, it acts from the present sub-interval on.
//
// 16 returns of power are kept apart for as long as they matter. One more takes the
// place of the last one told, and is counted as rejected.
func (r *Register) PowerUp(at acquire.Instant) {
	if !inHorizon(at) {
		r.counts.Rejected++
		return
	}
	r.counts.Outages++
	p := &r.power
	if r.started && at < r.sub.start {
		r.held = 0
	}
	if p.n == maxOutages {
		r.counts.Rejected++
		p.n--
	}
	p.at[p.n] = at
	p.n++
}

// begin opens the first sub-interval, which holds t.
func (r *Register) begin(t acquire.Instant) {
	r.started, r.known = true, t
	r.open(t)
	r.sub.coverage.Missing = t.Sub(r.sub.start)
	r.since(r.sub.start)
}

// open opens the sub-interval that holds t.
func (r *Register) open(t acquire.Instant) {
	r.sub = subinterval{}
	r.sub.start, r.sub.end = r.grid.around(t)
}

// take books a block that begins where everything is decided up to.
func (r *Register) take(b *Block) {
	s := r.config.Quantity.of(b)
	if covered(s.coverage) == 0 {
		r.silent += b.End.Sub(b.Start)
		r.miss(b.End)
		return
	}
	if r.config.Outage > 0 && r.silent > r.config.Outage {
		// Where in the block the data begin is not known. That its missing time is
		// the end of the outage is the likely case, and forgives most.
		r.PowerUp(b.Start.Add(s.coverage.Missing))
	}
	r.silent = 0
	if b.End > r.sub.end {
		r.counts.Misaligned++
		r.miss(b.End)
		return
	}
	r.sub.add(&s)
	r.known = b.End
	if r.known == r.sub.end {
		r.close()
	}
}

// miss passes over missing time up to an instant.
func (r *Register) miss(to acquire.Instant) {
	for r.sub.end <= to {
		empty := covered(r.sub.coverage) == 0
		r.sub.coverage.Missing += r.sub.end.Sub(r.known)
		r.known = r.sub.end
		r.close()
		// The window is empty, and so are all up to the one that holds the end.
		if start, _ := r.grid.around(to); empty && r.held == 0 && start > r.sub.start {
			r.open(to)
			r.known = r.sub.start
		}
	}
	r.sub.coverage.Missing += to.Sub(r.known)
	r.known = to
}

// close ends the open sub-interval, tells its window, and opens the next one.
func (r *Register) close() {
	s := r.sub
	r.open(s.end)
	length := s.end.Sub(s.start)
	if length < r.step {
		s.flags |= Shortened
	}
	s.flags |= r.pass(s.start, s.end)
	if r.config.Quantity == ApparentSubintervals {
		s.p, s.q = hypot(s.p, s.q), aggregate.Energy{}
	}
	rolling := r.config.Subintervals > 1
	broken := s.flags&(Shortened|Restored) != 0
	full := s.coverage.Missing == 0 && s.flags&Carried == 0 && !broken
	if rolling && (broken || r.held < r.config.Subintervals && !full) {
		r.held = 0
		s.flags |= Starting
		r.tell(&s, s.start)
		return
	}
	r.push(&s)
	if r.held < r.config.Subintervals {
		sum, start := r.sum()
		sum.flags |= Starting
		r.tell(&subinterval{start, s.end, sum}, start)
		return
	}
	sum, start := r.sum()
	if covered(sum.coverage) == 0 {
		r.held = 0
	}
	r.tell(&subinterval{start, s.end, sum}, start)
}

// pass applies the returns of power to a sub-interval that ends: one within it
// breaks it, one at its start breaks the window before it. It forgets those that
// neither the next sub-intervals nor the forgiveness of their windows can meet.
func (r *Register) pass(start, end acquire.Instant) (f Flags) {
	p := &r.power
	kept := 0
	for _, at := range p.at[:p.n] {
		switch {
		case at == start:
			r.held = 0
		case at > start && at < end:
			f |= Restored
		}
		if at >= end || at.Add(r.config.Forgiveness) > end.Add(-r.config.Interval) {
			p.at[kept] = at
			kept++
		}
	}
	p.n = kept
	return f
}

// forgiven reports whether a window meets the forgiveness after a return of power.
func (r *Register) forgiven(start, end acquire.Instant) bool {
	for _, at := range r.power.at[:r.power.n] {
		if start < at.Add(r.config.Forgiveness) && end > at && r.config.Forgiveness > 0 {
			return true
		}
	}
	return false
}

// at returns a sub-interval of the ring, 0 being the oldest.
func (r *Register) at(i int) *subinterval {
	if i += r.oldest; i >= len(r.ring) {
		i -= len(r.ring)
	}
	return &r.ring[i]
}

// push adds a sub-interval to the ring, in place of the oldest if that is full.
func (r *Register) push(s *subinterval) {
	if r.held == 0 {
		r.oldest = 0
	}
	if r.held < len(r.ring) {
		r.held++
	} else if r.oldest++; r.oldest == len(r.ring) {
		r.oldest = 0
	}
	*r.at(r.held - 1) = *s
}

// sum adds up the ring and returns where it starts. Adding anew costs less than
// it seems and keeps sums at the end of the range right.
func (r *Register) sum() (part, acquire.Instant) {
	var sum part
	for i := range r.held {
		sum.add(&r.at(i).part)
	}
	return sum, r.at(0).start
}

// doubts returns the flags that follow from coverage.
func doubts(c aggregate.Coverage) Flags {
	var f Flags
	if c.Missing > 0 {
		f |= Gap
	}
	if c.Uncertain > 0 {
		f |= Uncertain
	}
	return f
}

// mean returns the power of a sum over a time.
func (r *Register) mean(s *part, over time.Duration) Power {
	p := Power{amount: s.p, over: over, quantity: r.config.Quantity}
	if p.quantity == ApparentVector {
		p.amount = hypot(s.p, s.q)
	}
	return p
}

// tell makes a window of the sum s and gives it to the caller and the peaks.
func (r *Register) tell(s *subinterval, start acquire.Instant) {
	w := Window{Start: start, End: s.end, Coverage: s.coverage, Flags: s.flags | doubts(s.coverage)}
	if w.Flags&Shortened != 0 {
		w.Flags |= Gap
	}
	known := time.Duration(covered(s.coverage))
	switch {
	case w.Flags&(Starting|Carried) != 0 || known == 0:
	case r.config.Incomplete == Elapsed:
		w.Demand = r.mean(&s.part, known)
	case r.config.Incomplete == Nominal || w.Flags&(Gap|Restored) == 0:
		w.Demand = r.mean(&s.part, r.config.Interval)
	}
	if r.forgiven(w.Start, w.End) {
		w.Flags |= Forgiven
	}
	r.judge(&w)
	r.last = w
	r.out = append(r.out, w)
}
