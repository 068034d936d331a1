package tariff_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests are those of the Go release, not of the machine

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate/tariff"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

func calendar(t testing.TB, cfg tariff.CalendarConfig) *tariff.Calendar {
	t.Helper()
	c, err := tariff.NewCalendar(cfg)
	require.NoError(t, err)
	return c
}

// at reads an instant, which is 0 for a text that is none.
func at(text string) acquire.Instant {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0
	}
	return acquire.At(t)
}

// strange lists zones with unusual offsets and changes, and a year of each.
var strange = []struct {
	zone string
	year int
}{
	{"UTC", 2026},
	{"Europe/Berlin", 2026},
	{"America/New_York", 2024},
	{"Australia/Lord_Howe", 2026},  // shifts by half an hour
	{"Asia/Kathmandu", 2026},       // +05:45
	{"Asia/Kathmandu", 1986},       // +05:30 becomes +05:45
	{"America/St_Johns", 2010},     // changes at 00:01
	{"America/St_Johns", 1988},     // shifts by two hours
	{"America/Sao_Paulo", 2018},    // changes at midnight
	{"Asia/Beirut", 2022},          // skips midnight
	{"Africa/Casablanca", 2025},    // changes four times a year around Ramadan
	{"Africa/Monrovia", 1972},      // offset in seconds until 7 January
	{"Pacific/Apia", 2011},         // skips 30 December
	{"America/Havana", 2024},       // shows 00:00 to 01:00 twice
	{"America/Scoresbysund", 2024}, // changes its base
	{"Antarctica/Troll", 2026},     // shifts by two hours
	{"Atlantic/Azores", 2026},      // skips midnight in spring, shows it twice in autumn
	{"America/Nuuk", 2024},         // changes in the evening before, without effect in 2023
	{"Pacific/Kwajalein", 1993},    // skips 21 August
	{"Europe/Dublin", 2026},        // summer is the standard time of its rules
	{"Europe/Berlin", 2040},        // beyond the tables, a leap year
	{"Australia/Lord_Howe", 2104},  // the same, where the year ends in summer
	{"America/New_York", 2255},
}

// random returns a calendar with arbitrary seasons, day types, holidays and
// switches.
func random(r *rand.Rand, loc *time.Location) tariff.CalendarConfig {
	cfg := tariff.CalendarConfig{Location: loc}
	if r.IntN(4) > 0 {
		// Cut the year at some days; stretches share a few names.
		n := 1 + r.IntN(4)
		var starts []time.Time
		for range n {
			starts = append(starts, time.Date(2000, 1, 1+r.IntN(366), 0, 0, 0, 0, time.UTC))
		}
		slices.SortFunc(starts, time.Time.Compare)
		starts = slices.Compact(starts)
		for i, s := range starts {
			last := starts[(i+1)%len(starts)]
			if i == len(starts)-1 {
				last = last.AddDate(1, 0, 0)
			}
			last = last.AddDate(0, 0, -1)
			if len(starts) == 1 { // the day before, in a leap year
				last = s.AddDate(0, 0, -1)
			}
			if last.Year() != 2000 {
				last = time.Date(2000, 12, 31, 0, 0, 0, 0, time.UTC)
				if starts[0].YearDay() > 1 {
					last = starts[0].AddDate(0, 0, -1)
				}
			}
			cfg.Seasons = append(cfg.Seasons, tariff.Season{
				Name: string(rune('a' + i%3)),
				From: tariff.MonthDay{Month: s.Month(), Day: s.Day()},
				To:   tariff.MonthDay{Month: last.Month(), Day: last.Day()},
			})
		}
	}
	if r.IntN(4) > 0 {
		var work tariff.Weekdays
		for d := time.Sunday; d <= time.Saturday; d++ {
			if r.IntN(2) == 0 {
				work |= tariff.On(d)
			}
		}
		cfg.DayTypes = []tariff.DayType{{Name: "work", On: work}, {Name: "free", On: tariff.EveryDay &^ work}, {Name: "holiday"}}
		rules := []tariff.Rule{
			tariff.Fixed(time.Month(1+r.IntN(12)), 1+r.IntN(28)),
			tariff.Nth(1+r.IntN(5), time.Weekday(r.IntN(7)), time.Month(1+r.IntN(12))),
			tariff.Nth(-1-r.IntN(5), time.Weekday(r.IntN(7)), time.Month(1+r.IntN(12))),
			tariff.Easter(r.IntN(60) - 10),
		}
		for i, rule := range rules {
			cfg.Holidays = append(cfg.Holidays, tariff.Holiday{Name: fmt.Sprint(i), DayType: "holiday", On: rule})
		}
	}
	schedule := func() tariff.Schedule {
		s := tariff.Schedule{Periods: []string{"p", "q", "r"}}
		profile := func(all bool) []tariff.Switch {
			sw := []tariff.Switch{{At: 0, Period: s.Periods[r.IntN(3)]}}
			if all {
				sw = []tariff.Switch{{At: 0, Period: "p"}, {At: time.Minute, Period: "q"}, {At: 2 * time.Minute, Period: "r"}}
			}
			last := 2
			for range r.IntN(6) {
				last += 1 + r.IntN(400)
				if last >= 1440 {
					break
				}
				sw = append(sw, tariff.Switch{At: time.Duration(last) * time.Minute, Period: s.Periods[r.IntN(3)]})
			}
			return sw
		}
		seasons := map[string]bool{}
		for _, season := range cfg.Seasons {
			seasons[season.Name] = true
		}
		first := true
		add := func(p tariff.DayProfile) {
			p.Switches = profile(first)
			first = false
			s.Profiles = append(s.Profiles, p)
		}
		for _, name := range []string{"a", "b", "c"} {
			if len(cfg.Seasons) > 0 && !seasons[name] {
				continue
			}
			p := tariff.DayProfile{Seasons: []string{name}}
			if len(cfg.Seasons) == 0 {
				p.Seasons = nil
			}
			if len(cfg.DayTypes) == 0 {
				add(p)
			} else {
				p.DayTypes = []string{"work"}
				add(p)
				p.DayTypes = []string{"free", "holiday"}
				add(p)
			}
			if len(cfg.Seasons) == 0 {
				break
			}
		}
		return s
	}
	cfg.Energy = schedule()
	if r.IntN(2) == 0 {
		cfg.Demand = schedule()
	}
	return cfg
}

