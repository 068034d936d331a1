package partial

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// Problem says what is wrong with the parts of a series.
type Problem uint8

// The problems.
const (
	Missing     Problem = iota + 1 // no part stands for the stretch: what it held is not in the sum
	Duplicate                      // a part was added again, and left out
	Overlapping                    // two parts stand for the stretch, and differ: they cannot be merged
)

// String returns the problem in lower case.
func (p Problem) String() string {
	switch p {
	case Missing:
		return "missing"
	case Duplicate:
		return "duplicate"
	case Overlapping:
		return "overlapping"
	}
	return fmt.Sprintf("problem %d", uint8(p))
}

// Fault is a stretch of a series that has a problem.
type Fault struct {
	Problem  Problem         // which
	Series   string          // name of the series
	From, To acquire.Instant // From is included, To is not
}

// Error formats f as "partial: main/P from 2026-01-03… to 2026-01-04…: missing".
func (f *Fault) Error() string {
	return fmt.Sprintf("partial: %s from %s to %s: %s", f.Series, f.From, f.To, f.Problem)
}

// Set holds the parts of one series, which were added in any order. It belongs to one
// goroutine at a time.
type Set struct {
	plan       *aggregate.Plan
	series     string
	parts      []held
	sorted     bool
	duplicates []*Fault
}

// held is a part with its state restored.
type held struct {
	Part
	shard *aggregate.Shard
}

// NewSet returns an empty Set of a series that is metered by the plan. The error says
// that the plan's series cannot be metered in parts; see aggregate.NewShard.
func NewSet(series string, plan *aggregate.Plan) (*Set, error) {
	if _, err := aggregate.NewShard(plan); err != nil {
		return nil, fmt.Errorf("partial: %s: %w", series, err)
	}
	return &Set{plan: plan, series: series}, nil
}

// Add takes a part, of which it keeps a copy. A part that it has already is noted as a
// Duplicate. The error says that p is of another series or of another plan, or is
// damaged; it wraps aggregate.ErrOtherConfiguration or aggregate.ErrState in the latter
// cases.
func (s *Set) Add(p Part) error {
	if err := p.validate(); err != nil {
		return err
	}
	if p.Series != s.series {
		return fmt.Errorf("partial: %s is not of %s", &p, s.series)
	}
	for i := range s.parts {
		if q := &s.parts[i]; q.From == p.From && q.To == p.To && bytes.Equal(q.State, p.State) {
			s.duplicates = append(s.duplicates, &Fault{Duplicate, s.series, p.From, p.To})
			return nil
		}
	}
	shard, err := aggregate.NewShard(s.plan)
	if err == nil {
		err = shard.UnmarshalBinary(p.State)
	}
	if err != nil {
		return fmt.Errorf("partial: %s: %w", &p, err)
	}
	if first, last := shard.Span(); first != p.First || last != p.Last {
		return fmt.Errorf("partial: %s: %w: samples from %s to %s", &p, aggregate.ErrState, first, last)
	}
	p.State = bytes.Clone(p.State)
	s.parts = append(s.parts, held{p, shard})
	s.sorted = false
	return nil
}

// Len returns how many parts the set has.
func (s *Set) Len() int { return len(s.parts) }

func (s *Set) sort() {
	if !s.sorted {
		slices.SortFunc(s.parts, func(a, b held) int {
			return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
		})
		s.sorted = true
	}
}

// Faults returns what is wrong between from and to, in order of time, duplicates last.
// Where from or to is unknown, the first or last part is the bound.
func (s *Set) Faults(from, to acquire.Instant) []*Fault {
	s.sort()
	var faults []*Fault
	note := func(p Problem, from, to acquire.Instant) {
		faults = append(faults, &Fault{p, s.series, from, to})
	}
	until := from // everything before is there or named
	if until == 0 && len(s.parts) > 0 {
		until = s.parts[0].From
	}
	var end acquire.Instant // of the parts before
	for i := range s.parts {
		p := &s.parts[i]
		if i > 0 && p.From < end {
			note(Overlapping, p.From, min(end, p.To))
		}
		if stop := cmp.Or(min(p.From, cmp.Or(to, p.From)), p.From); stop > until {
			note(Missing, until, stop)
		}
		until, end = max(until, p.To), max(end, p.To)
	}
	if to > until {
		note(Missing, until, to)
	}
	return append(faults, s.duplicates...)
}

// Merge has m take all parts in order of time, and appends the periods that they close
// to dst. What is missing is left out as if no samples had come; Faults tells. The
// error joins the Faults of parts that overlap, and nothing has changed then; or it is
// that of aggregate.Meter.Merge.
func (s *Set) Merge(dst []aggregate.Period, m *aggregate.Meter) ([]aggregate.Period, error) {
	var faults []error
	for _, f := range s.Faults(0, 0) {
		if f.Problem == Overlapping {
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return dst, errors.Join(faults...)
	}
	for i := range s.parts {
		p := &s.parts[i]
		next, err := m.Merge(dst, p.shard)
		if err != nil {
			return dst, fmt.Errorf("partial: %s: %w", &p.Part, err)
		}
		dst = next
	}
	return dst, nil
}
