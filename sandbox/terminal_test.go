package sandbox

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminalPatience is how long a test waits at a terminal: gVisor on a busy machine
// takes its time.
const terminalPatience = time.Minute

// operator sits at the terminal of a command.
type operator struct {
	t      *testing.T
	master *os.File
	signal func(syscall.Signal) error
	exited chan Status

	mu   sync.Mutex
	seen bytes.Buffer
}

// sit runs a command at a terminal of 40 x 100.
func sit(t *testing.T, p *Process, argv ...string) *operator {
	t.Helper()
	o := &operator{t: t, exited: make(chan Status, 2)}
	attach := func(master *os.File) {
		fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 10)
		if err == nil {
			err = unix.SetNonblock(fd, true)
		}
		if err != nil {
			t.Fatal(err)
		}
		o.master = os.NewFile(uintptr(fd), "master")
	}
	var err error
	o.signal, err = p.Exec(Command{
		Argv: argv, Env: []string{"PATH=/usr/bin:/bin", "PS1=prompt ", "TERM=vt100"}, Terminal: &Terminal{Rows: 40, Cols: 100, Attach: attach},
	}, func(s Status) { o.exited <- s })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.master.Close() })
	go func() { // ends with the terminal
		chunk := make([]byte, 4096)
		for {
			n, err := o.master.Read(chunk)
			o.mu.Lock()
			o.seen.Write(chunk[:n])
			o.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return o
}

func (o *operator) screen() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen.String()
}

// sees waits until text is on the screen.
func (o *operator) sees(text string) {
	o.t.Helper()
	for begin := time.Now(); !strings.Contains(o.screen(), text); time.Sleep(time.Millisecond) {
		if time.Since(begin) > terminalPatience {
			o.t.Fatalf("waited in vain for %q; on the screen is\n%s", text, o.screen())
		}
	}
}

func (o *operator) types(keys string) {
	o.t.Helper()
	if _, err := io.WriteString(o.master, keys); err != nil {
		o.t.Fatal(err)
	}
}

func (o *operator) wait() Status {
	o.t.Helper()
	select {
	case s := <-o.exited:
		return s
	case <-time.After(terminalPatience):
		o.t.Fatalf("the command did not end; on the screen is\n%s", o.screen())
		return Status{}
	}
}

// atEachLevel runs a test beside a tenant that sleeps, at every level.
func atEachLevel(t *testing.T, test func(t *testing.T, n *tenant)) {
	t.Parallel()
	for level, spec := range map[string]func(*testing.T, *Engine) Spec{
		"process":   func(t *testing.T, _ *Engine) Spec { s := character(t, ""); return s },
		"namespace": func(t *testing.T, _ *Engine) Spec { return inNamespace(t, character(t, "")) },
		"sandbox":   func(t *testing.T, e *Engine) Spec { return inSandbox(t, e, character(t, "")) },
	} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, Options{})
			s := spec(t, e)
			s.Argv = []string{"/bin/sh", "-c", "echo up; exec sleep 1000"}
			n := start(t, e, s)
			eventually(t, "the tenant", func() bool { return strings.Contains(n.output(Stdout), "up\n") })
			test(t, n)
		})
	}
}

func TestTerminal_IsTheCommandsOwnAndHasASize(t *testing.T) {
	atEachLevel(t, func(t *testing.T, n *tenant) {
		o := sit(t, n.Process, "sh", "-c", `trap 'echo now $(stty size)' WINCH; stty size; test -t 0 && test -t 1 && test -t 2 && echo three; echo $TERM; echo typed: ; while ! read word; do :; done; echo "<$word>"; exit 7`)
		o.sees("typed:")
		if err := unix.IoctlSetWinsize(int(o.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 132}); err != nil {
			t.Fatal(err)
		}
		o.sees("now 50 132")
		o.types("hello\n")
		o.sees("<hello>")
		if status := o.wait(); status.Code != 7 {
			t.Error(status)
		}
		if got := o.screen(); !strings.HasPrefix(got, "40 100\r\nthree\r\nvt100\r\n") {
			t.Errorf("%q", got)
		}
		if !alive(n.pid) {
			t.Error("the tenant's own program ended")
		}
	})
}

func TestTerminal_AShellHasJobsAndKeysInterrupt(t *testing.T) {
	atEachLevel(t, func(t *testing.T, n *tenant) {
		o := sit(t, n.Process, "sh", "-i")
		o.sees("prompt ")
		o.types("sh -c 'echo one-$((40+2)); exec sleep 1000'\n")
		o.sees("one-42")
		o.types("\x03") // Ctrl-C
		o.types("echo code-$?-\n")
		o.sees("code-130-")
		o.types("sh -c 'echo two-$((40+2)); exec sleep 1000'\n")
		o.sees("two-42")
		o.types("\x1a") // Ctrl-Z
		o.sees("Stopped")
		o.types("kill -9 %1; wait %1; echo rest-$((40+2))\n")
		o.sees("rest-42")
		o.types("exec sh -c 'exit 7'\n") // exit asks once more, having stopped jobs
		if status := o.wait(); status.Code != 7 {
			t.Error(status)
		}
		if strings.Contains(o.screen(), "job control") {
			t.Errorf("no job control:\n%s", o.screen())
		}
	})
}

func TestTerminal_WhoLeavesHangsUpAndASignalReachesTheCommand(t *testing.T) {
	atEachLevel(t, func(t *testing.T, n *tenant) {
		o := sit(t, n.Process, "sh", "-c", "echo up; exec sleep 1000")
		o.sees("up")
		o.master.Close()
		if status := o.wait(); status.Signal != int(unix.SIGHUP) {
			t.Errorf("it ended by %s", status)
		}
		o = sit(t, n.Process, "sh", "-c", "trap '' HUP; echo deaf; while :; do sleep 1000; done")
		o.sees("deaf")
		o.master.Close()
		if err := o.signal(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		if status := o.wait(); status.Signal != int(unix.SIGKILL) {
			t.Errorf("it ended by %s", status)
		}
	})
}

func TestTerminal_HasANameWhereDevicesAreTheTenants(t *testing.T) {
	t.Parallel()
	n := start(t, newEngine(t, Options{}), scripted(t, "exec sleep 1000"))
	o := sit(t, n.Process, "sh", "-c", "tty; stat -c %u:%a $(tty); echo reached >/dev/tty")
	if status := o.wait(); !status.Clean() {
		t.Error(status)
	}
	o.sees("reached")
	if got := o.screen(); !strings.HasPrefix(got, "/dev/pts/0\r\n") || !strings.Contains(got, ":620\r\n") || strings.Contains(got, "\n0:") {
		t.Errorf("%q", got)
	}
}

func TestTerminal_ACommandThatIsNotThereLeavesNone(t *testing.T) {
	atEachLevel(t, func(t *testing.T, n *tenant) {
		attach := func(*os.File) { t.Error("a terminal without a command") }
		_, err := n.Exec(Command{Argv: []string{"no-such-program"}, Env: []string{"PATH=/bin"}, Terminal: &Terminal{Attach: attach}}, nil)
		if err == nil || !strings.Contains(err.Error(), `cannot find "no-such-program" in the PATH "/bin"`) {
			t.Error(err)
		}
	})
}
