package part13_test

import (
	"math"
	"math/big"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate/part13"
)

// twin computes one function the slow way: for every interval it looks through all
// of the series, as the clauses of the standard are worded, with exact sums.
type twin struct {
	cfg    part13.Config
	all    []part13.Sample // in order, without placeholders
	step   int64           // resolution
	pg, pb int64
}

// spot is a raw or bounding value of the twin.
type spot struct {
	t        int64
	v        float64
	severity int // 0 Good, 1 Uncertain, 2 Bad, as the configuration sees it
	status   part13.StatusCode
	raw      bool
}

func newTwin(cfg part13.Config, samples []part13.Sample) *twin {
	w := &twin{cfg: cfg, step: 1e6, pg: 100, pb: 100}
	if cfg.Resolution != 0 {
		w.step = int64(cfg.Resolution)
	}
	if cfg.PercentDataGood != 0 {
		w.pg = int64(cfg.PercentDataGood)
	}
	if cfg.PercentDataBad != 0 {
		w.pb = int64(cfg.PercentDataBad)
	}
	for _, s := range samples {
		if s.Status.Code() == part13.BadNoData || s.Status.Code() == part13.BadBoundNotFound {
			continue
		}
		if !s.Status.IsBad() && (math.IsNaN(s.Value) || math.IsInf(s.Value, 0)) {
			s.Status = part13.BadOutOfRange
		}
		if len(w.all) == 0 || s.Time > w.all[len(w.all)-1].Time {
			w.all = append(w.all, s)
		}
	}
	return w
}

func (w *twin) spot(s part13.Sample) spot {
	p := spot{t: int64(s.Time), v: s.Value, status: s.Status, raw: true}
	switch {
	case s.Status.IsBad(), s.Status.IsUncertain() && !w.cfg.UseUncertain:
		p.severity, p.v = 2, 0
	case s.Status.IsUncertain():
		p.severity = 1
	}
	return p
}

// find returns the raw value at t, and all raw values before and after it.
func (w *twin) find(t int64) (at *spot, before, after []spot) {
	for _, s := range w.all {
		p := w.spot(s)
		switch {
		case p.t < t:
			before = append(before, p)
		case p.t > t:
			after = append(after, p)
		default:
			at = &p
		}
	}
	return at, before, after
}

func through(p, q spot, t int64) float64 {
	return p.v + (q.v-p.v)*float64(t-p.t)/float64(q.t-p.t)
}

func nothing(t int64) spot { return spot{t: t, severity: 2, status: part13.BadNoData} }

func drawn(t int64, v float64, doubt bool) spot {
	if doubt {
		return spot{t: t, v: v, severity: 1, status: part13.UncertainDataSubNormal}
	}
	return spot{t: t, v: v}
}

// simple is clause 3.1.9.
func (w *twin) simple(t int64) spot {
	at, before, after := w.find(t)
	if at != nil {
		return *at
	}
	if len(before) == 0 || len(after) == 0 {
		return nothing(t)
	}
	p, q := before[len(before)-1], after[0]
	switch {
	case p.severity == 2:
		return nothing(t)
	case w.cfg.Stepped:
		return drawn(t, p.v, p.severity == 1)
	case q.severity == 2:
		return drawn(t, p.v, true)
	}
	return drawn(t, through(p, q, t), p.severity+q.severity > 0)
}

// interpolated is clause 3.1.8.
func (w *twin) interpolated(t int64) spot {
	at, before, after := w.find(t)
	if at != nil && at.severity != 2 {
		return *at
	}
	skipped := at != nil // it is Bad
	var left, right []spot
	for i := len(before) - 1; i >= 0 && len(left) < 2; i-- {
		if before[i].severity != 2 {
			left = append(left, before[i])
		} else if len(left) == 0 {
			skipped = true
		}
	}
	if len(left) == 0 {
		return nothing(t)
	}
	if w.cfg.Stepped {
		return drawn(t, left[0].v, skipped || left[0].severity == 1 || len(after) == 0)
	}
	for _, q := range after {
		if q.severity != 2 {
			right = append(right, q)
			break
		}
		skipped = true
	}
	if len(right) == 0 {
		if w.cfg.UseSlopedExtrapolation && len(left) == 2 {
			return drawn(t, through(left[1], left[0], t), true)
		}
		return drawn(t, left[0].v, true)
	}
	return drawn(t, through(left[0], right[0], t), skipped || left[0].severity+right[0].severity > 0)
}

