package sandbox

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// inNamespace has a character run at LevelNamespace.
func inNamespace(t testing.TB, s Spec) Spec {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("isolation = \"namespace\" needs root")
	}
	dir := shortDir(t)
	s.Level, s.UID, s.Hostname = LevelNamespace, 1900000000+uint32(engineCount.Add(1)), "notes"
	s.DataDir = filepath.Join(dir, "data", "notes", "alice")
	s.RunDir = filepath.Join(dir, "run", "t", "1")
	s.Hidden = []string{filepath.Join(dir, "data"), filepath.Join(dir, "run")}
	if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	exe := s.Argv[0]
	s.Mounts = append(s.Mounts, Mount{Source: filepath.Dir(exe), Destination: "/character", ReadOnly: true})
	s.Argv[0] = filepath.Join("/character", filepath.Base(exe))
	return s
}

// shell runs a script at LevelNamespace to its end and gives what it wrote.
func shell(t *testing.T, e *Engine, script string) (string, Status) {
	t.Helper()
	s := inNamespace(t, character(t, "none"))
	s.Argv = []string{"/bin/sh", "-c", script}
	n := start(t, e, s)
	status := n.wait()
	return n.output(Stdout) + n.output(Stderr), status
}

func TestNamespace_Shell(t *testing.T) {
	e := newEngine(t, Options{})
	out, status := shell(t, e, "id; ps aux; cat /proc/self/cgroup /proc/self/mountinfo; hostname; ls -la / /dev /proc/1 ; cat /proc/self/status; pwd; ip addr || cat /proc/net/dev; env")
	t.Log(status, out)
}

func TestNamespace_ServesOnAPortOfItsOwn(t *testing.T) {
	eachKind(t, func(t *testing.T, e *Engine) {
		s := inNamespace(t, character(t, "listensTCP4"))
		s.Listen, s.Port, s.Env = ListenTCP, 8080, append(s.Env, "PORT=8080")
		n := start(t, e, s)
		at, err := n.Ready(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := ask(t, at); got != strconv.Itoa(2) {
			t.Errorf("answered by %q", got)
		}
	})
}
