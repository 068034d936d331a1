package parquet_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/parquet"
	"github.com/fieldtap/fieldtap/units"
)

// plant makes batches of a plant as internal/bench/capture has them: voltages of
// float32, powers in steps of 0.1 W, registers in Wh, words of status; one sample in
// 2,000 failed.
func plant(seconds int) (*acquire.Catalog, []acquire.Batch) {
	random := rand.New(rand.NewPCG(1, 2))
	c := acquire.NewCatalog()
	var ids []acquire.PointID
	energy := make([]uint64, 500)
	for i := range energy {
		p := acquire.Point{Name: "plant/" + strconv.Itoa(i), Kind: acquire.KindFloat64}
		switch i % 5 {
		case 0, 1:
			p.Unit = units.Volt
		case 2:
			p.Unit = units.Watt
		case 3:
			p.Unit, p.Kind, p.Role = units.WattHour, acquire.KindUint64, acquire.Counter
		case 4:
			p.Kind, p.Role = acquire.KindUint64, acquire.State
		}
		id, _ := c.Define(p) // names differ: no error
		ids = append(ids, id)
		energy[i] = random.Uint64N(1e9)
	}
	batches := make([]acquire.Batch, seconds)
	now := acquire.Instant(1790000000_000000000)
	for n := range batches {
		b := &batches[n]
		now += 1e9
		b.Received, b.Watermark, b.Points = now+1e6, now-2e5, ids
		for i, id := range ids {
			s := acquire.Sample{Time: now + acquire.Instant(random.Int64N(4e5)-2e5), Point: id, Quality: acquire.Good}
			switch i % 5 {
			case 0, 1:
				s.Value = acquire.Float64(float64(float32(230 + random.NormFloat64())))
			case 2:
				s.Value = acquire.Float64(math.Round(1e4*(5+random.NormFloat64())) / 10)
			case 3:
				energy[i] += random.Uint64N(3)
				s.Value = acquire.Uint64(energy[i])
			case 4:
				s.Value = acquire.Uint64(0x103)
			}
			if random.IntN(2000) == 0 {
				s.Value, s.Quality = acquire.Value{}, acquire.Bad.Because(acquire.Communication)
			}
			b.Append(s)
		}
	}
	return c, batches
}

func write(t testing.TB, w *parquet.Writer, batches []acquire.Batch) {
	t.Helper()
	for i := range batches {
		require.NoError(t, w.Write(&batches[i]))
	}
}

func drain(t testing.TB, r capture.BatchReader, b *acquire.Batch) (samples int) {
	t.Helper()
	for {
		err := r.Next(b)
		if errors.Is(err, io.EOF) {
			return samples
		}
		require.NoError(t, err)
		samples += len(b.Samples)
	}
}

// The rows named capture are those of package capture, on the same samples.
func BenchmarkWrite(b *testing.B) {
	c, batches := plant(2000)
	b.Run("capture", func(b *testing.B) {
		b.ReportAllocs()
		start := processorTime()
		var bytes uint64
		for b.Loop() {
			w, err := capture.NewWriter(io.Discard, capture.Config{Catalog: c, MaxDelay: time.Minute})
			require.NoError(b, err)
			for i := range batches {
				require.NoError(b, w.Write(&batches[i]))
			}
			require.NoError(b, w.Close())
			bytes = w.Stats().Bytes
		}
		b.ReportMetric(float64(processorTime()-start)/float64(b.N)/1e6, "cpu-ns/sample")
		b.ReportMetric(float64(bytes)/1e6, "B/sample")
	})
	for _, method := range []parquet.Compression{parquet.Zstd, parquet.Snappy, parquet.Uncompressed} {
		b.Run(method.String(), func(b *testing.B) {
			b.ReportAllocs()
			start := processorTime()
			var bytes uint64
			for b.Loop() {
				w, err := parquet.NewWriter(io.Discard, parquet.Config{Catalog: c, Compression: method})
				require.NoError(b, err)
				write(b, w, batches)
				require.NoError(b, w.Close())
				bytes = w.Stats().Bytes
			}
			b.ReportMetric(float64(processorTime()-start)/float64(b.N)/1e6, "cpu-ns/sample")
			b.ReportMetric(float64(bytes)/1e6, "B/sample")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	c, batches := plant(2000)
	b.Run("capture", func(b *testing.B) {
		var file bytes.Buffer
		w, err := capture.NewWriter(&file, capture.Config{Catalog: c, MaxDelay: time.Minute})
		require.NoError(b, err)
		for i := range batches {
			require.NoError(b, w.Write(&batches[i]))
		}
		require.NoError(b, w.Close())
		b.ReportAllocs()
		start := processorTime()
		var batch acquire.Batch
		for b.Loop() {
			r, err := capture.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), capture.ReaderConfig{})
			require.NoError(b, err)
			require.Equal(b, 1_000_000, drain(b, r, &batch))
		}
		b.ReportMetric(float64(processorTime()-start)/float64(b.N)/1e6, "cpu-ns/sample")
	})
	for _, method := range []parquet.Compression{parquet.Zstd, parquet.Snappy, parquet.Uncompressed} {
		b.Run(method.String(), func(b *testing.B) {
			var file bytes.Buffer
			w, err := parquet.NewWriter(&file, parquet.Config{Catalog: c, Compression: method})
			require.NoError(b, err)
			write(b, w, batches)
			require.NoError(b, w.Close())
			b.ReportAllocs()
			start := processorTime()
			var batch acquire.Batch
			for b.Loop() {
				r, err := parquet.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), parquet.ReaderConfig{})
				require.NoError(b, err)
				require.Equal(b, 1_000_000, drain(b, r, &batch))
			}
			b.ReportMetric(float64(processorTime()-start)/float64(b.N)/1e6, "cpu-ns/sample")
		})
	}
}
