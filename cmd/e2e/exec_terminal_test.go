package e2e

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// seat is ten at a terminal: what is written to the keyboard is typed.
type seat struct {
	t        *testing.T
	cmd      *exec.Cmd
	keyboard *os.File
	tty      *os.File // the terminal's other end, for looking
	before   unix.Termios
	exited   chan struct{}

	mu     sync.Mutex
	screen bytes.Buffer
}

// sitDown runs a verb at a terminal of 40 x 100.
func (d *daemon) sitDown(args ...string) *seat {
	d.t.Helper()
	s := &seat{t: d.t, exited: make(chan struct{})}
	var err error
	if s.keyboard, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		d.t.Fatal(err)
	}
	raw, err := s.keyboard.SyscallConn() // Fd would make it block
	if err != nil {
		d.t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed != nil {
			return
		}
		tty, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if errno != 0 {
			failed = errno
			return
		}
		s.tty = os.NewFile(tty, "tty")
	})
	if err := errors.Join(err, failed); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { s.keyboard.Close(); s.tty.Close() })
	s.resize(40, 100)
	s.before = s.termios()
	s.cmd = exec.Command(tenBinary, args...)
	s.cmd.Dir, s.cmd.Env = d.dir, append(os.Environ(), "TENEMENT_CONFIG="+d.config, "TERM=vt220")
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = s.tty, s.tty, s.tty
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() { // ends with ten
		_ = s.cmd.Wait() // ends looks
		close(s.exited)
	}()
	d.t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // one that has ended is fine
		<-s.exited
	})
	go s.watch()
	return s
}

