package demand_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/demand"
	"github.com/fieldtap/fieldtap/units"
)

var eight = acquire.At(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))

func register(t testing.TB, config demand.Config) *demand.Register {
	t.Helper()
	r, err := demand.NewRegister(config)
	require.NoError(t, err)
	return r
}

// feeder gives a Register blocks of one length, one after the other.
type feeder struct {
	*demand.Register
	at     acquire.Instant
	length time.Duration
}

// active observes a block of active energy of which so much is covered.
func (f *feeder) active(wh int64, known time.Duration) []demand.Window {
	b := demand.Block{Start: f.at, End: f.at.Add(f.length)}
	b.Active.Import = aggregate.WattHours(wh)
	b.Active.Coverage = aggregate.Coverage{Good: known, Missing: f.length - known}
	f.at = b.End
	return f.ObserveBlock(&b)
}

func (f *feeder) full(wh int64) []demand.Window { return f.active(wh, f.length) }

// text joins the windows' lines.
func text(windows []demand.Window) string {
	s := ""
	for _, w := range windows {
		s += w.String() + "\n"
	}
	return s
}

// A quarter of an hour with 25 kWh is 100 kW (Oracle Utilities user guides, page
// "Rolling Demand").
func TestQuarterHourOf25KilowattHoursIs100Kilowatts(t *testing.T) {
	f := &feeder{register(t, demand.Config{}), eight, 15 * time.Minute}
	windows := f.full(25000)
	require.Len(t, windows, 1)
	watts, ok := windows[0].Demand.Watts()
	assert.True(t, ok)
	assert.Equal(t, units.Watts(100e3), watts)
	assert.Equal(t, windows[0], f.Last())
	assert.Equal(t, windows[0], f.Peak())
	_, ok = windows[0].Demand.Vars()
	assert.False(t, ok)
	_, ok = windows[0].Demand.VoltAmperes()
	assert.False(t, ok)
	_, ok = windows[0].Demand.ReactiveEnergy()
	assert.False(t, ok)
}

func TestPoliciesForMissingTime(t *testing.T) {
	for _, test := range []struct {
		policy demand.Incomplete
		want   string
	}{
		{demand.Exclude, "08:00:00-08:15:00 demand unknown, covered 5m0s of 15m0s [gap]\n"},
		{demand.Nominal, "08:00:00-08:15:00 demand 4.0 kW, covered 5m0s of 15m0s [gap]\n"},
		{demand.Elapsed, "08:00:00-08:15:00 demand 12.0 kW, covered 5m0s of 15m0s [gap]\n"},
	} {
		t.Run(test.policy.String(), func(t *testing.T) {
			f := &feeder{register(t, demand.Config{Incomplete: test.policy}), eight, 15 * time.Minute}
			assert.Equal(t, test.want, text(f.active(1000, 5*time.Minute)))
			assert.Equal(t, test.policy != demand.Exclude, f.Peak().Demand.Known())
			assert.Equal(t, "08:15:00-08:30:00 demand unknown, covered 0s of 15m0s [gap]\n", text(f.active(1000, 0)), "energy of no known time")
		})
	}
}

// Energy of an earlier time makes no demand, whatever the policy and the coverage.
func TestCarriedEnergyMakesNoDemand(t *testing.T) {
	for _, policy := range []demand.Incomplete{demand.Exclude, demand.Nominal, demand.Elapsed} {
		r := register(t, demand.Config{Incomplete: policy})
		b := demand.Block{Start: eight, End: eight.Add(15 * time.Minute), ActiveCarried: true}
		b.Active.Import, b.Active.Coverage.Good = aggregate.WattHours(9000), 15*time.Minute
		assert.Equal(t, "08:00:00-08:15:00 demand unknown, covered 15m0s of 15m0s [carried]\n", text(r.ObserveBlock(&b)))
	}
}

// An account that the meter does not have gives no demand, not 0.
func TestAbsentAccountIsUnknown(t *testing.T) {
	for q := demand.ActiveImport; q <= demand.ApparentSubintervals; q++ {
		r := register(t, demand.Config{Quantity: q})
		b := demand.Block{Start: eight, End: eight.Add(15 * time.Minute)}
		switch {
		case q <= demand.ActiveNetExport:
			b.Reactive.Coverage.Good = 15 * time.Minute
		default:
			b.Active.Coverage.Good = 15 * time.Minute
		}
		assert.Equal(t, "08:00:00-08:15:00 demand unknown, covered 0s of 15m0s [gap]\n", text(r.ObserveBlock(&b)), q)
	}
}

