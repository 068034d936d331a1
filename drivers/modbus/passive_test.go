package modbus_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/units"
)

// What a Source reads, overheard by a Decoder of the same points, gives the same
// samples, bit for bit: values, texts, refusals and silences.
func TestOverheardIsAsRead(t *testing.T) {
	points := []modbus.Point{
		{Name: "float", At: modbus.Holding(0), Type: modbus.Float32, Unit: units.Watt},
		{Name: "swapped", At: modbus.Holding(2), Type: modbus.Uint32, Order: modbus.CDAB},
		{Name: "tenths", At: modbus.Holding(4), Type: modbus.Int16, Scale: units.Scale{Den: 10}},
		{Name: "scaled", At: modbus.Holding(10), Type: modbus.Int16, ScaleAt: modbus.Holding(12)},
		{Name: "text", At: modbus.Holding(20), Type: modbus.TextLatin1, Length: 4},
		{Name: "named", At: modbus.Holding(21), Type: modbus.Uint16, Names: map[int64]string{21: "running"}},
		{Name: "part", At: modbus.Holding(31), Type: modbus.Uint16, Bits: modbus.Bits{Lowest: 1, Count: 3}},
		{Name: "none", At: modbus.Holding(33), Type: modbus.Uint16, Sentinels: []modbus.Sentinel{{First: 33}}},
		{Name: "input", At: modbus.Input(7), Type: modbus.Int64},
		{Name: "coil", At: modbus.Coil(3)},
		{Name: "number of bits", At: modbus.Discrete(9), Type: modbus.Uint16, Length: 5},
		{Name: "alone", At: modbus.Holding(500), Type: modbus.Uint16},
	}
	const timeout = 300 * time.Millisecond
	for _, window := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			var requests [][]byte // PDUs behind the header of MBAP
			began := make(map[uint16]time.Time)
			id := func(frame []byte) uint16 { return uint16(frame[0])<<8 | uint16(frame[1]) }
			var (
				decoder *modbus.Decoder
				passive acquire.Batch
			)
			midway := func(request []byte) acquire.Instant {
				sent := began[id(request)]
				return acquire.At(sent.Add(time.Since(sent) / 2))
			}
			catalog := acquire.NewCatalog()
			server, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: labelled{}}, PerRequest: 7 * time.Millisecond})
			require.NoError(t, err)
			defer server.Close()
			src, err := modbus.NewSource(modbus.Config{
				Dial: pipe(server), Unit: 1, Catalog: catalog, Points: points, Window: window, MaxGap: -1, Retries: -1,
				MaxTimeouts: 1 << 20, Timeout: timeout,
				Trace: modbus.Trace{
					Sent: func(frame []byte) {
						requests = append(requests, slices.Clone(frame))
						began[id(frame)] = time.Now()
					},
					Received: func(frame []byte) {
						i := slices.IndexFunc(requests, func(r []byte) bool { return id(r) == id(frame) })
						if i < 0 {
							return // late
						}
						_ = decoder.Decode(&passive, requests[i][7:], frame[7:], midway(frame))
						requests = slices.Delete(requests, i, i+1)
					},
				},
			})
			require.NoError(t, err)
			decoder, err = modbus.NewDecoder(catalog, points)
			require.NoError(t, err)
			assert.Equal(t, src.Points(), decoder.Points())
			stream, err := src.Open(t.Context())
			require.NoError(t, err)
			defer stream.Close()
			var live acquire.Batch
			kinds := make(map[acquire.Quality]int)
			for n, fault := range []modbustest.Fault{nil, modbustest.Nth(1, modbustest.WithException(modbustest.ServerDeviceFailure)),
				modbustest.Nth(2, modbustest.Short()), modbustest.Nth(2, modbustest.WrongFunction()), modbustest.From(4, modbustest.Drop()), nil} {
				server.SetFault(fault)
				passive.Reset()
				requests = requests[:0]
				require.NoError(t, stream.Next(t.Context(), &live))
				for _, r := range requests { // without an answer
					require.ErrorIs(t, decoder.Decode(&passive, r[7:], nil, acquire.At(began[id(r)].Add(timeout/2))), modbus.ErrTimeout)
				}
				for _, s := range passive.Samples {
					at := slices.IndexFunc(live.Samples, func(l acquire.Sample) bool { return l.Point == s.Point })
					require.GreaterOrEqual(t, at, 0)
					want := live.Samples[at]
					kinds[s.Quality]++
					text, isText := live.Text(want.Value)
					if isText {
						got, _ := passive.Text(s.Value)
						require.Equal(t, string(text), string(got))
						s.Value, want.Value = acquire.Value{}, acquire.Value{}
					}
					if window == 1 || len(requests) == 0 { // a window gives up what was under way, each a moment later
						require.Equal(t, want, s, "poll %d", n)
					}
				}
				if len(requests) == 0 {
					require.Len(t, passive.Samples, len(live.Samples))
				}
			}
			assert.GreaterOrEqual(t, len(kinds), 5, "%v", kinds)
		})
	}
}

