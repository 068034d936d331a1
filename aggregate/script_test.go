package aggregate_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // days.txt must not depend on the machine

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts of testdata come to into their expect lines")

// TestScripts plays the scripts of testdata. Their form is in testdata/README.md.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			played := playScript(t, file, string(text))
			if *rewrite {
				require.NoError(t, os.WriteFile(file, []byte(played), 0o644))
				return
			}
			require.Equal(t, string(text), played, "go test -run TestScripts -rewrite accepts this")
		})
	}
}

// playScript returns text with the expect lines that come of its load lines. Those
// of a case stand behind its last load line.
func playScript(t *testing.T, file, text string) string {
	var out []string
	s := &scene{t: t}
	flush := func() {
		if !s.loaded {
			return
		}
		at := len(out)
		for at > 0 && !strings.HasPrefix(out[at-1], "load ") {
			at--
		}
		tail := append([]string(nil), out[at:]...)
		for _, line := range s.result() {
			out = append(out[:at], "expect "+line)
			at++
		}
		out = append(out[:at], tail...)
		s = &scene{t: t}
	}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		s.where = fmt.Sprintf("%s:%d", file, i+1)
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0][0] == '#':
			out = append(out, line)
		case words[0] == "case":
			flush()
			out = append(out, line)
		case words[0] == "load":
			s.loaded = true
			s.load(words[1:])
			out = append(out, line)
		case words[0] == "expect":
		default:
			t.Fatalf("%s: %q is neither case, load, expect nor comment", s.where, words[0])
		}
	}
	flush()
	return strings.Join(out, "\n") + "\n"
}

// scene is one case of a script.
type scene struct {
	t       *testing.T
	where   string
	loaded  bool
	zone    *time.Location
	day     time.Time
	totals  bool // show totals alone
	router  *aggregate.Router
	order   *aggregate.Reorder
	reviser *aggregate.Reviser // in place of router
	catalog *acquire.Catalog
	metered aggregate.Metering
	points  map[string]acquire.PointID
	all     []acquire.PointID
	stamp   acquire.Instant // Batch.Received
	lines   []string
	counted int
}

func (s *scene) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%s: %v", s.where, err)
	}
}

// fields splits key=value words.
func (s *scene) fields(words []string) map[string]string {
	m := map[string]string{}
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok {
			s.t.Fatalf("%s: %q is not key=value", s.where, w)
		}
		m[key] = value
	}
	return m
}

func (s *scene) number(text string) float64 {
	x, err := strconv.ParseFloat(text, 64)
	s.check(err)
	return x
}

func (s *scene) count(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	s.check(err)
	return n
}

func (s *scene) span(text string) time.Duration {
	d, err := time.ParseDuration(text)
	s.check(err)
	return d
}

func (s *scene) ratio(text string) aggregate.Ratio {
	num, den, ok := strings.Cut(text, "/")
	if !ok {
		den = "1"
	}
	return aggregate.Ratio{Num: s.count(num), Den: s.count(den)}
}

// time reads 08:15, 08:15:02.5, 24:00 and 2026-11-20T08:15, in the zone of the case.
func (s *scene) time(text string) acquire.Instant {
	day, clock := s.day, text
	if date, rest, ok := strings.Cut(text, "T"); ok {
		var err error
		day, err = time.ParseInLocation(time.DateOnly, date, s.zone)
		s.check(err)
		clock = rest
	}
	parts := strings.Split(clock, ":")
	if len(parts) < 2 || len(parts) > 3 {
		s.t.Fatalf("%s: %q is no time", s.where, text)
	}
	sec := 0.0
	if len(parts) == 3 {
		sec = s.number(parts[2])
	}
	at := time.Date(day.Year(), day.Month(), day.Day(), int(s.count(parts[0])), int(s.count(parts[1])), 0, 0, s.zone)
	return acquire.At(at.Add(time.Duration(sec * 1e9)))
}