// stretch is one interval, a before b.
type stretch struct {
	a, b     int64
	cut      bool
	backward bool
}

func (i stretch) holds(t int64) bool {
	if i.backward {
		return i.a < t && t <= i.b
	}
	return i.a <= t && t < i.b
}

// stretches divides a request as Table 12 says, in order of the request.
func stretches(req part13.Request) []stretch {
	start, end, step := int64(req.Start), int64(req.End), int64(req.Interval)
	var list []stretch
	if end > start {
		if step == 0 {
			step = end - start
		}
		for t := start; t < end; t += step {
			list = append(list, stretch{t, min(t+step, end), t+step > end, false})
		}
		return list
	}
	if step == 0 {
		step = start - end
	}
	for t := start; t > end; t -= step {
		list = append(list, stretch{max(t-step, end), t, t-step < end, true})
	}
	return list
}

func (w *twin) process(f part13.Function, req part13.Request) []part13.Result {
	var results []part13.Result
	for _, i := range stretches(req) {
		r := w.compute(f, i)
		r.Function = f
		r.Start, r.End = acquire.Instant(i.a), acquire.Instant(i.b)
		if i.backward {
			r.Start, r.End = r.End, r.Start
		}
		if r.Time == 0 {
			r.Time = r.Start
		}
		if r.Status.IsBad() {
			r.Value = math.NaN()
		}
		results = append(results, r)
	}
	return results
}

func result(v float64, s part13.StatusCode, i part13.Info) part13.Result {
	return part13.Result{Value: v, Status: s.With(i)}
}

func float(r *big.Rat) float64 {
	v, _ := r.Float64()
	return v
}

func rat(v float64) *big.Rat { return new(big.Rat).SetFloat64(v) }

func doubtful(yes bool) part13.StatusCode {
	if yes {
		return part13.UncertainDataSubNormal
	}
	return part13.Good
}

func (w *twin) compute(f part13.Function, i stretch) part13.Result {
	none := result(0, part13.BadNoData, 0)
	if len(w.all) == 0 {
		return none
	}
	first, last := int64(w.all[0].Time), int64(w.all[len(w.all)-1].Time)
	var partial part13.Info
	if i.cut || first > i.a && i.holds(first) {
		partial = part13.Partial
	}
	early, late := i.a, i.b // the bounds in the direction of the request
	if i.backward {
		early, late = late, early
	}
	switch f {
	case part13.Interpolative:
		return w.asBound(w.interpolated(early), 0)
	case part13.TimeAverage, part13.Total:
		return w.timeAverage(f, i, partial)
	}

	before := first >= i.b && !i.holds(first)
	after := last <= i.a && !i.holds(last)
	if f == part13.EndBound && before && !i.backward && first == i.b {
		return w.asBound(w.simple(i.b), part13.Calculated)
	}
	if before || after {
		return none
	}
	if last < i.b && i.holds(last) {
		partial = part13.Partial
	}
	switch f {
	case part13.StartBound:
		return w.asBound(w.simple(early), partial)
	case part13.EndBound:
		return w.asBound(w.simple(late), part13.Calculated|partial)
	case part13.DeltaBounds:
		p, q := w.simple(early), w.simple(late)
		if p.severity == 2 || q.severity == 2 {
			return result(0, part13.BadNoData, partial)
		}
		return result(q.v-p.v, doubtful(p.severity+q.severity > 0), part13.Calculated|partial)
	}
	if r, ok := w.ofValues(f, i, partial); ok {
		return r
	}
	return w.ofRegions(f, i, partial, last)
}

func (w *twin) asBound(p spot, info part13.Info) part13.Result {
	if p.severity == 2 {
		return result(0, part13.BadNoData, info&part13.Partial)
	}
	if !p.raw && info&part13.Calculated == 0 {
		info |= part13.Interpolated
	}
	return result(p.v, p.status, info)
}

