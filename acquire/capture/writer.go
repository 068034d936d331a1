package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// ErrClosed is returned by a Writer or Reader after Close.
var ErrClosed = errors.New("capture: closed")

// Stats is a snapshot of what a Writer has done. What was given to it is written,
// unrecorded, or waits in the open block or for the disk.
type Stats struct {
	Batches uint64 // given to Write; each piece of one beyond a block counts
	Samples uint64 // given to Write

	WrittenBatches uint64 // acknowledged: in the file, and on disk if Sync says so
	WrittenSamples uint64 // acknowledged
	Blocks         uint64 // written
	Bytes          uint64 // written, in all files
	Files          uint64 // begun

	UnrecordedBatches uint64          // dropped because of an error, or given after Close
	UnrecordedSamples uint64          // dropped because of an error, or given after Close
	UnrecordedEvents  uint64          // dropped because of an error
	UnreadableTexts   uint64          // texts that did not belong to their batch, recorded as bad samples without a value
	Errors            uint64          // errors met
	LastError         error           // nil if none yet
	LastErrorAt       acquire.Instant // when LastError was met
}

// Writer records batches. They are collected in a block, which is written as a
// whole when it is full, when its time is over, or by Flush. A batch is
// acknowledged once a block with it has been written: by Flush that returns nil,
// or in Stats.
//
// An error of writing costs the block that met it and no other: it is counted,
// told to Config.OnError, and the next block is tried again, preceded by an Event
// that says how much is missing. It takes a file to go on after an error; any
// other io.Writer may end anywhere then, and takes nothing more.
//
// A Writer is safe for concurrent use.
type Writer struct {
	cfg Config

	mu      sync.Mutex
	block                   // the open one
	arrival acquire.Instant // of the latest batch that says
	disk    *disk           // of the goroutine that drains queue, if there is one
	queue   *queue          // nil: blocks are written by who completes them
	timer   *time.Timer
	stats   Stats
	untold  error // that cost no samples
	met     error // the first since the latest call, of a block that no call wrote
	closed  bool

	telling sync.Mutex // held while the host is told of an error
}

// NewWriter returns a Writer to w, which is not closed by it. w is written to from
// its present place on as if that were the start of a file.
func NewWriter(w io.Writer, cfg Config) (*Writer, error) {
	err := cfg.complete()
	if w == nil {
		err = errors.Join(err, errors.New("capture: writer is nil"))
	}
	if err != nil {
		return nil, err
	}
	out := newFile(w, &cfg)
	return newWriter(cfg, &disk{open: func(acquire.Instant) (*file, error) { return out, nil }}), nil
}

// Create returns a Writer to a new file. An existing file of that name is an
// error.
func Create(name string, cfg Config) (*Writer, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	if err := syncName(name, &cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("capture: %w", err), f.Close())
	}
	out := newFile(f, &cfg)
	return newWriter(cfg, &disk{open: func(acquire.Instant) (*file, error) { return out, nil }, closer: f}), nil
}

