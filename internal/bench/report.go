package main

import (
	"fmt"
	"slices"
	"strings"
)

// row is what is known of one client in one place.
type row struct {
	client client
	turns  []usage // one a round
}

// peers are the clients that ours are compared with.
var peers = []string{"goburrow", "libmodbus"}

// table prints the medians of the rows, and ratios with those of the peers.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| client | requests/s | least to most | CPU µs/request | allocs/request | B/request |")
	for _, peer := range peers {
		fmt.Fprintf(&b, " rate ÷ %s | CPU ÷ %s |", peer, peer)
	}
	b.WriteString("\n|---|---:|---:|---:|---:|---:|" + strings.Repeat("---:|", 2*len(peers)) + "\n")
	for _, r := range rows {
		rates := r.each(usage.rate)
		fmt.Fprintf(&b, "| %s | %.0f | %.0f to %.0f | %.2f |", r.client.title,
			median(rates), slices.Min(rates), slices.Max(rates), median(r.each(usage.cpu)))
		if r.client.connect == nil {
			b.WriteString(" - | - |") // not on the Go heap
		} else {
			fmt.Fprintf(&b, " %.2f | %.0f |",
				median(r.each(func(u usage) float64 { return float64(u.Allocs) / float64(u.Requests) })),
				median(r.each(func(u usage) float64 { return float64(u.Bytes) / float64(u.Requests) })))
		}
		for _, peer := range peers {
			i := slices.IndexFunc(rows, func(other row) bool { return other.client.name == peer })
			fmt.Fprintf(&b, " %.2f | %.2f |", r.ratio(rows[i], usage.rate), r.ratio(rows[i], usage.cpu))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// each returns f of every turn.
func (r row) each(f func(usage) float64) []float64 {
	values := make([]float64, len(r.turns))
	for i, u := range r.turns {
		values[i] = f(u)
	}
	return values
}

// ratio is the median of the ratios of f within each round.
func (r row) ratio(peer row, f func(usage) float64) float64 {
	ratios := r.each(f)
	for i := range ratios {
		ratios[i] /= f(peer.turns[i])
	}
	return median(ratios)
}

// median returns the middle value, of an even number the mean of the two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
