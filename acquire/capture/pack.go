package capture

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Bits are packed from the low one of each byte to the high one, byte after byte.

// maxPacked is how many bits one store puts behind up to seven others.
const maxPacked = 56

// packing is how the differences of one point are packed: the width bits above the
// low ones. If most are 0, each is preceded by a bit that says whether it is not, and
// one that is 0 has no others.
type packing struct {
	low, width uint8
	sparse     bool
}

// sparsePacking is the flag of it in the column of shapes.
const sparsePacking = 1 << 7

// packing returns the shortest one for the differences noted.
func (st *state) packing() packing {
	if st.differ == 0 {
		return packing{}
	}
	low := bits.TrailingZeros64(st.differ)
	p := packing{low: uint8(low), width: uint8(bits.Len64(st.differ) - low)}
	samples, width := st.counts.samples()-1, uint64(p.width)
	p.sparse = 4*(samples+st.counts.changes()*width) < 3*samples*width
	return p
}

// packValues makes the columns of the first value of each point, of the shapes of the
// differences that follow, and of those.
func (e *encoder) packValues() {
	e.firsts, e.shapes, e.packings = e.firsts[:0], e.shapes[:0], e.packings[:0]
	var size uint64
	for i := range e.states {
		st := &e.states[i]
		e.firsts = appendWord(e.firsts, e.word[i])
		p := st.packing()
		e.packings = append(e.packings, p)
		switch {
		case p.width == 0:
			e.shapes = append(e.shapes, 0)
		case p.sparse:
			e.shapes = append(e.shapes, p.width|sparsePacking, p.low)
			size += st.counts.samples() + st.counts.changes()*uint64(p.width)
		default:
			e.shapes = append(e.shapes, p.width, p.low)
			size += st.counts.samples() * uint64(p.width)
		}
	}
	e.data = slices.Grow(e.data[:0], int(size/8)+2*8)
	e.data = packWords(e.data[:cap(e.data)], e.words, e.owners, e.packings)
}

// packWords fills col, which is long enough, and returns what it has filled. owners say
// which packing each word has.
func packWords(col []byte, words []uint64, owners []uint32, packings []packing) []byte {
	owners = owners[:len(words)]
	at, acc, fill := 0, uint64(0), uint(0) // acc has fill bits that belong at col[at]
	for i, x := range words {
		p := &packings[owners[i]]
		x >>= p.low & 63
		width := uint(p.width)
		if width >= maxPacked {
			const half = 32
			if p.sparse {
				acc |= some(x) << (fill & 63)
				fill++
				width &= -uint(some(x))
			}
			acc |= x & (1<<half - 1) << (fill & 63)
			le.PutUint64(col[at:], acc)
			if width > 0 {
				at += half / 8
				acc >>= half
				x >>= half
				width -= half
			}
		} else if p.sparse {
			width = width&-uint(some(x)) + 1
			x = x<<1 | some(x)
		}
		acc |= x << (fill & 63)
		le.PutUint64(col[at:], acc)
		fill += width
		at += int(fill >> 3)
		acc >>= fill &^ 7 & 63
		fill &= 7
	}
	return col[:at+int(fill+7)>>3]
}

// appendWord appends a word as a shape, and the bytes that it says: in bits 3 to 5 how
// many bytes of zero are left out below, in bits 0 to 2 how many follow, less one.
func appendWord(col []byte, word uint64) []byte {
	low := uint(bits.TrailingZeros64(word)) >> 3
	n := 8 - uint(bits.LeadingZeros64(word))>>3 - low // -8 for no word
	shape := (low<<3 + n - 1) & shapeMask
	col = append(col, byte(shape))
	end := len(col) + int(shapes[shape].size)
	return le.AppendUint64(col, word>>(low<<3&63))[:end]
}

// What opens a group of differences, beside a width from 1 to 64.
const (
	groupZero  = 0    // all are 0
	groupEqual = 0xff // all are equal to the number that follows
)

// minRun is from how many equal differences on these are a group of their own.
const minRun = 8

// maxGroup is how many differences get a width in common at a time.
const maxGroup = 64

// appendDifferences appends numbers in groups. A group is a byte, how many numbers it
// has, less one, and what the byte says: the numbers packed in so many bits, in whole
// bytes together; or one number for all; or nothing.
func appendDifferences(col []byte, all []uint64) []byte {
	start, width := 0, 0 // of the group that may still grow
	for i := 0; i < len(all); {
		z := all[i]
		n := 1
		for i+n < len(all) && all[i+n] == z {
			n++
		}
		if n >= minRun {
			col = appendGroup(col, all[start:i], width)
			if z == 0 {
				col = append(col, groupZero)
				col = binary.AppendUvarint(col, uint64(n-1))
			} else {
				col = append(col, groupEqual)
				col = binary.AppendUvarint(col, uint64(n-1))
				col = binary.AppendUvarint(col, z)
			}
			i += n
			start, width = i, 0
			continue
		}
		end, w := alike(all, i)
		if w != width {
			col = appendGroup(col, all[start:i], width)
			start, width = i, w
		}
		i = end
	}
	return appendGroup(col, all[start:], width)
}

// alike returns the end of the numbers from i on that are best packed in a width in
// common, and that width. They end before a run, and before one that needs many more
// bits than those before it.
func alike(all []uint64, i int) (end, width int) {
	or, limit := all[i], min(i+maxGroup, len(all))
	end = i + 1
	if end < limit && or>>8 <= all[end] { // else the first is many bits longer
		end, or = alikeFrom(all[:limit], end, or)
	}
	if width = max(bits.Len64(or), 1); width > maxPacked {
		width = 64
	}
	return end, width
}

func alikeFrom(all []uint64, end int, or uint64) (int, uint64) {
	// Four at a time. Of a run, two of every fourth number are equal.
	for end+2*4 <= len(all) {
		next := all[end : end+4+1]
		four := next[0] | next[1] | next[2] | next[3]
		if four>>8 > or || next[0] == next[4] {
			break
		}
		or |= four
		end += 4
	}
	for run := 1; end < len(all) && all[end]>>8 <= or; end++ {
		if all[end] != all[end-1] {
			run = 1
		} else if run++; run == minRun {
			return end - (minRun - 1), or
		}
		or |= all[end]
	}
	return end, or
}

func appendGroup(col []byte, group []uint64, width int) []byte {
	if len(group) == 0 {
		return col
	}
	col = append(col, byte(width))
	col = binary.AppendUvarint(col, uint64(len(group)-1))
	at := len(col)
	col = slices.Grow(col, (len(group)*width+7)/8+8)
	col = col[:cap(col)]
	if width == 64 {
		for _, z := range group {
			le.PutUint64(col[at:], z)
			at += 8
		}
		return col[:at]
	}
	acc, fill := uint64(0), uint(0)
	for ; 2*width <= maxPacked && len(group) >= 2; group = group[2:] {
		acc |= (group[0] | group[1]<<(width&63)) << (fill & 63)
		le.PutUint64(col[at:], acc)
		fill += 2 * uint(width)
		at += int(fill >> 3)
		acc >>= fill &^ 7 & 63
		fill &= 7
	}
	for _, z := range group {
		acc |= z << (fill & 63)
		le.PutUint64(col[at:], acc)
		fill += uint(width)
		at += int(fill >> 3)
		acc >>= fill &^ 7 & 63
		fill &= 7
	}
	return col[:at+int(fill+7)>>3]
}