// syncName puts the name of a new file on disk, where each block is. Windows has
// no way to, and no need.
func syncName(name string, cfg *Config) error {
	if cfg.Sync != SyncEachBlock || runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func newFile(w io.Writer, cfg *Config) *file {
	f := &file{out: w, catalog: cfg.Catalog, compressor: cfg.Compressor, sync: cfg.Sync == SyncEachBlock}
	if undo, ok := w.(truncater); ok {
		if base, err := undo.Seek(0, io.SeekCurrent); err == nil {
			f.undo, f.base = undo, base
		}
	}
	return f
}

func newWriter(cfg Config, d *disk) *Writer {
	w := &Writer{cfg: cfg, block: block{enc: new(encoder)}, disk: d}
	if cfg.Queue > 0 {
		length := cfg.Queue
		if cfg.Wait {
			length += flushes
		}
		w.queue = &queue{
			blocks: make(chan block, length), progress: make(chan struct{}), done: make(chan struct{}),
		}
		go w.drain()
	}
	return w
}

// Write records b. It returns the error of a block that had to be written on the
// way, which b may be part of or not, and the first of a block that failed since the
// call before, its time being over or by way of Config.Queue. Acquisition can go on
// regardless.
func (w *Writer) Write(b *acquire.Batch) error {
	w.mu.Lock()
	w.arrive(b)
	if w.leaves(b) || w.enc.samples+len(b.Samples) >= w.cfg.MaxSamples {
		w.room()
		w.arrive(b) // others may have, meanwhile
	}
	return w.unlock(w.write(b))
}

// arrive notes when b has arrived, if it says.
func (w *Writer) arrive(b *acquire.Batch) {
	if b.Received != 0 {
		w.arrival = b.Received
	}
}

func (w *Writer) write(b *acquire.Batch) error {
	w.stats.Batches++
	w.stats.Samples += uint64(len(b.Samples))
	if w.closed { // as with a stream that outlives its recording
		w.stats.UnrecordedBatches++
		w.stats.UnrecordedSamples += uint64(len(b.Samples))
		return ErrClosed
	}
	var faults error
	flush := func() {
		if err := w.flush(); err != nil {
			faults = errors.Join(faults, err)
		}
	}
	if w.leaves(b) {
		flush()
	}
	h := header{b.Received, b.Watermark}
	samples, lost := b.Samples, b.Lost
	for len(samples) > maxSamples {
		if w.room(); w.closed {
			w.stats.UnrecordedBatches++
			w.stats.UnrecordedSamples += uint64(len(samples))
			return errors.Join(faults, ErrClosed)
		}
		// A piece promises nothing: what follows is as old as it.
		w.begin()
		w.stretch(b)
		w.enc.addBatch(b, header{received: h.received}, nil, lost, samples[:maxSamples])
		lost, samples = 0, samples[maxSamples:]
		w.stats.Batches++
		flush()
	}
	w.begin()
	w.stretch(b)
	w.enc.addBatch(b, h, b.Points, lost, samples)
	if w.enc.samples >= w.cfg.MaxSamples {
		flush()
	}
	return faults
}

// leaves tells whether the open block must be written before b is added.
func (w *Writer) leaves(b *acquire.Batch) bool {
	e := w.enc
	if e.empty() {
		return false
	}
	// Events alone have no place in time: whoever replays records old batches today.
	apart := e.batches > 0 && (w.arrival < w.first && w.carried ||
		uint64(max(w.last, w.arrival))-uint64(min(w.first, w.arrival)) >= uint64(w.cfg.MaxDelay))
	return apart || e.samples+len(b.Samples) > w.cfg.MaxSamples ||
		e.batches >= maxBatches || e.inSets >= maxSets || len(e.textBytes) >= maxText
}

// stretch lets the time of the open block include the arrival of b, which comes
// into it. Clocks may be set back, and those of several sources differ.
func (w *Writer) stretch(b *acquire.Batch) {
	if w.enc.batches == 0 {
		w.first, w.last, w.carried = w.arrival, w.arrival, b.Received == 0
		return
	}
	w.first, w.last = min(w.first, w.arrival), max(w.last, w.arrival)
}

// begin notes when a block begins, if one does.
func (w *Writer) begin() {
	if !w.enc.empty() {
		return
	}
	w.first, w.last, w.carried = w.arrival, w.arrival, true
	w.arm()
}

func (w *Writer) arm() {
	if w.timer == nil {
		w.timer = time.AfterFunc(w.cfg.MaxDelay, w.expire)
		return
	}
	w.timer.Reset(w.cfg.MaxDelay)
}

// expire writes the open block when its time is over.
func (w *Writer) expire() {
	w.mu.Lock()
	w.room()
	var err error
	if !w.closed {
		err = w.flush()
	}
	w.meet(err)
	w.tell(err)
}

// Event records ev in its place among the batches. Its Time is filled in if it is
// unknown.
func (w *Writer) Event(ev Event) error {
	w.mu.Lock()
	if w.enc.events >= maxEvents {
		w.room()
	}
	return w.unlock(w.event(ev))
}

func (w *Writer) event(ev Event) error {
	switch {
	case w.closed:
		return ErrClosed
	case ev.Kind < Opened || ev.Kind > Gap:
		return fmt.Errorf("capture: %s is no kind of event", ev.Kind)
	}
	var err error
	if w.enc.events >= maxEvents {
		err = w.flush()
	}
	if ev.Time == 0 {
		ev.Time = acquire.At(w.cfg.Now())
	}
	w.begin()
	if w.first == 0 && w.enc.batches == 0 {
		w.first, w.last = ev.Time, ev.Time
	}
	w.enc.addEvent(&ev)
	w.events++
	return err
}

// Flush writes the open block. If it returns nil, all that was accepted before
// is acknowledged, except what Stats counts as unrecorded. With Config.Queue it waits
// for the disk for up to 10 s.
func (w *Writer) Flush() error {
	w.mu.Lock()
	w.room()
	err := ErrClosed
	if !w.closed {
		if err = w.flush(); err == nil && w.queue != nil {
			err = w.wait()
		}
	}
	return w.unlock(err)
}

// flush writes the open block, or drops and counts it, and begins the next.
func (w *Writer) flush() error {
	if w.enc.empty() {
		return nil
	}
	if w.timer != nil {
		w.timer.Stop()
	}
	b := w.block
	w.block = block{enc: b.enc}
	if w.queue != nil {
		return w.hand(b)
	}
	err := w.disk.write(&b)
	w.account()
	return w.settle(&b, err)
}

// settle counts a block that has been written, or dropped because of err.
func (w *Writer) settle(b *block, err error) error {
	e := b.enc
	batches, samples := uint64(e.batches), uint64(e.samples)
	w.stats.UnreadableTexts += e.unreadable
	e.unreadable = 0
	e.reset()
	if err == nil {
		w.stats.WrittenBatches += batches
		w.stats.WrittenSamples += samples
		w.stats.Blocks++
		return nil
	}
	w.stats.UnrecordedBatches += batches
	w.stats.UnrecordedSamples += samples
	w.stats.UnrecordedEvents += b.events
	w.note(err)
	// The open block says what is missing before it.
	gap := Event{
		Kind: Gap, Time: acquire.At(w.cfg.Now()),
		Batches: b.missing.Batches + batches, Samples: b.missing.Samples + samples,
	}
	w.begin()
	w.enc.addEvent(&gap)
	w.missing.Batches += gap.Batches
	w.missing.Samples += gap.Samples
	return &BlockError{Batches: batches, Samples: samples, Err: err}
}

// account takes over what the disk has counted. It is called by the goroutine that uses
// the disk.
func (w *Writer) account() {
	d := w.disk
	w.stats.Bytes, w.stats.Files = d.bytes, d.files
	if d.aside != nil {
		w.note(d.aside)
		w.untold = errors.Join(w.untold, d.aside)
		d.aside = nil
	}
}

func (w *Writer) note(err error) {
	w.stats.Errors++
	w.stats.LastError, w.stats.LastErrorAt = err, acquire.At(w.cfg.Now())
}

// unlock ends a call that has met err. It tells the host of errors, and returns those that
// no call has returned yet.
func (w *Writer) unlock(err error) error {
	met := w.met
	w.met = nil
	w.tell(err)
	if met == nil {
		return err
	}
	return errors.Join(met, err)
}

// meet keeps err for the next call to return.
func (w *Writer) meet(err error) {
	if w.met == nil {
		w.met = err
	}
}

// tell releases the mutex and tells the host of errors.
func (w *Writer) tell(err error) {
	all := w.untold
	w.untold = nil
	w.mu.Unlock()
	if !errors.Is(err, ErrClosed) {
		all = errors.Join(all, err)
	}
	if all != nil && w.cfg.OnError != nil {
		w.telling.Lock()
		defer w.telling.Unlock()
		w.cfg.OnError(all)
	}
}

// Stats returns a snapshot.
func (w *Writer) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

// Close writes the open block and the index, and ends the file. It is
// idempotent. It returns an error if the file is not complete; what was
// acknowledged can be read all the same. With Config.Queue it waits for the disk for
// up to 10 s; what waits then is written if the disk ever answers.
func (w *Writer) Close() error {
	w.mu.Lock()
	w.room()
	var err error
	if !w.closed {
		err = w.flush()
		if w.timer != nil {
			w.timer.Stop()
		}
		w.closed = true
		var end error
		if w.queue != nil {
			close(w.queue.blocks)
			end = w.waitEnd()
		} else {
			end = w.disk.end(err == nil)
			w.account()
		}
		if end != nil {
			w.note(end)
			err = errors.Join(err, fmt.Errorf("capture: %w", end))
		}
	}
	return w.unlock(err)
}

// BlockError says that a block was not written, and how much was in it.
type BlockError struct {
	Batches uint64 // that were in it
	Samples uint64 // that were in it
	Err     error  // what writing said
}

// Error formats e as "capture: 12 batches, 4000 samples not recorded: cause".
func (e *BlockError) Error() string {
	return fmt.Sprintf("capture: %d batches, %d samples not recorded: %v", e.Batches, e.Samples, e.Err)
}

// Unwrap returns the cause.
func (e *BlockError) Unwrap() error { return e.Err }
