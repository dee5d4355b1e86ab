package main

import (
	"fmt"
	"iter"
	"math"
	"os"
	"slices"
)

// subject is one of those that are measured in turns.
type subject struct {
	name   string
	sample func() (float64, error)
}

// series is what one subject showed, in the order of the rounds. A sample that
// failed is NaN: the rounds of several subjects stay neighbours in time.
type series struct {
	values []float64
	failed int // those of the warm-up too
}

// inTurn goes through rounds of n subjects; who begins changes (A B, B A).
func inTurn(rounds, n int) iter.Seq2[int, int] {
	return func(yield func(round, subject int) bool) {
		for round := range rounds {
			for i := range n {
				if !yield(round, (i+round)%n) {
					return
				}
			}
		}
	}
}

// takeTurns measures all of them in each round. The values of the first warm-up
// rounds are thrown away, their failures are not. Who fails five times in a row is
// asked no more, and fails in every round that is left.
func takeTurns(rounds, warmup int, subjects []subject) []series {
	found, inARow := make([]series, len(subjects)), make([]int, len(subjects))
	for round, i := range inTurn(rounds+warmup, len(subjects)) {
		s := &found[i]
		value, err := math.NaN(), errGivenUp
		if inARow[i] < enough {
			value, err = subjects[i].sample()
		}
		if err != nil {
			value = math.NaN()
			inARow[i]++
			s.failed++
			if err != errGivenUp {
				fmt.Fprintf(os.Stderr, "bench: %s: %v\n", subjects[i].name, err)
			}
		} else {
			inARow[i] = 0
		}
		if round >= warmup {
			s.values = append(s.values, value)
		}
	}
	return found
}

// errGivenUp stands for a sample that was not taken.
var errGivenUp = fmt.Errorf("given up after %d failures in a row", enough)

// good are the values of what did not fail.
func (s series) good() []float64 {
	return slices.DeleteFunc(slices.Clone(s.values), math.IsNaN)
}

// over is what each round's sample took over its neighbour of base; rounds in
// which either failed are left out, and counted in both series.
func (s series) over(base series) []float64 {
	var d []float64
	for i := range min(len(s.values), len(base.values)) {
		if x := s.values[i] - base.values[i]; !math.IsNaN(x) {
			d = append(d, x)
		}
	}
	return d
}

// result is the series as a line of the report.
func (s series) result(name, subject, unit string) result {
	one := distribution(name, subject, unit, s.good())
	one.Failures = s.failed
	return one
}

// distribution is samples as a line of the report.
func distribution(name, subject, unit string, samples []float64) result {
	return result{Name: name, Subject: subject, Unit: unit, Runs: len(samples), Samples: rounded(samples), Value: number(median(samples)),
		P90: number(quantile(samples, 0.9)), P99: number(quantile(samples, 0.99)), Low: number(quantile(samples, 0.25)), High: number(quantile(samples, 0.75))}
}

// rounded keeps five digits, which is more than any clock here is worth.
func rounded(samples []float64) []float64 {
	all := make([]float64, len(samples))
	for i, v := range samples {
		all[i] = v
		if v != 0 {
			scale := math.Pow(10, 4-math.Floor(math.Log10(math.Abs(v))))
			all[i] = math.Round(v*scale) / scale
		}
	}
	return all
}
