package e2e

import "testing"

// levels are where every app has to live, the weakest first.
var levels = []string{"process", "namespace", "sandbox"}

// needsLevel skips a test where a level cannot be had.
func needsLevel(t *testing.T, level string) {
	t.Helper()
	if level == "process" {
		return
	}
	requireRoot(t, "level "+level+" does")
	if level == "sandbox" {
		needsRunsc(t)
	}
}
