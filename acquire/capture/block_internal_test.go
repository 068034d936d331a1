package capture

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// decodeAll takes a payload apart and returns its batches, or an error.
func decodeAll(payload []byte) ([]acquire.Batch, []Event, error) {
	d := decoder{points: func(id acquire.PointID) acquire.PointID { return id }}
	buf := append(append([]byte{}, payload...), make([]byte, slack)...)
	if err := d.open(buf, len(payload)); err != nil {
		return nil, nil, err
	}
	var batches []acquire.Batch
	var events []Event
	for {
		ev, ok, err := d.event()
		switch {
		case err != nil:
			return nil, nil, err
		case ok:
			events = append(events, ev)
			continue
		case d.batches == 0:
			return batches, events, nil
		}
		batches = append(batches, acquire.Batch{})
		if err := d.next(&batches[len(batches)-1]); err != nil {
			return nil, nil, err
		}
	}
}

func encodeAll(batches []acquire.Batch, events []Event) []byte {
	var e encoder
	e.reset()
	for i := range batches {
		b := &batches[i]
		e.addBatch(b, header{b.Received, b.Watermark}, b.Points, b.Lost, b.Samples)
	}
	for i := range events {
		e.addEvent(&events[i])
	}
	return e.appendPayload(nil, 77)
}

// A payload of any content, whose checksum would be right, is refused or means
// what it means when it is written again.
func FuzzBlock(f *testing.F) {
	var b acquire.Batch
	b.Received, b.Watermark, b.Lost, b.Points = 9, 8, 7, []acquire.PointID{1, 2, 3, 1 << 31}
	text, _ := b.PutText([]byte("RUN"))
	for i := range 10 {
		b.Append(acquire.Sample{Time: acquire.Instant(i / 3 * 1000), Point: 1, Value: acquire.Float64(float64(i)), Quality: acquire.Good})
		b.Append(acquire.Sample{Time: math.MinInt64, Point: 1 << 31, Value: acquire.Int64(int64(-i)), Quality: acquire.Quality(i / 5)})
		b.Append(acquire.Sample{Time: math.MaxInt64, Point: 2, Value: text})
		b.Append(acquire.Sample{Time: math.MaxInt64, Point: 3, Value: acquire.Bool(i%2 == 0)})
		b.Append(acquire.Sample{Time: math.MaxInt64, Point: 3})
	}
	f.Add(encodeAll([]acquire.Batch{b, {}, b}, []Event{{Kind: Gap, Source: "x", Text: "y"}}))
	f.Add(encodeAll(nil, nil))
	f.Fuzz(func(t *testing.T, payload []byte) {
		batches, events, err := decodeAll(payload)
		if err != nil {
			return
		}
		again, _, err := decodeAll(encodeAll(batches, nil))
		require.NoError(t, err)
		require.Len(t, again, len(batches))
		for i := range batches {
			a, b := &batches[i], &again[i]
			require.Equal(t, a.Received, b.Received)
			require.Equal(t, a.Watermark, b.Watermark)
			require.Equal(t, a.Lost, b.Lost)
			require.Equal(t, a.Points, b.Points)
			require.Len(t, b.Samples, len(a.Samples))
			for j := range a.Samples {
				x, y := a.Samples[j], b.Samples[j]
				if x == y && x.Value.Kind() != acquire.KindText {
					continue // soon: a few bytes may stand for a million samples
				}
				if x.Value.Kind() == acquire.KindText {
					one, ok1 := a.Text(x.Value)
					two, ok2 := b.Text(y.Value)
					require.True(t, ok1 && ok2)
					require.Equal(t, string(one), string(two))
					x.Value, y.Value = acquire.Value{}, acquire.Value{}
				}
				require.Equal(t, x, y)
			}
		}
		_, same, err := decodeAll(encodeAll(nil, events))
		require.NoError(t, err)
		require.Equal(t, events, same)
	})
}

// Every shape is read as what it says, and none goes beyond a word.
func TestShapes(t *testing.T) {
	for i, sh := range shapes {
		low, n := i>>3, i&7+1
		switch {
		case i == unchanged:
			require.Equal(t, shape{}, sh)
		case low+n > 8:
			require.True(t, sh.wrong)
		default:
			require.Equal(t, shape{mask: math.MaxUint64 >> (64 - 8*n), size: uint8(n), shift: uint8(8 * low)}, sh)
		}
	}
}

// Batches of every pattern that the encoder knows are decoded as they were.
func TestPatterns(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		batches := make([]acquire.Batch, 1+r.IntN(4))
		now, points := int64(r.Uint64()), 1+r.IntN(6)
		words := make([]uint64, points)
		step, still := anySize(r), r.IntN(3)
		for i := range batches {
			b := &batches[i]
			b.Received = acquire.Instant(r.IntN(2)) * acquire.Instant(now)
			for range r.IntN(200) {
				if r.IntN(20) == 0 {
					step, still = anySize(r), r.IntN(3)
				}
				switch still {
				case 0: // equal steps
				case 1:
					step = int64(r.IntN(1 << 20))
				case 2:
					step = anySize(r)
				}
				now += step
				p := r.IntN(points)
				if r.IntN(3) > 0 {
					words[p] ^= r.Uint64() >> (p * 10) << (p * 3)
				}
				s := acquire.Sample{Time: acquire.Instant(now), Point: acquire.PointID(p + 1), Value: acquire.Uint64(words[p]), Quality: acquire.Good}
				switch r.IntN(50) {
				case 0:
					s.Value = acquire.Value{}
				case 1:
					s.Quality = acquire.Quality(r.Uint32())
				case 2:
					s.Value = acquire.Float64(math.Float64frombits(words[p]))
				}
				b.Append(s)
			}
		}
		got, _, err := decodeAll(encodeAll(batches, nil))
		require.NoError(t, err)
		require.Len(t, got, len(batches))
		for i := range batches {
			require.Equal(t, batches[i].Received, got[i].Received)
			require.Equal(t, append([]acquire.Sample{}, batches[i].Samples...), append([]acquire.Sample{}, got[i].Samples...), "seed %d", seed)
		}
	}
}

// anySize returns a number of any size.
func anySize(r *rand.Rand) int64 { return int64(r.Uint64()) >> r.IntN(64) }
