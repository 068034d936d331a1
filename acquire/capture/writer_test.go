package capture_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

func TestConfigFaults(t *testing.T) {
	_, err := capture.NewWriter(nil, capture.Config{MaxSamples: -1, MaxDelay: time.Hour, Queue: -1, Wait: true, Sync: 7})
	for _, text := range []string{"Catalog", "MaxSamples", "MaxDelay", "Queue", "Sync", "writer is nil"} {
		require.ErrorContains(t, err, text)
	}
	_, err = capture.CreateSegments(capture.Segments{Prefix: "a/b", MaxBytes: -1, MaxAge: -1, KeepAge: -1, KeepBytes: -1}, capture.Config{})
	for _, text := range []string{"Catalog", "Dir", "Prefix", "MaxBytes", "MaxAge", "KeepAge", "KeepBytes"} {
		require.ErrorContains(t, err, text)
	}
	_, err = capture.CreateSegments(capture.Segments{Dir: filepath.Join(t.TempDir(), "none")}, capture.Config{})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = capture.NewReader(nil, 0, capture.ReaderConfig{})
	require.Error(t, err)
	_, err = capture.NewReader(bytes.NewReader(nil), 0, capture.ReaderConfig{From: 2, To: 2})
	require.Error(t, err)
	name := filepath.Join(t.TempDir(), "x.mcap")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	_, err = capture.Create(name, capture.Config{Catalog: acquire.NewCatalog()})
	require.ErrorIs(t, err, os.ErrExist, "a capture is never overwritten")
}

func TestNotACapture(t *testing.T) {
	file := bytes.Repeat([]byte("time,point,value\n"), 1000)
	_, err := capture.NewReader(bytes.NewReader(file), int64(len(file)), capture.ReaderConfig{})
	require.ErrorIs(t, err, capture.ErrFormat)
}

func TestEmpty(t *testing.T) {
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Config{Catalog: acquire.NewCatalog()})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, w.Close(), "idempotent")
	require.ErrorIs(t, w.Write(&acquire.Batch{Samples: make([]acquire.Sample, 3)}), capture.ErrClosed)
	require.Equal(t, uint64(3), w.Stats().UnrecordedSamples)
	require.ErrorIs(t, w.Flush(), capture.ErrClosed)
	got, report := readAll(t, file.Bytes(), capture.ReaderConfig{})
	require.Empty(t, got)
	require.True(t, report.Clean())
}

// A block is written when its time is over, whether or not batches come.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		catalog := acquire.NewCatalog()
		ids := points(t, catalog)
		w, err := capture.NewWriter(io.Discard, capture.Config{Catalog: catalog})
		require.NoError(t, err)
		defer w.Close()
		var b acquire.Batch
		b.Append(acquire.Sample{Point: ids[0], Value: acquire.Float64(1)})
		require.NoError(t, w.Write(&b))
		time.Sleep(999 * time.Millisecond)
		require.Zero(t, w.Stats().WrittenSamples)
		time.Sleep(2 * time.Millisecond)
		require.Equal(t, uint64(1), w.Stats().WrittenSamples)
		time.Sleep(time.Minute)
		require.Equal(t, uint64(1), w.Stats().Blocks)
	})
}

// kill stops taking bytes in the midst of a write, as the end of a process does.
type kill struct {
	bytes.Buffer
	left int
}

var errKilled = errors.New("killed")

func (k *kill) Write(b []byte) (int, error) {
	n := min(len(b), k.left)
	k.left -= n
	k.Buffer.Write(b[:n])
	if n < len(b) {
		return n, errKilled
	}
	return n, nil
}

