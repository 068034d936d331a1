package acquire_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/fieldtap/fieldtap/acquire"
)

// Each row is how long polls take, and when they must begin, in seconds.
func TestScheduleKeepsItsGrid(t *testing.T) {
	for _, row := range []struct {
		name    string
		every   time.Duration
		begin   time.Duration // 0: not called
		takes   []float64
		begins  []float64
		skipped []uint64
	}{
		{"in time", time.Second, 0, []float64{0.1, 0.9, 0}, []float64{0, 1, 2}, []uint64{0, 0, 0}},
		{"a little late", time.Second, 0, []float64{1.5, 0.1, 0}, []float64{0, 1.5, 2}, []uint64{0, 0, 0}},
		{"just a period late", time.Second, 0, []float64{1.999, 0.1, 0}, []float64{0, 1.999, 2.099}, []uint64{0, 0, 0}},
		{"late by more", time.Second, 0, []float64{3.5, 0.1, 0}, []float64{0, 3.5, 4}, []uint64{0, 2, 0}},
		{"no pause", 0, 0, []float64{1.5, 0.1, 0}, []float64{0, 1.5, 1.6}, []uint64{0, 0, 0}},
		{"grid given", time.Second, -400 * time.Millisecond, []float64{0.1, 0.1, 0}, []float64{0, 0.6, 1.6}, []uint64{0, 0, 0}},
		{"grid of long ago", time.Second, -10400 * time.Millisecond, []float64{0.1, 0.1, 0}, []float64{0, 0.6, 1.6}, []uint64{0, 0, 0}},
		{"grid to come", time.Second, 300 * time.Millisecond, []float64{0.1, 0.1, 0}, []float64{0.3, 1.3, 2.3}, []uint64{0, 0, 0}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				s := acquire.Schedule{Interval: row.every}
				if row.begin != 0 {
					s.Begin(start.Add(row.begin))
				}
				tick := 0
				for i, takes := range row.takes {
					skipped, err := s.Wait(t.Context())
					assert.NoError(t, err)
					if i > 0 {
						tick += 1 + int(skipped)
					}
					assert.Equal(t, row.skipped[i], skipped, "poll %d", i)
					assert.Equal(t, row.begins[i], time.Since(start).Seconds(), "poll %d", i)
					assert.Equal(t, tick, s.Tick())
					time.Sleep(time.Duration(takes * float64(time.Second)))
					assert.Equal(t, s.Left() <= 0, s.Overdue())
				}
			})
		})
	}
}

// What every third poll asks for is missed as often as its turn was skipped, counted one
// by one.
func TestScheduleCountsWhatIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := acquire.Schedule{Interval: time.Second}
		var made, missed, polls, skips [4]uint64
		for i := range 50 {
			skipped, err := s.Wait(t.Context())
			assert.NoError(t, err)
			for every := 1; every < 4; every++ {
				missed[every] += s.Missed(every)
				if s.Turn(every) {
					made[every]++
				}
				for at := s.Tick() - int(skipped); at < s.Tick(); at++ {
					if at%every == 0 {
						skips[every]++
					}
				}
			}
			polls[0]++
			time.Sleep(time.Duration(i*i%7) * time.Second)
		}
		assert.Equal(t, skips, missed)
		assert.NotZero(t, missed[3])
		for every := 1; every < 4; every++ {
			assert.EqualValues(t, s.Tick()/every+1, made[every]+missed[every])
		}
		assert.Equal(t, polls[0], made[1])
	})
}

func TestScheduleEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := acquire.Schedule{Interval: time.Hour}
		_, err := s.Wait(t.Context())
		assert.NoError(t, err)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = s.Wait(ctx)
		assert.Equal(t, context.DeadlineExceeded, err)
		assert.Equal(t, time.Second, time.Since(start))
		_, err = new(acquire.Schedule).Wait(ctx)
		assert.Equal(t, context.DeadlineExceeded, err)
	})
}

func TestTallyEnd(t *testing.T) {
	lost := errors.New("lost")
	for _, row := range []struct {
		err    error
		failed uint64
	}{
		{lost, 1},
		{&acquire.OpError{Op: "read", Err: lost}, 1},
		{acquire.ErrClosed, 0},
		{context.Canceled, 0},
		{context.DeadlineExceeded, 0},
		{io.EOF, 0},
		{io.ErrUnexpectedEOF, 1},
		{&acquire.OpError{Op: "next", Err: acquire.ErrClosed}, 0},
	} {
		var tally acquire.Tally
		tally.Enter(acquire.Up, 5)
		tally.End(row.err, 7)
		stats := tally.Stats()
		assert.Equal(t, row.failed, stats.Failures, "%v", row.err)
		assert.Equal(t, acquire.Ended, stats.Link)
		assert.EqualValues(t, 7, stats.Since)
		if row.failed > 0 {
			assert.Equal(t, row.err, stats.LastError)
			assert.EqualValues(t, 7, stats.LastErrorAt)
		} else {
			assert.NoError(t, stats.LastError)
		}
	}
}
