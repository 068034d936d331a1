package acquire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
)

var errCut = errors.New("link was cut")

// reading is a good sample at the time of delivery.
func reading(p acquire.PointID) acquire.Sample {
	return acquire.Sample{Point: p, Value: acquire.Float64(1), Quality: acquire.Good}
}

// polling gives one good sample each second, n times.
func polling(n int, p acquire.PointID) acquiretest.Step {
	return acquiretest.Repeat(n, acquiretest.Wait(time.Second), acquiretest.Deliver(reading(p)))
}

// batch is what a test keeps of a batch, and when it came.
type batch struct {
	at        time.Duration // since the start of the test
	watermark acquire.Instant
	lost      uint64
	samples   []acquire.Sample
}

// read takes batches until the stream fails or d has passed, and returns them
// with the error of the stream: a context error when d passed.
func read(t *testing.T, s acquire.Stream, d time.Duration) ([]batch, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var batches []batch
	var b acquire.Batch
	start := time.Now()
	for {
		if err := s.Next(ctx, &b); err != nil {
			return batches, err
		}
		batches = append(batches, batch{
			at: time.Since(start), watermark: b.Watermark, lost: b.Lost,
			samples: append([]acquire.Sample(nil), b.Samples...),
		})
	}
}

func open(t *testing.T, src acquire.Source) acquire.Stream {
	t.Helper()
	s, err := src.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// plain is a Backoff without jitter.
var plain = acquire.Backoff{Jitter: -1}

func TestReconnectSaysLossOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		points := []acquire.PointID{1, 2, 3}
		fake := acquiretest.NewFake("meter", points,
			polling(2, 1),
			acquiretest.Outage(10*time.Second, errCut),
			polling(2, 1),
		)
		src := acquire.Reconnect(fake, plain)
		start := acquire.At(time.Now())
		batches, err := read(t, open(t, src), time.Hour)
		assert.ErrorIs(t, err, io.EOF)

		var bad, good []acquire.Sample
		var watermark acquire.Instant
		last := time.Duration(0)
		for _, b := range batches {
			assert.GreaterOrEqual(t, b.watermark, watermark, "watermark runs backwards")
			assert.LessOrEqual(t, b.at-last, 2*time.Second, "silence longer than a heartbeat and the first poll")
			watermark, last = b.watermark, b.at
			for _, s := range b.samples {
				if s.Quality.IsBad() {
					bad = append(bad, s)
				} else {
					good = append(good, s)
				}
			}
		}
		require.Len(t, bad, len(points), "one bad sample per point and outage")
		for i, s := range bad {
			assert.Equal(t, points[i], s.Point)
			assert.Equal(t, start.Add(2*time.Second), s.Time, "loss is said when it is seen")
			assert.True(t, s.Value.IsNone())
			assert.Equal(t, acquire.Communication, s.Quality.Reason())
		}
		require.Len(t, good, 4)
		assert.False(t, good[2].Quality.Has(acquire.TimeBackwards))

		// Waits of 1 s while a fifth of the outage is less, 2 s at its end.
		var since []time.Duration
		for _, at := range fake.Attempts() {
			since = append(since, at.Sub(start))
		}
		assert.Equal(t, []time.Duration{
			0, 3 * time.Second, 4 * time.Second, 5 * time.Second, 6 * time.Second, 7 * time.Second, 8 * time.Second,
			9200 * time.Millisecond, 10640 * time.Millisecond, 12368 * time.Millisecond,
		}, since)
	})
}

func TestReconnectTypesTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := acquiretest.NewFake("meter", []acquire.PointID{7}, acquiretest.Outage(time.Minute, fmt.Errorf("login: %w", refusal{})))
		// Not a whole second: the next attempt would fail at the very end of the time.
		batches, err := read(t, open(t, acquire.Reconnect(fake, plain)), 900*time.Millisecond)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotEmpty(t, batches)
		require.Len(t, batches[0].samples, 1, "a first connection refused is a loss too")
		assert.Equal(t, acquire.QualityOf(refusal{}), batches[0].samples[0].Quality)
		assert.Zero(t, batches[0].at)
	})
}

func TestReconnectBeatsWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := acquiretest.NewFake("meter", []acquire.PointID{7}, acquiretest.Connect(4500*time.Millisecond), polling(1, 7))
		batches, err := read(t, open(t, acquire.Reconnect(fake, plain)), time.Hour)
		assert.ErrorIs(t, err, io.EOF)
		require.Len(t, batches, 5)
		for i, b := range batches[:4] {
			assert.Equal(t, time.Duration(i+1)*time.Second, b.at)
			assert.Empty(t, b.samples)
			assert.NotZero(t, b.watermark)
		}
		assert.Equal(t, 5500*time.Millisecond, batches[4].at)
		assert.Len(t, fake.Attempts(), 1)
	})
}

func TestReconnectSpacing(t *testing.T) {
	const outage = 8 * time.Hour
	for name, backoff := range map[string]acquire.Backoff{
		"no jitter":   plain,
		"jitter":      {},
		"most jitter": {Rand: func() float64 { return 0.999999 }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				fake := acquiretest.NewFake("meter", []acquire.PointID{1},
					acquiretest.Outage(outage, errCut), polling(1, 1))
				batches, err := read(t, open(t, acquire.Reconnect(fake, backoff)), 2*outage)
				assert.ErrorIs(t, err, io.EOF)
				last := batches[len(batches)-1]
				assert.True(t, last.samples[0].Quality.IsGood())
				assert.LessOrEqual(t, last.at-outage, 35*time.Second, "good again after a long outage")

				attempts := fake.Attempts()
				for i, at := range attempts[1:] {
					wait := at.Sub(attempts[i])
					due := min(max(attempts[i].Sub(acquire.At(start))/5, time.Second), 30*time.Second)
					assert.LessOrEqual(t, wait, due)
					assert.GreaterOrEqual(t, wait, due*4/5, "cut by more than a fifth")
				}
				for from := range attempts {
					within := 0
					for _, at := range attempts[from:] {
						if at.Sub(attempts[from]) < time.Hour {
							within++
						}
					}
					require.LessOrEqual(t, within, 200, "attempts in an hour")
				}
			})
		})
	}
}

func TestReconnectJitterSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(map[acquire.Instant]bool)
		for range 20 {
			fake := acquiretest.NewFake("meter", nil, acquiretest.Outage(time.Hour, errCut))
			s := open(t, acquire.Reconnect(fake, acquire.Backoff{}))
			read(t, s, 2*time.Second)
			seen[fake.Attempts()[1]] = true
		}
		assert.Greater(t, len(seen), 15, "devices lost together must not return together")
	})
}

func TestReconnectBackoffLimits(t *testing.T) {
	tests := []struct {
		name    string
		backoff acquire.Backoff
		want    []time.Duration // waits before the second attempt and later
	}{
		{"shortest wait", acquire.Backoff{Min: 3 * time.Second, Jitter: -1}, []time.Duration{3 * time.Second, 3 * time.Second}},
		{"longest below shortest", acquire.Backoff{Min: 3 * time.Second, Max: time.Second, Jitter: -1}, []time.Duration{3 * time.Second, 3 * time.Second}},
		{"longest", acquire.Backoff{Max: 2 * time.Second, Jitter: -1}, []time.Duration{
			time.Second, time.Second, time.Second, time.Second, time.Second, time.Second,
			1200 * time.Millisecond, 1440 * time.Millisecond, 1728 * time.Millisecond, 2 * time.Second, 2 * time.Second,
		}},
		{"all jitter", acquire.Backoff{Jitter: 7, Rand: func() float64 { return 0.5 }}, []time.Duration{500 * time.Millisecond, 500 * time.Millisecond}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := acquiretest.NewFake("meter", nil, acquiretest.Outage(time.Hour, errCut))
				read(t, open(t, acquire.Reconnect(fake, test.backoff)), 30*time.Second)
				attempts := fake.Attempts()
				require.Greater(t, len(attempts), len(test.want))
				for i, want := range test.want {
					assert.Equal(t, want, attempts[i+1].Sub(attempts[i]), "wait %d", i+1)
				}
			})
		})
	}
}

func TestReconnectWithoutWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := acquiretest.NewFake("meter", []acquire.PointID{1},
			acquiretest.Repeat(3, acquiretest.Fail(errCut)), acquiretest.Deliver(reading(1)))
		batches, err := read(t, open(t, acquire.Reconnect(fake, acquire.Backoff{Min: -1})), time.Second)
		assert.ErrorIs(t, err, io.EOF)
		assert.Len(t, fake.Attempts(), 4)
		assert.Zero(t, batches[len(batches)-1].at)
	})
}

