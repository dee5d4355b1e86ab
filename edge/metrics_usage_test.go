package edge

import (
	"strings"
	"testing"
	"time"

	"tenement/actors"
)

func TestMetrics_SleepersLoseTheirSeriesAfterAWhile(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		what string
		info actors.Info
		want bool
	}{
		{"awake", actors.Info{State: "running", Pid: 7}, true},
		{"waits for a slot", actors.Info{State: "queued"}, true},
		{"failed long ago", actors.Info{State: "failed", Since: now.Add(-time.Hour)}, true},
		{"in a backoff", actors.Info{State: "backoff"}, true},
		{"fell asleep just now", actors.Info{State: "asleep", Generation: 1, Since: now.Add(-recently + time.Second)}, true},
		{"held just now", actors.Info{State: "held", Generation: 1, Since: now.Add(-time.Minute)}, true},
		{"fell asleep a while ago", actors.Info{State: "asleep", Generation: 1, Since: now.Add(-recently)}, false},
		{"registered just now", actors.Info{State: "asleep", Since: now}, false},
		{"held a while ago", actors.Info{State: "held", Generation: 3, Since: now.Add(-time.Hour)}, false},
	} {
		if got := hasSeries(c.info, now); got != c.want {
			t.Errorf("%s: %t", c.what, got)
		}
	}
}

func TestMetrics_AServicesSumsAreForItsTokenAndTheAdmin(t *testing.T) {
	d := newMatrixAsker(t)
	for scope, want := range map[string]string{
		"admin": "notes shop", "look-admin": "notes shop", "service": "notes", "look-srv": "notes", "tenant": "", "id": "", "look-tenant": "",
	} {
		var seen []string
		for _, service := range []string{"notes", "shop"} {
			if scraped(t, d, scope)[`tenement_service_requests_total{process="`+service+`"}`] != "" {
				seen = append(seen, service)
			}
		}
		if got := strings.Join(seen, " "); got != want {
			t.Errorf("%s sees %q, want %q", scope, got, want)
		}
	}
}
