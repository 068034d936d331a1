package aggregate_test

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

const pulseStart = acquire.Instant(1795161600e9)

func second(s float64) acquire.Instant { return pulseStart + acquire.Instant(s*1e9) }

// A load of 6 W at 1000 pulses a kWh: ten minutes between pulses, 2400 readings of
// the counter, none of which may show more than 6 W. Counting in a window of 20 s
// shows 180 W and 0 W instead (domoticz issue 6483).
func TestPulsePowerOfSmallLoad(t *testing.T) {
	p, err := aggregate.NewPulseMeter(aggregate.Pulses{Weight: aggregate.PulsesPerKilowattHour(1000)})
	require.NoError(t, err)
	states := map[aggregate.PulseState]int{}
	for s := 0; s <= 12000; s += 5 {
		require.True(t, p.Read(second(float64(s)), uint64(s/600)))
		power, state := p.Power(second(float64(s)))
		states[state]++
		switch {
		case state == aggregate.PulseMean:
			require.Equal(t, units.Watts(6), power)
		case state == aggregate.PulseAtMost && s > 1200:
			require.Less(t, power, units.Watts(6))
		}
	}
	require.Equal(t, aggregate.WattHours(20), p.Energy())
	require.Equal(t, map[aggregate.PulseState]int{aggregate.PulseUnknown: 121, aggregate.PulseAtMost: 119, aggregate.PulseMean: 2161}, states)
	// The load goes away: the bound falls, and after an hour nothing is known.
	for _, test := range []struct {
		seconds float64
		power   units.Watts
		state   aggregate.PulseState
	}{{300, 6, aggregate.PulseMean}, {600, 6, aggregate.PulseMean}, {1200, 3, aggregate.PulseAtMost}, {3600, 1, aggregate.PulseAtMost}, {3601, 0, aggregate.PulseUnknown}} {
		power, state := p.Power(second(12000 + test.seconds))
		require.Equal(t, test.state, state, "%v s", test.seconds)
		require.Equal(t, test.power, power, "%v s", test.seconds)
	}
	p.Lost()
	_, state := p.Power(second(12001))
	require.Equal(t, aggregate.PulseUnknown, state)
}

func TestPulsesOneByOne(t *testing.T) {
	p, err := aggregate.NewPulseMeter(aggregate.Pulses{Weight: aggregate.PulsesPerKilowattHour(1000), MaxPower: 36e3})
	require.NoError(t, err)
	require.True(t, p.Pulse(second(0)))
	power, state := p.Power(second(3.6))
	require.Equal(t, aggregate.PulseAtMost, state, "one pulse says that a second has not come")
	require.Equal(t, units.Watts(1000), power)
	require.False(t, p.Pulse(second(0.02)), "36 kW makes a pulse each 100 ms")
	require.True(t, p.Pulse(second(0.1)))
	power, state = p.Power(second(0.1))
	require.Equal(t, aggregate.PulseMean, state)
	require.Equal(t, units.Watts(36e3), power)
	require.False(t, p.Pulse(second(0.1)))
	require.False(t, p.Pulse(0))
	require.Equal(t, aggregate.PulseCounts{Pulses: 2, Bounces: 1, Late: 2}, p.Counts())
	s := p.Reading(7, second(1))
	require.Equal(t, acquire.Sample{Time: second(1), Point: 7, Value: acquire.Uint64(2), Quality: acquire.Good}, s)
}