func TestReconnectResetsOnData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connected := func(steps ...acquiretest.Step) []acquiretest.Step { return steps }
		script := connected(acquiretest.Outage(10*time.Minute, errCut))
		script = append(script, connected(acquiretest.Deliver(), acquiretest.Fail(errCut))...)           // connects, says nothing: outage goes on
		script = append(script, connected(acquiretest.Deliver(reading(1)), acquiretest.Fail(errCut))...) // data: outage over
		script = append(script, polling(1, 1))
		fake := acquiretest.NewFake("meter", []acquire.PointID{1}, script...)
		batches, err := read(t, open(t, acquire.Reconnect(fake, plain)), time.Hour)
		assert.ErrorIs(t, err, io.EOF)

		attempts := fake.Attempts()
		n := len(attempts)
		assert.Equal(t, 30*time.Second, attempts[n-2].Sub(attempts[n-3]), "a connection without data does not reset the wait")
		assert.Equal(t, time.Second, attempts[n-1].Sub(attempts[n-2]), "data reset the wait")

		losses := 0
		for _, b := range batches {
			for _, s := range b.samples {
				if s.Quality.IsBad() {
					losses++
				}
			}
		}
		assert.Equal(t, 2, losses, "two outages, each said once")
	})
}

// listening gives an empty batch each second, n times, as a stream of events does to which
// nothing happens.
func listening(n int) acquiretest.Step {
	return acquiretest.Repeat(n, acquiretest.Wait(time.Second), acquiretest.Deliver())
}

// linked is a fake that says how its link is.
type linked struct {
	*acquiretest.Fake
	link acquire.Link
}

func (l linked) Stats() acquire.Stats { return acquire.Stats{Link: l.link} }

// TestReconnectQuiet: a source to which nothing happens is back when its connection
// stands, without an event.
func TestReconnectQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		points := []acquire.PointID{1, 2}
		fake := acquiretest.NewFake("alarms", points,
			listening(3),
			acquiretest.Outage(10*time.Second, errCut),
			listening(30), acquiretest.Deliver(reading(2)), listening(30),
			acquiretest.Outage(time.Second, errCut),
			listening(40),
			acquiretest.Fail(errCut),
			listening(1),
		)
		src := acquire.Reconnect(linked{fake, acquire.Up}, plain)
		s := open(t, src)
		type event struct {
			at   time.Duration
			what string
		}
		var events []event
		var b acquire.Batch
		var watermark acquire.Instant
		latest := make(map[acquire.PointID]acquire.Instant)
		start, link := time.Now(), acquire.Idle
		say := func(what string) { events = append(events, event{time.Since(start), what}) }
		for s.Next(t.Context(), &b) == nil {
			assert.GreaterOrEqual(t, b.Watermark, watermark)
			for _, x := range b.Samples {
				say(fmt.Sprintf("%d %s", x.Point, x.Quality))
				assert.GreaterOrEqual(t, x.Time, watermark, "promised")
				assert.GreaterOrEqual(t, x.Time, latest[x.Point])
				latest[x.Point] = x.Time
			}
			watermark = b.Watermark
			if st := stats(t, src); st.Link != link {
				link = st.Link
				say(link.String())
				assert.Equal(t, link != acquire.Down, st.NextAttempt == 0)
			}
		}
		const sec = time.Second
		// Attempts at 4 to 9 s fail, and those at 10.2 and 11.64 s; that at 13.368 s does not.
		back := 13368*time.Millisecond + sec
		lost := back + 59*sec
		again := lost + sec + sec
		assert.Equal(t, []event{
			{sec, "up"},
			{3 * sec, "1 bad: communication"}, {3 * sec, "2 bad: communication"}, {3 * sec, "down"},
			{back, "1 bad: waiting"}, {back, "2 bad: waiting"}, {back, "up"},
			{back + 29*sec, "2 good"},
			{lost, "1 bad: communication"}, {lost, "2 bad: communication"}, {lost, "down"},
			{again, "1 bad: waiting"}, {again, "2 bad: waiting"}, {again, "up"},
			{again + 39*sec, "1 bad: communication"}, {again + 39*sec, "2 bad: communication"}, {again + 39*sec, "down"},
			{again + 41*sec, "1 bad: waiting"}, {again + 41*sec, "2 bad: waiting"}, {again + 41*sec, "up"},
		}, events)
		assert.Equal(t, acquire.Ended, stats(t, src).Link)
	})
}

