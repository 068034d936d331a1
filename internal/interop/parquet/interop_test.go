package interop_test

import (
	"database/sql"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/parquet"
	"github.com/fieldtap/fieldtap/units"
)

const start = acquire.Instant(1790000000_123456789)

// facts are what a table must say.
type facts struct {
	rows, samples, lost, bad, late, none int
	sum                                  float64 // of the powers
	counter                              uint64  // the greatest
	last                                 acquire.Instant
}

// table writes a table of a plant whose sums are known.
func table(t *testing.T, cfg parquet.Config) (name string, f facts) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "plant.parquet")
	file, err := os.Create(name)
	require.NoError(t, err)
	defer file.Close()
	cfg.Catalog = acquire.NewCatalog()
	w, err := parquet.NewWriter(file, cfg)
	require.NoError(t, err)
	var powers, energies []acquire.PointID
	define := func(p acquire.Point) acquire.PointID {
		id, err := cfg.Catalog.Define(p)
		require.NoError(t, err)
		return id
	}
	for i := range 20 {
		device := "meter" + strconv.Itoa(i)
		powers = append(powers, define(acquire.Point{Name: device + "/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64}))
		energies = append(energies, define(acquire.Point{Name: device + "/E", Unit: units.WattHour, Kind: acquire.KindUint64, Role: acquire.Counter}))
	}
	breaker := define(acquire.Point{Name: "breaker", Kind: acquire.KindBool, Role: acquire.State})
	label := define(acquire.Point{Name: "relay/label", Kind: acquire.KindText, Role: acquire.State})
	offset := define(acquire.Point{Name: "relay/offset", Kind: acquire.KindInt64})

	require.NoError(t, w.Event(capture.Event{Kind: capture.Opened, Time: start, Source: "plant"}))
	require.NoError(t, w.Event(capture.Event{Kind: capture.Gap, Time: start, Batches: 2, Samples: 30}))
	f.lost += 30
	var b acquire.Batch
	for i := range 1000 {
		b.Reset()
		now := start + acquire.Instant(i)*1e9
		b.Received, b.Watermark, b.Points = now+1e6, now, powers
		if i%100 == 0 {
			b.Lost = 7
			f.lost += 7
		}
		if i%50 == 49 {
			require.NoError(t, w.Write(&b))
			f.rows++
			continue
		}
		for j := range powers {
			at := now + acquire.Instant(j)
			p := acquire.Sample{Time: at, Point: powers[j], Value: acquire.Float64(float64(i*j) / 8), Quality: acquire.Good}
			switch (i + j) % 97 {
			case 0:
				p.Value, p.Quality = acquire.Value{}, acquire.Bad.Because(acquire.Communication)
				f.bad++
				f.none++
			case 1:
				p.Quality = acquire.Uncertain.Because(acquire.Sensor).With(acquire.SourceTime)
				f.late++
			}
			if v, ok := p.Value.Float64(); ok {
				f.sum += v
			}
			b.Append(p)
			n := math.MaxUint64 - 1000 + uint64(i)
			f.counter = n
			b.Append(acquire.Sample{Time: at, Point: energies[j], Value: acquire.Uint64(n), Quality: acquire.Good})
		}
		text, ok := b.PutText([]byte("läuft"))
		require.True(t, ok)
		b.Append(acquire.Sample{Time: now, Point: breaker, Value: acquire.Bool(i%2 == 0), Quality: acquire.Good})
		b.Append(acquire.Sample{Time: now, Point: label, Value: text, Quality: acquire.Good})
		b.Append(acquire.Sample{Time: now, Point: offset, Value: acquire.Int64(math.MinInt64 + int64(i)), Quality: acquire.Good})
		f.samples += len(b.Samples)
		f.last = b.Samples[len(b.Samples)-4].Time
		require.NoError(t, w.Write(&b))
	}
	require.NoError(t, w.Close())
	require.NoError(t, file.Close())
	f.rows += f.samples + 2
	return name, f
}

func TestDuckDB(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	require.NoError(t, err)
	defer db.Close()
	for _, method := range []parquet.Compression{parquet.Zstd, parquet.Snappy, parquet.Uncompressed} {
		name, f := table(t, parquet.Config{Compression: method, RowGroup: 9999})
		one := func(query string, into ...any) {
			t.Helper()
			require.NoError(t, db.QueryRow(query, name).Scan(into...), query)
		}
		var rows, samples, lost, bad, uncertain, none int
		one(`SELECT count(*), count(point), sum(lost)::BIGINT, count(*) FILTER (quality = 'bad' AND reason = 'communication' AND event IS NULL),
			count(*) FILTER (quality = 'uncertain' AND reason = 'sensor'), count(*) FILTER (point LIKE '%/P' AND value IS NULL) FROM read_parquet(?)`,
			&rows, &samples, &lost, &bad, &uncertain, &none)
		assert.Equal(t, []int{f.rows, f.samples, f.lost, f.bad, f.late, f.none}, []int{rows, samples, lost, bad, uncertain, none})

		var sum float64
		var unit, source string
		one(`SELECT sum(value), any_value(unit), min(source) FROM read_parquet(?) WHERE point LIKE '%/P'`, &sum, &unit, &source)
		assert.Equal(t, f.sum, sum, "eighths add up exactly")
		assert.Equal(t, units.Kilowatt.Symbol(), unit)
		assert.Equal(t, "meter0", source)

		var lowest, last, truths int64
		var most uint64
		one(`SELECT max("uint64"), min("int64"), epoch_ns(max(time)), count(*) FILTER (bool) FROM read_parquet(?) WHERE point IS NOT NULL`, &most, &lowest, &last, &truths)
		assert.Equal(t, f.counter, most)
		assert.Equal(t, int64(math.MinInt64), lowest)
		assert.Equal(t, int64(f.last), last, "to the nanosecond")
		assert.Equal(t, int64(500), truths)

		var text string
		one(`SELECT any_value(text) FROM read_parquet(?) WHERE point = 'relay/label'`, &text)
		assert.Equal(t, "läuft", text)

		// The query of the package comment: a column for each point.
		wide, err := db.Query(`PIVOT (SELECT time_bucket(INTERVAL '1 s', time::TIMESTAMP) AS t, point, value FROM '` + name + `' WHERE point IS NOT NULL)
			ON point USING last(value) GROUP BY t`)
		require.NoError(t, err)
		columns, err := wide.Columns()
		require.NoError(t, err)
		assert.Len(t, columns, 1+43)
		require.NoError(t, wide.Close())

		// By time, which row groups are left out by.
		var n int
		one(`SELECT count(point) FROM read_parquet(?) WHERE time >= make_timestamp_ns(1790000100123456789) AND time < make_timestamp_ns(1790000101123456789)`, &n)
		assert.Equal(t, 43, n)
		var points string
		require.NoError(t, db.QueryRow(`SELECT decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) = 'fieldtap.points'`, name).Scan(&points))
		assert.Contains(t, points, `{"name":"meter0/P","unit":"kW","kind":"float64","role":"gauge","quantity":"`)
	}
}
