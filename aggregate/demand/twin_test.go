package demand_test

import (
	"math/big"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/demand"
)

// twin is the Register, slow and plain: it keeps everything it was ever given,
// looks for edges by half minutes on the local clock, and reckons in big numbers.
// Its blocks begin and end on whole minutes.
type twin struct {
	config demand.Config
	counts demand.Counts

	start, known acquire.Instant // of what was observed
	stretches    []stretch
	powerUps     []powerUp
	anew         []acquire.Instant // ends of sub-intervals that no window reaches back over
	silent       time.Duration

	reset      acquire.Instant
	begun      acquire.Instant
	resets     uint64
	causes     map[demand.Cause]acquire.Instant
	judged     acquire.Instant // windows up to here are counted
	looked     acquire.Instant // start of the open sub-interval then
	edges      map[acquire.Instant]bool
	rivals     []twinWindow // of the present period
	cumulative *big.Int
}

// stretch is a time with what is known of it: all of it in one sub-interval.
type stretch struct {
	start, end      acquire.Instant
	p, q            *big.Int
	good, uncertain time.Duration
	carried         bool
}

// powerUp is a return of power, and how much was decided when it was told.
type powerUp struct{ at, told acquire.Instant }

type twinWindow struct {
	start, end      acquire.Instant
	energy          *big.Int
	reactive        *big.Int
	over            time.Duration // 0 = unknown
	good, uncertain time.Duration
	missing         time.Duration
	flags           demand.Flags
}

func newTwin(config demand.Config) *twin {
	return &twin{config: config, causes: map[demand.Cause]acquire.Instant{}, edges: map[acquire.Instant]bool{}, cumulative: new(big.Int)}
}

func (w *twinWindow) rate() *big.Rat {
	return new(big.Rat).SetFrac(w.energy, big.NewInt(int64(w.over)))
}

func (t *twin) step() time.Duration {
	return t.config.Interval / time.Duration(t.config.Subintervals)
}

// edge reports whether a sub-interval begins at a whole minute.
func (t *twin) edge(at acquire.Instant) bool {
	is, known := t.edges[at]
	if !known {
		is = t.isEdge(at)
		t.edges[at] = is
	}
	return is
}

func (t *twin) isEdge(at acquire.Instant) bool {
	location := t.config.In
	if location == nil {
		location = time.UTC
	}
	local := at.Time().In(location)
	clock := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second
	if (clock-t.config.Offset)%t.step() == 0 {
		return true
	}
	_, before := local.Add(-time.Nanosecond).Zone()
	_, after := local.Zone()
	return time.Duration(after-before)*time.Second%t.step() != 0
}

// halfMinute divides every sub-interval of the stories: a quarter of an hour in two.
const halfMinute = 30 * time.Second

// within returns the sub-interval that holds an instant.
func (t *twin) within(at acquire.Instant) (start, end acquire.Instant) {
	start = at - at%acquire.Instant(halfMinute)
	for !t.edge(start) {
		start = start.Add(-halfMinute)
	}
	for end = start.Add(halfMinute); !t.edge(end); {
		end = end.Add(halfMinute)
	}
	return start, end
}

func (t *twin) observe(b *demand.Block) {
	length := b.End.Sub(b.Start)
	sound := func(c aggregate.Coverage) bool {
		return c == (aggregate.Coverage{}) || c.Good >= 0 && c.Uncertain >= 0 && c.Missing >= 0 && c.Span() == length
	}
	switch {
	case b.Start == 0 || b.End <= b.Start || !sound(b.Active.Coverage) || !sound(b.Reactive.Coverage):
		t.counts.Rejected++
		return
	case t.start != 0 && b.Start < t.known:
		t.counts.Late++
		return
	case t.start == 0:
		t.start, _ = t.within(b.Start)
		if t.begun == 0 {
			t.begun = t.start
		}
	default:
		t.counts.Unobserved += b.Start.Sub(t.known)
		t.silent += b.Start.Sub(t.known)
	}
	t.known = b.Start
	s := t.stretch(b)
	if s.good+s.uncertain == 0 {
		t.silent += length
		t.known = b.End
		return
	}
	if t.config.Outage > 0 && t.silent > t.config.Outage {
		t.powerUp(b.Start.Add(length - s.good - s.uncertain))
	}
	t.silent = 0
	t.known = b.End
	if _, end := t.within(b.Start); b.End > end {
		t.counts.Misaligned++
		return
	}
	t.stretches = append(t.stretches, s)
}

