package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/drivers/replay"
	"github.com/foxglove/mcap/go/mcap"
	"github.com/klauspost/compress/zstd"
)

// ours is package capture.
type ours struct {
	queue int // Config.Queue, with Wait
	zstd  bool
}

func (c ours) name() string {
	switch {
	case c.zstd:
		return "fieldtap capture, zstd"
	case c.queue > 0:
		return "fieldtap capture, as copies are made"
	}
	return "fieldtap capture"
}

func (c ours) write(file string, r *rows) error {
	// Blocks of 16,384 samples, as by default; a second holds 500.
	cfg := capture.Config{Catalog: r.catalog, MaxDelay: time.Minute, Queue: c.queue, Wait: c.queue > 0}
	if c.queue > 0 {
		cfg.MaxSamples = 1 << 16
	}
	if c.zstd {
		z, err := newCompressor()
		if err != nil {
			return err
		}
		cfg.Compressor = z
	}
	w, err := capture.Create(file, cfg)
	if err != nil {
		return err
	}
	for i := range r.batches {
		if err := w.Write(&r.batches[i]); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return w.Close()
}

func (c ours) read(file string) (sum, error) {
	var cfg capture.ReaderConfig
	if c.zstd {
		z, err := newCompressor()
		if err != nil {
			return sum{}, err
		}
		cfg.Decompressors = []capture.Decompressor{decompressor{z}}
	}
	r, err := capture.Open(file, cfg)
	if err != nil {
		return sum{}, err
	}
	defer r.Close()
	return drain(r)
}

func drain(r capture.BatchReader) (s sum, err error) {
	var b acquire.Batch
	for err = r.Next(&b); err == nil; err = r.Next(&b) {
		s.add(&b)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return s, err
}

// reference is the MCAP library in Go.
type reference struct{ index bool }

func (c reference) name() string {
	if c.index {
		return "MCAP library, zstd, message index"
	}
	return "MCAP library, zstd, no message index"
}

func (c reference) write(file string, r *rows) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriterSize(f, 1<<20)
	w, err := mcap.NewWriter(buffered, &mcap.WriterOptions{
		Chunked: true, ChunkSize: 1 << 20, IncludeCRC: true, Compression: mcap.CompressionZSTD, SkipMessageIndexing: !c.index})
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&mcap.Header{}); err != nil {
		return err
	}
	if err := w.WriteSchema(&mcap.Schema{ID: 1, Name: "sample", Encoding: "raw"}); err != nil {
		return err
	}
	for _, id := range r.ids {
		if err := w.WriteChannel(&mcap.Channel{ID: uint16(id), SchemaID: 1, Topic: strconv.Itoa(int(id)), MessageEncoding: "raw"}); err != nil {
			return err
		}
	}
	data := make([]byte, 24)
	m := mcap.Message{Data: data}
	for i := range r.batches {
		for _, s := range r.batches[i].Samples {
			binary.LittleEndian.PutUint64(data, word(s.Value))
			binary.LittleEndian.PutUint64(data[8:], uint64(s.Quality))
			binary.LittleEndian.PutUint64(data[16:], uint64(s.Value.Kind()))
			m.ChannelID, m.LogTime, m.PublishTime = uint16(s.Point), uint64(s.Time), uint64(s.Time)
			if err := w.WriteMessage(&m); err != nil {
				return err
			}
			m.Sequence++
		}
	}
	return errors.Join(w.Close(), buffered.Flush())
}

func (c reference) read(file string) (s sum, err error) {
	f, err := os.Open(file)
	if err != nil {
		return s, err
	}
	defer f.Close()
	var src io.Reader = f
	if !c.index {
		src = bufio.NewReaderSize(f, 1<<20) // read from front to back
	}
	r, err := mcap.NewReader(src)
	if err != nil {
		return s, err
	}
	defer r.Close()
	it, err := r.Messages(mcap.UsingIndex(c.index))
	if err != nil {
		return s, err
	}
	var m mcap.Message
	for {
		_, _, _, err := it.NextInto(&m)
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		s.sample(acquire.Instant(m.LogTime), binary.LittleEndian.Uint64(m.Data), acquire.Quality(binary.LittleEndian.Uint64(m.Data[8:])))
	}
}

// lines is JSON Lines, compressed.
type lines struct{}

func (lines) name() string { return "JSON Lines, zstd" }

func (lines) write(file string, r *rows) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	zip, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	w := capture.NewJSONWriter(zip, r.catalog)
	for i := range r.batches {
		if err := w.Write(&r.batches[i]); err != nil {
			return err
		}
	}
	return errors.Join(w.Flush(), zip.Close())
}

func (lines) read(file string) (sum, error) {
	f, err := os.Open(file)
	if err != nil {
		return sum{}, err
	}
	defer f.Close()
	zip, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return sum{}, err
	}
	defer zip.Close()
	return drain(capture.NewJSONReader(zip, acquire.NewCatalog(), nil))
}

// replayed plays a capture into meters that take every sample of it.
func replayed(out io.Writer, r *rows, dir string) error {
	file := dir + "/meters.mcap"
	if err := (ours{}).write(file, r); err != nil {
		return err
	}
	samples, batches := r.len(), r.batches
	clear(batches) // leave the memory
	source, err := replay.Open(file, replay.Config{})
	if err != nil {
		return err
	}
	var meters []aggregate.Metering
	for i := 0; i < points; i += 2 {
		meters = append(meters, aggregate.Metering{
			Name: strconv.Itoa(i), Power: "plant/" + strconv.Itoa(i), Import: "plant/" + strconv.Itoa(i+1), Rule: aggregate.Trapezoid})
	}
	router, err := aggregate.NewRouter(source.Catalog(), meters...)
	if err != nil {
		return err
	}
	ctx := context.Background()
	play := func(each func(*acquire.Batch)) (cost, error) {
		return measure(func() error {
			stream, err := source.Open(ctx)
			if err != nil {
				return err
			}
			defer stream.Close()
			var b acquire.Batch
			for err = stream.Next(ctx, &b); err == nil; err = stream.Next(ctx, &b) {
				each(&b)
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		})
	}
	alone, err := play(func(*acquire.Batch) {})
	if err != nil {
		return err
	}
	intervals := 0
	metered, err := play(func(b *acquire.Batch) { intervals += len(router.Observe(b)) })
	if err != nil {
		return err
	}
	intervals += len(router.Flush(nil))
	fmt.Fprintln(out, "\n| replay of meters | M samples/s | per CPU s | allocs a sample |")
	fmt.Fprintln(out, "| --- | --- | --- | --- |")
	fmt.Fprintf(out, "| alone | %s |\n", alone.per(float64(samples)))
	fmt.Fprintf(out, "| into a Router of %d meters, %d intervals | %s |\n", len(meters), intervals, metered.per(float64(samples)))
	return nil
}