// TestReconnectQuietCosts: connections that hold for a while and give nothing do not make
// the waits short again.
func TestReconnectQuietCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := []acquiretest.Step{acquiretest.Outage(10*time.Minute, errCut)}
		for range 10 {
			script = append(script, listening(5), acquiretest.Fail(errCut))
		}
		fake := acquiretest.NewFake("alarms", []acquire.PointID{1}, script...)
		_, err := read(t, open(t, acquire.Reconnect(fake, plain)), time.Hour)
		assert.ErrorIs(t, err, io.EOF)
		attempts := fake.Attempts()
		for i, at := range attempts[len(attempts)-10:] {
			assert.GreaterOrEqual(t, at.Sub(attempts[len(attempts)-11+i]), 30*time.Second)
		}
	})
}

// TestReconnectNotBack: an empty batch does not end an outage while the source says that
// its device is away, nor one of the first second, nor bad samples. What the source has said
// of its points is not said over.
func TestReconnectNotBack(t *testing.T) {
	waiting := acquire.Sample{Point: 1, Quality: acquire.Bad.Because(acquire.Device)}
	tests := []struct {
		name  string
		inner acquire.Link
		steps []acquiretest.Step
		link  acquire.Link
		bad   []string
	}{
		{"away", acquire.Connecting, []acquiretest.Step{listening(5)}, acquire.Down, nil},
		{"early", acquire.Up, []acquiretest.Step{acquiretest.Deliver(), acquiretest.Wait(900 * time.Millisecond), acquiretest.Deliver()}, acquire.Down, nil},
		{"bad", acquire.Up, []acquiretest.Step{acquiretest.Wait(2 * time.Second), acquiretest.Deliver(waiting)}, acquire.Down, []string{"bad: device"}},
		{"quiet", acquire.Up, []acquiretest.Step{listening(5)}, acquire.Up, []string{"bad: waiting"}},
		{"bad, then quiet", acquire.Up, []acquiretest.Step{acquiretest.Deliver(waiting), listening(5)}, acquire.Up, []string{"bad: device"}},
		{"good", acquire.Down, []acquiretest.Step{acquiretest.Deliver(reading(1))}, acquire.Up, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := append([]acquiretest.Step{listening(1), acquiretest.Fail(errCut)}, test.steps...)
				fake := acquiretest.NewFake("alarms", []acquire.PointID{1}, append(script, acquiretest.Silence())...)
				src := acquire.Reconnect(linked{fake, test.inner}, plain)
				s := open(t, src)
				link := acquire.Idle
				var bad []string
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var b acquire.Batch
				for s.Next(ctx, &b) == nil {
					link = stats(t, src).Link
					for _, x := range b.Samples {
						if x.Quality.IsBad() {
							bad = append(bad, x.Quality.String())
						}
					}
				}
				assert.Equal(t, test.link, link)
				assert.Equal(t, append([]string{"bad: communication"}, test.bad...), bad)
			})
		})
	}
}

func TestReconnectEnds(t *testing.T) {
	for name, err := range map[string]error{
		"end of source": io.EOF,
		"permanent":     refusal{permanent: true},
		"closed":        acquire.ErrClosed,
	} {
		for where, script := range map[string][]acquiretest.Step{
			"connecting": {acquiretest.Fail(err), polling(1, 1)},
			"reading":    {polling(1, 1), acquiretest.Fail(err), polling(1, 1)},
		} {
			t.Run(name+" "+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fake := acquiretest.NewFake("meter", []acquire.PointID{1}, script...)
					src := acquire.Reconnect(fake, plain)
					s := open(t, src)
					_, got := read(t, s, time.Hour)
					assert.Equal(t, err, got)
					_, again := read(t, s, time.Hour)
					assert.Equal(t, err, again, "an error is final")
					assert.Len(t, fake.Attempts(), 1)
					assert.Zero(t, fake.Connections())
					assert.Equal(t, acquire.Ended, stats(t, src).Link)
				})
			})
		}
	}
}

