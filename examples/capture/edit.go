package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// cut writes a part of a capture to a new one.
func (c console) cut(ctx context.Context, flags *flag.FlagSet, args []string) error {
	var sel selection
	sel.define(flags)
	to := flags.String("o", "", "`file` to write, which must not exist")
	names, err := files(flags, args, 1, 1)
	if err != nil {
		return err
	}
	return c.write(*to, func(out output, cat *acquire.Catalog, bar *progress) error {
		err := pour(ctx, out, names[0], cat, sel, bar)
		return errors.Join(err, sel.known(cat))
	})
}

// convert writes a file in another form.
func (c console) convert(ctx context.Context, flags *flag.FlagSet, args []string) error {
	names, err := files(flags, args, 2, 2)
	if err != nil {
		return err
	}
	return c.write(names[1], func(out output, cat *acquire.Catalog, bar *progress) error {
		return pour(ctx, out, names[0], cat, selection{}, bar)
	})
}

// merge writes several captures as one, in order of arrival.
func (c console) merge(ctx context.Context, flags *flag.FlagSet, args []string) error {
	to := flags.String("o", "", "`file` to write, which must not exist")
	names, err := files(flags, args, 2, 0)
	if err != nil {
		return err
	}
	return c.write(*to, func(out output, cat *acquire.Catalog, bar *progress) (err error) {
		var (
			inputs  []*input
			readers []*capture.Reader
			failed  error
		)
		defer func() {
			for _, in := range inputs {
				err = errors.Join(err, in.flaws(), in.close())
			}
		}()
		for _, name := range names {
			in, err := open(name, cat, selection{}, func(ev capture.Event) {
				if err := out.Event(ev); err != nil && failed == nil {
					failed = err
				}
			}, bar)
			if err != nil {
				return err
			}
			inputs = append(inputs, in)
			if in.reader == nil {
				return fmt.Errorf("%s: only captures are merged; convert it first", name)
			}
			readers = append(readers, in.reader)
		}
		return errors.Join(copyAll(ctx, out, capture.Merge(readers...), bar), failed)
	})
}

// write makes a file and has it filled. It stays if an input is not whole, with
// what could be read, and is removed if anything else fails.
func (c console) write(name string, fill func(output, *acquire.Catalog, *progress) error) error {
	if name == "" {
		return errors.New("no -o, the file to write")
	}
	bar := c.progress()
	defer bar.end()
	cat := acquire.NewCatalog()
	made, err := create(name, cat)
	if err != nil {
		return err
	}
	out := &counted{output: made}
	err = errors.Join(fill(out, cat, bar), out.Close())
	bar.end()
	if err != nil && !errors.Is(err, errNotWhole) {
		return errors.Join(err, os.Remove(name))
	}
	stat, failed := os.Stat(name)
	if failed == nil {
		fmt.Fprintf(c.out, "%s: %d samples, %d bytes\n", name, out.samples, stat.Size())
	}
	return errors.Join(err, failed)
}
