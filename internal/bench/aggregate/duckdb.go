package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
)

// query integrates by trapezoids between neighbours and finds the largest
// complete quarter hour, per meter.
const query = `
WITH segment AS (
	SELECT meter, moment, watts, lag(moment) OVER w AS from_moment, lag(watts) OVER w AS from_watts
	FROM samples WINDOW w AS (PARTITION BY meter ORDER BY moment)
), quarter AS (
	SELECT meter, from_moment // %d AS block, sum((watts + from_watts) / 2 * (moment - from_moment)) AS energy, count(*) AS segments
	FROM segment WHERE from_moment IS NOT NULL GROUP BY ALL
)
SELECT meter, sum(energy) / 3.6e15, max(energy) FILTER (segments = %d) / %d / 1000
FROM quarter GROUP BY meter ORDER BY meter`

// database is an in-memory DuckDB with the rows of the plant in a table.
type database struct {
	db      *sql.DB
	version string
}

func openDatabase(ctx context.Context, meters, each, threads int) (*database, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, err
	}
	d := &database{db: db}
	if err := d.fill(ctx, meters, each, threads); err != nil {
		return nil, fmt.Errorf("duckdb: %w", err)
	}
	return d, nil
}

func (d *database) fill(ctx context.Context, meters, each, threads int) error {
	if err := d.db.QueryRowContext(ctx, "SELECT version()").Scan(&d.version); err != nil {
		return err
	}
	for _, statement := range []string{
		fmt.Sprintf("SET threads = %d", threads),
		"CREATE TABLE samples (meter UINTEGER, moment BIGINT, watts DOUBLE)",
	} {
		if _, err := d.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	// One insert a moment keeps the order of time.
	insert := fmt.Sprintf(`INSERT INTO samples SELECT meter, %d + k * %d, %s FROM (SELECT unnest(range(%d)) AS meter, ?::BIGINT AS k)`,
		start, step, wattsSQL, meters)
	prepared, err := d.db.PrepareContext(ctx, insert)
	if err != nil {
		return err
	}
	defer prepared.Close()
	for k := range each {
		if _, err := prepared.ExecContext(ctx, int64(k)); err != nil {
			return err
		}
	}
	return nil
}

// bills runs the query.
func (d *database) bills(ctx context.Context, bills []bill) error {
	found, err := d.db.QueryContext(ctx, fmt.Sprintf(query, int64(block), inFull, int64(15*time.Minute)))
	if err != nil {
		return err
	}
	defer found.Close()
	n := 0
	for ; found.Next(); n++ {
		var meter int
		var peak sql.NullFloat64
		if n >= len(bills) {
			return fmt.Errorf("duckdb: more than %d meters", len(bills))
		}
		if err := found.Scan(&meter, &bills[n].kilowattHours, &peak); err != nil {
			return err
		}
		bills[n].peakKilowatts = peak.Float64
	}
	if n != len(bills) {
		return fmt.Errorf("duckdb: %d meters of %d", n, len(bills))
	}
	return found.Err()
}

// scan reads every row once, the least that any engine does.
func (d *database) scan(ctx context.Context) error {
	var sum float64
	var last int64
	return d.db.QueryRowContext(ctx, "SELECT sum(watts), max(moment) FROM samples").Scan(&sum, &last)
}

func (d *database) Close() error { return d.db.Close() }
