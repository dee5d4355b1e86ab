package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"
)

// What counts as a change: by more than this share, and not by chance.
const (
	smallChange = 0.05
	chance      = 0.01
)

// change is what became of one figure.
type change struct {
	name     string
	unit     string
	old, new float64
	p        float64 // that it is chance; NaN = too few samples to say
	verdict  string
}

// betterHigh are the units of which more is better.
var betterHigh = []string{"1/s"}

// compareFiles says what got slower from one result to the next.
func compareFiles(w io.Writer, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%w: compare needs two results, not %d", errUsage, len(args))
	}
	old, err := readReport(args[0])
	if err != nil {
		return err
	}
	next, err := readReport(args[1])
	if err != nil {
		return err
	}
	if old.Suite != next.Suite {
		return fmt.Errorf("cannot compare the suite %s with %s", old.Suite, next.Suite)
	}
	writeChanges(w, old, next)
	return nil
}

func writeChanges(w io.Writer, old, next *report) {
	fmt.Fprintf(w, "suite %s, %s -> %s\n", old.Suite, old.Machine.Commit, next.Machine.Commit)
	if old.Machine.CPU != next.Machine.CPU || old.Machine.Kernel != next.Machine.Kernel || old.Machine.Cores != next.Machine.Cores {
		fmt.Fprintf(w, "NOT THE SAME MACHINE: %s, %d cores, %s -> %s, %d cores, %s\n", old.Machine.CPU, old.Machine.Cores, old.Machine.Kernel, next.Machine.CPU, next.Machine.Cores, next.Machine.Kernel)
	}
	for _, one := range []*report{old, next} {
		for _, why := range one.Noise.warnings(one.Machine.Cores) {
			fmt.Fprintf(w, "NOISY: %s: %s\n", one.Machine.Commit, why)
		}
	}
	worse, t := 0, tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range changes(old, next) {
		if c.verdict == "" {
			continue
		}
		if c.verdict == slower || c.verdict == gone {
			worse++
		}
		fmt.Fprintf(t, "%s\t%s\t%.4g -> %.4g %s\t%+.0f %%\t%s\n", c.verdict, c.name, c.old, c.new, c.unit, 100*(c.new/c.old-1), certainty(c.p))
	}
	t.Flush()
	fmt.Fprintf(w, "%d got worse, of %d compared\n", worse, len(changes(old, next)))
}

func certainty(p float64) string {
	if math.IsNaN(p) {
		return "too few samples to rule out chance"
	}
	return fmt.Sprintf("p = %.4f", p)
}

// The verdicts of a comparison.
const (
	slower = "WORSE"
	faster = "better"
	gone   = "FAILS" // it was measured, and is no more
)

// changes compares what both reports have, in the order of the new one.
func changes(old, next *report) (all []change) {
	before := map[string]result{}
	for _, one := range old.Results {
		before[one.title()] = one
	}
	for _, one := range next.Results {
		if was, ok := before[one.title()]; ok && was.Unit == one.Unit {
			all = append(all, judge(was, one))
		}
	}
	return all
}

// judge is pure.
func judge(old, next result) change {
	c := change{name: next.title(), unit: next.Unit, old: float64(old.Value), new: float64(next.Value), p: math.NaN()}
	if old.Failures == 0 && next.Failures > 0 || math.IsNaN(c.new) && !math.IsNaN(c.old) {
		c.verdict = gone
		return c
	}
	if math.Abs(c.new/c.old-1) <= smallChange || math.IsNaN(c.new) || math.IsNaN(c.old) || c.old == c.new {
		return c
	}
	if len(old.Samples) > 3 && len(next.Samples) > 3 {
		c.p = benchmath.AssumeNothing.Compare(benchmath.NewSample(slices.Clone(old.Samples), &benchmath.DefaultThresholds), benchmath.NewSample(slices.Clone(next.Samples), &benchmath.DefaultThresholds)).P
		if c.p > chance {
			return c
		}
	}
	c.verdict = slower
	if (c.new > c.old) == slices.Contains(betterHigh, next.Unit) {
		c.verdict = faster
	}
	return c
}
