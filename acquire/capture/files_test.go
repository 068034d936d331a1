package capture_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/capturetest"
)

// seconds writes n seconds of one point, from the second given.
func seconds(t testing.TB, w *capture.Writer, id acquire.PointID, from, n int) {
	t.Helper()
	var b acquire.Batch
	for i := from; i < from+n; i++ {
		b.Reset()
		b.Received = acquire.Instant(1790000000_000000000 + int64(i)*1e9)
		b.Append(acquire.Sample{Time: b.Received, Point: id, Value: acquire.Float64(float64(i)), Quality: acquire.Good})
		require.NoError(t, w.Write(&b))
	}
}

func define(t testing.TB, c *acquire.Catalog, name string) acquire.PointID {
	t.Helper()
	id, err := c.Define(acquire.Point{Name: name, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	return id
}

func TestSegments(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a-notes.mcap"), []byte("not ours"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b-20250921T141320.000000000Z.mcap"), []byte("of another"), 0o600))
	catalog := acquire.NewCatalog()
	id := define(t, catalog, "x")
	w, err := capture.CreateSegments(capture.Segments{
		Dir: dir, Prefix: "a-", MaxAge: time.Minute, KeepAge: 5 * time.Minute,
	}, capture.Config{Catalog: catalog})
	require.NoError(t, err)
	seconds(t, w, id, 0, 1200)
	require.NoError(t, w.Close())
	require.Equal(t, uint64(20), w.Stats().Files)

	files, err := capture.Files(dir, "a-20")
	require.NoError(t, err)
	require.Len(t, files, 7, "the open one, five minutes, and the one that ends within")
	require.Equal(t, "a-20260921T142620.000000000Z.mcap", filepath.Base(files[0]))
	for _, name := range files {
		r, err := capture.Open(name, capture.ReaderConfig{})
		require.NoError(t, err)
		var b acquire.Batch
		n := 0
		for r.Next(&b) == nil {
			n++
		}
		require.Equal(t, 60, n)
		require.True(t, r.Report().Clean())
		require.NoError(t, r.Close())
	}
	all, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, all, 9, "files of others stay")
}

func TestSegmentsBytes(t *testing.T) {
	dir := t.TempDir()
	catalog := acquire.NewCatalog()
	id := define(t, catalog, "x")
	w, err := capture.CreateSegments(capture.Segments{Dir: dir, MaxBytes: 10_000, KeepBytes: 50_000}, capture.Config{Catalog: catalog})
	require.NoError(t, err)
	seconds(t, w, id, 0, 2000)
	require.NoError(t, w.Close())
	files, err := capture.Files(dir, "")
	require.NoError(t, err)
	total := int64(0)
	for _, name := range files {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Less(t, info.Size(), int64(30_000))
		total += info.Size()
	}
	require.Less(t, total, int64(80_000))
	require.Greater(t, len(files), 2)
}

// A directory that is gone is told, and costs no more than the time it is gone.
func TestSegmentsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "captures")
	require.NoError(t, os.Mkdir(dir, 0o700))
	catalog := acquire.NewCatalog()
	id := define(t, catalog, "x")
	told := 0
	w, err := capture.CreateSegments(capture.Segments{Dir: dir, MaxAge: 10 * time.Second, KeepAge: time.Hour}, capture.Config{
		Catalog: catalog, OnError: func(err error) {
			require.ErrorIs(t, err, os.ErrNotExist)
			told++
		},
	})
	require.NoError(t, err)
	write := func(i int) error {
		b := acquire.Batch{Received: acquire.Instant(1790000000_000000000 + int64(i)*1e9)}
		b.Append(acquire.Sample{Time: b.Received, Point: id, Value: acquire.Float64(1), Quality: acquire.Good})
		return errors.Join(w.Write(&b), w.Flush())
	}
	for i := range 5 {
		require.NoError(t, write(i))
	}
	require.NoError(t, os.RemoveAll(dir))
	for i := 10; i < 15; i++ {
		require.ErrorIs(t, write(i), os.ErrNotExist)
	}
	require.Equal(t, 5, told)
	require.NoError(t, os.Mkdir(dir, 0o700))
	for i := 20; i < 25; i++ {
		require.NoError(t, write(i))
	}
	require.NoError(t, w.Close())
	st := w.Stats()
	require.Equal(t, [3]uint64{15, 10, 5}, [3]uint64{st.Samples, st.WrittenSamples, st.UnrecordedSamples})
	files, err := capture.Files(dir, "")
	require.NoError(t, err)
	require.Len(t, files, 1)
	var gap capture.Event
	r, err := capture.Open(files[0], capture.ReaderConfig{OnEvent: func(ev capture.Event) { gap = ev }})
	require.NoError(t, err)
	defer r.Close()
	var b acquire.Batch
	require.NoError(t, r.Next(&b))
	require.Equal(t, uint64(5), gap.Samples)
}

