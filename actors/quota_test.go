package actors

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/storage"
	"tenement/conf"
)

// scales measure what a test says.
type scales struct {
	bytes atomic.Int64
	looks atomic.Int64
	takes time.Duration
	err   error
}

func (s *scales) measure(context.Context, string, uint32) (storage.Usage, error) {
	s.looks.Add(1)
	time.Sleep(s.takes)
	return storage.Usage{Bytes: s.bytes.Load(), Method: storage.ByWalk}, s.err
}

// withQuota is a config whose tenants may hold 10 MB.
func withQuota(full conf.StorageFull) *conf.Config {
	config := defaults()
	notes := config.Services["notes"]
	notes.StorageQuotaMB, notes.StorageFull, notes.IdleTimeout = 10, full, time.Hour
	config.Settings.HealthCheckInterval = 10 * time.Second
	return config
}

func TestQuota_WhoHoldsTooMuchIsNamedAndRunsOn(t *testing.T) {
	play(t, withQuota(conf.StorageFullWarn), func(t *testing.T, h *Host, s *stage) {
		on := &scales{}
		h.measure = on.measure
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if info, _ := h.Info(alice()); info.Limit != "" || on.looks.Load() != 1 {
			t.Errorf("%q after %d looks", info.Limit, on.looks.Load())
		}
		on.bytes.Store(10 << 20)
		time.Sleep(time.Minute)
		why, err := h.Why(alice())
		if err != nil || why.State != "running" || why.Limit != "quota" || !strings.Contains(strings.Join(why.Holds, ""), "all that storage_quota_mb = 10 allows (quota)") {
			t.Errorf("%v %+v", err, why)
		}
		on.bytes.Store(1)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if info, _ := h.Info(alice()); info.Limit != "" {
			t.Errorf("%q though there is room again", info.Limit)
		}
	})
}

func TestQuota_WhoIsToStopSleepsUntilThereIsRoom(t *testing.T) {
	play(t, withQuota(conf.StorageFullStop), func(t *testing.T, h *Host, s *stage) {
		on := &scales{}
		h.measure = on.measure
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		on.bytes.Store(11 << 20)
		time.Sleep(time.Minute)
		info, _ := h.Info(alice())
		if info.State != "asleep" || info.Limit != "quota" || !strings.Contains(info.Reason, `quota: it holds 11.0 MB (storage_quota_mb is 10): it is put to sleep (storage_full = "stop")`) {
			t.Errorf("%s, %q, %s", info.State, info.Limit, info.Reason)
		}
		refused := wantCause(t, visit(t, h, alice()), CauseFailed)
		if !strings.Contains(refused.Reason, "quota: it holds 11.0 MB") || !strings.Contains(refused.Reason, "or raise the quota") {
			t.Errorf("%s", refused.Reason)
		}
		if n := s.starts(alice().String()); n != 1 {
			t.Errorf("%d starts", n)
		}
		on.bytes.Store(1 << 20)
		if _, err := h.Restart(t.Context(), alice()); err != nil {
			t.Errorf("with room again: %v", err)
		}
		synctest.Wait()
		if info, _ := h.Info(alice()); info.State != "running" || info.Limit != "" {
			t.Errorf("%s, %q", info.State, info.Limit)
		}
	})
}

func TestQuota_WithoutOneNobodyIsMeasured(t *testing.T) {
	config := withQuota(conf.StorageFullStop)
	config.Services["notes"].StorageQuotaMB = 0
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		on := &scales{}
		h.measure = on.measure
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if n := on.looks.Load(); n != 0 {
			t.Errorf("%d looks", n)
		}
	})
}

func TestQuota_MeasuringIsSeldomWhereItIsDearOrBringsNothingNew(t *testing.T) {
	play(t, withQuota(conf.StorageFullWarn), func(t *testing.T, h *Host, s *stage) {
		on := &scales{takes: 20 * time.Second}
		h.measure = on.measure
		register(t, h, alice(), id("bob"))
		for _, name := range []conf.Instance{alice(), id("bob")} {
			if err := visit(t, h, name); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(15 * time.Minute)
		if n := on.looks.Load(); n != 2 { // 20 s each: not again for 1000 s
			t.Errorf("%d looks in 15 minutes", n)
		}
	})
	t.Run("pure", func(t *testing.T) {
		const s = time.Second
		for _, c := range []struct {
			last, took time.Duration
			changed    bool
			want       time.Duration
		}{
			{10 * s, 0, true, 10 * s}, {10 * s, 0, false, 20 * s}, {160 * s, 0, false, 160 * s}, {160 * s, 0, true, 10 * s},
			{10 * s, 2 * s, true, 100 * s}, {0, 0, false, 20 * s},
		} {
			if got := nextMeasure(10*s, c.last, c.took, c.changed); got != c.want {
				t.Errorf("%+v: %v", c, got)
			}
		}
	})
}

func TestQuota_AnErrorIsNoVerdict(t *testing.T) {
	play(t, withQuota(conf.StorageFullStop), func(t *testing.T, h *Host, s *stage) {
		on := &scales{err: errors.New("too deep")}
		on.bytes.Store(1 << 40)
		h.measure = on.measure
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if info, _ := h.Info(alice()); info.State != "running" || info.Limit != "" || on.looks.Load() < 2 {
			t.Errorf("%s, %q, %d looks", info.State, info.Limit, on.looks.Load())
		}
	})
}

func TestQuota_AFileSystemThatRefusesIsFullALittleEarlier(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		used     int64
		enforced bool
		want     bool
	}{{99, false, false}, {100, false, true}, {97, true, false}, {98, true, true}} {
		if got := isFull(c.used, 100, c.enforced); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
