package capture_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// column reads a column of a block as the documentation of the package says, slowly
// and without any of the package's code.
type column struct {
	t *testing.T
	b []byte
}

func (c *column) number() uint64 {
	x, n := binary.Uvarint(c.b)
	require.Positive(c.t, n)
	c.b = c.b[n:]
	return x
}

func (c *column) signed() int64 {
	x := c.number()
	if x%2 == 1 {
		return -int64(x/2) - 1
	}
	return int64(x / 2)
}

func (c *column) byte() byte {
	b := c.b[0]
	c.b = c.b[1:]
	return b
}

func (c *column) take(n uint64) []byte {
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

// list reads a list of n numbers.
func (c *column) list(n int) (numbers []int64) {
	last := int64(0)
	for len(numbers) < n {
		run := c.number()
		length := uint64(1)
		if run%2 == 1 {
			length = c.number() + 2
		}
		step := &column{c.t, binary.AppendUvarint(nil, run/2)}
		d := step.signed()
		for range length {
			last += d
			numbers = append(numbers, last)
		}
	}
	require.Len(c.t, numbers, n)
	return numbers
}

// packed reads bits one by one.
type packed struct {
	b  []byte
	at int
}

func (p *packed) bits(n int) (x uint64) {
	for i := range n {
		x |= uint64(p.b[p.at/8]>>(p.at%8)&1) << i
		p.at++
	}
	return x
}

// slowBlock reads a payload.
func slowBlock(t *testing.T, payload []byte) (batches []*acquire.Batch) {
	require.Equal(t, "FTB1", string(payload[:4]))
	head := &column{t, payload[4:]}
	head.number() // offset of the chunk
	nBatches, nSamples, nEvents, nPoints, nSets, nTexts := head.number(), head.number(), head.number(), head.number(), head.number(), head.number()
	require.Zero(t, nEvents)
	var sizes [12]uint64
	for i := range sizes {
		sizes[i] = head.number()
	}
	var columns [12]*column
	for i, n := range sizes {
		columns[i] = &column{t, head.take(n)}
	}
	require.Empty(t, head.b)
	points, firsts, shapes, sets, lengths, text := columns[0], columns[1], columns[2], columns[3], columns[4], columns[5]
	heads, steps, times, changes, values := columns[7], columns[8], columns[9], columns[10], columns[11]

	ids := points.list(int(nPoints))
	kindOf := points.list(int(nPoints))
	qualityOf := points.list(int(nPoints))
	wordOf := make([]uint64, nPoints)
	widthOf, lowOf, sparse := make([]int, nPoints), make([]int, nPoints), make([]bool, nPoints)
	for i := range wordOf {
		if shape := firsts.byte(); shape != 55 {
			var word [16]byte
			copy(word[shape>>3:], firsts.take(uint64(shape&7)+1))
			wordOf[i] = binary.LittleEndian.Uint64(word[:])
		}
		if width := shapes.byte(); width != 0 {
			widthOf[i], lowOf[i], sparse[i] = int(width&127), int(shapes.byte()), width >= 128
		}
	}
	appeared := make([]bool, nPoints)
	bitsOf := &packed{b: values.b}
	values.b = nil
	var sets2 [][]acquire.PointID
	for range nSets {
		var set []acquire.PointID
		for _, id := range sets.list(int(sets.number())) {
			set = append(set, acquire.PointID(id))
		}
		sets2 = append(sets2, set)
	}
	var texts [][]byte
	for range nTexts {
		texts = append(texts, text.take(lengths.number()))
	}
	indices := steps.list(int(nSamples))

	var received, lag, at int64
	var apart []int64
	for len(times.b) > 0 {
		width, n := times.byte(), times.number()+1
		var group *packed
		equal := int64(0)
		switch width {
		case 0:
		case 255:
			equal = times.signed()
		default:
			group = &packed{b: times.take((n*uint64(width) + 7) / 8)}
		}
		for range n {
			if group != nil {
				z := group.bits(int(width))
				equal = int64(z/2) ^ -int64(z%2)
			}
			apart = append(apart, equal)
		}
	}
	change, sample := -1, 0
	if len(changes.b) > 0 {
		change = int(changes.number())
	}
	for range nBatches {
		b := new(acquire.Batch)
		flags, n := heads.byte(), heads.number()
		received += heads.signed()
		if flags&2 != 0 {
			lag = heads.signed()
		}
		b.Received, b.Watermark = acquire.Instant(received), acquire.Instant(received-lag)
		if flags&1 != 0 {
			b.Lost = heads.number()
		}
		if flags&4 != 0 {
			b.Points = sets2[heads.number()]
		}
		for j := range n {
			switch {
			case j > 0:
				at += apart[0]
				apart = apart[1:]
			case received != 0:
				at = received + heads.signed()
			default:
				at += heads.signed()
			}
			i := indices[sample]
			if appeared[i] && widthOf[i] > 0 && (!sparse[i] || bitsOf.bits(1) == 1) {
				wordOf[i] ^= bitsOf.bits(widthOf[i]) << lowOf[i]
			}
			appeared[i] = true
			if sample == change {
				what := changes.byte()
				kindOf[i] = int64(what & 127)
				if what >= 128 {
					qualityOf[i] = int64(changes.number())
				}
				if change = -1; len(changes.b) > 0 {
					change = sample + int(changes.number())
				}
			}
			sample++
			s := acquire.Sample{Time: acquire.Instant(at), Point: acquire.PointID(ids[i]), Quality: acquire.Quality(qualityOf[i])}
			switch word := wordOf[i]; acquire.Kind(kindOf[i]) {
			case acquire.KindFloat64:
				s.Value = acquire.Float64(math.Float64frombits(word))
			case acquire.KindInt64:
				s.Value = acquire.Int64(int64(word))
			case acquire.KindUint64:
				s.Value = acquire.Uint64(word)
			case acquire.KindBool:
				s.Value = acquire.Bool(word == 1)
			case acquire.KindText:
				s.Value, _ = b.PutText(texts[word])
			}
			b.Append(s)
		}
		batches = append(batches, b)
	}
	for _, c := range columns {
		require.Empty(t, c.b)
	}
	require.Empty(t, apart)
	require.Negative(t, change)
	require.Equal(t, len(bitsOf.b), (bitsOf.at+7)/8)
	return batches
}

// The layout is what the documentation says.
func TestLayoutTwin(t *testing.T) {
	for seed := range uint64(4) {
		file, want := record(t, 60+seed, 60, capture.Config{MaxSamples: 500})
		var got []string
		for _, r := range records(t, file[8:len(file)-8], 8) {
			if r.op != 6 {
				continue
			}
			r.content = r.content[28:] // times, size, checksum
			r.str()
			r.u64()
			message := records(t, r.content, 0)[0]
			payload := message.content[22:]
			offset, _ := binary.Uvarint(payload[4:])
			require.Equal(t, r.offset, offset)
			for _, b := range slowBlock(t, payload) {
				got = append(got, render(b))
			}
		}
		require.Equal(t, want, got)
	}
}

// Records and messages of others are skipped, with an index or without.
func TestForeign(t *testing.T) {
	file, want := record(t, 70, 20, capture.Config{MaxSamples: 200})
	all := records(t, file[8:len(file)-8], 8)
	out := bytes.Clone(file[:8])
	put := func(op byte, content []byte) []byte {
		return append(binary.LittleEndian.AppendUint64([]byte{op}, uint64(len(content))), content...)
	}
	for _, r := range all {
		if r.op == 0x0f {
			break
		}
		out = append(out, file[r.offset:r.offset+r.length]...)
		switch r.op {
		case 4: // another channel, an attachment, and what nobody knows yet
			out = append(out, put(0x09, bytes.Repeat([]byte{6, 12, 15}, 100))...)
			out = append(out, put(0x77, []byte("later version"))...)
			out = append(out, put(0x90, nil)...)
		case 7: // a chunk of another channel
			message := put(5, append(make([]byte, 22), "not a block"...))
			chunk := make([]byte, 16)
			chunk = binary.LittleEndian.AppendUint64(chunk, uint64(len(message)))
			chunk = binary.LittleEndian.AppendUint32(chunk, crc32.ChecksumIEEE(message))
			chunk = binary.LittleEndian.AppendUint32(chunk, 0)
			chunk = binary.LittleEndian.AppendUint64(chunk, uint64(len(message)))
			out = append(out, put(6, append(chunk, message...))...)
		}
	}
	got, report := readAll(t, out, capture.ReaderConfig{})
	require.Equal(t, want, got)
	require.Empty(t, report.Damage)
	require.Equal(t, report.Blocks, report.Foreign)
	require.Equal(t, int64(len(out)), report.End)
	require.False(t, report.Complete)
	require.True(t, strings.HasSuffix(report.String(), "cut at byte "+strconv.Itoa(len(out))))
}
