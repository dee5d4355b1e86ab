package actors

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestTenant_ThreeMissedChecksReplaceIt(t *testing.T) {
	c := defaults()
	c.Services["notes"].Health = "/health"
	c.Services["notes"].IdleTimeout = 0
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		if info, _ := h.Info(alice()); info.Health != "unknown" {
			t.Errorf("%s before the first check", info.Health)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if info, _ := h.Info(alice()); info.Health != "healthy" {
			t.Errorf("%s after a good check", info.Health)
		}
		s.ail("alice.notes.example.com", errors.New("answered 500"))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if info, _ := h.Info(alice()); info.Health != "degraded" {
			t.Errorf("%s after a failed check", info.Health)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if n := s.starts("notes:alice"); n != 2 {
			t.Errorf("%d starts after three failed checks", n)
		}
	})
}

func TestTenant_NoCheckIsMadeWhileARequestMoves(t *testing.T) {
	c := defaults()
	c.Services["notes"].Health = "/health"
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		d := h.Door("notes", "alice")
		if _, err := h.Wake(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		s.ail("alice.notes.example.com", errors.New("busy"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := s.checksOf("alice.notes.example.com"); n != 0 {
			t.Errorf("%d checks during a request", n)
		}
		d.Leave()
	})
}

func TestTenant_ARefusedConnectionToOneThatNoLongerListensReplacesIt(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		d := h.Door("notes", "alice")
		way, err := h.Wake(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		d.Leave()
		h.ConnFailed(d, way.Generation+7) // stale: means nothing
		s.process("notes:alice").does.neverReady = true
		h.ConnFailed(d, way.Generation)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := s.starts("notes:alice"); n != 2 {
			t.Errorf("%d starts, want a replacement", n)
		}
	})
}

func TestTenant_HealthIsUnknownUntilTheNewProcessIsAsked(t *testing.T) {
	c := defaults()
	c.Services["notes"].Health = "/health"
	c.Services["notes"].IdleTimeout = 0
	play(t, c, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		s.ail("alice.notes.example.com", errNoMemory)
		s.act("", behaviour{readyAfter: 5 * time.Second})
		time.Sleep(22 * time.Second)
		synctest.Wait()
		if info, _ := h.Info(alice()); info.State != "starting" || info.Health != "unknown" {
			t.Errorf("%s, %s", info.State, info.Health)
		}
	})
}
