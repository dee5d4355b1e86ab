package edge

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"tenement/actors"
	"tenement/actors/ledger"
)

// OverviewJSON answers GET /api/overview: the figures of the front page.
type OverviewJSON struct {
	Now        int64          `json:"now"` // ms since 1970
	Registered int            `json:"registered"`
	Awake      int            `json:"awake"`
	States     map[string]int `json:"states"`
	Requests   uint64         `json:"requests"` // forwarded, of those registered
	Inflight   int64          `json:"inflight"`
	Memory     int64          `json:"memory_bytes"` // of the processes of those awake
	CPUSecs    float64        `json:"cpu_secs"`     // so far, of those who sleep now too; for an admin of forgotten ones too
	Services   []ServiceJSON  `json:"services"`
	Server     *ServerJSON    `json:"server"` // null: not an admin
	Wakes      *WakesJSON     `json:"wakes"`  // null: not of a whole service
}

// ServiceJSON counts the tenants of one service.
type ServiceJSON struct {
	Name       string `json:"name"`
	Configured bool   `json:"configured"` // it is in tenement.toml
	Apex       string `json:"apex"`       // weighted, none, an id: what S.DOMAIN serves
	Registered int    `json:"registered"`
	Awake      int    `json:"awake"`
	Failed     int    `json:"failed"`
}

// WakesJSON is the last day of starts that succeeded, oldest first.
type WakesJSON struct {
	Start    int64     `json:"start"`     // ms since 1970 of the first slot
	StepSecs int64     `json:"step_secs"` // the length of a slot
	Counts   []uint64  `json:"counts"`
	P50Ms    []float64 `json:"p50_ms"` // exact to a bucket of the histogram; 0 without wakes
	P99Ms    []float64 `json:"p99_ms"`
	HourP50  float64   `json:"hour_p50_ms"` // of the last hour
	HourP99  float64   `json:"hour_p99_ms"`
	Hour     uint64    `json:"hour"`
}

func (a *API) overview(ctx context.Context, r *apiRequest) Reply {
	now := time.Now()
	m, err := a.host.Metering(ctx)
	if err != nil {
		return a.failed("cannot tell what tenants use", err)
	}
	answer := OverviewJSON{Now: now.UnixMilli(), States: map[string]int{}}
	services := a.visibleServices(r.who)
	for _, info := range a.host.List() {
		if !r.who.may(info.Name) {
			continue
		}
		answer.count(services, info)
		answer.Memory += m.Tenants[info.Name].MemoryBytes
		answer.CPUSecs += m.Tenants[info.Name].CPU
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		answer.Services = append(answer.Services, *services[name])
	}
	answer.Wakes = a.wakes(r.who, now)
	if r.who.admin {
		answer.Server, answer.CPUSecs = readServer(), a.cpuOfAll(m)
	}
	return answerJSON(http.StatusOK, answer)
}

// cpuOfAll is the CPU time of all tenants so far, in seconds: their cgroup's, or
// where none counts them all the sum of what each was seen to use.
func (a *API) cpuOfAll(m *actors.Metering) (secs float64) {
	if spent, counted := a.host.CPUOfAll(); counted {
		return spent.Seconds()
	}
	for _, used := range m.Services {
		secs += used.CPU
	}
	return secs
}

// visibleServices are those of the file that the caller may see as a whole. A
// tenant's token sees the services in which it has a tenant.
func (a *API) visibleServices(who caller) map[string]*ServiceJSON {
	services := map[string]*ServiceJSON{}
	for name, service := range a.host.Config().Services {
		if who.owns(name) {
			services[name] = &ServiceJSON{Name: name, Configured: true, Apex: service.Apex}
		}
	}
	return services
}

// owns reports whether the caller may see a service as a whole.
func (c caller) owns(service string) bool {
	return c.admin || c.token.Scope == ledger.ScopeService && c.token.Service == service
}

func (o *OverviewJSON) count(services map[string]*ServiceJSON, i actors.Info) {
	s := services[i.Name.Service]
	if s == nil {
		s = &ServiceJSON{Name: i.Name.Service}
		services[i.Name.Service] = s
	}
	o.Registered++
	s.Registered++
	o.States[i.State]++
	o.Requests += i.Requests
	o.Inflight += i.Inflight
	if i.Awake() {
		o.Awake++
		s.Awake++
	}
	if i.State == actors.Failed.String() {
		s.Failed++
	}
}

// wakes adds up the days of the services that the caller may see as a whole.
func (a *API) wakes(who caller, now time.Time) *WakesJSON {
	if !who.admin && who.token.Scope != ledger.ScopeService {
		return nil
	}
	var sum [wakeSlots]wakeCounts
	a.measured.days.Range(func(service, day any) bool {
		if who.owns(service.(string)) {
			day.(*wakeDay).addTo(&sum, now)
		}
		return true
	})
	step := int64(wakeSlot / time.Second)
	answer := &WakesJSON{StepSecs: step, Start: (now.Unix()/step - int64(wakeSlots) + 1) * step * 1000}
	var hour wakeCounts
	for i := range sum {
		answer.Counts = append(answer.Counts, sum[i].total())
		answer.P50Ms = append(answer.P50Ms, sum[i].quantile(0.5))
		answer.P99Ms = append(answer.P99Ms, sum[i].quantile(0.99))
		if i >= wakeSlots-int(time.Hour/wakeSlot) {
			hour.add(&sum[i])
		}
	}
	answer.Hour, answer.HourP50, answer.HourP99 = hour.total(), hour.quantile(0.5), hour.quantile(0.99)
	return answer
}
