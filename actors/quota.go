package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tenement/actors/storage"
	"tenement/conf"
)

// What a tenant holds is looked at while it is awake and has a quota, one tenant
// at a time on the whole host. The file system is asked at every health check's
// time. A walk takes a fiftieth of the time at most, and one that finds nothing
// new is made half as often the next time, down to a sixteenth.
const (
	measureTime   = 30 * time.Second
	measureCost   = 50
	measureSlower = 16
)

// hoard is what a tenant holds, as far as we know. It outlives its processes.
type hoard struct {
	used     int64 // -1 = never measured
	interval time.Duration
	enforced bool // the file system refuses more
	full     bool
}

// isFull reports that nothing more may be written. A file system refuses a block
// that does not fit, so that the last few stay free.
func isFull(used, quota int64, enforced bool) bool {
	if enforced {
		quota -= quota / 50
	}
	return used >= quota
}

// nextMeasure is how long to wait after a measurement that took so long.
func nextMeasure(base, last, took time.Duration, often bool) time.Duration {
	next := base
	if !often {
		next = min(2*max(last, base), measureSlower*base)
	}
	return max(next, measureCost*took)
}

func quotaOf(config *conf.Service) int64 { return int64(config.StorageQuotaMB) << 20 }

// limitStorage prepares a start: the file system is told of the quota, and a
// tenant that was put to sleep for holding too much is looked at again.
func (t *tenant) limitStorage() error {
	l, config, dir := t.life(), t.cell.config(), t.h.instanceDir(t.cell.name)
	ctx, cancel := context.WithTimeout(context.Background(), measureTime)
	defer cancel()
	t.imposeQuota(ctx)
	if !l.hoard.full || !t.stopsWhenFull() {
		return nil
	}
	usage, err := t.h.measure(ctx, dir, t.cell.record.Load().UID)
	if err != nil {
		return fmt.Errorf("cannot start %s: cannot measure what it holds: %w", t.cell.name, err)
	}
	l.hoard.used, l.hoard.full = usage.Bytes, isFull(usage.Bytes, quotaOf(config), l.hoard.enforced)
	if l.hoard.full {
		l.hit(LimitQuota)
		return mendError{fmt.Errorf("cannot start %s: quota: %s: remove some of it from %s, or raise the quota", t.cell.name, t.holds(), dir)}
	}
	return nil
}

// imposeQuota has the file system refuse what is beyond the quota, where it can.
func (t *tenant) imposeQuota(ctx context.Context) {
	config := t.cell.config()
	err := storage.Limit(ctx, t.h.instanceDir(t.cell.name), t.cell.record.Load().UID, quotaOf(config))
	if err != nil && !errors.Is(err, storage.ErrNoQuota) {
		t.log().Warn().Err(err).Msg("a tenant's quota is not enforced by the file system")
	}
	// Without an enclosure a tenant of root's is root, who may always write; in
	// gVisor it is another process that writes.
	t.life().hoard.enforced = err == nil && config.StorageQuotaMB > 0 && config.Isolation == conf.IsolationNamespace
}

func (t *tenant) stopsWhenFull() bool {
	config := t.cell.config()
	return config.StorageQuotaMB > 0 && config.StorageFull == conf.StorageFullStop && !t.life().hoard.enforced
}

// LimitQuota names a full quota, beside sandbox's limits.
const LimitQuota = "quota"

// holds says what there is and what there may be.
func (t *tenant) holds() string {
	const mb = 1 << 20
	return fmt.Sprintf("it holds %.1f MB (storage_quota_mb is %d)", float64(t.life().hoard.used)/mb, t.cell.config().StorageQuotaMB)
}

// armMeasure begins the measuring of a process's time.
func (t *tenant) armMeasure() {
	if base := t.h.Config().Settings.HealthCheckInterval; t.cell.config().StorageQuotaMB > 0 {
		t.life().hoard.interval = base
		t.arm(min(time.Second, base), dueMeasure)
	}
}

// measure looks at what the tenant holds, in a goroutine that ends by
// measureTime after it was its turn.
func (t *tenant) measure() {
	l := t.life()
	h, cell, gen, dir := t.h, t.cell, l.gen, t.h.instanceDir(t.cell.name)
	go func() {
		select {
		case h.measuring <- struct{}{}:
		case <-h.done:
			return
		}
		began := stamp()
		ctx, cancel := context.WithTimeout(context.Background(), measureTime)
		defer cancel()
		usage, err := h.measure(ctx, dir, cell.record.Load().UID)
		<-h.measuring
		h.tell(cell, &measured{gen: gen, usage: usage, took: time.Duration(stamp() - began), err: err})
	}()
}

// measured draws the conclusions.
func (t *tenant) measured(m *measured) {
	l := t.life()
	base := t.h.Config().Settings.HealthCheckInterval
	often := m.err == nil && (m.usage.Method == storage.ByProject || m.usage.Bytes != l.hoard.used) // asking costs nothing, or there is news
	l.hoard.interval = nextMeasure(base, l.hoard.interval, m.took, often)
	defer t.arm(l.hoard.interval, dueMeasure)
	if m.err != nil {
		t.log().Warn().Err(m.err).Msg("cannot measure what a tenant holds")
		return
	}
	was := l.hoard.full
	l.hoard.used, l.hoard.full = m.usage.Bytes, isFull(m.usage.Bytes, quotaOf(t.cell.config()), l.hoard.enforced)
	switch {
	case l.hoard.full && (!was || l.limit != LimitQuota):
		t.filled()
	case was && !l.hoard.full && l.limit == LimitQuota:
		l.limit = ""
		t.note("quota: there is room again: " + t.holds())
	}
	t.cell.publish()
}

// filled: the quota is used up. It is said, and storage_full decides what
// follows where the file system does not refuse writes by itself.
func (t *tenant) filled() {
	l := t.life()
	l.hit(LimitQuota)
	text := "quota: " + t.holds()
	switch {
	case l.hoard.enforced:
		text += ": the file system refuses more"
	case t.stopsWhenFull():
		text += `: it is put to sleep (storage_full = "stop")`
	}
	t.note(text)
	t.log().Warn().Str("limit", LimitQuota).Msg(text)
	t.tellOfLimit(text)
	if t.stopsWhenFull() {
		l.reason = text
		t.step(EventIdle, ThenKeep)
	}
}
