package main

import (
	"math"
	"slices"
)

// median of what was measured; of an even number, the mean of the middle two.
// NaN when nothing was.
func median(samples []float64) float64 {
	n := len(samples)
	if n == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(samples))
	return (s[(n-1)/2] + s[n/2]) / 2
}

// quantile q (0..1) by the nearest rank. NaN when nothing was measured.
func quantile(samples []float64, q float64) float64 {
	n := len(samples)
	if n == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(samples))
	rank := int(math.Ceil(q * float64(n)))
	return s[min(max(rank, 1), n)-1]
}
