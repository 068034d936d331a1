package part13_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate/part13"
)

// scene is a case for the twin.
type scene struct {
	cfg     part13.Config
	req     part13.Request
	samples []part13.Sample
}

// sceneFrom makes a scene out of any bytes.
func sceneFrom(data []byte) scene {
	take := func() byte {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return b
	}
	flags := take()
	percents := [][2]uint8{{0, 0}, {50, 50}, {80, 60}, {100, 1}, {1, 100}, {30, 90}}
	pair := percents[int(take())%len(percents)]
	s := scene{cfg: part13.Config{
		UseUncertain:           flags&1 != 0,
		UseSlopedExtrapolation: flags&2 != 0,
		Stepped:                flags&4 != 0,
		PercentDataGood:        pair[0],
		PercentDataBad:         pair[1],
	}}
	if flags&8 != 0 {
		s.cfg.Shares = part13.TwoShares
	}
	if flags&16 != 0 {
		s.cfg.Resolution = 7 * time.Second
	}
	at := func(seconds int) acquire.Instant { return noon.Add(time.Duration(seconds) * time.Second) }
	start := int(take() % 64)
	end := int(take() % 64)
	if start == end {
		end++
	}
	s.req = part13.Request{Start: at(start), End: at(end), Interval: time.Duration(take()%24) * time.Second}
	statuses := []part13.StatusCode{
		part13.Good, part13.Good, part13.Good, part13.Good, part13.Good, 0x00300000,
		part13.Uncertain, 0x40920000, part13.Uncertain,
		part13.Bad, 0x808C0000, part13.BadNoData,
	}
	t := int(take()%48) - 8
	for len(data) > 0 && len(s.samples) < 40 {
		a, b := take(), take()
		x := part13.Sample{
			Time:        at(t),
			Value:       float64(int(a%16) - 4),
			Status:      statuses[int(b&15)%len(statuses)],
			Annotations: uint32(b >> 7),
		}
		if a>>4 == 15 {
			x.Value = math.Inf(1)
		}
		s.samples = append(s.samples, x)
		t += 1 + int(b>>4&7)
	}
	return s
}

// check compares all functions in one pass with the twin, and Process with both.
func (s scene) check(t testing.TB) {
	w := newTwin(s.cfg, s.samples)
	c, err := part13.NewCalculator(s.cfg, s.req, part13.Functions()...)
	require.NoError(t, err)
	got := map[part13.Function][]part13.Result{}
	take := func() {
		for r, ok := c.Next(); ok; r, ok = c.Next() {
			got[r.Function] = append(got[r.Function], r)
		}
	}
	for _, x := range s.samples {
		if c.Done() {
			break
		}
		require.NoError(t, c.Push(x))
		take()
	}
	require.NoError(t, c.Close())
	take()
	require.True(t, c.Done())
	for _, f := range part13.Functions() {
		want := w.process(f, s.req)
		if s.req.End < s.req.Start {
			slices.Reverse(got[f])
		}
		alone, err := part13.Process(nil, f, s.cfg, s.req, s.samples)
		require.NoError(t, err)
		for k := range want {
			if k < len(alone) && !same(alone[k], want[k]) || len(alone) != len(want) {
				t.Fatalf("%v of %+v\n got %+v (%v)\nwant %+v (%v)\n", f, s, alone[k], alone[k].Status, want[k], want[k].Status)
			}
			if len(got[f]) != len(want) || !equal(got[f][k], alone[k]) {
				t.Fatalf("%v of %+v: together %+v, alone %+v", f, s, got[f], alone)
			}
		}
	}
}

// same compares but for rounding; equal does not allow for it.
func same(a, b part13.Result) bool {
	near := math.Abs(a.Value-b.Value) <= 1e-9*max(1, math.Abs(b.Value)) || math.IsNaN(a.Value) && math.IsNaN(b.Value)
	a.Value, b.Value = 0, 0
	return near && a == b
}

func equal(a, b part13.Result) bool {
	v := math.Float64bits(a.Value) == math.Float64bits(b.Value)
	a.Value, b.Value = 0, 0
	return v && a == b
}

func TestEqualsTwin(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 37))
	for range 1000 {
		data := make([]byte, 6+rnd.IntN(60))
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		sceneFrom(data).check(t)
	}
}

func FuzzTwin(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 60, 5, 8, 10, 0x90, 20, 0x90, 30, 0x9A, 40, 0x90})
	f.Add([]byte{7, 1, 60, 0, 16, 10, 1, 0x10, 0, 0x36, 1, 0x29, 1, 0x10})
	f.Fuzz(func(t *testing.T, data []byte) { sceneFrom(data).check(t) })
}

func TestAnnexAEqualsTwin(t *testing.T) {
	samples := historians(t)
	req := part13.Request{Start: noon, End: noon.Add(100 * time.Second), Interval: 16 * time.Second}
	for h, cfg := range historianConfigs {
		scene{cfg, req, samples[h]}.check(t)
		req.Interval = 5 * time.Second
		scene{cfg, req, samples[h]}.check(t)
		req.Start, req.End = req.End, req.Start
		scene{cfg, req, samples[h]}.check(t)
	}
}
