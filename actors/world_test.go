package actors

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"tenement/conf"
	"tenement/sandbox"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
)

// nobodysConns stands for the edge's connections.
type nobodysConns struct{}

func (nobodysConns) Close() error { return nil }

// defaults is a configuration with one service, "notes", as conf would make it.
func defaults() *conf.Config {
	return &conf.Config{
		Settings: conf.Settings{
			HealthCheckInterval: 10 * time.Second, MaxRestarts: 3, RestartWindow: 300 * time.Second,
			BackoffBase: time.Second, BackoffMax: time.Minute, CircuitCooldown: time.Minute,
			QueueTimeout: 30 * time.Second, MaxConcurrentStarts: 4, LogMaxBytes: 1 << 20, UIDBase: 1900000000,
		},
		Services: map[string]*conf.Service{"notes": notes()},
	}
}

func notes() *conf.Service {
	return &conf.Service{
		Name: "notes", Argv: []string{"app"}, Isolation: conf.IsolationProcess, Restart: conf.RestartOnFailure,
		StartupTimeout: 10 * time.Second, RequestTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		Apex: conf.ApexWeighted, Listen: conf.ListenAuto, CreateOnRequest: conf.CreateAuto, StoragePersist: true,
	}
}

// play runs f with a host of fake processes in a bubble of fake time.
func play(t *testing.T, config *conf.Config, f func(t *testing.T, h *Host, s *stage)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		h := open(t, dir, config, s)
		f(t, h, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if n := s.alive(); n != 0 {
			t.Errorf("%d processes survive the daemon", n)
		}
		synctest.Wait()
	})
}

func open(t *testing.T, dir string, config *conf.Config, s *stage) *Host {
	t.Helper()
	for _, d := range []string{"data", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h, err := NewHost(Options{
		Config: config, DataDir: filepath.Join(dir, "data"), RunDir: filepath.Join(dir, "run"), Domain: "example.com",
		Log:   zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel),
		Conns: func(sandbox.Endpoint, conf.Front) io.Closer { return nobodysConns{} },
		Probe: s.prober, launcher: s,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func alice() conf.Instance { return conf.Instance{Service: "notes", ID: "alice"} }

func id(name string) conf.Instance { return conf.Instance{Service: "notes", ID: name} }

// register makes tenants known.
func register(t *testing.T, h *Host, names ...conf.Instance) {
	t.Helper()
	if _, err := h.Register(t.Context(), names); err != nil {
		t.Fatal(err)
	}
}

// visit wakes a tenant and leaves at once.
func visit(t *testing.T, h *Host, name conf.Instance) error {
	t.Helper()
	d := h.Door(name.Service, name.ID)
	if d == nil {
		return ErrUnknownTenant
	}
	if d.Enter() == nil {
		if _, err := h.Wake(t.Context(), d); err != nil {
			return err
		}
	}
	d.Leave()
	return nil
}

func state(t *testing.T, h *Host, name conf.Instance) string {
	t.Helper()
	synctest.Wait()
	info, err := h.Info(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.State
}

func wantCause(t *testing.T, err error, cause Cause) *Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Cause != cause {
		t.Fatalf("refused with %v (%#v), want cause %d", err, err, cause)
	}
	return r
}

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

func mustExist(t *testing.T, path string, want bool) {
	t.Helper()
	if _, err := os.Stat(path); (err == nil) != want {
		t.Errorf("%s: exists %v, want %v", path, err == nil, want)
	}
}

// countingParent is a supervisor's handle on its children.
type countingParent struct {
	actor.Supervisor
	restarts int
}

func (p *countingParent) RestartChildren(...*actor.PID) { p.restarts++ }
