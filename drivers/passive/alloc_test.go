package passive_test

import (
	"encoding/binary"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/passive"
)

// polls makes a capture of n polls of 100 registers.
func polls(t testing.TB, n int) []byte {
	r := &recorder{client: netip.MustParseAddrPort("192.0.2.1:40000"), server: netip.MustParseAddrPort("192.0.2.10:502")}
	at := time.Unix(1790000000, 0)
	for i := range n {
		answer := append([]byte{byte(i >> 8), byte(i), 0, 0, 0, 203, 1, 3, 200}, make([]byte, 200)...)
		binary.BigEndian.PutUint16(answer[9:], uint16(i))
		r.sent = append(r.sent,
			written{at, false, []byte{byte(i >> 8), byte(i), 0, 0, 0, 6, 1, 3, 0, 0, 0, 100}},
			written{at.Add(5e6), true, answer})
		at = at.Add(time.Second)
	}
	return pcap(binary.LittleEndian, 0xA1B23C4D, 1, r.frames(t, segmenting{}))
}

func registers() (points []modbus.Point) {
	for i := range uint16(100) {
		points = append(points, modbus.Point{Name: modbus.Holding(i).String(), At: modbus.Holding(i), Type: modbus.Uint16})
	}
	return points
}

// A message, and the samples of an answer, cost no allocation once everything is warm.
func TestPacketAllocs(t *testing.T) {
	src, err := passive.NewSource(passive.Config{
		ReaderConfig: inMemoryAnyLimit(polls(t, 1000)), Modbus: []passive.ModbusDevice{{Unit: 1, Points: registers()}},
	})
	require.NoError(t, err)
	stream, err := src.Open(t.Context())
	require.NoError(t, err)
	defer stream.Close()
	var b acquire.Batch
	for range 100 {
		require.NoError(t, stream.Next(t.Context(), &b))
	}
	ctx := t.Context()
	assert.Zero(t, testing.AllocsPerRun(500, func() {
		if err := stream.Next(ctx, &b); err != nil || len(b.Samples) != 100 {
			t.Error(err)
		}
	}))
}

func BenchmarkModbus(b *testing.B) {
	file := polls(b, 20000)
	cfg := passive.Config{ReaderConfig: inMemoryAnyLimit(file), Modbus: []passive.ModbusDevice{{Unit: 1, Points: registers()}}}
	src, err := passive.NewSource(cfg)
	require.NoError(b, err)
	b.SetBytes(int64(len(file)))
	samples := 0
	for b.Loop() {
		stream, err := src.Open(b.Context())
		require.NoError(b, err)
		var batch acquire.Batch
		for err == nil {
			if err = stream.Next(b.Context(), &batch); err == nil {
				samples += len(batch.Samples)
			}
		}
		require.ErrorIs(b, err, io.EOF)
		stream.Close()
	}
	b.ReportMetric(float64(b.N)*40000/b.Elapsed().Seconds(), "packets/s")
	b.ReportMetric(float64(samples)/b.Elapsed().Seconds(), "samples/s")
}
