package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// redraw is the time between two states of a bar. Work that is over sooner shows
// none.
const redraw = 200 * time.Millisecond

// progress is a line on a terminal that is drawn again and again. A nil progress
// shows nothing.
type progress struct {
	out     io.Writer
	name    string
	share   float64 // of the file, as far as it was read
	samples int
	next    time.Time // when to draw
	drawn   bool
}

// progress returns a bar, nil where there is no terminal.
func (c console) progress() *progress {
	if !c.live {
		return nil
	}
	return &progress{out: c.err, next: time.Now().Add(redraw)}
}

// of returns f, so that p follows how it is read.
func (p *progress) of(name string, f *os.File, size int64) *followed {
	return &followed{File: f, size: max(size, 1), name: name, bar: p}
}

// add counts samples, and draws if it is time.
func (p *progress) add(samples int) {
	if p == nil {
		return
	}
	p.samples += samples
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	const width = 30
	full := int(p.share * width)
	fmt.Fprintf(p.out, "\r\x1b[K%s [%-*s] %3.0f %%, %.1f M samples", p.name, width, stripes[:full], 100*p.share, float64(p.samples)/1e6)
	p.next, p.drawn = now.Add(redraw), true
}

const stripes = "=============================="

// end wipes the line.
func (p *progress) end() {
	if p != nil && p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// followed is a file that tells a bar how far it was read.
type followed struct {
	*os.File
	at, size int64
	name     string
	bar      *progress
}

func (f *followed) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.at += int64(n)
	f.tell(f.at)
	return n, err
}

func (f *followed) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.tell(off + int64(n))
	return n, err
}

func (f *followed) tell(at int64) {
	if f.bar != nil {
		f.bar.name, f.bar.share = f.name, min(1, float64(at)/float64(f.size))
	}
}

// terminal reports whether f is a terminal that takes cursor movements.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
