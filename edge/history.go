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
	look func() (p historyPoint, awake bool)

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
	h.keep(point)
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

// look asks the machine and every tenant that is awake.
func (a *API) look() (p historyPoint, awake bool) {
	s := readServer()
	p = historyPoint{at: time.Now().UnixMilli(), memory: s.MemoryTotal - s.MemoryAvailable, busy: s.CPUBusySecs, total: s.CPUTotalSecs}
	spent, _ := a.host.CPUOfAll()
	p.ofTenants = spent.Seconds()
	for _, info := range a.host.List() {
		if used, up := a.host.Takes(info.Name); up {
			awake = true
			p.tenants += used.Memory
		}
	}
	return p, awake
}

func (a *API) pastDay(context.Context, *apiRequest) Reply {
	return answerJSON(http.StatusOK, historyJSON(a.history.points()))
}
