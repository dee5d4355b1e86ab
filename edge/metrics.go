package edge

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"tenement/actors"
	"tenement/conf"
)

// Metrics is what is measured beside the doors' own meters. Both are read when
// somebody asks: there is no series but of who is registered at that time.
type Metrics struct {
	wakes sync.Map               // service -> *wakeTimes
	days  sync.Map               // service -> *wakeDay
	awake atomic.Pointer[func()] // told of each wake; nil: nobody listens
}

// NewMetrics makes an empty one.
func NewMetrics() *Metrics { return &Metrics{} }

// The phases of a wake, as they are called in the metric.
const (
	phaseQueue = iota
	phaseSpawn
	phaseReady
	phaseFirstByte
	numPhases
)

var phaseNames = [numPhases]string{"queue", "spawn", "ready", "first_byte"}

// wakeBounds are in seconds: a fork takes one millisecond, a slow app ten seconds.
var wakeBounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// wakeTimes are those of one service.
type wakeTimes [numPhases]struct {
	counts [len(wakeBounds) + 1]atomic.Uint64
	nanos  atomic.Int64
}

// Woken counts the phases of a start that has succeeded.
func (m *Metrics) Woken(name conf.Instance, p actors.Phases) {
	m.observe(name.Service, phaseQueue, p.Queue)
	m.observe(name.Service, phaseSpawn, p.Spawn)
	m.observe(name.Service, phaseReady, p.Ready)
	day, ok := m.days.Load(name.Service)
	if !ok {
		day, _ = m.days.LoadOrStore(name.Service, &wakeDay{})
	}
	day.(*wakeDay).add(time.Now(), p.Queue+p.Spawn+p.Ready)
	if tell := m.awake.Load(); tell != nil {
		(*tell)()
	}
}

func (m *Metrics) observe(service string, phase int, took time.Duration) {
	times, ok := m.wakes.Load(service)
	if !ok {
		times, _ = m.wakes.LoadOrStore(service, &wakeTimes{})
	}
	t := &times.(*wakeTimes)[phase]
	t.counts[wakeBucket(took)].Add(1)
	t.nanos.Add(int64(took))
}

// metrics answers GET /metrics with what the caller may see.
func (a *API) metrics(ctx context.Context, r *apiRequest) Reply {
	registry := prometheus.NewRegistry()
	metering, err := a.host.Metering(ctx)
	if err != nil {
		return a.failed("cannot gather the metrics", err)
	}
	c, all, now := &collector{metering: metering}, a.host.List(), time.Now()
	for _, info := range all {
		if r.who.may(info.Name) && hasSeries(info, now) {
			c.tenants = append(c.tenants, info)
		}
	}
	c.services = a.sumServices(r.who, all, metering)
	c.used = a.storage.measure(ctx, c.tenants)
	c.meter = a.meter
	if r.who.admin {
		c.wakes = &a.measured.wakes
		registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		return refuse(http.StatusInternalServerError, "cannot gather the metrics: %v", err)
	}
	var body bytes.Buffer
	encoder := expfmt.NewEncoder(&body, expfmt.FmtText)
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return refuse(http.StatusInternalServerError, "cannot write the metrics: %v", err)
		}
	}
	return Reply{Status: http.StatusOK, ContentType: string(expfmt.FmtText), Body: body.Bytes()}
}

// meter is that of a tenant; an empty one when it was forgotten meanwhile.
func (a *API) meter(name conf.Instance) *actors.Meter {
	if d := a.host.Door(name.Service, name.ID); d != nil {
		return d.Meter()
	}
	return &actors.Meter{}
}

// collector is one answer to /metrics.
type collector struct {
	tenants []actors.Info
	used    []*int64
	meter   func(conf.Instance) *actors.Meter
	wakes   *sync.Map // nil: not for this caller

	metering *actors.Metering
	services map[string]*serviceSum
}

