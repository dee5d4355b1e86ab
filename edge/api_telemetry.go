package edge

import (
	"context"
	"net/http"

	"tenement/actors"
)

// TelemetryJSON answers GET /api/telemetry.
type TelemetryJSON struct {
	Summary   TelemetrySummaryJSON    `json:"summary"`
	Instances []TelemetryInstanceJSON `json:"instances"`
}

// TelemetrySummaryJSON adds up what the caller sees.
type TelemetrySummaryJSON struct {
	TotalInstances   int    `json:"total_instances"`
	HealthyInstances int    `json:"healthy_instances"`
	TotalRequests    uint64 `json:"total_requests"`
}

// TelemetryInstanceJSON is one running tenant.
type TelemetryInstanceJSON struct {
	ID                   string  `json:"id"`       // "service:id"
	Process              string  `json:"process"`  // the service
	Instance             string  `json:"instance"` // the id
	Health               string  `json:"health"`
	UptimeSecs           int64   `json:"uptime_secs"`
	IdleSecs             int64   `json:"idle_secs"`
	Restarts             int     `json:"restarts"`
	Weight               int     `json:"weight"`
	RequestsTotal        uint64  `json:"requests_total"`
	RequestDurationAvgMs float64 `json:"request_duration_avg_ms"`
	RequestDurationP99Ms float64 `json:"request_duration_p99_ms"` // exact to a bucket of the histogram
	StorageUsedBytes     *int64  `json:"storage_used_bytes"`      // null: not measured in time
	StorageQuotaBytes    int64   `json:"storage_quota_bytes"`
}

func (a *API) telemetry(ctx context.Context, r *apiRequest) Reply {
	infos := []actors.Info{}
	for _, info := range a.host.List() {
		if r.who.may(info.Name) && info.Awake() {
			infos = append(infos, info)
		}
	}
	answer := TelemetryJSON{Instances: make([]TelemetryInstanceJSON, len(infos))}
	used := a.storage.measure(ctx, infos)
	for i, info := range infos {
		answer.Instances[i] = telemetryOf(info, a.meter(info.Name), used[i])
		answer.Summary.TotalInstances++
		answer.Summary.TotalRequests += info.Requests
		if info.Health == "healthy" {
			answer.Summary.HealthyInstances++
		}
	}
	return answerJSON(http.StatusOK, answer)
}

func telemetryOf(i actors.Info, m *actors.Meter, used *int64) TelemetryInstanceJSON {
	t := TelemetryInstanceJSON{
		ID: i.Name.String(), Process: i.Name.Service, Instance: i.Name.ID, Health: i.Health,
		UptimeSecs: wholeSeconds(i.Uptime), IdleSecs: wholeSeconds(i.Idle), Restarts: i.Restarts, Weight: i.Weight,
		RequestsTotal: i.Requests, RequestDurationP99Ms: m.Quantile(0.99), StorageUsedBytes: used, StorageQuotaBytes: i.QuotaBytes,
	}
	if n := m.Count(); n > 0 {
		t.RequestDurationAvgMs = float64(m.Micros.Load()) / 1000 / float64(n)
	}
	return t
}
