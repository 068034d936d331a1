package parquet

import (
	"encoding/binary"
	"errors"
)

var (
	errLevels   = errors.New("levels are malformed")
	errValues   = errors.New("values are malformed")
	errChecksum = errors.New("checksum of page is wrong")
)

// readHybrid fills values with what appendHybrid has written of that many bits, and
// returns what lies behind.
func readHybrid(b []byte, values []uint32, width int) ([]byte, bool) {
	size := (width + 7) / 8
	for len(values) > 0 {
		head, n := binary.Uvarint(b)
		if n <= 0 || head>>1 == 0 {
			return nil, false
		}
		b = b[n:]
		if head&1 == 0 {
			run := head >> 1
			if run > uint64(len(values)) || len(b) < size {
				return nil, false
			}
			v := uint32(0)
			for i := range size {
				v |= uint32(b[i]) << (8 * i)
			}
			if width < 32 && v>>width != 0 {
				return nil, false
			}
			for i := range values[:run] {
				values[i] = v
			}
			b, values = b[size:], values[run:]
			continue
		}
		groups := head >> 1
		if groups > uint64(len(values)+shortestRun-1)/shortestRun || groups*uint64(width) > uint64(len(b)) {
			return nil, false
		}
		count := min(int(groups)*shortestRun, len(values))
		unpack(b, values[:count], width)
		b, values = b[int(groups)*width:], values[count:]
	}
	return b, true
}

// unpack reads packed values. b holds whole groups of eight.
func unpack(b []byte, values []uint32, width int) {
	var word uint64
	have, mask := 0, uint64(1)<<width-1
	for i := range values {
		for have < width {
			if len(b) >= 4 {
				word |= uint64(le.Uint32(b)) << have
				b = b[4:]
				have += 32
				continue
			}
			word |= uint64(b[0]) << have
			b = b[1:]
			have += 8
		}
		values[i] = uint32(word & mask)
		word >>= width
		have -= width
	}
}

// readDelta fills values with what appendDelta has written.
func readDelta(b []byte, values []int64) bool {
	for _, want := range [...]uint64{deltaBlock, deltaMinis, uint64(len(values))} {
		got, n := binary.Uvarint(b)
		if n <= 0 || got != want {
			return false
		}
		b = b[n:]
	}
	last, n := binary.Varint(b)
	if n <= 0 {
		return false
	}
	b = b[n:]
	if len(values) == 0 {
		return last == 0 && len(b) == 0
	}
	values[0] = last
	for rest := values[1:]; len(rest) > 0; {
		lowest, n := binary.Varint(b)
		if n <= 0 || len(b) < n+deltaMinis {
			return false
		}
		widths := [deltaMinis]byte(b[n:])
		b = b[n+deltaMinis:]
		for _, width := range widths {
			if len(rest) == 0 {
				if width != 0 {
					return false
				}
				continue
			}
			size := deltaMini * int(width) / 8
			if width > 64 || len(b) < size {
				return false
			}
			mini := rest[:min(len(rest), deltaMini)]
			last = unpackMini(b[:size], mini, lowest, last, uint(width))
			b, rest = b[size:], rest[len(mini):]
		}
	}
	return len(b) == 0
}

// unpackMini adds up the differences of a miniblock.
func unpackMini(b []byte, values []int64, lowest, last int64, width uint) int64 {
	if width == 0 {
		for i := range values {
			last += lowest
			values[i] = last
		}
		return last
	}
	mask := ^uint64(0) >> (64 - width)
	for i := range values {
		at := uint(i) * width
		from, shift := at/8, at%8
		var v uint64
		if from+8 <= uint(len(b)) {
			v = le.Uint64(b[from:]) >> shift
			if shift+width > 64 {
				v |= uint64(b[from+8]) << (64 - shift)
			}
		} else {
			var tail [16]byte
			copy(tail[:], b[from:])
			v = le.Uint64(tail[:]) >> shift
			if shift > 0 {
				v |= uint64(tail[8]) << (64 - shift)
			}
		}
		last += lowest + int64(v&mask)
		values[i] = last
	}
	return last
}

// resize returns a slice of n elements, whose contents do not matter. It takes some
// more room than it needs to, as the next page may be a little longer.
func resize[T any](s []T, n int) []T {
	if n > cap(s) {
		s = make([]T, n+n/8)
	}
	return s[:n]
}