func TestQuantities(t *testing.T) {
	b := demand.Block{Start: eight, End: eight.Add(time.Hour)}
	b.Active = aggregate.Account{Import: aggregate.WattHours(7), Export: aggregate.WattHours(4), Coverage: aggregate.Coverage{Good: time.Hour}}
	b.Reactive = aggregate.ReactiveAccount{Import: aggregate.VarHours(1), Export: aggregate.VarHours(5), Coverage: aggregate.Coverage{Good: time.Hour}}
	for q, want := range map[demand.Quantity]float64{
		demand.ActiveImport: 7, demand.ActiveExport: 4, demand.ActiveNet: 3, demand.ActiveNetExport: -3,
		demand.ReactiveImport: 1, demand.ReactiveExport: 5, demand.ReactiveNet: -4, demand.ReactiveNetExport: 4,
		demand.ApparentVector: 5, demand.ApparentSubintervals: 5,
	} {
		r := register(t, demand.Config{Quantity: q, Interval: time.Hour})
		windows := r.ObserveBlock(&b)
		require.Len(t, windows, 1)
		value, ok := windows[0].Demand.Value()
		assert.True(t, ok)
		assert.Equal(t, want, value, q)
		assert.Equal(t, want >= 0, r.Peak().Demand.Known(), "%v: the other direction is no peak", q)
		assert.Equal(t, q, windows[0].Demand.Quantity())
		switch q.Unit() {
		case units.Watt:
			p, ok := windows[0].Demand.Watts()
			assert.True(t, ok)
			assert.Equal(t, want, float64(p))
		case units.Var:
			p, ok := windows[0].Demand.Vars()
			assert.True(t, ok)
			assert.Equal(t, want, float64(p))
		case units.VoltAmpere:
			p, ok := windows[0].Demand.VoltAmperes()
			assert.True(t, ok)
			assert.Equal(t, want, float64(p))
		default:
			assert.Fail(t, "no unit", "%v", q)
		}
	}
}

// What flows forth and back cancels in the vector of the window's energies, and
// not in the sum of the sub-intervals'.
func TestApparentMethodsDiffer(t *testing.T) {
	for q, want := range map[demand.Quantity]string{
		demand.ApparentVector:       "3.0 kVA",
		demand.ApparentSubintervals: "5.0 kVA",
	} {
		r := register(t, demand.Config{Quantity: q, Interval: time.Hour, Subintervals: 2})
		at := eight
		var last demand.Window
		for _, varh := range []int64{2000, -2000} {
			b := demand.Block{Start: at, End: at.Add(30 * time.Minute)}
			b.Active = aggregate.Account{Import: aggregate.WattHours(1500), Coverage: aggregate.Coverage{Good: 30 * time.Minute}}
			b.Reactive = aggregate.ReactiveAccount{Import: aggregate.VarHours(varh), Coverage: aggregate.Coverage{Good: 30 * time.Minute}}
			for _, w := range r.ObserveBlock(&b) {
				last = w
			}
			at = b.End
		}
		assert.Equal(t, want, last.Demand.String(), q)
	}
}

// After an outage a rolling demand is unknown until the window is full again, and
// forgiveness keeps what comes after from being a peak.
func TestPowerUp(t *testing.T) {
	f := &feeder{register(t, demand.Config{Subintervals: 3, Forgiveness: 12 * time.Minute}), eight, 5 * time.Minute}
	for range 3 {
		f.full(1000)
	}
	f.active(500, 2*time.Minute) // 08:15, out at 08:17
	f.at = f.at.Add(5 * time.Minute)
	f.PowerUp(f.at.Add(time.Minute)) // 08:26
	got := text(f.active(9000, 4*time.Minute))
	for range 5 {
		got += text(f.full(9000))
	}
	assert.Equal(t, ""+
		"08:10:00-08:25:00 demand unknown, covered 7m0s of 15m0s [gap]\n"+
		"08:25:00-08:30:00 demand unknown, covered 4m0s of 5m0s [gap, starting, restored, forgiven]\n"+
		"08:30:00-08:35:00 demand unknown, covered 5m0s of 5m0s [starting, forgiven]\n"+
		"08:30:00-08:40:00 demand unknown, covered 10m0s of 10m0s [starting, forgiven]\n"+
		"08:30:00-08:45:00 demand 108.0 kW, covered 15m0s of 15m0s [forgiven]\n"+
		"08:35:00-08:50:00 demand 108.0 kW, covered 15m0s of 15m0s [forgiven]\n"+
		"08:40:00-08:55:00 demand 108.0 kW, covered 15m0s of 15m0s\n", got)
	assert.Equal(t, eight.Add(40*time.Minute), f.Peak().Start)
	assert.Equal(t, demand.Counts{Windows: 4, Unknown: 7, Forgiven: 2, Outages: 1, Unobserved: 5 * time.Minute}, f.Counts())
}

