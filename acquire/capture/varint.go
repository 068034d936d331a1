package capture

import (
	"encoding/binary"
	"math/bits"
)

// zigzag maps small numbers of either sign to small unsigned ones: 0, -1, 1, -2
// become 0, 1, 2, 3. All differences here wrap around, so that any pair of
// times has one.
func zigzag(d int64) uint64   { return uint64(d)<<1 ^ uint64(d>>63) }
func unzigzag(z uint64) int64 { return int64(z>>1) ^ -int64(z&1) }

// stops are the bits that end a number in base 128 where they are clear.
const stops = 0x8080808080808080

// putVarint writes z in base 128, low digits first, and returns the bytes used.
// It writes eight bytes at least, so that b has room for ten.
func putVarint(b []byte, z uint64) int {
	if z >= 1<<56 {
		return binary.PutUvarint(b, z)
	}
	n := (bits.Len64(z|1) + 6) * 37 >> 8 // divided by 7, rounded up
	z = z&0x000000000fffffff | z&0x00fffffff0000000<<4
	z = z&0x00003fff00003fff | z&0x0fffc0000fffc000<<2
	z = z&0x007f007f007f007f | z&0x3f803f803f803f80<<1
	z |= stops & (1<<(uint(n-1)*8&63) - 1)
	le.PutUint64(b, z)
	return n
}

// varint reads what putVarint wrote and returns the bytes used, 0 if there is no
// number within ten bytes. It reads eight bytes at least.
func varint(b []byte) (uint64, int) {
	x := le.Uint64(b)
	stop := ^x & stops
	if stop == 0 {
		z, n := binary.Uvarint(b[:min(len(b), binary.MaxVarintLen64)])
		return z, max(n, 0)
	}
	n := bits.TrailingZeros64(stop)>>3 + 1
	x &= stop ^ (stop - 1)
	x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
	x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
	x = x&0x000000000fffffff | x&0x0fffffff00000000>>4
	return x, n
}

// runs writes a sequence of whole numbers as runs of equal steps: the step,
// doubled, plus 1 where a length follows, which is that of a run beyond two. Steps
// are from the number before; before the first stands 0.
type runs struct {
	col  []byte
	last int64
	step int64
	n    uint64
}

func (r *runs) reset() { *r = runs{col: r.col[:0]} }

func (r *runs) add(x int64) {
	step := x - r.last
	r.last = x
	if step == r.step && r.n > 0 {
		r.n++
		return
	}
	r.end()
	r.step, r.n = step, 1
}

// end writes the open run.
func (r *runs) end() {
	switch {
	case r.n == 1:
		r.col = binary.AppendUvarint(r.col, zigzag(r.step)<<1)
	case r.n > 1:
		r.col = binary.AppendUvarint(r.col, zigzag(r.step)<<1|1)
		r.col = binary.AppendUvarint(r.col, r.n-2)
	}
	r.n = 0
}
