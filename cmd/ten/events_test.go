package main

import (
	"strings"
	"testing"
)

// The stream's events behind those that were printed already, each once; its end
// is no success.
func TestEvents_FollowedAreThePastAndThenTheNew(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	code, out, errs := w.ten("events", "-f")
	if code != 1 || !strings.Contains(errs, "the stream of") {
		t.Errorf("exit %d %q", code, errs)
	}
	want := "HH:MM:SS notes:alice asleep -> queued (wake)\n" +
		"HH:MM:SS notes:bob running -> stopping (died): exit\\x1b[2J status 3\n" +
		"HH:MM:SS notes:carol running -> draining (idle)\n"
	if got := clockless(out); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if _, out, _ := w.ten("events", "-f", "--json"); strings.Count(out, "\n") != 3 || !strings.Contains(out, `{"number":9,`) {
		t.Errorf("as JSON: %q", out)
	}
}
