package actors

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"tenement/conf"
	"tenement/sandbox"
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
		freed := s.freed[s.port]
		s.mu.Unlock()
		if freed != 1 {
			t.Errorf("its port was given back %d times", freed)
		}
	})
}

func TestSecrets_WithoutATmpfsTheServiceIsRefused(t *testing.T) {
	dir := t.TempDir()
	if sandbox.KeepsSecrets(dir) == nil {
		t.Skip("the temporary directory is on a tmpfs here: set TMPDIR to one on a disk")
	}
	config := defaults()
	config.Services["notes"].Secrets = map[string]string{"KEY": "/none"}
	synctest.Test(t, func(t *testing.T) {
		h := open(t, dir, config, newStage(t))
		register(t, h, alice())
		if info, err := h.Info(alice()); err != nil || info.State != "failed" || !strings.Contains(info.Reason, "is on a disk, where secrets must not be") {
			t.Errorf("%v, %s: %s", err, info.State, info.Reason)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
