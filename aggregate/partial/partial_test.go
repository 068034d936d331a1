package partial_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/partial"
	"github.com/fieldtap/fieldtap/units"
)

// newYear is 2026-01-01T00:00:00Z.
const newYear = acquire.Instant(1767225600_000000000)

const (
	day   = acquire.Instant(24 * time.Hour)
	count = 365
)

var plans = map[string]aggregate.Series{
	"power":     {Unit: units.Kilowatt, MaxGap: 2 * time.Hour},
	"trapezoid": {Unit: units.Kilowatt, Rule: aggregate.Trapezoid, MaxGap: 2 * time.Hour},
	"register":  {Unit: units.KilowattHour, MaxGap: 2 * time.Hour, Registers: aggregate.Registers{Modulus: 100_000, MaxPower: 1e9}},
}

func planOf(t testing.TB, s aggregate.Series) *aggregate.Plan {
	t.Helper()
	p, err := aggregate.NewPlan(s)
	require.NoError(t, err)
	return p
}

// sample is a value at a time.
type sample struct {
	at      acquire.Instant
	v       float64
	quality acquire.Quality
}

// year gives the samples of some days, with days off, late samples, bad ones and
// registers that pass their modulus.
func year(random *rand.Rand, days int) (all []sample) {
	now, register := newYear+acquire.Instant(random.Int64N(int64(day))), float64(99_000)
	for now < newYear+acquire.Instant(days)*day {
		register += float64(random.IntN(40))
		if register >= 100_000 {
			register -= 100_000
		}
		s := sample{now, register, acquire.Good}
		switch random.IntN(25) {
		case 0:
			s.quality = acquire.Bad
		case 1:
			s.quality = acquire.Uncertain
		case 2:
			s.at -= acquire.Instant(random.Int64N(int64(3 * time.Hour))) // late
		case 3:
			if random.IntN(30) == 0 {
				now += 3 * day
			}
		case 4:
			s.at = []acquire.Instant{0, -5, 1<<63 - 1}[random.IntN(3)] // of no time
		}
		all = append(all, s)
		step := int64(40 * time.Minute)
		if random.IntN(3) == 0 {
			step = int64(day) - int64(now%acquire.Instant(day)) // midnight sharp
			if step > int64(2*time.Hour) {
				step = int64(time.Hour)
			}
		}
		now += acquire.Instant(1 + random.Int64N(step))
		if random.IntN(3) == 0 {
			now -= now % acquire.Instant(15*time.Minute)
		}
	}
	return all
}

// parts records samples and returns the parts as the file gives them back.
func parts(t testing.TB, plan *aggregate.Plan, length time.Duration, samples []sample) (file []byte, all []partial.Part) {
	t.Helper()
	var out bytes.Buffer
	w, err := partial.NewWriter(&out)
	require.NoError(t, err)
	r, err := partial.NewRecorder(w, partial.RecorderConfig{Series: "main", Plan: plan, Length: length})
	require.NoError(t, err)
	for _, s := range samples {
		require.NoError(t, r.Push(s.at, s.v, s.quality))
	}
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	require.ErrorIs(t, r.Push(1, 1, acquire.Good), partial.ErrClosed)
	require.Zero(t, r.Late())
	require.NoError(t, w.Close())
	return out.Bytes(), readParts(t, out.Bytes())
}

func readParts(t testing.TB, file []byte) (all []partial.Part) {
	t.Helper()
	r, err := partial.NewReader(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			require.Empty(t, r.Faulty())
			return all
		}
		require.NoError(t, err)
		require.NotNil(t, record.Part)
		all = append(all, *record.Part)
	}
}

// merge merges parts in a random order of adding.
func merge(t testing.TB, plan *aggregate.Plan, random *rand.Rand, all []partial.Part) (*partial.Set, *aggregate.Meter, []aggregate.Period) {
	t.Helper()
	set, err := partial.NewSet("main", plan)
	require.NoError(t, err)
	for _, i := range random.Perm(len(all)) {
		require.NoError(t, set.Add(all[i]))
	}
	m, err := aggregate.NewMeter(plan)
	require.NoError(t, err)
	periods, err := set.Merge(nil, m)
	require.NoError(t, err)
	return set, m, periods
}