// A long silence is an outage only if the configuration says how long.
func TestSilenceAsOutage(t *testing.T) {
	for outage, want := range map[time.Duration]uint64{0: 0, 25 * time.Minute: 1, 30 * time.Minute: 0} {
		f := &feeder{register(t, demand.Config{Outage: outage, Forgiveness: time.Hour}), eight, 15 * time.Minute}
		f.full(1000)
		f.active(0, 0)
		f.at = f.at.Add(15 * time.Minute)
		f.full(5000)
		assert.Equal(t, want, f.Counts().Outages, outage)
		assert.Equal(t, want == 0, f.Peak().Start == eight.Add(45*time.Minute), "forgiven or not: %v", outage)
	}
}

// A hole of years costs no more than one of the window's length.
func TestLongSilence(t *testing.T) {
	f := &feeder{register(t, demand.Config{Subintervals: 15, Incomplete: demand.Nominal}), eight, time.Minute}
	for range 15 {
		f.full(100)
	}
	f.at = f.at.Add(20 * 365 * 24 * time.Hour)
	windows := f.full(100)
	require.Len(t, windows, 16)
	assert.Equal(t, units.Watts(400), watts(windows[13]), "one minute of 15 is left")
	assert.False(t, windows[14].Demand.Known())
	assert.Equal(t, demand.Gap|demand.Starting, windows[15].Flags|demand.Gap)
}

func watts(w demand.Window) units.Watts {
	p, _ := w.Demand.Watts()
	return p
}

// Of equal peaks the first counts, and equal means to the last quantum.
func TestFirstOfEqualPeaks(t *testing.T) {
	f := &feeder{register(t, demand.Config{Highest: 3}), eight, 15 * time.Minute}
	for _, wh := range []int64{0, 5000, 7000, 7000, 5000, 7000} {
		f.full(wh)
	}
	starts := func() (s []int) {
		for _, w := range f.Highest() {
			s = append(s, int(w.Start.Sub(eight)/(15*time.Minute)))
		}
		return s
	}
	assert.Equal(t, []int{2, 3, 5}, starts())
	b := demand.Block{Start: f.at, End: f.at.Add(15 * time.Minute)}
	b.Active.Import = aggregate.WattHours(7000).Add(aggregate.EnergyOf(0, 1))
	b.Active.Coverage.Good = 15 * time.Minute
	f.ObserveBlock(&b)
	assert.Equal(t, []int{6, 2, 3}, starts(), "one quantum more")
	assert.Equal(t, watts(f.Highest()[0]), watts(f.Highest()[1]), "no float64 tells them apart")
}

// A known demand of 0 is a peak; an unknown one is none.
func TestPeakOfNothing(t *testing.T) {
	f := &feeder{register(t, demand.Config{}), eight, 15 * time.Minute}
	f.active(0, time.Minute)
	assert.False(t, f.Peak().Demand.Known())
	f.full(0)
	assert.True(t, f.Peak().Demand.Known())
	assert.Equal(t, eight.Add(15*time.Minute), f.Peak().Start)
}

