package capture

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
)

// maxChunk is the length of the longest chunk, in bytes, before compression.
const maxChunk = 128 << 20

// ErrFormat is wrapped by the error for a file that is no capture.
var ErrFormat = errors.New("not an MCAP file")

// ReaderConfig says what to read. The zero value reads all.
type ReaderConfig struct {
	// Catalog is where the points of the capture are defined, so that samples
	// carry its ids; nil: one of the Reader's own.
	Catalog *acquire.Catalog
	// From and To bound the arrival of the batches: From is included, To is not.
	// Unknown is no bound. A batch that does not say when it arrived is taken to
	// have come with the one before it, or at the time of its block.
	From, To acquire.Instant
	// Select says by name whose samples are read; nil: all. Other samples are left
	// out of their batches, which stay.
	Select func(name string) bool
	// OnEvent is called by Next with each event whose time is in bounds, before the
	// batch that follows it is returned; nil: events are skipped.
	OnEvent func(Event)
	// Decompressors are for blocks that other tools have compressed.
	Decompressors []Decompressor
}

// Decompressor undoes what a Compressor of the same name did.
type Decompressor interface {
	// Name is the method as MCAP writes it, such as "zstd" or "lz4".
	Name() string
	// Append appends src, decompressed, to dst. It fails if that is not size bytes
	// long, without making more.
	Append(dst, src []byte, size int) ([]byte, error)
}

// Reader reads a capture batch by batch: what was recorded, in its order. Damage
// costs the blocks that it lies in; Report tells what was left out.
//
// A Reader is used by one goroutine at a time.
type Reader struct {
	cfg     ReaderConfig
	catalog *acquire.Catalog
	src     io.ReaderAt
	size    int64
	closer  io.Closer
	closed  bool

	ids    map[acquire.PointID]acquire.PointID // from the file's to the catalog's
	points []acquire.PointID                   // of the catalog, in the file's order
	leave  map[acquire.PointID]bool            // not selected
	chosen map[*acquire.PointID][]acquire.PointID

	pieces  []piece // of the file, in order, to be read
	scanned bool    // pieces are all there is, found without an index
	buf     []byte  // the chunk being read
	raw     []byte  // the same, decompressed
	records []byte  // of it, not read yet
	at      place   // of it

	dec      decoder
	started  bool            // dec holds a block
	arrival  acquire.Instant // of the latest batch
	sequence int64           // of the next block, -1 if nothing tells
	missing  uint64          // chunks that the Statistics count and nobody found
	latest   acquire.Instant // log time of the latest block
	open     int             // damages from this one on wait for the next block
	spare    acquire.Batch   // for batches out of bounds
	events   []Event         // to be given out before the next batch
	report   Report
}

// piece is a chunk, or a stretch of the file that is not to be understood.
type piece struct {
	place
	end    uint64 // log time of the last message
	reason string // why it is none
}

// Open returns a Reader of a file. An incomplete or damaged capture is no error.
func Open(name string, cfg ReaderConfig) (*Reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	var r *Reader
	if err == nil {
		r, err = NewReader(f, info.Size(), cfg)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("capture: %s: %w", name, err)
	}
	r.closer = f
	return r, nil
}

// NewReader returns a Reader of the size bytes of src. They are not to change
// meanwhile.
func NewReader(src io.ReaderAt, size int64, cfg ReaderConfig) (*Reader, error) {
	if src == nil || size < 0 {
		return nil, errors.New("capture: nothing to read from")
	}
	if cfg.To != 0 && cfg.To <= cfg.From {
		return nil, fmt.Errorf("capture: From %s is not before To %s", cfg.From, cfg.To)
	}
	r := &Reader{
		cfg: cfg, catalog: cfg.Catalog, src: src, size: size,
		ids:   make(map[acquire.PointID]acquire.PointID),
		leave: make(map[acquire.PointID]bool),
	}
	if r.catalog == nil {
		r.catalog = acquire.NewCatalog()
	}
	r.dec.points = r.point
	entries, err := r.survey()
	if err != nil {
		return nil, err
	}
	if err := r.define(entries); err != nil {
		return nil, err
	}
	r.dec.described = len(r.ids)
	return r, nil
}

// point returns the id that a point of the file has in the catalog.
func (r *Reader) point(id acquire.PointID) acquire.PointID { return r.ids[id] }

// define takes the points of the file into the catalog.
func (r *Reader) define(entries []entry) error {
	var faults []error
	known := make(map[acquire.PointID]acquire.Point)
	for _, e := range entries {
		if p, ok := known[e.id]; ok {
			if p != e.point {
				r.damage(piece{reason: fmt.Sprintf("point %d is described as %q and as %q", e.id, p.Name, e.point.Name)})
			}
			continue
		}
		known[e.id] = e.point
		id, err := r.catalog.Define(e.point)
		if err != nil {
			faults = append(faults, fmt.Errorf("capture: %w", err))
			continue
		}
		r.ids[e.id] = id
		if r.cfg.Select != nil && !r.cfg.Select(e.point.Name) {
			r.leave[id] = true
			continue
		}
		r.points = append(r.points, id)
	}
	return errors.Join(faults...)
}

