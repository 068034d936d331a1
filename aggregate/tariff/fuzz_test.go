package tariff_test

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/tariff"
)

// tape reads numbers from fuzzed bytes, zeros beyond their end.
type tape []byte

func (b *tape) next() int {
	if len(*b) == 0 {
		return 0
	}
	n := (*b)[0]
	*b = (*b)[1:]
	return int(n)
}

func (b *tape) signed() int { return int(int8(b.next())) }

// wild is a configuration of arbitrary numbers, most of them wrong.
func wild(b *tape, zones []*time.Location) tariff.CalendarConfig {
	cfg := tariff.CalendarConfig{Location: zones[b.next()%len(zones)]}
	name := func() string { return string(rune('a' + b.next()%3)) }
	day := func() tariff.MonthDay {
		return tariff.MonthDay{Month: time.Month(b.signed() % 14), Day: b.signed() % 33}
	}
	for range b.next() % 4 {
		cfg.Seasons = append(cfg.Seasons, tariff.Season{Name: name(), From: day(), To: day()})
	}
	for range b.next() % 4 {
		cfg.DayTypes = append(cfg.DayTypes, tariff.DayType{Name: name(), On: tariff.Weekdays(b.next())})
	}
	for range b.next() % 4 {
		rules := []tariff.Rule{
			{}, tariff.Fixed(day().Month, day().Day), tariff.Nth(b.signed()%7, time.Weekday(b.signed()%8), day().Month),
			tariff.Easter(b.signed()), tariff.OrthodoxEaster(b.signed()),
			tariff.Dates(tariff.Date{Year: 1970 + 2*b.next(), Month: day().Month, Day: day().Day}),
		}
		cfg.Holidays = append(cfg.Holidays, tariff.Holiday{
			DayType: name(), On: rules[b.next()%len(rules)], Observed: tariff.Observed(b.next() % 5), From: 1990 + b.signed(), To: 2030 + b.signed(),
		})
	}
	schedule := func() (s tariff.Schedule) {
		for range b.next() % 4 {
			s.Periods = append(s.Periods, name())
		}
		for range b.next() % 3 {
			var p tariff.DayProfile
			for range b.next() % 2 {
				p.Seasons = append(p.Seasons, name())
				p.DayTypes = append(p.DayTypes, name())
			}
			at := 0
			for range b.next() % 5 {
				p.Switches = append(p.Switches, tariff.Switch{At: time.Duration(at) * time.Second, Period: name()})
				at += b.next() * 300
			}
			s.Profiles = append(s.Profiles, p)
		}
		return s
	}
	cfg.Energy, cfg.Demand = schedule(), schedule()
	cfg.Billing = tariff.Cycle{Day: b.signed(), Months: b.signed() % 13, First: day().Month}
	if b.next()%4 == 0 {
		cfg.Billing = tariff.Cycle{}
		for range b.next() % 4 {
			cfg.Billing.Dates = append(cfg.Billing.Dates, tariff.Date{Year: 1970 + 2*b.next(), Month: day().Month, Day: day().Day})
		}
	}
	return cfg
}

func zones(t testing.TB) (all []*time.Location) {
	for _, place := range strange {
		all = append(all, zone(t, place.zone))
	}
	return all
}

