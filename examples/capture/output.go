package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// output takes batches and events in any form.
type output interface {
	capture.BatchWriter
	Event(capture.Event) error
	Close() error
}

// counted is an output that counts samples.
type counted struct {
	output
	samples int
}

func (c *counted) Write(b *acquire.Batch) error {
	c.samples += len(b.Samples)
	return c.output.Write(b)
}

// create makes a new file, of the form that the end of its name says.
func create(name string, cat *acquire.Catalog) (output, error) {
	form := filepath.Ext(name)
	switch form {
	case capture.Extension:
		return capture.Create(name, capture.Config{Catalog: cat, MaxSamples: 1 << 16, MaxDelay: time.Minute, Queue: 2, Wait: true})
	case ".csv", ".jsonl":
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return nil, err
		}
		return newText(form[1:], f, f, cat)
	}
	return nil, fmt.Errorf("%q: the end of the name is to be .mcap, .jsonl or .csv", name)
}

// text is an output that people can read.
type text struct {
	capture.BatchWriter
	event  func(capture.Event) error // nil: this form has none
	flush  func() error
	closer io.Closer // nil: stays open
}

// newText returns an output to w in the form csv, jsonl or text.
func newText(form string, w io.Writer, c io.Closer, cat *acquire.Catalog) (output, error) {
	switch form {
	case "csv":
		csv := capture.NewCSVWriter(w, cat)
		return &text{csv, nil, csv.Flush, c}, nil
	case "jsonl":
		json := capture.NewJSONWriter(w, cat)
		return &text{json, json.Event, json.Flush, c}, nil
	case "text":
		lines := &lines{out: bufio.NewWriterSize(w, 1<<16), catalog: cat}
		return &text{lines, lines.event, lines.out.Flush, c}, nil
	}
	return nil, fmt.Errorf("form %q is none of text, csv, jsonl", form)
}

func (t *text) Event(ev capture.Event) error {
	if t.event == nil {
		return nil
	}
	return t.event(ev)
}

func (t *text) Close() error {
	err := t.flush()
	if t.closer != nil {
		err = errors.Join(err, t.closer.Close())
	}
	return err
}

// lines writes samples as they are shown to people.
type lines struct {
	out     *bufio.Writer
	catalog *acquire.Catalog
	line    []byte
}

func (l *lines) Write(b *acquire.Batch) error {
	if b.Lost > 0 {
		fmt.Fprintf(l.out, "%s -- %d samples lost before\n", b.Received, b.Lost)
	}
	for _, s := range b.Samples {
		l.line = append(l.catalog.AppendSample(l.line[:0], s, b), '\n')
		if _, err := l.out.Write(l.line); err != nil {
			return err
		}
	}
	return nil
}

func (l *lines) event(ev capture.Event) error {
	_, err := fmt.Fprintf(l.out, "%s -- %s %s", ev.Time, ev.Source, ev.Kind)
	if ev.Text != "" {
		_, err = fmt.Fprintf(l.out, ": %s", ev.Text)
	}
	if ev.Samples > 0 {
		_, err = fmt.Fprintf(l.out, ": %d samples not recorded", ev.Samples)
	}
	if err == nil {
		err = l.out.WriteByte('\n')
	}
	return err
}
