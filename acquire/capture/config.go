package capture

import (
	"errors"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Config says how to record. The zero value of each field but Catalog is a
// documented default.
type Config struct {
	// Catalog describes the points. Required.
	Catalog *acquire.Catalog
	// MaxSamples is how many samples a block takes before it is written, up to
	// 1,048,576; 0: 16,384. A larger batch is a block of its own, and one beyond
	// 1,048,576 samples is recorded as several batches.
	MaxSamples int
	// MaxDelay is how long a block takes batches before it is written, up to a
	// minute; 0: 1 s. It is the most a crash can cost.
	MaxDelay time.Duration
	// Sync says when the operating system is made to put on disk what was
	// written; 0: SyncOnClose.
	Sync Sync
	// Queue is how many blocks may wait for the disk, up to 65,536, while batches go on
	// being taken; blocks are then written by a goroutine of the Writer, which Close
	// ends, and a block that finds the queue full is dropped, counted and told. 0: none;
	// Write waits for the disk, whatever it takes.
	Queue int
	// Wait has Write wait for room in the queue, for up to 10 s, before a block is dropped:
	// for copies, which can wait, and are encoded and written at the same time so. It needs
	// a Queue; 2 and blocks of 65,536 samples make it worth while. Flush and Close, which
	// wait for room too, may take 20 s then.
	Wait bool
	// Compressor compresses blocks; nil: none.
	Compressor Compressor
	// OnError is called with each error of writing, from the goroutine that met it;
	// calls do not overlap. It must return soon, and may ask the Writer for nothing
	// but its Stats. nil: errors show there alone.
	OnError func(error)
	// Now is the clock for stamps of events; nil: time.Now.
	Now func() time.Time
}

// Sync is a policy: when written data is put on disk for sure.
type Sync uint8

// The policies.
const (
	// SyncOnClose leaves it to the operating system until a file is complete. What
	// was written survives the end of the process, not that of power.
	SyncOnClose Sync = iota
	// SyncEachBlock waits for the disk after each block. What was acknowledged
	// survives the end of power, as far as the disk keeps its word.
	SyncEachBlock
)

// Compressor compresses the blocks of a capture by a method that MCAP knows. The
// layout of a block is compact as it is; none is part of this package.
type Compressor interface {
	// Name is the method as MCAP writes it, such as "zstd" or "lz4".
	Name() string
	// Append appends src, compressed, to dst.
	Append(dst, src []byte) ([]byte, error)
}

const (
	defaultSamples = 16384
	defaultDelay   = time.Second

	// maxDelay bounds the time from the arrival of the first batch of a block to
	// that of the last, which is what a Reader goes by.
	maxDelay = time.Minute

	maxQueue = 1 << 16
)

func (c *Config) complete() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("capture: "+format, args...)) }
	if c.Catalog == nil {
		fault("Config.Catalog is nil")
	}
	if c.MaxSamples == 0 {
		c.MaxSamples = defaultSamples
	}
	if c.MaxSamples < 0 || c.MaxSamples > maxSamples {
		fault("Config.MaxSamples is %d: want 1 to %d", c.MaxSamples, maxSamples)
	}
	if c.MaxDelay == 0 {
		c.MaxDelay = defaultDelay
	}
	if c.MaxDelay < 0 || c.MaxDelay > maxDelay {
		fault("Config.MaxDelay is %s: want up to %s", c.MaxDelay, maxDelay)
	}
	if c.Queue < 0 || c.Queue > maxQueue {
		fault("Config.Queue is %d: want 0 to %d", c.Queue, maxQueue)
	}
	if c.Wait && c.Queue == 0 {
		fault("Config.Wait is set without a Config.Queue")
	}
	if c.Sync > SyncEachBlock {
		fault("Config.Sync is %d: unknown", c.Sync)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return errors.Join(faults...)
}