// The cumulative demand takes up the peak at a reset; together with the present
// peak it does not show the reset.
func TestResets(t *testing.T) {
	const day = 24 * time.Hour
	f := &feeder{register(t, demand.Config{Lockout: 25 * day, Highest: 2}), eight, 15 * time.Minute}
	f.full(1000)
	f.full(3000)
	f.full(2000)
	assert.Equal(t, "0.0 kW", f.Cumulative().String())
	assert.Equal(t, "12.0 kW", f.ContinuousCumulative().String())

	_, err := f.Reset(f.at.Add(-time.Minute), demand.Schedule)
	require.ErrorIs(t, err, demand.ErrResetTime, "windows of the new period have been seen")
	_, err = f.Reset(f.at, 9)
	require.ErrorIs(t, err, demand.ErrCause)
	period, err := f.Reset(f.at, demand.Schedule)
	require.NoError(t, err)
	assert.Equal(t, eight, period.Start)
	assert.Equal(t, f.at, period.End)
	assert.Equal(t, "12.0 kW", period.Peak.Demand.String())
	assert.Equal(t, eight.Add(15*time.Minute), period.Peak.Start)
	assert.Len(t, period.Highest, 2)
	assert.Equal(t, "12.0 kW", period.Cumulative.String())
	assert.Equal(t, uint64(1), period.Resets)
	assert.False(t, f.Peak().Demand.Known())
	assert.Equal(t, "12.0 kW", f.ContinuousCumulative().String())

	f.full(4000)
	_, err = f.Reset(f.at, demand.Schedule)
	require.ErrorIs(t, err, demand.ErrLockedOut)
	assert.Equal(t, "16.0 kW", f.Peak().Demand.String(), "a refused reset changes nothing")
	period, err = f.Reset(f.at, demand.Manual)
	require.NoError(t, err, "the lockout holds for each cause apart")
	assert.Equal(t, "28.0 kW", period.Cumulative.String())
	_, err = f.Reset(f.at, demand.Command)
	require.ErrorIs(t, err, demand.ErrResetTime, "twice at one time")
	_, err = f.Reset(eight.Add(45*time.Minute+25*day), demand.Schedule)
	require.NoError(t, err, "25 days after the last")

	f.full(50000)
	assert.False(t, f.Peak().Demand.Known(), "it ended before the reset that closed its period")
	assert.True(t, f.Last().Flags.Has(demand.Stale))
	n, last := f.Resets()
	assert.Equal(t, uint64(3), n)
	assert.Equal(t, eight.Add(45*time.Minute+25*day), last)
	assert.Equal(t, demand.Counts{Windows: 5, Stale: 1, Rejected: 3, LockedOut: 1}, f.Counts())
}

// Under Elapsed, the cumulative demand adds powers and not the energies of shorter
// times.
func TestCumulativeOfElapsed(t *testing.T) {
	f := &feeder{register(t, demand.Config{Incomplete: demand.Elapsed}), eight, 15 * time.Minute}
	f.active(1000, 5*time.Minute)
	_, err := f.Reset(f.at, demand.Schedule)
	require.NoError(t, err)
	assert.Equal(t, "12.0 kW", f.Cumulative().String())
}

func TestBlocksThatMakeNoSense(t *testing.T) {
	r := register(t, demand.Config{})
	good := func() demand.Block {
		b := demand.Block{Start: eight, End: eight.Add(15 * time.Minute)}
		b.Active.Coverage.Good = 15 * time.Minute
		return b
	}
	for name, spoil := range map[string]func(*demand.Block){
		"zero":        func(b *demand.Block) { *b = demand.Block{} },
		"no end":      func(b *demand.Block) { b.End = 0 },
		"empty":       func(b *demand.Block) { b.End = b.Start },
		"backwards":   func(b *demand.Block) { b.Start, b.End = b.End, b.Start },
		"far future":  func(b *demand.Block) { b.End = 1<<63 - 1 },
		"far past":    func(b *demand.Block) { b.Start = -1 << 63 },
		"too covered": func(b *demand.Block) { b.Active.Coverage.Good++ },
		"too little":  func(b *demand.Block) { b.Active.Coverage.Good-- },
		"negative":    func(b *demand.Block) { b.Active.Coverage.Uncertain, b.Active.Coverage.Good = -1, 15*time.Minute+1 },
		"overflowing": func(b *demand.Block) {
			b.Active.Coverage = aggregate.Coverage{Good: 1<<63 - 1, Uncertain: 1<<63 - 1, Missing: 15*time.Minute + 2}
		},
		"reactive amiss": func(b *demand.Block) { b.Reactive.Coverage.Missing = 1 },
	} {
		b := good()
		spoil(&b)
		before := r.Counts().Rejected
		assert.Nil(t, r.ObserveBlock(&b), name)
		assert.Equal(t, before+1, r.Counts().Rejected, name)
	}
	b := good()
	require.Len(t, r.ObserveBlock(&b), 1)
	require.Nil(t, r.ObserveBlock(&b))
	assert.Equal(t, uint64(1), r.Counts().Late)
	_, err := r.Reset(0, demand.Manual)
	require.ErrorIs(t, err, demand.ErrResetTime)
	before := r.Counts().Rejected
	r.PowerUp(0)
	assert.Equal(t, before+1, r.Counts().Rejected)
}

