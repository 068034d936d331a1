package capture

import "encoding/binary"

// zigzag maps small numbers of either sign to small unsigned ones: 0, -1, 1, -2
// become 0, 1, 2, 3. All differences here wrap around, so that any pair of
// times has one.
func zigzag(d int64) uint64   { return uint64(d)<<1 ^ uint64(d>>63) }
func unzigzag(z uint64) int64 { return int64(z>>1) ^ -int64(z&1) }

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

// addOnes adds n numbers, each 1 above the one before.
func (r *runs) addOnes(n int) {
	if n > 0 {
		r.add(r.last + 1)
		r.last += int64(n - 1)
		r.n += uint64(n - 1)
	}
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
