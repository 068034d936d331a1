package tariff_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/tariff"
	"github.com/fieldtap/fieldtap/units"
)

func ledgerOf(t testing.TB, cfg tariff.LedgerConfig) *tariff.Ledger {
	t.Helper()
	m, err := tariff.NewLedger(cfg)
	require.NoError(t, err)
	return m
}

// used is a complete quarter of an hour with so many Wh imported.
func used(start acquire.Instant, wh int64) tariff.Usage {
	u := tariff.Usage{Start: start, End: start.Add(quarter), Demand: true}
	u.Active.Import = aggregate.WattHours(wh)
	u.Active.Coverage.Good = quarter
	return u
}

// anyUsage is a random quarter of an hour.
func anyUsage(r *rand.Rand, start acquire.Instant) tariff.Usage {
	u := used(start, int64(r.IntN(4)))
	u.Active.Export = aggregate.EnergyOf(0, r.Uint64N(1<<62))
	if r.IntN(2) == 0 {
		u.Reactive.Import = aggregate.VarHours(r.Int64N(9))
		u.Reactive.Coverage.Good = quarter
	}
	switch r.IntN(6) {
	case 0:
		part := time.Duration(r.Int64N(int64(quarter)))
		u.Active.Coverage = aggregate.Coverage{Good: part, Missing: quarter - part}
		u.Demand = false
	case 1:
		u.Flags |= aggregate.Carried
		u.Demand = false
	case 2:
		u.Active.Coverage = aggregate.Coverage{Uncertain: quarter}
	}
	return u
}

// anyUsages is a random stream with gaps of all sizes, told and not told.
func anyUsages(r *rand.Rand, start acquire.Instant, n int) []tariff.Usage {
	var all []tariff.Usage
	for range n {
		switch r.IntN(20) {
		case 0:
			start = start.Add(quarter * time.Duration(r.IntN(50)))
		case 1:
			start = start.Add(quarter * time.Duration(r.IntN(2000)))
		case 2: // a silence that is told
			end := start.Add(quarter * time.Duration(1+r.IntN(3000)))
			u := tariff.Usage{Start: start, End: end, Flags: aggregate.Silence}
			u.Active.Coverage.Missing = end.Sub(start)
			all = append(all, u)
			start = end
		}
		all = append(all, anyUsage(r, start))
		start = start.Add(quarter)
	}
	return all
}

// registersTwin books usages the slow way: energies by adding each to the register
// of the period of its start, time minute by minute.
func registersTwin(c *tariff.Calendar, s tariff.Statement, all []tariff.Usage) (energy []tariff.EnergyRegister, demand []tariff.DemandRegister) {
	for _, name := range c.EnergyPeriods() {
		energy = append(energy, tariff.EnergyRegister{Period: name})
	}
	for _, name := range c.DemandPeriods() {
		demand = append(demand, tariff.DemandRegister{Period: name})
	}
	told := map[acquire.Instant]bool{} // minutes that belong to an interval
	for _, u := range all {
		blank := u.Flags.Has(aggregate.Silence)
		if !blank {
			for m := u.Start; m < u.End; m = m.Add(time.Minute) {
				told[m] = true
			}
		}
		if !s.Contains(u.Start) {
			continue
		}
		seg := c.At(u.Start)
		e, d := &energy[seg.Energy], &demand[seg.Demand]
		e.Intervals++
		if u.Active.Coverage.Missing > 0 {
			e.Incomplete++
		}
		if u.Flags.Has(aggregate.Carried) {
			e.Carried++
		}
		if !blank {
			energies, demands := map[int]bool{}, map[int]bool{}
			for m := u.Start; m < u.End; m = m.Add(time.Minute) {
				at := c.At(m)
				energies[at.Energy], demands[at.Demand] = true, true
			}
			e.Straddling += min(len(energies)-1, 1)
			d.Straddling += min(len(demands)-1, 1)
		}
		e.Active.Import = e.Active.Import.Add(u.Active.Import)
		e.Active.Export = e.Active.Export.Add(u.Active.Export)
		e.Reactive.Import = e.Reactive.Import.Add(u.Reactive.Import)
		if !blank {
			e.Active.Coverage.Good += u.Active.Coverage.Good
			e.Active.Coverage.Uncertain += u.Active.Coverage.Uncertain
			e.Active.Coverage.Missing += u.Active.Coverage.Missing
			e.Reactive.Coverage.Good += u.Reactive.Coverage.Good
			e.Reactive.Coverage.Missing += quarter - u.Reactive.Coverage.Good
		}
		if !u.Demand {
			d.Incomplete++
			if !blank {
				d.Missing += quarter
			}
			continue
		}
		d.Intervals++
		d.Known += quarter
		net := u.Active.Net()
		if net.Cmp(d.Import.Energy) > 0 {
			d.Import = tariff.Peak{Energy: net, Start: u.Start, Duration: quarter}
		}
		if net.Neg().Cmp(d.Export.Energy) > 0 {
			d.Export = tariff.Peak{Energy: net.Neg(), Start: u.Start, Duration: quarter}
		}
	}
	for m := s.Start; m < min(s.End, s.Through); m = m.Add(time.Minute) {
		if !told[m] {
			seg := c.At(m)
			energy[seg.Energy].Active.Coverage.Missing += time.Minute
			energy[seg.Energy].Reactive.Coverage.Missing += time.Minute
			demand[seg.Demand].Missing += time.Minute
		}
	}
	return energy, demand
}

