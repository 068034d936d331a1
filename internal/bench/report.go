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

// table prints the medians of the rows, and their ratios to the peers with the
// quartiles of the rounds.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| client | requests/s | CPU µs/request | allocs/request | B/request |")
	for _, peer := range peers {
		fmt.Fprintf(&b, " rate ÷ %s | CPU ÷ %s |", peer, peer)
	}
	b.WriteString("\n|---|---:|---:|---:|---:|" + strings.Repeat("---:|", 2*len(peers)) + "\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %.0f | %.2f |", r.client.title, median(r.each(usage.rate)), median(r.each(usage.cpu)))
		if r.client.connect == nil {
			b.WriteString(" - | - |") // not on the Go heap
		} else {
			fmt.Fprintf(&b, " %.2f | %.0f |", median(r.each(usage.allocs)), median(r.each(usage.bytes)))
		}
		for _, name := range peers {
			if r.client.name == name {
				b.WriteString(" 1 | 1 |")
				continue
			}
			i := slices.IndexFunc(rows, func(other row) bool { return other.client.name == name })
			fmt.Fprintf(&b, " %s | %s |", spread(r.ratios(rows[i], usage.rate)), spread(r.ratios(rows[i], usage.cpu)))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// spread prints the median and the quartiles.
func spread(values []float64) string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(values), quantile(values, 0.25), quantile(values, 0.75))
}

// each returns f of every turn.
func (r row) each(f func(usage) float64) []float64 {
	values := make([]float64, len(r.turns))
	for i, u := range r.turns {
		values[i] = f(u)
	}
	return values
}

// ratios are those of f within each round: a machine that is faster in one round
// than in another changes none.
func (r row) ratios(peer row, f func(usage) float64) []float64 {
	ratios := r.each(f)
	for i := range ratios {
		ratios[i] /= f(peer.turns[i])
	}
	return ratios
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile returns the value below which the share q of values lies, between two
// values on the straight line that joins them.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
