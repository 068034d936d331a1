package capture

import (
	"context"
	"errors"
	"io"

	"github.com/fieldtap/fieldtap/acquire"
)

// Record returns a Source that delivers what src delivers, and hands each batch
// to w before it returns it. It also records when src is opened, fails, and is
// closed. Neither src nor w is nil.
//
// What cannot be recorded does not disturb the stream: errors show in Config.OnError
// and Writer.Stats, where the samples are counted that are not in the file. A disk that
// hangs does not hold up the stream either if Config.Queue says how many blocks may wait
// for it; else the goroutine that calls Next writes, and waits.
//
// Several sources may be recorded by one Writer. Put Record inside Reconnect to
// record each connection, or outside to record what Reconnect makes of them. The
// Writer is not closed with a stream.
func Record(src acquire.Source, w *Writer) acquire.Source { return &recorder{src, w} }

type recorder struct {
	src acquire.Source
	w   *Writer
}

func (r *recorder) Name() string              { return r.src.Name() }
func (r *recorder) Points() []acquire.PointID { return r.src.Points() }
func (r *recorder) Unwrap() acquire.Source    { return r.src }

func (r *recorder) Open(ctx context.Context) (acquire.Stream, error) {
	inner, err := r.src.Open(ctx)
	if err != nil {
		r.fail(err)
		return nil, err
	}
	r.tell(Event{Kind: Opened})
	return &recordStream{recorder: r, inner: inner}, nil
}

// tell records an event. The Writer tells of its errors itself.
func (r *recorder) tell(ev Event) {
	ev.Source = r.src.Name()
	_ = r.w.Event(ev)
}

func (r *recorder) fail(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || errors.Is(err, acquire.ErrClosed) {
		r.tell(Event{Kind: Closed})
		return
	}
	r.tell(Event{Kind: Failed, Quality: acquire.QualityOf(err), Permanent: acquire.Permanent(err), Text: err.Error()})
}

type recordStream struct {
	*recorder
	inner acquire.Stream
	ended bool // and that was recorded
}

func (s *recordStream) Next(ctx context.Context, b *acquire.Batch) error {
	err := s.inner.Next(ctx, b)
	switch {
	case err == nil:
		_ = s.w.Write(b) // told by the Writer
	case !s.ended:
		s.ended = true
		s.fail(err)
	}
	return err
}

func (s *recordStream) Close() error {
	err := s.inner.Close()
	if !s.ended {
		s.ended = true
		s.tell(Event{Kind: Closed})
	}
	return err
}
