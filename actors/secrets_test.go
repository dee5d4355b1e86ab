package actors

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tenement/conf"
)

func secretFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecrets_AreReadAtEveryStart(t *testing.T) {
	t.Parallel()
	env, key := secretFile(t, "A=1\nB=two", 0o600), secretFile(t, "hunter2", 0o400)
	gotEnv, secrets, err := secretsOf(conf.Expanded{EnvFile: env, Secrets: map[string]string{"KEY": key}})
	if err != nil || !maps.Equal(gotEnv, map[string]string{"A": "1", "B": "two"}) || string(secrets["KEY"]) != "hunter2" {
		t.Errorf("%v %q %q", err, gotEnv, secrets)
	}
	want := map[string]string{"SECRETS_DIR": "/run/x/secrets", "KEY_FILE": "/run/x/secrets/KEY"}
	if got := secretPlaces("/run/x", secrets); !maps.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := secretPlaces("/run/x", nil); got != nil {
		t.Errorf("without secrets: %q", got)
	}
}

func TestSecrets_OneThatBecameReadableFailsTheStartForGood(t *testing.T) {
	t.Parallel()
	key := secretFile(t, "hunter2", 0o600)
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, filled := range map[string]conf.Expanded{
		"env_file: ":    {EnvFile: key},
		"secrets.KEY: ": {Secrets: map[string]string{"KEY": key}},
	} {
		_, _, err := secretsOf(filled)
		if err == nil || !errors.As(err, new(mendError)) || !strings.HasPrefix(err.Error(), name+key+" can be read by others (mode 0644)") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func TestSecrets_TheServicesOwnEnvWinsOverTheFile(t *testing.T) {
	config := defaults()
	notes := config.Services["notes"]
	notes.EnvFile = secretFile(t, "A=file\nB=file\nTZ=file", 0o600)
	notes.Env = map[string]string{"B": "toml"}
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if err := visit(t, h, alice()); err != nil {
			t.Fatal(err)
		}
		env := strings.Join(s.process(alice().String()).spec.Env, "\n") + "\n"
		for _, want := range []string{"A=file\n", "B=toml\n", "TZ=file\n"} {
			if !strings.Contains(env, want) {
				t.Errorf("%q is not in the environment", want)
			}
		}
	})
}

func TestSecrets_AMissingFileIsSaidAndNothingStarts(t *testing.T) {
	config := defaults()
	config.Services["notes"].EnvFile, config.Services["notes"].Network = "/no/such/{id}.env", conf.NetworkHost
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		refused := wantCause(t, visit(t, h, alice()), CauseFailed)
		if want := "cannot start notes:alice: env_file: cannot read /no/such/alice.env: no such file or directory"; refused.Reason != want {
			t.Errorf("%s", refused.Reason)
		}
		if n := s.starts(alice().String()); n != 0 {
			t.Errorf("%d starts", n)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for port := 20001; port <= s.port; port++ {
			if s.freed[port] != 1 {
				t.Errorf("port %d was given back %d times", port, s.freed[port])
			}
		}
	})
}

func TestSecrets_WithoutATmpfsTheServiceIsRefused(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		config := notes()
		if err := h.refused(config); err != nil {
			t.Error(err)
		}
		h.o.RunDir = "/proc" // no tmpfs, wherever this runs
		config.Secrets = map[string]string{"KEY": "/none"}
		if err := h.refused(config); err == nil || !strings.HasPrefix(err.Error(), "service notes is refused: /proc is on a disk, where secrets must not be") {
			t.Error(err)
		}
	})
}