// A sample of the past is flagged, and what is asked in part is no value.
func TestOverheardOutOfOrder(t *testing.T) {
	d, err := modbus.NewDecoder(acquire.NewCatalog(), []modbus.Point{
		{Name: "a", At: modbus.Holding(0), Type: modbus.Uint16}, {Name: "b", At: modbus.Holding(1), Type: modbus.Uint32},
	})
	require.NoError(t, err)
	var b acquire.Batch
	decode := func(at acquire.Instant, count byte) []acquire.Sample {
		b.Reset()
		request, answer := []byte{3, 0, 0, 0, count}, append([]byte{3, 2 * count}, make([]byte, 2*count)...)
		require.NoError(t, d.Decode(&b, request, answer, at))
		return b.Samples
	}
	assert.Len(t, decode(5, 2), 1)
	samples := decode(3, 3)
	assert.True(t, samples[0].Quality.Has(acquire.TimeBackwards))
	assert.False(t, samples[1].Quality.Has(acquire.TimeBackwards))
	assert.False(t, decode(5, 3)[0].Quality.Has(acquire.TimeBackwards))
	require.ErrorIs(t, d.Decode(&b, []byte{6, 0, 0, 0, 1}, []byte{6, 0, 0, 0, 1}, 1), modbus.ErrNoRead)
	require.ErrorIs(t, d.Decode(&b, []byte{3, 0, 0, 0, 1}, []byte{0x83, 2}, 1), modbus.IllegalDataAddress)

	_, err = modbus.NewDecoder(nil, []modbus.Point{{Name: "a"}, {Name: "a", At: modbus.Coil(1)}})
	for _, want := range []string{"modbus: ", "no catalog", `point "a": no address`, `point "a" is given twice`} {
		require.ErrorContains(t, err, want)
	}
}

func TestDecoderAllocs(t *testing.T) {
	var points []modbus.Point
	for a := range uint16(125) {
		points = append(points, modbus.Point{Name: modbus.Holding(a).String(), At: modbus.Holding(a), Type: modbus.Uint16})
	}
	d, err := modbus.NewDecoder(acquire.NewCatalog(), points)
	require.NoError(t, err)
	request, answer := []byte{3, 0, 0, 0, 125}, append([]byte{3, 250}, make([]byte, 250)...)
	var b acquire.Batch
	at := acquire.Instant(1)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		b.Reset()
		at++
		if err := d.Decode(&b, request, answer, at); err != nil {
			t.Fatal(err)
		}
	}))
	assert.Len(t, b.Samples, 125)
}

func BenchmarkDecoder(b *testing.B) {
	var points []modbus.Point
	for a := range uint16(125) {
		points = append(points, modbus.Point{Name: modbus.Holding(a).String(), At: modbus.Holding(a), Type: modbus.Uint16})
	}
	d, err := modbus.NewDecoder(acquire.NewCatalog(), points)
	require.NoError(b, err)
	request, answer := []byte{3, 0, 0, 0, 125}, append([]byte{3, 250}, make([]byte, 250)...)
	var batch acquire.Batch
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		_ = d.Decode(&batch, request, answer, 1)
	}
}
