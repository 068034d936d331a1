package aggregate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// The register engine alone, without the way through the Router.
// A register that moves from reading to reading, a second apart.
func BenchmarkCounterPush(b *testing.B) {
	conv, err := newConversion(units.WattHour, units.WattHour, quantaPerWattHour)
	require.NoError(b, err)
	var readings [1000]acquire.Value
	run := func(b *testing.B) {
		fresh, err := newCounter(channel{maxGap: 60e9, edge: math.MaxInt64, held: good}, conv, Registers{Modulus: 1 << 50, MaxPower: 100e3})
		require.NoError(b, err)
		fresh.arm(readings[0])
		var c counter
		for b.Loop() {
			c = fresh
			at := acquire.Instant(0)
			for _, v := range readings[1:] {
				at += 1e9
				if !c.push(at, v, acquire.Good) {
					b.Fatal("not the common case")
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(readings)-1), "ns/reading")
		c.rest()
		want, _ := conv.number(readings[len(readings)-1])
		require.Equal(b, want, c.in)
	}
	b.Run("uint64", func(b *testing.B) {
		for i := range readings {
			readings[i] = acquire.Uint64(uint64(3 * i))
		}
		run(b)
	})
	b.Run("float64", func(b *testing.B) {
		for i := range readings {
			readings[i] = acquire.Float64(3.7 * float64(i))
		}
		run(b)
	})
}

// minutes is a ledger of blocks of a minute.
type minutes struct {
	grid
	blocks map[acquire.Instant]tally
	flags  map[acquire.Instant]Flags
	counts Counts
}

func newMinutes() *minutes {
	return &minutes{grid: grid{interval: 60e9}, blocks: map[acquire.Instant]tally{}, flags: map[acquire.Instant]Flags{}}
}

func (m *minutes) book(c *channel) {
	t := m.blocks[c.edge]
	t.add(&c.tally)
	m.blocks[c.edge] = t
	m.flags[c.edge] |= c.flags
}

func (m *minutes) note(end acquire.Instant, flags Flags) bool {
	m.flags[end] |= flags
	return true
}

func (m *minutes) events() *Counts { return &m.counts }

// The short way of a reading gives the same bits as the long way, which the twin of
// the package holds to rationals.
func checkCounterPush(t *testing.T, seed uint64) (short int) {
	random := rand.New(rand.NewPCG(seed, 17))
	pick := func(n int) int { return random.IntN(n) }
	unit := [...]units.Unit{units.KilowattHour, units.WattHour, units.MegawattHour, units.Joule}[pick(4)]
	conv, err := newConversion(unit, units.WattHour, quantaPerWattHour)
	require.NoError(t, err)
	if pick(4) == 0 {
		conv, err = PulseWeight{Energy: 7, Unit: units.WattHour, Pulses: 3}.conversion()
		require.NoError(t, err)
	}
	num, den := unit.Ratio()
	perSecond := float64(num) / float64(den) // W that make a unit a second
	g := Registers{
		Modulus:    [...]uint64{0, 1000, 1e6}[pick(3)],
		Resolution: [...]uint64{0, 1, 10}[pick(3)],
		MaxPower:   [...]float64{0, perSecond, 0.001 * perSecond}[pick(3)],
	}
	start := soonest + 60e9*1000
	fast, err := newCounter(channel{maxGap: 30e9, edge: start + 60e9, done: start, held: unknown}, conv, g)
	require.NoError(t, err)
	slow, few, all := fast, newMinutes(), newMinutes()
	at, x := start, float64(pick(1000))
	for range 400 {
		at += acquire.Instant(1 + int64(pick(3))*random.Int64N(15e9))
		switch pick(12) {
		case 0:
			x = float64(pick(1000))
		case 1:
			x = math.Nextafter(x, [...]float64{math.Inf(1), 0}[pick(2)])
		case 2:
			x += math.Ldexp(random.Float64(), -60*pick(2))
		case 3:
			x = float64(float32(x + random.Float64()))
		case 4:
			x = [...]float64{math.NaN(), math.Inf(1), -1, 0, math.Copysign(0, -1), 1e300, 5e-324, 999.9999999999999, 1e6}[pick(9)]
		case 5:
			x += [...]float64{1, 10, 500, 0.01}[pick(4)] * float64(at-max(fast.last, start)) / 1e9
		default:
			x += float64(pick(1000)) / 1000
		}
		v := acquire.Float64(x)
		if x >= 0 && x < 1e15 && pick(4) == 0 {
			v = [...]acquire.Value{acquire.Uint64(uint64(x)), acquire.Int64(int64(x)), acquire.Float64(math.Floor(x))}[pick(3)]
		}
		q := acquire.Good
		switch pick(30) {
		case 0:
			q = acquire.Uncertain
		case 1:
			q = acquire.Good.With(acquire.Discontinuity)
		case 2:
			q = acquire.Bad
		}
		sample := acquire.Sample{Time: at, Value: v, Quality: q}
		if fast.push(at, v, q) || fast.pushOther(at, v, q) {
			short++
		} else {
			fast.observe(few, &sample)
		}
		slow.observe(all, &sample)
		slow.samples = 0
		slow.limit = disarmed
		require.Equal(t, slow.last, fast.last)
		if pick(20) == 0 {
			fast.rest()
			fast.limit = disarmed
			compareCounters(t, &slow, &fast)
		}
		if math.IsNaN(x) || math.IsInf(x, 0) || x < 0 || x > 1e15 {
			x = float64(pick(1000))
		}
	}
	fast.rest()
	fast.limit = disarmed
	compareCounters(t, &slow, &fast)
	few.counts.Samples += fast.samples
	require.Equal(t, all, few)
	return short
}

func compareCounters(t *testing.T, want, got *counter) {
	t.Helper()
	a, b := *want, *got
	a.count, a.first, a.value, a.samples, a.conversion, a.usual = 0, 0, 0, 0, conversion{}, usual{}
	b.count, b.first, b.value, b.samples, b.conversion, b.usual = 0, 0, 0, 0, conversion{}, usual{}
	if a.doubtAt == 0 {
		a.doubt, b.doubt, a.doubtQuality, b.doubtQuality = int128{}, int128{}, 0, 0
	}
	require.Equal(t, a, b)
}

func TestCounterPushIsObserve(t *testing.T) {
	short := 0
	for seed := range uint64(250) {
		short += checkCounterPush(t, seed)
	}
	require.Greater(t, short, 25000)
}

func FuzzCounterPush(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { checkCounterPush(t, seed) })
}
