package edge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tenement/actors"
	"tenement/actors/ledger"
)

// recently is how long a tenant keeps its series after it went to sleep: a
// scraper sees the end of what it did, and ten thousand sleepers cost nothing.
const recently = 15 * time.Minute

// hasSeries: a tenant that is awake, wants to be, failed, or was awake recently.
func hasSeries(i actors.Info, now time.Time) bool {
	if i.Awake() || i.State != actors.Asleep.String() && i.State != actors.Held.String() {
		return true
	}
	return i.Generation > 0 && now.Sub(i.Since) < recently
}

// Of a service, whoever of its tenants is awake, forgotten ones included. These
// never shrink while the daemon runs.
var (
	byService = []string{"process"}

	descCPU    = prometheus.NewDesc("tenement_instance_cpu_seconds_total", "CPU time, user and system, since the daemon started.", byID, nil)
	descMemory = prometheus.NewDesc("tenement_instance_memory_bytes", "Memory of all its processes, now.", byID, nil)

	descServiceTenants  = prometheus.NewDesc("tenement_service_instances", "Registered tenants.", byService, nil)
	descServiceUp       = prometheus.NewDesc("tenement_service_instances_up", "Tenants that have a process.", byService, nil)
	descServiceRequests = prometheus.NewDesc("tenement_service_requests_total", "Requests that were forwarded.", byService, nil)
	descServiceIn       = prometheus.NewDesc("tenement_service_request_bytes_total", "Bytes from visitors.", byService, nil)
	descServiceOut      = prometheus.NewDesc("tenement_service_response_bytes_total", "Bytes to visitors.", byService, nil)
	descServiceWakes    = prometheus.NewDesc("tenement_service_wakes_total", "Starts that succeeded.", byService, nil)
	descServiceCPU      = prometheus.NewDesc("tenement_service_cpu_seconds_total", "CPU time, user and system.", byService, nil)
	descServiceMemory   = prometheus.NewDesc("tenement_service_memory_gb_seconds_total", "Memory over time: 10^9 bytes held for a second.", byService, nil)
)

// serviceSum is one service's part of an answer to /metrics.
type serviceSum struct {
	tenants, up int
	used        ledger.Usage
}

// sumServices adds up what the caller may see of whole services: a tenant's own
// token sees none.
func (a *API) sumServices(who caller, all []actors.Info, m *actors.Metering) map[string]*serviceSum {
	sums := map[string]*serviceSum{}
	whole := func(service string) *serviceSum {
		if !who.admin && (who.token.Scope != ledger.ScopeService || who.token.Service != service) {
			return &serviceSum{} // counted in vain
		}
		if sums[service] == nil {
			sums[service] = &serviceSum{}
		}
		return sums[service]
	}
	for service := range a.host.Config().Services {
		whole(service)
	}
	for service, used := range m.Services {
		whole(service).used = used
	}
	for _, info := range all {
		s := whole(info.Name.Service)
		s.tenants++
		if info.Awake() {
			s.up++
		}
	}
	return sums
}

// collectUsage gives what a tenant used, beside its door's figures.
func (c *collector) collectUsage(out chan<- prometheus.Metric, t actors.Info) {
	used := c.metering.Tenants[t.Name]
	out <- prometheus.MustNewConstMetric(descCPU, prometheus.CounterValue, used.CPU, t.Name.Service, t.Name.ID)
	out <- prometheus.MustNewConstMetric(descMemory, prometheus.GaugeValue, float64(used.MemoryBytes), t.Name.Service, t.Name.ID)
}

func (s *serviceSum) collect(out chan<- prometheus.Metric, service string) {
	for d, v := range map[*prometheus.Desc]float64{descServiceTenants: float64(s.tenants), descServiceUp: float64(s.up)} {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, service)
	}
	for d, v := range map[*prometheus.Desc]float64{
		descServiceRequests: float64(s.used.Requests), descServiceIn: float64(s.used.In), descServiceOut: float64(s.used.Out),
		descServiceWakes: float64(s.used.Wakes), descServiceCPU: s.used.CPU, descServiceMemory: s.used.Memory,
	} {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, service)
	}
}
