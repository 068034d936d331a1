//go:build !race

package main

// runs is how often the plant is replayed at each pace.
const runs = 100
