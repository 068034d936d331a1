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

// spread puts the low 56 bits of z, seven at a time, into bytes; gather undoes
// it.
func spread(z uint64) uint64 {
	z = z&0x000000000fffffff | z&0x00fffffff0000000<<4
	z = z&0x00003fff00003fff | z&0x0fffc0000fffc000<<2
	return z&0x007f007f007f007f | z&0x3f803f803f803f80<<1
}

func gather(x uint64) uint64 {
	x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
	x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
	return x&0x000000000fffffff | x&0x0fffffff00000000>>4
}

// digits returns how many digits z below 1<<56 has in base 128.
func digits(z uint64) int { return (bits.Len64(z|1) + 6) * 37 >> 8 } // divided by 7, rounded up

// continued are the bits that say of the first n-1 digits that more follow.
func continued(n int) uint64 { return stops & (1<<(uint(n-1)*8&63) - 1) }

// terminated returns the bytes of x up to the one that ends a number, and their
// count; stop is ^x & stops, and not 0.
func terminated(x, stop uint64) (uint64, int) {
	return x & (stop ^ (stop - 1)), bits.TrailingZeros64(stop)>>3 + 1
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
