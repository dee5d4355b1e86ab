package edge

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"

	"tenement/actors"
	"tenement/conf"
)

// scraped is what /metrics says to somebody, by lines.
func scraped(t *testing.T, d asker, token string) map[string]string {
	t.Helper()
	r := d.ask(token, "GET", "/metrics", "")
	if r.Status != 200 || !strings.HasPrefix(r.ContentType, "text/plain; version=0.0.4") {
		t.Fatalf("%d %s: %s", r.Status, r.ContentType, r.Body)
	}
	if _, err := new(expfmt.TextParser).TextToMetricFamilies(strings.NewReader(string(r.Body))); err != nil {
		t.Fatalf("Prometheus does not read it: %v", err)
	}
	lines := map[string]string{}
	for _, line := range strings.Split(string(r.Body), "\n") {
		if series, value, ok := strings.Cut(line, "} "); ok {
			lines[series+"}"] = value
		} else if name, value, ok := strings.Cut(line, " "); ok && name != "#" {
			lines[name] = value
		}
	}
	return lines
}

func TestMetrics_NamesAndLabelsAreThoseOfTheContract(t *testing.T) {
	d := newAsker(t)
	m := d.host.door("notes:alice").Meter()
	m.Observe(200, 3*time.Millisecond, 5, 7)
	m.Observe(503, 30*time.Millisecond, 0, 0)
	m.Observe(0, 6*time.Second, 0, 0)
	m.Faults[actors.FaultTimeout].Add(2)
	m.Upgrades.Add(4)
	info := d.host.tenants[apiName("notes:alice")]
	info.Requests, info.Restarts, info.QuotaBytes, info.Hits = 3, 6, 1000, actors.LimitHits{OOM: 2, Quota: 1}
	d.host.tenants[info.Name] = info
	d.measured.Woken(apiName("notes:alice"), actors.Phases{Queue: time.Microsecond, Spawn: 4 * time.Millisecond, Ready: time.Minute})
	got := scraped(t, d, "admin")
	const alice = `{instance="alice",process="notes"}`
	for series, want := range map[string]string{
		`tenement_requests_total` + alice:                                                 "3",
		`tenement_request_duration_ms_bucket{instance="alice",process="notes",le="1"}`:    "0",
		`tenement_request_duration_ms_bucket{instance="alice",process="notes",le="5"}`:    "1",
		`tenement_request_duration_ms_bucket{instance="alice",process="notes",le="50"}`:   "2",
		`tenement_request_duration_ms_bucket{instance="alice",process="notes",le="5000"}`: "2",
		`tenement_request_duration_ms_bucket{instance="alice",process="notes",le="+Inf"}`: "3",
		`tenement_request_duration_ms_sum` + alice:                                        "6033",
		`tenement_request_duration_ms_count` + alice:                                      "3",
		`tenement_instance_limit_hits_total{id="alice",limit="oom",process="notes"}`:      "2",
		`tenement_instance_limit_hits_total{id="alice",limit="quota",process="notes"}`:    "1",
		`tenement_instances_up`: "1",
		`tenement_instance_restarts_total{id="alice",process="notes"}`:                     "6",
		`tenement_instance_storage_bytes{id="alice",process="notes"}`:                      "0",
		`tenement_instance_storage_quota_bytes{id="alice",process="notes"}`:                "1000",
		`tenement_instance_storage_usage_ratio{id="alice",process="notes"}`:                "0",
		`tenement_responses_total{class="2xx",instance="alice",process="notes"}`:           "1",
		`tenement_responses_total{class="5xx",instance="alice",process="notes"}`:           "1",
		`tenement_responses_total{class="0xx",instance="alice",process="notes"}`:           "1",
		`tenement_request_bytes_total` + alice:                                             "5",
		`tenement_response_bytes_total` + alice:                                            "7",
		`tenement_upgrades_open` + alice:                                                   "4",
		`tenement_upstream_errors_total{cause="timeout",instance="alice",process="notes"}`: "2",
		`tenement_requests_total{instance="alice",process="shop"}`:                         "", // it sleeps
		`tenement_instance_cpu_seconds_total{id="alice",process="notes"}`:                  "1.23456",
		`tenement_instance_memory_bytes{id="alice",process="notes"}`:                       "6.4e+07",
		`tenement_service_instances{process="notes"}`:                                      "2",
		`tenement_service_instances_up{process="notes"}`:                                   "1",
		`tenement_service_instances_up{process="shop"}`:                                    "0",
		`tenement_service_requests_total{process="notes"}`:                                 "14",
		`tenement_service_request_bytes_total{process="notes"}`:                            "200",
		`tenement_service_response_bytes_total{process="notes"}`:                           "4000",
		`tenement_service_wakes_total{process="shop"}`:                                     "3",
		`tenement_service_cpu_seconds_total{process="shop"}`:                               "1.23456",
		`tenement_service_memory_gb_seconds_total{process="shop"}`:                         "2.5",
		`tenement_wake_seconds_bucket{phase="queue",process="notes",le="0.001"}`:           "1",
		`tenement_wake_seconds_bucket{phase="spawn",process="notes",le="0.0025"}`:          "0",
		`tenement_wake_seconds_bucket{phase="spawn",process="notes",le="0.005"}`:           "1",
		`tenement_wake_seconds_bucket{phase="ready",process="notes",le="30"}`:              "0",
		`tenement_wake_seconds_sum{phase="ready",process="notes"}`:                         "60",
		`tenement_wake_seconds_count{phase="first_byte",process="notes"}`:                  "0",
	} {
		if got[series] != want {
			t.Errorf("%s is %q, want %s", series, got[series], want)
		}
	}
	if got["go_goroutines"] == "" || got["process_open_fds"] == "" {
		t.Error("the daemon's own are missing")
	}
}