// What was acknowledged can be read, whenever recording ends.
func TestKill(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	catalog := acquire.NewCatalog()
	ids := points(t, catalog)
	for range 200 {
		k := &kill{left: r.IntN(30_000)}
		w, err := capture.NewWriter(k, capture.Config{Catalog: catalog, MaxSamples: 1 + r.IntN(300)})
		require.NoError(t, err)
		var b acquire.Batch
		var batches []string
		now := acquire.Instant(1790000000_000000000)
		for {
			fill(r, &b, ids, &now)
			batches = append(batches, render(&b))
			if w.Write(&b) != nil || r.IntN(5) == 0 && w.Flush() != nil {
				break
			}
		}
		require.ErrorIs(t, w.Close(), errKilled)
		st := w.Stats()
		require.Equal(t, st.WrittenSamples+st.UnrecordedSamples, st.Samples)
		require.ErrorIs(t, st.LastError, errKilled)
		got, report := readAll(t, k.Bytes(), capture.ReaderConfig{})
		// More may have arrived than was acknowledged, as what follows a block was cut.
		require.GreaterOrEqual(t, uint64(len(got)), st.WrittenBatches, report.String())
		require.Equal(t, batches[:len(got)], append([]string{}, got...))
		require.False(t, report.Complete)
	}
}

// disk is a file in memory that may be full.
type disk struct {
	data []byte
	room int
	// ruined disks cannot even undo.
	ruined bool
}

var errFull = errors.New("disk full")

func (d *disk) Write(b []byte) (int, error) {
	n := min(len(b), max(d.room-len(d.data), 0))
	d.data = append(d.data, b[:n]...)
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

func (d *disk) Seek(offset int64, _ int) (int64, error) {
	if d.ruined {
		return 0, errFull
	}
	return offset, nil
}

func (d *disk) Truncate(size int64) error {
	if d.ruined {
		return errFull
	}
	d.data = d.data[:size]
	return nil
}

// A full disk is told within a second, acquisition goes on, and so does recording
// when there is room again, with the gap in the file.
func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		catalog := acquire.NewCatalog()
		ids := points(t, catalog)
		d := &disk{room: 10_000}
		var mu sync.Mutex
		var times []time.Time
		w, err := capture.NewWriter(d, capture.Config{Catalog: catalog, OnError: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			assert.ErrorIs(t, err, errFull)
			times = append(times, time.Now())
		}})
		require.NoError(t, err)
		fake := acquiretest.NewFake("meter", ids, acquiretest.Forever(
			acquiretest.Deliver(acquire.Sample{Point: ids[0], Value: acquire.Float64(1), Quality: acquire.Good}),
			acquiretest.Wait(100*time.Millisecond)))
		stream, err := capture.Record(fake, w).Open(t.Context())
		require.NoError(t, err)
		var b acquire.Batch
		delivered := uint64(0)
		run := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); delivered++ {
				require.NoError(t, stream.Next(t.Context(), &b))
			}
		}
		run(10 * time.Second)
		require.Empty(t, times)
		d.room = 0
		full := time.Now()
		run(10 * time.Second)
		mu.Lock()
		told := slices.Clone(times)
		mu.Unlock()
		require.NotEmpty(t, told)
		require.LessOrEqual(t, told[0].Sub(full), time.Second)
		require.InDelta(t, 100, w.Stats().UnrecordedSamples, 20)
		require.ErrorIs(t, w.Stats().LastError, errFull)
		d.room = 1 << 20
		run(10 * time.Second)
		require.NoError(t, stream.Close())
		require.NoError(t, w.Close())

		st := w.Stats()
		require.Equal(t, delivered, st.Samples)
		require.Equal(t, st.Samples, st.WrittenSamples+st.UnrecordedSamples)
		var gaps []capture.Event
		got, report := readAll(t, d.data, capture.ReaderConfig{OnEvent: func(ev capture.Event) {
			if ev.Kind == capture.Gap {
				gaps = append(gaps, ev)
			}
		}})
		require.True(t, report.Clean(), report.String())
		require.Equal(t, st.WrittenBatches, uint64(len(got)))
		require.Len(t, gaps, 1)
		require.Equal(t, st.UnrecordedSamples, gaps[0].Samples)
		require.Equal(t, st.UnrecordedBatches, gaps[0].Batches)
	})
}

// stuck is a disk that answers while it may.
type stuck struct {
	bytes.Buffer
	free chan struct{} // closed while it answers
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.free
	return s.Buffer.Write(b)
}