func TestPulseCounter(t *testing.T) {
	for name, test := range map[string]struct {
		config aggregate.Pulses
		counts []uint64 // a minute apart
		want   aggregate.PulseCounts
	}{
		"runs":                       {aggregate.Pulses{}, []uint64{5, 9, 12}, aggregate.PulseCounts{Pulses: 7}},
		"lone zero":                  {aggregate.Pulses{}, []uint64{500, 0, 503, 504}, aggregate.PulseCounts{Pulses: 4, BadReadings: 1}},
		"started anew":               {aggregate.Pulses{}, []uint64{500, 0, 3, 4}, aggregate.PulseCounts{Pulses: 4, Resets: 1}},
		"rolls over, borne out":      {aggregate.Pulses{Modulus: 1000}, []uint64{998, 3, 5}, aggregate.PulseCounts{Pulses: 7, Rollovers: 1}},
		"rolls over, by power":       {aggregate.Pulses{Modulus: 1000, MaxPower: 1000}, []uint64{998, 3}, aggregate.PulseCounts{Pulses: 5, Rollovers: 1}},
		"lone zero near the top":     {aggregate.Pulses{Modulus: 1000, MaxPower: 1000}, []uint64{995, 0, 998, 999}, aggregate.PulseCounts{Pulses: 4, BadReadings: 1}},
		"rolls over to zero":         {aggregate.Pulses{Modulus: 1000, MaxPower: 1000}, []uint64{995, 0, 3}, aggregate.PulseCounts{Pulses: 8, Rollovers: 1}},
		"rolls over twice":           {aggregate.Pulses{Modulus: 10, MaxPower: 500}, []uint64{6, 3, 0, 1}, aggregate.PulseCounts{Pulses: 15, Rollovers: 2}},
		"half way round":             {aggregate.Pulses{Modulus: 1000}, []uint64{900, 400, 401}, aggregate.PulseCounts{Pulses: 1, Resets: 1}},
		"shown late by a gateway":    {aggregate.Pulses{MaxPower: 1000}, []uint64{5, 5, 38, 53}, aggregate.PulseCounts{Pulses: 48}},
		"more than can flow":         {aggregate.Pulses{MaxPower: 1000}, []uint64{5, 900, 10, 11}, aggregate.PulseCounts{Pulses: 6, BadReadings: 1}},
		"more than can flow, stands": {aggregate.Pulses{MaxPower: 1000}, []uint64{5, 900, 910, 911}, aggregate.PulseCounts{Pulses: 11, Resets: 1}},
		"beyond the modulus":         {aggregate.Pulses{Modulus: 1000}, []uint64{5, 1000, 6}, aggregate.PulseCounts{Pulses: 1, BadReadings: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			test.config.Weight = aggregate.PulsesPerKilowattHour(1000)
			p, err := aggregate.NewPulseMeter(test.config)
			require.NoError(t, err)
			for i, n := range test.counts {
				p.Read(second(float64(60*i)), n)
			}
			require.Equal(t, test.want, p.Counts())
		})
	}
}

// Power is the energy between the last two pulses over the time between them, and
// below one pulse over the time since: the slow twin knows all pulses.
func TestPulsePowerTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(6483, 6))
	weight := big.NewRat(7, 3) // Wh
	p, err := aggregate.NewPulseMeter(aggregate.Pulses{Weight: aggregate.PulseWeight{Energy: 7, Unit: units.WattHour, Pulses: 3}, Hold: time.Hour})
	require.NoError(t, err)
	var pulses []acquire.Instant
	now := pulseStart
	for range 2000 {
		now += acquire.Instant(1 + random.Uint64N(4e12))
		if random.IntN(2) == 0 {
			require.True(t, p.Pulse(now))
			pulses = append(pulses, now)
		}
		power, state := p.Power(now)
		over := func(d acquire.Instant) float64 {
			w := new(big.Rat).Mul(weight, big.NewRat(3600e9, int64(d)))
			f, _ := w.Float64()
			return f
		}
		n := len(pulses)
		switch {
		case n == 0 || now-pulses[n-1] > 3600e9 || n == 1 && now == pulses[0]:
			require.Equal(t, aggregate.PulseUnknown, state)
		case n > 1 && now-pulses[n-1] <= pulses[n-1]-pulses[n-2]:
			require.Equal(t, aggregate.PulseMean, state)
			require.InEpsilon(t, over(pulses[n-1]-pulses[n-2]), float64(power), 1e-15)
		default:
			require.Equal(t, aggregate.PulseAtMost, state)
			require.InEpsilon(t, over(now-pulses[n-1]), float64(power), 1e-15)
		}
	}
}

