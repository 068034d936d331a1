package capture

import (
	"errors"
	"io"

	"github.com/fieldtap/fieldtap/acquire"
)

// Merged reads several captures as one: the batches in order of their arrival,
// those of one capture in its own order. Of batches that arrived together, that of
// the earlier Reader comes first.
//
// A Merged is used by one goroutine at a time.
type Merged struct {
	readers []*Reader
	heads   []head // of the readers that have not ended, in their order
	primed  bool
}

// head is the arrival of the next batch of a reader.
type head struct {
	r  *Reader
	at acquire.Instant
}

// Merge returns a Merged of readers, which share a Catalog if their points are to
// be told apart. It owns them from now on.
func Merge(readers ...*Reader) *Merged { return &Merged{readers: readers} }

// Next fills b with the next batch of all. It returns io.EOF after the last.
func (m *Merged) Next(b *acquire.Batch) error {
	if !m.primed {
		m.primed = true
		for _, r := range m.readers {
			if err := m.push(r, len(m.heads), 0); err != nil {
				return err
			}
		}
	}
	for len(m.heads) > 0 {
		first := 0
		for i, h := range m.heads {
			if h.at < m.heads[first].at {
				first = i
			}
		}
		h := m.heads[first]
		err := h.r.Next(b)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		m.heads = append(m.heads[:first], m.heads[first+1:]...)
		if more := m.push(h.r, first, h.at); more != nil {
			return more
		}
		if err == nil {
			return nil
		}
	}
	b.Reset()
	return io.EOF
}

// push puts a reader that has more in its place among the heads. A clock that
// was set back does not let a batch overtake those before it.
func (m *Merged) push(r *Reader, place int, before acquire.Instant) error {
	at, err := r.Arrival()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	m.heads = append(m.heads, head{})
	copy(m.heads[place+1:], m.heads[place:])
	m.heads[place] = head{r, max(at, before)}
	return nil
}

// Points returns the points of all readers, each once.
func (m *Merged) Points() []acquire.PointID {
	var all []acquire.PointID
	seen := make(map[acquire.PointID]bool)
	for _, r := range m.readers {
		for _, id := range r.points {
			if !seen[id] {
				seen[id] = true
				all = append(all, id)
			}
		}
	}
	return all
}

// Reports returns what each Reader reports, in their order.
func (m *Merged) Reports() []Report {
	var all []Report
	for _, r := range m.readers {
		all = append(all, r.Report())
	}
	return all
}

// Close closes all readers.
func (m *Merged) Close() error {
	var faults []error
	for _, r := range m.readers {
		faults = append(faults, r.Close())
	}
	return errors.Join(faults...)
}
