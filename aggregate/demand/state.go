package demand

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// ErrState means that a saved state is cut, altered, of another version, or of
// another configuration. The receiver is unchanged.
var ErrState = errors.New("demand: not a saved state of this configuration")

// Each state begins with a byte that says what it is of and in which version, and
// with the configuration.
const (
	registerState = 0x11
	thermalState  = 0x21
	groupState    = 0x31
)

// AppendBinary appends the complete state to dst; it fails never. A Register of
// the same configuration that takes it up with UnmarshalBinary goes on as this one
// would, to the bit. It implements encoding.BinaryAppender and allocates only to
// grow dst.
func (r *Register) AppendBinary(dst []byte) ([]byte, error) {
	w := writer(dst)
	w.header(r)
	w.counts(&r.counts)
	w.bool(r.started)
	w.instant(r.known)
	w.subinterval(&r.sub)
	w.uint(uint64(r.held))
	for i := range r.held {
		w.subinterval(r.at(i))
	}
	w.duration(r.silent)
	w.uint(uint64(r.power.n))
	for _, at := range r.power.at[:r.power.n] {
		w.instant(at)
	}
	w.window(&r.last)
	w.instant(r.begun)
	w.instant(r.reset)
	w.uint(r.resets)
	for _, at := range r.causes {
		w.instant(at)
	}
	w.energy(r.cumulative)
	w.uint(uint64(len(r.highest)))
	for i := range r.highest {
		w.window(&r.highest[i])
	}
	return w, nil
}

// MarshalBinary returns the complete state, as AppendBinary does.
func (r *Register) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

// UnmarshalBinary takes up a state saved by a Register of the same configuration.
// It does not keep data. The error wraps ErrState, and leaves r as it was.
func (r *Register) UnmarshalBinary(data []byte) error {
	n, err := NewRegister(r.config)
	if err != nil {
		return errors.Join(ErrState, err) // made without NewRegister
	}
	var head writer
	head.header(n)
	rest, ok := bytes.CutPrefix(data, head)
	if !ok {
		return ErrState
	}
	in := reader{data: rest, quantity: n.config.Quantity}
	n.counts = in.counts()
	n.started = in.bool()
	n.known = in.instant()
	n.sub = in.subinterval()
	n.held = in.len(n.config.Subintervals)
	for i := range n.held {
		n.ring[i] = in.subinterval()
	}
	n.silent = in.duration()
	n.power.n = in.len(maxOutages)
	for i := range n.power.n {
		n.power.at[i] = in.instant()
	}
	n.last = in.window()
	n.begun, n.reset, n.resets = in.instant(), in.instant(), in.uint()
	for i := range n.causes {
		n.causes[i] = in.instant()
	}
	n.cumulative = in.energy()
	n.highest = n.highest[:in.len(n.config.Highest)]
	for i := range n.highest {
		n.highest[i] = in.window()
	}
	if err := in.end(); err != nil {
		return err
	}
	if what := n.fault(); what != "" {
		return fmt.Errorf("%w: %s", ErrState, what)
	}
	*r = *n
	return nil
}

// fault says what in a state that was read cannot be.
func (r *Register) fault() string {
	if !r.started {
		if r.known != 0 || r.sub != (subinterval{}) || r.held != 0 || r.silent != 0 || r.last != (Window{}) || len(r.highest) != 0 {
			return "data before the start"
		}
	} else {
		start, end := r.grid.around(r.known)
		if !inHorizon(r.known) || r.sub.start != start || r.sub.end != end || !fills(r.sub.coverage, r.known.Sub(start)) {
			return "open sub-interval off the grid"
		}
		next := start
		for i := r.held - 1; i >= 0; i-- {
			s := r.at(i)
			if s.end != next || s.start >= s.end || s.end.Sub(s.start) > r.step || !fills(s.coverage, s.end.Sub(s.start)) {
				return "sub-intervals with holes"
			}
			next = s.start
		}
	}
	if slices.ContainsFunc(r.power.at[:r.power.n], func(at acquire.Instant) bool { return !inHorizon(at) }) {
		return "power came back at no time"
	}
	if r.silent < 0 || r.counts.Unobserved < 0 {
		return "negative time"
	}
	if r.resets == 0 != (r.reset == 0) {
		return "resets without a time"
	}
	for _, at := range r.causes {
		if at != 0 && (r.reset == 0 || at > r.reset) {
			return "a reset after the last"
		}
	}
	for i := range r.highest {
		w := &r.highest[i]
		if !w.rivals() || i > 0 && r.highest[i-1].Demand.Cmp(w.Demand) < 0 || w.Demand.over > r.config.Interval {
			return "peaks out of order"
		}
	}
	if r.last.Demand.over > r.config.Interval {
		return "a window longer than the interval"
	}
	return ""
}

// fills reports whether the parts of c add up to length.
func fills(c aggregate.Coverage, length time.Duration) bool {
	return length == 0 && c == (aggregate.Coverage{}) || length > 0 && c != (aggregate.Coverage{}) && fits(c, length)
}