// A year from its days, shuffled, is what one pass over its samples gives, bit for bit.
func TestYearFromDaysInAnyOrder(t *testing.T) {
	for name, series := range plans {
		t.Run(name, func(t *testing.T) {
			plan := planOf(t, series)
			for seed := range uint64(8) {
				random := rand.New(rand.NewPCG(seed, 9))
				days := count
				if seed > 0 {
					days = 20
				}
				samples := year(random, days)
				one, err := aggregate.NewMeter(plan)
				require.NoError(t, err)
				var want []aggregate.Period
				for _, s := range samples {
					want = one.Push(want, s.at, s.v, s.quality)
				}
				for _, length := range []time.Duration{24 * time.Hour, 7 * time.Hour} {
					_, all := parts(t, plan, length, samples)
					require.Greater(t, len(all), days/2)
					set, m, got := merge(t, plan, random, all)
					require.Empty(t, set.Faults(0, 0))
					require.True(t, slices.Equal(want, got))
					require.Equal(t, one.Totals(), m.Totals())
					wantState, err := one.MarshalBinary()
					require.NoError(t, err)
					state, err := m.MarshalBinary()
					require.NoError(t, err)
					require.True(t, bytes.Equal(wantState, state))
				}
			}
		})
	}
}

// dayParts gives a part for each of some days of power.
func dayParts(t testing.TB, days int) (*aggregate.Plan, []partial.Part) {
	t.Helper()
	plan := planOf(t, plans["power"])
	var samples []sample
	for at := newYear; at < newYear+acquire.Instant(days)*day; at += acquire.Instant(time.Hour) {
		samples = append(samples, sample{at, 1, acquire.Good})
	}
	_, all := parts(t, plan, 0, samples)
	require.Len(t, all, days)
	return plan, all
}

func TestFaultsAreNamed(t *testing.T) {
	plan, all := dayParts(t, 10)
	at := func(d float64) acquire.Instant { return newYear + acquire.Instant(d*float64(day)) }
	add := func(list ...partial.Part) *partial.Set {
		set, err := partial.NewSet("main", plan)
		require.NoError(t, err)
		for _, p := range list {
			require.NoError(t, set.Add(p))
		}
		return set
	}
	said := func(faults []*partial.Fault) (all []string) {
		for _, f := range faults {
			all = append(all, fmt.Sprintf("%s %v-%v", f.Problem, f.From.Sub(newYear).Hours()/24, f.To.Sub(newYear).Hours()/24))
		}
		return all
	}
	set := add(all[7], all[2], all[8], all[2], all[4])
	assert.Equal(t, []string{"missing 3-4", "missing 5-7", "duplicate 2-3"}, said(set.Faults(0, 0)))
	assert.Equal(t, []string{"missing 1-2", "missing 3-4", "missing 5-7", "missing 9-12", "duplicate 2-3"}, said(set.Faults(at(1), at(12))))
	assert.Equal(t, 4, set.Len())
	m, err := aggregate.NewMeter(plan)
	require.NoError(t, err)
	periods, err := set.Merge(nil, m)
	require.NoError(t, err, "what is missing is left out")
	// Three stretches of full days: the last value of each is held for MaxGap at most.
	good := time.Duration(0)
	for _, p := range m.Flush(periods) {
		good += p.Coverage.Good
	}
	assert.Greater(t, good, 4*24*time.Hour-4*time.Hour)
	assert.LessOrEqual(t, good, 4*24*time.Hour+3*2*time.Hour)

	// Two parts of one stretch that differ.
	shard, err := aggregate.NewShard(plan)
	require.NoError(t, err)
	shard.Push(at(2.5), 5, acquire.Good)
	other, err := partial.NewPart("main", at(2.25), at(2.75), shard)
	require.NoError(t, err)
	set = add(all[2], all[3], other, all[1])
	assert.Equal(t, []string{"overlapping 2.25-2.75"}, said(set.Faults(0, 0)))
	m, err = aggregate.NewMeter(plan)
	require.NoError(t, err)
	before, err := m.MarshalBinary()
	require.NoError(t, err)
	_, err = set.Merge(nil, m)
	var fault *partial.Fault
	require.ErrorAs(t, err, &fault)
	assert.Equal(t, partial.Overlapping, fault.Problem)
	assert.EqualError(t, fault, "partial: main from 2026-01-03T06:00:00Z to 2026-01-03T18:00:00Z: overlapping")
	after, err := m.MarshalBinary()
	require.NoError(t, err)
	assert.Equal(t, before, after)

	// None at all.
	empty := add()
	assert.Empty(t, empty.Faults(0, 0))
	assert.Equal(t, []string{"missing 0-1"}, said(empty.Faults(at(0), at(1))))
}

