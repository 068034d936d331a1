package main

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values               []float64
		lower, middle, upper float64
	}{
		{[]float64{7}, 7, 7, 7},
		{[]float64{1, 3}, 1.5, 2, 2.5},
		{[]float64{4, 1, 3, 2, 5}, 2, 3, 4},
		{[]float64{9, 1, 1, 1, 9}, 1, 1, 9},
	} {
		before := append([]float64(nil), c.values...)
		assert.Equal(t, c.lower, quantile(c.values, 0.25))
		assert.Equal(t, c.middle, median(c.values))
		assert.Equal(t, c.upper, quantile(c.values, 0.75))
		assert.Equal(t, before, c.values, "the values keep their order")
	}
}

func TestRatiosCompareWithinRounds(t *testing.T) {
	ours := row{turns: []usage{{100, 1, 2, 0, 0}, {200, 1, 2, 0, 0}, {400, 1, 2, 0, 0}}}
	peer := row{turns: []usage{{50, 1, 2, 0, 0}, {100, 1, 2, 0, 0}, {200, 1, 2, 0, 0}}}
	assert.Equal(t, []float64{2, 2, 2}, ours.ratios(peer, usage.rate))
	assert.Equal(t, []float64{0.5, 0.5, 0.5}, ours.ratios(peer, usage.cpu))
}

func TestTable(t *testing.T) {
	connect := func(context.Context, string) (func() error, func() error, error) { return nil, nil, nil }
	got := table([]row{
		{client{"fieldtap", "ours", 1, connect}, []usage{{1000, 1, 0.01, 4000, 32000}}},
		{client{"goburrow", "theirs", 1, connect}, []usage{{500, 1, 0.01, 3500, 208000}}},
		{client{"libmodbus", "in C", 1, nil}, []usage{{2000, 1, 0.01, 0, 0}}},
	})
	want := `
| client | requests/s | CPU µs/request | allocs/request | B/request | rate ÷ goburrow | CPU ÷ goburrow | rate ÷ libmodbus | CPU ÷ libmodbus |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
| ours | 1000 | 10.00 | 4.00 | 32 | 2.00 (2.00 to 2.00) | 0.50 (0.50 to 0.50) | 0.50 (0.50 to 0.50) | 2.00 (2.00 to 2.00) |
| theirs | 500 | 20.00 | 7.00 | 416 | 1 | 1 | 0.25 (0.25 to 0.25) | 4.00 (4.00 to 4.00) |
| in C | 2000 | 5.00 | - | - | 4.00 (4.00 to 4.00) | 0.25 (0.25 to 0.25) | 1 | 1 |
`
	assert.Equal(t, strings.TrimPrefix(want, "\n"), got)
}

func TestChoose(t *testing.T) {
	places, err := choose("free")
	require.NoError(t, err)
	assert.Equal(t, "free", places[0].name)
	_, err = choose("free,nowhere")
	assert.ErrorContains(t, err, "nowhere")
}

// The Go clients make as many requests a poll as they say, and refuse a wrong answer.
func TestClientsPoll(t *testing.T) {
	words := make([]uint16, many*registers)
	for r := range words {
		words[r] = uint16(r + 1)
	}
	var image modbustest.Image
	require.NoError(t, image.SetRegisters(modbustest.HoldingRegisters, 0, words...))
	server, err := modbustest.Start(modbustest.Config{Units: map[byte]modbustest.Device{1: &image}})
	require.NoError(t, err)
	defer server.Close()

	for _, c := range clients {
		if c.connect == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			poll, closer, err := c.connect(t.Context(), server.Address())
			require.NoError(t, err)
			defer closer()
			before := server.Stats().Functions[3]
			for range 3 {
				require.NoError(t, poll())
			}
			assert.Equal(t, before+uint64(3*c.per), server.Stats().Functions[3])

			require.NoError(t, image.SetRegisters(modbustest.HoldingRegisters, registers-1, 0))
			assert.Error(t, poll())
			require.NoError(t, image.SetRegisters(modbustest.HoldingRegisters, registers-1, registers))
		})
	}
}
