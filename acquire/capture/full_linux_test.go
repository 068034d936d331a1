package capture_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// A file system that is full is told, costs the blocks that found no room and none
// other, and recording goes on when there is room again. Only root can make one; others
// have TestDiskFull, with a disk that is made up.
func TestFileSystemFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Logf("no file system to fill: %v", err)
		return
	}
	defer func() { require.NoError(t, syscall.Unmount(dir, 0)) }()
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 128<<10), 0o600))

	for _, queue := range []int{0, 8} {
		p := newPlant(t)
		told := make(chan error, 1)
		name := filepath.Join(dir, "x.mcap")
		w, err := capture.Create(name, capture.Config{Catalog: p.catalog, MaxSamples: 500, MaxDelay: time.Minute, Queue: queue, Sync: capture.SyncEachBlock,
			OnError: func(err error) {
				select {
				case told <- err:
				default:
				}
			}})
		require.NoError(t, err)
		var b acquire.Batch
		full := false
		for range 200 {
			p.next(&b)
			_ = w.Write(&b)
			if w.Flush() != nil {
				full = true
			}
		}
		require.True(t, full)
		require.ErrorIs(t, <-told, syscall.ENOSPC)
		require.NoError(t, os.Remove(ballast))
		for range 5 {
			p.next(&b)
			require.NoError(t, w.Write(&b))
			require.NoError(t, w.Flush())
		}
		require.NoError(t, w.Close())
		st := w.Stats()
		require.Equal(t, st.Samples, st.WrittenSamples+st.UnrecordedSamples)

		missing, read := uint64(0), uint64(0)
		r, err := capture.Open(name, capture.ReaderConfig{OnEvent: func(ev capture.Event) { missing += ev.Samples }})
		require.NoError(t, err)
		for r.Next(&b) == nil {
			read += uint64(len(b.Samples))
		}
		assert.True(t, r.Report().Clean(), r.Report().String())
		assert.Equal(t, st.WrittenSamples, read)
		assert.Equal(t, st.UnrecordedSamples, missing)
		require.NoError(t, r.Close())
		require.NoError(t, os.Remove(name))
		require.NoError(t, os.WriteFile(ballast, make([]byte, 128<<10), 0o600))
	}
}