// The names of the contract, and below those that are ours.
var (
	byInstance = []string{"process", "instance"}
	byID       = []string{"process", "id"}

	descRequests = prometheus.NewDesc("tenement_requests_total", "Requests that were forwarded.", byInstance, nil)
	descDuration = prometheus.NewDesc("tenement_request_duration_ms", "From the head of a request to the last byte of its answer; to its head for streams and upgrades.", byInstance, nil)
	descUp       = prometheus.NewDesc("tenement_instances_up", "Tenants that have a process.", nil, nil)
	descRestarts = prometheus.NewDesc("tenement_instance_restarts_total", "Restarts after an end that nobody asked for.", byID, nil)
	descStorage  = prometheus.NewDesc("tenement_instance_storage_bytes", "Bytes in the tenant's directory.", byID, nil)
	descQuota    = prometheus.NewDesc("tenement_instance_storage_quota_bytes", "Bytes that it may hold; 0 = no quota.", byID, nil)
	descRatio    = prometheus.NewDesc("tenement_instance_storage_usage_ratio", "Bytes held of those allowed.", byID, nil)

	descHits     = prometheus.NewDesc("tenement_instance_limit_hits_total", "Limits that the tenant ran into: oom, pids, quota.", append(byID, "limit"), nil)
	descAnswers  = prometheus.NewDesc("tenement_responses_total", "Answers to visitors by class of status, those that the edge gave in a tenant's place as well; 0xx: the visitor left before.", append(byInstance, "class"), nil)
	descIn       = prometheus.NewDesc("tenement_request_bytes_total", "Bytes of bodies and upgraded connections that came from visitors.", byInstance, nil)
	descOut      = prometheus.NewDesc("tenement_response_bytes_total", "Bytes that went to visitors.", byInstance, nil)
	descUpgrades = prometheus.NewDesc("tenement_upgrades_open", "Upgraded connections (WebSocket) that are open.", byInstance, nil)
	descFaults   = prometheus.NewDesc("tenement_upstream_errors_total", "Exchanges with a tenant that failed, by cause.", append(byInstance, "cause"), nil)
	descWake     = prometheus.NewDesc("tenement_wake_seconds", "Phases of the starts that succeeded.", []string{"process", "phase"}, nil)
)

// Describe says nothing beforehand: what there is depends on who is registered.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect gives every series.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	up := 0.0
	for i, t := range c.tenants {
		if t.Awake() {
			up++
		}
		c.collectDoor(out, t)
		c.collectState(out, t, c.used[i])
		c.collectUsage(out, t)
	}
	for name, sum := range c.services {
		sum.collect(out, name)
	}
	out <- prometheus.MustNewConstMetric(descUp, prometheus.GaugeValue, up)
	if c.wakes != nil {
		c.wakes.Range(func(service, times any) bool {
			collectWakes(out, service.(string), times.(*wakeTimes))
			return true
		})
	}
}

// collectDoor gives what the door's meter has counted.
func (c *collector) collectDoor(out chan<- prometheus.Metric, t actors.Info) {
	m, process, id := c.meter(t.Name), t.Name.Service, t.Name.ID
	counter := func(d *prometheus.Desc, v float64, more ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, append([]string{process, id}, more...)...)
	}
	counter(descRequests, float64(t.Requests))
	counter(descIn, float64(m.In.Load()))
	counter(descOut, float64(m.Out.Load()))
	out <- prometheus.MustNewConstMetric(descUpgrades, prometheus.GaugeValue, float64(m.Upgrades.Load()), process, id)
	for class := range m.Answers {
		if n := m.Answers[class].Load(); n > 0 {
			counter(descAnswers, float64(n), fmt.Sprintf("%dxx", class))
		}
	}
	for _, f := range actors.Faults() {
		if n := m.Faults[f].Load(); n > 0 {
			counter(descFaults, float64(n), f.String())
		}
	}
	buckets, count := map[float64]uint64{}, uint64(0)
	for i, bound := range actors.DurationBounds {
		count += m.Durations[i].Load()
		buckets[bound] = count
	}
	count += m.Durations[len(actors.DurationBounds)].Load()
	out <- prometheus.MustNewConstHistogram(descDuration, count, float64(m.Micros.Load())/1000, buckets, process, id)
}

// collectState gives what the supervision tree and the disk say.
func (c *collector) collectState(out chan<- prometheus.Metric, t actors.Info, used *int64) {
	process, id := t.Name.Service, t.Name.ID
	for limit, n := range map[string]uint64{"oom": t.Hits.OOM, "pids": t.Hits.Pids, "quota": t.Hits.Quota} {
		if n > 0 {
			out <- prometheus.MustNewConstMetric(descHits, prometheus.CounterValue, float64(n), process, id, limit)
		}
	}
	out <- prometheus.MustNewConstMetric(descRestarts, prometheus.CounterValue, float64(t.Restarts), process, id)
	out <- prometheus.MustNewConstMetric(descQuota, prometheus.GaugeValue, float64(t.QuotaBytes), process, id)
	if used == nil {
		return // not measured in time
	}
	out <- prometheus.MustNewConstMetric(descStorage, prometheus.GaugeValue, float64(*used), process, id)
	if t.QuotaBytes > 0 {
		out <- prometheus.MustNewConstMetric(descRatio, prometheus.GaugeValue, float64(*used)/float64(t.QuotaBytes), process, id)
	}
}

func collectWakes(out chan<- prometheus.Metric, service string, times *wakeTimes) {
	for phase := range times {
		t := &times[phase]
		buckets, count := map[float64]uint64{}, uint64(0)
		for i, bound := range wakeBounds {
			count += t.counts[i].Load()
			buckets[bound] = count
		}
		count += t.counts[len(wakeBounds)].Load()
		sum := time.Duration(t.nanos.Load()).Seconds()
		out <- prometheus.MustNewConstHistogram(descWake, count, sum, buckets, service, phaseNames[phase])
	}
}
