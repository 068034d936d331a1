package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/internal/plant"
)

// device is one meter as acquired, with what is needed to judge it: its clock,
// read in the same request as its values, tells to the nanosecond which moment
// of the plant it shows.
type device struct {
	name       string
	source     acquire.Source
	truth      *plant.Meter
	resolution float64 // of the power, W
	points     map[acquire.PointID]string
	latest     map[string]acquire.Sample

	first, last   acquire.Instant // stamps of the power samples
	cubes         float64         // sum of the cubes of the times between them, s³
	longest       time.Duration   // longest time between them
	stamp         time.Duration   // largest distance of a stamp from the meter's clock
	opening, late uint64          // meter clock at the first and last reading of the registers
}

func newDevice(name string, source acquire.Source, c *acquire.Catalog, truth *plant.Meter, resolution float64) *device {
	d := &device{
		name: name, source: source, truth: truth, resolution: resolution,
		points: map[acquire.PointID]string{}, latest: map[string]acquire.Sample{},
	}
	for _, id := range source.Points() {
		p, _ := c.Point(id)
		d.points[id] = strings.TrimPrefix(p.Name, name+"/")
	}
	return d
}

// observe takes note of the samples of b that are this device's.
func (d *device) observe(b *acquire.Batch) {
	fresh := map[string]acquire.Sample{}
	for _, s := range b.Samples {
		if name, ok := d.points[s.Point]; ok {
			fresh[name], d.latest[name] = s, s
		}
	}
	if p, clock := fresh["P"], fresh["clock"]; p.Quality.IsGood() && clock.Quality.IsGood() {
		ns, _ := clock.Value.Uint64()
		d.stamp = max(d.stamp, p.Time.Sub(acquire.Instant(ns)).Abs())
		if d.first == 0 {
			d.first, d.last = p.Time, p.Time
		}
		step := p.Time.Sub(d.last)
		d.cubes += math.Pow(step.Seconds(), 3)
		d.longest, d.last = max(d.longest, step), p.Time
	}
	clock := fresh["clock"]
	if c, ok := fresh["energy clock"]; ok {
		clock = c
	}
	if r := fresh["import"]; r.Quality.IsGood() && clock.Quality.IsGood() {
		ns, _ := clock.Value.Uint64()
		d.opening, d.late = cmp.Or(d.opening, ns), ns
	}
}

// energyBound returns how far the integral of power samples may be from the
// truth, in the unit of the power times seconds. A trapezoid over h seconds is
// off by at most curvature·h³/12; a stamp that is off by e moves a value by at
// most slope·e; and the register of the power has a last digit.
func (d *device) energyBound(b plant.Bound) float64 {
	span := d.last.Sub(d.first).Seconds()
	return b.Curvature*d.cubes/12 + (b.Slope*d.stamp.Seconds()+d.resolution)*span
}

// peakBound returns how far a demand from registers of 1 Wh may be from the
// truth, in W. A register shows whole watt-hours, and between two readings it is
// taken to rise evenly.
func (d *device) peakBound(demand time.Duration) float64 {
	b := d.truth.Bounds().P
	h := d.longest.Seconds()
	return (2*3600 + b.Slope*h*h/4 + 2*b.Max*d.stamp.Seconds()) / demand.Seconds()
}

const wattSecondsPerWattHour = 3600

