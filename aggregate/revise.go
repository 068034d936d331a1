package aggregate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
)

// Revisions says how much of the past a Reviser can go back to.
type Revisions struct {
	// Intervals is how many closed intervals of a meter stay open to revision; 0 =
	// DefaultRevisedIntervals.
	Intervals int
	// Samples is how many samples of a meter are kept for that; 0 =
	// DefaultRevisedSamples. It takes 32 bytes each, twice. Where there are more than
	// fit, fewer intervals stay open: the samples of a day at one a second are 86,400.
	Samples int
	// Corrections says which of two samples of one point and time counts, where they
	// differ.
	Corrections CorrectionPolicy
}

// What a Reviser keeps of each meter, where nothing is said.
const (
	DefaultRevisedIntervals = 8
	DefaultRevisedSamples   = 4096
)

// The bounds of Revisions.
const (
	maxRevisedIntervals = 1 << 16
	maxRevisedSamples   = 1 << 24
)

// RevisionCounts are the events of one meter of a Reviser since it began, beside
// those of its Totals.
type RevisionCounts struct {
	Inserted    uint64 // late samples that found their place
	Corrections uint64 // samples that came again with another value
	Revisions   uint64 // intervals handed out again
	Replays     uint64 // times that the past was worked out anew
	Shortened   uint64 // times that samples left for want of room before their intervals did
}

// Reviser is a Router that takes late samples. It keeps the last closed intervals
// of each meter, their samples, and the state before them. A late sample, or a
// correction, goes to its place among them, the time since is worked out anew,
// and each interval that comes out different is handed out again, flagged Revised
// and with the next Revision. It then stands for all of its time: where a long
// silence was told as one, the intervals that replace it are revised too.
//
// What is older than the intervals kept, and older than what their energy depends
// on, is counted as late and dropped, as a Router does with all that is late.
// Revised results are those of a Router that got all samples in order.
//
// In steady state it allocates nothing, and takes each sample twice. It belongs to
// one goroutine at a time. Make one with NewReviser.
type Reviser struct {
	meters  []revised
	byPoint [][]int // meters by PointID
	byName  map[string]int
	buffer  []Interval

	identity uint64 // fingerprint of the configuration
}

// revised is one meter of a Reviser.
type revised struct {
	live *Router // all that came
	base *Router // what is not to be revised any more
	keep Revisions

	log   []acquire.Sample // what base has not taken, in order of time, from head on
	head  int
	swaps []revisedSwap   // the same of changes
	floor acquire.Instant // base has taken all before it
	told  []Interval      // handed out, and not closed in base

	dirty  bool // the log has more than live has taken
	counts RevisionCounts
	list   []Interval // of the Router that works
	batch  acquire.Batch
}

// revisedSwap is a change that base has not taken.
type revisedSwap struct {
	Swap
	sampled bool // samples at its time are of what was before
}

// NewReviser returns a Reviser for meters whose points are in c. It allocates all
// memory that pushing needs, the slices of intervals apart. The error joins every
// fault.
func NewReviser(c *acquire.Catalog, keep Revisions, meters ...Metering) (*Reviser, error) {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("aggregate: reviser: "+format, args...))
	}
	if keep.Intervals < 0 || keep.Intervals > maxRevisedIntervals {
		fault("%d intervals kept is not within 1 and %d", keep.Intervals, maxRevisedIntervals)
	}
	if keep.Samples < 0 || keep.Samples > maxRevisedSamples {
		fault("%d samples kept is not within 1 and %d", keep.Samples, maxRevisedSamples)
	}
	if keep.Corrections > LastWins {
		fault("unknown %v", keep.Corrections)
	}
	if keep.Intervals == 0 {
		keep.Intervals = DefaultRevisedIntervals
	}
	if keep.Samples == 0 {
		keep.Samples = DefaultRevisedSamples
	}
	if _, err := NewRouter(c, meters...); err != nil {
		faults = append(faults, err)
	}
	if len(faults) != 0 {
		return nil, errors.Join(faults...)
	}
	r := &Reviser{meters: make([]revised, len(meters)), byPoint: make([][]int, c.Len()+1), byName: map[string]int{}}
	configuration := []any{"reviser", keep}
	for i, m := range meters {
		live, err := NewRouter(c, m)
		base, again := NewRouter(c, m)
		if err := errors.Join(err, again); err != nil {
			return nil, err
		}
		r.meters[i] = revised{
			live: live, base: base, keep: keep, floor: soonest,
			log:   make([]acquire.Sample, 0, 2*keep.Samples),
			told:  make([]Interval, 0, keep.Intervals+len(live.meters[0].ring)+2*silentBlocks),
			list:  make([]Interval, 0, silentBlocks),
			batch: acquire.Batch{Samples: make([]acquire.Sample, 0, 1)},
		}
		r.byName[m.Name] = i
		configuration = append(configuration, live.identity)
		for id, ref := range live.routes {
			if ref != 0 {
				r.byPoint[id] = append(r.byPoint[id], i)
			}
		}
	}
	r.identity = fingerprint(configuration...)
	return r, nil
}

