package acquire

import (
	"context"
	"time"
)

// Schedule says when a polled device is polled: first at once, then on a grid of
// Interval that does not drift, however long a poll takes. A poll that ends late is
// followed by the next as soon as possible; one that is late by a whole Interval and
// more has the polls between skipped, not made up for. It serves one stream, and is not
// safe for concurrent use. The zero value polls without a pause.
type Schedule struct {
	// Interval is the time from one poll to the next; 0 or less: no pause between them.
	Interval time.Duration

	due     time.Time // when the present poll was due; zero before the first
	tick    int       // its number
	skipped int       // polls left out before it
	begun   bool
}

// Begin lays the grid through that time. If it is past, the first poll follows at once,
// and the second where the grid has its next point. Without Begin the grid goes through
// the time of the first Wait.
func (s *Schedule) Begin(due time.Time) { s.due = due }

// Wait sleeps until the next poll is due, or fails with the error of ctx. It returns how
// many polls were skipped because the one before, or whoever calls, took too long.
func (s *Schedule) Wait(ctx context.Context) (skipped uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	now := time.Now()
	s.skipped = 0
	switch {
	case !s.begun:
		s.begun = true
		switch late := now.Sub(s.due); {
		case s.due.IsZero():
			s.due = now
		case late > 0 && s.Interval > 0:
			s.due = s.due.Add(late / s.Interval * s.Interval)
		}
		return 0, Pause(ctx, s.due.Sub(now))
	case s.Interval <= 0:
		s.due = now
		s.tick++
		return 0, nil
	case now.Sub(s.due)/s.Interval >= 2:
		s.skipped = int(now.Sub(s.due)/s.Interval) - 1
	}
	s.due = s.due.Add(time.Duration(s.skipped+1) * s.Interval)
	s.tick += s.skipped + 1
	return uint64(s.skipped), Pause(ctx, s.due.Sub(now))
}

// Tick returns the number of the present poll: 0 is the first, and skipped ones count.
func (s *Schedule) Tick() int { return s.tick }

// Turn reports whether it is the turn of what every so-many-th poll asks for. The first
// asks for everything.
func (s *Schedule) Turn(every int) bool { return s.tick%every == 0 }

// Missed returns in how many of the polls that the latest Wait skipped it was the turn of
// what every so-many-th poll asks for: so often a sample of it was lost.
func (s *Schedule) Missed(every int) uint64 {
	return uint64((s.tick-1)/every - (s.tick-1-s.skipped)/every)
}

// Left returns how long it is until the next poll is due; 0 or less if it is overdue,
// which it always is without an Interval.
func (s *Schedule) Left() time.Duration { return max(s.Interval, 0) - s.Age() }

// Overdue reports whether the next poll should have begun.
func (s *Schedule) Overdue() bool { return s.Left() <= 0 }

// Age returns how long ago the present poll was due.
func (s *Schedule) Age() time.Duration { return time.Since(s.due) }

// Pause waits for d, or until the end of ctx, whose error it returns. It does not wait
// if d is 0 or less.
func Pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
