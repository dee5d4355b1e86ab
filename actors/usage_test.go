package actors

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

// usedBy is what a tenant has used in all days.
func usedBy(t *testing.T, h *Host, name conf.Instance) ledger.Usage {
	t.Helper()
	rows, err := h.Usage(t.Context(), "", "9999-12-31", func(n conf.Instance) bool { return n == name })
	if err != nil {
		t.Fatal(err)
	}
	var sum ledger.Usage
	for _, row := range rows {
		sum = sum.Plus(row.Usage)
	}
	return sum
}

// about fails unless got is want, give or take 2 %.
func about(t *testing.T, what string, got, want float64) {
	t.Helper()
	if max(got-want, want-got) > want/50 {
		t.Errorf("%s: %.3f, want %.3f", what, got, want)
	}
}

func TestUsage_ALifeAddsUpToWhatTheProcessUsed(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{burns: 0.25, holds: 200e6})
		register(t, h, alice(), id("bob"))
		door := h.Door("notes", "alice")
		for range 3 {
			if err := visit(t, h, alice()); err != nil {
				t.Fatal(err)
			}
			door.Meter().Observe(200, time.Millisecond, 10, 1000)
			time.Sleep(20 * time.Second)
		}
		time.Sleep(10 * time.Minute) // it sleeps a minute after its last use, which was 20 s ago
		if got := state(t, h, alice()); got != "asleep" {
			t.Fatal(got)
		}
		used := usedBy(t, h, alice())
		about(t, "awake", used.Awake, 100)
		about(t, "CPU", used.CPU, 25)
		about(t, "GB·s", used.Memory, 20)
		if used.Requests != 3 || used.In != 30 || used.Out != 3000 || used.Wakes != 1 {
			t.Errorf("%+v", used)
		}
		if none := usedBy(t, h, id("bob")); none != (ledger.Usage{}) {
			t.Errorf("a sleeper used %+v", none)
		}
	})
}

func TestUsage_ADaemonThatIsKilledLosesAMinuteAtMost(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{burns: 1, holds: 1e9})
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		h.Door("notes", "alice").Enter() // it goes on and on
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		rows, err := h.book.store.Usage("", "9999-12-31", nil) // as the next daemon would find it
		if err != nil || len(rows) == 0 {
			t.Fatal(rows, err)
		}
		sum := ledger.Usage{}
		for _, row := range rows {
			sum = sum.Plus(row.Usage)
		}
		if sum.CPU < 9*60 || sum.Memory < 9*60 || sum.Wakes != 1 {
			t.Errorf("after ten minutes %+v is stored", sum)
		}
		h.Door("notes", "alice").Leave()
	})
}

func TestUsage_WhileAllSleepNothingTicks(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if b := h.usageBook; b.timer != nil || len(b.lives)+len(b.pending)+len(b.writing) != 0 {
			t.Errorf("timer %v, %d awake, %d pending", b.timer != nil, len(b.lives), len(b.pending))
		}
	})
}

func TestUsage_IsOfTheUTCDay(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) { // a bubble begins on 2000-01-01 at midnight
		s.act("", behaviour{burns: 1})
		register(t, h, alice())
		time.Sleep(24*time.Hour - 30*time.Second)
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		rows, err := h.Usage(t.Context(), "2000-01-01", "2000-01-02", nil)
		if err != nil || len(rows) != 2 || rows[0].Day != "2000-01-01" || rows[1].Day != "2000-01-02" {
			t.Fatalf("%+v, %v", rows, err)
		}
		for i, want := range []float64{30, 30} {
			if got := rows[i].CPU; got < want-10 || got > want+10 {
				t.Errorf("%s: %.1f s, want %.0f give or take a look", rows[i].Day, got, want)
			}
		}
		time.Sleep(2 * usageDays * 24 * time.Hour)
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		if rows, err := h.Usage(t.Context(), "", "9999-12-31", nil); err != nil || len(rows) != 1 {
			t.Errorf("two years later: %+v, %v", rows, err)
		}
	})
}

func TestUsage_SurvivesForgettingAndTheNextDaemon(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.act("", behaviour{burns: 1, holds: 1e9})
		h := open(t, dir, defaults(), s)
		register(t, h, alice(), id("bob"))
		for _, name := range []conf.Instance{alice(), id("bob")} {
			if err := visit(t, h, name); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Second)
		if err := h.Forget(t.Context(), alice(), true); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := contextWithTimeout(t, time.Minute)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		h = open(t, dir, defaults(), newStage(t))
		for _, name := range []conf.Instance{alice(), id("bob")} {
			if used := usedBy(t, h, name); used.CPU < 4.9 || used.Requests != 1 {
				t.Errorf("%s: %+v", name, used)
			}
		}
		if err := h.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	})
}

func TestUsage_WhatCannotBeStoredIsKeptAndTriedAgain(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{burns: 1})
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		path, away := filepath.Join(h.o.DataDir, "registry.db"), filepath.Join(h.o.DataDir, "away.db")
		if err := os.Rename(path, away); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Usage(t.Context(), "", "9999-12-31", nil); err == nil || !strings.Contains(err.Error(), "taken away while in use") {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Hour + time.Second) // no write is under way then
		if err := os.Rename(away, path); err != nil {
			t.Fatal(err)
		}
		if used := usedBy(t, h, alice()); used.CPU < 59 || used.CPU > 61 || used.Wakes != 1 {
			t.Errorf("%+v", used)
		}
	})
}

func TestUsage_APanicLosesNothing(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{burns: 1})
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		h.toAccountant(&departing{}) // no such life: nothing
		nobody := make(chan *Metering)
		close(nobody)
		h.toAccountant(&accountAsk{metering: nobody}) // to answer it panics
		time.Sleep(10 * time.Minute)
		if used := usedBy(t, h, alice()); used.CPU < 59 || used.CPU > 61 {
			t.Errorf("%+v", used)
		}
	})
}

func TestMetering_GrowsWithItsTenantsAndKeepsTheForgotten(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{burns: 0.5, holds: 7e6})
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		first, err := h.Metering(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		again, _ := h.Metering(t.Context())
		if again != first {
			t.Error("looked twice in one moment")
		}
		one := first.Tenants[alice()]
		about(t, "CPU", one.CPU, 2)
		if one.MemoryBytes != 7e6 || one.Requests != 1 || first.Services["notes"] != one.Usage {
			t.Errorf("%+v, service %+v", one, first.Services["notes"])
		}
		if err := h.Forget(t.Context(), alice(), false); err != nil {
			t.Fatal(err)
		}
		last, err := h.Metering(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, there := last.Tenants[alice()]; there || last.Services["notes"].CPU < 2 || last.Services["notes"].Requests != 1 {
			t.Errorf("%+v", last)
		}
	})
}

func TestMetering_OfADaemonThatEndedIsAnError(t *testing.T) {
	var ended *Host
	play(t, defaults(), func(_ *testing.T, h *Host, _ *stage) { ended = h })
	if _, err := ended.Metering(t.Context()); err == nil {
		t.Error("sums of nobody")
	}
	var refusal *Refusal
	if _, err := ended.Usage(t.Context(), "", "", nil); !errors.As(err, &refusal) {
		t.Errorf("%v", err)
	}
}