// Observe takes one batch and returns the intervals that it closed or revised,
// oldest first. The slice belongs to r and is valid until the next call.
func (r *Reviser) Observe(b *acquire.Batch) []Interval {
	r.buffer = r.AppendIntervals(r.buffer[:0], b)
	return r.buffer
}

// AppendIntervals is Observe into memory of the caller: it appends to dst.
func (r *Reviser) AppendIntervals(dst []Interval, b *acquire.Batch) []Interval {
	from := len(dst)
	for i := range b.Samples {
		s := &b.Samples[i]
		for _, m := range r.feeds(s.Point) {
			dst = r.meters[m].take(dst, s, b.Received)
		}
	}
	for _, id := range b.Points {
		for _, m := range r.feeds(id) {
			dst = r.meters[m].pass(dst, id, b.Watermark, b.Received)
		}
	}
	return r.finish(dst, from)
}

// Tick takes a watermark for all points, as Router.Tick does, and appends the
// intervals that this decides to dst.
func (r *Reviser) Tick(dst []Interval, watermark acquire.Instant) []Interval {
	from := len(dst)
	for id := range r.byPoint {
		for _, m := range r.byPoint[id] {
			dst = r.meters[m].pass(dst, acquire.PointID(id), watermark, 0)
		}
	}
	return r.finish(dst, from)
}

// Swap is Router.Swap. The time of the change must still be after all samples of
// its point, and among the intervals that are kept.
func (r *Reviser) Swap(dst []Interval, s Swap) ([]Interval, error) {
	from := len(dst)
	meters := r.feeds(s.Point)
	if len(meters) == 0 {
		return dst, fmt.Errorf("aggregate: swap: point %d feeds no meter", s.Point)
	}
	var faults []error
	for _, m := range meters {
		v := &r.meters[m]
		if _, err := v.live.planSwaps(&s); err != nil {
			faults = append(faults, err)
		} else if s.At < v.floor {
			faults = append(faults, fmt.Errorf("aggregate: swap: time %v is before %v, from which on %s is kept", s.At.Time(), v.floor.Time(), v.live.meters[0].name))
		}
	}
	if len(faults) != 0 {
		return dst, errors.Join(faults...)
	}
	for _, m := range meters {
		v := &r.meters[m]
		sampled := v.live.channel(v.live.routes[s.Point]).last == s.At
		list, err := v.live.Swap(v.list[:0], s)
		if err != nil {
			return dst, err
		}
		v.opened(s.At)
		v.swaps = append(v.swaps, revisedSwap{s, sampled})
		slices.SortStableFunc(v.swaps, func(a, b revisedSwap) int { return cmp.Compare(a.At, b.At) })
		dst = v.hand(dst, list)
	}
	return r.finish(dst, from), nil
}