func TestPartsOfOthersAreRefused(t *testing.T) {
	plan, all := dayParts(t, 1)
	set, err := partial.NewSet("main", planOf(t, plans["trapezoid"]))
	require.NoError(t, err)
	require.ErrorIs(t, set.Add(all[0]), aggregate.ErrOtherConfiguration)
	set, err = partial.NewSet("other", plan)
	require.NoError(t, err)
	require.ErrorContains(t, set.Add(all[0]), "is not of other")
	set, err = partial.NewSet("main", plan)
	require.NoError(t, err)
	for name, change := range map[string]func(p *partial.Part){
		"state":   func(p *partial.Part) { p.State = p.State[1:] },
		"first":   func(p *partial.Part) { p.First++ },
		"no time": func(p *partial.Part) { p.First, p.Last = 0, 0 },
		"from":    func(p *partial.Part) { p.From = p.First + 1 },
		"to":      func(p *partial.Part) { p.To = p.Last },
		"empty":   func(p *partial.Part) { p.To = p.From },
		"name":    func(p *partial.Part) { p.Series = "" },
	} {
		p := all[0]
		change(&p)
		require.Error(t, set.Add(p), name)
	}
	require.Zero(t, set.Len())

	shard, err := aggregate.NewShard(plan)
	require.NoError(t, err)
	shard.Push(newYear, 1, acquire.Good)
	_, err = partial.NewPart("main", newYear+1, newYear+day, shard)
	require.ErrorContains(t, err, "are not within")
	_, err = partial.NewSet("main", planOf(t, aggregate.Series{Unit: units.Watt, Sync: aggregate.Sync{By: aggregate.FreeRunning}}))
	require.Error(t, err)
	_, err = partial.NewRecorder(nil, partial.RecorderConfig{Length: 5})
	require.EqualError(t, err, "partial: nothing to write to\npartial: Series is missing\npartial: Length 5ns is not within 1 s and 24h0m0s\npartial: Plan is missing")
}

// A file that is cut anywhere gives back every part that was flushed, and what is
// missing is named.
func TestCutFile(t *testing.T) {
	plan, _ := dayParts(t, 1)
	var samples []sample
	for at := newYear; at < newYear+20*day; at += acquire.Instant(time.Hour) {
		samples = append(samples, sample{at, 1, acquire.Good})
	}
	file, all := parts(t, plan, 0, samples)
	most := 0
	for n := 8; n < len(file); n += 997 {
		got := readParts(t, file[:n])
		require.GreaterOrEqual(t, len(got), most)
		require.True(t, len(got) == 0 || assert.ObjectsAreEqual(all[:len(got)], got))
		most = len(got)
		set, err := partial.NewSet("main", plan)
		require.NoError(t, err)
		for _, p := range got {
			require.NoError(t, set.Add(p))
		}
		missing := 0
		for _, f := range set.Faults(newYear, all[19].To) {
			require.Equal(t, partial.Missing, f.Problem)
			missing += int((f.To-f.From)/day) + 1
		}
		require.Equal(t, most < 20, missing > 0)
	}
	require.Equal(t, 20, most)
}

