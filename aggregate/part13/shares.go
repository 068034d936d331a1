package part13

import (
	"math/bits"
)

// byTime is the status by shares of time (5.4.3.2.1).
func (k *account) byTime(s *settings) StatusCode {
	g, u, b := k.regions[good], k.regions[uncertain], k.regions[bad]
	if s.shares == TwoShares {
		if s.useUncertain {
			g += u
		} else {
			b += u
		}
		u = 0
	}
	return s.status(g, b, g+u+b)
}

// byCount is the status by shares of raw values (5.4.3.2.1).
func (k *account) byCount(s *settings) StatusCode {
	g, u, b := k.counts[good], k.counts[uncertain], k.counts[bad]
	if s.shares == TwoShares {
		if s.useUncertain {
			g += u
		} else {
			b += u
		}
		u = 0
	}
	return s.status(g, b, g+u+b)
}

func (s *settings) status(goods, bads, all uint64) StatusCode {
	switch {
	case bads > 0 && reaches(bads, s.pctBad, all):
		return Bad
	case reaches(goods, s.pctGood, all):
		return Good
	}
	return UncertainDataSubNormal
}

// reaches reports whether part is at least pct percent of all.
func reaches(part, pct, all uint64) bool {
	h1, l1 := bits.Mul64(part, 100)
	h2, l2 := bits.Mul64(all, pct)
	return h1 > h2 || h1 == h2 && l1 >= l2
}