// A block across the edge of a sub-interval cannot be shared out: its time counts as
// missing.
func TestMisalignedBlock(t *testing.T) {
	f := &feeder{register(t, demand.Config{Incomplete: demand.Nominal}), eight.Add(10 * time.Minute), 10 * time.Minute}
	assert.Equal(t, "08:00:00-08:15:00 demand unknown, covered 0s of 15m0s [gap]\n", text(f.full(1000)))
	assert.Equal(t, "08:15:00-08:30:00 demand 4.0 kW, covered 10m0s of 15m0s [gap]\n", text(f.full(1000)))
	assert.Equal(t, uint64(1), f.Counts().Misaligned)
}

func TestNewRegisterNamesEveryFault(t *testing.T) {
	_, err := demand.NewRegister(demand.Config{
		Quantity: 99, Interval: 7 * time.Minute, Subintervals: 1500, Offset: 24 * time.Hour, Incomplete: 7,
		Outage: -1, Forgiveness: 1 << 62, Lockout: -time.Hour, Highest: 65,
	})
	require.EqualError(t, err, "demand: unknown quantity 99\n"+
		"demand: interval 7m0s does not divide 24 h\n"+
		"demand: 1500 sub-intervals are not within 1 and 1440\n"+
		"demand: offset 24h0m0s is not within 24 h\n"+
		"demand: unknown policy 7\n"+
		"demand: outage -1ns is not within 0 and 10 years\n"+
		"demand: forgiveness 1281023h53m38.427387904s is not within 0 and 10 years\n"+
		"demand: lockout -1h0m0s is not within 0 and 10 years\n"+
		"demand: 65 highest windows are not within 1 and 64")
	for _, config := range []demand.Config{{Interval: -time.Minute}, {Subintervals: -1}, {Highest: -1}, {Interval: time.Minute, Subintervals: 7}, {Interval: 1}} {
		_, err := demand.NewRegister(config)
		assert.Error(t, err, "%+v", config)
	}
}

// A day of the year may have a short hour: full hours and halves add up to the year.
func TestHoursOfAYear(t *testing.T) {
	for _, test := range []struct {
		zone        string
		full, short int
	}{
		{"UTC", 8760, 0},
		{"Europe/Berlin", 8760, 0},
		{"America/New_York", 8760, 0},
		{"Asia/Kathmandu", 8760, 0},
		{"Australia/Lord_Howe", 8759, 2},
	} {
		t.Run(test.zone, func(t *testing.T) {
			location := zone(t, test.zone)
			f := &feeder{register(t, demand.Config{Interval: time.Hour, In: location}), acquire.At(time.Date(2026, 1, 1, 0, 0, 0, 0, location)), 15 * time.Minute}
			end := acquire.At(time.Date(2027, 1, 1, 0, 0, 0, 0, location))
			full, short := 0, 0
			for f.at < end {
				for _, w := range f.full(250) {
					if w.Flags.Has(demand.Shortened) {
						assert.Equal(t, 30*time.Minute, w.End.Sub(w.Start))
						assert.False(t, w.Demand.Known())
						short++
						continue
					}
					assert.Equal(t, units.Watts(1000), watts(w))
					assert.Zero(t, w.Start.Time().In(location).Minute())
					full++
				}
			}
			assert.Equal(t, test.full, full)
			assert.Equal(t, test.short, short)
			assert.Zero(t, f.Counts().Misaligned)
		})
	}
}

// The timed sliding window of the PM5500 is rolling demand with sub-intervals of 15
// seconds.
func TestTimedSlidingWindow(t *testing.T) {
	f := &feeder{register(t, demand.Config{Interval: 15 * time.Minute, Subintervals: 60}), eight, 15 * time.Second}
	var last demand.Window
	for i := range 80 {
		for _, w := range f.full(int64(10 * min(i/60, 1))) { // 2.4 kW from 08:15
			last = w
		}
	}
	assert.Equal(t, "08:05:00-08:20:00 demand 0.8 kW, covered 15m0s of 15m0s", last.String())
}

