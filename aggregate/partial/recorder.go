package partial

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// RecorderConfig says how a Recorder cuts a series into parts.
type RecorderConfig struct {
	// Series is its name. Required.
	Series string
	// Plan is how it is metered. Required.
	Plan *aggregate.Plan
	// Length is that of a stretch, cut on the clock of UTC, 1 s to 24 h; 0: 24 h.
	Length time.Duration
}

// maxLength is that of the longest stretch: no end of one is out of the range of times.
const maxLength = 24 * time.Hour

// The times that package aggregate takes, see aggregate.Counts.
const (
	soonest = acquire.Instant(48 * time.Hour)
	latest  = math.MaxInt64 - soonest
)

// Recorder makes parts of the samples of one series and writes them, each as soon as it
// is over. The first begins with the first sample, the others where the one before
// ends; a part ends on the grid of Config.Length, or goes on to the next sample's
// stretch if there is none for longer. What the end of the process cuts off is missing,
// and the next Recorder's parts show that.
//
// A Recorder belongs to one goroutine at a time.
type Recorder struct {
	cfg    RecorderConfig
	length acquire.Instant
	out    *Writer
	shard  *aggregate.Shard
	from   acquire.Instant // 0: nothing has begun
	to     acquire.Instant
	late   uint64
	closed bool
}

// NewRecorder returns a Recorder to w. The error joins every fault.
func NewRecorder(w *Writer, cfg RecorderConfig) (*Recorder, error) {
	var faults []error
	if w == nil {
		faults = append(faults, errors.New("partial: nothing to write to"))
	}
	if cfg.Series == "" {
		faults = append(faults, errors.New("partial: Series is missing"))
	}
	if cfg.Length == 0 {
		cfg.Length = 24 * time.Hour
	}
	if cfg.Length < time.Second || cfg.Length > maxLength {
		faults = append(faults, fmt.Errorf("partial: Length %v is not within 1 s and %v", cfg.Length, maxLength))
	}
	r := &Recorder{cfg: cfg, length: acquire.Instant(cfg.Length), out: w}
	if cfg.Plan == nil {
		faults = append(faults, errors.New("partial: Plan is missing"))
	} else if shard, err := aggregate.NewShard(cfg.Plan); err != nil {
		faults = append(faults, fmt.Errorf("partial: %s: %w", cfg.Series, err))
	} else {
		r.shard = shard
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return r, nil
}

// Push takes the value v, in the unit of the plan, that was measured at t. The error is
// that of writing the part before, which is lost; the sample is taken all the same.
func (r *Recorder) Push(t acquire.Instant, v float64, q acquire.Quality) error {
	ok, err := r.admit(t)
	if ok {
		r.shard.Push(t, v, q)
	}
	return err
}

// PushCount takes a whole number, such as the reading of a register, exactly. The error
// is that of Push.
func (r *Recorder) PushCount(t acquire.Instant, n uint64, q acquire.Quality) error {
	ok, err := r.admit(t)
	if ok {
		r.shard.PushCount(t, n, q)
	}
	return err
}

// Late returns how many samples were dropped because their part was written before a
// sample of the present one had come. Others that are late are counted by the Shard.
func (r *Recorder) Late() uint64 { return r.late }

// admit sees to it that the open part is that of t, and tells whether the sample is
// one for it.
func (r *Recorder) admit(t acquire.Instant) (ok bool, err error) {
	if r.closed {
		return false, ErrClosed
	}
	if t < soonest || t > latest {
		return true, nil // taken for no time, and counted as such by the Shard
	}
	if r.from == 0 {
		r.begin(t)
	}
	if t >= r.to {
		end := t - t%r.length
		err = r.write(end)
		r.begin(end)
	}
	if t < r.from {
		if first, _ := r.shard.Span(); first == 0 {
			r.late++
			return false, err
		}
	}
	return true, err
}

// begin begins a part.
func (r *Recorder) begin(from acquire.Instant) {
	r.from, r.to = from, from-from%r.length+r.length
}

// ErrClosed is returned by a Recorder after Close.
var ErrClosed = errors.New("partial: closed")

// write writes the open part, which ends at to, and takes a fresh Shard.
func (r *Recorder) write(to acquire.Instant) error {
	shard := r.shard
	var err error
	if r.shard, err = aggregate.NewShard(r.cfg.Plan); err != nil {
		return fmt.Errorf("partial: %s: %w", r.cfg.Series, err) // cannot be: it was made before
	}
	p, err := NewPart(r.cfg.Series, r.from, to, shard)
	if err != nil {
		return err
	}
	if err := r.out.Part(p); err != nil {
		return err
	}
	return r.out.Flush()
}

// Close writes the open part, which ends just after its last sample. It is idempotent,
// and does not close the Writer.
func (r *Recorder) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	_, last := r.shard.Span()
	if r.from == 0 || last == 0 {
		return nil
	}
	return r.write(last + 1)
}
