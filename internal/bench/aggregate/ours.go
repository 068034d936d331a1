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
	bank *aggregate.Bank
	out  []aggregate.Period
}

func newBank(meters int) (*bank, error) {
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Watt, Rule: aggregate.Trapezoid})
	if err != nil {
		return nil, err
	}
	b := &bank{out: make([]aggregate.Period, 0, meters)}
	b.bank, err = aggregate.NewBank(plan, nil, make([]acquire.PointID, meters))
	return b, err
}

// bills reads the rows once, a moment of all meters a call.
func (b *bank) bills(all *rows, bills []bill) (err error) {
	n := len(bills)
	for i := 0; i < len(all.at); i += n {
		b.out, err = b.bank.PushColumns(b.out[:0], all.meter[i:i+n], all.at[i:i+n], all.watts[i:i+n], nil)
		if err != nil {
			return err
		}
	}
	for i := range bills {
		t, _ := b.bank.Totals(uint32(i))
		bills[i] = bill{t.Power.Net().KilowattHours(), t.ImportPeak.Power.Kilowatts()}
	}
	return nil
}