// Flush closes all intervals that hold data, as Router.Flush does. Samples that
// come later may still revise them.
func (r *Reviser) Flush(dst []Interval) []Interval {
	from := len(dst)
	for i := range r.meters {
		v := &r.meters[i]
		dst = v.hand(dst, v.live.Flush(v.list[:0]))
	}
	return r.finish(dst, from)
}

// Totals returns the sums of the meter of that name as they are now, revisions
// included, and whether there is one.
func (r *Reviser) Totals(name string) (Totals, bool) {
	i, ok := r.byName[name]
	if !ok {
		return Totals{}, false
	}
	return r.meters[i].live.Totals(name)
}

// Counts returns what was revised of the meter of that name, and whether there is
// one.
func (r *Reviser) Counts(name string) (RevisionCounts, bool) {
	i, ok := r.byName[name]
	if !ok {
		return RevisionCounts{}, false
	}
	return r.meters[i].counts, true
}

// feeds returns the meters that a point feeds.
func (r *Reviser) feeds(id acquire.PointID) []int {
	if id >= acquire.PointID(len(r.byPoint)) {
		return nil
	}
	return r.byPoint[id]
}

// finish works out what is to be, lets go of what is too old to be revised, and
// sorts what was appended since from by time.
func (r *Reviser) finish(dst []Interval, from int) []Interval {
	for i := range r.meters {
		v := &r.meters[i]
		dst = v.replay(dst)
		if n := len(v.told) - v.keep.Intervals; n > 0 && v.told[n].Start > v.floor {
			dst = v.advance(dst, v.told[n].Start)
		}
	}
	older := func(a, b Interval) int { return cmp.Compare(a.End, b.End) }
	if closed := dst[from:]; !slices.IsSortedFunc(closed, older) {
		slices.SortStableFunc(closed, older)
	}
	return dst
}

// opened tells base when live has begun: there is no time before.
func (v *revised) opened(t acquire.Instant) {
	if m := &v.base.meters[0]; !m.open && v.live.meters[0].open {
		v.base.begin(m, t)
		v.floor = m.began
	}
}

// take takes one sample to the log, and to live too if it is the newest of its
// point.
func (v *revised) take(dst []Interval, s *acquire.Sample, received acquire.Instant) []Interval {
	m := &v.live.meters[0]
	v.live.received = received
	switch {
	case s.Time < soonest || s.Time > latest:
		m.counts.Untimed++
		return dst
	case v.live.ahead(m, s.Time):
		m.counts.Ahead++
		return dst
	case s.Time < v.floor:
		m.counts.Late++
		return dst
	}
	one := *s
	one.Quality &^= acquire.Quality(0).With(acquire.TimeBackwards)
	if one.Value.Kind() == acquire.KindText {
		one.Value = acquire.Value{} // no reading, and gone with its batch
	}
	if c := v.live.channel(v.live.routes[s.Point]); v.dirty || s.Time <= c.last || s.Time < max(c.done, c.mark) {
		return v.insert(dst, &one)
	}
	if dst = v.room(dst); one.Time < v.floor {
		m.counts.Late++
		return dst
	}
	v.place(&one)
	v.batch.Received, v.batch.Samples = received, append(v.batch.Samples[:0], one)
	list := v.live.AppendIntervals(v.list[:0], &v.batch)
	v.opened(one.Time)
	return v.hand(dst, list)
}

// insert takes a sample to the log that may be late, or there already.
func (v *revised) insert(dst []Interval, s *acquire.Sample) []Interval {
	for i := v.after(s.Time); i > v.head && v.log[i-1].Time == s.Time; i-- {
		was := &v.log[i-1]
		if was.Point != s.Point || sequence(was, s) != 0 {
			continue
		}
		switch {
		case agree(was, s):
			v.live.meters[0].counts.Duplicates++
		case v.keep.Corrections == LastWins:
			*was = *s
			v.dirty = true
			fallthrough
		default:
			v.counts.Corrections++
		}
		return dst
	}
	if dst = v.room(dst); s.Time < v.floor {
		v.live.meters[0].counts.Late++
		return dst
	}
	v.counts.Inserted++
	v.place(s)
	v.dirty = true
	return dst
}