// summarise compares what was metered with the truth of the plant. It fails if
// any difference is larger than sampling explains.
func summarise(out io.Writer, s *site, o options) error {
	wrong := 0
	row := func(meter, what, got, want, difference, allowed string, ok bool) {
		verdict := "ok"
		if !ok {
			verdict = "WRONG"
			wrong++
		}
		fmt.Fprintf(out, "%-7s %-21s %13s %12s %9s %9s %s\n", meter, what, got, want, difference, allowed, verdict)
	}
	fmt.Fprintf(out, "%-7s %-21s %13s %12s %9s %9s\n", "meter", "", "metered", "truth", "off by", "allowed")
	for _, d := range s.devices {
		total, _ := s.router.Totals(d.name)
		if d.first == 0 || d.opening == 0 {
			fmt.Fprintf(out, "%-7s no samples: %v\n", d.name, d.stats().LastError)
			wrong++
			continue
		}
		energy := func(what string, got, want, bound float64, unit string) {
			row(d.name, what, fmt.Sprintf("%.6f k%s", got/1000, unit), fmt.Sprintf("%.6f k%s", want/1000, unit),
				fmt.Sprintf("%+.3f %s", got-want, unit), fmt.Sprintf("±%.3f %s", bound, unit), math.Abs(got-want) <= bound)
		}
		bounds, truth := d.truth.Bounds(), d.truth.Energy(int64(d.first), int64(d.last))
		active := d.energyBound(bounds.P) / wattSecondsPerWattHour
		reactive := d.energyBound(bounds.Q) / wattSecondsPerWattHour
		energy("import from power", total.Power.Import.WattHours(), truth.ImportWh, active, "Wh")
		if truth.ExportWh > 0 || !total.Power.Export.IsZero() {
			energy("export from power", total.Power.Export.WattHours(), truth.ExportWh, active, "Wh")
		}

		opening, closing := d.truth.Registers(int64(d.opening)), d.truth.Registers(int64(d.late))
		registers := func(what string, got aggregate.Energy, from, to uint64) {
			want := aggregate.WattHours(int64(to - from))
			row(d.name, what, got.String(), want.String(), got.Sub(want).String(), "exact", got == want)
		}
		registers("import from registers", total.Registers.Import, opening.ImportWh, closing.ImportWh)
		if closing.ExportWh != opening.ExportWh {
			registers("export from registers", total.Registers.Export, opening.ExportWh, closing.ExportWh)
		}

		if peak := total.ImportPeak; peak.Start != 0 {
			start := int64(peak.Start)
			want, _, _ := d.truth.PeakDemand(blockAfter(d.first, o.demand), int64(d.last), int64(o.demand))
			bound := d.peakBound(o.demand)
			row(d.name, "peak demand "+time.Unix(0, start).UTC().Format(time.TimeOnly), fmt.Sprintf("%.2f kW", float64(peak.Power)/1000),
				fmt.Sprintf("%.2f kW", want/1000), fmt.Sprintf("%+.3f kW", (float64(peak.Power)-want)/1000),
				fmt.Sprintf("±%.3f kW", bound/1000), math.Abs(float64(peak.Power)-want) <= bound)
		} else {
			fmt.Fprintf(out, "%-7s peak demand: no import in a complete interval of %v\n", d.name, o.demand)
		}

		got, gotOK := aggregate.NewPowerFactor(total.Power.Net().WattHours(), total.ReactivePower.Net().VarHours())
		want, wantOK := d.truth.PowerFactor(int64(d.first), int64(d.last))
		if gotOK && wantOK {
			apparent := math.Hypot(truth.ImportWh-truth.ExportWh, truth.ReactiveImportVarh-truth.ReactiveExportVarh)
			bound := (active + reactive) / apparent
			row(d.name, "power factor", got.String(), fmt.Sprintf("%.6f", want), fmt.Sprintf("%+.6f", got.IEC()-want),
				fmt.Sprintf("±%.6f", bound), math.Abs(got.IEC()-want) <= bound)
		}
	}
	pdu, _ := s.router.Totals("pdu")
	register, _ := s.router.Totals(pduRegister)
	s.room.judge(pdu.Power.Import, register.Registers.Import, row)
	s.hall.judge(s.router.Totals, row)
	fmt.Fprintln(out)
	for _, d := range s.devices {
		st := d.stats()
		fmt.Fprintf(out, "%-7s %d samples, %d bad, %d lost; %d requests, %d timeouts\n",
			d.name, st.Samples, st.BadSamples, st.Lost, st.Requests, st.Timeouts)
	}
	s.room.summary(out)
	s.hall.summary(out)
	fmt.Fprintf(out, "\nallowed: what polling every %v, a stamp in the middle of each request and the\n"+
		"last digit of each register explain. Registers leave nothing to explain: their\nkWh must be exact.\n", o.interval)
	if wrong > 0 {
		return fmt.Errorf("%d rows differ from the truth by more than sampling explains", wrong)
	}
	return nil
}

// blockAfter returns the first start of a demand interval at or after t.
func blockAfter(t acquire.Instant, demand time.Duration) int64 {
	block := acquire.Instant(demand)
	return int64((t + block - 1) / block * block)
}