// Catalog returns where the points of the capture are defined.
func (r *Reader) Catalog() *acquire.Catalog { return r.catalog }

// Points returns the points that the capture describes and Select selects. The
// slice is only to be read.
func (r *Reader) Points() []acquire.PointID { return r.points }

// Next fills b with the next batch. It returns io.EOF at the end of what can be
// read: Report tells whether that is the end of the capture.
//
// A sample whose point is not described, because of damage, has no point.
func (r *Reader) Next(b *acquire.Batch) error {
	for {
		err := r.ready()
		r.giveEvents()
		if err != nil {
			b.Reset()
			return err
		}
		in := b
		if !r.within() {
			in = &r.spare
		}
		if err := r.dec.next(in); err != nil {
			// The checksum was right: this is no accident of the disk.
			r.spoil(err)
			continue
		}
		if in.Received != 0 {
			r.arrival = in.Received
		}
		if in != b {
			r.report.Outside++
			continue
		}
		r.count(b)
		return nil
	}
}

// Arrival returns when the batch that Next will return arrived, as far as that is
// known, or the error that Next will return.
func (r *Reader) Arrival() (acquire.Instant, error) {
	for {
		if err := r.ready(); err != nil {
			return 0, err
		}
		if r.within() {
			return r.coming(), nil
		}
		if err := r.dec.next(&r.spare); err != nil {
			r.spoil(err)
			continue
		}
		r.arrival = r.coming()
		if r.spare.Received != 0 {
			r.arrival = r.spare.Received
		}
		r.report.Outside++
	}
}

// coming returns the arrival of the next batch of the block.
func (r *Reader) coming() acquire.Instant {
	if t, err := r.dec.arrival(); err == nil && t != 0 {
		return t
	}
	return r.arrival
}

// within tells whether the next batch is in bounds.
func (r *Reader) within() bool { return r.inBounds(r.coming()) }

func (r *Reader) inBounds(t acquire.Instant) bool {
	return (r.cfg.From == 0 || t >= r.cfg.From) && (r.cfg.To == 0 || t < r.cfg.To)
}

// giveEvents gives out the events that wait for the next batch.
func (r *Reader) giveEvents() {
	for _, ev := range r.events {
		r.cfg.OnEvent(ev)
	}
	r.events = r.events[:0]
}

// ready sees to it that there is a batch to decode, and collects the events before
// it.
func (r *Reader) ready() error {
	if r.closed {
		return ErrClosed
	}
	for {
		for r.started {
			ev, ok, err := r.dec.event()
			if err != nil {
				r.spoil(err)
				break
			}
			if !ok {
				break
			}
			r.report.Events++
			if r.cfg.OnEvent != nil && r.inBounds(ev.Time) {
				if r.events = append(r.events, ev); len(r.events) >= maxEvents {
					r.giveEvents() // of a capture without batches
				}
			}
		}
		if r.started && r.dec.batches > 0 {
			return nil
		}
		r.started = false
		if err := r.load(); err != nil {
			return err
		}
	}
}

// spoil gives the rest of the block up.
func (r *Reader) spoil(err error) {
	r.started = false
	r.damage(piece{place: r.at, reason: err.Error()})
}

// load begins the next block.
func (r *Reader) load() error {
	for len(r.records) > 0 {
		if r.message() {
			return nil
		}
	}
	for len(r.pieces) > 0 {
		p := r.pieces[0]
		r.pieces = r.pieces[1:]
		switch {
		case p.reason != "":
			r.damage(p)
			r.sequence = -1
		case r.outside(p):
			r.sequence = -1
		default:
			if err := r.chunk(p); err != nil {
				p.reason = err.Error()
				r.damage(p)
				r.sequence = -1
				continue
			}
			for len(r.records) > 0 {
				if r.message() {
					return nil
				}
			}
		}
	}
	if r.missing > 0 && len(r.report.Damage) == 0 {
		r.at.offset = r.size
		r.lack(int64(min(r.missing, math.MaxInt64)))
	}
	return io.EOF
}

// lack tells of n blocks before the present place that nothing is left of.
func (r *Reader) lack(n int64) {
	r.damage(piece{place: place{offset: r.at.offset}, reason: fmt.Sprintf("%d blocks are missing", n)})
}

// outside tells of a chunk that the index knows whether all of it is out of bounds.
func (r *Reader) outside(p piece) bool {
	if r.scanned || p.time == 0 {
		return false
	}
	first, last := acquire.Instant(p.time), acquire.Instant(p.end)
	if last <= math.MaxInt64-acquire.Instant(maxDelay) {
		last += acquire.Instant(maxDelay)
	}
	return r.cfg.From != 0 && last < r.cfg.From || r.cfg.To != 0 && first >= r.cfg.To
}