// after returns where in the log a sample at t goes, which is behind all of that
// time.
func (v *revised) after(t acquire.Instant) int {
	if n := len(v.log); n == v.head || v.log[n-1].Time <= t {
		return n
	}
	i, _ := slices.BinarySearchFunc(v.log[v.head:], t, func(s acquire.Sample, t acquire.Instant) int {
		if s.Time <= t {
			return -1
		}
		return 1
	})
	return v.head + i
}

// place puts s into the log, which has room.
func (v *revised) place(s *acquire.Sample) {
	if len(v.log) == cap(v.log) {
		v.log = v.log[:copy(v.log, v.log[v.head:])]
		v.head = 0
	}
	i := v.after(s.Time)
	for i > v.head && v.log[i-1].Point == s.Point && sequence(&v.log[i-1], s) > 0 {
		i--
	}
	v.log = slices.Insert(v.log, i, *s)
}

// room makes room in the log for one more: base takes a quarter of it.
func (v *revised) room(dst []Interval) []Interval {
	n := len(v.log) - v.head
	if n < v.keep.Samples {
		return dst
	}
	v.counts.Shortened++
	until := v.log[v.head+n/4].Time
	if until == v.log[v.head].Time {
		until++
	}
	return v.advance(dst, until)
}

// pass takes a watermark for one point.
func (v *revised) pass(dst []Interval, id acquire.PointID, watermark, received acquire.Instant) []Interval {
	dst = v.replay(dst)
	r := v.live
	if watermark < soonest || watermark > latest || watermark < r.earliest {
		return dst
	}
	r.out, r.base, r.received = v.list[:0], 0, received
	r.passChannel(r.routes[id], watermark)
	r.passedWhole()
	list := r.finish()
	v.opened(watermark)
	return v.hand(dst, list)
}

// replay works everything since base out anew, if something has come between.
func (v *revised) replay(dst []Interval) []Interval {
	if !v.dirty {
		return dst
	}
	v.dirty = false
	v.counts.Replays++
	r, m := v.live, &v.live.meters[0]
	dropped := m.counts
	var marks, until [slots]acquire.Instant
	for s, ref := range m.refs {
		if c := r.channel(ref); c != nil {
			marks[s], until[s] = c.mark, max(c.mark, c.last)
		}
	}
	r.restore(v.base)
	dst = v.feed(dst, r, v.log[v.head:], v.swaps, &until)
	dst = v.passAll(dst, r, latest, &marks)
	c := &m.counts
	c.Untimed, c.Ahead, c.Late, c.Duplicates = dropped.Untimed, dropped.Ahead, dropped.Late, dropped.Duplicates
	return dst
}

// passAll passes t as a watermark to all channels of r, each up to what until says
// is sure of it.
func (v *revised) passAll(dst []Interval, r *Router, t acquire.Instant, until *[slots]acquire.Instant) []Interval {
	r.out, r.base, r.received = v.list[:0], 0, 0
	for s, ref := range r.meters[0].refs {
		if w := min(t, until[s]); ref != 0 && w >= soonest {
			r.passChannel(ref, w)
		}
	}
	r.passedWhole()
	return v.hand(dst, r.finish())
}

// feed gives samples and changes to a Router, in order of time. Where a block ends a
// watermark says so, lest a channel that falls behind hold up the others.
func (v *revised) feed(dst []Interval, r *Router, samples []acquire.Sample, swaps []revisedSwap, until *[slots]acquire.Instant) []Interval {
	own, m := v.batch.Samples, &r.meters[0]
	v.batch.Received = 0
	for len(samples)+len(swaps) > 0 {
		end, n := acquire.Instant(latest), 0
		if len(samples) > 0 {
			end = m.endOf(samples[0].Time)
		}
		if len(swaps) > 0 {
			change := swaps[0].At
			if swaps[0].sampled {
				change++
			}
			end = min(end, change)
		}
		for n < len(samples) && samples[n].Time < end {
			n++
		}
		if n > 0 {
			dst = v.passAll(dst, r, samples[0].Time, until)
			v.batch.Samples = samples[:n]
			dst = v.hand(dst, r.AppendIntervals(v.list[:0], &v.batch))
			samples = samples[n:]
			continue
		}
		list, err := r.Swap(v.list[:0], swaps[0].Swap)
		if err != nil { // a reading that came since is at odds with the final one
			unknown := swaps[0].Swap
			unknown.Final = acquire.Value{}
			m.counts.BadReadings++
			list, _ = r.Swap(v.list[:0], unknown)
		}
		dst = v.hand(dst, list)
		swaps = swaps[1:]
	}
	v.batch.Samples = own
	return dst
}

