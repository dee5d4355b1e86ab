package edge

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// The last day of what the server and the tenants take: a look a minute, as long
// as somebody is awake. A host on which all sleep is left alone.
const (
	historyStep   = time.Minute
	historyPoints = int(24 * time.Hour / historyStep)
)

// HistoryJSON answers GET /api/history: one list a figure, oldest first. A look
// that is missing, since all slept, is missing in all of them.
type HistoryJSON struct {
	Times         []int64   `json:"times"` // ms since 1970
	Memory        []int64   `json:"memory_bytes"`
	TenantsMemory []int64   `json:"tenants_memory_bytes"`
	CPU           []float64 `json:"cpu_percent"` // of all CPUs
	TenantsCPU    []float64 `json:"tenants_cpu_percent"`
}

// historyPoint is one look.
type historyPoint struct {
	at                     int64 // ms since 1970
	memory, tenants        int64
	busy, total, ofTenants float64 // CPU seconds so far
}

// history keeps the looks. It has no goroutine: a timer that arms itself again.
type history struct {
	look func() (p historyPoint, awake bool) // at 0: nothing could be seen

	mu    sync.Mutex
	armed bool
	ring  []historyPoint
	next  int // where the ring goes on when it is full
}

// begin has somebody looked at: they have woken. The timer ends by itself with
// the last one awake.
func (h *history) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.armed {
		h.armed = true
		time.AfterFunc(historyStep, h.turn)
	}
}

// turn keeps one look, and goes on while somebody is awake.
func (h *history) turn() {
	point, awake := h.look()
	h.mu.Lock()
	defer h.mu.Unlock()
	if point.at != 0 {
		h.keep(point)
	}
	if h.armed = awake; awake {
		time.AfterFunc(historyStep, h.turn)
	}
}

func (h *history) keep(p historyPoint) {
	if len(h.ring) < historyPoints {
		h.ring = append(h.ring, p)
		return
	}
	h.ring[h.next] = p
	h.next = (h.next + 1) % historyPoints
}

// points are those kept, oldest first.
func (h *history) points() []historyPoint {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append(append([]historyPoint{}, h.ring[h.next:]...), h.ring[:h.next]...)
}

// historyJSON turns CPU times into shares, of the time between two looks. Across a time
// that nobody looked there is none: the look before it is left out.
func historyJSON(points []historyPoint) HistoryJSON {
	answer := HistoryJSON{Times: []int64{}, Memory: []int64{}, TenantsMemory: []int64{}, CPU: []float64{}, TenantsCPU: []float64{}}
	for i := 1; i < len(points); i++ {
		before, p := points[i-1], points[i]
		spent := p.total - before.total
		if spent <= 0 || p.ofTenants < before.ofTenants || p.at-before.at > 2*historyStep.Milliseconds() {
			continue
		}
		answer.Times = append(answer.Times, p.at)
		answer.Memory, answer.TenantsMemory = append(answer.Memory, p.memory), append(answer.TenantsMemory, p.tenants)
		answer.CPU = append(answer.CPU, 100*(p.busy-before.busy)/spent)
		answer.TenantsCPU = append(answer.TenantsCPU, 100*(p.ofTenants-before.ofTenants)/spent)
	}
	return answer
}

// look asks the machine, and the accountant about the tenants.
func (a *API) look() (p historyPoint, awake bool) {
	ctx, cancel := context.WithTimeout(context.Background(), historyStep)
	defer cancel()
	m, err := a.host.Metering(ctx)
	for _, info := range a.host.List() {
		awake = awake || info.Awake()
		if err == nil {
			p.tenants += m.Tenants[info.Name].MemoryBytes
		}
	}
	if err != nil {
		a.log.Error().Err(err).Msg("cannot tell what tenants use: a look is missing in the last day's charts")
		return historyPoint{}, awake
	}
	s := readServer()
	p.at, p.memory, p.busy, p.total = time.Now().UnixMilli(), s.MemoryTotal-s.MemoryAvailable, s.CPUBusySecs, s.CPUTotalSecs
	p.ofTenants = a.cpuOfAll(m)
	return p, awake
}

func (a *API) pastDay(context.Context, *apiRequest) Reply {
	return answerJSON(http.StatusOK, historyJSON(a.history.points()))
}
