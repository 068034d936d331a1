package tariff_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/tariff"
)

func busy(t testing.TB) *tariff.Calendar {
	return calendar(t, tariff.CalendarConfig{
		Location: zone(t, "Europe/Berlin"),
		DayTypes: []tariff.DayType{{Name: "work", On: tariff.MondayToFriday}, {Name: "free", On: tariff.Weekend}},
		Holidays: []tariff.Holiday{{DayType: "free", On: tariff.Easter(1)}, {DayType: "free", On: tariff.Fixed(time.May, 1)}},
		Energy: tariff.Schedule{Periods: []string{"high", "low"}, Profiles: []tariff.DayProfile{
			{DayTypes: []string{"work"}, Switches: twoPeriods.Profiles[0].Switches},
			{DayTypes: []string{"free"}, Switches: []tariff.Switch{{At: 0, Period: "low"}}},
		}},
	})
}

// A year without an allocation, each interval, switch and billing period of it.
func TestAllocs(t *testing.T) {
	c := busy(t)
	for _, revisable := range []int{0, 10} {
		m := ledgerOf(t, tariff.LedgerConfig{Calendar: c, Revisable: revisable})
		dst := make([]tariff.Statement, 0, 4)
		state := make([]byte, 0, 1<<14)
		start := at("2026-01-01T00:00:00Z")
		iv := aggregate.Interval{}
		assert.Zero(t, testing.AllocsPerRun(35040, func() {
			dst = m.Add(dst[:0], used(start, 1))
			start = start.Add(quarter)
			iv.Start, iv.End = start, start.Add(quarter)
			dst = m.Observe(dst[:0], &iv)
			start = start.Add(quarter)
		}))
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			start = start.Add(30 * time.Hour)
			dst = m.Advance(dst[:0], start)
			state, _ = m.AppendBinary(state[:0])
			_ = m.UnmarshalBinary(state)
			s := m.Present()
			_ = s.EnergyTotal()
		}))
	}
	i := at("2026-03-29T00:59:00Z")
	label := make([]byte, 0, 64)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = c.At(i)
		_ = c.Day(i)
		_ = c.Month(i)
		_ = c.BillingPeriod(i)
		label = c.AppendLabel(label[:0], i)
		i = c.Next(i)
	}))
}

func BenchmarkLedger(b *testing.B) {
	m := ledgerOf(b, tariff.LedgerConfig{Calendar: busy(b)})
	dst := make([]tariff.Statement, 0, 4)
	first := at("2026-01-01T00:00:00Z")
	u := used(first, 1)
	b.ReportAllocs()
	for b.Loop() {
		dst = m.Add(dst[:0], u)
		u.Start, u.End = u.End, u.End.Add(quarter)
		if u.End >= at2200 {
			b.StopTimer()
			m = ledgerOf(b, tariff.LedgerConfig{Calendar: busy(b)})
			u.Start, u.End = first, first.Add(quarter)
			b.StartTimer()
		}
	}
}

const at2200 = acquire.Instant(7258118400 * 1e9)

func BenchmarkAt(b *testing.B) {
	c := busy(b)
	i := at("2026-01-01T00:00:00Z")
	b.ReportAllocs()
	for b.Loop() {
		_ = c.At(i)
		i = i.Add(time.Hour)
		if i > at2200 {
			i = at("2026-01-01T00:00:00Z")
		}
	}
}

func BenchmarkBillingPeriod(b *testing.B) {
	c := busy(b)
	i := at("2026-03-29T12:00:00Z")
	b.ReportAllocs()
	for b.Loop() {
		_ = c.BillingPeriod(i)
	}
}
