package plant

import (
	"math"
	"slices"
)

// The names of the meters.
const (
	Main    = "main"    // the incomer
	Line    = "line"    // the production line
	Battery = "battery" // the storage
)

// Plant is a set of meters on one bus, and a server room. It never changes and is safe for concurrent use. Obtain one from [New].
type Plant struct {
	epoch  int64
	meters []*Meter
	pdu    *PDU
	ups    *UPS
}

// New returns the plant whose registers stood at their initial readings at epoch, in Unix nanoseconds. Loads do not depend on
// the epoch. Before it the registers were lower.
func New(epoch int64) *Plant {
	p := &Plant{epoch: epoch}
	line, battery, base := lineLoad(), batteryLoad(), baseLoad()
	p.add(Main, 32, Registers{ImportWh: 1_482_071_336, ExportWh: 204_187, ReactiveImportVarh: 611_930_018, ReactiveExportVarh: 5_022},
		line.with(battery).with(base))
	p.add(Line, 64, Registers{ImportWh: 7_905_318_224, ExportWh: 17, ReactiveImportVarh: 5_871_640_902, ReactiveExportVarh: 3}, line)
	p.add(Battery, 32, Registers{ImportWh: 48_230_115, ExportWh: 43_118_906, ReactiveImportVarh: 9_120_447, ReactiveExportVarh: 9_006_310}, battery)
	p.pdu = newPDU(epoch)
	p.ups = &UPS{load: p.pdu}
	return p
}

// PDU returns the power distribution unit of the server room.
func (p *Plant) PDU() *PDU { return p.pdu }

// UPS returns the uninterruptible power supply of the server room.
func (p *Plant) UPS() *UPS { return p.ups }

// Press returns the press line.
func (p *Plant) Press() *Press { return &Press{p.epoch} }

// Chiller returns the chiller.
func (p *Plant) Chiller() *Chiller { return &Chiller{p.epoch} }

// Epoch returns the time at which the registers stood at their initial readings, in Unix nanoseconds.
func (p *Plant) Epoch() int64 { return p.epoch }

// Meter returns the meter of that name, if there is one.
func (p *Plant) Meter(name string) (*Meter, bool) {
	i := slices.IndexFunc(p.meters, func(m *Meter) bool { return m.name == name })
	if i < 0 {
		return nil, false
	}
	return p.meters[i], true
}

// Meters returns all meters, the incomer first. The slice belongs to the caller.
func (p *Plant) Meters() []*Meter { return slices.Clone(p.meters) }

// load is what flows through one meter, by phase.
type load struct{ p, q [3]flow }

// with returns both loads together.
func (l load) with(other load) load {
	for i := range l.p {
		l.p[i], l.q[i] = sum(l.p[i], other.p[i]), sum(l.q[i], other.q[i])
	}
	return l
}

// lineLoad varies strongly, differs between the phases, and lags.
func lineLoad() load {
	var l load
	for i, mean := range [3]int64{27_000, 26_000, 28_000} {
		n := int64(i)
		l.p[i] = flow{mean, []sine{
			{9_000, 13 * second, n * second / 2},
			{5_000, 5 * second, 3*second + n*second/4},
			{2_000, 47 * second, 21*second + n*second},
		}}
		l.q[i] = flow{mean*3/4 - 250, []sine{
			{6_000, 13 * second, n * second / 2},
			{2_500, 7 * second, 2*second + n*second/2},
		}}
	}
	return l
}

// batteryLoad is balanced, so that its phases import and export together. The shift of Q keeps P and Q from passing 0 at the same time,
// where there would be no power factor.
func batteryLoad() load {
	var l load
	for i := range l.p {
		l.p[i] = flow{0, []sine{{16_000, 20 * second, 0}}}
		l.q[i] = flow{0, []sine{{3_000, 30 * second, 5 * second / 2}}}
	}
	return l
}

// baseLoad is large enough for the incomer to import while the battery exports.
func baseLoad() load {
	var l load
	for i := range l.p {
		n := int64(i)
		l.p[i] = flow{12_000, []sine{{1_500, 11 * second, n * second}}}
		l.q[i] = flow{4_000, []sine{{400, 17 * second, n * second}}}
	}
	return l
}

// voltage of a phase (0 to 2) against neutral, in V.
func voltage(phase int, t int64) float64 {
	n := int64(phase)
	return 230 +
		sine{1.5, 23 * second, n * 7 * second}.at(t) +
		sine{0.4, 6 * second, n * 2 * second}.at(t)
}

// frequency of the grid, in Hz.
func frequency(t int64) float64 { return 50 + sine{0.03, 29 * second, 0}.at(t) }

// apparent returns √(p²+q²).
func apparent(p, q float64) float64 { return math.Hypot(p, q) }