// A clock that was set back makes no two files of one name.
func TestSegmentsClock(t *testing.T) {
	dir := t.TempDir()
	catalog := acquire.NewCatalog()
	id := define(t, catalog, "x")
	for range 3 {
		w, err := capture.CreateSegments(capture.Segments{Dir: dir}, capture.Config{Catalog: catalog})
		require.NoError(t, err)
		seconds(t, w, id, 0, 3)
		require.NoError(t, w.Close())
	}
	files, err := capture.Files(dir, "")
	require.NoError(t, err)
	require.Len(t, files, 3)
}

func TestMerge(t *testing.T) {
	catalog := acquire.NewCatalog()
	open := func(name string, ranges ...[2]int) *capture.Reader {
		own := acquire.NewCatalog()
		define(t, own, "unused by "+name)
		id := define(t, own, name)
		var file bytes.Buffer
		w, err := capture.NewWriter(&file, capture.Config{Catalog: own})
		require.NoError(t, err)
		for _, r := range ranges {
			seconds(t, w, id, r[0], r[1])
		}
		require.NoError(t, w.Close())
		r, err := capture.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), capture.ReaderConfig{Catalog: catalog})
		require.NoError(t, err)
		return r
	}
	// The clock of b was set back from 13 to 5.
	m := capture.Merge(open("a", [2]int{0, 20}), open("b", [2]int{10, 3}, [2]int{5, 2}), open("c", [2]int{15, 10}), open("d"))
	require.Len(t, m.Points(), 3)
	var b acquire.Batch
	var got []string
	for {
		err := m.Next(&b)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		p, ok := catalog.Point(b.Samples[0].Point)
		require.True(t, ok)
		v, _ := b.Samples[0].Value.Float64()
		got = append(got, p.Name+string(rune('0'+int(v))))
	}
	var want []string
	for i := range 25 {
		add := func(name string, v int) { want = append(want, name+string(rune('0'+v))) }
		if i < 20 {
			add("a", i)
		}
		if i >= 10 && i < 13 {
			add("b", i)
		}
		if i == 12 {
			add("b", 5)
			add("b", 6)
		}
		if i >= 15 {
			add("c", i)
		}
	}
	require.Equal(t, want, got)
	require.Len(t, m.Reports(), 4)
	require.NoError(t, m.Close())
	require.ErrorIs(t, m.Next(&b), io.EOF)
}