// advance lets base take all before until, which ends what can be revised there.
func (v *revised) advance(dst []Interval, until acquire.Instant) []Interval {
	n := v.head
	for n < len(v.log) && v.log[n].Time < until {
		n++
	}
	k := 0
	for k < len(v.swaps) && v.swaps[k].At < until {
		k++
	}
	sure := [slots]acquire.Instant{until, until, until, until, until, until}
	dst = v.feed(dst, v.base, v.log[v.head:n], v.swaps[:k], &sure)
	v.head, v.floor = n, until
	v.swaps = append(v.swaps[:0], v.swaps[k:]...)
	dst = v.passAll(dst, v.base, until, &sure)
	past := v.base.meters[0].start()
	if silence := v.base.meters[0].silence; silence != 0 {
		past = silence // which base will still tell as one
	}
	final := 0
	for final < len(v.told) && v.told[final].End <= past {
		final++
	}
	v.told = slices.Delete(v.told, 0, final)
	return dst
}

// hand hands out what was not handed out before, or not so.
func (v *revised) hand(dst []Interval, list []Interval) []Interval {
	v.list = list[:0]
	for i := range list {
		iv := &list[i]
		first := len(v.told)
		if first > 0 && v.told[first-1].End > iv.Start {
			first, _ = slices.BinarySearchFunc(v.told, iv.Start, func(was Interval, start acquire.Instant) int {
				if was.End <= start {
					return -1
				}
				return 1
			})
		}
		end := first
		for end < len(v.told) && v.told[end].Start < iv.End {
			end++
		}
		if first == end {
			v.told = slices.Insert(v.told, first, *iv)
			dst = append(dst, *iv)
			continue
		}
		was := &v.told[first]
		revision, same := was.Revision, *was
		same.Revision, same.Flags = 0, same.Flags&^Revised
		if end == first+1 && same == *iv {
			continue
		}
		for i := first; i < end; i++ {
			revision = max(revision, v.told[i].Revision)
		}
		iv.Revision, iv.Flags = revision+1, iv.Flags|Revised
		v.counts.Revisions++
		dst = append(dst, *iv)
		// What of a longer one is not replaced yet is still to come.
		rest := v.told[end-1]
		if before := *was; before.Start < iv.Start {
			was.End = iv.Start
			first++
		}
		v.told = slices.Replace(v.told, first, max(first, end), *iv)
		if rest.End > iv.End {
			rest.Start = iv.End
			v.told = slices.Insert(v.told, first+1, rest)
		}
	}
	return dst
}

// passedWhole is passed without a limit.
func (r *Router) passedWhole() {
	for r.passed(); r.behind; r.passed() {
		r.base = len(r.out)
	}
	r.base = 0
}

// restore makes r what from is, which has the same configuration.
func (r *Router) restore(from *Router) {
	copy(r.gauges, from.gauges)
	copy(r.conversions, from.conversions)
	copy(r.gaugeOrigins, from.gaugeOrigins)
	copy(r.counters, from.counters)
	copy(r.counterOrigins, from.counterOrigins)
	for i := range r.meters {
		ring := r.meters[i].ring
		copy(ring, from.meters[i].ring)
		r.meters[i] = from.meters[i]
		r.meters[i].ring, r.meters[i].router = ring, r
	}
	r.earliest, r.moved, r.behind = from.earliest, from.moved, from.behind
}
