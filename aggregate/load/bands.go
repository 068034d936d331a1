package load

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Bands counts time by level: n edges make n+1 bands, of which band i holds the
// values from edge i-1 up to, not including, edge i. It is not safe for
// concurrent use. Make one with NewBands.
type Bands struct {
	edges   []float64
	time    []time.Duration
	refused uint64
}

// NewBands makes bands between the edges, which are copied. They must be finite
// and ascend.
func NewBands(edges ...float64) (*Bands, error) {
	var faults []error
	for i, e := range edges {
		if math.IsNaN(e) || math.IsInf(e, 0) {
			faults = append(faults, fmt.Errorf("load: bands: edge %v is not finite", e))
		} else if i > 0 && e <= edges[i-1] {
			faults = append(faults, fmt.Errorf("load: bands: edge %v is not above %v", e, edges[i-1]))
		}
	}
	if len(edges) == 0 {
		faults = append(faults, errors.New("load: bands: no edges"))
	}
	if faults != nil {
		return nil, errors.Join(faults...)
	}
	return &Bands{edges: slices.Clone(edges), time: make([]time.Duration, len(edges)+1)}, nil
}

// Add books d in the band of v. A value that is not a number, a negative d, and
// one beyond 292 years in a band are refused and counted.
func (b *Bands) Add(v float64, d time.Duration) {
	if math.IsNaN(v) || d < 0 || b.time == nil {
		b.refused++
		return
	}
	i, at := slices.BinarySearch(b.edges, v)
	if at {
		i++
	}
	if b.time[i] > math.MaxInt64-d {
		b.refused++
		return
	}
	b.time[i] += d
}

// Len returns the number of bands, one more than there are edges.
func (b *Bands) Len() int { return len(b.time) }

// Band returns the band i, 0 <= i < Len: values from low up to high, and their
// time. The outer bands reach to infinity. There is no time in any other i.
func (b *Bands) Band(i int) (low, high float64, d time.Duration) {
	if i < 0 || i >= len(b.time) {
		return 0, 0, 0
	}
	low, high = math.Inf(-1), math.Inf(1)
	if i > 0 {
		low = b.edges[i-1]
	}
	if i < len(b.edges) {
		high = b.edges[i]
	}
	return low, high, b.time[i]
}

// Refused returns how many values were refused.
func (b *Bands) Refused() uint64 { return b.refused }

// Merge adds the times of o. It fails with ErrConfig where the edges differ, and
// with ErrWeight; b is then unchanged.
func (b *Bands) Merge(o *Bands) error {
	if !slices.Equal(b.edges, o.edges) {
		return ErrConfig
	}
	for i, d := range o.time {
		if b.time[i] > math.MaxInt64-d {
			return ErrWeight
		}
	}
	for i, d := range o.time {
		b.time[i] += d
	}
	b.refused += o.refused
	return nil
}