// Intervals come back as they were, among parts, and as lines of JSON.
func TestIntervalsReadBack(t *testing.T) {
	plan := planOf(t, plans["register"])
	m, err := aggregate.NewMeter(plan)
	require.NoError(t, err)
	var periods []aggregate.Period
	for _, s := range year(rand.New(rand.NewPCG(4, 4)), 30) {
		periods = m.Push(periods, s.at, s.v, s.quality)
	}
	_, all := dayParts(t, 2)
	var out bytes.Buffer
	w, err := partial.NewWriter(&out)
	require.NoError(t, err)
	var want []partial.Record
	for i := range periods {
		if i%1000 == 0 {
			p := all[i/1000%2]
			require.NoError(t, w.Part(p))
			want = append(want, partial.Record{Part: &p})
		}
		iv := periods[i].Interval("main <1>")
		require.NoError(t, w.Interval(iv))
		want = append(want, partial.Record{Interval: &iv})
	}
	require.Error(t, w.Part(partial.Part{}))
	require.Error(t, w.Interval(aggregate.Interval{Meter: "\xff"}))
	require.NoError(t, w.Close())

	r, err := partial.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	require.NoError(t, err)
	for i := range want {
		got, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, want[i], got)
	}
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
	report := r.Report()
	require.True(t, report.Clean(), report)

	r, err = partial.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	require.NoError(t, err)
	var lines bytes.Buffer
	require.NoError(t, partial.Dump(&lines, r))
	for i, line := range bytes.Split(bytes.TrimSpace(lines.Bytes()), []byte("\n")) {
		var got partial.Record
		if want[i].Part != nil {
			got.Part = new(partial.Part)
			require.NoError(t, json.Unmarshal(line, got.Part))
		} else {
			got.Interval = new(aggregate.Interval)
			require.NoError(t, json.Unmarshal(line, got.Interval))
		}
		require.Equal(t, want[i], got)
	}
}

// Records that are none are named, and cost none of the others.
func TestFaultyRecords(t *testing.T) {
	_, all := dayParts(t, 1)
	text, err := json.Marshal(all[0])
	require.NoError(t, err)
	var out bytes.Buffer
	w, err := capture.NewMessageWriter(&out,
		capture.Topic{Name: "/partials", Encoding: "json", Schema: "x"},
		capture.Topic{Name: "/intervals", Encoding: "json", Schema: "x"},
		capture.Topic{Name: "/weather", Encoding: "json", Schema: "x"})
	require.NoError(t, err)
	require.NoError(t, w.Write(0, 1, 1, []byte(`{"series":"main"}`)))
	require.NoError(t, w.Write(2, 1, 1, []byte(`sunny`)))
	require.NoError(t, w.Write(1, 1, 1, []byte(`{}`)))
	require.NoError(t, w.Write(0, 1, 1, append(text, '{')))
	require.NoError(t, w.Write(0, 1, 1, text))
	require.NoError(t, w.Close())
	r, err := partial.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	require.NoError(t, err)
	got, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, &all[0], got.Part)
	require.Len(t, r.Faulty(), 3)
	require.Equal(t, uint64(1), r.Report().Foreign)
	_, err = partial.Record{}.MarshalJSON()
	require.Error(t, err)
}

func FuzzRecords(f *testing.F) {
	plan, all := dayParts(f, 1)
	text, err := json.Marshal(all[0])
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"series":"a","from":1,"to":2,"first":0,"last":0,"state":""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p partial.Part
		if json.Unmarshal(text, &p) != nil {
			return
		}
		own, err := json.Marshal(p)
		require.NoError(t, err)
		var again partial.Part
		require.NoError(t, json.Unmarshal(own, &again))
		set, err := partial.NewSet(p.Series, plan)
		require.NoError(t, err)
		if set.Add(p) == nil {
			m, err := aggregate.NewMeter(plan)
			require.NoError(t, err)
			_, err = set.Merge(nil, m)
			require.NoError(t, err)
		}
	})
}
