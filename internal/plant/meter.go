package plant

// Meter is one metering point. It never changes and is safe for concurrent use.
type Meter struct {
	name    string
	bits    int
	initial Registers
	load    load
	origin  totals // at the epoch
}

// Phase is what one phase carries at one instant.
type Phase struct {
	V float64 // volts against neutral
	I float64 // amperes: S/V
	P float64 // watts, positive for import
	Q float64 // var, positive for import: an inductive load lags
	S float64 // VA: √(P²+Q²)
}

// Reading is what a meter measures at one instant.
type Reading struct {
	Time      int64    // Unix ns
	Phases    [3]Phase // L1 to L3
	P         float64  // watts, sum of the phases
	Q         float64  // var, sum of the phases
	S         float64  // VA: √(P²+Q²) of these sums
	PF        float64  // power factor P/S, with the sign of P
	Frequency float64  // Hz
}

// Energy is the energy of a span of time. Import and export are the integrals of the positive and of the negative part of the total,
// the latter without its sign.
type Energy struct {
	ImportWh           float64 // active, Wh
	ExportWh           float64 // active, Wh
	ReactiveImportVarh float64 // reactive, varh
	ReactiveExportVarh float64 // reactive, varh
}

// Registers are the readings of a meter's counters at one instant. The resolution of all meters is 1 Wh and 1 varh: a counter shows
// its initial reading plus the floor of the energy since the epoch, modulo 2 to the power of [Meter.RegisterBits].
type Registers struct {
	ImportWh           uint64 // active, Wh
	ExportWh           uint64 // active, Wh
	ReactiveImportVarh uint64 // reactive, varh
	ReactiveExportVarh uint64 // reactive, varh
}

// Bound limits a power over all time. The values are never exceeded, and not always reached.
type Bound struct {
	Max       float64 // of the magnitude, W or var
	Slope     float64 // of the magnitude of the first derivative, W/s or var/s
	Curvature float64 // of the magnitude of the second derivative, W/s² or var/s²
}

// Bounds limits the total powers of a meter.
type Bounds struct {
	P Bound // active
	Q Bound // reactive
}

// totals are the cumulated energies of the three phases together.
type totals struct{ imported, exported, reactiveImported, reactiveExported amount }

func (a totals) minus(b totals) totals {
	return totals{
		a.imported.minus(b.imported), a.exported.minus(b.exported),
		a.reactiveImported.minus(b.reactiveImported), a.reactiveExported.minus(b.reactiveExported),
	}
}

// add gives the plant another meter.
func (p *Plant) add(name string, bits int, initial Registers, l load) {
	m := &Meter{name: name, bits: bits, initial: initial, load: l}
	m.origin = m.totals(p.epoch)
	p.meters = append(p.meters, m)
}

// Name returns the name under which [Plant.Meter] finds the meter.
func (m *Meter) Name() string { return m.name }

// RegisterBits returns the width of the meter's counters, 32 or 64 bits.
func (m *Meter) RegisterBits() int { return m.bits }

// At returns what the meter measures at time t, in Unix nanoseconds.
func (m *Meter) At(t int64) Reading {
	r := Reading{Time: t, Frequency: frequency(t)}
	for i := range r.Phases {
		ph := Phase{V: voltage(i, t), P: m.load.p[i].at(t), Q: m.load.q[i].at(t)}
		ph.S = apparent(ph.P, ph.Q)
		ph.I = ph.S / ph.V
		r.Phases[i] = ph
		r.P += ph.P
		r.Q += ph.Q
	}
	r.S = apparent(r.P, r.Q)
	r.PF = r.P / r.S
	return r
}

// totals returns the cumulated energies at time t, from origins of their own. Adding up the parts of the phases is right for the
// sum of the phases because the three always have the same sign.
func (m *Meter) totals(t int64) (s totals) {
	for i := range m.load.p {
		imported, exported := m.load.p[i].parts(t)
		s.imported, s.exported = s.imported.plus(imported), s.exported.plus(exported)
		imported, exported = m.load.q[i].parts(t)
		s.reactiveImported, s.reactiveExported = s.reactiveImported.plus(imported), s.reactiveExported.plus(exported)
	}
	return s
}

