package aggregate

import (
	"encoding"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
)

var (
	_ encoding.BinaryAppender    = (*Shard)(nil)
	_ encoding.BinaryMarshaler   = (*Shard)(nil)
	_ encoding.BinaryUnmarshaler = (*Shard)(nil)
)

// shardState is what the state of a Shard is of.
const shardState byte = 'S'

// Span returns the times of the first and the last sample that s has accepted; both
// are unknown if there is none.
func (s *Shard) Span() (first, last acquire.Instant) {
	if s.first == 0 {
		return 0, 0
	}
	return s.first, s.channel().last
}

// AppendBinary appends the complete state of s to dst: what is restored from it
// merges as s does, to the bit. The error is nil.
func (s *Shard) AppendBinary(dst []byte) ([]byte, error) {
	from := len(dst)
	k := beginState(dst, shardState, s.identity())
	s.fields(&k)
	return k.end(from), nil
}

// MarshalBinary returns the state as AppendBinary does.
func (s *Shard) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

// UnmarshalBinary restores a state of a Shard of the same plan. The error wraps
// ErrState or ErrOtherConfiguration, and s is unchanged then. It keeps nothing of
// data.
func (s *Shard) UnmarshalBinary(data []byte) error {
	k, err := openState(data, shardState, s.identity())
	if err != nil {
		return err
	}
	next, err := NewShard(s.bank.desk.plan)
	if err != nil {
		return err
	}
	next.fields(&k)
	if err := k.closed(); err != nil {
		return err
	}
	*s = *next
	return nil
}

// identity returns the fingerprint of the configuration.
func (s *Shard) identity() uint64 { return fingerprint("shard", s.bank.desk.plan.series) }

// fields lists the state of a Shard.
func (s *Shard) fields(k *codec) {
	k.instant(&s.first)
	k.bool(&s.whole)
	k.bool(&s.follows)
	k.bool(&s.readable)
	k.sample(&s.earlier)
	s.head = listed(k, s.head, 28)
	for i := range s.head {
		x := &s.head[i]
		word(k, &x.Time) // of any, as it came
		short(k, &x.Point)
		k.value(&x.Value)
		short(k, &x.Quality)
	}
	s.bank.fields(k, 0)
	d := &s.bank.desk
	d.journal = listed(k, d.journal, 60)
	d.journaling = s.whole
	for i := range d.journal {
		d.journal[i].fields(k)
	}
	if k.reading && !k.failed {
		k.require(s.fits())
	}
}

// listed writes or reads the length of a list, each entry of which takes that many
// bytes at least.
func listed[T any](k *codec, list []T, size int) []T {
	n := uint64(len(list))
	word(k, &n)
	if !k.reading {
		return list
	}
	if k.require(n <= uint64(len(k.data)/size)); k.failed {
		return nil
	}
	return slices.Grow(list[:0], int(n))[:n]
}

func (e *entry) fields(k *codec) {
	e.tally.fields(k)
	k.instant(&e.end)
	short(k, &e.flag)
	short(k, &e.kind)
	k.require(e.kind <= passedOver)
}

// fits reports whether what was read back goes together.
func (s *Shard) fits() bool {
	d, c := &s.bank.desk, s.channel()
	rec := &s.bank.records[0]
	if s.whole && (s.first == 0 || !rec.open) || !s.whole && len(d.journal) > 0 || s.first > c.last || s.first == 0 && c.last != 0 {
		return false
	}
	interval, latestEnd := d.plan.interval, acquire.Instant(0)
	for i := range d.journal {
		e := &d.journal[i]
		switch e.kind {
		case booked:
			if e.end <= latestEnd || e.end <= s.first {
				return false
			}
			latestEnd = e.end
		case passedOver:
			if e.end > rec.end {
				return false
			}
		}
		if (e.end-rec.end)%interval != 0 || e.end > c.edge {
			return false
		}
	}
	return true
}