// watch keeps what is shown; it ends with the terminal.
func (s *seat) watch() {
	chunk := make([]byte, 4096)
	for {
		n, err := s.keyboard.Read(chunk)
		s.mu.Lock()
		s.screen.Write(chunk[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *seat) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.String()
}

func (s *seat) sees(text string) {
	s.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !strings.Contains(s.shown(), text) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %q; on the screen:\n%s", text, s.shown())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *seat) types(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.keyboard, keys); err != nil {
		s.t.Fatal(err)
	}
}

func (s *seat) resize(rows, cols uint16) {
	s.t.Helper()
	if err := unix.IoctlSetWinsize(int(s.tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *seat) termios() unix.Termios {
	s.t.Helper()
	now, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return *now
}

// ends wants one of these exit codes, and the terminal as it was.
func (s *seat) ends(codes ...int) {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(60 * time.Second):
		s.t.Fatalf("ten does not end; on the screen:\n%s", s.shown())
	}
	if got := s.cmd.ProcessState.ExitCode(); !slices.Contains(codes, got) {
		s.t.Errorf("exit %d, want %d; on the screen:\n%s", got, codes, s.shown())
	}
	if _, err := s.keyboard.Stat(); err != nil { // gone, with its settings
		return
	}
	if s.termios() != s.before {
		s.t.Errorf("the terminal is left as %+v, was %+v", s.termios(), s.before)
	}
}

// atAllLevels runs a test at process, namespace and sandbox.
func atAllLevels(t *testing.T, test func(t *testing.T, web func(more string) string)) {
	atBothLevels(t, test)
	t.Run("sandbox", func(t *testing.T) {
		t.Parallel()
		needsRunsc(t)
		test(t, func(more string) string {
			return "\n[service.web]\ncommand = \"/character serves\"\nisolation = \"sandbox\"\nmounts = [[\"CHARACTER\", \"/character\", true]]\napex = \"none\"\n" + more + "\n"
		})
	})
}

func TestExec_AShellAtATerminal(t *testing.T) {
	atAllLevels(t, func(t *testing.T, web func(string) string) {
		requireRoot(t, "a namespace needs it")
		d := launch(t, setup{services: web("listen = \"unix\"\nenv = {PLAN = \"gold\", PS1 = \"prompt \"}")})
		d.must("register", "web:one")
		s := d.sitDown("exec", "web:one", "--", "sh")
		s.sees("prompt ")
		s.types("echo $PLAN $TERM $(stty size)\r")
		s.sees("gold vt220 40 100\r\n")
		s.resize(50, 132)
		s.types("trap 'echo now $(stty size)' WINCH; echo set-$((40+2))\r")
		s.sees("set-42")
		for i := 0; !strings.Contains(s.shown(), "now 50 132") && i < 600; i++ { // told already, or now
			s.types("stty size | sed 's/^/now /'\r")
			time.Sleep(100 * time.Millisecond)
		}
		s.sees("now 50 132")
		s.types("sh -c 'echo one-$((40+2)); exec sleep 1000'\r")
		s.sees("one-42")
		s.types("\x03") // Ctrl-C
		s.types("echo code-$?-\r")
		s.sees("code-130-")
		s.types("exit 7\r")
		s.ends(7)
		if out := s.shown(); strings.Contains(out, "job control") {
			t.Errorf("no job control: %s", out)
		}
		if used := d.used("web:one"); used.Requests != 0 || used.Wakes != 1 {
			t.Errorf("a command is no request: %+v", used)
		}
		d.must("stop", "web:one")
		if left := processesOf(filepath.Join(d.data, "web", "one")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestExec_ATerminalIsGivenBackHoweverTenEnds(t *testing.T) {
	atAllLevels(t, func(t *testing.T, web func(string) string) {
		requireRoot(t, "a namespace needs it")
		d := launch(t, setup{services: web("listen = \"unix\"")})
		d.must("register", "web:one")
		mark := filepath.Base(d.dir)
		script := "echo up-$((40+2)); sleep 1000; : " + mark
		deaf := "trap '' HUP; echo up-$((40+2)); while :; do sleep 1; done; : " + mark
		for _, c := range []struct {
			script string
			leave  func(s *seat)
			codes  []int
		}{
			{script, func(s *seat) { _ = s.cmd.Process.Signal(syscall.SIGTERM) }, []int{128 + 15}},
			{deaf, func(s *seat) { _ = s.cmd.Process.Signal(syscall.SIGHUP) }, []int{128 + 1}},
			{script, func(s *seat) { s.keyboard.Close() }, []int{128 + 1}},
			{script, func(s *seat) { d.must("stop", "web:one") }, []int{128 + 15, 128 + 9}}, // as its app; in gVisor with it
			{script, func(*seat) { d.murder() }, []int{1}},
		} {
			s := d.sitDown("exec", "-t", "web:one", "--", "sh", "-c", c.script)
			s.sees("up-42")
			if s.termios() == s.before {
				t.Error("keys are not handed on as they are")
			}
			c.leave(s)
			s.ends(c.codes...)
			if d.running() {
				eventually(t, "the end of the command", 60*time.Second, func() bool { return !d.runs(mark) })
			}
		}
		d.start()
		d.want(200, "web", "one", "/")
		if d.runs(mark) {
			t.Error("the last command is still there")
		}
	})
}

// runs reports whether a program of web:one has a mark in its command line.
func (d *daemon) runs(mark string) bool {
	d.t.Helper()
	out, errs, code := d.ten("exec", "--no-wake", "web:one", "--", "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null; :")
	if code != 0 && !strings.Contains(errs, "web:one is ") {
		d.t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	return strings.Contains(out, mark)
}

func TestExec_ATerminalIsRefusedWhereTheInputIsNone(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", "listen = \"unix\"")})
	d.must("register", "web:one")
	d.stdin = strings.NewReader("echo typed\n")
	if out, errs, code := d.ten("exec", "-t", "web:one", "--", "sh"); code != 1 || out != "" || !strings.Contains(errs, "the input of ten is none") {
		t.Errorf("exit %d: %q %q", code, out, errs)
	}
	d.stdin = strings.NewReader("tty; exit 7\n")
	if out, errs, code := d.ten("exec", "web:one", "--", "sh"); code != 7 || out != "not a tty\n" || errs != "" {
		t.Errorf("exit %d: %q %q", code, out, errs)
	}
}
