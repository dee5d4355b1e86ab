package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestNeighbour_CountsWhatWasNotServed(t *testing.T) {
	var visits atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "one.control.localhost" {
			t.Errorf("it visits %q", r.Host)
		}
		if visits.Add(1)%4 == 0 {
			http.Error(w, "no", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	n := newNeighbour(strings.TrimPrefix(server.URL, "http://"), "one.control.localhost")
	defer n.client.CloseIdleConnections()
	ctx, over := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer over()
	times, failures := n.live(ctx)
	all := int(visits.Load())
	if all < 4 || failures != all/4 || len(times) != all-failures {
		t.Errorf("%d visits: %d answers, %d failures", all, len(times), failures)
	}
}

// A visit that is not answered holds up none of the next.
func TestNeighbour_ComesFiftyTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNeighbour("nowhere", "nobody")
		var visits atomic.Int64
		n.client.Transport = slow{&visits}
		ctx, over := context.WithTimeout(context.Background(), time.Second+time.Millisecond)
		defer over()
		times, failures := n.live(ctx)
		if visits.Load() != 50 || failures != 0 || len(times) != 50 {
			t.Errorf("%d visits, %d answers, %d failures; want 50, 50, 0", visits.Load(), len(times), failures)
		}
		for _, ms := range times {
			if ms != 10000 {
				t.Errorf("a visit took %v ms, want 10000", ms)
			}
		}
	})
}

// slow answers after ten seconds.
type slow struct{ visits *atomic.Int64 }

func (s slow) RoundTrip(*http.Request) (*http.Response, error) {
	s.visits.Add(1)
	time.Sleep(10 * time.Second)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// Each row has a name of its own, and what waits for the grace is said.
func TestHostiles_AreTold(t *testing.T) {
	seen := map[string]bool{}
	for _, h := range hostiles {
		if h.name == "" || h.play == "" || seen[h.name] {
			t.Errorf("%+v", h)
		}
		seen[h.name] = true
	}
	for _, name := range []string{"fork bomb", "memory hog", "descriptor hog", "CPU burner", "disk filler", "log flooder", "10 000 zombies", "forked away", "ignores SIGTERM"} {
		if !seen[name] {
			t.Errorf("the issue's %q is not measured", name)
		}
	}
}
