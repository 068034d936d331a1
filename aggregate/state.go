package aggregate

import (
	"encoding"
	"fmt"
	"hash/fnv"

	"github.com/fieldtap/fieldtap/acquire"
)

var (
	_ encoding.BinaryAppender    = (*Bank)(nil)
	_ encoding.BinaryMarshaler   = (*Bank)(nil)
	_ encoding.BinaryUnmarshaler = (*Bank)(nil)
	_ encoding.BinaryAppender    = (*Meter)(nil)
	_ encoding.BinaryMarshaler   = (*Meter)(nil)
	_ encoding.BinaryUnmarshaler = (*Meter)(nil)
)

// fingerprint returns a number that differs for configurations that differ.
func fingerprint(parts ...any) uint64 {
	h := fnv.New64a()
	for _, part := range parts {
		fmt.Fprintf(h, "%+v;", part)
	}
	return h.Sum64()
}

// AppendBinary appends the complete state of all slots to dst: what restored
// goes on as if nothing had happened. It does not allocate where dst has room.
// The error is nil.
func (b *Bank) AppendBinary(dst []byte) ([]byte, error) {
	from := len(dst)
	k := beginState(dst, bankState, b.identity)
	for i := range b.records {
		b.fields(&k, uint32(i))
	}
	return k.end(from), nil
}

// MarshalBinary returns the state as AppendBinary does.
func (b *Bank) MarshalBinary() ([]byte, error) { return b.AppendBinary(nil) }

// UnmarshalBinary restores a state of a Bank of the same plan and points. The
// error wraps ErrState or ErrOtherConfiguration, and b is unchanged then. It
// keeps nothing of data.
func (b *Bank) UnmarshalBinary(data []byte) error {
	k, err := openState(data, bankState, b.identity)
	if err != nil {
		return err
	}
	// Read into a bank of one slot first, which is how all slots are checked before
	// any changes.
	one := Bank{records: make([]record, 1), desk: desk{plan: b.desk.plan}}
	one.fill()
	check := k
	for range b.records {
		one.fields(&check, 0)
	}
	if err := check.closed(); err != nil {
		return err
	}
	for i := range b.records {
		b.fields(&k, uint32(i))
	}
	b.resume, b.passed = 0, 0
	return nil
}

// fields lists the state of one slot.
func (b *Bank) fields(k *codec, slot uint32) {
	rec := &b.records[slot]
	rec.fields(k)
	var c *channel
	if len(b.gauges) != 0 {
		g := b.gauge(slot)
		g.fields(k)
		c = &g.channel
	} else {
		b.counters[slot].fields(k)
		c = &b.counters[slot].channel
	}
	if k.reading && !k.failed {
		k.require(b.desk.plan.fits(rec, c))
	}
}

// fits reports whether a record and a channel that were read back go together.
func (p *Plan) fits(rec *record, c *channel) bool {
	if !rec.open {
		return *rec == record{counts: rec.counts} && *c == channel{maxGap: c.maxGap, slot: c.slot}
	}
	d := desk{plan: p, rec: rec}
	length := d.length()
	start := rec.start // of the period that the channel is in
	if c.edge != rec.end {
		start = c.edge - length
	}
	switch p.series.Sync.By {
	case ByClock:
		g := grid{interval: p.interval, offset: p.offset}
		if rec.end-rec.start != length || g.endOf(rec.start) != rec.end || rec.fixed {
			return false
		}
	case FreeRunning:
		if rec.end-rec.start != length || rec.fixed {
			return false
		}
	default:
		if rec.end-rec.start > length || !rec.fixed && d.cap(rec.start+length) != rec.end {
			return false
		}
	}
	return rec.start < rec.end && rec.start >= 0 && rec.end >= soonest && c.edge >= rec.end && (c.edge == rec.end || (c.edge-rec.end)%length == 0) &&
		c.edge <= latest+soonest/2 && c.done >= rec.start && c.done >= start &&
		c.good+c.uncertain <= int64(c.done-start) && (c.last == 0 || c.last >= soonest-1 && c.last <= latest)
}

// AppendBinary appends the complete state of m to dst, as Bank.AppendBinary does.
func (m *Meter) AppendBinary(dst []byte) ([]byte, error) { return m.bank.AppendBinary(dst) }

// MarshalBinary returns the state as AppendBinary does.
func (m *Meter) MarshalBinary() ([]byte, error) { return m.bank.AppendBinary(nil) }

// UnmarshalBinary restores a state of a Meter of the same plan. The error wraps
// ErrState or ErrOtherConfiguration, and m is unchanged then.
func (m *Meter) UnmarshalBinary(data []byte) error { return m.bank.UnmarshalBinary(data) }

// identityOf returns the fingerprint of a Bank. That of a Meter, of which a program
// may make many for a short time, is taken once.
func (p *Plan) identityOf(points []acquire.PointID) uint64 {
	if len(points) == 1 && points[0] == 0 && p.alone != 0 {
		return p.alone
	}
	return fingerprint("bank", p.series, points)
}
