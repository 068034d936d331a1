package capture_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"runtime/metrics"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// piece is a record of a file, or its magic, taken apart so that lies can be told in it.
type piece struct {
	op      byte // 0: raw bytes alone
	content []byte
	length  int64 // that the record claims, less its own
}

// The kinds of record that mutants know (https://mcap.dev/spec).
const (
	opFooter        = 0x02
	opMessage       = 0x05
	opChunk         = 0x06
	opMessageIndex  = 0x07
	opChunkIndex    = 0x08
	opStatistics    = 0x0b
	opMetadata      = 0x0c
	opMetadataIndex = 0x0d
	opDataEnd       = 0x0f
)

// dissect takes a file apart, which is whole.
func dissect(file []byte) []piece {
	pieces := []piece{{content: file[:8]}}
	for at := 8; at < len(file)-8; {
		n := int(binary.LittleEndian.Uint64(file[at+1:]))
		pieces = append(pieces, piece{op: file[at], content: file[at+9 : at+9+n]})
		at += 9 + n
	}
	return append(pieces, piece{content: file[len(file)-8:]})
}

// assemble makes a file again, with the checksum of its summary right.
func assemble(pieces []piece, honest bool) []byte {
	var file []byte
	for _, p := range pieces {
		if p.op == 0 {
			file = append(file, p.content...)
			continue
		}
		start := len(file)
		file = append(file, p.op)
		file = binary.LittleEndian.AppendUint64(file, uint64(int64(len(p.content))+p.length))
		file = append(file, p.content...)
		if p.op == opFooter && len(p.content) == 20 && honest {
			if begin := binary.LittleEndian.Uint64(p.content); begin <= uint64(start) {
				binary.LittleEndian.PutUint32(file[len(file)-4:], crc32.ChecksumIEEE(file[begin:len(file)-4]))
			}
		}
	}
	return file
}

// mutate does a few things to a file that accidents, tools and enemies may do.
// Only if deep, it changes what is within blocks, and makes the checksums right.
func mutate(rng *rand.Rand, file []byte, deep bool) []byte {
	pieces := dissect(file)
	pick := func(ops ...byte) *piece {
		var fit []*piece
		for i := range pieces {
			for _, op := range ops {
				if pieces[i].op == op {
					fit = append(fit, &pieces[i])
				}
			}
		}
		if len(fit) == 0 {
			return nil
		}
		p := fit[rng.IntN(len(fit))]
		p.content = bytes.Clone(p.content)
		return p
	}
	lie := func(field []byte) {
		var word [8]byte
		copy(word[:], field)
		n := binary.LittleEndian.Uint64(word[:])
		switch rng.IntN(6) {
		case 0:
			n += uint64(rng.IntN(5)) - 2
		case 1:
			n = math.MaxUint64
		case 2:
			n = rng.Uint64() >> rng.IntN(64)
		case 3:
			n = 0
		case 4:
			n ^= 1 << rng.IntN(64)
		default:
			n = uint64(rng.IntN(len(file) + 100))
		}
		binary.LittleEndian.PutUint64(word[:], n)
		copy(field, word[:])
	}
	for range 1 + rng.IntN(3) {
		i, j := rng.IntN(len(pieces)), rng.IntN(len(pieces))
		switch rng.IntN(11) {
		case 0:
			pieces[i], pieces[j] = pieces[j], pieces[i]
		case 1:
			pieces = append(pieces[:i:i], append([]piece{pieces[j]}, pieces[i:]...)...)
		case 2:
			pieces = append(pieces[:i:i], pieces[i+1:]...)
		case 3:
			if p := pick(opChunkIndex); p != nil && len(p.content) >= 32 {
				lie(p.content[8*rng.IntN(4):][:8])
			}
		case 4:
			if p := pick(opFooter); p != nil && len(p.content) == 20 {
				lie(p.content[8*rng.IntN(2):][:8])
			}
		case 5:
			if p := pick(opMetadataIndex, opStatistics, opMessageIndex, opDataEnd); p != nil {
				at := rng.IntN(len(p.content))
				lie(p.content[at:min(at+8, len(p.content))])
			}
		case 6:
			pieces[i].length = int64(rng.IntN(41) - 20)
			if rng.IntN(3) == 0 {
				pieces[i].length = rng.Int64()
			}
		case 7: // two chunks change places, so that each lies elsewhere than it says
			a, b := pick(opChunk), pick(opChunk)
			if a != nil && b != nil {
				*a, *b = *b, *a
			}
		case 8:
			pieces = pieces[:max(i, 2)]
		case 9:
			pieces[i].op = byte(rng.IntN(256))
		default:
			p := pick(opChunk)
			if p == nil || len(p.content) < 40 {
				break
			}
			if !deep {
				lie(p.content[8*rng.IntN(3):][:8])
				break
			}
			records := p.content[40:]
			for range 1 + rng.IntN(8) {
				if len(records) > 40 {
					at := 31 + rng.IntN(len(records)-31)
					if rng.IntN(2) == 0 {
						at = 31 + rng.IntN(min(60, len(records)-31))
					}
					records[at] = [...]byte{0, 0xff, 0x7f, 0x80, records[at] + 1, records[at] ^ 1<<rng.IntN(8)}[rng.IntN(6)]
				}
			}
			binary.LittleEndian.PutUint32(p.content[24:], crc32.ChecksumIEEE(records))
		}
	}
	return assemble(pieces, rng.IntN(4) > 0)
}

// allocated returns how many bytes have been allocated so far.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// FuzzMutant reads files whose records were swapped, doubled, left out, cut and lied
// about: no sample comes that was not written, none is missing without a word, and memory
// is bounded by the size of the file.
func FuzzMutant(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed, seed%3 == 0)
	}
	file, _ := small(f)
	written := make(map[string]int)
	total := uint64(0)
	read := func(r *capture.Reader, each func(string)) {
		var b acquire.Batch
		for r.Next(&b) == nil {
			for _, s := range b.Samples {
				each(string(r.Catalog().AppendSample(nil, s, &b)) + fmt.Sprint(s.Quality))
			}
		}
	}
	r, err := capture.NewReader(bytes.NewReader(file), int64(len(file)), capture.ReaderConfig{})
	require.NoError(f, err)
	read(r, func(s string) { written[s]++; total++ })
	f.Fuzz(func(t *testing.T, seed uint64, deep bool) {
		rng := rand.New(rand.NewPCG(seed, 11))
		mutant := mutate(rng, file, deep)
		before := allocated()
		r, err := capture.NewReader(bytes.NewReader(mutant), int64(len(mutant)), capture.ReaderConfig{OnEvent: func(capture.Event) {}})
		var b acquire.Batch
		for err == nil {
			err = r.Next(&b)
		}
		spent := allocated() - before
		if r == nil {
			return
		}
		require.ErrorIs(t, err, io.EOF)
		require.Less(t, spent, uint64(64<<20+100*len(mutant)), "bytes for a file of %d", len(mutant))
		if deep {
			return
		}
		came, n := make(map[string]int), uint64(0)
		r, err = capture.NewReader(bytes.NewReader(mutant), int64(len(mutant)), capture.ReaderConfig{})
		require.NoError(t, err)
		read(r, func(s string) { came[s]++; n++ })
		report := r.Report()
		require.Equal(t, n, report.Samples)
		if report.Nameless == 0 {
			for s := range came {
				require.Contains(t, written, s)
			}
		}
		if report.Clean() {
			for s, times := range written {
				require.GreaterOrEqual(t, came[s], times, "%s is missing of a file that is %s", s, report)
			}
			require.GreaterOrEqual(t, n, total)
		}
	})
}