// The running demand of the open window, sub-interval by block.
func TestCurrent(t *testing.T) {
	f := &feeder{register(t, demand.Config{Interval: 15 * time.Minute, Subintervals: 3}), eight, time.Minute}
	assert.Equal(t, demand.Window{}, f.Current())
	for range 14 {
		f.full(100)
	}
	current := f.Current()
	assert.Equal(t, "08:00:00-08:14:00 demand 5.6 kW, covered 14m0s of 14m0s", current.String())
	energy, ok := current.Demand.Energy()
	require.True(t, ok)
	projected, ok := demand.Projected(energy, 12000, time.Minute, 15*time.Minute)
	require.True(t, ok)
	assert.InDelta(t, 6400, float64(projected), 1e-9)
	f.full(100)
	assert.Equal(t, "08:05:00-08:15:00 demand 4.0 kW, covered 10m0s of 10m0s", windowText(f.Current()))
	f.active(100, 0)
	assert.Equal(t, "08:05:00-08:16:00 demand unknown, covered 10m0s of 11m0s [gap]", windowText(f.Current()))
}

func windowText(w demand.Window) string { return w.String() }

// The intervals of a Router go straight in.
func TestIntervalsOfARouter(t *testing.T) {
	catalog := acquire.NewCatalog()
	p, err := catalog.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	e, err := catalog.Define(acquire.Point{Name: "main/E", Unit: units.WattHour, Kind: acquire.KindUint64, Role: acquire.Counter})
	require.NoError(t, err)
	site, err := aggregate.NewRouter(catalog,
		aggregate.Metering{Name: "power", Power: "main/P", Demand: aggregate.Block(5 * time.Minute)},
		aggregate.Metering{Name: "register", Import: "main/E", Demand: aggregate.Block(5 * time.Minute), MaxGap: 2 * time.Minute})
	require.NoError(t, err)
	registers := map[string]*demand.Register{
		"power":    register(t, demand.Config{Quantity: demand.ActiveNet, Subintervals: 3}),
		"register": register(t, demand.Config{Subintervals: 3, Incomplete: demand.Nominal}),
	}
	var batch acquire.Batch
	var lines string
	for minute := range 46 {
		batch.Reset()
		at := eight.Add(time.Duration(minute) * time.Minute)
		batch.Append(acquire.Sample{Time: at, Point: p, Value: acquire.Float64(float64(minute / 15 * 12)), Quality: acquire.Good})
		if minute < 16 || minute > 25 { // ten minutes without a reading
			batch.Append(acquire.Sample{Time: at, Point: e, Value: acquire.Uint64(uint64(minute) * 100), Quality: acquire.Good})
		}
		for _, iv := range site.Observe(&batch) {
			for _, w := range registers[iv.Meter].Observe(&iv) {
				if w.Demand.Known() || w.Flags.Has(demand.Carried) {
					lines += iv.Meter + " " + windowText(w) + "\n"
				}
			}
		}
	}
	assert.Contains(t, lines, "power 08:15:00-08:30:00 demand 12.0 kW, covered 15m0s of 15m0s\n")
	assert.Contains(t, lines, "power 08:30:00-08:45:00 demand 24.0 kW, covered 15m0s of 15m0s\n")
	assert.Contains(t, lines, "register 08:00:00-08:15:00 demand 6.0 kW, covered 15m0s of 15m0s\n")
	assert.Contains(t, lines, "register 08:15:00-08:30:00 demand unknown, covered 4m0s of 15m0s [gap, carried]\n")
	assert.Contains(t, lines, "register 08:30:00-08:45:00 demand 6.0 kW, covered 15m0s of 15m0s\n")
}

func TestTexts(t *testing.T) {
	assert.Equal(t, "apparent sub-intervals", demand.ApparentSubintervals.String())
	assert.Equal(t, "quantity 200", demand.Quantity(200).String())
	assert.Equal(t, "policy 3", demand.Incomplete(3).String())
	assert.Equal(t, "cause 3", demand.Cause(3).String())
	assert.Equal(t, "schedule", demand.Schedule.String())
	assert.Equal(t, "none", demand.Flags(0).String())
	assert.Equal(t, "uncertain, stale", (demand.Uncertain | demand.Stale).String())
	assert.Equal(t, "unknown", demand.Power{}.String())
}