func (s *scene) load(words []string) {
	if s.zone == nil {
		s.zone, s.day = time.UTC, time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	}
	switch words[0] {
	case "zone":
		var err error
		s.zone, err = time.LoadLocation(words[1])
		s.check(err)
		return
	case "date":
		var err error
		s.day, err = time.ParseInLocation(time.DateOnly, words[1], s.zone)
		s.check(err)
		return
	case "show":
		s.totals = words[1] == "totals"
		return
	case "meter":
		s.meter(s.fields(words[1:]))
		return
	}
	if s.router == nil {
		s.t.Fatalf("%s: no meter yet", s.where)
	}
	switch words[0] {
	case "reorder":
		s.reorder(s.fields(words[1:]))
		return
	case "revise":
		s.revise(s.fields(words[1:]))
		return
	case "received":
		s.stamp = 0
		if words[1] != "unknown" {
			s.stamp = s.time(words[1])
		}
		return
	case "flush":
		if s.order != nil {
			s.give(s.order.Flush())
		}
		if s.reviser != nil {
			s.put(s.reviser.Flush(nil))
		} else {
			s.put(s.router.Flush(nil))
		}
		return
	}
	from, to, series := strings.Cut(words[0], "..")
	if len(words) < 2 {
		s.t.Fatalf("%s: what at %s?", s.where, words[0])
	}
	if !series {
		s.event(s.time(from), words[1:])
		return
	}
	if words[1] != "every" || len(words) < 5 {
		s.t.Fatalf("%s: want FROM..TO every DURATION POINT VALUE [STEP]", s.where)
	}
	every, value, step := s.span(words[2]), s.number(words[4]), 0.0
	if len(words) > 5 {
		step = s.number(words[5])
	}
	n := 0
	for at := s.time(from); at <= s.time(to); at = at.Add(every) {
		s.sample(at, words[3], acquire.Float64(value+float64(n)*step), acquire.Good)
		n++
	}
}

// event is one thing at one time: a watermark, a swap or a sample.
func (s *scene) event(at acquire.Instant, words []string) {
	switch words[0] {
	case "watermark":
		s.observe(&acquire.Batch{Received: s.stamp, Watermark: at, Points: s.all})
		return
	case "swap":
		swap := aggregate.Swap{Point: s.point(words[1]), At: at}
		for key, value := range s.fields(words[2:]) {
			switch key {
			case "final":
				swap.Final = acquire.Float64(s.number(value))
			case "initial":
				swap.Initial = acquire.Float64(s.number(value))
			case "multiplier":
				swap.Multiplier = s.ratio(value)
			case "modulus":
				swap.Registers.Modulus = s.count(value)
			default:
				s.t.Fatalf("%s: a swap has no %q", s.where, key)
			}
		}
		to := s.router.Swap
		if s.reviser != nil {
			to = s.reviser.Swap
		}
		list, err := to(nil, swap)
		s.check(err)
		s.put(list)
		return
	}
	value, quality := acquire.Value{}, acquire.Bad
	rest := words[1:]
	if len(rest) > 0 && rest[0] != "bad" {
		value, quality = acquire.Float64(s.number(rest[0])), acquire.Good
		rest = rest[1:]
	}
	for _, w := range rest {
		switch w {
		case "bad":
			quality = acquire.Bad.Because(acquire.Communication)
		case "uncertain":
			quality = acquire.Uncertain
		case "restart":
			quality = quality.With(acquire.Discontinuity)
		default:
			s.t.Fatalf("%s: a sample is not %q", s.where, w)
		}
	}
	s.sample(at, words[0], value, quality)
}

func (s *scene) point(name string) acquire.PointID {
	id, ok := s.points[name]
	if !ok {
		s.t.Fatalf("%s: the meter has no %q", s.where, name)
	}
	return id
}

