package aggregate

import (
	"encoding"
	"slices"

	"github.com/fieldtap/fieldtap/units"
)

var (
	_ encoding.BinaryAppender    = (*Router)(nil)
	_ encoding.BinaryMarshaler   = (*Router)(nil)
	_ encoding.BinaryUnmarshaler = (*Router)(nil)
)

// AppendBinary appends the complete state of all meters to dst: what restored
// goes on as if nothing had happened. Intervals that a call has returned are not
// part of it. It does not allocate where dst has room. The error is nil.
func (r *Router) AppendBinary(dst []byte) ([]byte, error) {
	from := len(dst)
	k := beginState(dst, routerState, r.identity)
	r.fields(&k)
	return k.end(from), nil
}

// MarshalBinary returns the state as AppendBinary does.
func (r *Router) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

// UnmarshalBinary restores a state of a Router of the same meters, whose points
// are of the same units. Swaps since then are part of the state. The error wraps
// ErrState or ErrOtherConfiguration, and r is unchanged then. It keeps nothing of
// data.
func (r *Router) UnmarshalBinary(data []byte) error {
	k, err := openState(data, routerState, r.identity)
	if err != nil {
		return err
	}
	next := *r
	next.gauges, next.conversions, next.gaugeOrigins = slices.Clone(r.gauges), slices.Clone(r.conversions), slices.Clone(r.gaugeOrigins)
	next.counters, next.counterOrigins = slices.Clone(r.counters), slices.Clone(r.counterOrigins)
	next.meters = slices.Clone(r.meters)
	for i := range next.meters {
		m := &next.meters[i]
		m.router, m.ring = &next, make([]block, len(m.ring))
	}
	next.fields(&k)
	if err := k.closed(); err != nil {
		return err
	}
	*r = next
	for i := range r.meters {
		r.meters[i].router = r
	}
	r.earliest, r.moved, r.behind = 0, true, true // to be found anew
	return nil
}

// fields lists the state of all meters.
func (r *Router) fields(k *codec) {
	for i := range r.meters {
		m := &r.meters[i]
		m.fields(k)
		for s, ref := range m.refs {
			switch {
			case ref > 0:
				r.gaugeFields(k, int(ref-1), slot(s))
			case ref < 0:
				r.counterFields(k, int(-ref-1), slot(s))
			default:
				continue
			}
			if k.reading && !k.failed {
				k.require(m.fits(r.channel(ref)))
			}
		}
	}
}

// gaugeFields lists the state of a gauge, and what swaps have made of its origin.
func (r *Router) gaugeFields(k *codec, i int, s slot) {
	r.gaugeOrigins[i].fields(k)
	if k.reading && !k.failed {
		c, err := r.gaugeOrigins[i].conversion(kinds[s].base, kinds[s].parts)
		k.require(err == nil)
		r.conversions[i], r.gauges[i].factor = c, c.factor
	}
	r.gauges[i].fields(k)
}

// counterFields lists the state of a counter, and what swaps have made of its
// origin.
func (r *Router) counterFields(k *codec, i int, s slot) {
	o := &r.counterOrigins[i]
	o.fields(k)
	if k.reading && !k.failed {
		c, err := o.conversion(kinds[s].base, kinds[s].parts)
		k.require(err == nil)
		if err == nil {
			n, err := newCounter(r.counters[i].channel, c, o.registers)
			k.require(err == nil)
			r.counters[i] = n
		}
	}
	if !k.failed {
		r.counters[i].fields(k)
	}
}

// fields lists what swaps change of an origin.
func (o *origin) fields(k *codec) {
	word(k, &o.multiplier.Num)
	word(k, &o.multiplier.Den)
	g := &o.registers
	word(k, &g.Modulus)
	word(k, &g.Resolution)
	k.float(&g.MaxPower)
	short(k, &g.OnReset)
	word(k, &g.Weight.Energy)
	word(k, &g.Weight.Pulses)
	short(k, &g.Weight.Unit)
	// The number of a unit may be another in another version; its size is not.
	num, den := uint64(0), uint64(0)
	if g.Weight.Unit.Valid() {
		num, den = g.Weight.Unit.Ratio()
	}
	gotNum, gotDen := num, den
	word(k, &gotNum)
	word(k, &gotDen)
	k.require(gotNum == num && gotDen == den && (g.Weight.Unit == units.None || g.Weight.Unit.Valid()))
	if k.reading && !k.failed {
		k.require(o.multiplier.validate() == nil && g.validate() == nil)
	}
}

// fields lists the state of a meter, its channels apart.
func (m *meter) fields(k *codec) {
	k.bool(&m.open)
	k.instant(&m.began)
	k.instant(&m.end)
	silent := uint32(m.silent)
	short(k, &silent)
	m.silent = int(silent)
	k.instant(&m.silence)
	short(k, &m.silenceFlags)
	for i := range m.total {
		m.total[i].fields(k)
	}
	m.counts.fields(k)
	m.importPeak.fields(k)
	m.exportPeak.fields(k)
	// The oldest block first, and only those with something in them.
	touched := uint32(m.touched)
	short(k, &touched)
	k.require(int64(touched) <= int64(len(m.ring)))
	if k.reading {
		m.oldest, m.touched = 0, int(touched)
		next := uint32(0)
		for range touched {
			if k.failed {
				return
			}
			var at uint32
			short(k, &at)
			if k.require(next <= at && int64(at) < int64(len(m.ring))); k.failed {
				return
			}
			next = at + 1
			m.ring[at].fields(k)
		}
		return
	}
	for n := range m.ring {
		i := (m.oldest + n) % len(m.ring)
		if at := uint32(n); m.ring[i].touched {
			short(k, &at)
			m.ring[i].fields(k)
		}
	}
}

func (b *block) fields(k *codec) {
	for i := range b.tallies {
		b.tallies[i].fields(k)
	}
	short(k, &b.flags)
	short(k, &b.carried)
	b.touched = true
}

// fits reports whether a meter and a channel of it that were read back go
// together.
func (m *meter) fits(c *channel) bool {
	if !m.open {
		return m.end == 0 && m.touched == 0 && c.done == 0 && c.edge == 0 && c.held == unknown && c.isZero() && c.flags == 0 && c.last == 0
	}
	start := m.start()
	return m.end >= soonest && m.endOf(start) == m.end && m.began <= start && (m.silence == 0 || m.silence < start) &&
		c.edge >= m.end && (c.edge-m.end)%m.interval == 0 && c.edge <= latest+soonest/2 &&
		c.done >= start && c.done >= c.edge-m.interval &&
		c.good+c.uncertain <= int64(c.done-(c.edge-m.interval)) &&
		(c.last == 0 || c.last >= soonest-1 && c.last <= latest)
}
