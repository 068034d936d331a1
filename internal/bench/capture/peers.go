package main

import (
	"database/sql"
	"errors"
	"io"
	"os"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// compressor is zstd for the blocks of package capture.
type compressor struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCompressor() (c compressor, err error) {
	if c.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1)); err == nil {
		c.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	}
	return c, err
}

func (compressor) Name() string { return "zstd" }

func (c compressor) Append(dst, src []byte) ([]byte, error) { return c.enc.EncodeAll(src, dst), nil }

// decompressor undoes it. It trusts the file, which this command has written.
type decompressor struct{ compressor }

func (c decompressor) Append(dst, src []byte, _ int) ([]byte, error) {
	return c.dec.DecodeAll(src, dst)
}

// record is a row of the tables of other formats.
type record struct {
	Time    int64 `parquet:"time,delta"`
	Point   int32 `parquet:"point,dict"`
	Value   int64 `parquet:"value"` // its word: values have more than one kind
	Kind    int32 `parquet:"kind,dict"`
	Quality int64 `parquet:"quality,dict"`
}

func toRecord(s *acquire.Sample) record {
	return record{int64(s.Time), int32(s.Point), int64(word(s.Value)), int32(s.Value.Kind()), int64(s.Quality)}
}

// columns is Parquet.
type columns struct{}

func (columns) name() string { return "Parquet (parquet-go), zstd" }

func (columns) write(file string, r *rows) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := parquet.NewGenericWriter[record](f, parquet.Compression(&parquetzstd.Codec{Level: parquetzstd.SpeedFastest}))
	group := make([]record, 0, points)
	for i := range r.batches {
		group = group[:0]
		for j := range r.batches[i].Samples {
			group = append(group, toRecord(&r.batches[i].Samples[j]))
		}
		if _, err := w.Write(group); err != nil {
			return err
		}
	}
	return w.Close()
}

func (columns) read(file string) (s sum, err error) {
	f, err := os.Open(file)
	if err != nil {
		return s, err
	}
	defer f.Close()
	r := parquet.NewGenericReader[record](f)
	defer r.Close()
	group := make([]record, 4096)
	for {
		n, err := r.Read(group)
		for _, x := range group[:n] {
			s.sample(acquire.Instant(x.Time), uint64(x.Value), acquire.Quality(x.Quality))
		}
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
	}
}

// database is SQLite.
type database struct{}

func (database) name() string { return "SQLite (pure Go), no index" }

func (database) write(file string, r *rows) (err error) {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, statement := range []string{
		"PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL",
		"CREATE TABLE samples (time INTEGER, point INTEGER, value INTEGER, kind INTEGER, quality INTEGER)",
	} {
		if _, err := db.Exec(statement); err != nil {
			return err
		}
	}
	const perTransaction = 20 // batches
	for batches := r.batches; len(batches) > 0; {
		n := min(perTransaction, len(batches))
		if err := insert(db, batches[:n]); err != nil {
			return err
		}
		batches = batches[n:]
	}
	return nil
}

func insert(db *sql.DB, batches []acquire.Batch) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	st, err := tx.Prepare("INSERT INTO samples VALUES (?,?,?,?,?)")
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	for i := range batches {
		for j := range batches[i].Samples {
			x := toRecord(&batches[i].Samples[j])
			if _, err := st.Exec(x.Time, x.Point, x.Value, x.Kind, x.Quality); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
	}
	return tx.Commit()
}

func (database) read(file string) (s sum, err error) {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return s, err
	}
	defer db.Close()
	all, err := db.Query("SELECT time, value, quality FROM samples")
	if err != nil {
		return s, err
	}
	defer all.Close()
	for all.Next() {
		var time, value, quality int64
		if err := all.Scan(&time, &value, &quality); err != nil {
			return s, err
		}
		s.sample(acquire.Instant(time), uint64(value), acquire.Quality(quality))
	}
	return s, all.Err()
}

var (
	_ capture.Compressor   = compressor{}
	_ capture.Decompressor = decompressor{}
)
