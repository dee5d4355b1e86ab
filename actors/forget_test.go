package actors

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/ledger"
)

func TestForget_IsFinishedForACallerWhoLeftAtOnce(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Forget(ctx, alice(), true); !errors.Is(err, context.Canceled) && err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if h.Door("notes", "alice") != nil || s.alive() != 0 {
			t.Error("unregistered, and its process goes on")
		}
		mustExist(t, h.instanceDir(alice()), false)
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Errorf("its name is not free: %v", err)
		}
	})
}

func TestForget_ALateVisitorDoesNotBringItBack(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		c := h.cell(alice())
		synctest.Wait()
		h.service("notes").adopt([]ledger.Change{ledger.DeleteTenant{Name: alice()}})
		w := newWaiter(stamp() + int64(time.Minute))
		h.tell(c, &wake{w: w})
		synctest.Wait()
		if r := <-w.answer; r == nil || s.starts("notes:alice") != 0 {
			t.Errorf("woken after it was forgotten: %v", r)
		}
	})
}

func TestForget_SurvivesAFaultOfItsService(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{ignoresTERM: true})
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		forgotten := make(chan error, 1)
		go func() { forgotten <- h.Forget(t.Context(), alice(), true) }()
		time.Sleep(time.Second)
		h.toServices((*ask)(nil))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		select {
		case <-forgotten:
		default:
			t.Fatal("no answer")
		}
		if s.alive() != 0 {
			t.Error("its process goes on")
		}
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Errorf("its name is not free: %v", err)
		}
		wantNoLeak(t, h, s)
	})
}

func TestHost_ForgetKeepsTheDataUnlessTold(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		for _, deleteData := range []bool{false, true} {
			if _, err := h.Spawn(t.Context(), alice()); err != nil {
				t.Fatal(err)
			}
			if err := h.Forget(t.Context(), alice(), deleteData); err != nil {
				t.Fatal(err)
			}
			if h.Door("notes", "alice") != nil || s.alive() != 0 {
				t.Error("forgotten, and still there")
			}
			mustExist(t, h.instanceDir(alice()), !deleteData)
		}
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Errorf("its name is not free again: %v", err)
		}
	})
}

func TestHost_ANameIsNotFreeWhileItsOldProcessEnds(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{ignoresTERM: true})
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Fatal(err)
		}
		forgotten := make(chan error, 1)
		go func() { forgotten <- h.Forget(t.Context(), alice(), false) }()
		synctest.Wait()
		_, err := h.Spawn(t.Context(), alice())
		if err == nil || !strings.Contains(err.Error(), "is being forgotten") {
			t.Errorf("spawned beside its old process: %v", err)
		}
		if err := <-forgotten; err != nil {
			t.Fatal(err)
		}
		if _, err := h.Spawn(t.Context(), alice()); err != nil {
			t.Error(err)
		}
	})
}
