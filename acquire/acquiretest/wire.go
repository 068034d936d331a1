package acquiretest

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

const docReadOnly = "nothing that a source sends changes the device, not when connecting, not when refused, not when closing."

func checkReadOnly(tr *trial) error {
	s, err := tr.subject()
	if err != nil {
		return err
	}
	r, err := open(s.reconnected(), s.Timeout)
	if err != nil {
		return err
	}
	err = r.during(10*s.Period, s.pause(), func(*acquire.Batch) error { return nil })
	if err == nil {
		s.Refuse(s.Source.Points()[0])
		err = r.during(3*s.bound(), s.pause(), func(*acquire.Batch) error { return nil })
		s.Restore()
	}
	if err := errors.Join(err, r.stream.Close()); err != nil {
		return err
	}
	if n := s.Writes(); n != 0 {
		return fmt.Errorf("the device saw %d requests that would change it", n)
	}
	return nil
}

const docTwoHalves = "a driver is a transport, given from outside, and a decoder, with no clock and no state but its own: " +
	"an hour of the same device gives the same samples, times included, in every run, over the links that the device sees."

// hour is how long TwoHalves reads.
const hour = time.Hour

// twoHalves is the one check that lives in two bubbles, one for each run.
func twoHalves() Check {
	c := Check{Name: "TwoHalves", Doc: docTwoHalves, Needs: []string{"Connections"}}
	c.Run = func(t *testing.T, newSubject NewSubject) error {
		var first []record
		if err := c.inBubble(t, newSubject, func(tr *trial) (err error) {
			first, err = recordHour(tr, nil)
			return err
		}); err != nil {
			return err
		}
		return c.inBubble(t, newSubject, func(tr *trial) error {
			second, err := recordHour(tr, first)
			if err == nil && len(second) != len(first) {
				err = fmt.Errorf("two runs of an hour of the same device differ: %d batches, then %d", len(first), len(second))
			}
			return err
		})
	}
	return c
}

// record is what TwoHalves keeps of a batch.
type record struct {
	received, watermark acquire.Instant
	lost                uint64
	samples             []acquire.Sample
	texts               []string // of the samples that hold text
}

// recordHour reads for an hour and compares with an earlier run, if there is one.
func recordHour(tr *trial, earlier []record) ([]record, error) {
	s, err := tr.subject()
	if err != nil {
		return nil, err
	}
	r, err := open(s.Source, s.Timeout)
	if err != nil {
		return nil, err
	}
	defer r.stream.Close()
	var records []record
	good := 0
	err = r.during(hour, s.bound(), func(b *acquire.Batch) error {
		if s.Connections() == 0 {
			return errors.New("batches come and the device sees no link: the driver dials on its own")
		}
		now := record{received: b.Received, watermark: b.Watermark, lost: b.Lost, samples: slices.Clone(b.Samples)}
		for i := range now.samples {
			if now.samples[i].Quality.IsGood() {
				good++
			}
			if text, ok := b.Text(now.samples[i].Value); ok {
				now.texts = append(now.texts, string(text))
				now.samples[i].Value = acquire.Value{} // a reference, which need not be the same
			}
		}
		if n := len(records); n < len(earlier) {
			if err := earlier[n].compare(&now, s); err != nil {
				return fmt.Errorf("two runs of an hour of the same device differ, in batch %d: %w", n+1, err)
			}
		}
		records = append(records, now)
		return nil
	})
	if least := int(hour/s.Period) - 1; err == nil && good < least {
		err = fmt.Errorf("an hour of a period of %s gave %d good samples, less than %d", s.Period, good, least)
	}
	return records, err
}

func (r *record) compare(other *record, s *Subject) error {
	switch {
	case r.received != other.received:
		return fmt.Errorf("received %s, then %s", r.received, other.received)
	case r.watermark != other.watermark:
		return fmt.Errorf("watermark %s, then %s", r.watermark, other.watermark)
	case r.lost != other.lost:
		return fmt.Errorf("lost %d, then %d", r.lost, other.lost)
	case len(r.samples) != len(other.samples):
		return fmt.Errorf("%d samples, then %d", len(r.samples), len(other.samples))
	}
	for i := range r.samples {
		if r.samples[i] != other.samples[i] {
			return fmt.Errorf("%s, then %s", s.show(r.samples[i], nil), s.show(other.samples[i], nil))
		}
	}
	if !slices.Equal(r.texts, other.texts) {
		return fmt.Errorf("texts %q, then %q", r.texts, other.texts)
	}
	return nil
}

