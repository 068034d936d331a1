package aggregate_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// dice makes choices out of bytes, so that one generator serves random tests and
// the fuzzer. When the bytes are used up every choice is 0.
type dice struct{ data []byte }

func (d *dice) byte() byte {
	if len(d.data) == 0 {
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return b
}

func (d *dice) below(n int) int { return int(d.byte()) % n }

func (d *dice) uint64() uint64 {
	var n uint64
	for range 8 {
		n = n<<8 | uint64(d.byte())
	}
	return n
}

func pick[T any](d *dice, of ...T) T { return of[d.below(len(of))] }

var channelPoints = [channelCount]struct {
	name  string
	role  acquire.Role
	units []units.Unit
}{
	{"m/P", acquire.Gauge, []units.Unit{units.Watt, units.Kilowatt, units.Milliwatt, units.Megawatt}},
	{"m/Q", acquire.Gauge, []units.Unit{units.Var, units.Kilovar}},
	{"m/EI", acquire.Counter, []units.Unit{units.WattHour, units.KilowattHour, units.Joule, units.MegawattHour}},
	{"m/EE", acquire.Counter, []units.Unit{units.KilowattHour, units.WattHour}},
	{"m/RI", acquire.Counter, []units.Unit{units.VarHour, units.KilovarHour}},
	{"m/RE", acquire.Counter, []units.Unit{units.VarHour, units.KilovarHour}},
}

// parts returns how many quanta of counting are in one unit, from its ratio to
// the coherent unit.
func parts(u units.Unit, role acquire.Role) *big.Int {
	num, den := u.Ratio()
	per := int64(1e6) // µW
	if role == acquire.Counter {
		per = 2e15
	}
	n := new(big.Int).Mul(new(big.Int).SetUint64(num), big.NewInt(per))
	return n.Div(n, new(big.Int).SetUint64(den))
}

// write makes a script out of dice, and the catalog for it. Point ids are the
// channels plus one.
func write(d *dice) (*script, *acquire.Catalog) {
	s := &script{}
	catalog := acquire.NewCatalog()
	names := [channelCount]*string{&s.metering.Power, &s.metering.ReactivePower, &s.metering.Import, &s.metering.Export, &s.metering.ReactiveImport, &s.metering.ReactiveExport}
	mask := d.below(63) + 1
	kinds := [channelCount]acquire.Kind{}
	for c, p := range channelPoints {
		unit := pick(d, p.units...)
		kinds[c] = pick(d, acquire.KindFloat64, acquire.KindInt64, acquire.KindUint64)
		if _, err := catalog.Define(acquire.Point{Name: p.name, Unit: unit, Kind: kinds[c], Role: p.role}); err != nil {
			panic(err)
		}
		s.perUnit[c] = parts(unit, p.role)
		if mask&(1<<c) != 0 {
			s.have[c] = true
			*names[c] = p.name
		}
	}
	s.metering.Name = "m"
	s.metering.Rule = pick(d, aggregate.HoldLeft, aggregate.Trapezoid, aggregate.MeanOverPast)
	s.metering.Demand = aggregate.Demand{
		Interval: pick(d, 0, time.Second, 15*time.Second, time.Minute, time.Hour),
		Offset:   pick(d, 0, time.Nanosecond, 7*time.Second, -3*time.Hour),
	}
	block := s.metering.Demand.Interval
	if block == 0 {
		block = aggregate.DefaultDemandInterval
	}
	s.metering.MaxGap = pick(d, 0, time.Nanosecond, time.Second/2, time.Second, 10*time.Second, 5*block)
	gap := s.metering.MaxGap
	if gap == 0 {
		gap = aggregate.DefaultMaxGap
	}
	if s.metering.Rule == aggregate.HoldLeft {
		s.metering.Hold = pick(d, 0, time.Second/3, 7*block)
	}
	s.metering.Registers = aggregate.Registers{
		Modulus:  pick(d, uint64(0), 1000, 1<<32),
		MaxPower: pick(d, 0, 1e3, 1e9, 0.1),
		OnReset:  pick(d, aggregate.CreditNothing, aggregate.CreditNew),

		Resolution: pick(d, uint64(0), 1, 10),
	}

	now := acquire.Instant(pick(d, int64(72*time.Hour), int64(100*time.Hour), 1795161600e9, 1795161600e9+1))
	var last [channelCount]acquire.Instant
	var count [channelCount]uint64
	modulus := max(s.metering.Registers.Modulus, 1)
	for end := now.Add(4000 * block); len(d.data) > 0 && len(s.events) < 400 && now < end; {
		step := time.Duration(0)
		switch d.below(16) {
		case 0:
			step = 1
		case 1:
			step = gap
		case 2:
			step = gap + 1
		case 3:
			step = time.Duration(d.below(8)) * block
		case 4:
			phase := (time.Duration(now) - s.metering.Demand.Offset) % block
			step = block - phase // to the very edge
		case 5:
			if d.below(8) == 0 {
				step = time.Duration(d.below(200)) * block
			}
		case 6, 7, 8:
			step = time.Duration(d.uint64() % uint64(block))
		default:
			step = time.Duration(d.uint64() % uint64(gap+1))
		}
		now = now.Add(step)
		c := d.below(channelCount + 2)
		if c >= channelCount || !s.have[c] {
			s.events = append(s.events, event{channel: -1, mark: now})
			continue
		}
		at := now
		if d.below(24) == 0 && last[c] > 2 {
			at = last[c] - acquire.Instant(d.below(2))
		}
		last[c] = max(last[c], at)
		sample := acquire.Sample{Time: at, Point: acquire.PointID(c + 1), Quality: acquire.Good}
		switch d.below(16) {
		case 0:
			sample.Quality = acquire.Bad.Because(acquire.Communication)
		case 1, 2:
			sample.Quality = acquire.Uncertain
		case 3:
			if c > reactive {
				sample.Quality = acquire.Good.With(acquire.Discontinuity)
			} else {
				sample.Quality = acquire.Good.With(acquire.Overflow | acquire.SourceTime)
			}
		}
		if c <= reactive {
			sample.Value = drawPower(d)
		} else {
			switch d.below(16) {
			case 0:
				count[c] = 0
			case 1:
				count[c] = d.uint64()
			case 2:
				count[c] /= 2
			case 3:
				count[c] += uint64(d.below(3)) * modulus / 2
			default:
				count[c] += uint64(d.byte())
			}
			if s.metering.Registers.Modulus > 0 && d.below(20) != 0 {
				count[c] %= modulus
			}
			sample.Value = drawCount(d, count[c])
		}
		if at < now && sample.Quality.IsBad() { // against the watermark
			sample.Quality = acquire.Uncertain
		}
		if sample.Quality.IsBad() && d.below(2) == 0 {
			sample.Value = acquire.Value{}
		}
		s.events = append(s.events, event{channel: c, sample: sample})
		// Without a watermark a channel that lags is given up by force, which is not
		// the twin's business.
		s.events = append(s.events, event{channel: -1, mark: now})
	}
	return s, catalog
}

func drawPower(d *dice) acquire.Value {
	switch d.below(12) {
	case 0:
		return acquire.Float64(0)
	case 1:
		return acquire.Float64(math.Copysign(0, -1))
	case 2:
		return acquire.Float64(pick(d, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, 5e-324))
	case 3:
		return acquire.Float64(pick(d, 0.5e-6, 1.5e-6, 2.5e-6, -0.5e-6, 1e-6, 0.1, -1e-6, 1e-9))
	case 4:
		return acquire.Int64(int64(d.uint64()))
	case 5:
		return acquire.Int64(int64(d.byte()) - 128)
	case 6:
		return acquire.Uint64(uint64(d.byte()) << d.below(40))
	case 7:
		return acquire.Float64(math.Ldexp(float64(int64(d.uint64())), -d.below(64)))
	case 8:
		return acquire.Bool(true)
	}
	return acquire.Float64((float64(d.byte()) - 100) * 12.34567891)
}

func drawCount(d *dice, n uint64) acquire.Value {
	switch d.below(8) {
	case 0:
		return acquire.Float64(float64(n) + float64(d.byte())/256)
	case 1:
		return acquire.Float64(pick(d, math.NaN(), -1, 1e300))
	case 2:
		return acquire.Int64(int64(n))
	}
	return acquire.Uint64(n)
}

// play feeds the events of a script to a Router. A batch ends with every
// watermark, and wherever cut says so.
func play(t testing.TB, s *script, c *acquire.Catalog, cut func() bool) ([]aggregate.Interval, aggregate.Totals) {
	t.Helper()
	r, err := aggregate.NewRouter(c, s.metering)
	require.NoError(t, err)
	all := make([]acquire.PointID, channelCount)
	for i := range all {
		all[i] = acquire.PointID(i + 1)
	}
	var got []aggregate.Interval
	var b acquire.Batch
	for _, e := range s.events {
		if e.channel >= 0 {
			b.Append(e.sample)
		} else {
			b.Watermark, b.Points = e.mark, all
		}
		if e.channel < 0 || cut() {
			got = append(got, r.Observe(&b)...)
			b.Reset()
		}
	}
	got = append(got, r.Observe(&b)...)
	got = r.Flush(got)
	totals, ok := r.Totals("m")
	require.True(t, ok)
	return got, totals
}

// quanta returns the integer behind an energy.
func quanta(e interface{ Quanta() (hi, lo uint64) }) *big.Int {
	hi, lo := e.Quanta()
	x := new(big.Int).Lsh(big.NewInt(int64(hi)), 64)
	return x.Add(x, new(big.Int).SetUint64(lo))
}

// check compares the Router with the twin over one script.
func check(t *testing.T, data []byte) {
	t.Helper()
	s, catalog := write(&dice{data: data})
	got, totals := play(t, s, catalog, func() bool { return false })
	want := work(s)

	// Streamed, batched, and cut at random are the same.
	random := rand.New(rand.NewPCG(1, uint64(len(data))))
	for _, cut := range []func() bool{func() bool { return true }, func() bool { return random.IntN(3) == 0 }} {
		again, sums := play(t, s, catalog, cut)
		require.Equal(t, got, again)
		require.Equal(t, totals, sums)
	}

	require.Zero(t, totals.Counts.Forced)
	next := want.start
	var total [channelCount][2]big.Int
	var covered, missing [channelCount]time.Duration
	for i := range got {
		iv := &got[i]
		require.Equal(t, next, iv.Start)
		require.Less(t, iv.Start, iv.End)
		next = iv.End
		first, last := int((iv.Start-want.start)/want.interval), int((iv.End-want.start)/want.interval)
		require.LessOrEqual(t, last, len(want.blocks))
		if !iv.Flags.Has(aggregate.Silence) {
			require.Equal(t, first+1, last)
		}
		flags := aggregate.Flags(0)
		for n := first; n < last; n++ {
			b := &want.blocks[n]
			flags |= b.flags
			if first+1 != last { // Silence
				for c := range b.channels {
					if b.channels[c].good+b.channels[c].uncertain != 0 || b.channels[c].in.Sign()|b.channels[c].out.Sign() != 0 {
						t.Fatalf("%v: not silent at all", iv)
					}
				}
				continue
			}
			in := [channelCount]*big.Int{quanta(iv.Power.Import), quanta(iv.ReactivePower.Import), quanta(iv.Registers.Import), quanta(iv.Registers.Export), quanta(iv.ReactiveRegisters.Import), quanta(iv.ReactiveRegisters.Export)}
			out := [channelCount]*big.Int{power: quanta(iv.Power.Export), reactive: quanta(iv.ReactivePower.Export)}
			for c := range b.channels {
				if b.channels[c].in.Cmp(in[c]) != 0 {
					t.Fatalf("%v: in of %s: want %v, not %v", iv, channelPoints[c].name, b.channels[c].in, in[c])
				}
				total[c][0].Add(&total[c][0], in[c])
				if out[c] != nil {
					if b.channels[c].out.Cmp(out[c]) != 0 {
						t.Fatalf("%v: out of %s: want %v, not %v", iv, channelPoints[c].name, b.channels[c].out, out[c])
					}
					total[c][1].Add(&total[c][1], out[c])
				}
				covered[c] += b.channels[c].good + b.channels[c].uncertain
				if s.have[c] {
					missing[c] += time.Duration(want.interval) - b.channels[c].good - b.channels[c].uncertain
					if b.channels[c].uncertain > 0 {
						flags |= aggregate.Uncertain
					}
				}
			}
			checkCoverage(t, s, b, iv)
		}
		const told = aggregate.Reset | aggregate.Rollover | aggregate.Carried | aggregate.BadReading | aggregate.Uncertain | aggregate.Lossy
		if flags&told != iv.Flags&told || !iv.Flags.Has(flags&aggregate.Partial) {
			t.Fatalf("%v: want flags %v", iv, flags)
		}
	}
	require.Equal(t, want.start+acquire.Instant(len(want.blocks))*want.interval, next)

	// The sum of the intervals is the total.
	sums := [channelCount]*big.Int{quanta(totals.Power.Import), quanta(totals.ReactivePower.Import), quanta(totals.Registers.Import), quanta(totals.Registers.Export), quanta(totals.ReactiveRegisters.Import), quanta(totals.ReactiveRegisters.Export)}
	for c := range sums {
		require.Equal(t, total[c][0].String(), sums[c].String(), channelPoints[c].name)
	}
	require.Equal(t, total[power][1].String(), quanta(totals.Power.Export).String())
	require.Equal(t, total[reactive][1].String(), quanta(totals.ReactivePower.Export).String())
	if s.have[power] {
		require.Equal(t, covered[power], totals.Power.Coverage.Good+totals.Power.Coverage.Uncertain)
	}
	counts := totals.Counts
	require.Equal(t, want.counts.Bad, counts.Bad, "bad")
	require.Equal(t, want.counts.Late, counts.Late, "late")
	require.Equal(t, want.counts.Duplicates, counts.Duplicates, "duplicates")
	require.Equal(t, want.counts.BadReadings, counts.BadReadings, "bad readings")
	require.Equal(t, want.counts.Resets, counts.Resets, "resets")
	require.Equal(t, want.counts.Rollovers, counts.Rollovers, "rollovers")
	checkPeaks(t, got, totals)
}

func checkCoverage(t *testing.T, s *script, b *twinBlock, iv *aggregate.Interval) {
	t.Helper()
	whole := iv.Duration()
	of := func(channels ...int) aggregate.Coverage {
		var worst aggregate.Coverage
		for _, c := range channels {
			if !s.have[c] {
				continue
			}
			cover := aggregate.Coverage{Good: b.channels[c].good, Uncertain: b.channels[c].uncertain}
			cover.Missing = whole - cover.Good - cover.Uncertain
			if worst.Span() == 0 || cover.Missing > worst.Missing || cover.Missing == worst.Missing && cover.Uncertain > worst.Uncertain {
				worst = cover
			}
		}
		return worst
	}
	want := [...]aggregate.Coverage{of(power), of(reactive), of(imported, exported), of(reactiveImported, reactiveExported)}
	got := [...]aggregate.Coverage{iv.Power.Coverage, iv.ReactivePower.Coverage, iv.Registers.Coverage, iv.ReactiveRegisters.Coverage}
	if got != want {
		t.Fatalf("%v: want coverage %v, not %v", iv, want, got)
	}
	missing := false
	for _, c := range got {
		if c.Span() != 0 && c.Span() != whole || c.Good < 0 || c.Uncertain < 0 || c.Missing < 0 {
			t.Fatalf("%v: coverage %v does not add up", iv, c)
		}
		missing = missing || c.Missing > 0
	}
	if missing != iv.Flags.Has(aggregate.Gap) {
		t.Fatalf("%v: gap flag with coverage %v", iv, got)
	}
}

// checkPeaks finds the peaks again among the intervals.
func checkPeaks(t *testing.T, got []aggregate.Interval, totals aggregate.Totals) {
	t.Helper()
	var in, out aggregate.Peak
	for i := range got {
		power, ok := got[i].Demand()
		if !ok {
			continue
		}
		if power > in.Power {
			in = aggregate.Peak{Power: power, Start: got[i].Start}
		}
		if -power > out.Power {
			out = aggregate.Peak{Power: -power, Start: got[i].Start}
		}
	}
	require.Equal(t, in.Power, totals.ImportPeak.Power)
	require.Equal(t, out.Power, totals.ExportPeak.Power)
	if in.Power < 1<<53 && totals.ImportPeak.Start != in.Start {
		// Demands that differ by less than a float64 tells are one and the same here.
		i := slices.IndexFunc(got, func(iv aggregate.Interval) bool { return iv.Start == totals.ImportPeak.Start })
		power, ok := got[i].Demand()
		require.True(t, ok)
		require.Equal(t, in.Power, power)
	}
}

func TestRouterEqualsTwin(t *testing.T) {
	n := 400
	if testing.Short() {
		n = 50
	}
	random := rand.New(rand.NewPCG(7, 11))
	for range n {
		data := make([]byte, random.IntN(1500))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		check(t, data)
		if t.Failed() {
			return
		}
	}
}

func FuzzRouter(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 5))
	for range 16 {
		data := make([]byte, 150)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:min(len(data), 500)]
		check(t, data)
	})
}
