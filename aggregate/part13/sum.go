package part13

import (
	"math"
)

func middle(a, b float64) float64 { return a/2 + b/2 }

// sum adds floating-point numbers and keeps what rounding lost (Neumaier).
type sum struct{ s, lost float64 }

func (s *sum) add(v float64) {
	t := s.s + v
	if math.Abs(s.s) >= math.Abs(v) {
		s.lost += (s.s - t) + v
	} else {
		s.lost += (v - t) + s.s
	}
	s.s = t
}

func (s *sum) value() float64 {
	if math.IsInf(s.s, 0) {
		return s.s // the remainder would make it NaN
	}
	return s.s + s.lost
}
