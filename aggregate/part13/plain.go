package part13

// plainTracker follows the functions of raw values and simple bounds. Its interval
// is decided by the next raw value, whatever its status.
type plainTracker struct {
	functions []Function
	iv        interval
	open      bool // the start bound is known
	done      bool
	closed    bool // the interval is decided: results are being given
	given     int

	start, end point
	account
}

// account is what one interval adds up to.
type account struct {
	at point // where the last region begins

	regions [3]uint64 // time by class of region
	points  [3]uint64 // time by class of the point that a region begins with
	states  [2]uint64 // time of Good points: zero, not zero
	area    sum       // value times nanoseconds over regions that are not Bad

	counts      [3]uint64 // raw values by severity
	unusable    uint64    // raw values that are Bad under the configuration
	total       sum       // of Good raw values
	mean, m2    float64   // running mean of Good raw values, sum of squares about it
	low, high   extreme   // of Good raw values
	uncertain   extent    // of Uncertain raw values
	low2, high2 extreme   // of bounds and raw values that are not Bad

	earliest, latest   point   // raw values
	earliestV, latestV float64 // Good ones
	skipped            bool    // values that are not Good before or after those
	worst              StatusCode
	worstCount         uint64
	transitions        uint64
	annotations        uint64
}

func (k *plainTracker) meet(c *Calculator) {
	if k.done || k.open || c.state != closing && !c.grid.reached(k.iv, c.in.t) {
		return
	}
	k.open = true
	k.begin(c, c.behind.simple(&c.set, k.iv.a, c.ahead()))
}

func (k *plainTracker) due(c *Calculator) bool {
	switch {
	case k.done:
		return false
	case k.closed:
		return true
	case c.state == closing:
		return !c.exhausted(k.iv)
	}
	return k.open && c.grid.passed(k.iv, c.in.t)
}

// next closes the interval if it is open, and gives its results one by one. False
// means that it has moved on to the next interval.
func (k *plainTracker) next(c *Calculator) (Result, bool) {
	if !k.closed {
		k.closed = true
		k.given = 0
		k.finish(c)
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
	k.begin(c, k.end)
	return Result{}, false
}

func (k *plainTracker) begin(c *Calculator, start point) {
	k.start = start
	k.account = account{at: start}
	if start.class != bad {
		p := atStart
		if c.grid.backward {
			p = atEnd
		}
		k.low2.least(start.v, start.t, p)
		k.high2.most(start.v, start.t, p)
	}
}

func (k *plainTracker) absorb(c *Calculator) {
	p := c.in
	if k.done || !k.open || !c.grid.reached(k.iv, p.t) || c.grid.passed(k.iv, p.t) {
		return
	}
	k.annotations += uint64(c.notes)
	if k.earliest.origin == nowhere {
		k.earliest = p
	}
	k.latest = p
	severity := p.status.severity()
	k.counts[severity]++
	k.judge(p.status)
	switch severity {
	case good:
		n := k.counts[good]
		if n == 1 {
			k.earliestV = p.v
			k.skipped = k.counts[uncertain]+k.counts[bad] > 0
		}
		k.latestV = p.v
		k.total.add(p.v)
		d := p.v - k.mean
		k.mean += d / float64(n)
		k.m2 += d * (p.v - k.mean)
		k.low.least(p.v, p.t, k.place(c, p.t))
		k.high.most(p.v, p.t, k.place(c, p.t))
	case uncertain:
		k.uncertain.add(p.v)
	}
	if p.class == bad {
		k.unusable++
	} else {
		if u := &c.behind.usable; u.origin == nowhere || u.v != p.v {
			k.transitions++
		}
		if p.t != k.start.t {
			k.low2.least(p.v, p.t, k.place(c, p.t))
			k.high2.most(p.v, p.t, k.place(c, p.t))
		}
	}
	k.region(&c.set, p)
}

// place says where a raw value in the interval lies.
func (k *plainTracker) place(c *Calculator, t int64) place {
	if !c.grid.backward && t == k.iv.a || c.grid.backward && t == k.iv.b {
		return atStart
	}
	return within
}

// judge looks for the worst status. Among codes of one severity the first counts.
func (k *account) judge(s StatusCode) {
	switch {
	case k.worstCount == 0 || s.severity() > k.worst.severity():
		k.worst, k.worstCount = s, 1
	case s.severity() == k.worst.severity():
		k.worstCount++
	}
}

// region ends the region that began at k.at with p and begins the next one
// (5.4.3.2.2): it is as good as the point it begins with, and where lines are
// drawn only Uncertain if the point it ends with is not Good. A line to a Bad
// point is drawn level.
func (k *account) region(s *settings, p point) {
	d := span(k.at.t, p.t)
	if d > 0 {
		k.points[k.at.class] += d
		if k.at.class == good {
			if k.at.v == 0 {
				k.states[0] += d
			} else {
				k.states[1] += d
			}
		}
		of := k.at.class
		if of == good && !s.stepped && p.class != good {
			of = uncertain
		}
		k.regions[of] += d
		if of != bad {
			v := k.at.v
			if !s.stepped && p.class != bad {
				v = middle(v, p.v)
			}
			k.area.add(v * float64(d))
		}
	}
	k.at = p
}

// finish takes in the end bound.
func (k *plainTracker) finish(c *Calculator) {
	b := k.iv.b
	k.end = c.behind.simple(&c.set, b, c.ahead())
	if k.outside(c) {
		return
	}
	last := c.behind.prev.t
	if k.end.origin == nowhere && c.state == closing && span(last, b) > c.set.resolution {
		// The data ends here: the last value holds for the least time there is.
		k.region(&c.set, noData(last+int64(c.set.resolution)))
		return
	}
	k.region(&c.set, k.end)
	if k.end.class == bad || c.grid.backward && last == b {
		return
	}
	if p := atEnd; !c.set.stepped || c.grid.backward {
		if c.grid.backward {
			p = atStart
		}
		k.low2.least(k.end.v, b, p)
		k.high2.most(k.end.v, b, p)
	}
}

// outside reports whether the interval lies before or after the data.
func (k *plainTracker) outside(c *Calculator) bool {
	return !c.any || c.ended(k.iv) || c.grid.passed(k.iv, c.first)
}
