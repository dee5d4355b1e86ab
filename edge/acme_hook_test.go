package edge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

var someChallenge = acme.Challenge{KeyAuthorization: "token.key", Identifier: acme.Identifier{Type: "dns", Value: "notes.example.test"}}

// script is a hook that runs the lines with what it was given in "$@".
func script(t *testing.T, timeout time.Duration, lines string) (h *dnsHook, dir string) {
	t.Helper()
	dir = t.TempDir()
	return newDNSHook([]string{"/bin/sh", "-c", "cd " + dir + "\n" + lines, "hook"}, timeout), dir
}

func TestDNSHook_AddsAndRemovesTheRecord(t *testing.T) {
	h, dir := script(t, patience, `echo "$@" >> calls`)
	if err := h.Present(t.Context(), someChallenge); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.CleanUp(gone, someChallenge); err != nil { // an order that was given up is tidied too
		t.Fatal(err)
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	value := someChallenge.DNS01KeyAuthorization()
	want := fmt.Sprintf("add _acme-challenge.notes.example.test %s\nremove _acme-challenge.notes.example.test %s\n", value, value)
	if err != nil || string(calls) != want {
		t.Errorf("%q, %v, want %q", calls, err, want)
	}
	if err := h.Present(gone, someChallenge); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestDNSHook_AFailureTellsWhatItSaid(t *testing.T) {
	h, _ := script(t, patience, `i=0; while [ $i -lt 2000 ]; do echo "noise $i"; i=$((i+1)); done; echo "the zone is locked" >&2; exit 3`)
	err := h.Present(t.Context(), someChallenge)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.HasSuffix(err.Error(), "the zone is locked") || len(err.Error()) > 2*hookTail {
		t.Errorf("%v", err)
	}
	missing := newDNSHook([]string{"/nowhere/hook"}, patience)
	if err := missing.Present(t.Context(), someChallenge); err == nil || !strings.Contains(err.Error(), "/nowhere/hook add _acme-challenge.notes.example.test") || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a hook that is not there: %v", err)
	}
}

func TestDNSHook_OneThatHangsIsKilledWithItsChildren(t *testing.T) {
	h, dir := script(t, 100*time.Millisecond, `sleep 1000 & echo $! > child; wait`)
	err := h.Present(t.Context(), someChallenge)
	if err == nil || !strings.Contains(err.Error(), "killed after tls.dns_hook_timeout, 100ms") {
		t.Errorf("%v", err)
	}
	child, err := os.ReadFile(filepath.Join(dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hook's child is gone", func() bool {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(child)) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func TestDNSHook_NeverRunsTwiceAtOnce(t *testing.T) {
	h, dir := script(t, patience, `mkdir lock || touch met; sleep 0.02; rmdir lock`)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if err := h.Present(t.Context(), someChallenge); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := os.Stat(filepath.Join(dir, "met")); err == nil {
		t.Error("two met")
	}
}
