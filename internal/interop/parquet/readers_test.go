package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/foxglove/mcap/go/mcap"
	peer "github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture/parquet"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/partial"
	"github.com/fieldtap/fieldtap/units"
)

// Arrow's reader is the one that pandas users have, in another language.
func TestArrow(t *testing.T) {
	for _, cfg := range []parquet.Config{{RowGroup: 9999}, {Compression: parquet.Snappy, Sorted: true, RowGroup: 777}} {
		name, f := table(t, cfg)
		r, err := file.OpenParquetFile(name, false)
		require.NoError(t, err)
		defer r.Close()
		ar, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 1000}, memory.DefaultAllocator)
		require.NoError(t, err)
		all, err := ar.ReadTable(context.Background())
		require.NoError(t, err)
		defer all.Release()
		rows := f.rows
		if cfg.Sorted {
			rows = f.samples
		}
		require.Equal(t, int64(rows), all.NumRows())
		at, ok := all.Schema().Field(0).Type.(*arrow.TimestampType)
		require.True(t, ok)
		assert.Equal(t, arrow.Nanosecond, at.Unit)
		assert.Empty(t, at.TimeZone)
		meta := r.MetaData().KeyValueMetadata().FindValue("fieldtap.points")
		require.NotNil(t, meta)
		assert.Contains(t, *meta, `"meter0/P"`)

		var sum float64
		var most uint64
		lowest, last, samples := int64(math.MaxInt64), arrow.Timestamp(0), 0
		reader := array.NewTableReader(all, 1000)
		defer reader.Release()
		column := func(name string) arrow.Array { return reader.RecordBatch().Column(all.Schema().FieldIndices(name)[0]) }
		for reader.Next() {
			times, points := column("time").(*array.Timestamp), column("point").(*array.String)
			values, unit := column("value").(*array.Float64), column("unit").(*array.String)
			unsigned, signed := column("uint64").(*array.Uint64), column("int64").(*array.Int64)
			texts, truths := column("text").(*array.String), column("bool").(*array.Boolean)
			for i := range int(reader.RecordBatch().NumRows()) {
				if points.IsNull(i) {
					continue
				}
				samples++
				last = max(last, times.Value(i))
				if unit.IsValid(i) && unit.Value(i) == "kW" && values.IsValid(i) {
					sum += values.Value(i)
				}
				if unsigned.IsValid(i) {
					most = max(most, unsigned.Value(i))
				}
				if signed.IsValid(i) {
					lowest = min(lowest, signed.Value(i))
				}
				switch points.Value(i) {
				case "relay/label":
					assert.Equal(t, "läuft", texts.Value(i))
				case "breaker":
					assert.True(t, truths.IsValid(i))
				}
			}
		}
		assert.Equal(t, f.samples, samples)
		assert.Equal(t, f.sum, sum)
		assert.Equal(t, f.counter, most)
		assert.Equal(t, int64(math.MinInt64), lowest)
		assert.Equal(t, arrow.Timestamp(f.last), last)
	}
}

// rowOf is a row as parquet-go has it.
type rowOf struct {
	Time   *int64   `parquet:"time,optional"`
	Point  *string  `parquet:"point,optional"`
	Value  *float64 `parquet:"value,optional"`
	Uint64 *uint64  `parquet:"uint64,optional"`
	Status *uint32  `parquet:"status,optional"`
	Lost   *uint64  `parquet:"lost,optional"`
}

func TestParquetGo(t *testing.T) {
	for _, method := range []parquet.Compression{parquet.Zstd, parquet.Snappy, parquet.Uncompressed} {
		name, f := table(t, parquet.Config{Compression: method, RowGroup: 9999})
		rows, err := peer.ReadFile[rowOf](name)
		require.NoError(t, err)
		require.Len(t, rows, f.rows)
		var sum float64
		var most, lost uint64
		bad := 0
		for _, r := range rows {
			if r.Lost != nil {
				lost += *r.Lost
			}
			if r.Point == nil {
				continue
			}
			if r.Value != nil && r.Uint64 == nil && (*r.Point)[0] == 'm' {
				sum += *r.Value
			}
			if r.Uint64 != nil {
				most = max(most, *r.Uint64)
			}
			if acquire.Quality(*r.Status).IsBad() {
				bad++
			}
		}
		assert.Equal(t, f.sum, sum)
		assert.Equal(t, f.counter, most)
		assert.Equal(t, uint64(f.lost), lost)
		assert.Equal(t, f.bad, bad)
	}
}

// The reference reader lists the messages of a file of partial aggregates by its index.
func TestPartialsByTheReferenceReader(t *testing.T) {
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Kilowatt})
	require.NoError(t, err)
	var out bytes.Buffer
	w, err := partial.NewWriter(&out)
	require.NoError(t, err)
	r, err := partial.NewRecorder(w, partial.RecorderConfig{Series: "main/P", Plan: plan})
	require.NoError(t, err)
	m, err := aggregate.NewMeter(plan)
	require.NoError(t, err)
	var periods []aggregate.Period
	for i := range acquire.Instant(3 * 24 * 60) {
		at := start + i*acquire.Instant(time.Minute)
		require.NoError(t, r.Push(at, 12, acquire.Good))
		periods = m.Push(periods, at, 12, acquire.Good)
	}
	require.NoError(t, r.Close())
	for i := range periods {
		require.NoError(t, w.Interval(periods[i].Interval("main")))
	}
	require.NoError(t, w.Close())

	reader, err := mcap.NewReader(bytes.NewReader(out.Bytes()))
	require.NoError(t, err)
	info, err := reader.Info()
	require.NoError(t, err)
	assert.Equal(t, uint64(len(periods)+4), info.Statistics.MessageCount)
	assert.Equal(t, map[uint16]uint64{1: uint64(len(periods)), 2: 4}, info.Statistics.ChannelMessageCounts)
	require.Len(t, info.Schemas, 2)
	for _, s := range info.Schemas {
		assert.Equal(t, "jsonschema", s.Encoding)
		assert.True(t, json.Valid(s.Data))
	}
	messages, err := reader.Messages(mcap.UsingIndex(true), mcap.InOrder(mcap.LogTimeOrder))
	require.NoError(t, err)
	seen, last := map[string]int{}, uint64(0)
	for {
		_, channel, message, err := messages.NextInto(nil)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		assert.True(t, json.Valid(message.Data))
		assert.GreaterOrEqual(t, message.LogTime, last)
		last = message.LogTime
		seen[channel.Topic]++
	}
	assert.Equal(t, map[string]int{"/intervals": len(periods), "/partials": 4}, seen)
	// Checksums included.
	lexer, err := mcap.NewLexer(bytes.NewReader(out.Bytes()), &mcap.LexerOptions{ValidateChunkCRCs: true})
	require.NoError(t, err)
	for err == nil {
		_, _, err = lexer.Next(nil)
	}
	require.ErrorIs(t, err, io.EOF)
}
