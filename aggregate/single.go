package aggregate

import (
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Meter keeps one series: a Bank of one slot, fed by numbers. It belongs to one
// goroutine at a time. Make one with NewMeter.
//
// Push and its kin append the periods that they close to a slice of the caller,
// mostly none.
type Meter struct {
	bank Bank
	g    *hot     // of power; a disarmed one for a register
	c    *counter // nil for power
}

// NewMeter returns a Meter of the plan. The error says that there is none.
func NewMeter(p *Plan) (*Meter, error) {
	b, err := NewBank(p, nil, make([]acquire.PointID, 1))
	if err != nil {
		return nil, err
	}
	m := &Meter{bank: *b}
	if p.isGauge() {
		m.g = &m.bank.hot[0]
	} else {
		m.g, m.c = &hot{limit: disarmed}, &m.bank.counters[0]
	}
	return m, nil
}

// Push takes the value v, in the unit of the plan, that was measured at t.
func (m *Meter) Push(dst []Period, t acquire.Instant, v float64, q acquire.Quality) []Period {
	// What gauge.push does, without the call.
	g := m.g
	if dt, ok := g.common(t, q); ok {
		if x := g.parts(v); distinct(x) {
			g.take(t, dt, x)
			return dst
		}
	}
	return m.pushOther(dst, t, v, q)
}

// pushOther is Push for what is not a common sample.
func (m *Meter) pushOther(dst []Period, t acquire.Instant, v float64, q acquire.Quality) []Period {
	return m.take(dst, t, acquire.Float64(v), q)
}

// PushCount takes a whole number, such as the reading of a register, exactly.
func (m *Meter) PushCount(dst []Period, t acquire.Instant, n uint64, q acquire.Quality) []Period {
	if m.c != nil && m.c.push(t, acquire.Uint64(n), q) {
		return dst
	}
	return m.take(dst, t, acquire.Uint64(n), q)
}

// take takes a sample that is not a common one.
func (m *Meter) take(dst []Period, t acquire.Instant, v acquire.Value, q acquire.Quality) []Period {
	return m.bank.take(dst, 0, &acquire.Sample{Time: t, Value: v, Quality: q})
}

// PushColumns takes times and values side by side, and their qualities or nil if
// all are good. The error says that the lengths differ; nothing is taken then.
// The result is that of pushing sample by sample, to the last bit.
func (m *Meter) PushColumns(dst []Period, times []acquire.Instant, values []float64, qualities []acquire.Quality) ([]Period, error) {
	return m.bank.pushColumns(dst, 0, times, values, qualities)
}

// PushRegular takes values measured at start and every step after it, all good.
// The error says that step is not positive, or that times leave the range of an
// Instant; nothing is taken then. The result is that of pushing sample by sample,
// to the last bit.
func (m *Meter) PushRegular(dst []Period, start acquire.Instant, step time.Duration, values []float64) ([]Period, error) {
	return m.bank.pushRegular(dst, 0, start, step, values)
}

// Tick says that no sample before watermark is still to come, and appends the
// periods that this decides. A watermark out of the range of times that samples
// may have is passed over.
func (m *Meter) Tick(dst []Period, watermark acquire.Instant) []Period {
	if watermark < soonest || watermark > latest {
		return dst
	}
	return m.bank.pass(dst, 0, watermark)
}

// Flush closes the periods that hold data or flags, at the end of all data; see
// Bank.Flush.
func (m *Meter) Flush(dst []Period) []Period { return m.bank.Flush(dst) }

// Totals returns the sums since the meter began, in the account that is of its
// kind.
func (m *Meter) Totals() Totals {
	t, _ := m.bank.Totals(0)
	return t
}
