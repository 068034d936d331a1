package capture_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire/capture"
)

// small is a capture of several blocks that is cheap to read thousands of times.
func small(t testing.TB) ([]byte, []string) {
	return record(t, 3, 9, capture.Config{MaxSamples: 40})
}

// isPartOf tells whether got is want with some elements left out.
func isPartOf(got, want []string) bool {
	for _, g := range got {
		i := slices.Index(want, g)
		if i < 0 {
			return false
		}
		want = want[i+1:]
	}
	return true
}

// A file cut anywhere gives all blocks that are whole, and says that it is cut.
func TestCut(t *testing.T) {
	file, want := small(t)
	_, whole := readAll(t, file, capture.ReaderConfig{})
	require.Greater(t, whole.Blocks, uint64(5))
	read := 0
	for n := range file {
		got, report := readAll(t, file[:n], capture.ReaderConfig{})
		require.GreaterOrEqual(t, len(got), read, "cut at %d", n)
		read = len(got)
		require.Equal(t, want[:read], append([]string{}, got...), "cut at %d", n)
		require.False(t, report.Indexed, "cut at %d", n)
		require.LessOrEqual(t, report.End, int64(n))
		if report.Complete {
			require.Len(t, got, len(want))
		}
	}
	require.Len(t, want, read)
}

// A flipped bit costs one block at most, and is told.
func TestFlip(t *testing.T) {
	file, want := small(t)
	_, whole := readAll(t, file, capture.ReaderConfig{})
	for at := range file {
		bit := byte(1) << (at % 8)
		file[at] ^= bit
		got, report := readAll(t, file, capture.ReaderConfig{})
		file[at] ^= bit
		require.True(t, isPartOf(got, want), "byte %d", at)
		require.GreaterOrEqual(t, report.Blocks+1, whole.Blocks, "byte %d", at)
		require.Zero(t, report.Nameless, "byte %d", at)
		if len(got) < len(want) {
			require.False(t, report.Clean(), "byte %d", at)
			require.Equal(t, whole.Blocks-1, report.Blocks, "byte %d", at)
			require.NotEmpty(t, report.Damage, "byte %d", at)
		}
	}
}

// Samples whose points nobody describes any more come without a name, and are
// counted.
func TestNameless(t *testing.T) {
	file, want := small(t)
	_, whole := readAll(t, file, capture.ReaderConfig{})
	for _, n := range []int{len(file), len(file) - 10} { // with an index, and without
		data := bytes.Clone(file[:n])
		name := []byte("fieldtap.points")
		for at := bytes.Index(data, name); at >= 0; {
			if data[at-13] == 0x0c { // Metadata, and not its index
				data[at]++
			}
			next := bytes.Index(data[at+1:], name)
			if next < 0 {
				break
			}
			at += 1 + next
		}
		got, report := readAll(t, data, capture.ReaderConfig{})
		require.Len(t, got, len(want))
		require.Equal(t, whole.Samples, report.Samples)
		require.NotZero(t, report.Nameless)
		require.False(t, report.Clean())
	}
}

// The same without an index: in a file that was never closed.
func TestFlipOpen(t *testing.T) {
	file, _ := small(t)
	_, whole := readAll(t, file, capture.ReaderConfig{})
	file = file[:len(file)*9/10]
	want, cut := readAll(t, file, capture.ReaderConfig{})
	require.Greater(t, cut.Blocks+3, whole.Blocks)
	for at := 1; at < len(file); at += 2 {
		bit := byte(1) << (at / 2 % 8)
		file[at] ^= bit
		got, report := readAll(t, file, capture.ReaderConfig{})
		file[at] ^= bit
		if report.Nameless == 0 {
			require.True(t, isPartOf(got, want), "byte %d", at)
		}
		require.GreaterOrEqual(t, report.Blocks+1, cut.Blocks, "byte %d: %v", at, report.Damage)
		if len(got) < len(want) {
			require.GreaterOrEqual(t, len(report.Damage), len(cut.Damage), "byte %d", at)
			require.NotEqual(t, cut.Damage, report.Damage)
		}
	}
}

// A block that is gone without a trace but for those around it is told, also where an
// index says that there is none.
func TestMissingBlock(t *testing.T) {
	file, want := small(t)
	_, whole := readAll(t, file, capture.ReaderConfig{})
	for gone := range int(whole.Blocks) {
		for _, indexed := range []bool{true, false} {
			pieces := dissect(file)
			n, indices := 0, 0
			for i := range pieces {
				p := &pieces[i]
				switch p.op {
				case opChunk:
					if n == gone {
						p.op = 0x90 // of somebody else
					}
					n++
				case opChunkIndex:
					if indices == gone {
						p.op = 0x90
					}
					indices++
				}
			}
			if !indexed {
				pieces = pieces[:len(pieces)-1]
			}
			got, report := readAll(t, assemble(pieces, true), capture.ReaderConfig{})
			require.Less(t, len(got), len(want))
			require.Equal(t, whole.Blocks-1, report.Blocks)
			require.False(t, report.Clean(), "block %d", gone)
			require.NotEmpty(t, report.Damage, "block %d: %s", gone, report)
		}
	}
}
