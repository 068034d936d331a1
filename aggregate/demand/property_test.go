package demand_test

import (
	"math/big"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // zones must not depend on the machine

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/demand"
)

// script turns bytes into choices, so that one story serves random tests and
// fuzzing. An exhausted script chooses 0.
type script []byte

func (s *script) choose(n int) int {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return int(b) % n
}

// zones are loaded once: parsing takes longer than a story.
var zones = sync.OnceValues(func() (map[string]*time.Location, error) {
	loaded := map[string]*time.Location{}
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"} {
		location, err := time.LoadLocation(name)
		if err != nil {
			return nil, err
		}
		loaded[name] = location
	}
	return loaded, nil
})

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loaded, err := zones()
	require.NoError(t, err)
	require.Contains(t, loaded, name)
	return loaded[name]
}

func pick[T any](s *script, of ...T) T { return of[s.choose(len(of))] }

// play runs a Register and its twin through a story, saving and restoring the
// Register after each step if asked to, and compares them all the way.
func play(t *testing.T, s script, restore bool) {
	config := demand.Config{
		Quantity:     demand.Quantity(s.choose(10)),
		Interval:     pick(&s, 15*time.Minute, 30*time.Minute, time.Hour, 2*time.Hour),
		Subintervals: 1 + s.choose(3),
		Offset:       pick(&s, 0, 5*time.Minute),
		In:           pick(&s, nil, zone(t, "Asia/Kathmandu"), zone(t, "Australia/Lord_Howe")),
		Incomplete:   demand.Incomplete(s.choose(3)),
		Outage:       pick(&s, 0, 20*time.Minute, 2*time.Hour),
		Forgiveness:  pick(&s, 0, 10*time.Minute, 45*time.Minute),
		Highest:      1 + s.choose(3),
		Lockout:      pick(&s, 0, 3*time.Hour),
	}
	r, err := demand.NewRegister(config)
	require.NoError(t, err)
	slow := newTwin(config)

	// Both changes of Lord Howe's clocks are near.
	at := acquire.At(pick(&s, time.Date(2026, 4, 4, 12, 0, 0, 0, time.UTC), time.Date(2026, 10, 3, 12, 45, 0, 0, time.UTC), time.Date(2026, 11, 20, 8, 5, 0, 0, time.UTC)))
	length := pick(&s, 5*time.Minute, 15*time.Minute, 10*time.Minute)
	told := map[acquire.Instant]demand.Window{}
	hear := func(windows []demand.Window) {
		for _, w := range windows {
			require.NotContains(t, told, w.End)
			told[w.End] = w
		}
	}
	for len(s) > 0 {
		switch s.choose(16) {
		case 0: // a hole
			at = at.Add(length * time.Duration(1+s.choose(40)))
		case 1:
			up := at.Add(time.Duration(s.choose(30)-8) * time.Minute)
			ahead := 0
			for _, p := range slow.powerUps {
				if p.at.Add(config.Forgiveness) >= slow.known.Add(-config.Interval) {
					ahead++
				}
			}
			if ahead < 12 { // the Register tells 16 apart

				r.PowerUp(up)
				slow.powerUp(up)
			}
		case 2:
			cause := demand.Cause(s.choose(3))
			when := at.Add(time.Duration(s.choose(40)-8) * time.Minute)
			continuous, had := r.ContinuousCumulative(), r.Peak()
			period, err := r.Reset(when, cause)
			begun := slow.begun
			require.Equal(t, slow.resetAt(when, cause), err)
			require.Equal(t, continuous, r.ContinuousCumulative(), "a reset must not show in the continuous cumulative demand")
			if err == nil {
				require.Equal(t, begun, period.Start)
				require.Equal(t, when, period.End)
				require.Equal(t, slow.resets, period.Resets)
				require.Equal(t, had, period.Peak)
				require.Equal(t, continuous, period.Cumulative)
				require.False(t, r.Peak().Demand.Known())
			}
		default:
			b := demand.Block{Start: at, End: at.Add(length * time.Duration(pick(&s, 1, 1, 1, 1, 1, 1, 2, 9)))}
			b.Active.Coverage = coverage(&s, b.End.Sub(b.Start))
			b.Reactive.Coverage = b.Active.Coverage
			if s.choose(8) == 0 {
				b.Reactive.Coverage = coverage(&s, b.End.Sub(b.Start))
			}
			b.Active.Import, b.Active.Export = aggregate.WattHours(int64(s.choose(5))*1000), aggregate.EnergyOf(0, uint64(s.choose(3))*1<<62)
			b.Reactive.Import, b.Reactive.Export = aggregate.VarHours(int64(s.choose(3))*700), aggregate.ReactiveEnergyOf(0, uint64(s.choose(4))*1<<61)
			b.ActiveCarried, b.ReactiveCarried = s.choose(16) == 15, s.choose(16) == 15
			switch s.choose(24) {
			case 21:
				b.Start = b.Start.Add(-time.Minute)
			case 22:
				b.End = b.Start
			case 23:
				b.Active.Coverage.Good++
			}
			if b.End.Sub(b.Start) == length || b.End.Sub(b.Start) > 0 {
				at = b.End
			}
			hear(r.ObserveBlock(&b))
			slow.observe(&b)
			slow.judge()
		}
		compare(t, r, slow)
		if restore {
			saved, err := r.MarshalBinary()
			require.NoError(t, err)
			r, err = demand.NewRegister(config)
			require.NoError(t, err)
			require.NoError(t, r.UnmarshalBinary(saved))
			again, err := r.MarshalBinary()
			require.NoError(t, err)
			require.Equal(t, saved, again)
		}
	}
	var unknown uint64
	for _, want := range slow.windows() {
		w, ok := told[want.end]
		delete(told, want.end)
		if !ok {
			require.Zero(t, want.over, "window %v to %v was not told", want.start, want.end)
			require.Zero(t, want.good+want.uncertain)
			continue
		}
		require.Equal(t, want.over > 0, w.Demand.Known(), "%v", w)
		if want.over == 0 {
			unknown++
		}
		same(t, &want, &w)
	}
	require.Empty(t, told)
	require.Equal(t, unknown, r.Counts().Unknown)
}