func TestStatementsEqualTwin(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 15))
		place := strange[int(seed+1)%len(strange)]
		t.Run(fmt.Sprint(place.zone, " ", seed), func(t *testing.T) {
			cfg := random(r, zone(t, place.zone))
			cfg.Billing.Day = r.IntN(32)
			c := calendar(t, cfg)
			start := acquire.At(time.Date(place.year, time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), 15*r.IntN(4), 0, 0, time.UTC))
			all := anyUsages(r, start, 120)
			m := ledgerOf(t, tariff.LedgerConfig{Calendar: c})
			var statements []tariff.Statement
			for _, u := range all {
				statements = m.Add(statements, u)
			}
			require.Equal(t, tariff.Counts{Booked: uint64(len(all))}, m.Counts())
			statements = append(statements, m.Present())
			for i := range statements {
				s := &statements[i]
				energy, demand := registersTwin(c, *s, all)
				require.Equal(t, energy, s.Energy(), "statement %d", i)
				require.Equal(t, demand, s.Demand(), "statement %d", i)
				if i > 0 {
					require.Equal(t, statements[i-1].End, s.Start)
				}
			}
		})
	}
}

// Intervals that are revised, or come late, make the statements that they would
// have made in time.
func TestRevisedEqualsInTime(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 92))
		c := calendar(t, random(r, zone(t, "Europe/Berlin")))
		all := anyUsages(r, at("2026-02-20T00:00:00Z"), 300)
		plain := ledgerOf(t, tariff.LedgerConfig{Calendar: c})
		var want []tariff.Statement
		var presents []tariff.Statement
		for _, u := range all {
			want = plain.Add(want, u)
			presents = append(presents, plain.Present())
		}
		end := all[len(all)-1].End.Add(60 * 24 * time.Hour)
		want = plain.Advance(want, end)

		const window = 8
		m := ledgerOf(t, tariff.LedgerConfig{Calendar: c, Revisable: window})
		var got []tariff.Statement
		counts := tariff.Counts{}
		for i := 0; i < len(all); {
			// Give some in any order, some of them wrong at first.
			n := min(1+r.IntN(window), len(all)-i)
			for _, j := range r.Perm(n) {
				u := all[i+j]
				if r.IntN(3) == 0 {
					wrong := u
					wrong.Active.Import = wrong.Active.Import.Add(aggregate.WattHours(100))
					got = m.Add(got, wrong)
					counts.Revised++
				}
				got = m.Add(got, u)
				counts.Booked++
			}
			i += n
			if plain := presents[i-1]; m.Present().Span == plain.Span {
				require.Equal(t, plain, m.Present())
			}
		}
		require.Equal(t, counts, m.Counts())
		got = m.Advance(got, end)
		require.Equal(t, want, got, "seed %d", seed)
		require.Equal(t, plain.Present(), m.Present())
	}
}