func (s *scene) sample(at acquire.Instant, point string, v acquire.Value, q acquire.Quality) {
	s.observe(&acquire.Batch{Received: s.stamp, Samples: []acquire.Sample{{Time: at, Point: s.point(point), Value: v, Quality: q}}})
}

func (s *scene) observe(b *acquire.Batch) {
	if s.order != nil {
		b = s.order.Observe(b)
	}
	s.give(b)
}

func (s *scene) give(b *acquire.Batch) {
	if s.reviser != nil {
		s.put(s.reviser.Observe(b))
	} else {
		s.put(s.router.Observe(b))
	}
}

func (s *scene) put(list []aggregate.Interval) {
	s.counted += len(list)
	for _, iv := range list {
		if !s.totals {
			s.lines = append(s.lines, iv.String())
		}
	}
}

// meter defines the meter m. Its points are P, Q, EI, EE, RI and RE.
func (s *scene) meter(fields map[string]string) {
	m := aggregate.Metering{Name: "m"}
	s.points = map[string]acquire.PointID{}
	catalog := acquire.NewCatalog()
	point := func(name string, to *string, unit string) {
		role := acquire.Counter
		if len(name) == 1 {
			role = acquire.Gauge
		}
		u := units.None
		if unit != "pulses" {
			var err error
			u, err = units.Parse(unit)
			s.check(err)
		}
		id, err := catalog.Define(acquire.Point{Name: name, Unit: u, Kind: acquire.KindFloat64, Role: role})
		s.check(err)
		*to, s.points[name], s.all = name, id, append(s.all, id)
	}
	for key, value := range fields {
		switch key {
		case "P":
			point(key, &m.Power, value)
		case "Q":
			point(key, &m.ReactivePower, value)
		case "EI":
			point(key, &m.Import, value)
		case "EE":
			point(key, &m.Export, value)
		case "RI":
			point(key, &m.ReactiveImport, value)
		case "RE":
			point(key, &m.ReactiveExport, value)
		case "rule":
			rules := map[string]aggregate.Rule{"hold-left": aggregate.HoldLeft, "trapezoid": aggregate.Trapezoid, "mean-over-past": aggregate.MeanOverPast}
			rule, ok := rules[value]
			if !ok {
				s.t.Fatalf("%s: no rule %q", s.where, value)
			}
			m.Rule = rule
		case "max-gap":
			m.MaxGap = s.span(value)
		case "hold":
			m.Hold = s.span(value)
		case "max-ahead":
			m.MaxAhead = s.span(value)
		case "interval":
			m.Demand.Interval = s.span(value)
		case "offset":
			m.Demand.Offset = s.span(value)
		case "multiplier":
			m.Multiplier = s.ratio(value)
		case "modulus":
			m.Registers.Modulus = s.count(value)
		case "digits":
			m.Registers.Modulus = aggregate.Digits(int(s.count(value)))
		case "bits":
			m.Registers.Modulus = aggregate.Bits(int(s.count(value)))
		case "resolution":
			m.Registers.Resolution = s.count(value)
		case "max-kW":
			m.Registers.MaxPower = 1000 * s.number(value)
		case "imp/kWh":
			m.Registers.Weight = aggregate.PulsesPerKilowattHour(s.count(value))
		case "on-reset":
			policies := map[string]aggregate.ResetPolicy{"credit-nothing": aggregate.CreditNothing, "credit-new": aggregate.CreditNew}
			policy, ok := policies[value]
			if !ok {
				s.t.Fatalf("%s: no policy %q", s.where, value)
			}
			m.Registers.OnReset = policy
		default:
			s.t.Fatalf("%s: a meter has no %q", s.where, key)
		}
	}
	var err error
	s.router, err = aggregate.NewRouter(catalog, m)
	s.check(err)
	s.catalog, s.metered = catalog, m
}

