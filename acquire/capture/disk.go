package capture

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// block is what is collected of a block until it is written.
type block struct {
	enc     *encoder
	first   acquire.Instant // earliest arrival in it
	last    acquire.Instant // latest arrival in it
	carried bool            // its first batch does not say when it arrived: first is when
	events  uint64          // given by the host
	missing Event           // the Gaps among its events, in sum
}

// disk is where blocks are written to: a file, or one after the other. It is used by
// one goroutine at a time.
type disk struct {
	open   func(first acquire.Instant) (*file, error)
	full   func(f *file, first acquire.Instant) bool // nil: never
	out    *file
	closer io.Closer // of out

	files uint64 // begun
	bytes uint64 // written
	aside error  // that cost no samples, not told yet
}

// write writes a block.
func (d *disk) write(b *block) error {
	if err := d.turn(b.first); err != nil {
		return err
	}
	before := d.out.offset
	err := d.out.writeBlock(b.enc, b.first)
	d.bytes += uint64(d.out.offset - before)
	return err
}

// turn sees to it that there is a file, and that it is not full.
func (d *disk) turn(first acquire.Instant) error {
	if d.out != nil && (d.full == nil || d.out.broken == nil && !d.full(d.out, first)) {
		return nil
	}
	if d.out != nil {
		if err := d.finish(); err != nil {
			d.aside = errors.Join(d.aside, fmt.Errorf("capture: file is left without an index: %w", err))
		}
	}
	out, err := d.open(first)
	if err != nil {
		return err
	}
	d.out = out
	d.files++
	return nil
}

// finish completes the present file.
func (d *disk) finish() error {
	var err error
	if d.out != nil {
		before := d.out.offset
		if d.out.broken == nil {
			err = d.out.finish()
		}
		d.bytes += uint64(d.out.offset - before)
		d.out = nil
	}
	if d.closer != nil {
		err = errors.Join(err, d.closer.Close())
		d.closer = nil
	}
	return err
}

// end finishes the capture, of which blocks have been written or not.
func (d *disk) end(whole bool) error {
	var err error
	if whole && d.out == nil && d.full == nil {
		err = d.turn(0)
	}
	return errors.Join(err, d.finish())
}

// ErrDisk is wrapped by the error for a disk that does not answer for a second, for
// blocks dropped because Config.Queue blocks wait for it, and for a Flush or Close that
// has waited for it long enough.
var ErrDisk = errors.New("disk does not keep up")

const (
	// hang is how long the disk may take for a block before that is told.
	hang = time.Second

	// patience is how long Flush and Close wait for a disk that does not answer.
	patience = 10 * time.Second
)

// queue hands blocks to the goroutine that writes them. All but the channel is
// guarded by the mutex of the Writer.
type queue struct {
	blocks   chan block
	free     []*encoder    // that are at hand
	handed   uint64        // blocks
	settled  uint64        // blocks that were written or dropped since
	progress chan struct{} // closed when a block is settled
	done     chan struct{} // closed when all is over
	end      error         // of the capture, valid then
}

// drain writes blocks until there are no more to come.
func (w *Writer) drain() {
	q := w.queue
	watch := time.AfterFunc(hang, w.hangs)
	watch.Stop()
	whole := true
	for b := range q.blocks {
		watch.Reset(hang)
		err := w.disk.write(&b)
		watch.Stop()
		whole = whole && err == nil
		w.mu.Lock()
		w.account()
		err = w.settle(&b, err)
		q.settled++
		w.meet(err)
		q.free = append(q.free, b.enc)
		close(q.progress)
		q.progress = make(chan struct{})
		w.tell(err)
	}
	watch.Reset(hang)
	err := w.disk.end(whole)
	watch.Stop()
	w.mu.Lock()
	w.account()
	q.end = err
	close(q.done)
	w.mu.Unlock()
}

// hangs tells that the disk does not answer.
func (w *Writer) hangs() {
	err := fmt.Errorf("capture: %w: no answer within %s", ErrDisk, hang)
	w.mu.Lock()
	w.note(err)
	w.tell(err)
}

// flushes is how many blocks a call hands at most after it has waited for room.
const flushes = 2

// room waits until the queue has room for what one call hands, if waiting is asked for,
// but not for ever. The mutex is held when it is called and when it returns, and not
// meanwhile.
func (w *Writer) room() {
	q := w.queue
	if !w.cfg.Wait || q.handed-q.settled < uint64(w.cfg.Queue) {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for late := false; !late && q.handed-q.settled >= uint64(w.cfg.Queue); {
		progress := q.progress
		w.mu.Unlock()
		select {
		case <-progress:
		case <-timer.C:
			late = true
		}
		w.mu.Lock()
	}
}

// hand gives the open block to the goroutine, or drops it.
func (w *Writer) hand(b block) error {
	q := w.queue
	if n := len(q.free); n > 0 {
		w.enc, q.free = q.free[n-1], q.free[:n-1]
	} else {
		w.enc = new(encoder)
	}
	select {
	case q.blocks <- b:
		q.handed++
		return nil
	default:
		err := w.settle(&b, fmt.Errorf("%w: %d blocks wait for it", ErrDisk, cap(q.blocks)))
		q.free = append(q.free, b.enc)
		return err
	}
}

// wait waits until all blocks handed so far are settled. The mutex is held when it is
// called and when it returns, and not meanwhile.
func (w *Writer) wait() error {
	q := w.queue
	to := q.handed
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for q.settled < to {
		progress := q.progress
		w.mu.Unlock()
		late := false
		select {
		case <-progress:
		case <-timer.C:
			late = true
		}
		w.mu.Lock()
		if late && q.settled < to {
			return fmt.Errorf("capture: %w: %d blocks still wait for it after %s", ErrDisk, to-q.settled, patience)
		}
	}
	return nil
}

// waitEnd waits until the goroutine has ended, and returns what Close does.
func (w *Writer) waitEnd() error {
	q := w.queue
	timer := time.NewTimer(patience)
	defer timer.Stop()
	w.mu.Unlock()
	defer w.mu.Lock()
	select {
	case <-q.done:
		return q.end
	case <-timer.C:
		return fmt.Errorf("%w: not complete after %s", ErrDisk, patience)
	}
}