func coverage(s *script, length time.Duration) aggregate.Coverage {
	switch s.choose(12) {
	case 8:
		return aggregate.Coverage{}
	case 9:
		return aggregate.Coverage{Missing: length}
	case 10:
		return aggregate.Coverage{Good: length - time.Minute, Missing: time.Minute}
	case 11:
		return aggregate.Coverage{Good: length - 2*time.Minute, Uncertain: 2 * time.Minute}
	}
	return aggregate.Coverage{Good: length}
}

func same(t *testing.T, want *twinWindow, w *demand.Window) {
	t.Helper()
	require.Equal(t, want.start, w.Start, "%v", w)
	require.Equal(t, want.end, w.End, "%v", w)
	require.Equal(t, aggregate.Coverage{Good: want.good, Uncertain: want.uncertain, Missing: want.missing}, w.Coverage, "%v", w)
	require.Equal(t, want.flags, w.Flags&^demand.Stale, "want %v: %v", want.flags, w)
	require.Equal(t, want.over, w.Demand.Over(), "%v", w)
	if want.over == 0 {
		return
	}
	require.Equal(t, want.energy.String(), energy(w.Demand).String())
	value, ok := w.Demand.Value()
	require.True(t, ok)
	// A quantum is half a microwatt nanosecond.
	exact, _ := new(big.Rat).Quo(want.rate(), big.NewRat(2e6, 1)).Float64()
	require.Equal(t, exact, value)
}

// energy returns the quanta behind a power of any kind.
func energy(p demand.Power) *big.Int {
	if e, ok := p.Energy(); ok {
		return quanta(e)
	}
	if e, ok := p.ReactiveEnergy(); ok {
		return quanta(e)
	}
	e, _ := p.ApparentEnergy()
	return quanta(e)
}

func compare(t *testing.T, r *demand.Register, slow *twin) {
	t.Helper()
	highest := r.Highest()
	require.Len(t, highest, min(len(slow.rivals), r.Config().Highest))
	for i := range highest {
		same(t, &slow.rivals[i], &highest[i])
	}
	if len(highest) > 0 {
		require.Equal(t, highest[0], r.Peak())
	}
	require.Equal(t, slow.cumulative.String(), energy(r.Cumulative()).String())
	n, last := r.Resets()
	require.Equal(t, slow.resets, n)
	require.Equal(t, slow.reset, last)
	counts := r.Counts()
	counts.Unknown = 0 // counts what is told
	require.Equal(t, slow.counts, counts)
}

func randomScript(rnd *rand.Rand) script {
	s := make(script, 20+rnd.IntN(900))
	for i := range s {
		s[i] = byte(rnd.Uint32())
	}
	return s
}

func TestRegisterEqualsTwin(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 150 {
		play(t, randomScript(rnd), false)
	}
}

// A process killed after any step and restored goes on to the same results.
func TestRestoreAfterEveryStep(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 80 {
		play(t, randomScript(rnd), true)
	}
}

func FuzzRegister(f *testing.F) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 8 {
		story := randomScript(rnd)
		f.Add([]byte(story[:min(len(story), 300)]), rnd.IntN(2) == 0)
	}
	f.Fuzz(func(t *testing.T, story []byte, restore bool) {
		if len(story) < 400 {
			play(t, story, restore)
		}
	})
}
