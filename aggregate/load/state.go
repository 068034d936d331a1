package load

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// ErrState says that bytes are not the marshalled state of what should be restored
// from them: cut short, of another version, or contradicting themselves.
var ErrState = errors.New("load: not a marshalled state")

// The first byte of each form.
const (
	summaryForm = 0x51 // Summary, version 1
	sketchForm  = 0x52 // Sketch, version 1
)

// AppendBinary appends the complete state of s to dst. It implements
// encoding.BinaryAppender, and does not fail.
func (s *Summary) AppendBinary(dst []byte) ([]byte, error) {
	dst = append(dst, summaryForm, byte(s.rule))
	for _, u := range [...]uint64{
		s.maxGap, uint64(s.done),
		uint64(s.cover.Good), uint64(s.cover.Uncertain), uint64(s.cover.Missing),
		s.counts.Good, s.counts.Uncertain, s.counts.Bad, s.counts.Late, s.counts.Refused,
	} {
		dst = binary.AppendUvarint(dst, u)
	}
	for _, p := range [...]point{s.first, s.last} {
		dst = binary.AppendUvarint(dst, uint64(p.at))
		dst = append(binary.LittleEndian.AppendUint64(dst, math.Float64bits(p.value)), byte(p.quality))
	}
	for _, e := range [...]Extreme{s.least, s.most} {
		dst = binary.AppendUvarint(dst, uint64(e.At))
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(e.Value))
	}
	dst = appendLimbs(dst, s.values[:])
	return appendLimbs(dst, s.squares[:]), nil
}

// MarshalBinary is AppendBinary to a new slice.
func (s *Summary) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

// UnmarshalBinary restores the state that AppendBinary wrote, into a Summary of
// the same configuration: ErrConfig says that it is another, ErrState that data is
// no such state. On an error s is unchanged.
func (s *Summary) UnmarshalBinary(data []byte) error {
	r := reader{data: data}
	if r.byte() != summaryForm {
		return ErrState
	}
	var n Summary
	n.rule = aggregate.Rule(r.byte())
	n.maxGap = r.uvarint()
	n.done = r.instant()
	n.cover = aggregate.Coverage{Good: r.duration(), Uncertain: r.duration(), Missing: r.duration()}
	n.counts = Counts{Good: r.uvarint(), Uncertain: r.uvarint(), Bad: r.uvarint(), Late: r.uvarint(), Refused: r.uvarint()}
	n.first, n.last = r.point(), r.point()
	n.least, n.most = Extreme{At: r.instant()}, Extreme{}
	n.least.Value = r.float()
	n.most.At = r.instant()
	n.most.Value = r.float()
	r.limbs(n.values[:])
	r.limbs(n.squares[:])
	switch {
	case r.failed || len(r.data) != 0 || !n.sound():
		return ErrState
	case n.rule != s.rule || n.maxGap != s.maxGap:
		return ErrConfig
	}
	*s = n
	return nil
}

// sound reports whether the parts of a restored state agree.
func (s *Summary) sound() bool {
	empty := s.first.at == 0
	known, carry := bits.Add64(uint64(s.cover.Good), uint64(s.cover.Uncertain), 0)
	span, more := bits.Add64(known, uint64(s.cover.Missing), 0)
	return carry|more == 0 && !negative(s.squares[:]) &&
		empty == (s.last.at == 0) && (s.least.At == 0) == (s.most.At == 0) &&
		s.first.at <= s.last.at && s.last.at <= s.done && s.done <= maxInstant &&
		span == uint64(s.done-s.first.at) && (s.least.At == 0 || s.least.Value <= s.most.Value)
}

// appendLimbs appends a number in two's complement without the limbs that are
// zero below or follow from the sign above.
func appendLimbs(dst []byte, x []uint64) []byte {
	var sign uint64
	if negative(x) {
		sign = math.MaxUint64
	}
	end, at := len(x), 0
	for end > 0 && x[end-1] == sign {
		end--
	}
	for at < end && x[at] == 0 {
		at++
	}
	dst = append(dst, byte(at), byte(end-at), byte(sign&1))
	for _, limb := range x[at:end] {
		dst = binary.LittleEndian.AppendUint64(dst, limb)
	}
	return dst
}

// AppendBinary appends the complete state of s to dst: its size grows with the
// bins in use. It implements encoding.BinaryAppender, and does not fail.
func (s *Sketch) AppendBinary(dst []byte) ([]byte, error) {
	dst = append(dst, sketchForm, byte(s.shift))
	dst = binary.AppendUvarint(dst, uint64(len(s.positive.ring)))
	dst = binary.AppendUvarint(dst, s.zero)
	dst = binary.AppendUvarint(dst, s.refused)
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.min))
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.max))
	return s.positive.append(s.negative.append(dst)), nil
}

// MarshalBinary is AppendBinary to a new slice.
func (s *Sketch) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

