package part13

import "time"

// smoothTracker follows the functions of interpolated bounds. Its interval is
// decided by the next raw value that is not Bad, or for stepped data by the next
// raw value. While Bad ones come it holds no more than the last good ones: all
// intervals that lie between are points on one line.
type smoothTracker struct {
	functions []Function
	iv        interval
	open      bool // the start bound is known
	done      bool
	closed    bool // the interval is decided: results are being given
	given     int

	start, end point
	at         point // where the last line begins, if any
	since      int64 // where the first line began
	doubt      bool
	area       sum
}

func (k *smoothTracker) meet(c *Calculator) {
	if k.done || k.open || c.state != closing && (!c.grid.reached(k.iv, c.in.t) || !k.decisive(c)) {
		return
	}
	k.open = true
	k.begin(c.behind.interpolated(&c.set, k.iv.a, c.ahead()))
}

// decisive reports whether the present sample ends the search for a bound.
func (k *smoothTracker) decisive(c *Calculator) bool {
	return c.set.stepped || c.in.class != bad
}

func (k *smoothTracker) due(c *Calculator) bool {
	switch {
	case k.done:
		return false
	case k.closed:
		return true
	case c.state == closing:
		return !c.exhausted(k.iv)
	}
	return k.open && c.grid.passed(k.iv, c.in.t) && k.decisive(c)
}

func (k *smoothTracker) next(c *Calculator) (Result, bool) {
	if !k.closed {
		k.closed = true
		k.given = 0
		k.end = c.behind.interpolated(&c.set, k.iv.b, c.ahead())
		if k.at.origin != nowhere {
			k.doubt = k.doubt || c.behind.gap && c.behind.badAt < k.iv.b
			k.line(k.end)
		}
	}
	if k.given < len(k.functions) {
		r := k.result(c, k.functions[k.given])
		k.given++
		return r, true
	}
	k.closed = false
	if k.iv.b == c.grid.hi {
		k.done = true
		return Result{}, false
	}
	k.iv = c.grid.after(k.iv)
	k.begin(k.end)
	return Result{}, false
}

func (k *smoothTracker) begin(start point) {
	k.start, k.end, k.at = start, point{}, point{}
	k.area = sum{}
	k.doubt = start.class != good
	if start.class != bad {
		k.at, k.since = start, start.t
	}
}

func (k *smoothTracker) absorb(c *Calculator) {
	p := c.in
	if k.done || !k.open || !c.grid.reached(k.iv, p.t) || c.grid.passed(k.iv, p.t) {
		return
	}
	if p.class == bad {
		// For lines the bounds and the next value tell, by the gap.
		k.doubt = k.doubt || c.set.stepped
		return
	}
	k.doubt = k.doubt || c.behind.gap && p.t != k.iv.a
	if k.at.origin == nowhere {
		k.at, k.since = p, p.t
		k.doubt = true
		return
	}
	k.line(p)
}

// line draws the line to p, which is not Bad.
func (k *smoothTracker) line(p point) {
	k.doubt = k.doubt || p.class == uncertain
	if d := span(k.at.t, p.t); d > 0 {
		k.area.add(middle(k.at.v, p.v) * float64(d))
	}
	k.at = p
}

func (k *smoothTracker) result(c *Calculator, f Function) Result {
	r := c.stamp(f, k.iv)
	if f == Interpolative {
		p := k.start
		if c.grid.backward {
			p = k.end
		}
		if p.class == bad {
			return none(r, 0)
		}
		r.Value, r.Status = p.v, p.result()
		return r
	}
	if k.at.origin == nowhere || k.since == k.at.t {
		return none(r, 0)
	}
	if f == TimeAverage {
		r.Value = k.area.value() / float64(span(k.since, k.at.t))
	} else {
		r.Value = k.area.value() / float64(time.Second)
	}
	r.Status = Good
	if k.doubt {
		r.Status = UncertainDataSubNormal
	}
	r.Status = r.Status.With(Calculated)
	if k.iv.cut || c.holdsFirst(k.iv) {
		r.Status = r.Status.With(Partial)
	}
	return r
}
