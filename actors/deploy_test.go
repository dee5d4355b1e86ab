package actors

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tenement/sandbox"
)

func wantRefusal(t *testing.T, err error, cause Cause, says string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Cause != cause || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, want cause %d and %q", err, cause, says)
	}
}

func TestDeploy_TrafficComesOnlyToAHealthyVersion(t *testing.T) {
	config := defaults()
	config.Services["notes"].Health = "/up"
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		ill := errors.New("500")
		s.ail("v2.notes.example.com", ill)
		if _, err := h.Deploy(t.Context(), id("v1"), 100, time.Minute); err != nil {
			t.Fatal(err)
		}
		deployed := make(chan error, 1)
		go func() { // ends with its answer, which is waited for
			_, err := h.Deploy(t.Context(), id("v2"), 60, time.Minute)
			deployed <- err
		}()
		time.Sleep(5 * time.Second)
		for range 20 {
			if d, err := h.Apex("notes"); err != nil || d.Name().ID != "v1" {
				t.Fatalf("%v, %v: traffic before it is healthy", d, err)
			}
		}
		s.ail("v2.notes.example.com", nil)
		if err := <-deployed; err != nil {
			t.Fatal(err)
		}
		if info, _ := h.Info(id("v2")); info.Weight != 60 || info.Health != "healthy" {
			t.Errorf("%+v", info)
		}
	})
}

func TestDeploy_AVersionThatFailsChangesNothing(t *testing.T) {
	config := defaults()
	config.Services["notes"].Health = "/up"
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		s.ail("ill.notes.example.com", errors.New("500"))
		s.act("notes:early", behaviour{diesEarly: time.Millisecond, status: sandbox.Status{Code: 3}})
		for _, c := range []struct {
			name  string
			cause Cause
			says  string
		}{
			{"ill", CauseStartTimeout, "not healthy within 5s"},
			{"early", CauseStartFailed, "exit status 3"},
		} {
			_, err := h.Deploy(t.Context(), id(c.name), 100, 5*time.Second)
			wantRefusal(t, err, c.cause, c.says)
			if info, _ := h.Info(id(c.name)); info.Awake() || info.Weight != 0 {
				t.Errorf("%s is left %s with weight %d", c.name, info.State, info.Weight)
			}
			if d, err := h.Apex("notes"); err == nil {
				t.Errorf("the apex serves %s", d.Name())
			}
		}
	})
}

func TestDeploy_BadRequestsAreRefused(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		if _, err := h.Deploy(t.Context(), id("a"), 101, time.Second); err == nil || !strings.Contains(err.Error(), "0 to 100") {
			t.Error(err)
		}
		nowhere := id("a")
		nowhere.Service = "nowhere"
		if _, err := h.Deploy(t.Context(), nowhere, 1, time.Second); !errors.Is(err, ErrUnknownService) {
			t.Error(err)
		}
		if err := h.Route(t.Context(), nowhere, nowhere); !errors.Is(err, ErrUnknownService) {
			t.Error(err)
		}
		if err := h.Route(t.Context(), id("a"), id("a")); err == nil || !strings.Contains(err.Error(), "two tenants of one service") {
			t.Error(err)
		}
		if len(h.List()) != 0 {
			t.Error("something was registered")
		}
	})
}

func TestRoute_MovesAllTrafficAtOnceOrNone(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		for _, n := range []string{"v1", "v2"} {
			if _, err := h.Deploy(t.Context(), id(n), map[string]int{"v1": 100, "v2": 0}[n], time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Route(t.Context(), id("v1"), id("ghost")); !errors.Is(err, ErrUnknownTenant) {
			t.Error(err)
		}
		if d, err := h.Apex("notes"); err != nil || d.Name().ID != "v1" {
			t.Errorf("%v, %v after a refused route", d, err)
		}
		if err := h.Route(t.Context(), id("v1"), id("v2")); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if d, err := h.Apex("notes"); err != nil || d.Name().ID != "v2" {
				t.Fatalf("%v, %v after the route", d, err)
			}
		}
	})
}
