package edge

import (
	"context"
	"net/http"
	"sync"
	"time"

	"tenement/actors"
	"tenement/actors/storage"
)

// A list measures each tenant at most this often, and never waits longer than
// the budget for all of them together.
const (
	storageFresh  = 30 * time.Second
	storageBudget = time.Second
)

// usage answers GET …/storage: measured now, whatever was measured before.
func (a *API) usage(ctx context.Context, r *apiRequest) Reply {
	info, err := a.host.Info(r.name)
	if err != nil {
		return a.failed("cannot measure "+r.name.String(), err)
	}
	used, err := storage.Measure(ctx, info.DataDir, info.UID)
	if err != nil {
		return a.failed("cannot measure "+r.name.String(), err)
	}
	a.storage.keep(info.DataDir, used.Bytes)
	answer := StorageJSON{
		UsedBytes: used.Bytes, QuotaBytes: info.QuotaBytes, Path: info.DataDir,
		Measured: string(used.Method), Enforced: info.QuotaEnforced,
	}
	if info.QuotaBytes > 0 {
		answer.UsagePercent = 100 * float64(used.Bytes) / float64(info.QuotaBytes)
	}
	return answerJSON(http.StatusOK, answer)
}

// storageMeter remembers what directories held, so that a list of a thousand
// tenants does not walk a thousand trees each time.
type storageMeter struct {
	mu   sync.Mutex
	seen map[string]measured // by directory
}

type measured struct {
	bytes int64
	at    time.Time
}

func newStorageMeter() *storageMeter { return &storageMeter{seen: map[string]measured{}} }

// measure gives the bytes of each tenant, or what it held when last looked at
// where the budget ran out, or nil where nobody ever looked.
func (m *storageMeter) measure(ctx context.Context, infos []actors.Info) []*int64 {
	ctx, cancel := context.WithTimeout(ctx, storageBudget)
	defer cancel()
	used := make([]*int64, len(infos))
	for i, info := range infos {
		last, known := m.last(info.DataDir)
		if !known || time.Since(last.at) > storageFresh {
			if now, err := storage.Measure(ctx, info.DataDir, info.UID); err == nil {
				last, known = m.keep(info.DataDir, now.Bytes), true
			}
		}
		if known {
			used[i] = &last.bytes
		}
	}
	return used
}

func (m *storageMeter) last(dir string) (measured, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, known := m.seen[dir]
	return last, known
}

// keep remembers a measurement. The table is started anew when it has grown far
// beyond what any host runs: forgotten tenants leave it that way.
func (m *storageMeter) keep(dir string, bytes int64) measured {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.seen) > 100_000 {
		clear(m.seen)
	}
	now := measured{bytes: bytes, at: time.Now()}
	m.seen[dir] = now
	return now
}
