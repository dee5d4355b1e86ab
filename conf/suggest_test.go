package conf

import (
	"strings"
	"testing"
)

func TestSuggest_ForgivesSlipsAndNothingMore(t *testing.T) {
	verbs := []string{"serve", "spawn", "stop", "ps", "restart", "idle_timeout"}
	for word, want := range map[string]string{
		"spwan":                  "spawn", // swapped
		"stp":                    "stop",
		"stopp":                  "stop",
		"Serve":                  "serve",
		"restrat":                "restart",
		"idle-timeout":           "idle_timeout",
		"idletimeouts":           "idle_timeout",
		"xx":                     "", // every two-letter word would be as near
		"deploy":                 "",
		"":                       "",
		strings.Repeat("x", 1e6): "",
	} {
		if got := Suggest(word, verbs); got != want {
			t.Errorf("%.20q: got %q, want %q", word, got, want)
		}
	}
}

func TestSuggest_TheNearestWins(t *testing.T) {
	if got := Suggest("max_awoke", []string{"max_wake", "max_awake", "max_aware"}); got != "max_awake" {
		t.Errorf("got %q", got)
	}
}