// A disk that hangs holds nothing up but what is written to it. That is told a second
// later; what finds no place to wait is counted, and a Gap in the capture says so.
func TestDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		catalog := acquire.NewCatalog()
		ids := points(t, catalog)
		d := &stuck{free: make(chan struct{})}
		var mu sync.Mutex
		var told []time.Time
		w, err := capture.NewWriter(d, capture.Config{Catalog: catalog, Queue: 4, MaxDelay: 500 * time.Millisecond, OnError: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			assert.ErrorIs(t, err, capture.ErrDisk)
			told = append(told, time.Now())
		}})
		require.NoError(t, err)
		fake := acquiretest.NewFake("meter", ids, acquiretest.Forever(
			acquiretest.Deliver(acquire.Sample{Point: ids[0], Value: acquire.Float64(1), Quality: acquire.Good}),
			acquiretest.Wait(100*time.Millisecond)))
		stream, err := capture.Record(fake, w).Open(t.Context())
		require.NoError(t, err)
		var b acquire.Batch
		delivered := uint64(0)
		run := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); delivered++ {
				before := time.Now()
				require.NoError(t, stream.Next(t.Context(), &b))
				require.LessOrEqual(t, time.Since(before), 100*time.Millisecond)
			}
		}
		start := time.Now()
		run(10 * time.Second)
		mu.Lock()
		require.NotEmpty(t, told)
		require.LessOrEqual(t, told[0].Sub(start), 1600*time.Millisecond)
		mu.Unlock()
		require.NotZero(t, w.Stats().UnrecordedSamples)
		require.Zero(t, w.Stats().WrittenSamples)
		require.ErrorIs(t, w.Flush(), capture.ErrDisk)
		close(d.free)
		synctest.Wait()
		lost := w.Stats().UnrecordedSamples
		run(10 * time.Second)
		require.NoError(t, w.Flush())
		require.NoError(t, stream.Close())
		require.NoError(t, w.Close())

		st := w.Stats()
		require.Equal(t, lost, st.UnrecordedSamples)
		require.Equal(t, delivered, st.Samples)
		require.Equal(t, st.Samples, st.WrittenSamples+st.UnrecordedSamples)
		missing := uint64(0)
		got, report := readAll(t, d.Bytes(), capture.ReaderConfig{OnEvent: func(ev capture.Event) {
			missing += ev.Samples
		}})
		require.True(t, report.Clean(), report.String())
		require.Equal(t, st.WrittenBatches, uint64(len(got)))
		require.Equal(t, st.UnrecordedSamples, missing)
	})
}

// Close and Flush do not wait for ever, nor is what waits lost if the disk answers.
func TestCloseHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		catalog := acquire.NewCatalog()
		ids := points(t, catalog)
		d := &stuck{free: make(chan struct{})}
		w, err := capture.NewWriter(d, capture.Config{Catalog: catalog, Queue: 4})
		require.NoError(t, err)
		var b acquire.Batch
		b.Append(acquire.Sample{Point: ids[0], Value: acquire.Float64(1), Quality: acquire.Good})
		require.NoError(t, w.Write(&b))
		start := time.Now()
		require.ErrorIs(t, w.Flush(), capture.ErrDisk)
		require.ErrorIs(t, w.Close(), capture.ErrDisk)
		require.NoError(t, w.Close(), "idempotent")
		require.LessOrEqual(t, time.Since(start), 20*time.Second)
		require.ErrorIs(t, w.Write(&b), capture.ErrClosed)
		close(d.free)
		synctest.Wait()
		got, report := readAll(t, d.Bytes(), capture.ReaderConfig{})
		require.Len(t, got, 1)
		require.True(t, report.Clean(), report.String())
		require.Equal(t, uint64(1), w.Stats().WrittenSamples)
	})
}

