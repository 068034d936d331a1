package demand

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// DefaultPending is how many windows a Group keeps open where none is said.
const DefaultPending = 4

// The bounds of a GroupConfig.
const (
	MaxMembers = 4096 // meters of a group
	MaxPending = 64   // windows open
)

// GroupConfig says whose demands are looked at in whose peak.
type GroupConfig struct {
	// Members names the meters, each once.
	Members []string

	// Reference is the member whose peak decides the window; empty = the sum of all
	// members.
	Reference string

	// Pending is how many windows wait for members that are behind; 0 =
	// DefaultPending. The oldest is decided without them to make room.
	Pending int
}

// Group finds coincident demand: what each member of a group took in the window in
// which the reference, or the sum of the group, had its peak. It is fed with the
// windows of the Registers of its members, one Register each, of one
// configuration. Make it with NewGroup; it allocates nothing after that. The zero
// value has no members and rejects every window.
//
// A window is decided when every member has given its own or a later one. A
// member that has given none, or one without a demand, is missing, and never taken
// for 0: the peak of a reference stands, and its Coincidence says who is missing; a
// sum that lacks a member is no peak, but counted.
//
// A Group belongs to one goroutine at a time.
type Group struct {
	config    GroupConfig
	reference int // index, or -1 for the sum
	counts    GroupCounts

	last    []acquire.Instant // end of the last window of each member
	through acquire.Instant   // windows up to here are decided
	pending []slot            // in the order of time; the rest of the array holds free ones
	peak    slot
	found   bool
}

// slot is one window of all members.
type slot struct {
	start, end acquire.Instant
	passed     int      // members whose last window ends at end or later
	members    []Window // a zero Window where none has come
}

// GroupCounts tells what became of the windows. Counters only grow.
type GroupCounts struct {
	Decided    uint64 // windows of the group
	Incomplete uint64 // of Decided, those in which a member was missing
	Forced     uint64 // of Decided, those decided before all members had passed them
	Rejected   uint64 // windows of members that do not fit: no such member, or a demand of another quantity or other edges
	Late       uint64 // windows of members that were decided already, or given twice
}

// Coincidence is the peak of a Group. The zero value is no peak.
type Coincidence struct {
	Start   acquire.Instant // of the window
	End     acquire.Instant // 0 = no peak
	Sum     Power           // of the members that are not missing
	Missing int             // members without a demand
	// Members are the windows of the members, in the order of GroupConfig.Members. A
	// missing one has no known demand. The slice belongs to the Group until the next
	// call of Observe, Advance, Reset or UnmarshalBinary.
	Members []Window
}

