package main

import (
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// The plant: every meter is read every ten seconds, all at the same moment, and
// the rows come in the order of time. Ten seconds divide the quarter hour, so that
// no segment straddles two blocks and a query needs no split.
const (
	start  = acquire.Instant(1795161600e9) // 2026-11-20 08:00:00 UTC
	step   = acquire.Instant(10 * time.Second)
	block  = acquire.Instant(15 * time.Minute)
	inFull = int(block / step) // segments of a complete block
)

// watts is the power of a meter at its kth reading: whole eighths of a watt, which
// a float64 holds exactly, so that the engines differ by their arithmetic alone.
// wattsSQL is the same for the database.
func watts(meter, k int) float64 {
	return float64(1000+(meter*7919+k*104729)%10007) / 8
}

const wattsSQL = `(1000 + (meter * 7919 + k * 104729) % 10007) / 8.0`

// rows are columns in the order of time.
type rows struct {
	meters int
	each   int // readings of one meter
	meter  []uint32
	at     []acquire.Instant
	watts  []float64
}

func newRows(meters, each int) *rows {
	n := meters * each
	r := &rows{
		meters: meters, each: each,
		meter: make([]uint32, n), at: make([]acquire.Instant, n), watts: make([]float64, n),
	}
	i := 0
	for k := range each {
		for m := range meters {
			r.meter[i], r.at[i], r.watts[i] = uint32(m), start+acquire.Instant(k)*step, watts(m, k)
			i++
		}
	}
	return r
}

// bill is what each engine has to find for each meter.
type bill struct {
	kilowattHours float64
	peakKilowatts float64 // of complete quarter hours
}

// equal reports the largest difference between two results, in parts of the
// whole.
func compare(a, b []bill) (worst float64, err error) {
	if len(a) != len(b) {
		return 0, fmt.Errorf("%d meters against %d", len(a), len(b))
	}
	for i := range a {
		worst = max(worst, relative(a[i].kilowattHours, b[i].kilowattHours), relative(a[i].peakKilowatts, b[i].peakKilowatts))
	}
	return worst, nil
}

func relative(a, b float64) float64 {
	if a == b {
		return 0
	}
	return max(a-b, b-a) / max(a, b, -a, -b)
}

func total(bills []bill) (sum float64) {
	for _, b := range bills {
		sum += b.kilowattHours
	}
	return sum
}