// With a queue, the same is recorded as without, byte for byte, while the disk keeps up.
func TestQueue(t *testing.T) {
	p := newPlant(t)
	all := p.batches(300)
	record := func(queue int, wait bool) []byte {
		var file bytes.Buffer
		w, err := capture.NewWriter(&file, capture.Config{Catalog: p.catalog, MaxDelay: time.Minute, MaxSamples: 1000, Queue: queue, Wait: wait})
		require.NoError(t, err)
		for i := range all {
			require.NoError(t, w.Write(&all[i]))
			if i%10 == 9 {
				require.NoError(t, w.Flush())
			}
		}
		require.NoError(t, w.Close())
		require.Equal(t, w.Stats().Samples, w.Stats().WrittenSamples)
		require.Equal(t, int(w.Stats().Bytes), file.Len())
		return file.Bytes()
	}
	want := record(0, false)
	require.True(t, bytes.Equal(want, record(10, false)))
	for _, queue := range []int{1, 2, 4} {
		require.True(t, bytes.Equal(want, record(queue, true)), queue)
	}
}

// slow is a disk that takes its time.
type slow struct {
	bytes.Buffer
	each time.Duration
}

func (s *slow) Write(b []byte) (int, error) {
	time.Sleep(s.each)
	return s.Buffer.Write(b)
}

// Who waits for a slow disk loses nothing, from several goroutines and with batches that
// fill blocks of their own. A disk that hangs is not waited for longer than 10 s a block.
func TestWait(t *testing.T) {
	p := newPlant(t)
	all := p.batches(40)
	synctest.Test(t, func(t *testing.T) {
		d := &slow{each: time.Second}
		w, err := capture.NewWriter(d, capture.Config{Catalog: p.catalog, MaxDelay: time.Minute, MaxSamples: 600, Queue: 1, Wait: true})
		require.NoError(t, err)
		var writers sync.WaitGroup
		for part := range 4 {
			writers.Go(func() {
				for i := part; i < len(all); i += 4 {
					assert.NoError(t, w.Write(&all[i]))
					assert.NoError(t, w.Event(capture.Event{Kind: capture.Opened}))
				}
			})
		}
		writers.Wait()
		require.NoError(t, w.Flush())
		require.NoError(t, w.Close())
		require.Equal(t, uint64(40*500), w.Stats().WrittenSamples)
	})
	// Blocks that end because the next batch is far from them in time.
	synctest.Test(t, func(t *testing.T) {
		d := &slow{each: time.Second}
		w, err := capture.NewWriter(d, capture.Config{Catalog: p.catalog, MaxDelay: time.Millisecond, Queue: 1, Wait: true})
		require.NoError(t, err)
		for i := range all {
			require.NoError(t, w.Write(&all[i]))
		}
		require.NoError(t, w.Close())
		require.Equal(t, uint64(40*500), w.Stats().WrittenSamples)
	})
	synctest.Test(t, func(t *testing.T) {
		d := &stuck{free: make(chan struct{})}
		w, err := capture.NewWriter(d, capture.Config{Catalog: p.catalog, MaxDelay: time.Minute, MaxSamples: 1, Queue: 1, Wait: true})
		require.NoError(t, err)
		start, dropped := time.Now(), 0
		for i := range 5 {
			if err := w.Write(&all[i]); err != nil {
				require.ErrorIs(t, err, capture.ErrDisk)
				dropped++
			}
		}
		require.NotZero(t, dropped)
		require.LessOrEqual(t, time.Since(start), 5*10*time.Second)
		// One waits while the Writer is closed: it is told, and counted.
		var late error
		var writer sync.WaitGroup
		writer.Go(func() { late = w.Write(&all[5]) })
		synctest.Wait()
		require.ErrorIs(t, w.Close(), capture.ErrDisk)
		close(d.free)
		writer.Wait()
		synctest.Wait()
		require.Error(t, late)
		st := w.Stats()
		require.Equal(t, uint64(6*500), st.Samples)
		require.Equal(t, st.Samples, st.WrittenSamples+st.UnrecordedSamples)
	})
}

