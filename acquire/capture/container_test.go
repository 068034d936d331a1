package capture_test

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire/capture"
)

// rec is a record of an MCAP file, taken apart as the specification says and by
// none of the code that writes it.
type rec struct {
	op      byte
	offset  uint64
	length  uint64 // with its head
	content []byte
}

func (r *rec) u16() (x uint16) {
	x = binary.LittleEndian.Uint16(r.content)
	r.content = r.content[2:]
	return
}
func (r *rec) u32() (x uint32) {
	x = binary.LittleEndian.Uint32(r.content)
	r.content = r.content[4:]
	return
}
func (r *rec) u64() (x uint64) {
	x = binary.LittleEndian.Uint64(r.content)
	r.content = r.content[8:]
	return
}
func (r *rec) str() (s string) {
	n := r.u32()
	s, r.content = string(r.content[:n]), r.content[n:]
	return
}

func records(t *testing.T, data []byte, offset uint64) (all []rec) {
	for len(data) > 0 {
		n := binary.LittleEndian.Uint64(data[1:])
		require.LessOrEqual(t, n, uint64(len(data)-9))
		all = append(all, rec{data[0], offset, 9 + n, data[9 : 9+n]})
		data, offset = data[9+n:], offset+9+n
	}
	return all
}

// A file is what the specification of MCAP asks for, to the last offset.
func TestContainer(t *testing.T) {
	for _, cfg := range []capture.Config{{MaxSamples: 300}, {MaxSamples: 300, Compressor: invert{}}} {
		file, _ := record(t, 51, 60, cfg)
		const magic = "\x89MCAP0\r\n"
		require.Equal(t, magic, string(file[:8]))
		require.Equal(t, magic, string(file[len(file)-8:]))
		all := records(t, file[8:len(file)-8], 8)
		require.Equal(t, byte(1), all[0].op, "Header first")
		require.Equal(t, byte(2), all[len(all)-1].op, "Footer last")

		type chunk struct{ time, offset, length, index, stored, size uint64 }
		var chunks []chunk
		var metadata [][2]uint64
		var summary uint64
		var times []uint64
		i := 0
		for ; all[i].op != 0x0f; i++ {
			r := all[i]
			switch r.op {
			case 1, 3, 4:
			case 6:
				start, end, size, crc, compression := r.u64(), r.u64(), r.u64(), r.u32(), r.str()
				stored := r.u64()
				require.Len(t, r.content, int(stored))
				plain := r.content
				if cfg.Compressor != nil {
					require.Equal(t, "invert", compression)
					plain, _ = invert{}.Append(nil, plain)
				} else {
					require.Empty(t, compression)
				}
				require.Len(t, plain, int(size))
				require.Equal(t, crc32.ChecksumIEEE(plain), crc)
				inner := records(t, plain, 0)
				require.Len(t, inner, 1)
				m := inner[0]
				require.Equal(t, byte(5), m.op)
				require.Equal(t, uint16(1), m.u16())
				require.Equal(t, uint32(len(chunks)), m.u32(), "sequence")
				logTime := m.u64()
				require.Equal(t, [3]uint64{logTime, logTime, logTime}, [3]uint64{start, end, m.u64()})
				chunks = append(chunks, chunk{logTime, r.offset, r.length, all[i+1].offset, stored, size})
				times = append(times, logTime)
			case 7:
				require.Equal(t, byte(6), all[i-1].op)
				require.Equal(t, uint16(1), r.u16())
				require.Equal(t, uint32(16), r.u32())
				require.Equal(t, times[len(times)-1], r.u64())
				require.Zero(t, r.u64(), "offset of the message in the chunk")
			case 0x0c:
				metadata = append(metadata, [2]uint64{r.offset, r.length})
				require.Equal(t, "fieldtap.points", r.str())
			default:
				t.Fatalf("opcode %#x in the data section", r.op)
			}
		}
		end := all[i]
		require.Equal(t, crc32.ChecksumIEEE(file[:end.offset]), end.u32())
		summary = end.offset + end.length
		groups := make(map[byte][2]uint64)
		var order []byte
		var offsets uint64
		first, last := times[0], times[0]
		for _, at := range times {
			first, last = min(first, at), max(last, at)
		}
		for _, r := range all[i+1 : len(all)-1] {
			if r.op != 0x0e {
				g, known := groups[r.op]
				if !known {
					g[0] = r.offset
					order = append(order, r.op)
				} else {
					require.Equal(t, g[0]+g[1], r.offset, "grouped by opcode")
				}
				g[1] += r.length
				groups[r.op] = g
			}
			switch r.op {
			case 3, 4:
			case 8:
				c := chunks[0]
				chunks = chunks[1:]
				require.Equal(t, [4]uint64{c.time, c.time, c.offset, c.length}, [4]uint64{r.u64(), r.u64(), r.u64(), r.u64()})
				require.Equal(t, uint32(10), r.u32())
				require.Equal(t, uint16(1), r.u16())
				require.Equal(t, c.index, r.u64())
				require.Equal(t, uint64(31), r.u64())
				r.str()
				require.Equal(t, [2]uint64{c.stored, c.size}, [2]uint64{r.u64(), r.u64()})
			case 0x0b:
				require.Contains(t, order, byte(4), "channels before statistics")
				require.Equal(t, uint64(len(times)), r.u64())
				require.Equal(t, uint16(1), r.u16())
				require.Equal(t, [4]uint32{1, 0, uint32(len(metadata)), uint32(len(times))}, [4]uint32{r.u32(), r.u32(), r.u32(), r.u32()})
				require.Equal(t, [2]uint64{first, last}, [2]uint64{r.u64(), r.u64()})
				require.Equal(t, uint32(10), r.u32())
				require.Equal(t, uint16(1), r.u16())
				require.Equal(t, uint64(len(times)), r.u64())
			case 0x0d:
				require.Equal(t, metadata[0], [2]uint64{r.u64(), r.u64()})
				require.Equal(t, "fieldtap.points", r.str())
				metadata = metadata[1:]
			case 0x0e:
				if offsets == 0 {
					offsets = r.offset
				}
				op := r.content[0]
				r.content = r.content[1:]
				require.Equal(t, groups[op], [2]uint64{r.u64(), r.u64()})
				delete(groups, op)
			default:
				t.Fatalf("opcode %#x in the summary", r.op)
			}
		}
		require.Empty(t, chunks, "every chunk is indexed")
		require.Empty(t, metadata, "all metadata is indexed")
		require.Empty(t, groups, "every group has an offset")
		footer := all[len(all)-1]
		require.Equal(t, [2]uint64{summary, offsets}, [2]uint64{footer.u64(), footer.u64()})
		require.Equal(t, crc32.ChecksumIEEE(file[summary:len(file)-12]), footer.u32())
	}
}