// Bounds give what reading all and looking at each batch gives, with an index or
// without.
func TestBounds(t *testing.T) {
	file, _ := record(t, 11, 200, capture.Config{MaxSamples: 200})
	catalog := acquire.NewCatalog()
	points(t, catalog)
	read := func(file []byte, from, to acquire.Instant) (got []acquire.Instant, all []string) {
		r, err := capture.NewReader(bytes.NewReader(file), int64(len(file)), capture.ReaderConfig{Catalog: catalog, From: from, To: to})
		require.NoError(t, err)
		var b acquire.Batch
		for r.Next(&b) == nil {
			got = append(got, b.Received)
			all = append(all, render(&b))
		}
		require.True(t, r.Report().Complete)
		return got, all
	}
	received, all := read(file, 0, 0)
	// A batch that does not say is where the one before it is.
	for i := range received {
		if received[i] == 0 && i > 0 {
			received[i] = received[i-1]
		}
	}
	first, last := slices.Min(received), slices.Max(received)
	torn := file[:len(file)-1] // within the last record
	for i := range 50 {
		from := first + acquire.Instant(i)*(last-first)/60
		to := from + acquire.Instant(i%7+1)*3e9
		var want []string
		for j, t := range received {
			if t >= from && t < to {
				want = append(want, all[j])
			}
		}
		_, got := read(file, from, to)
		require.Equal(t, want, got, "from %s to %s", from, to)
		_, got = read(torn, from, to)
		require.Equal(t, want, got)
	}
}

// A batch that does not say when it arrived came with the one before it, also
// where that is in an earlier block and a later batch arrived before.
func TestBoundsUnknown(t *testing.T) {
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Config{Catalog: acquire.NewCatalog()})
	require.NoError(t, err)
	const second = 1e9
	for i, received := range []acquire.Instant{100 * second, 0, 100*second - 5, 0} {
		require.NoError(t, w.Write(&acquire.Batch{Received: received, Lost: uint64(i + 1)}))
		if i == 0 {
			require.NoError(t, w.Flush())
		}
	}
	require.NoError(t, w.Close())
	r, err := capture.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), capture.ReaderConfig{From: 100 * second})
	require.NoError(t, err)
	var b acquire.Batch
	var got []uint64
	for r.Next(&b) == nil {
		got = append(got, b.Lost)
	}
	require.Equal(t, []uint64{1, 2}, got)
}

func TestSelect(t *testing.T) {
	file, _ := record(t, 12, 100, capture.Config{})
	catalog := acquire.NewCatalog()
	ids := points(t, catalog)
	chosen, _ := catalog.Point(ids[7])
	all, err := capture.NewReader(bytes.NewReader(file), int64(len(file)), capture.ReaderConfig{Catalog: catalog})
	require.NoError(t, err)
	some, err := capture.NewReader(bytes.NewReader(file), int64(len(file)), capture.ReaderConfig{
		Catalog: catalog, Select: func(name string) bool { return name == chosen.Name },
	})
	require.NoError(t, err)
	require.Equal(t, []acquire.PointID{ids[7]}, some.Points())
	var a, b acquire.Batch
	for all.Next(&a) == nil {
		require.NoError(t, some.Next(&b))
		a.Samples = slices.DeleteFunc(a.Samples, func(s acquire.Sample) bool { return s.Point != ids[7] })
		a.Points = slices.DeleteFunc(slices.Clone(a.Points), func(id acquire.PointID) bool { return id != ids[7] })
		require.Equal(t, render(&a), render(&b))
	}
	require.ErrorIs(t, some.Next(&b), io.EOF)
}

// invert is a compression that saves nothing.
type invert struct{}

func (invert) Name() string { return "invert" }

func (invert) Append(dst, src []byte) ([]byte, error) {
	for _, c := range src {
		dst = append(dst, ^c)
	}
	return dst, nil
}

type revert struct{ invert }

func (revert) Append(dst, src []byte, size int) ([]byte, error) {
	if len(src) != size {
		return nil, errors.New("size")
	}
	return invert{}.Append(dst, src)
}

