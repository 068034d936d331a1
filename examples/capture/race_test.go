//go:build race

package main

// runs is how often the plant is replayed at each pace. The race detector makes
// each ten times as long.
const runs = 5
