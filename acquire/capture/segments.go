package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Extension is the end of the name of a capture file.
const Extension = ".mcap"

// Segments says how a capture is spread over the files of a directory. Each file
// is a capture of its own. Its name is the prefix and when its first batch
// arrived, so that names are in order of time.
type Segments struct {
	// Dir is the directory, which must exist. Required.
	Dir string
	// Prefix opens the names of files, such as "plant-". It tells files of one
	// Writer from those of others in the same directory.
	Prefix string
	// MaxBytes ends a file that has got as long; 0: 1 GiB.
	MaxBytes int64
	// MaxAge ends a file whose first batch is as old; 0: 24 h.
	MaxAge time.Duration
	// KeepBytes is how many bytes all files may have when a new one is begun. The
	// oldest are removed; 0: none.
	KeepBytes int64
	// KeepAge is how old the batches of a file may be when a new one is begun.
	// Files whose batches are all older are removed; 0: none.
	KeepAge time.Duration
}

const (
	defaultSegment    = 1 << 30
	defaultSegmentAge = 24 * time.Hour

	// stampLayout is the time in names of files. It sorts as text.
	stampLayout = "20060102T150405.000000000Z"
)

func (s *Segments) complete() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("capture: "+format, args...)) }
	if s.Dir == "" {
		fault("Segments.Dir is empty")
	} else if info, err := os.Stat(s.Dir); err != nil {
		fault("Segments.Dir: %w", err)
	} else if !info.IsDir() {
		fault("Segments.Dir %q is no directory", s.Dir)
	}
	if strings.ContainsAny(s.Prefix, `/\*?[`) {
		fault("Segments.Prefix %q cannot open the name of a file", s.Prefix)
	}
	for _, n := range [...]struct {
		name  string
		value int64
	}{{"MaxBytes", s.MaxBytes}, {"MaxAge", int64(s.MaxAge)}, {"KeepBytes", s.KeepBytes}, {"KeepAge", int64(s.KeepAge)}} {
		if n.value < 0 {
			fault("Segments.%s is negative", n.name)
		}
	}
	if s.MaxBytes == 0 {
		s.MaxBytes = defaultSegment
	}
	if s.MaxAge == 0 {
		s.MaxAge = defaultSegmentAge
	}
	return errors.Join(faults...)
}

// CreateSegments returns a Writer that spreads a capture over files. A file is
// begun with its first block. A file that fails is left as it is, and the next
// block begins a new one.
func CreateSegments(s Segments, cfg Config) (*Writer, error) {
	if err := errors.Join(s.complete(), cfg.complete()); err != nil {
		return nil, err
	}
	d := new(disk)
	started := acquire.Instant(0)
	d.open = func(first acquire.Instant) (*file, error) {
		if first == 0 {
			first = acquire.At(cfg.Now())
		}
		if err := s.retain(first); err != nil {
			d.aside = errors.Join(d.aside, fmt.Errorf("capture: old files cannot be removed: %w", err))
		}
		f, err := s.create(first)
		if err != nil {
			return nil, err
		}
		if err := syncName(f.Name(), &cfg); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		started, d.closer = first, f
		return newFile(f, &cfg), nil
	}
	d.full = func(f *file, first acquire.Instant) bool {
		return f.offset >= s.MaxBytes || first-started >= acquire.Instant(s.MaxAge)
	}
	return newWriter(cfg, d), nil
}

// create makes a new file. Where there is one of that name, as after the clock
// was set back, it takes the next nanosecond.
func (s *Segments) create(first acquire.Instant) (*os.File, error) {
	for range 100 {
		name := filepath.Join(s.Dir, s.Prefix+first.Time().Format(stampLayout)+Extension)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		first++
	}
	return nil, fs.ErrExist
}

// segment is a file of Segments.
type segment struct {
	name  string
	first acquire.Instant
	size  int64
}

// list returns the files there are, oldest first.
func (s *Segments) list() ([]segment, error) {
	entries, err := os.ReadDir(s.Dir)
	var all []segment
	for _, e := range entries {
		stamp, ours := strings.CutPrefix(e.Name(), s.Prefix)
		stamp, capture := strings.CutSuffix(stamp, Extension)
		t, fault := time.Parse(stampLayout, stamp)
		if !ours || !capture || fault != nil || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil { // removed meanwhile
			continue
		}
		all = append(all, segment{filepath.Join(s.Dir, e.Name()), acquire.At(t), info.Size()})
	}
	slices.SortFunc(all, func(a, b segment) int { return strings.Compare(a.name, b.name) })
	return all, err
}

// retain removes the files that are not to be kept, as seen at now.
func (s *Segments) retain(now acquire.Instant) error {
	if s.KeepBytes == 0 && s.KeepAge == 0 {
		return nil
	}
	all, faults := s.list()
	var total int64
	for _, f := range all {
		total += f.size
	}
	for i, f := range all {
		// A file is as young as what comes after it.
		old := s.KeepAge > 0 && i+1 < len(all) && now.Sub(all[i+1].first) > s.KeepAge
		if !old && (s.KeepBytes == 0 || total <= s.KeepBytes) {
			break
		}
		if err := os.Remove(f.name); err != nil {
			faults = errors.Join(faults, err)
			continue
		}
		total -= f.size
	}
	return faults
}

// Files returns the capture files of a directory whose names open with prefix, in
// order of their names.
func Files(dir, prefix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), Extension) && !e.IsDir() {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}