func TestCompression(t *testing.T) {
	file, want := record(t, 13, 100, capture.Config{Compressor: invert{}})
	got, report := readAll(t, file, capture.ReaderConfig{Decompressors: []capture.Decompressor{revert{}}})
	require.Equal(t, want, got)
	require.True(t, report.Clean(), report.String())
	got, report = readAll(t, file[:len(file)*2/3], capture.ReaderConfig{Decompressors: []capture.Decompressor{revert{}}})
	require.Greater(t, len(got), 30)
	require.Equal(t, want[:len(got)], got)
	require.False(t, report.Complete)

	got, report = readAll(t, file, capture.ReaderConfig{})
	require.Empty(t, got)
	require.False(t, report.Clean())
	require.Contains(t, report.Damage[0].Reason, `"invert"`)
}

// A capture within a text of a capture is no capture.
func TestNested(t *testing.T) {
	inner, forged := record(t, 14, 3, capture.Config{})
	catalog := acquire.NewCatalog()
	ids := points(t, catalog)
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Config{Catalog: catalog, MaxSamples: 1})
	require.NoError(t, err)
	var b acquire.Batch
	for range 3 {
		b.Reset()
		text, ok := b.PutText(inner[:min(len(inner), math.MaxUint16)])
		require.True(t, ok)
		b.Append(acquire.Sample{Time: 1, Point: ids[4], Value: text, Quality: acquire.Good})
		require.NoError(t, w.Write(&b))
	}
	require.NoError(t, w.Close())
	// Without the index, what is behind damage has to be found.
	data := file.Bytes()[:file.Len()-10]
	for at := range min(len(data), 1000) {
		data[at] ^= 0x10
		got, _ := readAll(t, data, capture.ReaderConfig{})
		data[at] ^= 0x10
		for _, s := range forged {
			require.NotContains(t, got, s)
		}
	}
}

// Events of several captures come in their places among the batches of all.
func TestMergeEvents(t *testing.T) {
	var seen []string
	catalog := acquire.NewCatalog()
	open := func(name string, from int) *capture.Reader {
		var file bytes.Buffer
		w, err := capture.NewWriter(&file, capture.Config{Catalog: catalog})
		require.NoError(t, err)
		id := define(t, catalog, name)
		for i := range 2 {
			require.NoError(t, w.Event(capture.Event{Kind: capture.Opened, Source: name, Time: 1}))
			seconds(t, w, id, from+i, 1)
		}
		require.NoError(t, w.Event(capture.Event{Kind: capture.Closed, Source: name, Time: 1}))
		require.NoError(t, w.Close())
		r, err := capture.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), capture.ReaderConfig{
			Catalog: catalog,
			OnEvent: func(ev capture.Event) { seen = append(seen, ev.Source+" "+ev.Kind.String()) },
		})
		require.NoError(t, err)
		return r
	}
	m := capture.Merge(open("a", 0), open("b", 10))
	var b acquire.Batch
	for m.Next(&b) == nil {
		p, _ := catalog.Point(b.Samples[0].Point)
		seen = append(seen, p.Name)
	}
	require.Equal(t, []string{
		"a opened", "a", "a opened", "a", "a closed",
		"b opened", "b", "b opened", "b", "b closed",
	}, seen)
	require.NoError(t, m.Close())
}

func TestSyncEachBlock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.mcap")
	catalog := acquire.NewCatalog()
	id := define(t, catalog, "x")
	w, err := capture.Create(name, capture.Config{Catalog: catalog, Sync: capture.SyncEachBlock})
	require.NoError(t, err)
	seconds(t, w, id, 0, 10)
	require.NoError(t, w.Close())
	require.Equal(t, w.Stats().Samples, w.Stats().WrittenSamples)
	r, err := capture.Open(name, capture.ReaderConfig{})
	require.NoError(t, err)
	require.NoError(t, r.Close())
	var b acquire.Batch
	require.ErrorIs(t, r.Next(&b), capture.ErrClosed)
}

// Captures of earlier versions stay readable. The text beside the file says what
// is in it.
func TestVersion1(t *testing.T) {
	capturetest.Equal(t, filepath.Join("testdata", "version1.jsonl"), filepath.Join("testdata", "version1.mcap"))
}
