package aggregate_test

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// rows reads a file of testdata without its heading.
func rows(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Greater(t, len(all), 1)
	return all[1:]
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	x, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return x
}

// bench is a Router with the one meter "m", and a clock for its samples.
type bench struct {
	t      *testing.T
	router *aggregate.Router
	start  acquire.Instant
	all    []acquire.PointID
}

// newBench makes a meter of all points that m names: power in kW, registers in
// kWh, and reactive likewise.
func newBench(t *testing.T, m aggregate.Metering) *bench {
	t.Helper()
	catalog := acquire.NewCatalog()
	b := &bench{t: t, start: acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))}
	for c, p := range channelPoints {
		unit := units.KilowattHour
		switch {
		case c == power:
			unit = units.Kilowatt
		case c == reactive:
			unit = units.Kilovar
		case c >= reactiveImported:
			unit = units.KilovarHour
		}
		id, err := catalog.Define(acquire.Point{Name: p.name, Unit: unit, Kind: acquire.KindFloat64, Role: p.role})
		require.NoError(t, err)
		b.all = append(b.all, id)
	}
	m.Name = "m"
	r, err := aggregate.NewRouter(catalog, m)
	require.NoError(t, err)
	b.router = r
	return b
}

// push feeds one good sample, at seconds after 08:00.
func (b *bench) push(channel int, seconds, value float64) []aggregate.Interval {
	return b.sample(channel, seconds, acquire.Float64(value), acquire.Good)
}

func (b *bench) sample(channel int, seconds float64, v acquire.Value, q acquire.Quality) []aggregate.Interval {
	batch := acquire.Batch{Samples: []acquire.Sample{{Time: b.at(seconds), Point: b.all[channel], Value: v, Quality: q}}}
	return append([]aggregate.Interval(nil), b.router.Observe(&batch)...)
}

// pass feeds a watermark for all points.
func (b *bench) pass(seconds float64) []aggregate.Interval {
	batch := acquire.Batch{Watermark: b.at(seconds), Points: b.all}
	return append([]aggregate.Interval(nil), b.router.Observe(&batch)...)
}

func (b *bench) at(seconds float64) acquire.Instant {
	return b.start.Add(time.Duration(math.Round(seconds * 1e9)))
}

func (b *bench) totals() aggregate.Totals {
	t, ok := b.router.Totals("m")
	require.True(b.t, ok)
	return t
}

var ruleNames = map[string]aggregate.Rule{"left": aggregate.HoldLeft, "trapezoid": aggregate.Trapezoid, "trapezoidal": aggregate.Trapezoid}

func TestRiemannFacts(t *testing.T) {
	for _, want := range rows(t, "riemann_expected.csv") {
		b := newBench(t, aggregate.Metering{Power: "m/P", Rule: ruleNames[want[1]], MaxGap: 2 * time.Hour})
		for _, s := range rows(t, "riemann_series.csv") {
			switch seconds := number(t, s[1]); {
			case s[0] != want[0] || seconds > number(t, want[2]):
			case s[2] == "":
				b.sample(power, seconds, acquire.Value{}, acquire.Bad)
			default:
				b.push(power, seconds, number(t, s[2]))
			}
		}
		net := b.totals().Power.Net().KilowattHours()
		require.Equal(t, want[4], fmt.Sprintf("%.2f", net), "%v", want)
	}
}

func TestIntegralFacts(t *testing.T) {
	for _, want := range rows(t, "integral_expected.csv") {
		b := newBench(t, aggregate.Metering{Power: "m/P", Rule: ruleNames[want[1]]})
		for _, s := range rows(t, "integral_series.csv") {
			if s[0] == want[0] {
				b.push(power, number(t, s[1]), number(t, s[2])/1000)
			}
		}
		require.Equal(t, number(t, want[2]), b.totals().Power.Net().Joules(), "%v", want)
	}
}

func TestRolloverFacts(t *testing.T) {
	for _, row := range rows(t, "rollover.csv") {
		modulus, err := strconv.ParseUint(row[0], 10, 64)
		require.NoError(t, err)
		b := newBench(t, aggregate.Metering{Import: "m/EI", Registers: aggregate.Registers{Modulus: modulus}})
		b.push(imported, 0, number(t, row[1]))
		b.push(imported, 60, number(t, row[2]))
		b.push(imported, 120, number(t, row[2])) // bears a rollover out
		got := b.totals()
		require.Equal(t, number(t, row[3]), got.Registers.Import.KilowattHours(), "%v", row)
		require.Equal(t, number(t, row[2]) < number(t, row[1]), got.Counts.Rollovers == 1)
	}
}
