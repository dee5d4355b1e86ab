package edge

import (
	"strings"
	"testing"
)

// contract.md, "HTTP API", word for word and in its order.
func TestTelemetry_HasTheFieldsOfTheContract(t *testing.T) {
	body := string(newAsker(t).ask("admin", "GET", "/api/telemetry", "").Body)
	const shape = "{summary:{total_instances,healthy_instances,total_requests},instances:[{id,process,instance,health,uptime_secs,idle_secs,restarts,weight," +
		"requests_total,request_duration_avg_ms,request_duration_p99_ms,storage_used_bytes,storage_quota_bytes}]}"
	got := jsonFields(TelemetryJSON{}) + ";" + jsonFields(TelemetrySummaryJSON{}) + ";" + jsonFields(TelemetryInstanceJSON{})
	for _, part := range strings.Split(got, ";") {
		if !strings.Contains(shape, "{"+part+"}") && part != "summary,instances" {
			t.Errorf("%q is not in %s", part, shape)
		}
	}
	at := 0
	for _, field := range strings.FieldsFunc(shape, func(r rune) bool { return strings.ContainsRune("{}[]:,", r) }) {
		i := strings.Index(body[at:], `"`+field+`":`)
		if i < 0 {
			t.Fatalf("%s is missing, or not in its place: %s", field, body)
		}
		at += i
	}
}