// NewGroup returns a Group, or every fault of the configuration at once.
func NewGroup(config GroupConfig) (*Group, error) {
	var faults []error
	fault := func(format string, a ...any) { faults = append(faults, fmt.Errorf("demand: "+format, a...)) }
	if n := len(config.Members); n == 0 || n > MaxMembers {
		fault("group of %d members is not within 1 and %d", n, MaxMembers)
	}
	seen := make(map[string]bool, len(config.Members))
	for i, name := range config.Members {
		switch {
		case name == "":
			fault("group member %d has no name", i)
		case seen[name]:
			fault("group member %q is named twice", name)
		}
		seen[name] = true
	}
	reference := slices.Index(config.Members, config.Reference)
	if config.Reference == "" {
		reference = -1
	} else if reference < 0 {
		fault("group reference %q is not a member", config.Reference)
	}
	if config.Pending < 0 || config.Pending > MaxPending {
		fault("%d pending windows are not within 1 and %d", config.Pending, MaxPending)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if config.Pending == 0 {
		config.Pending = DefaultPending
	}
	config.Members = slices.Clone(config.Members)
	n := len(config.Members)
	g := &Group{config: config, reference: reference, last: make([]acquire.Instant, n)}
	g.pending = make([]slot, config.Pending)
	for i := range g.pending {
		g.pending[i].members = make([]Window, n)
	}
	g.pending = g.pending[:0]
	g.peak.members = make([]Window, n)
	return g, nil
}

// Member returns the index of a member by its name. It reports false if there is
// none.
func (g *Group) Member(name string) (int, bool) {
	i := slices.Index(g.config.Members, name)
	return i, i >= 0
}

// Counts returns what became of the windows so far.
func (g *Group) Counts() GroupCounts { return g.counts }

// Observe takes a window of a member, by its index in GroupConfig.Members. The
// windows of one member come in the order of time; the members need not keep step.
func (g *Group) Observe(member int, w Window) {
	switch {
	case member < 0 || member >= len(g.last) || !inHorizon(w.Start) || !inHorizon(w.End) || w.Start >= w.End:
		g.counts.Rejected++
		return
	case g.through != 0 && w.End <= g.through, g.last[member] != 0 && w.End <= g.last[member]:
		g.counts.Late++
		return
	}
	switch s := g.at(w.Start, w.End); {
	case s == nil: // older than all that wait, and no room
		g.counts.Late++
	case s.start != w.Start && !w.Demand.Known():
		// The shorter window of a member that begins anew: it is missing.
	case !s.takes(&w):
		g.counts.Rejected++
	default:
		s.start = w.Start
		s.members[member] = w
	}
	before := g.last[member]
	g.last[member] = w.End
	for i := range g.pending {
		if s := &g.pending[i]; s.end <= w.End && (before == 0 || s.end > before) {
			s.passed++
		}
	}
	for len(g.pending) > 0 && g.pending[0].passed == len(g.last) {
		g.decide()
	}
}

// Advance decides every window that ends at or before t, for members that will
// say no more about it.
func (g *Group) Advance(t acquire.Instant) {
	if !inHorizon(t) {
		g.counts.Rejected++
		return
	}
	for len(g.pending) > 0 && g.pending[0].end <= t {
		if g.pending[0].passed < len(g.last) {
			g.counts.Forced++
		}
		g.decide()
	}
	if t > g.through || g.through == 0 {
		g.through = t
	}
}

// Peak returns the coincidence in the largest peak since the last Reset, of equal
// ones the first. It reports false where there was none.
func (g *Group) Peak() (Coincidence, bool) {
	if !g.found {
		return Coincidence{}, false
	}
	sum, missing := g.peak.sum()
	return Coincidence{g.peak.start, g.peak.end, sum, missing, g.peak.members}, true
}

// Reset begins a new peak. Windows that are pending count for it.
func (g *Group) Reset() { g.found = false }

// at returns the slot of the window that ends at end, a new one if need be. It
// returns nil if there is no room before those that wait.
func (g *Group) at(start, end acquire.Instant) *slot {
	i := len(g.pending)
	for i > 0 && g.pending[i-1].end >= end {
		i--
	}
	if i < len(g.pending) && g.pending[i].end == end {
		return &g.pending[i]
	}
	if len(g.pending) == cap(g.pending) {
		if i == 0 {
			return nil
		}
		g.counts.Forced++
		g.decide()
		i--
	}
	n := len(g.pending)
	g.pending = g.pending[:n+1]
	free := g.pending[n]
	copy(g.pending[i+1:], g.pending[i:n])
	g.pending[i] = free
	s := &g.pending[i]
	s.start, s.end, s.passed = start, end, 0
	clear(s.members)
	for _, last := range g.last {
		if last >= end && last != 0 {
			s.passed++
		}
	}
	return s
}

// takes reports whether w has the quantity and the edges of those that are in
// already. Where none of them has a demand the edges are those of w.
func (s *slot) takes(w *Window) bool {
	if !w.Demand.Known() {
		return true
	}
	for i := range s.members {
		if d := s.members[i].Demand; d.Known() {
			return d.quantity == w.Demand.quantity && s.start == w.Start
		}
	}
	if s.start != w.Start {
		clear(s.members)
	}
	return true
}

// decide closes the oldest slot.
func (g *Group) decide() {
	s := &g.pending[0]
	g.counts.Decided++
	g.through = s.end
	sum, missing := s.sum()
	if missing > 0 {
		g.counts.Incomplete++
	}
	if g.wins(s, sum, missing) {
		g.peak, *s, g.found = *s, g.peak, true
	}
	spent := g.pending[0]
	copy(g.pending, g.pending[1:])
	g.pending[len(g.pending)-1] = spent
	g.pending = g.pending[:len(g.pending)-1]
}

// wins reports whether a decided slot is the new peak. Slots are decided in the
// order of time, so that the first of equal ones stays.
func (g *Group) wins(s *slot, sum Power, missing int) bool {
	if g.reference >= 0 {
		w := &s.members[g.reference]
		return w.rivals() && (!g.found || w.Demand.Cmp(g.peak.members[g.reference].Demand) > 0)
	}
	for i := range s.members {
		if s.members[i].Flags&(Forgiven|Stale) != 0 {
			return false
		}
	}
	if missing > 0 || sum.amount.Sign() < 0 {
		return false
	}
	best, _ := g.peak.sum()
	return !g.found || sum.Cmp(best) > 0
}

// sum adds up the members' demands over the length of the window, which they share.
func (s *slot) sum() (sum Power, missing int) {
	span := s.end.Sub(s.start)
	var total aggregate.Energy
	for i := range s.members {
		d := s.members[i].Demand
		if !d.Known() {
			missing++
			continue
		}
		total = total.Add(scale(d.amount, span, d.over))
		sum.over, sum.quantity = span, d.quantity
	}
	sum.amount = total
	return sum, missing
}

// AppendBinary appends the complete state to dst; it fails never. A Group of the
// same configuration that takes it up with UnmarshalBinary goes on as this one
// would. It implements encoding.BinaryAppender.
func (g *Group) AppendBinary(dst []byte) ([]byte, error) {
	w := writer(dst)
	g.header(&w)
	for _, n := range [...]uint64{g.counts.Decided, g.counts.Incomplete, g.counts.Forced, g.counts.Rejected, g.counts.Late} {
		w.uint(n)
	}
	for _, at := range g.last {
		w.instant(at)
	}
	w.instant(g.through)
	w.uint(uint64(len(g.pending)))
	for i := range g.pending {
		w.slot(&g.pending[i])
	}
	w.bool(g.found)
	if g.found {
		w.slot(&g.peak)
	}
	return w, nil
}

func (g *Group) header(w *writer) {
	*w = append(*w, groupState)
	w.uint(uint64(g.config.Pending))
	w.string(g.config.Reference)
	w.uint(uint64(len(g.config.Members)))
	for _, name := range g.config.Members {
		w.string(name)
	}
}

func (w *writer) slot(s *slot) {
	w.instant(s.start)
	w.instant(s.end)
	for i := range s.members {
		*w = append(*w, byte(s.members[i].Demand.quantity))
		w.window(&s.members[i])
	}
}

func (r *reader) slot(s *slot) {
	s.start, s.end = r.instant(), r.instant()
	for i := range s.members {
		if b := r.take(1); b != nil {
			r.quantity = Quantity(b[0])
		}
		w := r.window()
		s.members[i] = w
		fits := w == (Window{}) || w.Start == s.start && w.End == s.end
		r.failed = r.failed || !fits || r.quantity >= quantities || w.Demand.quantity != r.quantity
	}
	r.failed = r.failed || !inHorizon(s.start) || !inHorizon(s.end) || s.start >= s.end
}

// MarshalBinary returns the complete state, as AppendBinary does.
func (g *Group) MarshalBinary() ([]byte, error) { return g.AppendBinary(nil) }

// UnmarshalBinary takes up a state saved by a Group of the same configuration. It
// does not keep data. The error wraps ErrState, and leaves g as it was.
func (g *Group) UnmarshalBinary(data []byte) error {
	n, err := NewGroup(g.config)
	if err != nil {
		return errors.Join(ErrState, err)
	}
	var head writer
	n.header(&head)
	in := reader{data: data}
	if string(in.take(len(head))) != string(head) {
		return ErrState
	}
	n.counts = GroupCounts{in.uint(), in.uint(), in.uint(), in.uint(), in.uint()}
	for i := range n.last {
		n.last[i] = in.instant()
	}
	n.through = in.instant()
	n.pending = n.pending[:in.len(n.config.Pending)]
	for i := range n.pending {
		s := &n.pending[i]
		in.slot(s)
		in.failed = in.failed || i > 0 && s.end <= n.pending[i-1].end || n.through != 0 && s.end <= n.through
		for _, last := range n.last {
			if last >= s.end && last != 0 {
				s.passed++
			}
		}
	}
	if n.found = in.bool(); n.found {
		in.slot(&n.peak)
	}
	if err := in.end(); err != nil {
		return err
	}
	*g = *n
	return nil
}
