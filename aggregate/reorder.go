package aggregate

import (
	"encoding"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// DefaultReorderSize is how many samples of one point wait at most, where
// nothing is said.
const DefaultReorderSize = 8

// DefaultMaxAhead is how far ahead of its arrival a sample may be stamped, where
// nothing is said. One that a device with a wrong clock stamps a day ahead would
// make all others of the day late.
const DefaultMaxAhead = time.Hour

// maxReorderSize bounds the memory of one point to 128 KiB.
const maxReorderSize = 4096

// ReorderConfig says what a Reorder puts in order, and how long it waits.
type ReorderConfig struct {
	// Points are put in order, Source.Points as a rule. Samples of all other points
	// pass as they come. The slice is only read.
	Points []acquire.PointID
	// Size is how many samples of one point may wait; 0 = DefaultReorderSize. Where
	// one more comes the oldest goes on before its time.
	Size int
	// Lateness is how much older than the newest of its point a sample may be and
	// still find its place, for as long as watermarks allow; 0 = what waits is
	// released by watermarks alone, or for want of room.
	Lateness time.Duration
	// MaxAhead is how far ahead of Batch.Received a sample may be stamped; 0 =
	// DefaultMaxAhead. Where Received is unknown all are taken.
	MaxAhead time.Duration
	// Corrections says which of two samples of one time and different values counts.
	Corrections CorrectionPolicy
	// PassLate hands on what comes too late, flagged acquire.TimeBackwards, for a
	// Router that revises. Without it such samples are dropped, and counted.
	PassLate bool
}

// CorrectionPolicy says which of two samples of one point and time counts, where
// their values or severities differ.
type CorrectionPolicy uint8

// The policies.
const (
	FirstWins CorrectionPolicy = iota // what came first stands
	LastWins                          // what came last replaces it, unless it went on already
)

// String returns the policy's name in lower case.
func (p CorrectionPolicy) String() string {
	switch p {
	case FirstWins:
		return "first wins"
	case LastWins:
		return "last wins"
	}
	return fmt.Sprintf("correction policy %d", uint8(p))
}

// ReorderCounts are the events of a Reorder since it was made.
type ReorderCounts struct {
	Samples     uint64 // handed on, in order
	Reordered   uint64 // of those, the ones that came out of order
	Late        uint64 // too late to be put in order: dropped, or passed on by PassLate
	Duplicates  uint64 // equal to another of that time: dropped
	Corrections uint64 // different from another of that time: one of the two dropped
	Overflows   uint64 // handed on before their time for want of room
	Ahead       uint64 // samples and watermarks stamped too far ahead: dropped
}

// Reorder puts the samples of each point in order of time, between a stream and
// a Router. It holds a sample back until a watermark, or Lateness, says that no
// older one will come; it is for sources that break the order that a stream
// promises, and for points that are fed from several streams.
//
// A sample of bad quality at the time of one with a value is no correction but
// says that the value was lost then: both go on, the value first. The flag
// TimeBackwards is taken from what is in order now. Where a sample is dropped its
// flag Overflow goes on with the next, and so does Discontinuity unless that was
// told already, is older than what went on, or came with a value that a correction
// took back.
//
// A Reorder belongs to one goroutine at a time. All memory that waiting needs is
// allocated by NewReorder; the zero Reorder passes everything.
type Reorder struct {
	lanes    []lane
	slab     []acquire.Sample // size for each lane
	byPoint  []uint32         // lane plus one, by PointID
	size     int
	lateness acquire.Instant
	maxAhead uint64
	lastWins bool
	passLate bool
	identity uint64 // fingerprint of the configuration
	counts   ReorderCounts
	out      acquire.Batch
}

// lane is the waiting samples of one point: a ring in the slab, sorted.
type lane struct {
	head, n int32
	pending acquire.Quality // flags of what was dropped
	floor   acquire.Instant // all before is gone
	newest  acquire.Instant
	gone    acquire.Sample // handed on last
}

// NewReorder returns a Reorder. The error joins every fault of the configuration.
func NewReorder(c ReorderConfig) (*Reorder, error) {
	if c.Size == 0 {
		c.Size = DefaultReorderSize
	}
	if c.MaxAhead == 0 {
		c.MaxAhead = DefaultMaxAhead
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("aggregate: reorder: "+format, args...))
	}
	if len(c.Points) == 0 {
		fault("no points")
	}
	if c.Size < 0 || c.Size > maxReorderSize {
		fault("size %d is not within 1 and %d", c.Size, maxReorderSize)
	}
	if c.Lateness < 0 {
		fault("lateness %v is negative", c.Lateness)
	}
	if c.MaxAhead < 0 {
		fault("longest time ahead %v is negative", c.MaxAhead)
	}
	if c.Corrections > LastWins {
		fault("unknown %v", c.Corrections)
	}
	last := acquire.PointID(0)
	for _, p := range c.Points {
		if p == 0 {
			fault("point 0 is none")
		}
		last = max(last, p)
	}
	r := &Reorder{
		size: c.Size, lateness: acquire.Instant(c.Lateness), maxAhead: uint64(c.MaxAhead),
		lastWins: c.Corrections == LastWins, passLate: c.PassLate,
		byPoint:  make([]uint32, int(last)+1),
		identity: fingerprint("reorder", c),
	}
	for _, p := range c.Points {
		if r.byPoint[p] != 0 {
			fault("point %d is given twice", p)
		}
		r.lanes = append(r.lanes, lane{floor: soonest})
		r.byPoint[p] = uint32(len(r.lanes))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	r.slab = make([]acquire.Sample, len(r.lanes)*c.Size)
	return r, nil
}

// Observe takes one batch and returns the batch of what is in order now. That
// belongs to r, and is valid until the next call; texts in it are copies. Its
// watermark holds for it as that of b does for b.
//
// Samples without a time, or with one that a Router does not take, and those
// with texts pass at once.
func (r *Reorder) Observe(b *acquire.Batch) *acquire.Batch {
	out := &r.out
	out.Reset()
	out.Received, out.Lost = b.Received, b.Lost
	for i := range b.Samples {
		s := &b.Samples[i]
		if s.Point >= acquire.PointID(len(r.byPoint)) || r.byPoint[s.Point] == 0 {
			r.pass(b, s)
			continue
		}
		if r.ahead(s.Time, b.Received) {
			r.counts.Ahead++
			continue
		}
		if s.Time < soonest || s.Time > latest || s.Value.Kind() == acquire.KindText {
			r.pass(b, s)
			continue
		}
		r.take(int(r.byPoint[s.Point])-1, s)
	}
	if b.Watermark == 0 {
		return out
	}
	if r.ahead(b.Watermark, b.Received) {
		r.counts.Ahead++
		return out
	}
	out.Watermark, out.Points = b.Watermark, b.Points
	for _, p := range b.Points {
		if p >= acquire.PointID(len(r.byPoint)) || r.byPoint[p] == 0 {
			continue
		}
		i := int(r.byPoint[p]) - 1
		l := &r.lanes[i]
		l.floor = max(l.floor, b.Watermark)
		for l.n > 0 && r.slab[i*r.size+int(l.head)].Time < b.Watermark {
			r.release(i)
		}
	}
	return out
}

// Flush returns everything that still waits, at the end of all data or before a
// pause, as Observe does.
func (r *Reorder) Flush() *acquire.Batch {
	r.out.Reset()
	for i := range r.lanes {
		for r.lanes[i].n > 0 {
			r.release(i)
		}
	}
	return &r.out
}

// Counts returns what has happened so far.
func (r *Reorder) Counts() ReorderCounts { return r.counts }

// Waiting returns how many samples wait now.
func (r *Reorder) Waiting() int {
	n := 0
	for i := range r.lanes {
		n += int(r.lanes[i].n)
	}
	return n
}

func (r *Reorder) ahead(t, received acquire.Instant) bool {
	return received != 0 && t > received && r.lanes != nil && uint64(t-received) > r.maxAhead
}

// pass hands s of b on as it is.
func (r *Reorder) pass(b *acquire.Batch, s *acquire.Sample) {
	r.out.Append(*s)
	if text, ok := b.Text(s.Value); ok {
		if v, ok := r.out.PutText(text); ok {
			r.out.Samples[len(r.out.Samples)-1].Value = v
		}
	}
}

// The flags that say something of the time before a sample, and so outlive it.
const outlives = acquire.Overflow | acquire.Discontinuity

// sequence compares the places of a and b in time.
func sequence(a, b *acquire.Sample) int {
	lost := func(s *acquire.Sample) int {
		if s.Quality.IsBad() {
			return 1
		}
		return 0
	}
	switch {
	case a.Time < b.Time:
		return -1
	case a.Time > b.Time:
		return 1
	}
	return lost(a) - lost(b)
}

// agree reports whether two samples of one place say the same.
func agree(a, b *acquire.Sample) bool {
	return a.Quality.Severity() == b.Quality.Severity() && (a.Quality.IsBad() || a.Value == b.Value)
}

// slot returns the place of the nth sample that waits in lane i.
func (r *Reorder) slot(i, n int) *acquire.Sample {
	if n += int(r.lanes[i].head); n >= r.size {
		n -= r.size
	}
	return &r.slab[i*r.size+n]
}

// take puts s into lane i.
func (r *Reorder) take(i int, s *acquire.Sample) {
	l := &r.lanes[i]
	if s.Time <= l.gone.Time && sequence(s, &l.gone) == 0 && agree(s, &l.gone) {
		r.counts.Duplicates++
		l.pending |= s.Quality &^ l.gone.Quality & acquire.Quality(0).With(outlives)
		return
	}
	if s.Time < l.floor || s.Time == l.gone.Time && sequence(s, &l.gone) <= 0 {
		r.late(l, s)
		return
	}
	at := int(l.n)
	for at > 0 && r.slot(i, at-1).Time >= s.Time && sequence(r.slot(i, at-1), s) > 0 {
		at--
	}
	if at > 0 && sequence(r.slot(i, at-1), s) == 0 {
		r.meet(r.slot(i, at-1), s)
		return
	}
	if at < int(l.n) {
		r.counts.Reordered++
	}
	if int(l.n) == r.size {
		r.counts.Overflows++
		if at == 0 {
			r.emit(l, s)
			return
		}
		r.release(i)
		at--
	}
	for n := int(l.n); n > at; n-- {
		*r.slot(i, n) = *r.slot(i, n-1)
	}
	*r.slot(i, at) = *s
	l.n++
	l.newest = max(l.newest, s.Time)
	if r.lateness == 0 {
		return
	}
	for l.n > 0 && r.slot(i, 0).Time <= l.newest-r.lateness {
		r.release(i)
	}
}

// meet settles between s and another sample of its place, that waits.
func (r *Reorder) meet(waits, s *acquire.Sample) {
	flags := (waits.Quality | s.Quality) & acquire.Quality(0).With(acquire.Overflow)
	if agree(waits, s) {
		r.counts.Duplicates++
		flags = (waits.Quality | s.Quality) & acquire.Quality(0).With(outlives)
	} else {
		r.counts.Corrections++
		if r.lastWins {
			*waits = *s
		}
	}
	waits.Quality |= flags
}

// late takes a sample that is too late to be put in order.
func (r *Reorder) late(l *lane, s *acquire.Sample) {
	r.counts.Late++
	if r.passLate {
		r.out.Append(*s)
		q := &r.out.Samples[len(r.out.Samples)-1].Quality
		*q = q.With(acquire.TimeBackwards)
		return
	}
	flags := acquire.Overflow
	if s.Time > l.gone.Time || s.Quality.Has(acquire.TimeBackwards) {
		flags = outlives // a register that started anew before l.gone did so in time
	}
	l.pending |= s.Quality & acquire.Quality(0).With(flags)
}

// release hands on the oldest sample that waits in lane i.
func (r *Reorder) release(i int) {
	l := &r.lanes[i]
	s := r.slot(i, 0)
	l.n--
	if l.head++; int(l.head) == r.size {
		l.head = 0
	}
	r.emit(l, s)
}

// emit hands s on, which is after all that went before it.
func (r *Reorder) emit(l *lane, s *acquire.Sample) {
	l.gone = *s
	l.gone.Quality = s.Quality&^acquire.Quality(0).With(acquire.TimeBackwards) | l.pending
	l.pending = 0
	l.floor = max(l.floor, s.Time)
	r.out.Samples = append(r.out.Samples, l.gone)
	r.counts.Samples++
}

var (
	_ encoding.BinaryAppender    = (*Reorder)(nil)
	_ encoding.BinaryMarshaler   = (*Reorder)(nil)
	_ encoding.BinaryUnmarshaler = (*Reorder)(nil)
)

// AppendBinary appends the complete state to dst, the samples that wait included:
// what restored goes on as if nothing had happened. It does not allocate where dst
// has room. The error is nil.
func (r *Reorder) AppendBinary(dst []byte) ([]byte, error) {
	from := len(dst)
	k := beginState(dst, reorderState, r.identity)
	r.fields(&k)
	return k.end(from), nil
}

// MarshalBinary returns the state as AppendBinary does.
func (r *Reorder) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

// UnmarshalBinary restores a state of a Reorder of the same configuration. The error
// wraps ErrState or ErrOtherConfiguration, and r is unchanged then. It keeps nothing
// of data.
func (r *Reorder) UnmarshalBinary(data []byte) error {
	k, err := openState(data, reorderState, r.identity)
	if err != nil {
		return err
	}
	next := *r
	next.lanes, next.slab = slices.Clone(r.lanes), make([]acquire.Sample, len(r.slab))
	next.fields(&k)
	if err := k.closed(); err != nil {
		return err
	}
	*r = next
	return nil
}

// fields lists the state of all lanes.
func (r *Reorder) fields(k *codec) {
	for _, n := range [...]*uint64{
		&r.counts.Samples, &r.counts.Reordered, &r.counts.Late, &r.counts.Duplicates, &r.counts.Corrections, &r.counts.Overflows, &r.counts.Ahead,
	} {
		word(k, n)
	}
	for i := range r.lanes {
		if k.failed {
			return
		}
		l := &r.lanes[i]
		n := uint32(l.n)
		short(k, &n)
		if k.require(n <= uint32(r.size)); k.failed {
			return
		}
		if k.reading {
			l.head, l.n = 0, int32(n)
		}
		short(k, &l.pending)
		k.instant(&l.floor)
		k.instant(&l.newest)
		k.sample(&l.gone)
		k.require(l.floor >= soonest && l.floor <= latest && l.floor >= l.gone.Time)
		before := &l.gone
		for j := range int(n) {
			s := r.slot(i, j)
			k.sample(s)
			k.require(s.Point < acquire.PointID(len(r.byPoint)) && int(r.byPoint[s.Point]) == i+1)
			k.require(s.Time >= l.floor && s.Time <= l.newest && s.Time <= latest && sequence(before, s) < 0)
			if k.failed {
				return
			}
			before = s
		}
	}
}