// chunk reads a chunk and checks it.
func (r *Reader) chunk(p piece) error {
	r.records = nil
	if p.length > maxChunk || p.length > r.size-p.offset || p.length < recordHead+plainChunk {
		return errors.New("chunk is longer than the file or than any")
	}
	n := int(p.length)
	r.buf = slices.Grow(r.buf[:0], n+slack)[:n]
	if _, err := r.src.ReadAt(r.buf, p.offset); err != nil {
		return fmt.Errorf("chunk cannot be read: %w", err)
	}
	r.at = p.place
	var err error
	r.records, err = r.unpack(r.buf)
	return err
}

var errChunk = errors.New("chunk is malformed")

// unpack returns the records of a chunk, whose checksum is right, with slack
// bytes behind them.
func (r *Reader) unpack(record []byte) ([]byte, error) {
	c, ok := parseChunk(record)
	if !ok || len(c.records) > len(record) || c.length != uint64(len(record))-recordHead {
		return nil, errChunk
	}
	records := c.records[:len(c.records):cap(c.records)]
	if c.compression != "" {
		i := slices.IndexFunc(r.cfg.Decompressors, func(d Decompressor) bool { return d.Name() == c.compression })
		if i < 0 {
			return nil, fmt.Errorf("chunk is compressed by %q, for which there is no Decompressor", c.compression)
		}
		if c.size > maxChunk {
			return nil, errChunk
		}
		r.raw = slices.Grow(r.raw[:0], int(c.size)+slack)
		var err error
		r.raw, err = r.cfg.Decompressors[i].Append(r.raw, c.records, int(c.size))
		if err != nil {
			return nil, fmt.Errorf("chunk cannot be decompressed: %w", err)
		}
		r.raw = slices.Grow(r.raw, slack)
		records = r.raw
	}
	if uint64(len(records)) != c.size {
		return nil, errChunk
	}
	if crc32.ChecksumIEEE(records) != c.crc {
		return nil, errors.New("checksum of chunk is wrong")
	}
	return records, nil
}

// message begins the block in the next record of the chunk, if it is one of ours.
func (r *Reader) message() bool {
	record := r.records
	if len(record) < recordHead {
		r.records = nil
		r.damage(piece{place: r.at, reason: errChunk.Error()})
		return false
	}
	length := le.Uint64(record[1:])
	if length > uint64(len(record)-recordHead) {
		r.records = nil
		r.damage(piece{place: r.at, reason: errChunk.Error()})
		return false
	}
	n := recordHead + int(length)
	r.records = record[n:]
	if record[0] != opMessage {
		return false
	}
	if n < recordHead+messageHead || !isBlock(record[recordHead+messageHead:n]) {
		r.report.Foreign++
		return false
	}
	sequence := int64(le.Uint32(record[recordHead+2:]))
	time := acquire.Instant(le.Uint64(record[recordHead+6:]))
	payload := record[recordHead+messageHead:]
	size := n - recordHead - messageHead
	own := blockOffset(payload[:size]) == r.at.offset
	if own && r.sequence >= 0 && sequence > r.sequence {
		r.lack(sequence - r.sequence)
	}
	r.sequence = -1
	if own {
		r.sequence = sequence + 1
	}
	if err := r.dec.open(payload[:size+slack], size); err != nil {
		r.damage(piece{place: r.at, reason: err.Error()})
		return false
	}
	r.started, r.arrival, r.latest = true, time, time
	r.report.Blocks++
	for ; r.open < len(r.report.Damage); r.open++ {
		r.report.Damage[r.open].Before = time
	}
	return true
}

// count takes b into the report, and out of it what is not selected.
func (r *Reader) count(b *acquire.Batch) {
	if len(r.leave) > 0 {
		b.Samples = slices.DeleteFunc(b.Samples, func(s acquire.Sample) bool { return r.leave[s.Point] })
		if len(b.Points) > 0 {
			b.Points = r.selected(b.Points)
		}
	}
	if r.dec.nameless {
		for i := range b.Samples {
			if b.Samples[i].Point == 0 {
				r.report.Nameless++
			}
		}
	}
	r.report.Batches++
	r.report.Samples += uint64(len(b.Samples))
	r.report.Lost += b.Lost
}

// selected returns the selected ones of a set of points. Sets are few and
// shared by many batches.
func (r *Reader) selected(points []acquire.PointID) []acquire.PointID {
	if chosen, ok := r.chosen[&points[0]]; ok {
		return chosen
	}
	if r.chosen == nil || len(r.chosen) >= maxBatches {
		r.chosen = make(map[*acquire.PointID][]acquire.PointID)
	}
	chosen := slices.DeleteFunc(slices.Clone(points), func(id acquire.PointID) bool { return r.leave[id] })
	r.chosen[&points[0]] = chosen
	return chosen
}

// Close ends reading and closes a file that Open has opened.
func (r *Reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	if r.closer != nil {
		return r.closer.Close()
	}
	return nil
}