// Seven pulses a Wh are no whole number of quanta each, and yet the intervals add
// up to the whole.
func TestPulseRegister(t *testing.T) {
	for _, weight := range []aggregate.PulseWeight{
		aggregate.PulsesPerKilowattHour(1000),
		{Energy: 1, Unit: units.WattHour, Pulses: 3},
		{Energy: 7, Unit: units.WattHour, Pulses: 3},
		{Energy: 1, Unit: units.WattHour, Pulses: 7},
		{Energy: 1, Unit: units.KilowattHour, Pulses: 9999991},
	} {
		for _, maxPower := range []float64{0, 1e6} {
			catalog := acquire.NewCatalog()
			id, err := catalog.Define(acquire.Point{Name: "pulses", Kind: acquire.KindUint64, Role: acquire.Counter})
			require.NoError(t, err)
			r, err := aggregate.NewRouter(catalog, aggregate.Metering{
				Name: "m", Import: "pulses", Demand: aggregate.Block(time.Minute),
				Registers: aggregate.Registers{Weight: weight, Modulus: 1000, MaxPower: maxPower},
			})
			require.NoError(t, err)
			random := rand.New(rand.NewPCG(1, weight.Pulses))
			var total uint64
			at := pulseStart
			b := acquire.Batch{}
			var sum aggregate.Energy
			take := func(list []aggregate.Interval) {
				for i := range list {
					sum = sum.Add(list[i].Registers.Import)
				}
			}
			for range 3000 {
				b.Reset()
				b.Append(acquire.Sample{Time: at, Point: id, Value: acquire.Uint64(total % 1000), Quality: acquire.Good})
				take(r.Observe(&b))
				at += acquire.Instant(random.Uint64N(30e9)) + 1e9
				total += random.Uint64N(3)
			}
			total -= func() uint64 { v, _ := b.Samples[0].Value.Uint64(); return (total - v) % 1000 }()
			take(r.Flush(nil))
			exact := new(big.Rat).SetFrac64(int64(weight.Energy*total), int64(weight.Pulses))
			if weight.Unit == units.KilowattHour {
				exact.Mul(exact, big.NewRat(1000, 1))
			}
			short := exact.Sub(exact, sum.Rat())
			require.GreaterOrEqual(t, short.Sign(), 0)
			require.Negative(t, short.Cmp(big.NewRat(1, 7200000000000000000)), "less than a quantum of %v", weight)
			counts, _ := r.Totals("m")
			require.Zero(t, counts.Counts.Resets+counts.Counts.BadReadings)
		}
	}
}

func TestPulseFaults(t *testing.T) {
	_, err := aggregate.NewPulseMeter(aggregate.Pulses{Modulus: 1, MaxPower: -1, Hold: -1})
	require.EqualError(t, err, ""+
		"aggregate: pulses: pulse weight 0 none / 0 is not in a unit of active energy\n"+
		"aggregate: pulses: modulus 1 leaves no room to count\n"+
		"aggregate: pulses: maximum power -1 W is not within 0 and 4.6 TW\n"+
		"aggregate: pulses: hold -1ns is negative")
	for _, weight := range []aggregate.PulseWeight{
		{Unit: units.WattHour, Pulses: 1}, {Energy: 1, Unit: units.WattHour}, {Energy: 1, Unit: units.Watt, Pulses: 1},
		{Energy: 1, Unit: units.WattHour, Pulses: 1<<61 - 1}, {Energy: 1<<63 - 1, Unit: units.GigawattHour, Pulses: 1},
	} {
		_, err := aggregate.NewPulseMeter(aggregate.Pulses{Weight: weight})
		require.Error(t, err)
	}
	catalog := acquire.NewCatalog()
	for name, unit := range map[string]units.Unit{"E": units.KilowattHour, "K": units.Second} {
		_, err := catalog.Define(acquire.Point{Name: name, Unit: unit, Kind: acquire.KindUint64, Role: acquire.Counter})
		require.NoError(t, err)
	}
	_, err = aggregate.NewRouter(catalog, aggregate.Metering{
		Name: "m", Import: "E", Export: "K", Registers: aggregate.Registers{Weight: aggregate.PulsesPerKilowattHour(1000)},
	})
	require.EqualError(t, err, ""+
		"aggregate: m: import point \"E\" is in kWh and has a pulse weight\n"+
		"aggregate: m: export point \"K\" is in s: want a number of pulses")
}