// timeAverage is clauses 5.4.3.6 and 5.4.3.8.
func (w *twin) timeAverage(f part13.Function, i stretch, partial part13.Info) part13.Result {
	doubt := false
	var line []spot
	if p := w.interpolated(i.a); p.severity != 2 {
		line = append(line, p)
		doubt = p.severity == 1
	} else {
		doubt = true
	}
	for _, s := range w.all {
		p := w.spot(s)
		if !i.holds(p.t) {
			continue
		}
		if p.severity == 2 {
			doubt = true
			continue
		}
		doubt = doubt || p.severity == 1
		line = append(line, p)
	}
	if p := w.interpolated(i.b); p.severity != 2 && len(line) > 0 {
		line = append(line, p)
		doubt = doubt || p.severity == 1
	}
	area, length := new(big.Rat), int64(0)
	for n := 1; n < len(line); n++ {
		d := line[n].t - line[n-1].t
		length += d
		mean := new(big.Rat).Add(rat(line[n].v), rat(line[n-1].v))
		mean.Mul(mean, big.NewRat(d, 2))
		area.Add(area, mean)
	}
	if length == 0 {
		return result(0, part13.BadNoData, 0)
	}
	if f == part13.Total {
		area.Quo(area, big.NewRat(1e9, 1))
	} else {
		area.Quo(area, big.NewRat(length, 1))
	}
	return result(float(area), doubtful(doubt), part13.Calculated|partial)
}

// verdict is clause 5.4.3.2.1.
func (w *twin) verdict(good, uncertain, bad *big.Rat) part13.StatusCode {
	all := new(big.Rat).Add(good, uncertain)
	all.Add(all, bad)
	if all.Sign() == 0 {
		return part13.Good
	}
	if w.cfg.Shares == part13.TwoShares {
		if w.cfg.UseUncertain {
			good = new(big.Rat).Add(good, uncertain)
		} else {
			bad = new(big.Rat).Add(bad, uncertain)
		}
	}
	share := func(x *big.Rat) *big.Rat {
		return new(big.Rat).Quo(new(big.Rat).Mul(x, big.NewRat(100, 1)), all)
	}
	switch {
	case bad.Sign() > 0 && share(bad).Cmp(big.NewRat(w.pb, 1)) >= 0:
		return part13.Bad
	case share(good).Cmp(big.NewRat(w.pg, 1)) >= 0:
		return part13.Good
	}
	return part13.UncertainDataSubNormal
}