// shown is the twin of Calendar.At: it looks at the clock on the wall and
// searches the configuration for what holds then.
func shown(cfg tariff.CalendarConfig, free map[tariff.Date]bool, t time.Time) (season, dayType, energy, demand string) {
	local := t.In(cfg.Location)
	y, m, d := local.Date()
	key := func(md tariff.MonthDay) int { return int(md.Month)*100 + md.Day }
	today := key(tariff.MonthDay{Month: m, Day: d})
	for _, s := range cfg.Seasons {
		from, to := key(s.From), key(s.To)
		if from <= to && today >= from && today <= to || from > to && (today >= from || today <= to) {
			season = s.Name
		}
	}
	for _, dt := range cfg.DayTypes {
		if dt.On&tariff.On(local.Weekday()) != 0 {
			dayType = dt.Name
		}
	}
	if free[tariff.Date{Year: y, Month: m, Day: d}] {
		dayType = "holiday"
	}
	h, mi, s := local.Clock()
	since := time.Duration(h)*time.Hour + time.Duration(mi)*time.Minute + time.Duration(s)*time.Second
	find := func(s tariff.Schedule) (period string) {
		for _, p := range s.Profiles {
			if len(p.Seasons) > 0 && !slices.Contains(p.Seasons, season) || len(p.DayTypes) > 0 && !slices.Contains(p.DayTypes, dayType) {
				continue
			}
			for _, sw := range p.Switches {
				if sw.At <= since {
					period = sw.Period
				}
			}
		}
		return period
	}
	energy = find(cfg.Energy)
	demand = energy
	if cfg.Demand.Periods != nil {
		demand = find(cfg.Demand)
	}
	return season, dayType, energy, demand
}

// holidaysOf applies the rules to a year by trying each day.
func holidaysOf(cfg tariff.CalendarConfig, year int) map[tariff.Date]bool {
	free := map[tariff.Date]bool{}
	for y := year - 1; y <= year+1; y++ {
		for day := time.Date(y, 1, 1, 12, 0, 0, 0, time.UTC); day.Year() == y; day = day.AddDate(0, 0, 1) {
			for _, h := range cfg.Holidays {
				if tariff.Falls(h.On, day) {
					free[tariff.Date{Year: y, Month: day.Month(), Day: day.Day()}] = true
				}
			}
		}
	}
	return free
}