// A register in TWh is counted exactly, as all others.
func TestCoarseUnit(t *testing.T) {
	catalog := acquire.NewCatalog()
	id, err := catalog.Define(acquire.Point{Name: "E", Unit: units.TerawattHour, Kind: acquire.KindFloat64, Role: acquire.Counter})
	require.NoError(t, err)
	r, err := aggregate.NewRouter(catalog, aggregate.Metering{Name: "m", Import: "E"})
	require.NoError(t, err)
	b := acquire.Batch{}
	for i, twh := range []float64{100, 100.5, 103, 103.0625} {
		b.Append(acquire.Sample{Time: second(float64(10 * i)), Point: id, Value: acquire.Float64(twh), Quality: acquire.Good})
	}
	r.Observe(&b)
	totals, _ := r.Totals("m")
	require.Equal(t, aggregate.WattHours(3062500000000), totals.Registers.Import)
}

// Whatever comes, a PulseMeter that takes up the state of another goes on as that
// one does, and a damaged state changes nothing.
func TestPulseState(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 2))
		config := aggregate.Pulses{
			Weight: aggregate.PulsesPerKilowattHour(1000), Modulus: []uint64{0, 100}[random.IntN(2)], MaxPower: []float64{0, 5000}[random.IntN(2)],
		}
		one, err := aggregate.NewPulseMeter(config)
		require.NoError(t, err)
		two := *one
		now, n := pulseStart, uint64(0)
		for range 200 {
			now += acquire.Instant(random.Uint64N(30e9))
			n += random.Uint64N(4)
			reading := n % 100
			if random.IntN(10) == 0 {
				reading = random.Uint64N(100)
			}
			if seed%2 == 0 {
				require.Equal(t, one.Read(now, reading), two.Read(now, reading))
			} else {
				require.Equal(t, one.Pulse(now), two.Pulse(now))
			}
			require.Equal(t, *one, two)
			state, err := one.MarshalBinary()
			require.NoError(t, err)
			resumed, err := aggregate.NewPulseMeter(config)
			require.NoError(t, err)
			require.NoError(t, resumed.UnmarshalBinary(state))
			two = *resumed
			state[len(state)/2] ^= 1
			require.ErrorIs(t, resumed.UnmarshalBinary(state), aggregate.ErrState)
			require.Equal(t, two, *resumed)
		}
	}
	one, _ := aggregate.NewPulseMeter(aggregate.Pulses{Weight: aggregate.PulsesPerKilowattHour(1000)})
	two, _ := aggregate.NewPulseMeter(aggregate.Pulses{Weight: aggregate.PulsesPerKilowattHour(800)})
	state, err := one.MarshalBinary()
	require.NoError(t, err)
	require.ErrorIs(t, two.UnmarshalBinary(state), aggregate.ErrOtherConfiguration)
}

func TestPulseAllocs(t *testing.T) {
	p, err := aggregate.NewPulseMeter(aggregate.Pulses{Weight: aggregate.PulsesPerKilowattHour(800), MaxPower: 1e6})
	require.NoError(t, err)
	at, n := pulseStart, uint64(0)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		at += 1e9
		p.Pulse(at)
		p.Power(at)
		at += 1e9
		n++
		p.Read(at, n)
		p.Energy()
	}))
	state := make([]byte, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = p.AppendBinary(state) }))
}

func BenchmarkPulse(b *testing.B) {
	p, err := aggregate.NewPulseMeter(aggregate.Pulses{Weight: aggregate.PulsesPerKilowattHour(800), MaxPower: 1e6})
	require.NoError(b, err)
	at := pulseStart
	b.ReportAllocs()
	for b.Loop() {
		at += 1e9
		p.Pulse(at)
		p.Power(at)
	}
}
