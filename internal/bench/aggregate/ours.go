package main

import (
	"strconv"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// router is the plant behind an aggregate.Router: batches of samples, as they
// come from a Stream, one batch a moment.
type router struct {
	router *aggregate.Router
	names  []string
	points []acquire.PointID
	batch  acquire.Batch
	out    []aggregate.Interval
}

func newRouter(meters int) (*router, error) {
	catalog := acquire.NewCatalog()
	r := &router{names: make([]string, meters), points: make([]acquire.PointID, meters)}
	metering := make([]aggregate.Metering, meters)
	for i := range meters {
		r.names[i] = strconv.Itoa(i)
		id, err := catalog.Define(acquire.Point{Name: r.names[i], Unit: units.Watt, Kind: acquire.KindFloat64})
		if err != nil {
			return nil, err
		}
		r.points[i] = id
		metering[i] = aggregate.Metering{Name: r.names[i], Power: r.names[i], Rule: aggregate.Trapezoid}
	}
	var err error
	if r.router, err = aggregate.NewRouter(catalog, metering...); err != nil {
		return nil, err
	}
	for _, id := range r.points {
		r.batch.Append(acquire.Sample{Point: id, Quality: acquire.Good})
	}
	r.out = make([]aggregate.Interval, 0, meters)
	return r, nil
}

func (r *router) observe(all *rows) {
	samples := r.batch.Samples
	for i := 0; i < len(all.at); i += len(samples) {
		for j := range samples {
			samples[j].Time, samples[j].Value = all.at[i+j], acquire.Float64(all.watts[i+j])
		}
		r.out = r.router.AppendIntervals(r.out[:0], &r.batch)
	}
}

func (r *router) bills(bills []bill) {
	for i, name := range r.names {
		t, _ := r.router.Totals(name)
		bills[i] = bill{t.Power.Net().KilowattHours(), t.ImportPeak.Power.Kilowatts()}
	}
}

// bank is the plant in an aggregate.Bank: one series a meter, and no names.
type bank struct {
	bank    *aggregate.Bank
	samples []acquire.Sample
	out     []aggregate.Period
}

func newBank(meters int) (*bank, error) {
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Watt, Rule: aggregate.Trapezoid})
	if err != nil {
		return nil, err
	}
	points := make([]acquire.PointID, meters)
	b := &bank{samples: make([]acquire.Sample, meters), out: make([]aggregate.Period, 0, meters)}
	for i := range points {
		points[i] = acquire.PointID(i + 1)
		b.samples[i] = acquire.Sample{Point: points[i], Quality: acquire.Good}
	}
	b.bank, err = aggregate.NewBank(plan, nil, points)
	return b, err
}

// bills reads the rows once. The peak is found among the periods that close, the
// energy is summed up by the bank.
func (b *bank) bills(all *rows, bills []bill) error {
	for i := 0; i < len(all.at); i += len(b.samples) {
		for j := range b.samples {
			b.samples[j].Time, b.samples[j].Value = all.at[i+j], acquire.Float64(all.watts[i+j])
		}
		b.out = b.bank.Push(b.out[:0], b.samples)
	}
	for i := range bills {
		t, _ := b.bank.Totals(uint32(i))
		bills[i] = bill{t.Power.Net().KilowattHours(), t.ImportPeak.Power.Kilowatts()}
	}
	return nil
}