// ofValues computes the functions of raw values.
func (w *twin) ofValues(f part13.Function, i stretch, partial part13.Info) (part13.Result, bool) {
	var in, goods, uncertains []part13.Sample
	var annotations, unusable, bads int64
	for _, s := range w.all {
		if !i.holds(int64(s.Time)) {
			continue
		}
		in = append(in, s)
		annotations += int64(s.Annotations)
		switch {
		case s.Status.IsGood():
			goods = append(goods, s)
		case s.Status.IsUncertain():
			uncertains = append(uncertains, s)
		default:
			bads++
		}
		if w.spot(s).severity == 2 {
			unusable++
		}
	}
	none := result(0, part13.BadNoData, partial)
	count := func(n int64) *big.Rat { return big.NewRat(n, 1) }
	byCount := w.verdict(count(int64(len(goods))), count(int64(len(uncertains))), count(bads))
	total := new(big.Rat)
	for _, s := range goods {
		total.Add(total, rat(s.Value))
	}
	compare := func(a, b part13.Sample) int {
		switch {
		case a.Value < b.Value:
			return -1
		case a.Value > b.Value:
			return 1
		}
		return 0
	}
	switch f {
	case part13.AnnotationCount:
		return result(float64(annotations), part13.Good, part13.Calculated), true
	case part13.Count:
		return result(float64(len(goods)), byCount, part13.Calculated|partial), true
	case part13.Average:
		if len(goods) == 0 {
			return result(0, part13.BadNoData, 0), true
		}
		return result(float(total.Quo(total, count(int64(len(goods))))), byCount, part13.Calculated), true
	case part13.NumberOfTransitions:
		n := 0
		var previous *spot
		for _, s := range w.all {
			p := w.spot(s)
			if p.severity == 2 {
				continue
			}
			if i.holds(p.t) && (previous == nil || previous.v != p.v) {
				n++
			}
			previous = &p
		}
		return result(float64(n), byCount, part13.Calculated|partial), true
	case part13.Start, part13.End:
		if len(in) == 0 {
			return none, true
		}
		s := in[0]
		if f == part13.End {
			s = in[len(in)-1]
		}
		r := result(s.Value, s.Status, partial)
		r.Time = s.Time
		return r, true
	case part13.Delta:
		if len(goods) == 0 {
			return none, true
		}
		doubt := !in[0].Status.IsGood() || !in[len(in)-1].Status.IsGood()
		return result(goods[len(goods)-1].Value-goods[0].Value, doubtful(doubt), part13.Calculated|partial), true
	case part13.Minimum, part13.MinimumActualTime, part13.Maximum, part13.MaximumActualTime, part13.Range:
		if len(goods) == 0 {
			return none, true
		}
		low, high := slices.MinFunc(goods, compare), slices.MaxFunc(goods, compare)
		below, above := false, false
		for _, s := range uncertains {
			below = below || s.Value < low.Value
			above = above || s.Value > high.Value
		}
		found, beyond := low, below
		switch f {
		case part13.Range:
			return result(high.Value-low.Value, doubtful(unusable > 0 || below || above), part13.Calculated|partial), true
		case part13.Maximum, part13.MaximumActualTime:
			found, beyond = high, above
		}
		same := 0
		for k := len(goods) - 1; k >= 0; k-- {
			if goods[k].Value == found.Value {
				same++
				found = goods[k] // the earliest
			}
		}
		doubt := unusable > 0 || beyond
		r := result(found.Value, doubtful(doubt), partial)
		if f == part13.MinimumActualTime || f == part13.MaximumActualTime {
			r.Time = found.Time
		} else {
			at := i.a
			if i.backward {
				at = i.b
			}
			if int64(found.Time) != at || doubt {
				r.Status = r.Status.With(part13.Calculated)
			}
		}
		if same > 1 {
			r.Status = r.Status.With(part13.MultiValue)
		}
		return r, true
	case part13.WorstQuality, part13.WorstQuality2:
		var list []part13.StatusCode
		if f == part13.WorstQuality2 {
			if p := w.simple(i.a); !p.raw || !i.holds(i.a) {
				s := p.status
				if p.severity == 2 {
					s = part13.BadNoData
				}
				list = append(list, s.Code())
			}
		}
		for _, s := range in {
			list = append(list, s.Status)
		}
		for _, kind := range []func(part13.StatusCode) bool{
			part13.StatusCode.IsBad, part13.StatusCode.IsUncertain, part13.StatusCode.IsGood,
		} {
			k := slices.IndexFunc(list, kind)
			if k < 0 {
				continue
			}
			r := result(float64(list[k]), part13.Good, part13.Calculated|partial)
			if slices.IndexFunc(list[k+1:], kind) >= 0 {
				r.Status = r.Status.With(part13.MultiValue)
			}
			return r, true
		}
		return none, true
	case part13.StandardDeviationSample, part13.StandardDeviationPopulation, part13.VarianceSample, part13.VariancePopulation:
		n := int64(len(goods))
		if n == 0 {
			return none, true
		}
		mean := new(big.Rat).Quo(total, count(n))
		squares := new(big.Rat)
		for _, s := range goods {
			d := new(big.Rat).Sub(rat(s.Value), mean)
			squares.Add(squares, d.Mul(d, d))
		}
		divisor := n
		if f == part13.StandardDeviationSample || f == part13.VarianceSample {
			divisor = max(n-1, 1)
		}
		v := float(squares.Quo(squares, count(divisor)))
		if f == part13.StandardDeviationSample || f == part13.StandardDeviationPopulation {
			v = math.Sqrt(v)
		}
		return result(v, doubtful(len(goods) < len(in)), part13.Calculated|partial), true
	}
	return part13.Result{}, false
}

