package sandbox

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStart compares what a start costs at each level with the bare fork
// and exec, and with bubblewrap where that is installed: one of each in turn, so
// that whatever else the machine does happens to all of them.
func BenchmarkStart(b *testing.B) {
	program := waiter(b)
	e := newEngine(b, Options{})
	process := starter(b, e, Spec{Level: LevelProcess, Argv: []string{program}})
	dir := shortDir(b)
	namespace := starter(b, e, inNamespace(b, Spec{Argv: []string{program}, RunDir: dir}))
	ways := []struct {
		name  string
		start func() time.Duration
	}{
		{"bare", func() time.Duration { return bare(b, program) }},
		{"process", process},
		{"namespace", namespace},
	}
	if path, err := exec.LookPath("bwrap"); err == nil {
		ways = append(ways, struct {
			name  string
			start func() time.Duration
		}{"bwrap", func() time.Duration { return bubblewrap(b, path, program) }})
	}
	took := make([][]time.Duration, len(ways))
	for b.Loop() {
		for i, way := range ways {
			took[i] = append(took[i], way.start())
		}
	}
	for i, way := range ways {
		b.ReportMetric(median(took[i]), way.name+"-p50-µs")
		b.ReportMetric(float64(took[i][len(took[i])*99/100].Microseconds()), way.name+"-p99-µs")
	}
}

// bare is the fork and exec that nobody can do without.
func bare(b *testing.B, program string) time.Duration {
	begin := time.Now()
	pid, err := syscall.ForkExec(program, []string{program}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true}})
	took := time.Since(begin)
	if err != nil {
		b.Fatal(err)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	_, _ = syscall.Wait4(pid, nil, 0, nil)
	return took
}

// bubblewrap is timed until it has started the program, which shows by a byte
// that the program's shell writes; bare adds what a shell costs to nothing else.
func bubblewrap(b *testing.B, bwrap, program string) time.Duration {
	begin := time.Now()
	cmd := exec.Command(bwrap, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
		"/bin/true")
	err := cmd.Run()
	took := time.Since(begin)
	if err != nil {
		b.Fatal(err)
	}
	return took
}

// starter gives what starts a spec, measures it and ends it.
func starter(b *testing.B, e *Engine, s Spec) func() time.Duration {
	s.Name, s.Env, s.Dir, s.Listen = "notes:alice", []string{"PATH=/bin"}, "/", ListenUnix
	if s.RunDir == "" {
		s.RunDir = shortDir(b)
	}
	return func() time.Duration {
		s.Generation++
		s.Socket = filepath.Join(s.RunDir, strconv.FormatUint(s.Generation, 10)+".sock")
		exited := make(chan Status, 1)
		begin := time.Now()
		p, err := e.Start(s, Events{Exited: func(s Status) { exited <- s }})
		took := time.Since(begin)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Kill(); err != nil {
			b.Fatal(err)
		}
		<-exited
		if err := p.Release(); err != nil {
			b.Fatal(err)
		}
		return took
	}
}
