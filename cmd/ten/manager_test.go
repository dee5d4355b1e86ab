package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// systemd stands in for the service manager: a datagram socket that remembers.
type systemd struct {
	t    *testing.T
	path string
	conn *net.UnixConn
	said buffer
}

func newSystemd(t *testing.T, path string) *systemd {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	s := &systemd{t: t, path: path, conn: conn}
	done := make(chan struct{})
	go func() { // ended by the Cleanup below
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			s.said.Write(append(b[:n:n], "\n\n"...))
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return s
}

// awaits waits until this was said, and gives all that was said until then.
func (s *systemd) awaits(what string) string {
	s.t.Helper()
	until(s.t, "the manager hears "+what, func() bool { return strings.Contains(s.said.String(), what) })
	return s.said.String()
}

func managedBy(t *testing.T, path, usec, pid string) *manager {
	t.Helper()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", usec)
	t.Setenv("WATCHDOG_PID", pid)
	m := findManager(zerolog.Nop())
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if os.Getenv(name) != "" {
			t.Errorf("%s is left in the environment", name)
		}
	}
	return m
}

func TestManager_IsFoundByAPathOrAnAbstractNameAndElseHearsNothing(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "notify"), "@" + filepath.Join(t.TempDir(), "notify")} {
		s := newSystemd(t, path)
		m := managedBy(t, path, "", "")
		m.ready("serving http://localhost:8080")
		s.awaits("READY=1\nSTATUS=serving http://localhost:8080\n")
		if m.watchdog != 0 {
			t.Errorf("a watchdog of %s", m.watchdog)
		}
	}
	if m := managedBy(t, "", "", ""); m != nil {
		t.Error("a manager where there is none")
	}
	var nobody *manager
	nobody.ready("")
	nobody.reloading()
	nobody.stop()
	nobody.watch(nil)()
}

func TestManager_OneThatIsNotThereIsAWarningAndNoReasonNotToServe(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	var log buffer
	if m := findManager(zerolog.New(&log)); m != nil || !strings.Contains(log.String(), "NOTIFY_SOCKET") {
		t.Errorf("%v, logged %s", m, log.String())
	}
	path := filepath.Join(t.TempDir(), "gone")
	s := newSystemd(t, path)
	t.Setenv("NOTIFY_SOCKET", path)
	m := findManager(zerolog.New(&log))
	s.conn.Close()
	m.ready("x")
	if !strings.Contains(log.String(), "it may take this daemon for dead") {
		t.Errorf("logged %s", log.String())
	}
}

func TestManager_AWatchdogOfAnotherProcessIsNotOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	newSystemd(t, path)
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", "", 30 * time.Second}, {"30000000", "1", 0}, {"-5", "", 0}, {"soon", "", 0},
	} {
		if m := managedBy(t, path, c.usec, c.pid); m.watchdog != c.want {
			t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: %s, want %s", c.usec, c.pid, m.watchdog, c.want)
		}
	}
}

func TestManager_ASignOfLifeIsGivenOnlyWhileTheDaemonAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	s := newSystemd(t, path)
	m := managedBy(t, path, "30000000", "")
	var log buffer
	m.log = zerolog.New(&log)
	m.sign(t.Context(), func(context.Context) error { return errors.New("hung") })
	m.sign(t.Context(), func(ctx context.Context) error {
		if until, ok := ctx.Deadline(); !ok || time.Until(until) > 10*time.Second {
			t.Error("asked without a limit of a third of the watchdog's time")
		}
		return nil
	})
	s.awaits("WATCHDOG=1")
	if strings.Count(s.said.String(), "WATCHDOG=1") != 1 || !strings.Contains(log.String(), "does not answer itself") {
		t.Errorf("said %q, logged %s", s.said.String(), log.String())
	}
	m.stop()
	m.sign(t.Context(), func(context.Context) error { return errors.New("its listeners are shut") })
	s.awaits("STOPPING=1")
	until(t, "it counts as alive while it ends", func() bool { return strings.Count(s.said.String(), "WATCHDOG=1") == 2 })
}

func TestManager_WatchAsksThreeTimesAsOftenAsItIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &manager{watchdog: 30 * time.Second, log: zerolog.Nop()}
		asked := 0
		stop := m.watch(func(context.Context) error {
			asked++
			return errors.New("not now")
		})
		time.Sleep(59 * time.Second)
		stop()
		if asked != 6 {
			t.Errorf("asked %d times in 59 s, want 6", asked)
		}
		time.Sleep(time.Minute)
		if asked != 6 {
			t.Error("still asked after the end")
		}
	})
}

// The real program, from its start to its end, as systemd hears it.
func TestManager_HearsTheWholeLifeOfADaemon(t *testing.T) {
	w := newWorld(t)
	s := newSystemd(t, filepath.Join(w.dir, "notify"))
	cmd := exec.Command(binary(t), "serve", "-p", "0", "--bind", "127.0.0.1")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+s.path, "WATCHDOG_USEC=600000")
	for k, v := range w.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as a service has no terminal, SIGHUP reloads
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	url := regexp.MustCompile(`READY=1\nSTATUS=serving (http://\S+)`).FindStringSubmatch(s.awaits("READY=1"))[1]
	resp, err := http.Get(strings.Replace(url, "localhost", "127.0.0.1", 1) + "/health")
	if err != nil {
		t.Fatalf("it said READY and does not answer: %v", err)
	}
	resp.Body.Close()
	s.awaits("WATCHDOG=1")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.awaits("RELOADING=1\nMONOTONIC_USEC=")
	until(t, "it is ready again", func() bool { return strings.Count(s.said.String(), "READY=1") == 2 })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.awaits("STOPPING=1")
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}