// ofRegions computes the functions of simple bounds and regions.
func (w *twin) ofRegions(f part13.Function, i stretch, partial part13.Info, last int64) part13.Result {
	// The points of the interval, bounds included. Where the data ends, time ends.
	points := []spot{w.simple(i.a)}
	for _, s := range w.all {
		if t := int64(s.Time); i.a < t && t < i.b {
			points = append(points, w.spot(s))
		}
	}
	end := w.simple(i.b)
	if last < i.b {
		points = append(points, nothing(min(i.b, last+w.step)))
	} else {
		points = append(points, end)
	}

	zero := new(big.Rat)
	area := new(big.Rat)
	var regions, starts [3]*big.Rat
	var states [2]*big.Rat
	for k := range regions {
		regions[k], starts[k] = new(big.Rat), new(big.Rat)
	}
	states[0], states[1] = new(big.Rat), new(big.Rat)
	for k := 1; k < len(points); k++ {
		p, q := points[k-1], points[k]
		d := big.NewRat(q.t-p.t, 1)
		starts[p.severity].Add(starts[p.severity], d)
		if p.severity == 0 {
			n := 0
			if p.v != 0 {
				n = 1
			}
			states[n].Add(states[n], d)
		}
		severity, v := p.severity, rat(p.v)
		if !w.cfg.Stepped {
			if q.severity != 0 {
				severity = max(severity, 1)
			}
			if q.severity != 2 {
				v = new(big.Rat).Quo(new(big.Rat).Add(rat(p.v), rat(q.v)), big.NewRat(2, 1))
			}
		}
		regions[severity].Add(regions[severity], d)
		if severity != 2 {
			area.Add(area, v.Mul(v, d))
		}
	}
	status := w.verdict(regions[0], regions[1], regions[2])
	covered := new(big.Rat).Add(regions[0], regions[1])
	none := result(0, part13.BadNoData, partial)
	info := part13.Calculated | partial
	ms := func(x *big.Rat) float64 { return float(new(big.Rat).Quo(x, big.NewRat(1e6, 1))) }
	percent := func(x *big.Rat) float64 {
		all := new(big.Rat).Add(covered, regions[2])
		return 100 * float(new(big.Rat).Quo(x, all))
	}
	switch f {
	case part13.TimeAverage2, part13.Total2:
		if covered.Cmp(zero) == 0 {
			return none
		}
		if f == part13.Total2 {
			return result(float(area.Quo(area, big.NewRat(1e9, 1))), status, info)
		}
		return result(float(area.Quo(area, covered)), status, info)
	case part13.DurationInStateZero:
		return result(ms(states[0]), status, info)
	case part13.DurationInStateNonZero:
		return result(ms(states[1]), status, info)
	case part13.DurationGood:
		return result(ms(starts[0]), part13.Good, info)
	case part13.DurationBad:
		return result(ms(starts[2]), part13.Good, info)
	case part13.PercentGood:
		return result(percent(starts[0]), part13.Good, info)
	case part13.PercentBad:
		return result(percent(starts[2]), part13.Good, info)
	}

	// Extremes: all values in the interval that are not Bad, and the bounds; of
	// stepped data not the one at the end.
	var list []spot
	if points[0].severity != 2 {
		list = append(list, points[0])
	}
	for _, p := range points[1 : len(points)-1] {
		if p.severity != 2 {
			list = append(list, p)
		}
	}
	if end.severity != 2 && (!w.cfg.Stepped || i.backward) {
		list = append(list, end)
	}
	if len(list) == 0 {
		return none
	}
	low, high := list[0], list[0]
	lows, highs := 0, 0
	for _, p := range list {
		if p.v < low.v {
			low = p
		}
		if p.v > high.v {
			high = p
		}
	}
	for _, p := range list {
		if p.v == low.v {
			lows++
		}
		if p.v == high.v {
			highs++
		}
	}
	found, same := low, lows
	switch f {
	case part13.Range2:
		if status == part13.Bad {
			return none
		}
		return result(high.v-low.v, status, info)
	case part13.Maximum2, part13.MaximumActualTime2:
		found, same = high, highs
	}
	r := result(found.v, status, partial)
	start, excluded, within := i.a, i.b, i.b-min(w.step, i.b-i.a)
	if i.backward {
		start, excluded, within = i.b, i.a, i.a+min(w.step, i.b-i.a)
	}
	if f == part13.MinimumActualTime2 || f == part13.MaximumActualTime2 {
		r.Time = acquire.Instant(found.t)
		if found.t == excluded {
			r.Time = acquire.Instant(within)
		}
		if !found.raw || found.t == excluded {
			r.Status = r.Status.With(part13.Interpolated)
		}
	} else if !found.raw {
		r.Status = r.Status.With(part13.Interpolated)
	} else if found.t != start {
		r.Status = r.Status.With(part13.Calculated)
	}
	if same > 1 && status != part13.Bad {
		r.Status = r.Status.With(part13.MultiValue)
	}
	return r
}
