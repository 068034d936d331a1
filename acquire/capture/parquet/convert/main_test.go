package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/capturetest"
	"github.com/fieldtap/fieldtap/units"
)

func record(t *testing.T, name string, from int) {
	t.Helper()
	c := acquire.NewCatalog()
	id, err := c.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	w, err := capture.Create(name, capture.Config{Catalog: c})
	require.NoError(t, err)
	require.NoError(t, w.Event(capture.Event{Kind: capture.Opened, Time: 1, Source: "main"}))
	var b acquire.Batch
	for i := from; i < from+100; i++ {
		b.Reset()
		b.Received = acquire.Instant(i) * 1e9
		b.Append(acquire.Sample{Time: b.Received, Point: id, Value: acquire.Float64(float64(i)), Quality: acquire.Good})
		require.NoError(t, w.Write(&b))
	}
	require.NoError(t, w.Close())
}

func TestConvert(t *testing.T) {
	dir := t.TempDir()
	name := func(base string) string { return filepath.Join(dir, base) }
	record(t, name("a.mcap"), 100)
	record(t, name("b.mcap"), 150)
	convert := func(args ...string) error { return run(args, io.Discard) }

	require.NoError(t, convert(name("a.mcap"), name("a.parquet")))
	require.NoError(t, convert(name("a.parquet"), name("again.mcap")))
	capturetest.Equal(t, name("a.mcap"), name("again.mcap"))
	require.NoError(t, convert("-compression", "snappy", "-rows", "7", name("again.mcap"), name("b.parquet")))
	require.NoError(t, convert(name("b.parquet"), name("b.jsonl")))
	capturetest.Equal(t, name("a.mcap"), name("b.jsonl"))
	require.NoError(t, convert(name("b.jsonl"), name("c.parquet")))
	require.NoError(t, convert(name("c.parquet"), name("c.csv")))
	capturetest.EqualSamples(t, name("a.mcap"), name("c.csv"))
	require.NoError(t, convert(name("c.csv"), name("d.parquet")))
	require.NoError(t, convert("-sorted", name("a.mcap"), name("b.mcap"), name("both.parquet")))
	require.NoError(t, convert(name("both.parquet"), name("both.csv")))

	for what, args := range map[string][]string{
		"exists":      {name("a.mcap"), name("a.parquet")},
		"no input":    {name("none.mcap"), name("e.parquet")},
		"form":        {name("a.mcap"), name("e.txt")},
		"input form":  {name("b.jsonl"), name("a.mcap"), name("e.parquet")},
		"few":         {name("a.mcap")},
		"compression": {"-compression", "lzo", name("a.mcap"), name("e.parquet")},
		"rows":        {"-rows", "-1", name("a.mcap"), name("e.parquet")},
		"other":       {name("c.csv") + "x", name("e.parquet")},
	} {
		assert.Error(t, convert(args...), what)
	}
	_, err := os.Stat(name("e.parquet"))
	assert.ErrorIs(t, err, os.ErrNotExist, "a table that failed is removed")

	whole, err := os.ReadFile(name("a.mcap"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name("cut.mcap"), whole[:len(whole)-20], 0o600))
	assert.ErrorContains(t, convert(name("cut.mcap"), name("cut.parquet")), "not whole")
	_, err = os.Stat(name("cut.parquet"))
	assert.NoError(t, err, "what could be read is there")
}