// Energy returns the energy from t0 to t1, in Unix nanoseconds. If t1 is before t0 it is that of the span from t1 to t0, negated.
func (m *Meter) Energy(t0, t1 int64) Energy {
	d := m.totals(t1).minus(m.totals(t0))
	return Energy{d.imported.float(), d.exported.float(), d.reactiveImported.float(), d.reactiveExported.float()}
}

// Registers returns what the counters read at time t, in Unix nanoseconds. As t grows no counter falls, except by starting over
// from 0 at the end of its width.
func (m *Meter) Registers(t int64) Registers {
	d := m.totals(t).minus(m.origin)
	count := func(initial uint64, a amount) uint64 {
		return (initial + uint64(a.hours)) << (64 - m.bits) >> (64 - m.bits)
	}
	return Registers{
		count(m.initial.ImportWh, d.imported), count(m.initial.ExportWh, d.exported),
		count(m.initial.ReactiveImportVarh, d.reactiveImported), count(m.initial.ReactiveExportVarh, d.reactiveExported),
	}
}

// net returns the energies from t0 to t1, import minus export.
func (m *Meter) net(t0, t1 int64) (active, reactive amount) {
	d := m.totals(t1).minus(m.totals(t0))
	return d.imported.minus(d.exported), d.reactiveImported.minus(d.reactiveExported)
}

// MeanPower returns the mean of the total P from t0 to t1, in W; export counts negative. The span must fit an int64, and if it
// is empty the mean is the power at t0.
func (m *Meter) MeanPower(t0, t1 int64) float64 {
	if t0 == t1 {
		return m.At(t0).P
	}
	active, _ := m.net(t0, t1)
	return active.float() * hour / float64(t1-t0)
}

// PeakDemand returns the highest mean power, in W, among the blocks of that length that lie entirely inside [t0, t1), and the start of
// that block. The span must fit an int64. Blocks start at multiples of their length since 1970-01-01 00:00 UTC. Of equal blocks the first is returned; energies
// are compared exactly. There is none, and ok is false, if no whole block fits or block is not positive. The time taken
// is proportional to the number of blocks.
func (m *Meter) PeakDemand(t0, t1, block int64) (watts float64, start int64, ok bool) {
	if block <= 0 || t1 <= t0 {
		return 0, 0, false
	}
	first := t0 - t0%block
	if first < t0 {
		first += block
	}
	var peak amount
	for at := first; at >= t0 && t1-at >= block; at += block { // the first test ends an overflow
		active, _ := m.net(at, at+block)
		if !ok || peak.less(active) {
			peak, start, ok = active, at, true
		}
	}
	if !ok {
		return 0, 0, false
	}
	return peak.float() * hour / float64(block), start, true
}

// PowerFactor returns the power factor from t0 to t1 as it follows from the energies: Wh/√(Wh²+varh²), with import minus export on both
// sides and the sign of the active energy. It is false if both energies are 0.
func (m *Meter) PowerFactor(t0, t1 int64) (float64, bool) {
	active, reactive := m.net(t0, t1)
	s := apparent(active.float(), reactive.float())
	if s == 0 {
		return 0, false
	}
	return active.float() / s, true
}

// Bounds returns limits of the total powers, so that a test can state the error that sampling allows: a trapezoid over a step of h
// seconds is off by at most Curvature·h³/12 joules, a rectangle by at most Slope·h²/2.
func (m *Meter) Bounds() Bounds {
	var b Bounds
	for i := range m.load.p {
		b.P = b.P.plus(m.load.p[i].bound())
		b.Q = b.Q.plus(m.load.q[i].bound())
	}
	return b
}

func (b Bound) plus(c Bound) Bound {
	return Bound{b.Max + c.Max, b.Slope + c.Slope, b.Curvature + c.Curvature}
}
