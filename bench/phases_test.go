package main

import "testing"

const metrics = `# HELP tenement_wake_seconds Phases of the starts that succeeded.
tenement_wake_seconds_bucket{phase="queue",process="a",le="0.001"} 7
tenement_wake_seconds_sum{phase="queue",process="a"} 0.5
tenement_wake_seconds_count{phase="queue",process="a"} 2
tenement_wake_seconds_sum{phase="spawn",process="a"} 4
tenement_wake_seconds_count{phase="spawn",process="a"} 2
tenement_wake_seconds_sum{phase="spawn",process="other"} 100
tenement_requests_total{process="a"} 9
tenement_wake_seconds_sum{phase="ready",process="a"} nonsense
`

func TestPhases_AreMeansSinceAnEarlierLook(t *testing.T) {
	t.Parallel()
	before := phases{{"a", "spawn"}: {sum: 1, count: 1}}
	mean, n := parsePhases(metrics).since(before, "a")
	if mean["queue"] != 250 || mean["spawn"] != 3000 || n != 1 {
		t.Errorf("%v of %d", mean, n)
	}
	if _, ok := mean["ready"]; ok {
		t.Error("a phase that was not counted has a mean")
	}
	if mean, n := parsePhases(metrics).since(before, "nobody"); len(mean) != 0 || n != 0 {
		t.Errorf("%v of %d", mean, n)
	}
}
