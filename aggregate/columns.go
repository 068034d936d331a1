package aggregate

import (
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// chunk is how many samples of a column are taken in one go: few enough that
// sums of them fit 64 bits and that they stay in the nearest cache.
const chunk = 1024

var errColumns = errors.New("aggregate: columns of different lengths")

// PushColumns takes slots, times and values side by side, and their qualities or
// nil if all are good, in the order of their arrival, and appends the periods
// that they close to dst. The error says that the lengths differ, or names a slot
// that the Bank does not have; nothing is taken then. The history of one slot is
// taken fastest by PushHistory.
func (b *Bank) PushColumns(dst []Period, slots []uint32, times []acquire.Instant, values []float64, qualities []acquire.Quality) ([]Period, error) {
	if len(slots) != len(times) || len(values) != len(times) || qualities != nil && len(qualities) != len(times) {
		return dst, errColumns
	}
	for _, slot := range slots {
		if uint(slot) >= uint(len(b.records)) {
			return dst, b.noSlot(slot)
		}
	}
	if len(b.gauges) < scattered {
		return b.pushSlots(dst, slots, times, values, qualities), nil
	}
	for len(slots) > 0 {
		n := min(len(slots), ahead)
		if slots[n-1]-slots[0] != uint32(n-1) {
			b.fetchSlots(slots[:n])
		}
		var q []acquire.Quality
		if qualities != nil {
			q, qualities = qualities[:n], qualities[n:]
		}
		dst = b.pushSlots(dst, slots[:n], times[:n], values[:n], q)
		slots, times, values = slots[n:], times[n:], values[n:]
	}
	return dst, nil
}

// pushSlots is PushColumns of what is known to fit.
func (b *Bank) pushSlots(dst []Period, slots []uint32, times []acquire.Instant, values []float64, qualities []acquire.Quality) []Period {
	q, plainUpTo := acquire.Good, len(slots)
	if qualities != nil {
		plainUpTo = 0
	}
	for i := 0; i < len(slots); i++ {
		if i >= plainUpTo {
			plainUpTo = i + plainRun(qualities[i:])
		}
		i += takeColumns(b.hot, slots[i:plainUpTo], times[i:plainUpTo], values[i:plainUpTo])
		if i == len(slots) {
			break
		}
		if qualities != nil {
			q = qualities[i]
		}
		dst = b.take(dst, slots[i], &acquire.Sample{Time: times[i], Value: acquire.Float64(values[i]), Quality: q})
	}
	return dst
}

// takeColumns takes common samples, whose qualities are good, up to the first that
// is not one, and returns how many.
func takeColumns(gauges []hot, slots []uint32, times []acquire.Instant, values []float64) int {
	times, values = times[:len(slots)], values[:len(slots)]
	for i, slot := range slots {
		if uint(slot) >= uint(len(gauges)) {
			return i
		}
		g := &gauges[slot]
		dt, ok := g.common(times[i], acquire.Good)
		if !ok {
			return i
		}
		x := g.parts(values[i])
		if !distinct(x) {
			return i
		}
		g.take(times[i], dt, x)
	}
	return len(slots)
}

// plainRun returns how many of the first qualities are those of common samples.
func plainRun(qualities []acquire.Quality) int {
	for i, q := range qualities {
		if q&plain != acquire.Good {
			return i
		}
	}
	return len(qualities)
}

func (b *Bank) noSlot(slot uint32) error {
	return fmt.Errorf("aggregate: no slot %d in a bank of %d", slot, len(b.records))
}

// PushHistory takes times and values of one slot as Meter.PushColumns does.
func (b *Bank) PushHistory(dst []Period, slot uint32, times []acquire.Instant, values []float64, qualities []acquire.Quality) ([]Period, error) {
	if uint(slot) >= uint(len(b.records)) {
		return dst, b.noSlot(slot)
	}
	return b.pushColumns(dst, slot, times, values, qualities)
}

// PushRegular takes values of one slot as Meter.PushRegular does.
func (b *Bank) PushRegular(dst []Period, slot uint32, start acquire.Instant, step time.Duration, values []float64) ([]Period, error) {
	if uint(slot) >= uint(len(b.records)) {
		return dst, b.noSlot(slot)
	}
	return b.pushRegular(dst, slot, start, step, values)
}

func (b *Bank) pushColumns(dst []Period, slot uint32, times []acquire.Instant, values []float64, qualities []acquire.Quality) ([]Period, error) {
	if len(values) != len(times) || qualities != nil && len(qualities) != len(times) {
		return dst, errColumns
	}
	if len(b.gauges) != 0 {
		return b.pushGaugeColumns(dst, slot, times, values, qualities), nil
	}
	q := acquire.Good
	for i, t := range times {
		if qualities != nil {
			q = qualities[i]
		}
		dst = b.take(dst, slot, &acquire.Sample{Time: t, Value: acquire.Float64(values[i]), Quality: q})
	}
	return dst, nil
}

// pushGaugeColumns is pushColumns for a slot of power.
func (b *Bank) pushGaugeColumns(dst []Period, slot uint32, times []acquire.Instant, values []float64, qualities []acquire.Quality) []Period {
	g, q := b.gauge(slot), acquire.Good
	for i := 0; i < len(times); i++ {
		n := min(len(times)-i, chunk)
		if qualities == nil || allPlain(qualities[i:i+n]) {
			if n = g.pushChunk(times[i:i+n], values[i:i+n]); n > 0 {
				i += n - 1
				continue
			}
		}
		if qualities != nil {
			q = qualities[i]
		}
		dst = b.takeCold(dst, slot, g, &acquire.Sample{Time: times[i], Value: acquire.Float64(values[i]), Quality: q})
	}
	b.hot[slot].warm(g)
	return dst
}

func (b *Bank) pushRegular(dst []Period, slot uint32, start acquire.Instant, step time.Duration, values []float64) ([]Period, error) {
	if err := checkRegular(start, step, len(values)); err != nil {
		return dst, err
	}
	t := start
	for i := 0; i < len(values); {
		if len(b.gauges) != 0 {
			if n := b.gauge(slot).pushSteps(t, acquire.Instant(step), values[i:i+min(len(values)-i, chunk)]); n > 0 {
				i += n
				t += acquire.Instant(n) * acquire.Instant(step)
				continue
			}
		}
		dst = b.take(dst, slot, &acquire.Sample{Time: t, Value: acquire.Float64(values[i]), Quality: acquire.Good})
		i++
		t += acquire.Instant(step)
	}
	return dst, nil
}

// checkRegular returns an error unless n times from start on are in range.
func checkRegular(start acquire.Instant, step time.Duration, n int) error {
	switch {
	case step <= 0:
		return fmt.Errorf("aggregate: step %v of a regular column is not positive", step)
	case n > 0 && (start < soonest || start > latest || int64(latest-start)/int64(step) < int64(n-1)):
		return errors.New("aggregate: regular column leaves the range of times")
	}
	return nil
}

// allPlain reports whether all qualities are those of common samples.
func allPlain(qualities []acquire.Quality) bool {
	other := acquire.Quality(0)
	for _, q := range qualities {
		other |= q ^ acquire.Good
	}
	return other&plain == 0
}

// pushChunk takes common samples from the front of a column, whose qualities are
// good, and returns how many: 0 if the first is not a common one. It looks no
// further ahead than it has to, because memory brings a column fast in its order
// alone.
func (g *gauge) pushChunk(times []acquire.Instant, values []float64) int {
	if !g.push(times[0], values[0], acquire.Good) {
		return 0
	}
	if len(times) == 1 {
		return 1
	}
	start, step := times[0], times[1]-times[0]
	if step <= 0 || uint64(step) > uint64(g.maxGap) {
		return 1
	}
	if len(times) > fewSteps && times[2] == times[1]+step { // otherwise no step is worth a look
		n := min(int64(len(times)), int64(g.limit-start-1)/int64(step)+1)
		if n := g.addTimedSteps(step, times[1:n], values[1:n]); n > 0 {
			return n + 1
		}
	}
	times = inBlock(times, step, g.limit)
	values = values[:len(times)]
	if len(times) == 1 || g.addLines(times[1:], values[1:]) {
		return len(times)
	}
	for i, t := range times[1:] {
		if !g.push(t, values[i+1], acquire.Good) && !g.pushCrossing(t, values[i+1], acquire.Good) {
			return i + 1
		}
	}
	return len(times)
}

// inBlock returns the front of times, of which the first is before limit, up to one
// that is before limit too: all of that block if the times are about step apart,
// and mostly if they are not.
func inBlock(times []acquire.Instant, step, limit acquire.Instant) []acquire.Instant {
	n := len(times)
	if times[n-1] < limit {
		return times
	}
	if guess := int64(limit-times[0]) / int64(step); guess < int64(n) {
		n = int(guess)
		for range 8 {
			if times[n] >= limit {
				break
			}
			n++ // stays in times, whose last is not before limit
		}
		for range 8 {
			if n == 0 || times[n-1] < limit {
				break
			}
			n--
		}
	}
	if n == 0 || times[n-1] >= limit {
		n = sort.Search(len(times), func(i int) bool { return times[i] >= limit })
	}
	return times[:max(n, 1)]
}

// pushSteps is pushChunk for samples at t and every step after it.
func (g *gauge) pushSteps(t, step acquire.Instant, values []float64) int {
	if !g.push(t, values[0], acquire.Good) {
		return 0
	}
	n := min(int64(len(values)), int64(g.limit-t-1)/int64(step)+1)
	if values = values[:n]; n == 1 || g.addSteps(step, values[1:]) {
		return int(n)
	}
	for i, v := range values[1:] {
		t += step
		if !g.push(t, v, acquire.Good) && !g.pushCrossing(t, v, acquire.Good) {
			return i + 1
		}
	}
	return int(n)
}

// addSteps books values step apart, the first of them step after the last
// sample. It reports false, with nothing done, unless all are common samples of
// one direction.
func (g *gauge) addSteps(step acquire.Instant, values []float64) bool {
	if step <= 0 || int64(step) > g.maxGap {
		return false
	}
	run := g.run()
	if !run.add(values) {
		return false
	}
	g.bookSteps(&run, step, len(values))
	return true
}

// addTimedSteps is addSteps for as many values as have times step apart, and
// returns how many: 0, with nothing done, where too few have for that to be of use,
// or not all of those are common samples of one direction.
func (g *gauge) addTimedSteps(step acquire.Instant, times []acquire.Instant, values []float64) int {
	run := g.run()
	n := run.addSteps(times, values, g.last+step, step)
	if n > 0 {
		g.bookSteps(&run, step, n)
	}
	return n
}

// bookSteps books n values step apart.
func (g *gauge) bookSteps(run *run, step acquire.Instant, n int) {
	// Twice the mean of both ends of each line.
	twice := 2 * run.quanta.lo
	switch g.rule() {
	case HoldLeft:
		twice += 2 * (run.first - run.p)
	case Trapezoid:
		twice += run.first - run.p
	}
	run.quanta = product(twice, uint64(step))
	g.finish(run, g.last+step*acquire.Instant(n), n)
}

// addLines books values at times, which come after the last sample and before
// limit if they are in order. It reports false, with nothing done, unless all are
// common samples of one direction.
func (g *gauge) addLines(times []acquire.Instant, values []float64) bool {
	run := g.run()
	gap, n := uint64(g.maxGap), len(times)
	switch g.rule() {
	case HoldLeft:
		dt := uint64(times[0] - g.last)
		if dt-1 >= gap || !run.weigh(times[1:], values[:n-1], times[0], gap) {
			return false
		}
		run.quanta = run.quanta.add(product(run.first, dt))
		run.quanta = run.quanta.add(run.quanta)
	case Trapezoid:
		if !run.join(times, values, g.last, gap) {
			return false
		}
	default:
		if !run.weigh(times, values, g.last, gap) {
			return false
		}
		run.quanta = run.quanta.add(run.quanta)
	}
	if !run.one(values[n-1]) {
		return false
	}
	g.finish(&run, times[n-1], n)
	return true
}
