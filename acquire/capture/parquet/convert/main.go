// Convert makes tables of captures, and captures of tables.
//
//	go run github.com/fieldtap/fieldtap/acquire/capture/parquet/convert day.mcap day.parquet
//	go run github.com/fieldtap/fieldtap/acquire/capture/parquet/convert day.parquet day.mcap
//	go run github.com/fieldtap/fieldtap/acquire/capture/parquet/convert -sorted jan.mcap feb.mcap winter.parquet
//
// The ends of the names say what is what: .mcap, .parquet, .jsonl, .csv. The last one is
// written, and must not exist. Several captures become one in order of arrival. What is
// damaged in a capture is skipped and said, and the exit status is 1 then.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/parquet"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "convert:", err)
		os.Exit(1)
	}
}

// options are what flags say of tables.
type options struct {
	sorted      bool
	rows        int
	compression parquet.Compression
}

func run(args []string, errs io.Writer) error {
	var o options
	flags := flag.NewFlagSet("convert", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() {
		fmt.Fprintln(errs, "usage: convert [-sorted] [-rows N] [-compression NAME] IN... OUT")
		flags.PrintDefaults()
	}
	flags.BoolVar(&o.sorted, "sorted", false, "samples alone, by time in each row group")
	flags.IntVar(&o.rows, "rows", 0, "`number` of rows of a row group; 0: 122880")
	flags.Func("compression", "zstd, snappy or uncompressed (default zstd)", func(name string) error {
		for o.compression = parquet.Zstd; o.compression <= parquet.Uncompressed; o.compression++ {
			if o.compression.String() == name {
				return nil
			}
		}
		return errors.New("none of zstd, snappy, uncompressed")
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() < 2 {
		flags.Usage()
		return errors.New("want a file to read and one to write")
	}
	files := flags.Args()
	return convert(files[:len(files)-1], files[len(files)-1], o)
}

// convert writes all inputs to a new file, which is removed again if it fails.
func convert(inputs []string, name string, o options) error {
	catalog := acquire.NewCatalog()
	dst, err := create(name, catalog, o)
	if err != nil {
		return err
	}
	in := &input{catalog: catalog, onEvent: func(ev capture.Event) { err = errors.Join(err, dst.event(ev)) }}
	src, damage := in.open(inputs)
	if damage == nil {
		if copied := capture.Copy(dst, src); copied != nil || err != nil {
			damage = errors.Join(copied, err)
		}
	}
	err = errors.Join(damage, dst.close())
	if err != nil {
		return errors.Join(err, in.close(), os.Remove(name))
	}
	return errors.Join(in.flaws(), in.close())
}

// output takes a capture in any form.
type output struct {
	capture.BatchWriter
	event func(capture.Event) error
	close func() error
}

func create(name string, c *acquire.Catalog, o options) (*output, error) {
	form := filepath.Ext(name)
	if form == capture.Extension {
		w, err := capture.Create(name, capture.Config{Catalog: c, MaxSamples: 1 << 16, MaxDelay: time.Minute, Queue: 2, Wait: true})
		if err != nil {
			return nil, err
		}
		return &output{w, w.Event, w.Close}, nil
	}
	if form != parquet.Extension && form != ".jsonl" && form != ".csv" {
		return nil, fmt.Errorf("%s: the end of the name is none of .mcap, .parquet, .jsonl, .csv", name)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	switch form {
	case ".jsonl":
		w := capture.NewJSONWriter(f, c)
		return &output{w, w.Event, func() error { return errors.Join(w.Flush(), f.Close()) }}, nil
	case ".csv":
		w := capture.NewCSVWriter(f, c)
		return &output{w, func(capture.Event) error { return nil }, func() error { return errors.Join(w.Flush(), f.Close()) }}, nil
	}
	w, err := parquet.NewWriter(f, parquet.Config{Catalog: c, Sorted: o.sorted, RowGroup: o.rows, Compression: o.compression})
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(name))
	}
	return &output{w, w.Event, func() error { return errors.Join(w.Close(), f.Close()) }}, nil
}

// input is what is read.
type input struct {
	catalog *acquire.Catalog
	onEvent func(capture.Event)
	closers []io.Closer
	merged  *capture.Merged // nil unless captures are read
	names   []string
}

func (in *input) open(names []string) (capture.BatchReader, error) {
	in.names = names
	form := filepath.Ext(names[0])
	if len(names) > 1 || form == capture.Extension {
		var readers []*capture.Reader
		for _, name := range names {
			if filepath.Ext(name) != capture.Extension {
				return nil, fmt.Errorf("%s: of several files, each is to be a capture", name)
			}
			r, err := capture.Open(name, capture.ReaderConfig{Catalog: in.catalog, OnEvent: in.onEvent})
			if err != nil {
				return nil, err
			}
			in.closers = append(in.closers, r)
			readers = append(readers, r)
		}
		in.merged = capture.Merge(readers...)
		return in.merged, nil
	}
	f, err := os.Open(names[0])
	if err != nil {
		return nil, err
	}
	in.closers = append(in.closers, f)
	switch form {
	case ".jsonl":
		return capture.NewJSONReader(bufio.NewReader(f), in.catalog, in.onEvent), nil
	case ".csv":
		return capture.NewCSVReader(bufio.NewReader(f), in.catalog), nil
	case parquet.Extension:
		stat, err := f.Stat()
		if err != nil {
			return nil, err
		}
		return parquet.NewReader(f, stat.Size(), parquet.ReaderConfig{Catalog: in.catalog, OnEvent: in.onEvent})
	}
	return nil, fmt.Errorf("%s: the end of the name is none of .mcap, .parquet, .jsonl, .csv", names[0])
}

// flaws tells what could not be read of captures.
func (in *input) flaws() error {
	if in.merged == nil {
		return nil
	}
	var faults []error
	for i, report := range in.merged.Reports() {
		if !report.Clean() {
			faults = append(faults, fmt.Errorf("%s is not whole: %s", in.names[i], report))
		}
	}
	return errors.Join(faults...)
}

func (in *input) close() error {
	var faults []error
	for _, c := range in.closers {
		faults = append(faults, c.Close())
	}
	return errors.Join(faults...)
}
