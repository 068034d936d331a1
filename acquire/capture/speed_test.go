package capture_test

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/units"
)

// plant gives a second of 500 points at a time, as meters have them: voltages of
// float32, powers in steps of 0.1 W, registers in Wh, words of status. Times
// have 200 us of jitter.
type plant struct {
	rand    *rand.Rand
	catalog *acquire.Catalog
	ids     []acquire.PointID
	energy  []uint64
	now     acquire.Instant
}

func newPlant(t testing.TB) *plant {
	p := &plant{rand: rand.New(rand.NewPCG(1, 2)), catalog: acquire.NewCatalog(), now: 1790000000_000000000}
	for i := range 500 {
		point := acquire.Point{Name: "plant/" + strconv.Itoa(i), Kind: acquire.KindFloat64}
		switch i % 5 {
		case 0, 1:
			point.Unit = units.Volt
		case 2:
			point.Unit = units.Watt
		case 3:
			point.Unit, point.Kind, point.Role = units.WattHour, acquire.KindUint64, acquire.Counter
		case 4:
			point.Kind, point.Role = acquire.KindUint64, acquire.State
		}
		id, err := p.catalog.Define(point)
		require.NoError(t, err)
		p.ids = append(p.ids, id)
		p.energy = append(p.energy, p.rand.Uint64N(1e9))
	}
	return p
}

func (p *plant) next(b *acquire.Batch) {
	b.Reset()
	p.now += 1e9
	b.Received, b.Watermark, b.Points = p.now+1e6, p.now-2e5, p.ids
	for i, id := range p.ids {
		s := acquire.Sample{Time: p.now + acquire.Instant(p.rand.Int64N(4e5)-2e5), Point: id, Quality: acquire.Good}
		switch i % 5 {
		case 0, 1:
			s.Value = acquire.Float64(float64(float32(230 + p.rand.NormFloat64())))
		case 2:
			s.Value = acquire.Float64(math.Round(1e4*(5+p.rand.NormFloat64())) / 10)
		case 3:
			p.energy[i] += p.rand.Uint64N(3)
			s.Value = acquire.Uint64(p.energy[i])
		case 4:
			s.Value = acquire.Uint64(uint64(i) & 7)
		}
		if p.rand.IntN(2000) == 0 {
			s.Value, s.Quality = acquire.Value{}, acquire.Bad.Because(acquire.Communication)
		}
		b.Append(s)
	}
}

// batches makes n seconds of the plant.
func (p *plant) batches(n int) []acquire.Batch {
	all := make([]acquire.Batch, n)
	for i := range all {
		p.next(&all[i])
	}
	return all
}

func BenchmarkWrite(b *testing.B) {
	p := newPlant(b)
	all := p.batches(200)
	w, err := capture.NewWriter(io.Discard, capture.Config{Catalog: p.catalog, MaxDelay: 1e10})
	require.NoError(b, err)
	samples := 0
	b.ReportAllocs()
	for b.Loop() {
		for i := range all {
			if err := w.Write(&all[i]); err != nil {
				b.Fatal(err)
			}
		}
		samples += 100_000
	}
	require.NoError(b, w.Close())
	b.ReportMetric(float64(samples)/b.Elapsed().Seconds()/1e6, "Msamples/s")
	b.ReportMetric(float64(w.Stats().Bytes)/float64(w.Stats().WrittenSamples), "B/sample")
}

func BenchmarkRead(b *testing.B) {
	p := newPlant(b)
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Config{Catalog: p.catalog, MaxDelay: 1e10})
	require.NoError(b, err)
	all := p.batches(2000)
	for i := range all {
		require.NoError(b, w.Write(&all[i]))
	}
	require.NoError(b, w.Close())
	src := bytes.NewReader(file.Bytes())
	samples := 0
	var batch acquire.Batch
	b.ReportAllocs()
	for b.Loop() {
		r, err := capture.NewReader(src, src.Size(), capture.ReaderConfig{})
		require.NoError(b, err)
		for r.Next(&batch) == nil {
			samples += len(batch.Samples)
		}
	}
	b.ReportMetric(float64(samples)/b.Elapsed().Seconds()/1e6, "Msamples/s")
}

// texts are the forms of text, each with what writes and what reads it.
var texts = []struct {
	name   string
	writer func(io.Writer, *acquire.Catalog) flusher
	reader func(io.Reader) capture.BatchReader
}{
	{"JSON", func(w io.Writer, c *acquire.Catalog) flusher { return capture.NewJSONWriter(w, c) },
		func(r io.Reader) capture.BatchReader { return capture.NewJSONReader(r, acquire.NewCatalog(), nil) }},
	{"CSV", func(w io.Writer, c *acquire.Catalog) flusher { return capture.NewCSVWriter(w, c) },
		func(r io.Reader) capture.BatchReader { return capture.NewCSVReader(r, acquire.NewCatalog()) }},
}

type flusher interface {
	capture.BatchWriter
	Flush() error
}

// text writes n seconds of the plant.
func text(t testing.TB, writer func(io.Writer, *acquire.Catalog) flusher, n int) []byte {
	p := newPlant(t)
	var file bytes.Buffer
	w := writer(&file, p.catalog)
	for _, b := range p.batches(n) {
		require.NoError(t, w.Write(&b))
	}
	require.NoError(t, w.Flush())
	return file.Bytes()
}

func BenchmarkReadText(b *testing.B) {
	for _, form := range texts {
		b.Run(form.name, func(b *testing.B) {
			file := text(b, form.writer, 100)
			var batch acquire.Batch
			samples := 0
			b.ReportAllocs()
			for b.Loop() {
				r := form.reader(bytes.NewReader(file))
				for r.Next(&batch) == nil {
					samples += len(batch.Samples)
				}
			}
			b.ReportMetric(float64(samples)/b.Elapsed().Seconds()/1e6, "Msamples/s")
		})
	}
}

func TestTextAllocs(t *testing.T) {
	for _, form := range texts {
		r := form.reader(bytes.NewReader(text(t, form.writer, 400)))
		var b acquire.Batch
		read := func() { _ = r.Next(&b) }
		for range 50 {
			read()
		}
		require.Zero(t, testing.AllocsPerRun(200, read), form.name)
		require.NotEmpty(t, b.Samples)
	}
}
