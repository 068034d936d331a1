package replay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// Pace says how fast a capture is played: how many seconds of it in one second.
type Pace float64

// The paces that have names.
const (
	AsFastAsRead Pace = 0 // without waiting
	AsRecorded   Pace = 1 // as it was recorded
)

// Times returns the pace of n times as fast as recorded.
func Times(n float64) Pace { return Pace(n) }

// Forever is for Config.Loop.
const Forever = -1

// Config says what to play, and how. The zero value of each field but Files is a
// documented default.
type Config struct {
	// Files are the captures, played as one. Required.
	Files []string
	// Name is the name of the Source; empty: "replay" and the name of the first
	// file.
	Name string
	// Catalog is where the points are defined; nil: one of the Source's own.
	Catalog *acquire.Catalog
	// Pace is how fast to play; 0: AsFastAsRead.
	Pace Pace
	// From and To bound the arrival of the batches, before Shift: From is included,
	// To is not. Unknown is no bound.
	From, To acquire.Instant
	// Select says by name which points are played; nil: all.
	Select func(name string) bool
	// Shift is added to all times; 0: they stay as recorded.
	Shift time.Duration
	// Loop is how often to play; 0: once. Each round goes on with the times of the
	// one before, LoopGap behind its latest. A counter that falls back by that is
	// flagged acquire.Discontinuity.
	Loop int
	// LoopGap is the time from the latest moment of one round to the earliest of
	// the next; 0: 1 s.
	LoopGap time.Duration
	// Incomplete accepts captures that are cut or damaged: their end is io.EOF too.
	// Reports tells what they lack.
	Incomplete bool
	// OnEvent is called with each recorded event in its place, by the goroutine that
	// calls Next; nil: events are skipped. Its times are not shifted.
	OnEvent func(capture.Event)
}

const defaultLoopGap = time.Second

func (c *Config) complete() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("replay: "+format, args...)) }
	if len(c.Files) == 0 {
		fault("Config.Files is empty")
	}
	for i, name := range c.Files {
		if slices.Contains(c.Files[:i], name) {
			fault("Config.Files names %q twice", name)
		}
	}
	if p := float64(c.Pace); p < 0 || math.IsNaN(p) || math.IsInf(p, 0) {
		fault("Config.Pace is %v: want 0 or more", p)
	}
	if c.To != 0 && c.To <= c.From {
		fault("Config.From %s is not before To %s", c.From, c.To)
	}
	if c.LoopGap < 0 {
		fault("Config.LoopGap is negative")
	}
	if c.Loop < Forever {
		fault("Config.Loop is %d: want a number of rounds, or Forever", c.Loop)
	}
	if c.LoopGap == 0 {
		c.LoopGap = defaultLoopGap
	}
	if c.Loop == 0 {
		c.Loop = 1
	}
	if c.Catalog == nil {
		c.Catalog = acquire.NewCatalog()
	}
	if c.Name == "" && len(c.Files) > 0 {
		c.Name = "replay " + strings.TrimSuffix(filepath.Base(c.Files[0]), capture.Extension)
	}
	return errors.Join(faults...)
}

// Source plays captures. It is safe for concurrent use; each Stream plays from the
// beginning.
type Source struct {
	cfg    Config
	points []acquire.PointID
	tally  acquire.Tally

	mu      sync.Mutex
	reports []capture.Report

	indexing chan struct{} // holds one while a goroutine uses index
	index    *index        // for histories; nil until one is asked for
}

var (
	_ acquire.Source   = (*Source)(nil)
	_ acquire.Reporter = (*Source)(nil)
)

// Open returns a Source of the capture at path, which replaces cfg.Files. A
// directory stands for all captures in it.
func Open(path string, cfg Config) (*Source, error) {
	cfg.Files = []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if cfg.Files, err = capture.Files(path, ""); err != nil {
			return nil, fmt.Errorf("replay: %w", err)
		}
		if len(cfg.Files) == 0 {
			return nil, fmt.Errorf("replay: no captures in %s", path)
		}
		if cfg.Name == "" {
			cfg.Name = "replay " + filepath.Base(path)
		}
	}
	return NewSource(cfg)
}

// NewSource returns the Source that cfg describes, with its points defined, or an
// error that names every fault of cfg and every file that cannot be read.
func NewSource(cfg Config) (*Source, error) {
	cfg.Files = slices.Clone(cfg.Files)
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, indexing: make(chan struct{}, 1)}
	m, err := s.open()
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	s.points = m.Points()
	return s, m.Close()
}

// open opens all files, or none.
func (s *Source) open() (*capture.Merged, error) {
	var readers []*capture.Reader
	var faults []error
	for _, name := range s.cfg.Files {
		r, err := capture.Open(name, capture.ReaderConfig{
			Catalog: s.cfg.Catalog, From: s.cfg.From, To: s.cfg.To,
			Select: s.cfg.Select, OnEvent: s.cfg.OnEvent,
		})
		if err != nil {
			faults = append(faults, err)
			continue
		}
		readers = append(readers, r)
	}
	m := capture.Merge(readers...)
	if err := errors.Join(faults...); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Name returns the name of the configuration.
func (s *Source) Name() string { return s.cfg.Name }

// Points returns the points of the captures, as far as they are selected. The
// slice is only to be read.
func (s *Source) Points() []acquire.PointID { return s.points }

// Catalog returns where the points are defined.
func (s *Source) Catalog() *acquire.Catalog { return s.cfg.Catalog }

// Stats returns what was played, of all streams together. Link is that of the
// latest.
func (s *Source) Stats() acquire.Stats { return s.tally.Stats() }

// Reports returns, for each file, what the latest round that came to its end has
// read, and what it could not read; nil if none has.
func (s *Source) Reports() []capture.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reports)
}

// Open begins to play.
func (s *Source) Open(ctx context.Context) (acquire.Stream, error) {
	err := ctx.Err()
	var m *capture.Merged
	if err == nil {
		m, err = s.open()
	}
	if err != nil {
		return nil, &acquire.OpError{Op: "open", Source: s.cfg.Name, Err: err}
	}
	s.tally.Update(func(st *acquire.Stats) { st.Connects++ })
	s.tally.Enter(acquire.Up, acquire.At(time.Now()))
	return &stream{source: s, captures: m}, nil
}

// DamageError is the end of a capture that is not whole.
type DamageError struct {
	Files   []string         // which are cut or damaged
	Reports []capture.Report // of each of these files
}

// Error names the first file and what it lacks.
func (e *DamageError) Error() string {
	text := fmt.Sprintf("%s is not whole: %s", filepath.Base(e.Files[0]), e.Reports[0])
	if more := len(e.Files) - 1; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// Permanent returns true: what is missing stays so.
func (e *DamageError) Permanent() bool { return true }