func TestPresentHoldsWhatIsOpenToRevision(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{})
	m := ledgerOf(t, tariff.LedgerConfig{Calendar: c, Revisable: 3})
	start := at("2026-01-31T23:15:00Z")
	for i, wh := range []int64{1, 2, 4, 8} {
		assert.Empty(t, m.Add(nil, used(start.Add(quarter*time.Duration(i)), wh)))
	}
	s := m.Present()
	assert.Equal(t, at("2026-01-01T00:00:00Z"), s.Start)
	assert.Equal(t, s.End, s.Through)
	assert.Equal(t, aggregate.WattHours(7), s.EnergyTotal().Active.Import, "the fourth is of the next month")
	assert.Empty(t, m.Add(nil, used(start.Add(quarter), 16)), "revised")
	s = m.Present()
	assert.Equal(t, aggregate.WattHours(21), s.EnergyTotal().Active.Import)
	closed := m.Advance(nil, at("2026-02-01T00:00:00Z"))
	require.Len(t, closed, 1)
	assert.Equal(t, s, closed[0])
	s = m.Present()
	assert.Equal(t, aggregate.WattHours(8), s.EnergyTotal().Active.Import)
	m.Add(nil, used(start, 1))
	assert.Equal(t, tariff.Counts{Booked: 4, Revised: 1, Late: 1}, m.Counts())
}

// An interval across the end of a billing period belongs to the one it starts
// in, and no time counts twice.
func TestStraddling(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{Location: zone(t, "Asia/Kathmandu"), Energy: twoPeriods})
	m := ledgerOf(t, tariff.LedgerConfig{Calendar: c, Interval: time.Hour})
	var closed []tariff.Statement
	for start := at("2026-02-28T00:00:00Z"); start < at("2026-04-01T00:00:00Z"); start = start.Add(time.Hour) {
		u := used(start, 1)
		u.End, u.Active.Coverage.Good = start.Add(time.Hour), time.Hour
		closed = m.Add(closed, u)
	}
	require.Len(t, closed, 2)
	march := closed[1]
	assert.Equal(t, "2026-03-01T00:00:00+05:45", c.Label(march.Start))
	assert.Equal(t, "2026-04-01T00:45:00+05:45", c.Label(march.Through), "hours of UTC begin at 45 past")
	total := march.EnergyTotal()
	assert.Equal(t, 31*24*time.Hour, total.Active.Coverage.Span(), "what February took of the first hour, the last one took of April")
	assert.Equal(t, 2*31, total.Straddling, "at 06:00 and 22:00 of each day")
	assert.True(t, march.Complete())
}

// A period within an hour is straddled, though it is over before the hour is; and
// so is a demand period of its own.
func TestStraddlingThereAndBack(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{
		Energy: tariff.Schedule{Periods: []string{"day", "event"}, Profiles: []tariff.DayProfile{{Switches: []tariff.Switch{
			{At: 0, Period: "day"}, {At: 6*time.Hour + 15*time.Minute, Period: "event"}, {At: 6*time.Hour + 30*time.Minute, Period: "day"},
		}}}},
		Demand: tariff.Schedule{Periods: []string{"off", "on"}, Profiles: []tariff.DayProfile{{Switches: []tariff.Switch{
			{At: 0, Period: "off"}, {At: 8*time.Hour + 30*time.Minute, Period: "on"},
		}}}},
	})
	l := ledgerOf(t, tariff.LedgerConfig{Calendar: c, Interval: time.Hour})
	for start := at("2026-03-01T00:00:00Z"); start < at("2026-03-02T00:00:00Z"); start = start.Add(time.Hour) {
		u := used(start, 1)
		u.End, u.Active.Coverage.Good = start.Add(time.Hour), time.Hour
		l.Add(nil, u)
	}
	s := l.Present()
	assert.Equal(t, 1, s.EnergyTotal().Straddling)
	assert.Equal(t, 1, s.DemandTotal().Straddling)
}

// An interval that is longer than the billing period after it leaves that one
// empty, which is not complete.
func TestShadowIsNotComplete(t *testing.T) {
	l := ledgerOf(t, tariff.LedgerConfig{Calendar: calendar(t, tariff.CalendarConfig{})})
	u := used(at("2026-01-31T00:00:00Z"), 1)
	u.End = at("2026-03-01T00:00:00Z")
	u.Active.Coverage.Good = u.End.Sub(u.Start)
	closed := l.Add(nil, u)
	require.Len(t, closed, 2)
	assert.False(t, closed[1].Complete())
}

