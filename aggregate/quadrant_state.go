package aggregate

import (
	"encoding"
	"time"
)

var (
	_ encoding.BinaryAppender    = (*Quadrants)(nil)
	_ encoding.BinaryMarshaler   = (*Quadrants)(nil)
	_ encoding.BinaryUnmarshaler = (*Quadrants)(nil)
)

// AppendBinary appends the complete state to dst: what restored goes on as if
// nothing had happened. It does not allocate where dst has room. The error is nil.
func (x *Quadrants) AppendBinary(dst []byte) ([]byte, error) {
	from := len(dst)
	k := beginState(dst, quadrantsState, x.identity)
	x.fields(&k)
	return k.end(from), nil
}

// MarshalBinary returns the state as AppendBinary does.
func (x *Quadrants) MarshalBinary() ([]byte, error) { return x.AppendBinary(nil) }

// UnmarshalBinary restores a state of Quadrants of the same configuration. The error
// wraps ErrState or ErrOtherConfiguration, and x is unchanged then. It keeps nothing
// of data.
func (x *Quadrants) UnmarshalBinary(data []byte) error {
	k, err := openState(data, quadrantsState, x.identity)
	if err != nil {
		return err
	}
	next := *x
	next.fields(&k)
	if err := k.closed(); err != nil {
		return err
	}
	*x = next
	return nil
}

// fields lists what changes in Quadrants.
func (x *Quadrants) fields(k *codec) {
	k.instant(&x.last)
	k.instant(&x.done)
	k.instant(&x.edge)
	word(k, &x.p)
	word(k, &x.q)
	short(k, &x.held)
	short(k, &x.flags)
	x.open.fields(k)
	x.closed.fields(k)
	x.active.fields(k)
	x.reactive.fields(k)
	for _, n := range [...]*uint64{
		&x.counted.Pairs, &x.counted.Bad, &x.counted.Late, &x.counted.Duplicate, &x.counted.Unpaired, &x.counted.Refused,
	} {
		word(k, n)
	}
	k.require(x.held <= good && magnitude(x.p) <= maxPower && magnitude(x.q) <= maxPower)
	k.require(x.last <= maxInstant && x.done <= maxInstant && (x.done == 0) == (x.last == 0) && (x.done == 0) == (x.edge == 0))
	if k.reading && !k.failed && x.done != 0 {
		g := grid{interval: x.interval, offset: x.offset}
		k.require(x.interval > 0 && x.last <= x.done && g.endOf(x.edge-x.interval) == x.edge)
		k.require(x.done >= x.edge-x.interval && x.done < x.edge && x.open.Coverage.Span() == time.Duration(x.done-(x.edge-x.interval)))
	}
}

func (a *QuadrantAccount) fields(k *codec) {
	for i := range a.Active {
		k.int128(&a.Active[i].quanta)
		k.int128(&a.Reactive[i].quanta)
		k.require(a.Active[i].Sign() >= 0 && a.Reactive[i].Sign() >= 0)
	}
	a.Coverage.fields(k)
	k.require(a.Coverage.Good >= 0 && a.Coverage.Uncertain >= 0 && a.Coverage.Missing >= 0)
}

func (h *half) fields(k *codec) {
	k.instant(&h.at)
	k.float(&h.power)
	short(k, &h.q)
}