// Any configuration gives a calendar or an error; the segments, days and billing
// periods of any calendar adjoin.
func FuzzCalendar(f *testing.F) {
	places := zones(f)
	f.Add(int64(tariff.Earliest), []byte{})
	f.Add(int64(tariff.Latest-1), []byte{3, 0, 0, 0, 0, 0, 0, 0, 0, 31, 12, 12, 1})
	f.Add(int64(at("2026-03-29T00:59:00Z")), []byte{1, 0, 0, 0, 2, 0, 1, 1, 0, 4, 0, 24, 1, 3, 0, 12, 1, 0, 0, 15, 1, 0, 1})
	f.Add(int64(at("2011-12-30T10:00:00Z")), []byte{12, 0, 2, 0, 62, 1, 65, 1, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, instant int64, data []byte) {
		b := tape(data)
		c, err := tariff.NewCalendar(wild(&b, places))
		if err != nil {
			require.Nil(t, c)
			return
		}
		i := acquire.Instant(instant)
		seg, day, bill := c.At(i), c.Day(i), c.BillingPeriod(i)
		if i < tariff.Earliest || i >= tariff.Latest {
			require.Zero(t, seg)
			require.Zero(t, day)
			require.Zero(t, bill)
			return
		}
		require.True(t, seg.Contains(i))
		require.True(t, day.Contains(i))
		require.True(t, bill == tariff.Span{} || bill.Contains(i))
		require.Equal(t, day, c.Day(max(day.Start, tariff.Earliest)))
		require.Equal(t, seg, c.At(max(seg.Start, tariff.Earliest)))
		for range 50 {
			next := c.At(seg.End)
			if seg.End >= tariff.Latest {
				require.Zero(t, next)
				break
			}
			require.Equal(t, seg.End, next.Start)
			require.Greater(t, next.End, next.Start)
			seg = next
		}
		if next := c.BillingPeriod(bill.End); next != (tariff.Span{}) {
			require.Equal(t, bill.End, next.Start)
			require.Greater(t, next.End, next.Start)
		}
	})
}

// brisk is a calendar with switches that intervals straddle, half an hour's
// change of clock, and short billing periods that come to an end.
func brisk(t testing.TB) *tariff.Calendar {
	return calendar(t, tariff.CalendarConfig{
		Location: zone(t, "Australia/Lord_Howe"),
		Energy:   twoPeriods,
		Demand: tariff.Schedule{Periods: []string{"x", "y"}, Profiles: []tariff.DayProfile{{Switches: []tariff.Switch{
			{At: 0, Period: "x"}, {At: 7*time.Hour + 7*time.Minute, Period: "y"},
		}}}},
		Billing: tariff.Cycle{Dates: []tariff.Date{
			{Year: 2026, Month: 4, Day: 4}, {Year: 2026, Month: 4, Day: 5}, {Year: 2026, Month: 4, Day: 6}, {Year: 2026, Month: 5, Day: 1}, {Year: 2026, Month: 5, Day: 3},
		}},
	})
}