// A silence that was told as one is replaced piece by piece.
func TestSilenceRevised(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{Energy: twoPeriods})
	start := at("2026-03-01T00:00:00Z")
	end := start.Add(20 * quarter)
	want := ledgerOf(t, tariff.LedgerConfig{Calendar: c})
	for i := range 24 {
		want.Add(nil, used(start.Add(quarter*time.Duration(i)), int64(i)))
	}
	for _, order := range [][]int{{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {2, 0, 1, 4, 3}} {
		l := ledgerOf(t, tariff.LedgerConfig{Calendar: c, Revisable: 30})
		silence := tariff.Usage{Start: start, End: end, Flags: aggregate.Silence}
		silence.Active.Coverage.Missing = end.Sub(start)
		l.Add(nil, silence)
		for i := 20; i < 24; i++ {
			l.Add(nil, used(start.Add(quarter*time.Duration(i)), int64(i)))
		}
		for _, hour := range order {
			for i := 4 * hour; i < 4*hour+4; i++ {
				l.Add(nil, used(start.Add(quarter*time.Duration(i)), int64(i)))
				state, err := l.MarshalBinary()
				require.NoError(t, err)
				require.NoError(t, l.UnmarshalBinary(state))
			}
		}
		assert.Zero(t, l.Counts().Late)
		assert.Equal(t, want.Present(), l.Present(), "%v", order)
	}
}

