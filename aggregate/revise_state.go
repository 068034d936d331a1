package aggregate

import (
	"encoding"
	"encoding/binary"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

var (
	_ encoding.BinaryAppender    = (*Reviser)(nil)
	_ encoding.BinaryMarshaler   = (*Reviser)(nil)
	_ encoding.BinaryUnmarshaler = (*Reviser)(nil)
)

// AppendBinary appends the complete state of all meters to dst, with the samples and
// intervals that are kept: what restored goes on as if nothing had happened.
// Intervals that a call has returned are not told again. It does not allocate where
// dst has room. The error is nil.
func (r *Reviser) AppendBinary(dst []byte) ([]byte, error) {
	from := len(dst)
	k := beginState(dst, reviserState, r.identity)
	for i := range r.meters {
		r.meters[i].fields(&k)
	}
	return k.end(from), nil
}

// MarshalBinary returns the state as AppendBinary does.
func (r *Reviser) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

// UnmarshalBinary restores a state of a Reviser of the same meters and Revisions. The
// error wraps ErrState or ErrOtherConfiguration, and r is unchanged then. It keeps
// nothing of data.
func (r *Reviser) UnmarshalBinary(data []byte) error {
	k, err := openState(data, reviserState, r.identity)
	if err != nil {
		return err
	}
	next := make([]revised, len(r.meters))
	for i := range next {
		v := &next[i]
		*v = r.meters[i]
		live, base := *v.live, *v.base
		v.live, v.base = &live, &base
		v.log, v.head = make([]acquire.Sample, 0, cap(v.log)), 0
		v.swaps, v.told = nil, make([]Interval, 0, cap(v.told))
		v.fields(&k)
	}
	if err := k.closed(); err != nil {
		return err
	}
	copy(r.meters, next)
	return nil
}

// fields lists the state of a meter. Between calls nothing waits to be worked out.
func (v *revised) fields(k *codec) {
	k.router(v.live)
	k.router(v.base)
	k.instant(&v.floor)
	for _, n := range [...]*uint64{
		&v.counts.Inserted, &v.counts.Corrections, &v.counts.Revisions, &v.counts.Replays, &v.counts.Shortened,
	} {
		word(k, n)
	}
	n := uint64(len(v.log) - v.head)
	word(k, &n)
	if k.require(n <= uint64(v.keep.Samples)); k.failed {
		return
	}
	if k.reading {
		v.log = v.log[:n]
	}
	before := v.floor
	for i := v.head; i < len(v.log) && !k.failed; i++ {
		s := &v.log[i]
		k.sample(s)
		k.require(s.Time >= before && s.Time >= soonest && s.Time <= latest && v.takes(s.Point))
		before = s.Time
	}
	n = uint64(len(v.swaps))
	word(k, &n)
	before = v.floor
	for i := uint64(0); i < n && !k.failed; i++ {
		if k.reading {
			v.swaps = append(v.swaps, revisedSwap{})
		}
		s := &v.swaps[i]
		s.fields(k)
		k.require(s.At >= before && s.At <= latest && v.takes(s.Point))
		before = s.At
	}
	n = uint64(len(v.told))
	word(k, &n)
	before = 0
	for i := uint64(0); i < n && !k.failed; i++ {
		if k.reading {
			v.told = append(v.told, Interval{Meter: v.live.meters[0].name, channels: v.live.meters[0].channels})
		}
		iv := &v.told[i]
		iv.fields(k)
		k.require(iv.Start >= before && iv.End > iv.Start)
		before = iv.End
	}
}

// takes reports whether a point feeds the meter.
func (v *revised) takes(id acquire.PointID) bool {
	return id < acquire.PointID(len(v.live.routes)) && v.live.routes[id] != 0
}

// router is a state of its own within another, behind its length.
func (k *codec) router(r *Router) {
	if !k.reading {
		from := len(k.data)
		k.data = binary.LittleEndian.AppendUint64(k.data, 0)
		k.data, _ = r.AppendBinary(k.data)
		binary.LittleEndian.PutUint64(k.data[from:], uint64(len(k.data)-from-8))
		return
	}
	var n uint64
	word(k, &n)
	if k.require(n <= uint64(len(k.data))); k.failed {
		return
	}
	k.require(r.UnmarshalBinary(k.data[:n]) == nil)
	k.data = k.data[n:]
}

func (s *revisedSwap) fields(k *codec) {
	short(k, &s.Point)
	k.instant(&s.At)
	k.value(&s.Final)
	k.value(&s.Initial)
	o := origin{registers: s.Registers, multiplier: s.Multiplier}
	o.fields(k)
	s.Registers, s.Multiplier = o.registers, o.multiplier
	k.bool(&s.sampled)
}

// fields lists what an interval says beyond its meter.
func (iv *Interval) fields(k *codec) {
	k.instant(&iv.Start)
	k.instant(&iv.End)
	for _, a := range [...]*Account{&iv.Power, &iv.Registers} {
		k.int128(&a.Import.quanta)
		k.int128(&a.Export.quanta)
		a.Coverage.fields(k)
	}
	for _, a := range [...]*ReactiveAccount{&iv.ReactivePower, &iv.ReactiveRegisters} {
		k.int128(&a.Import.quanta)
		k.int128(&a.Export.quanta)
		a.Coverage.fields(k)
	}
	short(k, &iv.Flags)
	short(k, &iv.Revision)
	short(k, &iv.carried)
}

func (c *Coverage) fields(k *codec) {
	for _, d := range [...]*time.Duration{&c.Good, &c.Uncertain, &c.Missing} {
		word(k, d)
	}
}
