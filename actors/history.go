package actors

import (
	"context"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

// HistoryStep is the least time between two points of a tenant's history.
const HistoryStep = 30 * time.Second

// What is kept, in memory: an hour of a tenant (a little over 2 KB when it was awake
// all the time), and at most 4.5 MB in all. Who wakes when all places are taken by
// others that are awake has no history.
const (
	historyPoints = 120
	historySpan   = time.Duration(historyPoints) * HistoryStep
	maxHistories  = 2048
)

// HistoryPoint is what a tenant took on average since the point before, or since it woke.
type HistoryPoint struct {
	At       uint32  // seconds since 1970
	CPU      float32 // cores
	Memory   float32 // bytes
	Requests float32 // a second
}

// history is the last hour of a tenant, as far as it was awake. It is made of the
// sums that the accountant keeps anyway, at looks that it takes anyway.
type history struct {
	points []HistoryPoint
	next   int          // where the ring goes on when it is full
	from   ledger.Usage // the tenant's sums at the newest point
	at     int64        // stamp of from; 0: it has slept since
}

// beginHistory: a tenant has a process. One that died within the step before goes
// on where it was.
func (a *accountant) beginHistory(c *Cell) {
	b := a.b
	h := b.histories[c]
	if h == nil {
		if !b.roomForHistory() {
			return
		}
		h = &history{}
		b.histories[c] = h
	}
	if h.at == 0 {
		h.from, h.at = b.tallies[c], stamp()
	}
}

// roomForHistory lets go of the sleeper whose last point is the oldest, when all
// places are taken.
func (b *usageBook) roomForHistory() bool {
	if len(b.histories) < maxHistories {
		return true
	}
	var oldest *Cell
	for c, h := range b.histories {
		if h.at == 0 && (oldest == nil || h.newest() < b.histories[oldest].newest()) {
			oldest = c
		}
	}
	delete(b.histories, oldest)
	return oldest != nil
}

// keepHistories follows a look at everybody: who is awake gets a point when it is
// time, who fell asleep its last. What is older than the span goes.
func (a *accountant) keepHistories() {
	b, now := a.b, time.Now()
	for c, h := range b.histories {
		awake := b.lives[c] != nil
		due := h.at != 0 && stamp()-h.at >= int64(HistoryStep)
		switch {
		case !awake && a.h.cell(c.name) != c: // forgotten
			delete(b.histories, c)
		case due, h.at != 0 && len(b.lives) == 0: // the look at which all sleep is the last
			h.keep(now, b.tallies[c])
			if !awake {
				h.at = 0
			}
		case h.at == 0 && h.newest() < now.Add(-historySpan).Unix():
			delete(b.histories, c)
		}
	}
}

// keep adds the point that is the difference of two sums.
func (h *history) keep(now time.Time, sums ledger.Usage) {
	at := stamp()
	took := max(time.Duration(at-h.at), time.Millisecond).Seconds()
	p := HistoryPoint{
		At: uint32(now.Unix()), CPU: float32((sums.CPU - h.from.CPU) / took), Memory: float32((sums.Memory - h.from.Memory) * gigabyte / took),
		Requests: float32(float64(sums.Requests-h.from.Requests) / took),
	}
	h.from, h.at = sums, at
	if len(h.points) < historyPoints {
		h.points = append(h.points, p)
		return
	}
	h.points[h.next] = p
	h.next = (h.next + 1) % historyPoints
}

// newest is when the last point was kept, in seconds since 1970; 0 = none was.
func (h *history) newest() int64 {
	if len(h.points) == 0 {
		return 0
	}
	return int64(h.points[(h.next+len(h.points)-1)%len(h.points)].At)
}

// windFade has the last histories let go when nobody was awake for as long as they
// reach back: the one thing that is done while all sleep, once.
func (a *accountant) windFade() {
	b, h := a.b, a.h
	if b.fading == nil && len(b.histories) > 0 {
		b.fading = time.AfterFunc(historySpan+HistoryStep, func() { h.toAccountant(&historyFade{}) })
	}
}

func (a *accountant) fade() {
	a.b.fading = nil
	a.keepHistories()
	a.wind()
}

// pointsOf copies a tenant's points of the last hour, oldest first.
func (b *usageBook) pointsOf(c *Cell) (points []HistoryPoint) {
	h := b.histories[c]
	if h == nil {
		return nil
	}
	first := time.Now().Add(-historySpan).Unix()
	for i := range h.points {
		if p := h.points[(h.next+i)%len(h.points)]; int64(p.At) >= first {
			points = append(points, p)
		}
	}
	return points
}

// History gives what a tenant took in the last hour, oldest first: a point each
// HistoryStep while it was awake, none for a time asleep. Errors: ErrUnknownService,
// ErrUnknownTenant, *Refusal, or the context's.
func (h *Host) History(ctx context.Context, name conf.Instance) ([]HistoryPoint, error) {
	c := h.cell(name)
	if c == nil {
		return nil, h.unknown(name)
	}
	m := &historyAsk{cell: c, points: make(chan []HistoryPoint, 1), failed: make(chan error, 1)}
	h.toAccountant(m)
	select {
	case points := <-m.points:
		return points, nil
	case err := <-m.failed:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
