package edge

import (
	"context"
	"math"
	"net/http"
	"time"

	"tenement/actors"
)

// TenantHistoryJSON answers GET …/history: one list a figure, oldest first. Each is
// the mean since the point before; where two lie more than twice the step apart, it
// has slept.
type TenantHistoryJSON struct {
	Now      int64     `json:"now"`       // ms since 1970, by the daemon's clock as Times are
	StepSecs int64     `json:"step_secs"` // between two points, at least
	Times    []int64   `json:"times"`     // ms since 1970
	CPU      []float64 `json:"cpu_percent"`
	Memory   []int64   `json:"memory_bytes"`
	Requests []float64 `json:"requests_per_sec"`
}

func tenantHistoryJSON(points []actors.HistoryPoint, now time.Time) TenantHistoryJSON {
	n := len(points)
	j := TenantHistoryJSON{
		Now: now.UnixMilli(), StepSecs: wholeSeconds(actors.HistoryStep),
		Times: make([]int64, n), CPU: make([]float64, n), Memory: make([]int64, n), Requests: make([]float64, n),
	}
	for i, p := range points {
		j.Times[i], j.CPU[i] = 1000*int64(p.At), hundredths(100*p.CPU)
		j.Memory[i], j.Requests[i] = int64(p.Memory), hundredths(p.Requests)
	}
	return j
}

// hundredths rounds to two places: a chart shows no more.
func hundredths(f float32) float64 { return math.Round(100*float64(f)) / 100 }

// tenantHistory answers GET …/history.
func (a *API) tenantHistory(ctx context.Context, r *apiRequest) Reply {
	points, err := a.host.History(ctx, r.name)
	if err != nil {
		return a.failed("cannot tell what "+r.name.String()+" took", err)
	}
	return answerJSON(http.StatusOK, tenantHistoryJSON(points, time.Now()))
}