// append writes top, below, and from the top down the distance to each bin in use
// and its weight, with a distance of zero at the end.
func (d *side) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(d.top))
	if d.top == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, d.below)
	before := d.top + 1
	for bin := d.top; bin >= d.lowest(); bin-- {
		if w := d.ring[bin%len(d.ring)]; w != 0 {
			dst = binary.AppendUvarint(dst, uint64(before-bin))
			dst = binary.AppendUvarint(dst, w)
			before = bin
		}
	}
	return append(dst, 0)
}

// UnmarshalBinary restores the state that AppendBinary wrote, into a Sketch of the
// same configuration: ErrConfig says that it is another, ErrState that data is no
// such state. On an error s is empty. It allocates nothing.
func (s *Sketch) UnmarshalBinary(data []byte) error {
	s.Reset()
	err := s.restore(data)
	if err != nil {
		s.Reset()
	}
	return err
}

func (s *Sketch) restore(data []byte) error {
	r := reader{data: data}
	if r.byte() != sketchForm {
		return ErrState
	}
	shift, n := r.byte(), r.uvarint()
	if r.failed {
		return ErrState
	}
	if uint(shift) != s.shift || n != uint64(len(s.positive.ring)) || n == 0 {
		return ErrConfig
	}
	s.zero, s.refused = r.uvarint(), r.uvarint()
	s.min, s.max = r.float(), r.float()
	s.total = s.zero
	for _, d := range [...]*side{&s.negative, &s.positive} {
		if !s.restoreSide(&r, d) {
			return ErrState
		}
	}
	if r.failed || len(r.data) != 0 || !s.sound() {
		return ErrState
	}
	return nil
}

func (s *Sketch) restoreSide(r *reader, d *side) bool {
	highest := uint64(s.bin(math.MaxFloat64))
	top := r.uvarint()
	if top == 0 {
		return true
	}
	if top > highest {
		return false
	}
	var carry, more uint64
	d.top, d.below = int(top), r.uvarint()
	s.total, carry = bits.Add64(s.total, d.below, 0)
	lowest := uint64(d.lowest())
	for bin := top + 1; ; {
		down := r.uvarint()
		if down == 0 {
			break
		}
		if down > bin-lowest {
			return false
		}
		bin -= down
		w := r.uvarint()
		if w == 0 {
			return false
		}
		d.ring[int(bin)%len(d.ring)] = w
		s.total, more = bits.Add64(s.total, w, 0)
		carry |= more
	}
	return carry == 0 && d.ring[d.top%len(d.ring)] != 0
}

// sound reports whether the extremes of a restored state agree with its bins.
func (s *Sketch) sound() bool {
	if s.total == 0 {
		return s.min == 0 && s.max == 0
	}
	if s.min > s.max {
		return false
	}
	most, least := 0, 0
	if s.max > 0 {
		most = s.bin(s.max)
	}
	if s.min < 0 {
		least = s.bin(s.min)
	}
	return most == s.positive.top && least == s.negative.top
}

// reader takes values off the front of data. After a failure all are zero.
type reader struct {
	data   []byte
	failed bool
}

// take returns the next n bytes; none where there are not as many.
func (r *reader) take(n int) []byte {
	if len(r.data) < n {
		r.data, r.failed = nil, true
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	u, n := binary.Uvarint(r.data)
	if n <= 0 || n > 1 && r.data[n-1] == 0 {
		r.data, r.failed = nil, true
		return 0
	}
	r.data = r.data[n:]
	return u
}

func (r *reader) signed() int64 {
	u := r.uvarint()
	if u > math.MaxInt64 {
		r.failed = true
		return 0
	}
	return int64(u)
}

func (r *reader) instant() acquire.Instant { return acquire.Instant(r.signed()) }

func (r *reader) duration() time.Duration { return time.Duration(r.signed()) }

// float returns a finite number.
func (r *reader) float() float64 {
	b := r.take(8)
	if b == nil {
		return 0
	}
	f := math.Float64frombits(binary.LittleEndian.Uint64(b))
	if math.IsNaN(f) || math.IsInf(f, 0) {
		r.failed = true
		return 0
	}
	return f
}

func (r *reader) point() point {
	p := point{at: r.instant(), value: r.float(), quality: acquire.Quality(r.byte())}
	r.failed = r.failed || p.quality > acquire.Good
	return p
}

func (r *reader) limbs(x []uint64) {
	at, n, sign := int(r.byte()), int(r.byte()), r.byte()
	b := r.take(8 * n)
	if sign > 1 || at+n > len(x) || b == nil && n != 0 {
		r.failed = true
		return
	}
	for i := range n {
		x[at+i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	if sign == 1 {
		for i := at + n; i < len(x); i++ {
			x[i] = math.MaxUint64
		}
	}
	if at+n == len(x) && negative(x) != (sign == 1) {
		r.failed = true
	}
	// One number has one form: no limb that appendLimbs leaves out.
	switch {
	case n == 0:
		r.failed = r.failed || sign == 0 && at != 0
	case x[at] == 0 || x[at+n-1] == -uint64(sign):
		r.failed = true
	}
}