const docBounded = "whatever a device sends, its points are said to be bad within one period and one timeout, " +
	"memory stays within 16 MiB, other devices keep their period, and good samples follow when it is well again."

// The bounds of memory under a flood: in use at any time, and asked for
// altogether.
const (
	maxInUse = 16 << 20
	maxAsked = 256 << 20
)

func checkBounded(tr *trial) error {
	p, err := newPair(tr)
	if err != nil {
		return err
	}
	defer p.stream.Close()
	offset := slices.Max(p.well.Source.Points())
	unsaid := make(map[acquire.PointID]bool)
	for _, id := range p.sick.Source.Points() {
		unsaid[id+offset] = true
	}

	start := time.Now()
	p.sick.Flood()
	m := newMeter(p.sick.Timeout / 10)
	err = p.reader.during(5*p.sick.bound(), p.well.pause(), func(b *acquire.Batch) error {
		for _, sample := range b.Samples {
			switch {
			case sample.Quality.IsBad():
				delete(unsaid, sample.Point)
			case sample.Point <= offset:
				p.latest[sample.Point] = time.Now()
			}
		}
		if since := time.Since(start); len(unsaid) > 0 && since > p.sick.bound()+slack {
			return fmt.Errorf("the device has sent garbage for %s, and %d of its points have no bad sample", since, len(unsaid))
		}
		return p.punctual(time.Now())
	})
	inUse, asked := m.stop()
	switch {
	case err != nil:
		return err
	case inUse > maxInUse:
		return fmt.Errorf("under a flood, memory in use grew by %d MiB, more than %d", inUse>>20, maxInUse>>20)
	case asked > maxAsked:
		return fmt.Errorf("under a flood of %s, %d MiB of memory were asked for, more than %d", time.Since(start), asked>>20, maxAsked>>20)
	}

	outage := time.Since(start)
	p.sick.Restore()
	err = p.until(p.sick.recovery(outage), p.well.pause(), func(b *acquire.Batch) (bool, error) {
		for _, sample := range b.Samples {
			if sample.Quality.IsGood() && sample.Point > offset {
				unsaid[sample.Point] = true
			}
		}
		return len(unsaid) == len(p.sick.Source.Points()), nil
	})
	if errors.Is(err, errLimit) {
		return fmt.Errorf("the device is well again after a flood of %s; within %s, %d of %d points became good",
			outage, p.sick.recovery(outage), len(unsaid), len(p.sick.Source.Points()))
	}
	return err
}

// meter measures memory at a fixed interval of virtual time.
type meter struct {
	atFirst runtime.MemStats
	peak    atomic.Int64
	end     chan struct{}
	ended   chan struct{}
}

func newMeter(interval time.Duration) *meter {
	m := &meter{end: make(chan struct{}), ended: make(chan struct{})}
	runtime.GC()
	runtime.ReadMemStats(&m.atFirst)
	go func() {
		defer close(m.ended)
		ticker := time.NewTicker(max(interval, time.Millisecond))
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				m.measure()
			case <-m.end:
				return
			}
		}
	}()
	return m
}

// measure collects garbage only if there may be too much beside it.
func (m *meter) measure() (now runtime.MemStats) {
	runtime.ReadMemStats(&now)
	if m.growth(&now) > maxInUse {
		runtime.GC()
		runtime.ReadMemStats(&now)
	}
	m.peak.Store(max(m.peak.Load(), m.growth(&now)))
	return now
}

func (m *meter) growth(now *runtime.MemStats) int64 {
	return int64(now.HeapAlloc) - int64(m.atFirst.HeapAlloc)
}

// stop returns the most memory in use and all that was asked for, in bytes.
func (m *meter) stop() (inUse, asked int64) {
	close(m.end)
	<-m.ended
	now := m.measure()
	return m.peak.Load(), int64(now.TotalAlloc - m.atFirst.TotalAlloc)
}
