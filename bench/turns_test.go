package main

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// scripted is a subject that gives these values in turn; NaN fails.
func scripted(name string, log *strings.Builder, values ...float64) subject {
	n := 0
	return subject{name, func() (float64, error) {
		log.WriteString(name)
		v := values[n%len(values)]
		n++
		if math.IsNaN(v) {
			return 0, errors.New("scripted")
		}
		return v, nil
	}}
}

func TestTakeTurns_WhoBeginsChangesAndTheWarmUpIsThrownAway(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	found := takeTurns(3, 1, []subject{scripted("a", &log, 99, 1, 2, 3), scripted("b", &log, 98, 4, 5, 6)})
	if log.String() != "abbaabba" {
		t.Errorf("the order is %s", log.String())
	}
	if !slices.Equal(found[0].values, []float64{1, 2, 3}) || !slices.Equal(found[1].values, []float64{4, 5, 6}) {
		t.Errorf("%v", found)
	}
}

func TestTakeTurns_FailuresAreCountedAndKeepTheirPlace(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	nan := math.NaN()
	found := takeTurns(3, 1, []subject{scripted("a", &log, 1, 10, 20, 30), scripted("b", &log, nan, 11, nan, 33)})
	if found[1].failed != 2 || found[0].failed != 0 {
		t.Errorf("failures %d and %d, want 0 and 2 (one of the warm-up)", found[0].failed, found[1].failed)
	}
	if got := found[1].over(found[0]); !slices.Equal(got, []float64{1, 3}) {
		t.Errorf("neighbours differ by %v, want 1 and 3", got)
	}
	if one := found[1].result("x", "b", "ms"); one.Runs != 2 || one.Failures != 2 || one.Value != 22 {
		t.Errorf("%+v", one)
	}
}

func TestTakeTurns_WhoFailsFiveTimesInARowIsAskedNoMore(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	found := takeTurns(20, 0, []subject{scripted("x", &log, math.NaN()), scripted(".", &log, 1)})
	if got := strings.Count(log.String(), "x"); got != enough {
		t.Errorf("asked %d times, want %d", got, enough)
	}
	if found[0].failed != 20 || len(found[0].values) != 20 || len(found[1].good()) != 20 {
		t.Errorf("%+v", found)
	}
	if one := found[0].result("x", "", "ms"); !math.IsNaN(float64(one.Value)) || one.Failures != 20 {
		t.Errorf("what never succeeded has the value %v", one.Value)
	}
}

func TestInTurn_EndsWhenItsReaderDoes(t *testing.T) {
	t.Parallel()
	n := 0
	for range inTurn(10, 10) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d", n)
	}
}

func TestRounded_KeepsFiveDigits(t *testing.T) {
	t.Parallel()
	in := []float64{0, 1.23456789, 123456.789, -0.000123456}
	got := rounded(in)
	for i, want := range []float64{0, 1.2346, 123460, -0.00012346} {
		if math.Abs(got[i]-want) > 1e-9 {
			t.Errorf("%v became %v, want %v", in[i], got[i], want)
		}
	}
	if in[1] != 1.23456789 {
		t.Error("the samples themselves were changed")
	}
}
