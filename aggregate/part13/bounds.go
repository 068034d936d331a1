package part13

import "math"

// class is what a point is worth under the configuration.
type class uint8

const (
	good class = iota
	uncertain
	bad
)

// origin tells a raw point from a derived one.
type origin uint8

const (
	nowhere origin = iota // no value: Bad_NoData
	raw
	derived // interpolated or extrapolated
)

// point is a raw value or a bounding value.
type point struct {
	t      int64
	v      float64
	status StatusCode
	class  class // bad also for an Uncertain raw value under TreatUncertainAsBad
	origin origin
}

func noData(t int64) point {
	return point{t: t, status: BadNoData, class: bad}
}

// result gives the status of p as a bounding value, with its information bits.
func (p point) result() StatusCode {
	switch {
	case p.class == bad:
		return BadNoData
	case p.origin == derived:
		return p.status.With(Interpolated)
	}
	return p.status
}

func (s *settings) point(x Sample) point {
	p := point{t: int64(x.Time), v: x.Value, status: x.Status, class: x.Status.severity(), origin: raw}
	if p.class == uncertain && !s.useUncertain {
		p.class = bad
	}
	return p
}

// derive makes a bounding value that is not raw.
func derive(t int64, v float64, doubt bool) point {
	if doubt {
		return point{t: t, v: v, status: UncertainDataSubNormal, class: uncertain, origin: derived}
	}
	return point{t: t, v: v, class: good, origin: derived}
}

// line returns where the line through p and q, p earlier than q, crosses t, which
// is not before p.
func line(p, q point, t int64) float64 {
	d, all := float64(span(p.t, t)), float64(span(p.t, q.t))
	if v := p.v + (q.v-p.v)*d/all; !math.IsInf(v, 0) && !math.IsNaN(v) {
		return v
	}
	// What overflowed may have done so on the way.
	return p.v*(1-d/all) + q.v*(d/all)
}

// neighbours is what bounding values are made from: the raw values behind the
// present one. Its zero value knows of none.
type neighbours struct {
	prev   point // the last raw value
	usable point // the last non-Bad raw value
	second point // the non-Bad raw value before that
	badAt  int64 // the first Bad raw value after usable, if gap
	gap    bool
}

func (n *neighbours) push(p point) {
	n.prev = p
	if p.class == bad {
		if !n.gap {
			n.gap, n.badAt = true, p.t
		}
		return
	}
	n.usable, n.second, n.gap = p, n.usable, false
}

// simple returns the simple bounding value (3.1.9) at t, which lies between the
// last raw value and next. Without next, t is past the end of the data, where
// there is no bound.
func (n *neighbours) simple(s *settings, t int64, next *point) point {
	prev := &n.prev
	switch {
	case next != nil && next.t == t:
		return *next
	case prev.origin == nowhere:
		return noData(t)
	case prev.t == t:
		return *prev
	case next == nil || prev.class == bad:
		return noData(t)
	case s.stepped:
		return derive(t, prev.v, prev.class == uncertain)
	case next.class == bad:
		return derive(t, prev.v, true)
	}
	return derive(t, line(*prev, *next, t), prev.class == uncertain || next.class == uncertain)
}

// interpolated returns the interpolated bounding value (3.1.8) at t, which lies
// between the last raw value and next. A sloped bound wants a next that is not
// Bad. Without next the value is extrapolated.
//
// A stepped bound is also Uncertain if the raw value at t itself is Bad.
func (n *neighbours) interpolated(s *settings, t int64, next *point) point {
	u := &n.usable
	switch {
	case next != nil && next.t == t && next.class != bad:
		return *next
	case u.origin == nowhere:
		return noData(t)
	case u.t == t:
		return *u
	case next == nil:
		if s.sloped && !s.stepped && n.second.origin != nowhere {
			return derive(t, line(n.second, *u, t), true)
		}
		return derive(t, u.v, true)
	case s.stepped:
		doubt := u.class == uncertain || n.gap && n.badAt <= t || next.t == t
		return derive(t, u.v, doubt)
	}
	return derive(t, line(*u, *next, t), n.gap || u.class == uncertain || next.class == uncertain)
}