// What fails when no call is there to be told so is returned by the next.
func TestErrorOfNoCall(t *testing.T) {
	p := newPlant(t)
	all := p.batches(4)
	for _, queue := range []int{0, 4} {
		synctest.Test(t, func(t *testing.T) {
			d := &disk{room: 100}
			w, err := capture.NewWriter(d, capture.Config{Catalog: p.catalog, Queue: queue, Wait: queue > 0})
			require.NoError(t, err)
			require.NoError(t, w.Write(&all[0]))
			time.Sleep(1500 * time.Millisecond)
			synctest.Wait()
			d.room = 1 << 20
			require.ErrorIs(t, w.Write(&all[1]), errFull)
			require.NoError(t, w.Write(&all[2]))
			require.NoError(t, w.Close())
			require.Equal(t, uint64(500), w.Stats().UnrecordedSamples)
		})
	}
}

// Points whose description could not be written are described with the next block.
func TestDescribedAgain(t *testing.T) {
	catalog := acquire.NewCatalog()
	ids := points(t, catalog)
	d := new(disk)
	w, err := capture.NewWriter(d, capture.Config{Catalog: catalog, MaxSamples: 1})
	require.NoError(t, err)
	b := acquire.Batch{Samples: []acquire.Sample{{Point: ids[0], Value: acquire.Float64(1), Quality: acquire.Good}}}
	require.ErrorIs(t, w.Write(&b), errFull)
	d.room = 1 << 20
	require.NoError(t, w.Write(&b))
	require.NoError(t, w.Close())
	got, report := readAll(t, d.data, capture.ReaderConfig{})
	require.Len(t, got, 1)
	require.Zero(t, report.Nameless)
	require.True(t, report.Clean())
}

// A disk that cannot undo half a block gets no second one behind it.
func TestDiskRuined(t *testing.T) {
	catalog := acquire.NewCatalog()
	ids := points(t, catalog)
	d := &disk{room: 300, ruined: true}
	w, err := capture.NewWriter(d, capture.Config{Catalog: catalog, MaxSamples: 1})
	require.NoError(t, err)
	var b acquire.Batch
	b.Append(acquire.Sample{Point: ids[0], Value: acquire.Float64(1), Quality: acquire.Good})
	for range 10 {
		if err := w.Write(&b); err != nil {
			d.room = 1 << 20
		}
	}
	require.Error(t, w.Close())
	require.Len(t, d.data, 300)
	require.Equal(t, uint64(10), w.Stats().UnrecordedSamples)
}

// Events stay in their places.
func TestEvents(t *testing.T) {
	catalog := acquire.NewCatalog()
	points(t, catalog)
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Config{Catalog: catalog})
	require.NoError(t, err)
	want := []capture.Event{
		{Kind: capture.Opened, Time: 5, Source: "meter"},
		{Kind: capture.Failed, Time: -1, Source: "meter", Quality: acquire.Bad.Because(acquire.Device).WithNative(0xffff), Permanent: true, Text: "no"},
		{Kind: capture.Gap, Time: 1 << 62, Batches: 1 << 63, Samples: 3},
		{Kind: capture.Closed, Time: 7},
	}
	require.NoError(t, w.Event(want[0]))
	require.NoError(t, w.Write(&acquire.Batch{Received: 1}))
	require.NoError(t, w.Event(want[1]))
	require.NoError(t, w.Event(want[2]))
	require.NoError(t, w.Write(&acquire.Batch{Received: 2}))
	require.NoError(t, w.Write(&acquire.Batch{Received: 3}))
	require.NoError(t, w.Event(want[3]))
	require.Error(t, w.Event(capture.Event{}))
	require.NoError(t, w.Close())

	var seen []any
	r, err := capture.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), capture.ReaderConfig{
		OnEvent: func(ev capture.Event) { seen = append(seen, ev) },
	})
	require.NoError(t, err)
	var b acquire.Batch
	for r.Next(&b) == nil {
		seen = append(seen, b.Received)
	}
	require.Equal(t, []any{want[0], acquire.Instant(1), want[1], want[2], acquire.Instant(2), acquire.Instant(3), want[3]}, seen)
}