func TestMinutesEqualTheClockOnTheWall(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 14))
	for _, place := range strange {
		t.Run(fmt.Sprint(place.zone, " ", place.year), func(t *testing.T) {
			cfg := random(r, zone(t, place.zone))
			c := calendar(t, cfg)
			free := holidaysOf(cfg, place.year)
			energy, demand := c.EnergyPeriods(), c.DemandPeriods()
			begin := time.Date(place.year-1, 12, 30, 0, 0, 0, 0, time.UTC)
			if begin.Before(tariff.Earliest.Time()) {
				begin = tariff.Earliest.Time()
			}
			end := time.Date(place.year+1, 1, 3, 0, 0, 0, 0, time.UTC)
			seg := c.At(acquire.At(begin))
			// Each minute of days around a change of the clock and of some others, else
			// one in 37, which comes by each minute of the hour.
			step := time.Minute
			for now := begin; now.Before(end); now = now.Add(step) {
				i := acquire.At(now)
				if now.Hour() == 0 && now.Minute() < 37 {
					step = 37 * time.Minute
					_, before := now.In(cfg.Location).Add(-36 * time.Hour).Zone()
					_, after := now.In(cfg.Location).Add(36 * time.Hour).Zone()
					if before != after || r.IntN(30) == 0 {
						step = time.Minute
					}
				}
				for !seg.Contains(i) {
					require.LessOrEqual(t, seg.End, i)
					before := seg
					next := c.At(seg.End)
					require.Equal(t, seg.End, next.Start, "segments adjoin")
					seg = next
					// A boundary is one: something changes there, or the date, or the clock.
					a, b := c.Local(before.End-1), c.Local(seg.Start)
					_, offsetBefore := a.Zone()
					_, offset := b.Zone()
					require.True(t, before.Energy != seg.Energy || before.Demand != seg.Demand || a.Day() != b.Day() || offsetBefore != offset, "%v", b)
				}
				if c.At(i) != seg {
					require.Equal(t, seg, c.At(i), "%v", now)
				}
				season, dayType, e, d := shown(cfg, free, now)
				if season != seg.Season || dayType != seg.DayType || e != energy[seg.Energy] || d != demand[seg.Demand] {
					require.Equal(t, []string{season, dayType, e, d},
						[]string{seg.Season, seg.DayType, energy[seg.Energy], demand[seg.Demand]}, "at %v", now.In(cfg.Location))
				}
			}
		})
	}
}

// Days of a year in every zone: each begins when the clock shows its date for
// good, they adjoin, and months are made of them.
func TestDaysAdjoin(t *testing.T) {
	for _, place := range strange {
		t.Run(fmt.Sprint(place.zone, " ", place.year), func(t *testing.T) {
			c := calendar(t, tariff.CalendarConfig{Location: zone(t, place.zone)})
			day := c.Day(acquire.At(time.Date(place.year, 1, 1, 12, 0, 0, 0, c.Location())))
			for c.Local(day.Start).Year() == place.year {
				require.Equal(t, day, c.Day(day.Start), "first instant")
				require.Equal(t, day, c.Day(day.End-1), "last instant")
				date := c.Local(day.End - 1).Format(time.DateOnly)
				first, before := c.Local(day.Start), c.Local(day.Start-1)
				require.Equal(t, date, first.Format(time.DateOnly))
				require.Less(t, before.Format(time.DateOnly), date)
				month := c.Month(day.Start)
				require.True(t, month.Contains(day.Start) && month.Contains(day.End-1))
				require.Equal(t, first.Month(), c.Local(month.End-1).Month())
				require.Equal(t, c.BillingPeriod(day.Start), month)
				// The date is never shown earlier again: look for two days.
				for m := range 2 * 24 {
					if shown := c.Local(day.Start.Add(time.Duration(m) * time.Hour / 2)).Format(time.DateOnly); shown < date {
						require.GreaterOrEqual(t, shown, date)
					}
				}
				next := c.Day(day.End)
				require.Equal(t, day.End, next.Start)
				day = next
			}
			assert.Equal(t, place.year+1, c.Local(day.Start).Year())
		})
	}
}
