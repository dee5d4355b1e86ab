package main

import (
	"math"
	"strings"
	"testing"
)

func TestMedian_IsTheMiddle(t *testing.T) {
	for _, c := range []struct {
		samples []float64
		want    float64
	}{
		{[]float64{7}, 7}, {[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}, {[]float64{1, 1, 1, 1000}, 1},
	} {
		if got := median(c.samples); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.samples, got, c.want)
		}
	}
	if !math.IsNaN(median(nil)) || !math.IsNaN(quantile(nil, 0.5)) {
		t.Error("nothing measured has a median")
	}
}

func TestMedian_LeavesItsSamplesInOrder(t *testing.T) {
	samples := []float64{3, 1, 2}
	median(samples)
	quantile(samples, 0.9)
	if samples[0] != 3 || samples[1] != 1 {
		t.Errorf("the samples were sorted in place: %v", samples)
	}
}

func TestQuantile_IsTheNearestRank(t *testing.T) {
	samples := make([]float64, 100)
	for i := range samples {
		samples[i] = float64(100 - i)
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 50, 0.9: 90, 0.99: 99, 1: 100} {
		if got := quantile(samples, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

// The load grows ten-fold half-way; the difference between neighbours stays.
func TestSeries_DifferenceIsBetweenNeighbours(t *testing.T) {
	a, b := series{values: []float64{1, 1, 1, 10, 10}}, series{values: []float64{1.5, 1.5, 1.5, 10.5, 10.5}}
	if got := median(b.over(a)); got != 0.5 {
		t.Errorf("difference %v, want 0.5", got)
	}
	if got := (series{values: []float64{2}}).over(series{values: []float64{1, 2}}); len(got) != 1 || got[0] != 1 {
		t.Errorf("with an odd one out: %v, want 1", got)
	}
}

func TestResult_SaysWhetherTheAimIsMet(t *testing.T) {
	for _, c := range []struct {
		r    result
		want string
	}{
		{result{Value: 0.4, Aim: 0.5}, "met"}, {result{Value: 0.6, Aim: 0.5}, "MISSED"}, {result{Value: 3}, ""},
		{result{Value: 0.4, Aim: 0.5, Failures: 1}, "MISSED"}, {result{Value: number(math.NaN()), Aim: 1}, "MISSED"},
	} {
		if got := c.r.Verdict(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
}

func TestReport_IsWrittenAsTextAndJSON(t *testing.T) {
	r := report{Suite: "first", Results: []result{{Name: "wake", Value: 0.25, Unit: "ms", Runs: 30, Aim: 0.5}, {Name: "none", Value: number(math.NaN()), Unit: "ms"}}}
	dir := t.TempDir()
	if err := r.Write(dir, "first-abc"); err != nil {
		t.Fatal(err)
	}
	text := r.Text()
	for _, want := range []string{"wake", "0.250 ms", "met", "failures"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing from\n%s", want, text)
		}
	}
	if err := r.Write(dir+"/missing/\x00", "x"); err == nil {
		t.Error("results that cannot be written are no error")
	}
}
