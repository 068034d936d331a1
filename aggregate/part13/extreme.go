package part13

// place is where in an interval an extreme lies, in the direction of the request.
type place uint8

const (
	within place = iota
	atStart
	atEnd // the excluded edge
)

// extreme is the least or greatest value so far, the earliest among equals.
type extreme struct {
	v     float64
	t     int64
	n     uint64 // how many equals; 0: nothing yet
	place place
}

func (e *extreme) least(v float64, t int64, p place) {
	if e.n == 0 || v < e.v {
		*e = extreme{v, t, 1, p}
	} else if v == e.v {
		e.n++
	}
}

func (e *extreme) most(v float64, t int64, p place) {
	if e.n == 0 || v > e.v {
		*e = extreme{v, t, 1, p}
	} else if v == e.v {
		e.n++
	}
}

func (e *extreme) marked(r Result, i Info) Result {
	if e.n > 1 && !r.Status.IsBad() {
		i |= MultiValue
	}
	r.Status = r.Status.With(i)
	return r
}

// extent is the range of some values.
type extent struct {
	least, most float64
	any         bool
}

func (e *extent) add(v float64) {
	if !e.any {
		*e = extent{v, v, true}
		return
	}
	e.least, e.most = min(e.least, v), max(e.most, v)
}
