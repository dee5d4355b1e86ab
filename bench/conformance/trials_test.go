package main

import (
	"regexp"
	"testing"
)

// The number is not stuffed: no two trials are the same, and every one rests on
// a sentence.
func TestTrials_AreDifferentAndCiteASentence(t *testing.T) {
	t.Parallel()
	cite := regexp.MustCompile(`^RFC 911[02], [0-9]+(\.[0-9]+)*$`)
	names, keys, n := map[string]bool{}, map[string]string{}, 0
	for _, tp := range topics {
		for _, r := range tp.rules {
			if r.cite != "" && !cite.MatchString(r.cite) || len(r.quote) < 20 || len(r.trials) == 0 {
				t.Errorf("%s: cites %q, %q, for %d trials", tp.name, r.cite, r.quote, len(r.trials))
			}
			for _, tr := range r.trials {
				n++
				name := tp.name + "/" + tr.name
				if names[name] {
					t.Errorf("%s: the name is used twice", name)
				}
				names[name] = true
				if other := keys[tr.key()]; other != "" {
					t.Errorf("%s says what %s says", name, other)
				}
				keys[tr.key()] = name
			}
		}
	}
	if n < 300 {
		t.Errorf("%d trials, want 300", n)
	}
}

func TestTrial_AShardHasNamesOfItsOwn(t *testing.T) {
	t.Parallel()
	a := serve("x", get+toBob+"HOST: ALICE.APP.EXAMPLE.TEST").sees(toAlice).at(7)
	if want := "GET / HTTP/1.1\r\nHost: alic7.app.example.test\r\nHost: bo7.app.example.test\r\nHOST: ALIC7.APP.EXAMPLE.TEST"; a.sent() != want {
		t.Errorf("%q", a.sent())
	}
	if a.see[0] != "Host: alic7.app.example.test\r\n" {
		t.Errorf("%q", a.see)
	}
}