// revise puts a Reviser in place of the Router.
func (s *scene) revise(fields map[string]string) {
	var keep aggregate.Revisions
	for key, value := range fields {
		switch {
		case key == "intervals":
			keep.Intervals = int(s.count(value))
		case key == "samples":
			keep.Samples = int(s.count(value))
		case key == "same-time" && value == "last-wins":
			keep.Corrections = aggregate.LastWins
		default:
			s.t.Fatalf("%s: revisions have no %s=%s", s.where, key, value)
		}
	}
	var err error
	s.reviser, err = aggregate.NewReviser(s.catalog, keep, s.metered)
	s.check(err)
}

// reorder puts a Reorder before the meter.
func (s *scene) reorder(fields map[string]string) {
	c := aggregate.ReorderConfig{Points: s.all}
	for key, value := range fields {
		switch key {
		case "size":
			c.Size = int(s.count(value))
		case "lateness":
			c.Lateness = s.span(value)
		case "same-time":
			if value == "last-wins" {
				c.Corrections = aggregate.LastWins
			}
		default:
			s.t.Fatalf("%s: a reorder stage has no %q", s.where, key)
		}
	}
	var err error
	s.order, err = aggregate.NewReorder(c)
	s.check(err)
}

// result is what the case came to: its intervals, and its totals.
func (s *scene) result() []string {
	totals, _ := s.router.Totals("m")
	if s.reviser != nil {
		totals, _ = s.reviser.Totals("m")
	}
	lines := s.lines
	if s.totals {
		lines = append(lines, fmt.Sprintf("%d intervals", s.counted))
	}
	account := func(name string, in, out fmt.Stringer, c aggregate.Coverage) {
		if c.Span() == 0 {
			return
		}
		lines = append(lines, fmt.Sprintf("total %s in %v out %v, good %v uncertain %v missing %v", name, in, out, c.Good, c.Uncertain, c.Missing))
	}
	account("power", totals.Power.Import, totals.Power.Export, totals.Power.Coverage)
	account("registers", totals.Registers.Import, totals.Registers.Export, totals.Registers.Coverage)
	account("reactive power", totals.ReactivePower.Import, totals.ReactivePower.Export, totals.ReactivePower.Coverage)
	account("reactive registers", totals.ReactiveRegisters.Import, totals.ReactiveRegisters.Export, totals.ReactiveRegisters.Coverage)
	if p := totals.ImportPeak; p.Start != 0 {
		lines = append(lines, fmt.Sprintf("import peak %.3f kW at %s", p.Power.Kilowatts(), p.Start.Time().Format(time.DateTime)))
	}
	if p := totals.ExportPeak; p.Start != 0 {
		lines = append(lines, fmt.Sprintf("export peak %.3f kW at %s", p.Power.Kilowatts(), p.Start.Time().Format(time.DateTime)))
	}
	var counts []string
	count := func(name string, n uint64) {
		if n != 0 {
			counts = append(counts, fmt.Sprintf("%s %d", name, n))
		}
	}
	c := totals.Counts
	count("samples", c.Samples)
	count("bad", c.Bad)
	count("late", c.Late)
	count("duplicates", c.Duplicates)
	count("ahead", c.Ahead)
	count("bad readings", c.BadReadings)
	count("resets", c.Resets)
	count("rollovers", c.Rollovers)
	count("swaps", c.Swaps)
	count("forced", c.Forced)
	lines = append(lines, "counts "+strings.Join(counts, ", "))
	if s.reviser != nil {
		r, _ := s.reviser.Counts("m")
		lines = append(lines, fmt.Sprintf("revisions %d, inserted %d, corrections %d, shortened %d", r.Revisions, r.Inserted, r.Corrections, r.Shortened))
	}
	if s.order != nil {
		o := s.order.Counts()
		lines = append(lines, fmt.Sprintf("reorder passed %d, put right %d, late %d, duplicates %d, corrections %d, overflows %d", o.Samples, o.Reordered, o.Late, o.Duplicates, o.Corrections, o.Overflows))
	}
	return lines
}