// What a Reviser hands out again makes the bill that samples in order make.
func TestReviserThroughLedger(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{Energy: twoPeriods})
	metering := aggregate.Metering{Name: "main", Power: "P", MaxGap: 5 * time.Minute}
	catalog := acquire.NewCatalog()
	point, err := catalog.Define(acquire.Point{Name: "P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	start := at("2026-03-01T00:00:00Z")
	sample := func(i int) acquire.Sample {
		return acquire.Sample{Time: start.Add(time.Minute * time.Duration(i)), Point: point, Value: acquire.Float64(float64(i % 7)), Quality: acquire.Good}
	}
	bill := func(order []int) tariff.Statement {
		router, err := aggregate.NewReviser(catalog, aggregate.Revisions{Intervals: 200, Samples: 5000}, metering)
		require.NoError(t, err)
		l := ledgerOf(t, tariff.LedgerConfig{Meter: "main", Calendar: c, Revisable: 200})
		var batch acquire.Batch
		for _, i := range order {
			batch.Reset()
			batch.Append(sample(i))
			for _, iv := range router.Observe(&batch) {
				l.Observe(nil, &iv)
			}
		}
		assert.Zero(t, l.Counts().Late)
		return l.Present()
	}
	var inOrder, late []int
	for i := range 1440 {
		inOrder = append(inOrder, i)
		if i < 300 || i >= 900 {
			late = append(late, i)
		}
	}
	for i := 300; i < 900; i++ {
		late = append(late, i) // after a silence of ten hours
	}
	want, got := bill(inOrder), bill(late)
	assert.Equal(t, want.EnergyTotal().Active, got.EnergyTotal().Active)
	assert.Equal(t, want, got)
}

// A meter with registers and power at once: the registers count through an outage
// of theirs and make up for it afterwards, so that power must not fill in.
func TestBasis(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{})
	catalog := acquire.NewCatalog()
	power, err := catalog.Define(acquire.Point{Name: "P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	register, err := catalog.Define(acquire.Point{Name: "E", Unit: units.WattHour, Kind: acquire.KindUint64, Role: acquire.Counter})
	require.NoError(t, err)
	bases := []aggregate.Basis{aggregate.NoBasis, aggregate.FromRegisters, aggregate.FromPower}
	router, err := aggregate.NewRouter(catalog, aggregate.Metering{Name: "main", Power: "P", Import: "E", MaxGap: 5 * time.Minute})
	require.NoError(t, err)
	var ledgers []*tariff.Ledger
	for _, basis := range bases {
		ledgers = append(ledgers, ledgerOf(t, tariff.LedgerConfig{Calendar: c, Basis: basis}))
	}
	start := at("2026-03-01T00:00:00Z")
	var batch acquire.Batch
	for i := range 24*60 + 1 { // 6 kW, 100 Wh a minute
		now := start.Add(time.Minute * time.Duration(i))
		batch.Reset()
		if i < 590 || i >= 605 { // then it misses as much of the interval as the register
			batch.Append(acquire.Sample{Time: now, Point: power, Value: acquire.Float64(6), Quality: acquire.Good})
		}
		if i < 300 || i >= 605 {
			batch.Append(acquire.Sample{Time: now, Point: register, Value: acquire.Uint64(uint64(100 * i)), Quality: acquire.Good})
		}
		for _, iv := range router.Observe(&batch) {
			for _, l := range ledgers {
				l.Observe(nil, &iv)
			}
		}
	}
	for _, iv := range router.Flush(nil) {
		for _, l := range ledgers {
			l.Observe(nil, &iv)
		}
	}
	for i, l := range ledgers {
		s := l.Present()
		total, demand := s.EnergyTotal(), s.DemandTotal()
		assert.Equal(t, units.Watts(6000), demand.Import.Power())
		if bases[i] == aggregate.FromPower {
			assert.Equal(t, aggregate.WattHours(144000-1100), total.Active.Import, "16 minutes without power, 5 of them held")
			assert.Equal(t, []int{94, 2, 0}, []int{demand.Intervals, demand.Incomplete, total.Carried})
		} else {
			assert.Equal(t, aggregate.WattHours(144000), total.Active.Import, "%v", bases[i])
			assert.Equal(t, []int{74, 22, 1}, []int{demand.Intervals, demand.Incomplete, total.Carried})
		}
	}
	_, err = tariff.NewLedger(tariff.LedgerConfig{Calendar: c, Basis: 9})
	assert.EqualError(t, err, "tariff: no basis 9")
}

func TestAdvanceLeavesTheOpenInterval(t *testing.T) {
	m := ledgerOf(t, tariff.LedgerConfig{Calendar: calendar(t, tariff.CalendarConfig{}), Revisable: 2})
	start := at("2026-01-01T00:00:00Z")
	for i := range 4 { // the first two are booked
		m.Add(nil, used(start.Add(quarter*time.Duration(i)), 1))
	}
	m.Advance(nil, start.Add(3*quarter+time.Minute))
	m.Add(nil, used(start.Add(3*quarter), 2))
	assert.Equal(t, tariff.Counts{Booked: 4, Revised: 1}, m.Counts(), "the last is still open to revision")
	s := m.Present()
	assert.Equal(t, aggregate.WattHours(5), s.EnergyTotal().Active.Import)
	assert.Equal(t, aggregate.Coverage{Good: time.Hour}, s.EnergyTotal().Active.Coverage)
}

func TestRefused(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{Billing: tariff.Cycle{Dates: []tariff.Date{
		{Year: 2026, Month: time.March, Day: 3}, {Year: 2026, Month: time.April, Day: 7}, {Year: 2026, Month: time.May, Day: 1},
	}}})
	start := at("2026-03-10T00:00:00Z")
	good := used(start, 1)
	change := func(f func(*tariff.Usage)) tariff.Usage {
		u := good
		f(&u)
		return u
	}
	for _, test := range []struct {
		name string
		u    tariff.Usage
		want tariff.Counts
	}{
		{"good", good, tariff.Counts{Booked: 1}},
		{"zero", tariff.Usage{}, tariff.Counts{Invalid: 1}},
		{"no length", change(func(u *tariff.Usage) { u.End = u.Start }), tariff.Counts{Invalid: 1}},
		{"before 1972", change(func(u *tariff.Usage) { u.Start, u.End = tariff.Earliest-1, tariff.Earliest }), tariff.Counts{Invalid: 1}},
		{"after 2260", change(func(u *tariff.Usage) { u.Start, u.End = tariff.Latest-1, tariff.Latest }), tariff.Counts{Invalid: 1}},
		{"coverage too short", change(func(u *tariff.Usage) { u.Active.Coverage.Good-- }), tariff.Counts{Invalid: 1}},
		{"coverage too long", change(func(u *tariff.Usage) { u.Active.Coverage.Missing = 1 }), tariff.Counts{Invalid: 1}},
		{"coverage that wraps", change(func(u *tariff.Usage) {
			u.Active.Coverage = aggregate.Coverage{Good: 1<<63 - 1, Uncertain: 1<<63 - 1, Missing: quarter + 2}
		}), tariff.Counts{Invalid: 1}},
		{"negative energy", change(func(u *tariff.Usage) { u.Active.Export = aggregate.WattHours(-1) }), tariff.Counts{Invalid: 1}},
		{"before the first date", change(func(u *tariff.Usage) { *u = used(at("2026-03-02T23:45:00Z"), 1) }), tariff.Counts{Outside: 1}},
		{"from the last date", change(func(u *tariff.Usage) { *u = used(at("2026-05-01T00:00:00Z"), 1) }), tariff.Counts{Outside: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := ledgerOf(t, tariff.LedgerConfig{Calendar: c})
			assert.Empty(t, m.Add(nil, test.u))
			assert.Equal(t, test.want, m.Counts())
			// And when others have been before.
			m = ledgerOf(t, tariff.LedgerConfig{Calendar: c, Revisable: 2})
			m.Add(nil, used(at("2026-03-09T00:00:00Z"), 1))
			m.Add(nil, test.u)
			want := test.want
			if want.Outside > 0 && test.u.Start > start { // known when it is booked
				m.Advance(nil, at("2026-06-01T00:00:00Z"))
			} else if want.Outside > 0 {
				want = tariff.Counts{Outside: 1}
			}
			want.Booked++
			assert.Equal(t, want, m.Counts())
		})
	}
	t.Run("late", func(t *testing.T) {
		m := ledgerOf(t, tariff.LedgerConfig{Calendar: c})
		m.Add(nil, good)
		m.Add(nil, good)
		m.Add(nil, used(start.Add(-quarter), 1))
		m.Add(nil, used(start.Add(time.Minute), 1))
		assert.Equal(t, tariff.Counts{Booked: 1, Late: 3}, m.Counts())
	})
	t.Run("overlap", func(t *testing.T) {
		m := ledgerOf(t, tariff.LedgerConfig{Calendar: c, Revisable: 10})
		m.Add(nil, good)
		m.Add(nil, used(start.Add(time.Minute), 1))
		m.Add(nil, used(start.Add(-time.Minute), 1))
		assert.Equal(t, tariff.Counts{Booked: 1, Late: 2}, m.Counts())
	})
	t.Run("other meter", func(t *testing.T) {
		m := ledgerOf(t, tariff.LedgerConfig{Meter: "main", Calendar: c})
		m.Observe(nil, &aggregate.Interval{Meter: "other", Start: start, End: start.Add(quarter)})
		assert.Equal(t, tariff.Counts{Invalid: 1}, m.Counts())
	})
	t.Run("zero meter", func(t *testing.T) {
		var m tariff.Ledger
		assert.Empty(t, m.Add(nil, good))
		assert.Empty(t, m.Advance(nil, start))
		s := m.Present()
		assert.Empty(t, s.Energy())
		assert.Equal(t, tariff.Counts{Invalid: 1}, m.Counts())
		assert.ErrorIs(t, m.UnmarshalBinary([]byte{1, 2, 3, 4, 5, 6}), tariff.ErrState)
	})
}

// The end of explicit dates closes the last period; what follows is outside.
func TestDatesEnd(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{Billing: tariff.Cycle{Dates: []tariff.Date{
		{Year: 2026, Month: time.March, Day: 3}, {Year: 2026, Month: time.April, Day: 7},
	}}})
	for _, revisable := range []int{0, 4} {
		m := ledgerOf(t, tariff.LedgerConfig{Calendar: c, Revisable: revisable})
		var closed []tariff.Statement
		for start := at("2026-04-06T00:00:00Z"); start < at("2026-04-08T00:00:00Z"); start = start.Add(quarter) {
			closed = m.Add(closed, used(start, 1))
		}
		closed = m.Advance(closed, at("2026-05-01T00:00:00Z"))
		require.Len(t, closed, 1)
		assert.Equal(t, aggregate.WattHours(96), closed[0].EnergyTotal().Active.Import)
		assert.Equal(t, tariff.Counts{Booked: 96, Outside: 96}, m.Counts())
		s := m.Present()
		assert.Equal(t, tariff.Span{}, s.Span)
	}
}

