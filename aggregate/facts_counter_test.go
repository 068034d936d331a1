package aggregate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// track is one point of a Router, and what its meter did in each interval.
type track struct {
	router    *aggregate.Router
	id        acquire.PointID
	origin    acquire.Instant // of the seconds of the facts
	intervals []aggregate.Interval
}

func newTrack(t *testing.T, point acquire.Point, m aggregate.Metering) *track {
	t.Helper()
	catalog := acquire.NewCatalog()
	id, err := catalog.Define(point)
	require.NoError(t, err)
	m.Name = "m"
	r, err := aggregate.NewRouter(catalog, m)
	require.NoError(t, err)
	return &track{router: r, id: id, origin: acquire.At(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))}
}

func (k *track) at(seconds float64) acquire.Instant {
	return k.origin.Add(time.Duration(seconds * 1e9))
}

func (k *track) push(seconds, value float64, q acquire.Quality) {
	k.intervals = append(k.intervals, k.router.Observe(&acquire.Batch{Samples: []acquire.Sample{
		{Time: k.at(seconds), Point: k.id, Value: acquire.Float64(value), Quality: q}}})...)
}

// within returns the sums of the intervals in [from, to), of register or power.
func (k *track) within(from, to float64) (in aggregate.Energy) {
	for i := range k.intervals {
		if iv := &k.intervals[i]; iv.Start >= k.at(from) && iv.End <= k.at(to) {
			in = in.Add(iv.Registers.Import).Add(iv.Power.Import)
		}
	}
	return in
}

// readAll pushes a series of readings. Other systems take each drop for a new start
// from zero; here the device has to say so. A watermark at until, if any, ends it.
func (k *track) readAll(t *testing.T, file, series string, until float64) {
	t.Helper()
	before := -1.0
	for _, row := range rows(t, file) {
		if row[0] != series {
			continue
		}
		x, q := number(t, row[2]), acquire.Good
		if x < before {
			q = q.With(acquire.Discontinuity)
		}
		before = x
		k.push(number(t, row[1]), x, q)
	}
	if until != 0 {
		k.intervals, _ = k.router.Tick(k.intervals, k.at(until))
	}
	k.intervals = k.router.Flush(k.intervals)
}

// The smoothed increase of PromQL is what an interval meter does with readings that
// do not fall on its edges.
func TestIncreaseFacts(t *testing.T) {
	for _, want := range rows(t, "increase_expected.csv") {
		k := newTrack(t, acquire.Point{Name: "E", Unit: units.KilowattHour, Kind: acquire.KindFloat64, Role: acquire.Counter},
			aggregate.Metering{Import: "E", MaxGap: 10 * time.Minute, Demand: aggregate.Block(5 * time.Second), Registers: aggregate.Registers{OnReset: aggregate.CreditNew}})
		k.readAll(t, "increase_series.csv", want[1], 0)
		require.InDelta(t, number(t, want[4]), k.within(number(t, want[2]), number(t, want[3])).KilowattHours(), 1e-8, "%v", want)
	}
}

func TestTimescaleFacts(t *testing.T) {
	for _, want := range rows(t, "timescale_expected.csv") {
		m := aggregate.Metering{Power: "x", MaxGap: 24 * time.Hour, Demand: aggregate.Block(24 * time.Hour)}
		point := acquire.Point{Name: "x", Unit: units.Watt, Kind: acquire.KindFloat64}
		switch want[1] {
		case "delta":
			m.Power, m.Import, m.Registers.OnReset = "", "x", aggregate.CreditNew
			point.Unit, point.Role = units.Joule, acquire.Counter
		case "linear":
			m.Rule = aggregate.Trapezoid
		}
		k := newTrack(t, point, m)
		until := 0.0
		if want[1] == "locf" && want[2] != "" {
			until = 259200 // held to the end of the last day
		}
		k.readAll(t, "timescale_series.csv", want[0], until)
		if want[2] == "" {
			totals, _ := k.router.Totals("m")
			require.Equal(t, number(t, want[4]), totals.Registers.Import.Add(totals.Power.Import).Joules(), "%v", want)
			continue
		}
		require.Equal(t, number(t, want[4]), k.within(number(t, want[2]), number(t, want[3])).Joules(), "%v", want)
	}
}

// Where VictoriaMetrics swallows a drop of less than an eighth, or forgets what it
// knew after a gap, a reading that drops is refused here, as a lone bad one is, until
// the next bears it out. Then the register has started anew, and what it was between
// is not made up.
func TestVictoriaMetricsDiffers(t *testing.T) {
	var k *track
	name, first := "", 0.0
	for _, row := range rows(t, "victoriametrics.csv") {
		if row[0] != name {
			k = newTrack(t, acquire.Point{Name: "E", Unit: units.WattHour, Kind: acquire.KindFloat64, Role: acquire.Counter}, aggregate.Metering{Import: "E"})
			name, first = row[0], number(t, row[2])
		}
		k.push(number(t, row[1])/1000, number(t, row[2]), acquire.Good)
		totals, _ := k.router.Totals("m")
		require.Equal(t, number(t, row[4]), first+totals.Registers.Import.WattHours(), "%v", row)
	}
}

// A constant power for an hour, in windows of an hour: nothing accrues after the
// last sample, and HoldLeft books no more than watermarks vouch for.
func TestIntegrateEndsWithTheSeries(t *testing.T) {
	k := newTrack(t, acquire.Point{Name: "P", Unit: units.Watt, Kind: acquire.KindFloat64}, aggregate.Metering{Power: "P", Demand: aggregate.Block(time.Minute)})
	for s := 0.0; s <= 3600; s += 60 {
		k.push(s, 1, acquire.Good)
	}
	k.intervals = k.router.Flush(k.intervals)
	for end := 600.0; end <= 7200; end += 600 {
		want := min(end, 7200-end)
		require.Equal(t, want, k.within(end-3600, end).Joules(), "%v", end)
	}
}