// Any sequence of usages, whole or killed and restored at every step, gives the
// same statements; nothing of it is lost and every given one is counted.
func FuzzLedger(f *testing.F) {
	c := brisk(f)
	f.Add(byte(0), []byte{0, 4, 1, 0, 0, 4, 2, 0, 0, 4, 3, 0})
	f.Add(byte(3), []byte{0, 4, 1, 0, 250, 4, 2, 1, 200, 4, 3, 2, 0, 4, 9, 8, 127, 4, 4, 16})
	f.Add(byte(2), []byte{127, 4, 1, 4, 127, 120, 0, 4, 127, 4, 1, 1, 127, 4, 1, 1, 127, 4, 1, 1, 0, 0, 0, 32})
	f.Fuzz(func(t *testing.T, revisable byte, data []byte) {
		if len(data) > 4*200 {
			return
		}
		n := int(revisable % 5)
		cfg := tariff.LedgerConfig{Calendar: c, Revisable: n}
		whole, killed := ledgerOf(t, cfg), ledgerOf(t, cfg)
		var want, got []tariff.Statement
		start := at("2026-04-04T12:00:00Z")
		given := uint64(0)
		var state []byte
		for b := tape(data); len(b) > 0; {
			start = start.Add(5 * time.Minute * time.Duration(b.signed()))
			length := 5 * time.Minute * time.Duration(b.next())
			u := tariff.Usage{Start: start, End: start.Add(length)}
			u.Active.Import = aggregate.WattHours(int64(b.next()))
			switch facts := b.next(); {
			case facts&1 != 0:
				u.Active.Coverage.Good, u.Demand = length, true
			case facts&2 != 0:
				u.Active.Export, u.Active.Import = u.Active.Import, aggregate.Energy{}
				u.Active.Coverage.Uncertain, u.Demand = length, true
			case facts&4 != 0:
				u.Active.Import = aggregate.Energy{}
				u.Active.Coverage.Missing = length
			case facts&8 != 0:
				u.Active.Coverage = aggregate.Coverage{Good: length / 3, Missing: length - length/3}
			case facts&16 != 0:
				u.Reactive.Export, u.Reactive.Coverage.Good = aggregate.VarHours(int64(facts)), length
			case facts&32 != 0:
				want, got = whole.Advance(want, start), killed.Advance(got, start)
				continue
			}
			given++
			want, got = whole.Add(want, u), killed.Add(got, u)
			state, _ = killed.AppendBinary(state[:0])
			killed = ledgerOf(t, cfg)
			require.NoError(t, killed.UnmarshalBinary(state))
			start = start.Add(length)
		}
		require.Equal(t, want, got)
		require.Equal(t, whole.Present(), killed.Present())
		counts := whole.Counts()
		require.Equal(t, counts, killed.Counts())
		require.Equal(t, given, counts.Booked+counts.Revised+counts.Late+counts.Invalid+counts.Outside)
		for i := range want {
			s := &want[i]
			total, demand := s.EnergyTotal(), s.DemandTotal()
			require.Equal(t, total.Active.Coverage.Span(), total.Reactive.Coverage.Span())
			require.Equal(t, total.Active.Coverage.Span(), demand.Known+demand.Missing)
			if i > 0 {
				require.Equal(t, want[i-1].End, s.Start)
				if total.Straddling == 0 && want[i-1].Through == s.Start && s.Through == s.End {
					require.Equal(t, s.Duration(), total.Active.Coverage.Span())
				}
			}
		}
	})
}

// Hostile bytes give an error or a meter that saves them again. The bytes are a
// state with edits, three bytes each, which leaves little for the fuzzer to carry
// along.
func FuzzState(f *testing.F) {
	cfg := tariff.LedgerConfig{Calendar: brisk(f), Revisable: 2}
	m := ledgerOf(f, cfg)
	empty := m.Present()
	var states [][]byte
	for i := range 100 {
		m.Add(nil, used(at("2026-04-04T12:00:00Z").Add(quarter*time.Duration(i)), int64(i)))
		if i%25 == 0 {
			state, _ := m.MarshalBinary()
			states = append(states, state)
		}
	}
	f.Add(byte(0), uint16(0), []byte{})
	f.Add(byte(1), uint16(4), []byte{0, 0, 2})
	f.Add(byte(2), uint16(0), []byte{0, 60, 1, 0, 90, 255})
	f.Fuzz(func(t *testing.T, which byte, cut uint16, edits []byte) {
		state := append([]byte(nil), states[int(which)%len(states)]...)
		for ; len(edits) >= 3; edits = edits[3:] {
			state[int(binary.BigEndian.Uint16(edits))%len(state)] ^= edits[2]
		}
		state = state[:len(state)-int(cut)%len(state)]
		_ = ledgerOf(t, cfg).UnmarshalBinary(state)
		if len(state) < 4 { // and with a checksum that is right
			return
		}
		end := len(state) - 4
		state = binary.BigEndian.AppendUint32(state[:end], crc32.ChecksumIEEE(state[:end]))
		m := ledgerOf(t, cfg)
		if err := m.UnmarshalBinary(state); err != nil {
			require.ErrorIs(t, err, tariff.ErrState)
			require.Equal(t, empty, m.Present())
			return
		}
		again, err := m.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, state, again)
		statements := m.Advance(nil, at("2026-05-02T00:00:00Z"))
		statements = m.Advance(statements, at("2026-06-02T00:00:00Z"))
		require.LessOrEqual(t, len(statements), 4)
	})
}
