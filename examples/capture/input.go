package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/comtrade"
)

// selection is what flags leave of a capture.
type selection struct {
	from, to acquire.Instant
	points   []string
}

func (s *selection) define(flags *flag.FlagSet) {
	flags.Func("from", "first `time` of arrival, such as 2026-11-20T06:00:00Z", instant(&s.from))
	flags.Func("to", "`time` of arrival after the last", instant(&s.to))
	flags.Func("point", "`name` of a point; all, if there is none", func(name string) error {
		s.points = append(s.points, name)
		return nil
	})
}

func instant(to *acquire.Instant) func(string) error {
	return func(text string) error {
		t, err := time.Parse(time.RFC3339Nano, text)
		*to = acquire.At(t)
		return err
	}
}

func (s *selection) all() bool { return s.from == 0 && s.to == 0 && len(s.points) == 0 }

// known returns an error for points that are in none of the captures whose points cat has.
func (s *selection) known(cat *acquire.Catalog) error {
	var faults []error
	for _, name := range s.points {
		if _, ok := cat.Lookup(name); !ok {
			faults = append(faults, fmt.Errorf("no point %q", name))
		}
	}
	return errors.Join(faults...)
}

// selects returns the function for Config.Select, nil for all.
func (s *selection) selects() func(string) bool {
	if len(s.points) == 0 {
		return nil
	}
	return func(name string) bool { return slices.Contains(s.points, name) }
}

// input is a capture in any form, open for reading.
type input struct {
	capture.BatchReader
	name   string
	file   *os.File
	reader *capture.Reader // nil for other forms
	beside *os.File        // the data of a COMTRADE recording, else nil
}

// open opens a file by the end of its name. Its points are defined in cat, its
// events go to onEvent, and how far it was read to bar.
func open(name string, cat *acquire.Catalog, sel selection, onEvent func(capture.Event), bar *progress) (*input, error) {
	end := filepath.Ext(name)
	form := strings.ToLower(end) // relays write capitals
	if form != ".csv" && form != ".jsonl" && form != ".cfg" && form != ".cff" {
		form = capture.Extension
	}
	if form != capture.Extension && !sel.all() {
		return nil, fmt.Errorf("%s: bounds and points are for captures; convert it first", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	stat, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	in := &input{name: name, file: f}
	seen := bar.of(filepath.Base(name), f, stat.Size())
	switch form {
	case ".csv":
		in.BatchReader = capture.NewCSVReader(seen, cat)
	case ".jsonl":
		in.BatchReader = capture.NewJSONReader(seen, cat, onEvent)
	case ".cfg":
		in.beside, err = openData(strings.TrimSuffix(name, end), end)
		if err == nil {
			in.BatchReader, err = comtrade.NewReader(seen, in.beside, comtrade.Config{Catalog: cat})
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), in.close())
		}
	case ".cff":
		in.BatchReader, err = comtrade.NewSingleReader(seen, comtrade.Config{Catalog: cat})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), in.close())
		}
	default:
		in.reader, err = capture.NewReader(seen, stat.Size(), capture.ReaderConfig{
			Catalog: cat, From: sel.from, To: sel.to, Select: sel.selects(), OnEvent: onEvent})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
		}
		in.BatchReader = in.reader
	}
	return in, nil
}

// openData opens the data file of a COMTRADE recording, whose name is written as that
// of the configuration or in the other case.
func openData(stem, end string) (*os.File, error) {
	ends := []string{".dat", ".DAT"}
	if end != strings.ToLower(end) {
		slices.Reverse(ends)
	}
	f, err := os.Open(stem + ends[0])
	if errors.Is(err, fs.ErrNotExist) {
		if other, failed := os.Open(stem + ends[1]); failed == nil {
			return other, nil
		}
	}
	return f, err
}

func (in *input) close() error {
	var faults []error
	if in.reader != nil {
		faults = append(faults, in.reader.Close())
	}
	if in.beside != nil {
		faults = append(faults, in.beside.Close())
	}
	return errors.Join(append(faults, in.file.Close())...)
}

// errNotWhole says that an input is cut or damaged. What could be read was read.
var errNotWhole = errors.New("not whole")

// flaws returns an error that tells what could not be read, if that is anything.
func (in *input) flaws() error {
	if in.reader == nil || in.reader.Report().Clean() {
		return nil
	}
	return fmt.Errorf("%s is %w: %s", in.name, errNotWhole, in.reader.Report())
}

// copyAll writes all of src to dst, counts into bar, and ends early with ctx.
func copyAll(ctx context.Context, dst capture.BatchWriter, src capture.BatchReader, bar *progress) error {
	var b acquire.Batch
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := src.Next(&b); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := dst.Write(&b); err != nil {
			return err
		}
		bar.add(len(b.Samples))
	}
}