// writer appends the binary form: integers of 64 bits, most significant byte
// first.
type writer []byte

func (w *writer) uint(x uint64)             { *w = binary.BigEndian.AppendUint64(*w, x) }
func (w *writer) instant(t acquire.Instant) { w.uint(uint64(t)) }
func (w *writer) duration(d time.Duration)  { w.uint(uint64(d)) }
func (w *writer) float(x float64)           { w.uint(math.Float64bits(x)) }
func (w *writer) energy(e aggregate.Energy) { hi, lo := e.Quanta(); w.uint(hi); w.uint(lo) }
func (w *writer) coverage(c aggregate.Coverage) {
	w.duration(c.Good)
	w.duration(c.Uncertain)
	w.duration(c.Missing)
}

func (w *writer) bool(b bool) {
	if b {
		*w = append(*w, 1)
	} else {
		*w = append(*w, 0)
	}
}

func (w *writer) string(s string) {
	w.uint(uint64(len(s)))
	*w = append(*w, s...)
}

func (w *writer) subinterval(s *subinterval) {
	w.instant(s.start)
	w.instant(s.end)
	w.energy(s.p)
	w.energy(s.q)
	w.coverage(s.coverage)
	w.uint(uint64(s.flags))
}

func (w *writer) window(v *Window) {
	w.instant(v.Start)
	w.instant(v.End)
	w.energy(v.Demand.amount)
	w.duration(v.Demand.over)
	w.coverage(v.Coverage)
	w.uint(uint64(v.Flags))
}

func (w *writer) counts(c *Counts) {
	for _, n := range [...]uint64{c.Windows, c.Unknown, c.Forgiven, c.Stale, c.Rejected, c.Late, c.Misaligned, c.Outages, c.LockedOut} {
		w.uint(n)
	}
	w.duration(c.Unobserved)
}

// header writes the configuration, but for the lockout, which says nothing about
// the state.
func (w *writer) header(r *Register) {
	*w = append(*w, registerState, byte(r.config.Quantity), byte(r.config.Incomplete))
	w.duration(r.config.Interval)
	w.uint(uint64(r.config.Subintervals))
	w.duration(r.config.Offset)
	w.duration(r.config.Outage)
	w.duration(r.config.Forgiveness)
	w.uint(uint64(r.config.Highest))
	zone := ""
	if r.config.In != nil {
		zone = r.config.In.String()
	}
	w.string(zone)
}

// reader reads what writer wrote. After a fault it gives zeros; end tells.
type reader struct {
	data     []byte
	quantity Quantity
	failed   bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.data) {
		r.failed, r.data = true, nil
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) uint() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) instant() acquire.Instant { return acquire.Instant(r.uint()) }
func (r *reader) duration() time.Duration  { return time.Duration(r.uint()) }
func (r *reader) float() float64           { return math.Float64frombits(r.uint()) }

func (r *reader) bool() bool {
	b := r.take(1)
	if b == nil {
		return false
	}
	r.failed = r.failed || b[0] > 1
	return b[0] == 1
}

// len reads a length of at most limit.
func (r *reader) len(limit int) int {
	n := r.uint()
	if n > uint64(limit) {
		r.failed = true
		return 0
	}
	return int(n)
}

func (r *reader) energy() aggregate.Energy {
	hi, lo := r.uint(), r.uint()
	r.failed = r.failed || hi == 1<<63 && lo == 0
	return aggregate.EnergyOf(hi, lo)
}

func (r *reader) coverage() aggregate.Coverage {
	return aggregate.Coverage{Good: r.duration(), Uncertain: r.duration(), Missing: r.duration()}
}

func (r *reader) flags() Flags {
	f := r.uint()
	r.failed = r.failed || f > uint64(allFlags)
	return Flags(f)
}

func (r *reader) subinterval() subinterval {
	return subinterval{r.instant(), r.instant(), part{r.energy(), r.energy(), r.coverage(), r.flags()}}
}

func (r *reader) window() Window {
	w := Window{Start: r.instant(), End: r.instant()}
	w.Demand.amount, w.Demand.over = r.energy(), r.duration()
	w.Coverage, w.Flags = r.coverage(), r.flags()
	if w.Demand.Known() {
		w.Demand.quantity = r.quantity
	}
	ordered := inHorizon(w.Start) && inHorizon(w.End) && w.Start < w.End && fits(w.Coverage, w.End.Sub(w.Start))
	r.failed = r.failed || w != (Window{}) && !ordered || w.Demand.over < 0 || !w.Demand.Known() && w.Demand != (Power{})
	return w
}

func (r *reader) counts() (c Counts) {
	for _, n := range [...]*uint64{&c.Windows, &c.Unknown, &c.Forgiven, &c.Stale, &c.Rejected, &c.Late, &c.Misaligned, &c.Outages, &c.LockedOut} {
		*n = r.uint()
	}
	c.Unobserved = r.duration()
	return c
}

// end reports what went wrong, and data that nobody asked for.
func (r *reader) end() error {
	if r.failed || len(r.data) != 0 {
		return ErrState
	}
	return nil
}