func quanta(e interface{ Quanta() (hi, lo uint64) }) *big.Int {
	hi, lo := e.Quanta()
	n := new(big.Int).SetInt64(int64(hi))
	return n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(lo))
}

func (t *twin) stretch(b *demand.Block) stretch {
	s := stretch{start: b.Start, end: b.End, p: new(big.Int), q: new(big.Int)}
	active, reactive := b.Active.Coverage, b.Reactive.Coverage
	worst := func(c, d aggregate.Coverage) aggregate.Coverage {
		if d.Missing > c.Missing || d.Missing == c.Missing && d.Uncertain > c.Uncertain {
			return d
		}
		return c
	}
	net := new(big.Int).Sub(quanta(b.Active.Import), quanta(b.Active.Export))
	var c aggregate.Coverage
	switch t.config.Quantity {
	case demand.ActiveImport:
		s.p, c = quanta(b.Active.Import), active
	case demand.ActiveExport:
		s.p, c = quanta(b.Active.Export), active
	case demand.ActiveNet:
		s.p, c = net, active
	case demand.ActiveNetExport:
		s.p, c = net.Neg(net), active
	case demand.ReactiveImport:
		s.p, c = quanta(b.Reactive.Import), reactive
	case demand.ReactiveExport:
		s.p, c = quanta(b.Reactive.Export), reactive
	case demand.ReactiveNet:
		s.p, c = quanta(b.Reactive.Net()), reactive
	case demand.ReactiveNetExport:
		s.p, c = quanta(b.Reactive.Net().Neg()), reactive
	default:
		s.p, s.q, c = net, quanta(b.Reactive.Net()), worst(active, reactive)
		if active.Span() == 0 || reactive.Span() == 0 {
			c = aggregate.Coverage{}
		}
	}
	s.good, s.uncertain = c.Good, c.Uncertain
	switch q := t.config.Quantity; {
	case q <= demand.ActiveNetExport:
		s.carried = b.ActiveCarried
	case q <= demand.ReactiveNetExport:
		s.carried = b.ReactiveCarried
	default:
		s.carried = b.ActiveCarried || b.ReactiveCarried
	}
	return s
}

func (t *twin) powerUp(at acquire.Instant) {
	t.counts.Outages++
	t.powerUps = append(t.powerUps, powerUp{at, t.known})
	if t.start != 0 {
		if start, _ := t.within(t.known); at < start {
			t.anew = append(t.anew, start)
		}
	}
}

// windows returns every window up to known, in order.
func (t *twin) windows() []twinWindow {
	if t.start == 0 {
		return nil
	}
	var all, history []twinWindow
	var n = t.config.Subintervals
	next := 0
	for start := t.start; ; {
		_, end := t.within(start)
		if end > t.known {
			return all
		}
		s := twinWindow{start: start, end: end, energy: new(big.Int), reactive: new(big.Int)}
		for ; next < len(t.stretches) && t.stretches[next].end <= end; next++ {
			x := t.stretches[next]
			s.energy.Add(s.energy, x.p)
			s.reactive.Add(s.reactive, x.q)
			s.good += x.good
			s.uncertain += x.uncertain
			if x.carried {
				s.flags |= demand.Carried
			}
		}
		s.missing = end.Sub(start) - s.good - s.uncertain
		broken := false
		if end.Sub(start) != t.step() {
			broken = true
			s.flags |= demand.Shortened
		}
		for _, p := range t.powerUps {
			switch {
			case end <= p.told && p.told != 0: // too late
			case p.at > start && p.at < end:
				broken = true
				s.flags |= demand.Restored
			case p.at == start:
				history = nil
			}
		}
		for _, at := range t.anew {
			if at == start {
				history = nil
			}
		}
		whole := s.missing == 0 && s.flags&demand.Carried == 0 && !broken
		if n > 1 && (broken || len(history) < n && !whole) {
			history = nil
			s.flags |= demand.Starting
			all = append(all, t.window([]twinWindow{s}))
			start = end
			continue
		}
		history = append(history, s)
		history = history[max(0, len(history)-n):]
		w := t.window(history)
		if len(history) < n {
			w.flags |= demand.Starting
			w.over = 0
		}
		all = append(all, w)
		if w.good+w.uncertain == 0 {
			history = nil
		}
		start = end
	}
}