func TestPeaks(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{Energy: twoPeriods})
	m := ledgerOf(t, tariff.LedgerConfig{Calendar: c})
	day := at("2026-01-01T00:00:00Z")
	for i, wh := range []int64{5, 7, 7, 3} {
		m.Add(nil, used(day.Add(quarter*time.Duration(i)), wh))
	}
	u := used(day.Add(time.Hour), 9)
	u.Demand = false // incomplete: no peak
	m.Add(nil, u)
	u = used(day.Add(2*time.Hour), 900) // not of the demand interval
	u.End = u.Start.Add(time.Hour)
	u.Active.Coverage.Good = time.Hour
	m.Add(nil, u)
	u = used(day.Add(12*time.Hour), 0)
	u.Active.Export = aggregate.WattHours(6)
	m.Add(nil, u)
	s := m.Present()
	high, low := s.Demand()[0], s.Demand()[1]
	assert.Equal(t, tariff.Peak{Energy: aggregate.WattHours(7), Start: day.Add(quarter), Duration: quarter}, low.Import, "of equal ones the first")
	assert.Equal(t, 28.0, float64(low.Import.Power()))
	assert.Equal(t, day.Add(2*quarter), low.Import.End())
	assert.Zero(t, low.Export)
	assert.Zero(t, high.Import)
	assert.Equal(t, aggregate.WattHours(6), high.Export.Energy)
	assert.Equal(t, []int{4, 2}, []int{low.Intervals, low.Incomplete})
	assert.Equal(t, low.Import, s.DemandTotal().Import)
	assert.Equal(t, high.Export, s.DemandTotal().Export)
	assert.False(t, s.Complete())
}

