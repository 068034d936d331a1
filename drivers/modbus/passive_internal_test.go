package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// anyDecoder has up to 40 points of any kind, close to each other.
func anyDecoder(t testing.TB, random *rand.Rand) *Decoder {
	var points []Point
	for n := range 1 + random.IntN(40) {
		p := anyPoint(random)
		p.Name = fmt.Sprint(n)
		if p.withDefaults().faults() == nil && p.withDefaults().span() <= p.At.table.limit() {
			points = append(points, p)
		}
	}
	points = append(points, Point{Name: "last", At: Coil(1)})
	d, err := NewDecoder(acquire.NewCatalog(), points)
	require.NoError(t, err)
	require.Len(t, d.Points(), len(points))
	return d
}

// The twin makes a block of the points in range, as the plan of a Source does.
func TestDecoderEqualsTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 1))
	values := 0
	for range 300 {
		d := anyDecoder(t, random)
		var ours, twin acquire.Batch
		ours.Reset()
		twin.Reset()
		for n := range 10 {
			m := d.members[random.IntN(len(d.members))]
			at := Address{m.point.At.table, uint16(max(0, m.point.start()-random.IntN(20)))}
			count := min(m.end()-int(at.offset)+random.IntN(20), at.table.limit(), 1<<16-int(at.offset))
			asked := block{at: at, count: count}
			data := make([]byte, asked.bytes())
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			request := binary.BigEndian.AppendUint16([]byte{at.table.function()}, at.offset)
			request = binary.BigEndian.AppendUint16(request, uint16(count))
			answer := append([]byte{at.table.function(), byte(len(data))}, data...)
			stamp := acquire.Instant(1000 + n)
			require.NoError(t, d.Decode(&ours, request, answer, stamp))

			var members []member
			for _, m := range d.members {
				if m.point.At.table == at.table && m.point.start() >= int(at.offset) && m.end() <= asked.end() {
					members = append(members, m)
				}
			}
			if len(members) > 0 {
				free := terms{Limits: Limits{MaxRegisters: 1 << 16, MaxBits: 1 << 16}, maxGap: 1 << 16}
				b := newBlock(members, &free)
				skip := int(b.at.offset) - int(at.offset)
				for i := range b.decoders {
					if at.table.bits() {
						b.decoders[i].offset += skip
					} else {
						b.decoders[i].offset += 2 * skip
					}
				}
				decode(&twin, b.decoders, data, stamp, acquire.Good)
			}
			require.Equal(t, len(twin.Samples), len(ours.Samples))
			for i, s := range ours.Samples {
				want := twin.Samples[i]
				got, isText := ours.Text(s.Value)
				text, _ := twin.Text(want.Value)
				require.Equal(t, string(text), string(got))
				if isText {
					s.Value, want.Value = acquire.Value{}, acquire.Value{}
				}
				require.Equal(t, want, s)
			}
			values += len(members)
		}
	}
	assert.Greater(t, values, 1000)
}

// FuzzDecoder feeds any bytes as requests and answers.
func FuzzDecoder(f *testing.F) {
	f.Add(uint64(1), []byte{3, 0, 0, 0, 1}, []byte{3, 2, 0, 42})
	f.Add(uint64(2), []byte{1, 0, 0, 0, 9}, []byte{1, 2, 0xFF, 0xFF})
	f.Add(uint64(3), []byte{4, 0, 0, 0, 125}, []byte{0x84, 2})
	f.Add(uint64(4), []byte{6, 0, 0, 0, 1}, []byte{6, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, seed uint64, request, answer []byte) {
		d := anyDecoder(t, rand.New(rand.NewPCG(seed, 1)))
		var b acquire.Batch
		for at := range acquire.Instant(2) {
			before := len(b.Samples)
			err := d.Decode(&b, request, answer, 1+at)
			if errors.Is(err, ErrNoRead) {
				require.Len(t, b.Samples, before)
			}
			for _, s := range b.Samples[before:] {
				require.Equal(t, 1+at, s.Time)
				require.True(t, err == nil || s.Value.IsNone() && !s.Quality.IsGood())
			}
		}
	})
}

// However many different requests there are, memory is bounded and all are decoded.
func TestDecoderBearsAnyNumberOfRequests(t *testing.T) {
	d, err := NewDecoder(acquire.NewCatalog(), []Point{{Name: "v", At: Holding(7), Type: Uint16}})
	require.NoError(t, err)
	var b acquire.Batch
	for start := range uint16(8) {
		for count := uint16(1); count <= 125; count++ {
			for _, table := range []Table{HoldingRegisters, InputRegisters, Coils, DiscreteInputs} {
				for extra := range uint16(3) {
					request := binary.BigEndian.AppendUint16([]byte{table.function()}, start+10*extra)
					request = binary.BigEndian.AppendUint16(request, count)
					require.ErrorIs(t, d.Decode(&b, request, nil, 1), ErrTimeout)
				}
			}
		}
	}
	assert.LessOrEqual(t, len(d.seen), maxSeen)
	b.Reset()
	request := []byte{3, 0, 7, 0, 1}
	require.NoError(t, d.Decode(&b, request, []byte{3, 2, 1, 2}, 5))
	assert.Equal(t, acquire.Uint64(0x102), b.Samples[0].Value)
}
