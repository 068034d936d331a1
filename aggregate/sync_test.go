package aggregate_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// told lists periods as "start+length energy flags", in minutes and Wh.
func told(periods []aggregate.Period) string {
	var b strings.Builder
	for i := range periods {
		p := &periods[i]
		a, _ := p.Account()
		fmt.Fprintf(&b, "%g+%g %g %v\n", p.Start.Sub(benchStart).Minutes(), p.Duration().Minutes(), a.Net().WattHours(), p.Flags)
	}
	return b.String()
}

// A meter on 60 W, one Wh a minute, sampled every half minute, and pulses at the
// minutes given.
func pulsed(t *testing.T, s aggregate.Sync, rule aggregate.Rule, minutes float64, pulses ...float64) (string, *aggregate.Meter) {
	t.Helper()
	m := meterOf(t, aggregate.Series{Unit: units.Watt, Rule: rule, Sync: s})
	var got []aggregate.Period
	for at := 0.0; at <= minutes; at += 0.5 {
		for len(pulses) > 0 && pulses[0] <= at {
			var err error
			got, err = m.Sync(got, benchStart.Add(time.Duration(pulses[0]*float64(time.Minute))))
			require.NoError(t, err)
			pulses = pulses[1:]
		}
		got = m.Push(got, benchStart.Add(time.Duration(at*float64(time.Minute))), 60, acquire.Good)
	}
	return told(m.Flush(got)), m
}

func TestFreeRunning(t *testing.T) {
	m := meterOf(t, aggregate.Series{Unit: units.Watt, Sync: aggregate.Sync{By: aggregate.FreeRunning}})
	var got []aggregate.Period
	for at := 7; at <= 40; at++ {
		got = m.Push(got, benchStart.Add(time.Duration(at)*time.Minute), 60, acquire.Good)
	}
	require.Equal(t, "7+15 15 none\n22+15 15 none\n37+15 3 partial, gap\n", told(m.Flush(got)))
}

func TestPulsesStartPeriods(t *testing.T) {
	wait := aggregate.Sync{By: aggregate.ByPulse, Tolerance: 30 * time.Second}
	force := aggregate.Sync{By: aggregate.ByPulse, Tolerance: 30 * time.Second, Force: 2 * time.Minute}
	for _, c := range []struct {
		name   string
		sync   aggregate.Sync
		pulses []float64
		want   string
	}{
		{"on time", wait, []float64{3, 18, 33}, "0+3 3 partial\n3+15 15 none\n18+15 15 none\n33+7 7 partial\n"},
		{"a lasting shift is adopted", wait, []float64{3, 18.25, 33.25}, "0+3 3 partial\n3+15.25 15.25 none\n18.25+15 15 none\n33.25+6.75 6.75 partial\n"},
		{"one too early", wait, []float64{3, 10, 25}, "0+3 3 partial\n3+7 7 off pulse\n10+15 15 none\n25+15 15 partial\n"},
		{"one too late", wait, []float64{3, 20, 35}, "0+3 3 partial\n3+17 17 off pulse\n20+15 15 none\n35+5 5 partial\n"},
		{"none is waited for", wait, []float64{3}, "0+3 3 partial\n3+37 37 partial\n"},
		{"none is forced", force, []float64{3}, "0+3 3 partial\n3+17 17 no pulse\n20+17 17 no pulse\n37+3 3 partial\n"},
		{"late, and before it is forced", force, []float64{3, 19}, "0+3 3 partial\n3+16 16 off pulse\n19+17 17 no pulse\n36+4 4 partial\n"},
	} {
		for _, rule := range []aggregate.Rule{aggregate.HoldLeft, aggregate.Trapezoid, aggregate.MeanOverPast} {
			got, m := pulsed(t, c.sync, rule, 40, c.pulses...)
			require.Equal(t, c.want, got, "%s, %v", c.name, rule)
			require.Equal(t, aggregate.WattHours(40), m.Totals().Power.Import)
		}
	}
}

// The first pulse may come before all samples: then nothing is partial.
func TestPulseOpens(t *testing.T) {
	got, _ := pulsed(t, aggregate.Sync{By: aggregate.ByPulse}, aggregate.HoldLeft, 20, 0, 15)
	require.Equal(t, "0+15 15 none\n15+5 5 partial\n", got)
}

// A register is shared out at the pulse, in proportion to time.
func TestPulseAndRegister(t *testing.T) {
	m := meterOf(t, aggregate.Series{Unit: units.WattHour, MaxGap: 5 * time.Minute, Sync: aggregate.Sync{By: aggregate.ByPulse}})
	got := m.PushCount(nil, benchStart, 100, acquire.Good)
	for i := range 5 {
		var err error
		got, err = m.Sync(got, benchStart.Add(time.Duration(i*15+1)*time.Minute))
		require.NoError(t, err)
		for at := i*15 + 3; at < i*15+16; at += 3 {
			got = m.PushCount(got, benchStart.Add(time.Duration(at)*time.Minute), uint64(100+at), acquire.Good)
		}
	}
	require.Equal(t, "0+1 1 partial\n1+15 15 none\n16+15 15 none\n31+15 15 none\n46+15 15 none\n", told(got))
}