func TestReconnectCancel(t *testing.T) {
	for name, script := range map[string][]acquiretest.Step{
		"reading":    {acquiretest.Silence()},
		"waiting":    {acquiretest.Outage(time.Hour, errCut)},
		"connecting": {acquiretest.Connect(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := acquiretest.NewFake("meter", []acquire.PointID{1}, script...)
				s := open(t, acquire.Reconnect(fake, plain))
				start := time.Now()
				_, err := read(t, s, 90*time.Second)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, 90*time.Second, time.Since(start))
				_, again := read(t, s, time.Hour)
				assert.Equal(t, err, again, "an error is final")
				assert.NoError(t, s.Close())
				assert.Equal(t, 90*time.Second, time.Since(start), "Close waits for nothing")
				assert.Zero(t, fake.Connections())
			})
		})
	}
	t.Run("before opening", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := acquire.Reconnect(acquiretest.NewFake("meter", nil), plain).Open(ctx)
		assert.ErrorIs(t, err, context.Canceled)
	})
}

func TestReconnectClose(t *testing.T) {
	for name, script := range map[string][]acquiretest.Step{
		"open":       {polling(100, 1)},
		"down":       {acquiretest.Outage(time.Hour, errCut)},
		"connecting": {acquiretest.Connect(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := acquiretest.NewFake("meter", []acquire.PointID{1}, script...)
				src := acquire.Reconnect(fake, plain)
				s := open(t, src)
				var b acquire.Batch
				require.NoError(t, s.Next(t.Context(), &b))
				require.NoError(t, s.Close())
				require.NoError(t, s.Close(), "Close may be called again")
				assert.ErrorIs(t, s.Next(t.Context(), &b), acquire.ErrClosed)
				assert.Zero(t, fake.Connections())
				assert.Equal(t, acquire.Ended, stats(t, src).Link)
			})
		})
	}
}

func TestReconnectFlagsTimeBackwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := acquire.At(time.Now())
		at := func(d time.Duration) acquire.Sample {
			s := reading(1)
			s.Time = start.Add(d)
			return s
		}
		fake := acquiretest.NewFake("meter", []acquire.PointID{1},
			acquiretest.Deliver(at(0)),
			acquiretest.Outage(10*time.Second, errCut),
			acquiretest.Deliver(at(5*time.Second), at(time.Minute)),
			acquiretest.Fill(func(b *acquire.Batch) { // a device without a clock
				b.Watermark = 0
				b.Append(acquire.Sample{Point: 1, Value: acquire.Float64(1), Quality: acquire.Good})
			}),
			acquiretest.Fill(func(b *acquire.Batch) { b.Watermark = start.Add(time.Hour) }),
			acquiretest.Fail(errCut),
			acquiretest.Deliver(at(30*time.Minute), at(2*time.Hour)),
		)
		src := acquire.Reconnect(fake, plain)
		batches, _ := read(t, open(t, src), time.Hour)
		var got []string
		var watermark acquire.Instant
		for _, b := range batches {
			if b.watermark != 0 {
				assert.GreaterOrEqual(t, b.watermark, watermark)
				watermark = b.watermark
			}
			for _, s := range b.samples {
				got = append(got, s.Quality.String())
			}
		}
		assert.Equal(t, []string{
			"good", "bad: communication",
			"good [time backwards]", // the stream has promised to be beyond it
			"good",
			"good",               // an unknown time does not run
			"bad: communication", // said at the device's latest time, ahead of ours
			"good [time backwards]", "good",
		}, got)
		assert.EqualValues(t, 2, stats(t, src).TimeFaults)
	})
}

// reporting is a fake that keeps counters of its own.
type reporting struct{ *acquiretest.Fake }

func (reporting) Stats() acquire.Stats {
	return acquire.Stats{Link: acquire.Up, Requests: 42, Timeouts: 3, Skipped: 2, Failures: 1000}
}

func TestReconnectStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := acquire.At(time.Now())
		fake := acquiretest.NewFake("meter", []acquire.PointID{1, 2},
			polling(3, 1), acquiretest.Outage(90*time.Second, errCut), polling(2, 1), acquiretest.Silence())
		src := acquire.Reconnect(reporting{fake}, plain)
		assert.Equal(t, acquire.Idle, stats(t, src).Link)
		s := open(t, src)
		var b acquire.Batch
		next := func(n int) acquire.Stats {
			for range n {
				require.NoError(t, s.Next(t.Context(), &b))
			}
			return stats(t, src)
		}

		up := next(3)
		assert.Equal(t, acquire.Up, up.Link)
		assert.Equal(t, start.Add(time.Second), up.Since)
		assert.EqualValues(t, 1, up.Connects)
		assert.EqualValues(t, 3, up.Samples)
		assert.Zero(t, up.BadSamples)
		assert.NoError(t, up.LastError)

		down := next(1)
		assert.Equal(t, acquire.Down, down.Link)
		assert.Equal(t, start.Add(3*time.Second), down.Since)
		assert.Equal(t, start.Add(4*time.Second), down.NextAttempt)
		assert.Equal(t, errCut, down.LastError)
		assert.Equal(t, start.Add(3*time.Second), down.LastErrorAt)
		assert.EqualValues(t, 1, down.Failures)
		assert.EqualValues(t, 5, down.Samples)
		assert.EqualValues(t, 2, down.BadSamples)

		for next(1).Failures < 10 {
			assert.Equal(t, acquire.Down, stats(t, src).Link, "while trying, too")
			assert.Equal(t, start.Add(3*time.Second), stats(t, src).Since, "the outage as a whole")
		}
		for len(b.Samples) != 1 {
			next(1)
		}
		back := stats(t, src)
		assert.Equal(t, acquire.Up, back.Link)
		assert.Zero(t, back.NextAttempt)
		assert.EqualValues(t, 2, back.Connects)
		assert.EqualValues(t, 42, back.Requests, "the driver's own counters show through")
		assert.EqualValues(t, 3, back.Timeouts)
		assert.EqualValues(t, 2, back.Skipped)
	})
}

func TestReconnectClockDoesNotDriveWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := time.Now()
		fake := acquiretest.NewFake("meter", []acquire.PointID{1}, acquiretest.Outage(3*time.Second, errCut), polling(1, 1))
		src := acquire.Reconnect(fake, acquire.Backoff{Jitter: -1, Now: func() time.Time { return stopped }})
		batches, err := read(t, open(t, src), time.Hour)
		assert.ErrorIs(t, err, io.EOF, "a clock that stands still must not keep a device away")
		assert.Equal(t, acquire.At(stopped), batches[0].samples[0].Time)
	})
}

func TestAs(t *testing.T) {
	fake := reporting{acquiretest.NewFake("meter", nil)}
	wrapped := acquire.Reconnect(acquire.Reconnect(fake, plain), plain)
	inner, ok := acquire.As[reporting](wrapped)
	assert.True(t, ok)
	assert.Equal(t, fake, inner)
	outer, ok := acquire.As[acquire.Reporter](wrapped)
	assert.True(t, ok)
	assert.Equal(t, wrapped, outer, "the outermost implementation wins")
	_, ok = acquire.As[io.Reader](wrapped)
	assert.False(t, ok)
	_, ok = acquire.As[acquire.Reporter](nil)
	assert.False(t, ok)
}

func TestBatchesAndSamples(t *testing.T) {
	script := []acquiretest.Step{acquiretest.Deliver(reading(1), reading(2)), acquiretest.Deliver(), acquiretest.Deliver(reading(3))}
	tests := []struct {
		name   string
		end    acquiretest.Step
		err    error
		points []acquire.PointID
	}{
		{"ends", acquiretest.EOF(), nil, []acquire.PointID{1, 2, 3}},
		{"fails", acquiretest.Fail(errCut), errCut, []acquire.PointID{1, 2, 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			source := func() acquire.Stream {
				return open(t, acquiretest.NewFake("meter", nil, append(script[:3:3], test.end)...))
			}
			var points []acquire.PointID
			var fault error
			batches := 0
			for b, err := range acquire.Batches(t.Context(), source()) {
				if err != nil {
					assert.Nil(t, b)
					fault = err
					continue
				}
				batches++
				for _, s := range b.Samples {
					points = append(points, s.Point)
				}
			}
			assert.Equal(t, 3, batches)
			assert.Equal(t, test.points, points)
			assert.Equal(t, test.err, fault)

			points, fault = nil, nil
			for s, err := range acquire.Samples(t.Context(), source()) {
				if err != nil {
					fault = err
					continue
				}
				points = append(points, s.Point)
			}
			assert.Equal(t, test.points, points)
			assert.Equal(t, test.err, fault)

			for range acquire.Samples(t.Context(), source()) {
				break
			}
		})
	}
}

func stats(t *testing.T, src acquire.Source) acquire.Stats {
	t.Helper()
	r, ok := acquire.As[acquire.Reporter](src)
	require.True(t, ok)
	return r.Stats()
}
