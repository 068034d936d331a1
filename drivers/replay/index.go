package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// index says where in the captures the samples of a time are. A capture's own index
// knows arrivals alone. An index does not change any more once it is made.
type index struct {
	shelves []shelf // one for each file
}

// shelf is the index of one file.
type shelf struct {
	size      int64
	modified  time.Time
	report    capture.Report
	stretches []stretch // in the order of the file
	coarse    int       // samples of a stretch, at least, but for the last
}

// stretch is a part of a capture whose batches follow each other.
type stretch struct {
	arrivals span
	times    [4]span // of the samples, the first ones of it in use
	used     int
	samples  int
}

const (
	// fine is how many samples a stretch has in a capture that is not very long.
	fine = 1 << 16
	// maxStretches bounds the memory of a shelf: beyond, stretches are doubled.
	maxStretches = 1 << 14
	// apart is how far off a time is that begins a span of its own.
	apart = acquire.Instant(time.Minute)
)

// indexed returns the index of the captures as they are.
func (s *Source) indexed(ctx context.Context) (*index, error) {
	select { // one goroutine makes it, the others wait
	case s.indexing <- struct{}{}:
		defer func() { <-s.indexing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	x := &index{}
	for i, name := range s.cfg.Files {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		sh := shelf{size: info.Size(), modified: info.ModTime(), coarse: fine}
		if s.index != nil && s.index.shelves[i].size == sh.size && s.index.shelves[i].modified.Equal(sh.modified) {
			x.shelves = append(x.shelves, s.index.shelves[i])
			continue
		}
		if err := sh.fill(ctx, s, name); err != nil {
			return nil, err
		}
		x.shelves = append(x.shelves, sh)
	}
	s.index = x
	return x, nil
}

// fill reads all of a file.
func (sh *shelf) fill(ctx context.Context, s *Source, name string) (err error) {
	r, err := s.reader(name, capture.ReaderConfig{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var b acquire.Batch
	var now stretch
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		arrival, err := r.Arrival()
		if err == nil {
			err = r.Next(&b)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(b.Samples) == 0 {
			continue
		}
		now.add(arrival, b.Samples)
		if now.samples >= sh.coarse {
			sh.put(now)
			now = stretch{}
		}
	}
	if now.samples > 0 {
		sh.put(now)
	}
	sh.report = r.Report()
	return nil
}

// put appends a stretch.
func (sh *shelf) put(st stretch) {
	if len(sh.stretches) == maxStretches {
		half := sh.stretches[:0]
		for i := 0; i+1 < len(sh.stretches); i += 2 {
			pair := sh.stretches[i]
			pair.join(&sh.stretches[i+1])
			half = append(half, pair)
		}
		sh.stretches = half
		sh.coarse *= 2
	}
	sh.stretches = append(sh.stretches, st)
}

// add takes a batch into the stretch.
func (st *stretch) add(arrival acquire.Instant, samples []acquire.Sample) {
	if st.samples == 0 {
		st.arrivals = span{arrival, arrival}
	}
	st.arrivals.earliest, st.arrivals.latest = min(st.arrivals.earliest, arrival), max(st.arrivals.latest, arrival)
	st.samples += len(samples)
	at := 0
	for i := range samples {
		t := samples[i].Time
		if t == 0 {
			continue
		}
		if at >= st.used || t < st.times[at].earliest || t > st.times[at].latest {
			at = st.cover(span{t, t})
		}
	}
}

// cover takes s into the spans of times, and returns into which.
func (st *stretch) cover(s span) int {
	nearest, distance := -1, uint64(math.MaxUint64)
	for i, t := range st.times[:st.used] {
		d := uint64(0) // of two's complement: as far apart as int64 goes
		switch {
		case s.earliest > t.latest:
			d = uint64(s.earliest) - uint64(t.latest)
		case s.latest < t.earliest:
			d = uint64(t.earliest) - uint64(s.latest)
		}
		if nearest < 0 || d < distance {
			nearest, distance = i, d
		}
	}
	if st.used < len(st.times) && (nearest < 0 || distance > uint64(apart)) {
		st.times[st.used] = s
		st.used++
		return st.used - 1
	}
	t := &st.times[nearest]
	t.earliest, t.latest = min(t.earliest, s.earliest), max(t.latest, s.latest)
	return nearest
}

// join takes the stretch after st into it.
func (st *stretch) join(next *stretch) {
	st.arrivals.earliest = min(st.arrivals.earliest, next.arrivals.earliest)
	st.arrivals.latest = max(st.arrivals.latest, next.arrivals.latest)
	st.samples += next.samples
	for _, t := range next.times[:next.used] {
		st.cover(t)
	}
}

// begins returns the earliest time of a sample that st may have from an instant on and
// before another, when times are moved by shift; false if it has none.
func (st *stretch) begins(from, to acquire.Instant, shift time.Duration) (first acquire.Instant, ok bool) {
	for _, t := range st.times[:st.used] {
		earliest, latest := t.earliest.Add(shift), t.latest.Add(shift)
		if earliest > latest { // they wrap around
			return from, true
		}
		if latest < from || earliest >= to {
			continue
		}
		if earliest = max(earliest, from); !ok || earliest < first {
			first, ok = earliest, true
		}
	}
	return first, ok
}

// window returns an end for a window from an instant on, at most to, so that about as
// many samples are in it as can be kept.
func (x *index) window(from, to acquire.Instant, shift time.Duration) acquire.Instant {
	type piece struct {
		begins  acquire.Instant
		samples int
	}
	var pieces []piece
	for _, sh := range x.shelves {
		for i := range sh.stretches {
			if begins, ok := sh.stretches[i].begins(from, to, shift); ok {
				pieces = append(pieces, piece{begins, sh.stretches[i].samples})
			}
		}
	}
	slices.SortFunc(pieces, func(a, b piece) int { return cmp.Compare(a.begins, b.begins) })
	sum := 0
	for _, p := range pieces {
		if sum += p.samples; sum > maxKept && p.begins > from {
			return p.begins
		}
	}
	return to
}

// runs returns the bounds of arrival, both included and in order, within which all
// samples arrived whose times are from an instant on and before another.
func (sh *shelf) runs(from, to acquire.Instant, shift time.Duration) []span {
	var runs []span
	next := -1 // the stretch that continues the latest run
	for i := range sh.stretches {
		st := &sh.stretches[i]
		if _, ok := st.begins(from, to, shift); !ok {
			continue
		}
		if i == next {
			last := &runs[len(runs)-1]
			last.earliest, last.latest = min(last.earliest, st.arrivals.earliest), max(last.latest, st.arrivals.latest)
		} else {
			runs = append(runs, st.arrivals)
		}
		next = i + 1
	}
	slices.SortStableFunc(runs, func(a, b span) int { return cmp.Compare(a.earliest, b.earliest) })
	// No batch is to be read twice.
	disjoint := runs[:0]
	for _, r := range runs {
		if n := len(disjoint); n > 0 && r.earliest <= disjoint[n-1].latest {
			disjoint[n-1].latest = max(disjoint[n-1].latest, r.latest)
			continue
		}
		disjoint = append(disjoint, r)
	}
	return disjoint
}

func (x *index) reports() []capture.Report {
	var all []capture.Report
	for _, sh := range x.shelves {
		all = append(all, sh.report)
	}
	return all
}

// reader opens a file with the bounds of cfg, or where it has none with those of the
// Source.
func (s *Source) reader(name string, cfg capture.ReaderConfig) (*capture.Reader, error) {
	cfg.Catalog, cfg.Select = s.cfg.Catalog, s.cfg.Select
	cfg.From = cmp.Or(cfg.From, s.cfg.From)
	cfg.To = cmp.Or(cfg.To, s.cfg.To)
	r, err := capture.Open(name, cfg)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return r, nil
}
