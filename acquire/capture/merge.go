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
	heads   []arrival // of the readers that have not ended, in their order
	taken   int       // the head whose batch was returned, -1 before the first
}

// arrival is that of the next batch of a reader.
type arrival struct {
	r  *Reader
	at acquire.Instant
}

// Merge returns a Merged of readers, which share a Catalog if their points are to
// be told apart. It owns them from now on.
func Merge(readers ...*Reader) *Merged { return &Merged{readers: readers, taken: -1} }

// Next fills b with the next batch of all. It returns io.EOF after the last.
func (m *Merged) Next(b *acquire.Batch) error {
	if err := m.look(b); err != nil {
		b.Reset()
		return err
	}
	if len(m.heads) == 0 {
		b.Reset()
		return io.EOF
	}
	m.taken = 0
	for i, h := range m.heads {
		if h.at < m.heads[m.taken].at {
			m.taken = i
		}
	}
	return m.heads[m.taken].r.Next(b)
}

// look finds out when the next batches of the readers arrived that were not
// looked at. b is free to be used.
func (m *Merged) look(b *acquire.Batch) error {
	if m.heads == nil {
		m.heads = make([]arrival, 0, len(m.readers))
		for _, r := range m.readers {
			at, err := m.next(r, b)
			if err == nil {
				m.heads = append(m.heads, arrival{r, at})
			} else if !errors.Is(err, io.EOF) {
				return err
			}
		}
		return nil
	}
	if m.taken < 0 || m.taken >= len(m.heads) {
		return nil
	}
	h := &m.heads[m.taken]
	at, err := m.next(h.r, b)
	switch {
	case err == nil:
		h.at = at
	case errors.Is(err, io.EOF):
		m.heads = append(m.heads[:m.taken], m.heads[m.taken+1:]...)
	default:
		return err
	}
	m.taken = -1
	return nil
}

// next returns when the next batch of r arrived. At the end, r gives out its last
// events.
func (m *Merged) next(r *Reader, b *acquire.Batch) (acquire.Instant, error) {
	at, err := r.Arrival()
	if err != nil {
		err = r.Next(b)
	}
	return at, err
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
