package acquire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// logger is a device that keeps what it measured: a power in each minute.
type logger struct{ power acquire.PointID }

func (logger) Name() string                                 { return "logger" }
func (l logger) Points() []acquire.PointID                  { return []acquire.PointID{l.power} }
func (logger) Open(context.Context) (acquire.Stream, error) { return nil, io.EOF }

func (logger) Browse(_ context.Context, _ string) iter.Seq2[acquire.Entry, error] {
	return func(yield func(acquire.Entry, error) bool) {
		_ = yield(acquire.Entry{ID: "7", Name: "main/P", Kind: acquire.KindFloat64, Unit: units.Stated{Unit: units.Kilowatt, Verdict: units.Understood}, History: true}, nil) &&
			yield(acquire.Entry{ID: "8", Name: "main/name", Kind: acquire.KindText}, nil)
	}
}

func (l logger) History(ctx context.Context, from, to acquire.Instant, points ...acquire.PointID) iter.Seq2[*acquire.Batch, error] {
	return func(yield func(*acquire.Batch, error) bool) {
		if len(points) == 0 || points[0] != l.power || from >= to {
			yield(nil, errors.New("logger: nothing to tell"))
			return
		}
		var b acquire.Batch
		for at := from; at < to; at = at.Add(time.Minute) {
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			b.Reset()
			b.Append(acquire.Sample{Time: at, Value: acquire.Float64(21.5), Point: l.power, Quality: acquire.Good.With(acquire.SourceTime | acquire.Backfilled)})
			if !yield(&b, nil) {
				return
			}
		}
	}
}

func TestBrowserAndHistorianAreFound(t *testing.T) {
	c := acquire.NewCatalog()
	id, err := c.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	wrapped := acquire.Reconnect(logger{id}, acquire.Backoff{})
	_, ok := acquire.As[acquire.Browser](wrapped)
	assert.True(t, ok)
	_, ok = acquire.As[acquire.Historian](wrapped)
	assert.True(t, ok)
	merged, err := acquire.Merge(wrapped)
	require.NoError(t, err)
	_, ok = acquire.As[acquire.Historian](merged)
	assert.False(t, ok, "a group is asked member by member")
}

// What a device has to offer, before there is a point.
func ExampleBrowser() {
	var source acquire.Source = logger{}
	browser, ok := acquire.As[acquire.Browser](source)
	if !ok {
		fmt.Println("nothing to ask: see the manual of the device")
		return
	}
	for e, err := range browser.Browse(context.Background(), "main/*") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %q %s %s %t\n", e.ID, e.Name, e.Kind, e.Unit.Unit, e.History)
	}
	// Output:
	// 7 "main/P" float64 kW true
	// 8 "main/name" text none false
}

// What a point was in the last three minutes.
func ExampleHistorian() {
	catalog := acquire.NewCatalog()
	power, err := catalog.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	if err != nil {
		fmt.Println(err)
		return
	}
	var source acquire.Source = logger{power}
	historian, ok := acquire.As[acquire.Historian](source)
	if !ok {
		fmt.Println("the device keeps nothing")
		return
	}
	to := acquire.At(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	for batch, err := range historian.History(context.Background(), to.Add(-3*time.Minute), to, power) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, s := range batch.Samples {
			fmt.Printf("%s\n", catalog.AppendSample(nil, s, batch))
		}
	}
	// Output:
	// 2026-11-23T11:57:00Z main/P 21.5 kW good [source time, backfilled]
	// 2026-11-23T11:58:00Z main/P 21.5 kW good [source time, backfilled]
	// 2026-11-23T11:59:00Z main/P 21.5 kW good [source time, backfilled]
}
