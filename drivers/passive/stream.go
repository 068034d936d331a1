package passive

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// stream decodes captures on the goroutine of whoever calls Next. A batch is what one
// message gave.
type stream struct {
	source  *Source
	reader  *Reader
	devices *devices
	err     error // final

	promise acquire.Instant // watermark of the points whose times are the capture's
	told    acquire.Instant // the latest that was given out
	shown   int             // of the points that have appeared, how many the source has
	over    error           // why the captures have ended, when what was left has been given
}

// tick is after how much time of the capture a watermark is told where there are no
// samples.
const tick = time.Second

// Next gives the samples of the next message that has some. A batch without samples says
// that time has passed.
func (s *stream) Next(ctx context.Context, b *acquire.Batch) error {
	b.Reset()
	if s.err != nil {
		return s.err
	}
	if s.over != nil {
		return s.finish(s.over)
	}
	for {
		if err := ctx.Err(); err != nil {
			return s.end("next", err)
		}
		o, err := s.reader.next(ctx.Done())
		switch {
		case err != nil:
			b.Reset()
			if s.rest(b) && ctx.Err() == nil {
				s.over = err
				s.deliver(b)
				return nil
			}
			return s.finish(err)
		case o == nil:
			continue
		}
		if s.take(o, b) {
			s.deliver(b)
			return nil
		}
	}
}

// deliver counts a batch that is given out.
func (s *stream) deliver(b *acquire.Batch) {
	s.saw()
	s.source.tally.Deliver(b)
}

// saw shows the source what was met.
func (s *stream) saw() {
	s.source.saw(&s.reader.d.stats, s.devices.appeared[s.shown:])
	s.shown = len(s.devices.appeared)
}

// rest fills a batch with what is left at the end of the captures, and reports whether
// that is anything.
func (s *stream) rest(b *acquire.Batch) bool {
	s.devices.settle(b, s.promise, true)
	s.devices.grow()
	if len(b.Samples) == 0 && b.Lost == 0 {
		return false
	}
	flag(b, s.promise)
	for i := range b.Samples {
		s.promise = max(s.promise, b.Samples[i].Time)
	}
	b.Received = s.promise
	b.Watermark, b.Points = s.promise, s.devices.clocked
	return true
}

// take fills a batch with what a message gives, and reports whether that is worth one.
func (s *stream) take(o *Observation, b *acquire.Batch) bool {
	b.Received = o.Time
	if o.Protocol == OPCUA {
		return s.takeServed(o, b)
	}
	var err error
	if o.Protocol == Modbus {
		err = s.devices.modbusMessage(b, o)
	} else {
		err = s.devices.snmpMessage(b, o)
	}
	s.count(o, err)
	s.devices.settle(b, o.Time, false)
	s.devices.grow()
	flag(b, s.promise)
	s.promise = max(s.promise, s.devices.horizon(s.reader.d.horizon(o.Time)))
	if len(b.Samples) == 0 && b.Lost == 0 && s.promise.Sub(s.told) < tick {
		return false
	}
	if len(s.devices.clocked) == 0 && len(b.Samples) == 0 && b.Lost == 0 {
		return false
	}
	s.told = s.promise
	b.Watermark, b.Points = s.promise, s.devices.clocked
	return true
}

// takeServed is for servers that give values times of their own.
func (s *stream) takeServed(o *Observation, b *acquire.Batch) bool {
	server, ok := s.devices.served.at(o.Server, 0)
	if !ok {
		return false
	}
	s.count(o, server.opcuaMessage(b, o))
	flag(b, server.promise)
	if o.FromServer && o.Err == nil {
		at := o.OPCUA.Time
		if at == 0 {
			at = o.Time
		}
		server.promise = max(server.promise, at.Add(-s.source.cfg.Lateness))
	}
	if len(b.Samples) == 0 {
		return false
	}
	b.Watermark, b.Points = server.promise, server.decoder.Points()
	return true
}

// flag says of samples that are older than was promised.
func flag(b *acquire.Batch, promise acquire.Instant) {
	for i := range b.Samples {
		if sample := &b.Samples[i]; sample.Time < promise {
			sample.Quality = sample.Quality.With(acquire.TimeBackwards)
		}
	}
}

// count counts a message in the terms of a driver.
func (s *stream) count(o *Observation, err error) {
	if o.Err == nil && err == nil && !o.Unanswered && o.FromServer {
		return
	}
	s.source.tally.Update(func(st *acquire.Stats) {
		switch {
		case o.Unanswered:
			st.Timeouts++
		case errors.Is(o.Err, ErrUnpaired), errors.Is(o.Err, ErrAmbiguous):
			st.Late++
		case o.Err != nil:
			st.Malformed++
		case !o.FromServer:
			st.Requests++
		case acquire.QualityOf(err).Reason() == acquire.Protocol:
			st.Malformed++
		default:
			st.Exceptions++
		}
	})
}

// finish is the end of the captures.
func (s *stream) finish(err error) error {
	s.saw()
	var damage *DamageError
	if err == io.EOF || s.source.cfg.Incomplete && errors.As(err, &damage) {
		s.err = io.EOF
		s.source.tally.Enter(acquire.Ended, acquire.At(time.Now()))
		return s.err
	}
	return s.end("read", err)
}

// end makes err the final error.
func (s *stream) end(op string, err error) error {
	s.err = &acquire.OpError{Op: op, Source: s.source.cfg.Name, Err: err}
	now := acquire.At(time.Now())
	s.source.tally.Update(func(st *acquire.Stats) { st.LastError, st.LastErrorAt = s.err, now })
	s.source.tally.Enter(acquire.Ended, now)
	return s.err
}

// Close closes the files.
func (s *stream) Close() error {
	if s.err == nil {
		_ = s.end("next", acquire.ErrClosed)
	}
	return s.reader.Close()
}
