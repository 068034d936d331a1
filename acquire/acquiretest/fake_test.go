package acquiretest_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
)

func TestFakeScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		failure := errors.New("device failed")
		sample := acquire.Sample{Point: 1, Value: acquire.Bool(true), Quality: acquire.Good}
		fake := acquiretest.NewFake("fake", []acquire.PointID{1, 2},
			acquiretest.Step{},
			acquiretest.Repeat(0, acquiretest.Fail(io.ErrNoProgress)),
			acquiretest.Repeat(2,
				acquiretest.Repeat(3, acquiretest.Wait(time.Second), acquiretest.Deliver(sample)),
				acquiretest.Deliver(),
			),
			acquiretest.Fill(func(b *acquire.Batch) { b.Watermark, b.Lost = 0, 7 }),
			acquiretest.Fail(failure), // of the open stream
			acquiretest.Fail(failure), // of the next connection
			acquiretest.Connect(time.Minute),
			acquiretest.Outage(time.Hour, io.ErrNoProgress), // begins with the connection
			acquiretest.Silence(),
		)
		assert.Equal(t, "fake", fake.Name())
		assert.Equal(t, []acquire.PointID{1, 2}, fake.Points())

		s, err := fake.Open(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, fake.Connections())
		var b acquire.Batch
		for i := range 8 {
			require.NoError(t, s.Next(t.Context(), &b))
			now := acquire.At(time.Now())
			assert.Equal(t, now, b.Received)
			assert.Equal(t, now, b.Watermark)
			assert.Equal(t, fake.Points(), b.Points)
			if i%4 == 3 {
				assert.Empty(t, b.Samples)
				continue
			}
			require.Len(t, b.Samples, 1)
			assert.Equal(t, now, b.Samples[0].Time)
		}
		assert.Equal(t, 6*time.Second, time.Since(start))
		require.NoError(t, s.Next(t.Context(), &b))
		assert.Zero(t, b.Watermark)
		assert.EqualValues(t, 7, b.Lost)
		assert.Equal(t, failure, s.Next(t.Context(), &b))
		assert.Equal(t, failure, s.Next(t.Context(), &b), "an error is final")
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		assert.Zero(t, fake.Connections())

		_, err = fake.Open(t.Context())
		assert.Equal(t, failure, err)
		_, err = fake.Open(t.Context())
		assert.Equal(t, io.ErrNoProgress, err)
		assert.Equal(t, time.Minute+6*time.Second, time.Since(start))
		<-time.After(59 * time.Minute)
		_, err = fake.Open(t.Context())
		assert.Equal(t, io.ErrNoProgress, err)
		<-time.After(time.Minute)
		s, err = fake.Open(t.Context())
		require.NoError(t, err)
		assert.Len(t, fake.Attempts(), 5)

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		assert.ErrorIs(t, s.Next(ctx, &b), context.DeadlineExceeded)
		require.NoError(t, s.Close())
		_, err = fake.Open(ctx)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestFakeEnds(t *testing.T) {
	fake := acquiretest.NewFake("fake", nil, acquiretest.Deliver())
	s, err := fake.Open(t.Context())
	require.NoError(t, err)
	var b acquire.Batch
	require.NoError(t, s.Next(t.Context(), &b))
	for range 3 {
		assert.Equal(t, io.EOF, s.Next(t.Context(), &b))
	}
	_, err = fake.Open(t.Context())
	assert.Equal(t, io.EOF, err, "what has ended cannot be opened")
}

// TestFakeConforms holds the Fake to what can be asked of a script, which does
// not run on while nobody reads.
func TestFakeConforms(t *testing.T) {
	assert.NoError(t, check(t, "Stream").Run(t, func(t *testing.T) *acquiretest.Subject {
		catalog := acquire.NewCatalog()
		id, err := catalog.Define(acquire.Point{Name: "p", Kind: acquire.KindBool})
		require.NoError(t, err)
		return &acquiretest.Subject{
			Source: acquiretest.NewFake("fake", []acquire.PointID{id}, acquiretest.Forever(
				acquiretest.Deliver(acquire.Sample{Point: id, Value: acquire.Bool(true), Quality: acquire.Good}),
				acquiretest.Wait(time.Second),
			)),
			Catalog: catalog, Period: time.Second, Timeout: time.Second,
		}
	}))
}