// window judges a run of sub-intervals.
func (t *twin) window(run []twinWindow) twinWindow {
	w := twinWindow{start: run[0].start, end: run[len(run)-1].end, energy: new(big.Int)}
	reactive := new(big.Int)
	for _, s := range run {
		if t.config.Quantity == demand.ApparentSubintervals {
			w.energy.Add(w.energy, root(s.energy, s.reactive))
		} else {
			w.energy.Add(w.energy, s.energy)
			reactive.Add(reactive, s.reactive)
		}
		w.good += s.good
		w.uncertain += s.uncertain
		w.missing += s.missing
		w.flags |= s.flags
	}
	if t.config.Quantity == demand.ApparentVector {
		w.energy = root(w.energy, reactive)
	}
	if w.missing > 0 || w.flags&demand.Shortened != 0 {
		w.flags |= demand.Gap
	}
	if w.uncertain > 0 {
		w.flags |= demand.Uncertain
	}
	known := w.good + w.uncertain
	switch {
	case w.flags&(demand.Carried|demand.Starting) != 0 || known == 0:
	case t.config.Incomplete == demand.Exclude:
		if w.flags&(demand.Gap|demand.Restored) == 0 {
			w.over = t.config.Interval
		}
	case t.config.Incomplete == demand.Nominal:
		w.over = t.config.Interval
	case t.config.Incomplete == demand.Elapsed:
		w.over = known
	}
	for _, p := range t.powerUps {
		if t.config.Forgiveness > 0 && w.end > p.told && w.start < p.at.Add(t.config.Forgiveness) && w.end > p.at {
			w.flags |= demand.Forgiven
		}
	}
	return w
}

// root is √(p²+q²) to the nearest integer.
func root(p, q *big.Int) *big.Int {
	n := new(big.Int).Add(new(big.Int).Mul(p, p), new(big.Int).Mul(q, q))
	n.Lsh(n, 2).Sqrt(n)
	return n.Add(n, big.NewInt(1)).Rsh(n, 1)
}

// judge counts the windows that ended since the last call.
func (t *twin) judge() {
	if t.start == 0 {
		return
	}
	if open, _ := t.within(t.known); open == t.looked {
		return
	} else {
		t.looked = open
	}
	for _, w := range t.windows() {
		if w.end <= t.judged {
			continue
		}
		t.judged = w.end
		if w.over == 0 {
			continue
		}
		t.counts.Windows++
		if w.flags&demand.Forgiven != 0 {
			t.counts.Forgiven++
		}
		if t.reset != 0 && w.end <= t.reset {
			t.counts.Stale++
			continue
		}
		if w.flags&demand.Forgiven == 0 && w.energy.Sign() >= 0 {
			t.rivals = append(t.rivals, w)
		}
	}
	slices.SortStableFunc(t.rivals, func(a, b twinWindow) int { return b.rate().Cmp(a.rate()) })
}

// peakEnergy is the peak's energy over a demand interval, to the nearest quantum.
func (t *twin) peakEnergy() *big.Int {
	if len(t.rivals) == 0 {
		return new(big.Int)
	}
	n := new(big.Int).Mul(t.rivals[0].energy, big.NewInt(2*int64(t.config.Interval)))
	d := big.NewInt(int64(t.rivals[0].over))
	return n.Add(n, d).Quo(n, d.Lsh(d, 1))
}

func (t *twin) resetAt(at acquire.Instant, cause demand.Cause) error {
	last, before := t.causes[cause]
	switch {
	case at == 0 || t.start != 0 && at < t.known || t.reset != 0 && at <= t.reset:
		t.counts.Rejected++
		return demand.ErrResetTime
	case before && at.Sub(last) < t.config.Lockout:
		t.counts.LockedOut++
		return demand.ErrLockedOut
	}
	t.cumulative.Add(t.cumulative, t.peakEnergy())
	t.rivals = nil
	t.reset, t.begun, t.causes[cause] = at, at, at
	t.resets++
	return nil
}