func TestPulsesThatCannotBe(t *testing.T) {
	m := meterOf(t, aggregate.Series{Unit: units.Watt, Rule: aggregate.Trapezoid, Sync: aggregate.Sync{By: aggregate.ByPulse}})
	_, err := m.Sync(nil, 0)
	require.Error(t, err)
	m.Push(nil, benchStart, 1, acquire.Good)
	m.Push(nil, benchStart.Add(time.Minute), 1, acquire.Good)
	_, err = m.Sync(nil, benchStart.Add(time.Second))
	require.ErrorIs(t, err, aggregate.ErrOrder)
	_, err = m.Sync(nil, benchStart.Add(80*time.Second))
	require.NoError(t, err)
	_, err = m.Sync(nil, benchStart.Add(90*time.Second))
	require.ErrorIs(t, err, aggregate.ErrOrder, "the line to the next sample is still to be drawn")
	got := m.Push(nil, benchStart.Add(100*time.Second), 1, acquire.Good)
	require.Len(t, got, 1)
	_, err = meterOf(t, aggregate.Series{Unit: units.Watt}).Sync(nil, benchStart)
	require.EqualError(t, err, "aggregate: pulse for a series that runs by clock")
	_, err = aggregate.NewPlan(aggregate.Series{Unit: units.Watt, MaxGap: 20 * time.Minute, Sync: aggregate.Sync{By: aggregate.ByPulse, Tolerance: -1, Force: -1}})
	require.EqualError(t, err, ""+
		"aggregate: series: sync: tolerance -1ns is not within 0 and half of 15m0s\n"+
		"sync: force -1ns is not within the tolerance and 24 h\n"+
		"sync: longest gap 20m0s is not shorter than a period between pulses")
}

// However periods are cut, they follow one another and come to the total, which is
// that of the same samples on the clock's grid; a meter killed and restored at
// every event yields the same.
func checkSync(t *testing.T, data []byte) {
	t.Helper()
	d := &dice{data: data}
	series := aggregate.Series{
		Unit:      pick(d, units.Watt, units.WattHour),
		Rule:      pick(d, aggregate.HoldLeft, aggregate.Trapezoid, aggregate.MeanOverPast),
		MaxGap:    pick(d, 0, time.Second, 5*time.Minute),
		Registers: aggregate.Registers{Modulus: pick(d, uint64(0), 1000), MaxPower: pick(d, 0, 1e6)},
		Sync: aggregate.Sync{
			By: pick(d, aggregate.ByPulse, aggregate.FreeRunning, aggregate.ByPulse), Tolerance: pick(d, 0, 30*time.Second),
			Force: pick(d, 0, time.Minute),
		},
	}
	if series.Sync.By != aggregate.ByPulse {
		series.Sync = aggregate.Sync{By: series.Sync.By}
	}
	m, killed := meterOf(t, series), meterOf(t, series)
	clock := series
	clock.Sync = aggregate.Sync{}
	plain := meterOf(t, clock)
	now, count := benchStart, uint64(0)
	var got, again []aggregate.Period
	for len(d.data) > 0 {
		state, err := killed.MarshalBinary()
		require.NoError(t, err)
		killed = meterOf(t, series)
		require.NoError(t, killed.UnmarshalBinary(state))
		now += acquire.Instant(d.below(100)) * acquire.Instant(pick(d, time.Second, time.Second, 100*time.Millisecond, time.Minute))
		if what := d.below(12); what == 0 && series.Sync.By == aggregate.ByPulse {
			var first, second error
			got, first = m.Sync(got, now)
			again, second = killed.Sync(again, now)
			require.Equal(t, first, second)
			continue
		} else if what == 1 {
			got, again = m.Tick(got, now), killed.Tick(again, now)
			plain.Tick(nil, now)
			continue
		}
		if series.Unit == units.WattHour {
			count += uint64(d.below(5))
			got, again = m.PushCount(got, now, count%1000, acquire.Good), killed.PushCount(again, now, count%1000, acquire.Good)
			plain.PushCount(nil, now, count%1000, acquire.Good)
			continue
		}
		v, q := float64(d.below(9))-3.3, pick(d, acquire.Good, acquire.Good, acquire.Good, acquire.Uncertain, acquire.Bad)
		got, again = m.Push(got, now, v, q), killed.Push(again, now, v, q)
		plain.Push(nil, now, v, q)
	}
	if series.Rule != aggregate.HoldLeft && series.Unit == units.Watt || series.MaxGap == 0 && series.Unit == units.WattHour && series.Registers.MaxPower == 0 {
		a, b := m.Totals(), plain.Totals()
		a.Power.Coverage.Missing, b.Power.Coverage.Missing = 0, 0
		a.Registers.Coverage.Missing, b.Registers.Coverage.Missing = 0, 0
		require.Equal(t, b.Power, a.Power)
	}
	got, again = m.Flush(got), killed.Flush(again)
	samePeriods(t, got, again)
	var in, out aggregate.Energy
	for i := range got {
		p := &got[i]
		if i > 0 {
			require.Equal(t, got[i-1].End, p.Start)
		}
		require.Less(t, p.Start, p.End)
		require.Equal(t, p.Duration(), p.Coverage.Span())
		require.GreaterOrEqual(t, p.Coverage.Missing, time.Duration(0))
		a, _ := p.Account()
		in, out = in.Add(a.Import), out.Add(a.Export)
	}
	totals := m.Totals()
	if series.Unit == units.Watt {
		require.Equal(t, totals.Power.Import, in)
		require.Equal(t, totals.Power.Export, out)
	} else {
		require.Equal(t, totals.Registers.Import, in)
	}
}

func TestSyncHowever(t *testing.T) {
	random := rand.New(rand.NewPCG(71, 72))
	for range 500 {
		checkSync(t, randomBytes(random, 600))
	}
}

func FuzzSync(f *testing.F) {
	random := rand.New(rand.NewPCG(73, 74))
	for range 8 {
		f.Add(randomBytes(random, 400))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkSync(t, data[:min(len(data), 800)]) })
}
