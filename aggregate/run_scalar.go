//go:build !goexperiment.simd || !amd64

package aggregate

import "github.com/fieldtap/fieldtap/acquire"

// What the loops of a run leave to vector instructions, which is nothing here.

func (*run) addVector([]float64) int { return 0 }

func (*run) addVectorSteps(_ []acquire.Instant, _ []float64, _, _ acquire.Instant) int { return 0 }

func (*run) weighVector(_ []acquire.Instant, _ []float64, _ acquire.Instant, _ uint64) int { return 0 }

func (*run) joinVector(_ []acquire.Instant, _ []float64, _ acquire.Instant, _ uint64) int { return 0 }