func TestLedgerFaults(t *testing.T) {
	_, err := tariff.NewLedger(tariff.LedgerConfig{Interval: -1, Revisable: -1})
	assert.EqualError(t, err, "tariff: no calendar\ntariff: demand interval -1ns is negative\ntariff: -1 revisable intervals, want 0 to 35136")
}

func TestStateSurvives(t *testing.T) {
	for _, revisable := range []int{0, 5} {
		r := rand.New(rand.NewPCG(4, uint64(revisable)))
		c := calendar(t, random(r, zone(t, "Australia/Lord_Howe")))
		cfg := tariff.LedgerConfig{Meter: "m", Calendar: c, Revisable: revisable}
		whole, killed := ledgerOf(t, cfg), ledgerOf(t, cfg)
		all := anyUsages(r, at("2026-03-20T00:00:00Z"), 300)
		var want, got []tariff.Statement
		for i, u := range all {
			want, got = whole.Add(want, u), killed.Add(got, u)
			if i > 0 && r.IntN(4) == 0 {
				want, got = whole.Add(want, all[i-1]), killed.Add(got, all[i-1])
			}
			state, err := killed.MarshalBinary()
			require.NoError(t, err)
			killed = ledgerOf(t, cfg)
			require.NoError(t, killed.UnmarshalBinary(state))
			again, err := killed.AppendBinary([]byte("x"))
			require.NoError(t, err)
			require.Equal(t, state, again[1:])
		}
		require.Equal(t, want, got)
		require.Equal(t, whole.Present(), killed.Present())
		require.Equal(t, whole.Counts(), killed.Counts())
	}
}

