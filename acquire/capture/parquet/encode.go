package parquet

import (
	"encoding/binary"
	"math/bits"
)

var le = binary.LittleEndian

// shortestRun is how many equal values make a run of their own, and how many others
// are packed together.
const shortestRun = 8

// appendHybrid appends values of that many bits, 1 to 32, as runs of equal values and
// of packed ones: the encoding RLE, which levels and indices have.
func appendHybrid(dst []byte, values []uint32, width int) []byte {
	packed := 0 // where the values that wait to be packed begin
	for i := 0; i < len(values); {
		v, run := values[i], 1
		for i+run < len(values) && values[i+run] == v {
			run++
		}
		fill := (packed - i) & (shortestRun - 1) // missing in the last group of eight
		if run-fill < shortestRun {
			i += run
			continue
		}
		i += fill
		dst = appendPacked(dst, values[packed:i], width)
		dst = appendRun(dst, run-fill, v, width)
		i += run - fill
		packed = i
	}
	return appendPacked(dst, values[packed:], width)
}

// appendRun appends n times v.
func appendRun(dst []byte, n int, v uint32, width int) []byte {
	dst = binary.AppendUvarint(dst, uint64(n)<<1)
	for ; width > 0; width -= 8 {
		dst = append(dst, byte(v))
		v >>= 8
	}
	return dst
}

// appendPacked appends values as groups of eight, the last one filled with zeros.
func appendPacked(dst []byte, values []uint32, width int) []byte {
	if len(values) == 0 {
		return dst
	}
	groups := (len(values) + shortestRun - 1) / shortestRun
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	end := len(dst) + groups*width
	var word uint64
	have := 0
	for _, v := range values {
		word |= uint64(v) << have
		if have += width; have >= 32 {
			dst = le.AppendUint32(dst, uint32(word))
			word >>= 32
			have -= 32
		}
	}
	for len(dst) < end {
		dst = append(dst, byte(word))
		word >>= 8
	}
	return dst
}

// How DELTA_BINARY_PACKED divides a column: 4 miniblocks of 32 in each block. A
// reader of ours takes nothing else.
const (
	deltaBlock = 128
	deltaMini  = 32
	deltaMinis = deltaBlock / deltaMini
)

// appendDelta appends values as DELTA_BINARY_PACKED.
func appendDelta(dst []byte, values []int64) []byte {
	dst = binary.AppendUvarint(dst, deltaBlock)
	dst = binary.AppendUvarint(dst, deltaMinis)
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	if len(values) == 0 {
		return binary.AppendVarint(dst, 0)
	}
	last := values[0]
	dst = binary.AppendVarint(dst, last)
	var deltas [deltaBlock]int64
	for rest := values[1:]; len(rest) > 0; {
		n := min(len(rest), deltaBlock)
		lowest := rest[0] - last
		for i, v := range rest[:n] {
			deltas[i] = v - last
			lowest = min(lowest, deltas[i])
			last = v
		}
		rest = rest[n:]
		dst = binary.AppendVarint(dst, lowest)
		widths := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		for m := 0; m*deltaMini < n; m++ {
			mini := deltas[m*deltaMini : (m+1)*deltaMini]
			for i := n - m*deltaMini; i < deltaMini; i++ {
				mini[i] = lowest // beyond the end
			}
			all := uint64(0)
			for _, d := range mini {
				all |= uint64(d) - uint64(lowest)
			}
			width := bits.Len64(all)
			dst[widths+m] = byte(width)
			dst = appendMini(dst, mini, lowest, width)
		}
	}
	return dst
}

// appendMini packs what 32 differences have above the lowest one.
func appendMini(dst []byte, mini []int64, lowest int64, width int) []byte {
	var word uint64
	have := 0
	for _, d := range mini {
		v := uint64(d) - uint64(lowest)
		word |= v << have
		if have += width; have >= 64 {
			dst = le.AppendUint64(dst, word)
			have -= 64
			word = 0
			if have > 0 {
				word = v >> (width - have)
			}
		}
	}
	for ; have > 0; have -= 8 { // 32 times any width is whole bytes
		dst = append(dst, byte(word))
		word >>= 8
	}
	return dst
}

// appendBools packs truth values, the first one lowest.
func appendBools(dst []byte, values []bool) []byte {
	for i, v := range values {
		if i%8 == 0 {
			dst = append(dst, 0)
		}
		if v {
			dst[len(dst)-1] |= 1 << (i % 8)
		}
	}
	return dst
}

// appendBytes appends a byte array with its length.
func appendBytes[T string | []byte](dst []byte, s T) []byte {
	dst = le.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}
