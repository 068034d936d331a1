package part13

import (
	"fmt"
	"slices"
)

// Process computes one function over samples, which are in order of time and all
// the data there is, and appends the results to dst in the order of the request:
// backwards if its End is before its Start. A fault is an error that leaves dst as
// it was: of the configuration, or a sample that is out of order.
func Process(dst []Result, f Function, cfg Config, req Request, samples []Sample) ([]Result, error) {
	c, err := NewCalculator(cfg, req, f)
	if err != nil {
		return dst, err
	}
	n := len(dst)
	for i := range samples {
		if err := c.Push(samples[i]); err != nil {
			return dst[:n], fmt.Errorf("sample %d: %w", i, err)
		}
		dst = drain(dst, c)
	}
	if err := c.Close(); err != nil {
		return dst[:n], err
	}
	dst = drain(dst, c)
	if c.grid.backward {
		slices.Reverse(dst[n:])
	}
	return dst, nil
}

func drain(dst []Result, c *Calculator) []Result {
	for r, ok := c.Next(); ok; r, ok = c.Next() {
		dst = append(dst, r)
	}
	return dst
}