// A state with a right checksum that cannot have come about is refused.
func TestStateThatContradictsItself(t *testing.T) {
	cfg := tariff.LedgerConfig{Calendar: calendar(t, tariff.CalendarConfig{Energy: twoPeriods}), Revisable: 3}
	start := at("2026-01-05T00:00:00Z")
	for name, spoil := range map[string]func(*tariff.Statement, []tariff.Usage){
		"start":        func(s *tariff.Statement, _ []tariff.Usage) { s.Start++ },
		"end":          func(s *tariff.Statement, _ []tariff.Usage) { s.End = 0 },
		"through":      func(s *tariff.Statement, _ []tariff.Usage) { s.Through = s.End },
		"through 2300": func(s *tariff.Statement, _ []tariff.Usage) { s.Through = tariff.Latest },
		"no period":    func(s *tariff.Statement, _ []tariff.Usage) { s.Span = tariff.Span{Start: 1} },
		"incomplete":   func(s *tariff.Statement, _ []tariff.Usage) { s.Energy()[1].Incomplete = 1000 },
		"carried":      func(s *tariff.Statement, _ []tariff.Usage) { s.Energy()[1].Carried = 1000 },
		"straddling":   func(s *tariff.Statement, _ []tariff.Usage) { s.Energy()[1].Straddling = 1000 },
		"intervals":    func(s *tariff.Statement, _ []tariff.Usage) { s.Energy()[0].Intervals++ },
		"negative":     func(s *tariff.Statement, _ []tariff.Usage) { s.Energy()[0].Active.Import = aggregate.WattHours(-1) },
		"time back":    func(s *tariff.Statement, _ []tariff.Usage) { s.Energy()[0].Active.Coverage.Good = -1 },
		"too much time": func(s *tariff.Statement, _ []tariff.Usage) {
			s.Energy()[0].Reactive.Coverage.Missing = 1 << 62
		},
		"active time":       func(s *tariff.Statement, _ []tariff.Usage) { s.Energy()[1].Active.Coverage.Missing-- },
		"demand time":       func(s *tariff.Statement, _ []tariff.Usage) { s.Demand()[1].Missing-- },
		"demand known":      func(s *tariff.Statement, _ []tariff.Usage) { s.Demand()[1].Known = -1 },
		"demand straddling": func(s *tariff.Statement, _ []tariff.Usage) { s.Demand()[1].Straddling = 1000 },
		"peak early":        func(s *tariff.Statement, _ []tariff.Usage) { s.Demand()[1].Import.Start = s.Start - 1 },
		"peak late":         func(s *tariff.Statement, _ []tariff.Usage) { s.Demand()[1].Import.Start = s.Through },
		"peak of zero":      func(s *tariff.Statement, _ []tariff.Usage) { s.Demand()[1].Import.Energy = aggregate.Energy{} },
		"peak length":       func(s *tariff.Statement, _ []tariff.Usage) { s.Demand()[1].Import.Duration++ },
		"peak of none":      func(s *tariff.Statement, _ []tariff.Usage) { s.Demand()[0].Export = s.Demand()[1].Import },
		"window early":      func(_ *tariff.Statement, w []tariff.Usage) { w[0].Start, w[0].End = start, start.Add(quarter) },
		"window order":      func(_ *tariff.Statement, w []tariff.Usage) { w[0], w[1] = w[1], w[0] },
		"window energy":     func(_ *tariff.Statement, w []tariff.Usage) { w[2].Active.Export = aggregate.WattHours(-1) },
	} {
		m := ledgerOf(t, cfg)
		for i := range 10 {
			m.Add(nil, used(start.Add(quarter*time.Duration(i)), int64(1+i)))
		}
		good, err := m.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, ledgerOf(t, cfg).UnmarshalBinary(good))
		assert.ErrorIs(t, ledgerOf(t, cfg).UnmarshalBinary(tariff.Spoilt(m, spoil)), tariff.ErrState, name)
	}
}

func TestStateOfAnother(t *testing.T) {
	c := calendar(t, tariff.CalendarConfig{Energy: twoPeriods})
	m := ledgerOf(t, tariff.LedgerConfig{Meter: "m", Calendar: c})
	m.Add(nil, used(at("2026-03-20T00:00:00Z"), 1))
	state, err := m.MarshalBinary()
	require.NoError(t, err)
	for name, cfg := range map[string]tariff.LedgerConfig{
		"name":     {Meter: "n", Calendar: c},
		"interval": {Meter: "m", Calendar: c, Interval: time.Hour},
		"window":   {Meter: "m", Calendar: c, Revisable: 1},
		"calendar": {Meter: "m", Calendar: calendar(t, tariff.CalendarConfig{Energy: twoPeriods, Location: zone(t, "Europe/Berlin")})},
	} {
		other := ledgerOf(t, cfg)
		before := other.Present()
		assert.ErrorIs(t, other.UnmarshalBinary(state), tariff.ErrState, name)
		assert.Equal(t, before, other.Present())
	}
	for i := range state {
		assert.ErrorIs(t, m.UnmarshalBinary(state[:i]), tariff.ErrState)
		broken := slices.Clone(state)
		broken[i] ^= 1
		assert.ErrorIs(t, m.UnmarshalBinary(broken), tariff.ErrState)
	}
}
