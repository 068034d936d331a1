package aggregate_test

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// anything feeds samples and watermarks at any time in any order, broken promises
// included. Whatever comes, the intervals of a meter follow one another, their
// coverage adds up, and their sum is the total.
func anything(t *testing.T, data []byte) {
	t.Helper()
	d := &dice{data: data}
	s, catalog := write(&dice{data: data[:min(len(data), 16)]}) // for the configuration
	r, err := aggregate.NewRouter(catalog, s.metering)
	require.NoError(t, err)
	now := benchStart
	var next acquire.Instant
	var sum [channelCount][2]*big.Int
	for c := range sum {
		sum[c] = [2]*big.Int{new(big.Int), new(big.Int)}
	}
	take := func(got []aggregate.Interval) {
		for i := range got {
			iv := &got[i]
			if next != 0 && iv.Start != next || iv.Start >= iv.End {
				t.Fatalf("%v does not follow", iv)
			}
			next = iv.End
			for c, e := range energies(iv.Power, iv.Registers, iv.ReactivePower, iv.ReactiveRegisters) {
				for way := range e {
					if e[way].Sign() < 0 {
						t.Fatalf("%v: negative energy", iv)
					}
					sum[c][way].Add(sum[c][way], e[way])
				}
			}
			for _, c := range []aggregate.Coverage{iv.Power.Coverage, iv.Registers.Coverage, iv.ReactivePower.Coverage, iv.ReactiveRegisters.Coverage} {
				if c.Span() != 0 && c.Span() != iv.Duration() || c.Good < 0 || c.Uncertain < 0 || c.Missing < 0 {
					t.Fatalf("%v: coverage %v", iv, c)
				}
			}
			_ = iv.String()
		}
	}
	var b acquire.Batch
	for len(d.data) > 0 {
		b.Reset()
		for range d.below(8) {
			switch d.below(8) {
			case 0:
				now = acquire.Instant(d.uint64())
			case 1:
				now += acquire.Instant(d.uint64()) >> d.below(64)
			case 2:
				now -= acquire.Instant(d.below(100)) * acquire.Instant(time.Second)
			default:
				now += acquire.Instant(d.below(100)) * acquire.Instant(time.Second)
			}
			sample := acquire.Sample{Time: now, Point: acquire.PointID(d.below(channelCount + 3)), Quality: acquire.Quality(d.uint64())}
			if d.below(2) == 0 {
				sample.Value = drawPower(d)
			} else {
				sample.Value = drawCount(d, uint64(d.byte()))
			}
			b.Append(sample)
		}
		if d.below(3) == 0 {
			b.Watermark = now + acquire.Instant(d.uint64())>>d.below(64)
			b.Points = []acquire.PointID{0, 1, 2, 3, 4, 5, 6, 99}[:d.below(9)]
		}
		take(r.Observe(&b))
	}
	take(r.Flush(nil))
	totals, _ := r.Totals("m")
	for c, e := range energies(totals.Power, totals.Registers, totals.ReactivePower, totals.ReactiveRegisters) {
		for way := range e {
			require.Zero(t, e[way].Cmp(sum[c][way]), "%s: %v and %v", channelPoints[c].name, e[way], sum[c][way])
		}
	}
}

// energies returns the quanta of accounts by channel and way.
func energies(p, e aggregate.Account, q, f aggregate.ReactiveAccount) [channelCount][2]*big.Int {
	none := new(big.Int)
	return [channelCount][2]*big.Int{
		{quanta(p.Import), quanta(p.Export)}, {quanta(q.Import), quanta(q.Export)},
		{quanta(e.Import), none}, {quanta(e.Export), none},
		{quanta(f.Import), none}, {quanta(f.Export), none},
	}
}

func TestAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(21, 22))
	for range 1000 {
		data := make([]byte, random.IntN(1200))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		anything(t, data)
	}
}

func FuzzAnything(f *testing.F) {
	random := rand.New(rand.NewPCG(23, 24))
	for range 8 {
		data := make([]byte, 150)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { anything(t, data[:min(len(data), 1000)]) })
}
