package main

import (
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

const points = 500

// rows are the samples, a batch a second.
type rows struct {
	catalog *acquire.Catalog
	ids     []acquire.PointID
	batches []acquire.Batch
}

// newRows makes seconds of the plant: of all kinds of points, or of meters alone, with
// a power and a register each.
func newRows(seconds int, meters bool) *rows {
	random := rand.New(rand.NewPCG(1, 2))
	r := &rows{catalog: acquire.NewCatalog(), batches: make([]acquire.Batch, seconds)}
	kinds := make([]int, points)
	energy := make([]uint64, points)
	for i := range points {
		kinds[i] = i % 5
		if meters {
			kinds[i] = 2 + i%2
		}
		p := acquire.Point{Name: "plant/" + strconv.Itoa(i), Kind: acquire.KindFloat64}
		switch kinds[i] {
		case 0, 1:
			p.Unit = units.Volt
		case 2:
			p.Unit = units.Watt
		case 3:
			p.Unit, p.Kind, p.Role = units.WattHour, acquire.KindUint64, acquire.Counter
		case 4:
			p.Kind, p.Role = acquire.KindUint64, acquire.State
		}
		id, _ := r.catalog.Define(p) // names differ: no error
		r.ids = append(r.ids, id)
		energy[i] = random.Uint64N(1e9)
	}
	now := acquire.Instant(1790000000_000000000)
	for n := range r.batches {
		b := &r.batches[n]
		now += 1e9
		b.Received, b.Watermark, b.Points = now+1e6, now-2e5, r.ids
		b.Samples = make([]acquire.Sample, 0, points)
		for i, id := range r.ids {
			s := acquire.Sample{Time: now + acquire.Instant(random.Int64N(4e5)-2e5), Point: id, Quality: acquire.Good}
			switch kinds[i] {
			case 0, 1:
				s.Value = acquire.Float64(float64(float32(230 + random.NormFloat64())))
			case 2:
				s.Value = acquire.Float64(math.Round(1e4*(5+random.NormFloat64())) / 10)
			case 3:
				energy[i] += random.Uint64N(3)
				s.Value = acquire.Uint64(energy[i])
			case 4:
				s.Value = acquire.Uint64(uint64(i) & 7)
			}
			if random.IntN(2000) == 0 {
				s.Value, s.Quality = acquire.Value{}, acquire.Bad.Because(acquire.Communication)
			}
			b.Append(s)
		}
	}
	return r
}

func (r *rows) len() int { return points * len(r.batches) }

func (r *rows) sum() (s sum) {
	for i := range r.batches {
		s.add(&r.batches[i])
	}
	return s
}

// sum is by what samples that were read are held against those written.
type sum struct{ samples, times, values, qualities uint64 }

func (s *sum) add(b *acquire.Batch) {
	for i := range b.Samples {
		one := &b.Samples[i]
		s.sample(one.Time, word(one.Value), one.Quality)
	}
}

func (s *sum) sample(t acquire.Instant, word uint64, q acquire.Quality) {
	s.samples++
	s.times += uint64(t)
	s.values += word
	s.qualities += uint64(q)
}

// word returns a value's 64 bits.
func word(v acquire.Value) uint64 {
	if f, ok := v.Float64(); ok {
		return math.Float64bits(f)
	}
	n, _ := v.Uint64()
	return n
}
