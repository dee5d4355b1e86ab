package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// newcomer runs the README's first command with empty caches until the first page.
func newcomer(b *bench) error {
	took, err := coldDemo(b)
	failures := 0
	if err != nil {
		failures = 1
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	b.found.add(result{Name: "go run ./cmd/ten demo, cold, to the first page", Value: number(took.Seconds()), Unit: "s", Runs: 1, Failures: failures,
		Note: "one run of a fresh clone; GOCACHE and GOMODCACHE empty; modules through the module proxy"})
	return nil
}

// link is what `ten demo` prints for a customer.
var link = regexp.MustCompile(`http://([a-z0-9-]+\.[a-z0-9-]+\.localhost):(\d+)`)

// coldDemo times the README's first command on a machine that has Go and a
// network and nothing else: a fresh clone, and every cache of Go's empty.
func coldDemo(b *bench) (time.Duration, error) {
	clone := filepath.Join(b.work, "clone")
	if _, err := output("", "git", "clone", "--quiet", b.repo, clone); err != nil {
		return 0, err
	}
	cmd := exec.Command("go", "run", "./cmd/ten", "demo")
	cmd.Dir = clone
	cmd.Env = append(os.Environ(), "GOCACHE="+b.work+"/gocache", "GOMODCACHE="+b.work+"/gomodcache", "GOFLAGS=-modcacherw")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a shell does: Ctrl-C reaches go and ten
	out := &safeBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() { // ends with the command, which is waited for below
		cmd.Wait()
		close(ended)
	}()
	took, err := firstPage(out, began, ended)
	syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		err = fmt.Errorf("the demo did not end on Ctrl-C: %s", out)
	}
	return took, err
}

func firstPage(out *safeBuffer, began time.Time, ended chan struct{}) (time.Duration, error) {
	for time.Since(began) < 20*time.Minute {
		select {
		case <-ended:
			return 0, fmt.Errorf("the demo ended: %s", out)
		case <-time.After(10 * time.Millisecond):
		}
		found := link.FindStringSubmatch(out.String())
		if found == nil {
			continue
		}
		c, err := dialPort(found[2])
		if err != nil {
			continue
		}
		_, err = get(c, found[1], "/")
		c.Close()
		if err == nil {
			return time.Since(began), nil
		}
	}
	return 0, fmt.Errorf("no page in 20 minutes: %s", out)
}

// safeBuffer collects output while somebody reads it.
type safeBuffer struct {
	mu   sync.Mutex
	text []byte
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	return len(p), nil
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}