// A batch beyond what a block takes is recorded in pieces, of which only the
// last promises anything.
func TestPieces(t *testing.T) {
	catalog := acquire.NewCatalog()
	ids := points(t, catalog)
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Config{Catalog: catalog})
	require.NoError(t, err)
	const n = 1<<20 + 5
	big := acquire.Batch{Received: 9, Watermark: 8, Lost: 7, Points: ids}
	for i := range n {
		big.Append(acquire.Sample{Time: acquire.Instant(i), Point: ids[0], Value: acquire.Uint64(uint64(i))})
	}
	require.NoError(t, w.Write(&big))
	require.NoError(t, w.Close())
	r, err := capture.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), capture.ReaderConfig{})
	require.NoError(t, err)
	var b acquire.Batch
	require.NoError(t, r.Next(&b))
	require.Len(t, b.Samples, 1<<20)
	require.Zero(t, b.Watermark)
	require.Equal(t, uint64(7), b.Lost)
	require.NoError(t, r.Next(&b))
	require.Len(t, b.Samples, 5)
	require.Equal(t, acquire.Instant(8), b.Watermark)
	require.Zero(t, b.Lost)
	require.ErrorIs(t, r.Next(&b), io.EOF)
}

// Texts of two batches are told apart though they lie at the same place in each.
func TestTextsOfBatches(t *testing.T) {
	catalog := acquire.NewCatalog()
	ids := points(t, catalog)
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Config{Catalog: catalog})
	require.NoError(t, err)
	for _, text := range []string{"one", "two"} {
		var b acquire.Batch
		v, _ := b.PutText([]byte(text))
		b.Append(acquire.Sample{Point: ids[4], Value: v, Quality: acquire.Good})
		require.NoError(t, w.Write(&b))
	}
	require.NoError(t, w.Close())
	r, err := capture.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), capture.ReaderConfig{})
	require.NoError(t, err)
	var b acquire.Batch
	for _, want := range []string{"one", "two"} {
		require.NoError(t, r.Next(&b))
		text, _ := b.Text(b.Samples[0].Value)
		require.Equal(t, want, string(text))
	}
}

// A text of another batch cannot be read by anybody: it is no value.
func TestUnreadableText(t *testing.T) {
	catalog := acquire.NewCatalog()
	ids := points(t, catalog)
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Config{Catalog: catalog})
	require.NoError(t, err)
	var b acquire.Batch
	old, _ := b.PutText([]byte("old"))
	b.Reset()
	b.Append(acquire.Sample{Point: ids[4], Value: old, Quality: acquire.Good.With(acquire.SourceTime)})
	require.NoError(t, w.Write(&b))
	require.NoError(t, w.Close())
	require.Equal(t, uint64(1), w.Stats().UnreadableTexts)
	r, err := capture.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), capture.ReaderConfig{})
	require.NoError(t, err)
	require.NoError(t, r.Next(&b))
	require.True(t, b.Samples[0].Value.IsNone())
	require.Equal(t, acquire.Bad.With(acquire.SourceTime), b.Samples[0].Quality)
}

func TestWriteAllocs(t *testing.T) {
	p := newPlant(t)
	all := p.batches(64)
	w, err := capture.NewWriter(io.Discard, capture.Config{Catalog: p.catalog, MaxDelay: 10 * time.Second})
	require.NoError(t, err)
	i := 0
	write := func() {
		i = (i + 1) % len(all)
		_ = w.Write(&all[i])
	}
	for range 1000 {
		write()
	}
	require.Zero(t, testing.AllocsPerRun(1000, write))
}

func TestReadAllocs(t *testing.T) {
	p := newPlant(t)
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Config{Catalog: p.catalog, MaxDelay: 10 * time.Second})
	require.NoError(t, err)
	all := p.batches(400)
	for i := range all {
		require.NoError(t, w.Write(&all[i]))
	}
	require.NoError(t, w.Close())
	r, err := capture.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), capture.ReaderConfig{})
	require.NoError(t, err)
	var b acquire.Batch
	read := func() { _ = r.Next(&b) }
	for range 50 {
		read()
	}
	require.Zero(t, testing.AllocsPerRun(300, read))
}