// Nobody can make series by asking for names, and those of a tenant go with it.
func TestMetrics_SeriesAreThoseOfWhoIsRegistered(t *testing.T) {
	d := newAsker(t)
	d.host.door("notes:alice").Meter().Observe(200, time.Millisecond, 0, 0)
	before := scraped(t, d, "admin")
	delete(d.host.tenants, conf.Instance{Service: "notes", ID: "alice"})
	after := scraped(t, d, "admin")
	for series := range after {
		if strings.Contains(series, `"notes"`) && strings.Contains(series, `"alice"`) {
			t.Errorf("left: %s", series)
		}
	}
	d.host.fail = errors.New("no accountant")
	d.ask("admin", "GET", "/metrics", "").wants(t, 500, "cannot gather the metrics: no accountant")
	if len(before) <= len(after) || after[`tenement_instances_up`] != "0" {
		t.Errorf("%d series before, %d after", len(before), len(after))
	}
}

func TestTelemetry_ShowsWhoRunsAndWhatWasCounted(t *testing.T) {
	d := newAsker(t)
	m := d.host.door("notes:alice").Meter()
	m.Observe(200, 2*time.Millisecond, 0, 0)
	m.Observe(200, 4*time.Millisecond, 0, 0)
	info := d.host.tenants[apiName("notes:alice")]
	info.Requests, info.Uptime = 2, 61*time.Second
	d.host.tenants[info.Name] = info
	got := decodedReply[TelemetryJSON](t, d.ask("admin", "GET", "/api/telemetry", ""))
	if got.Summary != (TelemetrySummaryJSON{TotalInstances: 1, HealthyInstances: 1, TotalRequests: 2}) || len(got.Instances) != 1 {
		t.Fatalf("got %+v", got)
	}
	one := got.Instances[0]
	if one.ID != "notes:alice" || one.Process != "notes" || one.Instance != "alice" || one.Health != "healthy" || one.UptimeSecs != 61 ||
		one.RequestsTotal != 2 || one.RequestDurationAvgMs != 3 || one.RequestDurationP99Ms < 4 || one.RequestDurationP99Ms > 5 {
		t.Errorf("got %+v", one)
	}
	if none := decodedReply[TelemetryJSON](t, d.ask("notes-bob", "GET", "/api/telemetry", "")); none.Instances == nil || len(none.Instances) != 0 || none.Summary.TotalRequests != 0 {
		t.Errorf("bob sees %+v", none)
	}
}
