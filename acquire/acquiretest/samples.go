package acquiretest

import (
	"errors"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

const docHonesty = "a reading that failed is a bad sample without a value, with a reason and the protocol's own code; " +
	"no value is made up, repeated under a new time, or taken from an answer to something else."

func checkHonesty(tr *trial) error {
	s, err := tr.subject()
	if err != nil {
		return err
	}
	r, err := open(s.reconnected(), s.Timeout)
	if err != nil {
		return err
	}
	defer r.stream.Close()
	truthful := func(b *acquire.Batch) error {
		for _, sample := range b.Samples {
			if err := honest(s, sample, b); err != nil {
				return err
			}
		}
		return nil
	}
	if err := r.during(3*s.Period, s.pause(), truthful); err != nil {
		return err
	}

	late := s.Timeout + s.Period/2
	s.Late(late)
	if err := r.during(6*(s.bound()+late), s.pause(), truthful); err != nil {
		return fmt.Errorf("when answers come after their timeout: %w", err)
	}
	s.Restore()
	recovered := false
	err = r.during(6*s.bound()+s.recovery(6*(s.bound()+late)), s.pause(), func(b *acquire.Batch) error {
		for _, sample := range b.Samples {
			recovered = recovered || sample.Quality.IsGood()
		}
		return truthful(b)
	})
	if err == nil && !recovered {
		err = errors.New("no good sample although answers are in time again; does the simulated device still stand in a write that nobody reads?")
	}
	if err != nil {
		return fmt.Errorf("after answers that came late: %w", err)
	}

	refused := s.Source.Points()[0]
	want := s.Refuse(refused)
	since := acquire.At(time.Now())
	told := false
	err = r.during(2*s.bound()+s.Period, s.pause(), func(b *acquire.Batch) error {
		for _, sample := range b.Samples {
			switch {
			case sample.Point != refused || sample.Time <= since && !sample.Quality.IsBad(): // read before
				continue
			case !sample.Quality.IsBad():
				return fmt.Errorf("the device refuses %s, and yet: %s", s.name(refused), s.show(sample, b))
			case sample.Quality.Reason() != want.Reason() || sample.Quality.Native() != want.Native():
				return fmt.Errorf("the device refuses %s with %q, the sample says %q", s.name(refused), want, sample.Quality)
			}
			told = true
		}
		return truthful(b)
	})
	if err == nil && !told {
		err = fmt.Errorf("the device refuses %s, and no sample says so within %s", s.name(refused), 2*s.bound()+s.Period)
	}
	return err
}

// honest checks one sample against the truth.
func honest(s *Subject, sample acquire.Sample, b *acquire.Batch) error {
	switch {
	case sample.Quality.IsBad():
		if !sample.Value.IsNone() {
			return fmt.Errorf("a bad sample carries a value: %s", s.show(sample, b))
		}
		return nil
	case sample.Value.IsNone():
		return fmt.Errorf("a sample without a value is not bad: %s", s.show(sample, b))
	}
	if truth := s.Truth(sample.Point, sample.Time); !truth.IsNone() && truth != sample.Value {
		return fmt.Errorf("a sample is not true: %s; the device held %s then", s.show(sample, b), truth)
	}
	return nil
}

const docTime = "the time of a sample is the device's own, with acquire.SourceTime, or else the midpoint of the request that read it; " +
	"where it runs backwards for a point, the sample is flagged acquire.TimeBackwards and counted in Stats.TimeFaults, and nowhere else."

func checkTime(tr *trial) error {
	s, err := tr.subject()
	if err != nil {
		return err
	}
	r, err := open(s.Source, s.Timeout)
	if err != nil {
		return err
	}
	defer r.stream.Close()
	c := course{subject: s, latest: make(map[acquire.PointID]acquire.Instant)}
	if err := r.during(3*s.Period, s.bound(), c.check); err != nil {
		return err
	}
	if !c.good {
		return errors.New("no good sample to tell the time of")
	}
	if c.source {
		err = checkSourceTime(s, r, &c)
	} else {
		err = checkMidpoint(s, r, &c)
	}
	if err != nil {
		return err
	}

	before := c.flagged
	s.Clock(-time.Hour)
	if err := r.during(3*s.Period, 2*s.bound(), c.check); err != nil {
		return fmt.Errorf("after the clock was set back an hour: %w", err)
	}
	if st, ok := s.stats(); ok && st.TimeFaults != c.flagged {
		return fmt.Errorf("%d samples are flagged as going backwards, %d of them since the clock was set back; Stats.TimeFaults counts %d",
			c.flagged, c.flagged-before, st.TimeFaults)
	}
	return nil
}

// course follows the times of each point.
type course struct {
	subject *Subject
	latest  map[acquire.PointID]acquire.Instant
	good    bool          // there was a good sample
	source  bool          // and it had the device's time
	ahead   time.Duration // of the latest good sample against its arrival
	flagged uint64
}

func (c *course) check(b *acquire.Batch) error {
	for _, sample := range b.Samples {
		flag := sample.Quality.Has(acquire.TimeBackwards)
		backwards := sample.Time < c.latest[sample.Point]
		switch {
		case sample.Time == 0 && sample.Quality.IsGood():
			return fmt.Errorf("a good sample has no time: %s", c.subject.show(sample, b))
		case backwards && !flag:
			return fmt.Errorf("time runs backwards, unflagged: %s; an earlier sample is of %s",
				c.subject.show(sample, b), c.latest[sample.Point])
		case flag && !backwards:
			return fmt.Errorf("flagged as going backwards, and is not: %s", c.subject.show(sample, b))
		}
		if flag {
			c.flagged++
		}
		c.latest[sample.Point] = max(c.latest[sample.Point], sample.Time)
		if sample.Quality.IsGood() {
			c.good = true
			c.source = sample.Quality.Has(acquire.SourceTime)
			c.ahead = sample.Time.Sub(b.Received)
		}
	}
	return nil
}

// checkSourceTime moves the device's clock, which samples must follow.
func checkSourceTime(s *Subject, r *reader, c *course) error {
	const step = time.Hour
	before := c.ahead
	s.Clock(step)
	defer s.Clock(-step)
	if err := r.during(3*s.Period, s.bound(), c.check); err != nil {
		return err
	}
	if moved := c.ahead - before; moved < step-s.Period || moved > step+s.Period {
		return fmt.Errorf("samples say that their time is the device's; its clock was put forward by %s, they moved by %s", step, moved)
	}
	return nil
}

// checkMidpoint delays answers by d. If n requests follow one another, those
// before the last end whole delays before the batch is received, so that the
// midpoint of each is an odd number of half delays before.
func checkMidpoint(s *Subject, r *reader, c *course) error {
	d := min(s.Timeout, s.Period).Truncate(time.Microsecond) / 4
	d -= d % (2 * time.Microsecond)
	s.Late(d)
	defer s.Restore()
	slow := 10 * s.bound()                                      // several answers may be late one after the other
	if err := r.during(2*s.Period, slow, c.check); err != nil { // answers under way are not late yet
		return err
	}
	return r.during(5*s.Period, slow, func(b *acquire.Batch) error {
		for _, sample := range b.Samples {
			before := b.Received.Sub(sample.Time)
			if sample.Quality.IsGood() && (before%d-d/2).Abs() > time.Microsecond {
				return fmt.Errorf("answers take %s, so that the midpoint of a request is %s before its end; "+
					"a sample is stamped %s before its batch was received: %s", d, d/2, before, s.show(sample, b))
			}
		}
		return c.check(b)
	})
}

const docLoss = "what a source skips or drops because its consumer is slow is counted, in Batch.Lost or in Stats.Skipped, " +
	"and nothing is counted that was not lost."

// stalled is how many periods the consumer stays away.
const stalled = 10

func checkLoss(tr *trial) error {
	s, err := tr.subject()
	if err != nil {
		return err
	}
	r, err := open(s.Source, s.Timeout)
	if err != nil {
		return err
	}
	defer r.stream.Close()
	var lost uint64
	said := func() uint64 {
		st, _ := s.stats()
		return lost + st.Skipped
	}
	if err := r.during(3*s.Period, s.bound(), func(b *acquire.Batch) error { lost += b.Lost; return nil }); err != nil {
		return err
	}
	if n := said(); n != 0 {
		return fmt.Errorf("%d losses are counted while nothing was lost", n)
	}

	from := acquire.At(time.Now())
	pass(stalled*s.Period + s.Period/2)
	to := acquire.At(time.Now())
	got := make(map[acquire.PointID]uint64)
	err = r.during(3*s.Period, s.bound(), func(b *acquire.Batch) error {
		lost += b.Lost
		for _, sample := range b.Samples {
			if sample.Time > from && sample.Time <= to {
				got[sample.Point]++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range s.Source.Points() {
		if n := got[p]; n+said() < stalled {
			return fmt.Errorf("the consumer stayed away for %d periods; of %s it then got %d samples, and only %d losses are counted",
				stalled, s.name(p), n, said())
		}
	}
	return nil
}
