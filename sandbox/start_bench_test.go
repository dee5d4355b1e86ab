package sandbox

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// leaver is a static program that ends at once.
func leaver(b *testing.B) string {
	b.Helper()
	return assemble(b, "leaver", "mov $231,%eax\n xor %edi,%edi\n syscall\n")
}

// BenchmarkStart takes the time until a program that does nothing has been
// started and seen to end: bare, at each level, and by bubblewrap where that is
// installed. One of each in turn, so that whatever else the machine does happens
// to all of them. What comes after the end is not in it. Run directories lie on a
// tmpfs, as a server's /run does.
func BenchmarkStart(b *testing.B) {
	program := leaver(b)
	e := newEngine(b, Options{})
	type way struct {
		name string
		run  func() time.Duration
		took []time.Duration
	}
	ways := []*way{
		{name: "bare", run: func() time.Duration { return bare(b, program) }},
		{name: "process", run: starter(b, e, onTmpfs(b, Spec{Level: LevelProcess, Argv: []string{program}}))},
		{name: "namespace", run: starter(b, e, onTmpfs(b, inNamespace(b, Spec{Argv: []string{program}})))},
	}
	if path, err := exec.LookPath("bwrap"); err == nil {
		ways = append(ways, &way{name: "bwrap", run: func() time.Duration { return bubblewrap(b, path, program) }})
	}
	for b.Loop() {
		for _, w := range ways {
			w.took = append(w.took, w.run())
		}
	}
	for _, w := range ways {
		b.ReportMetric(median(w.took), w.name+"-p50-µs")
		b.ReportMetric(float64(w.took[len(w.took)*99/100].Microseconds()), w.name+"-p99-µs")
	}
}

// onTmpfs moves a run directory there, where this machine has one.
func onTmpfs(b *testing.B, s Spec) Spec {
	const shm = "/dev/shm"
	dir := shortDir(b)
	if isTmpfs(shm) == nil {
		var err error
		if dir, err = os.MkdirTemp(shm, "sb"); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { os.RemoveAll(dir) })
	}
	s.Hidden = append(s.Hidden, filepath.Join(dir, "run"))
	s.RunDir = filepath.Join(dir, "run", "t", "1")
	return s
}

// bare is the fork, exec and wait that nobody can do without.
func bare(b *testing.B, program string) time.Duration {
	begin := time.Now()
	pid, err := syscall.ForkExec(program, []string{program}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true}})
	if err == nil {
		_, err = syscall.Wait4(pid, nil, 0, nil)
	}
	took := time.Since(begin)
	if err != nil {
		b.Fatal(err)
	}
	return took
}

// bubblewrap encloses as much as it can: neither a filter of system calls nor
// Landlock, a cgroup or a user of the tenant's own.
func bubblewrap(b *testing.B, bwrap, program string) time.Duration {
	begin := time.Now()
	cmd := exec.Command(bwrap, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
		"--tmpfs", "/run", program)
	out, err := cmd.CombinedOutput()
	took := time.Since(begin)
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return took
}

// starter gives what starts a spec, waits for its end, and clears up.
func starter(b *testing.B, e *Engine, s Spec) func() time.Duration {
	s.Name, s.Env, s.Dir, s.Listen = "notes:"+string(s.Level), []string{"PATH=/bin"}, "/", ListenUnix
	if s.RunDir == "" {
		s.RunDir = shortDir(b)
	}
	return func() time.Duration {
		s.Generation++
		s.Socket = filepath.Join(s.RunDir, strconv.FormatUint(s.Generation, 10)+".sock")
		exited := make(chan Status, 1)
		begin := time.Now()
		p, err := e.Start(s, Events{Exited: func(s Status) { exited <- s }})
		if err != nil {
			b.Fatal(err)
		}
		status := <-exited
		took := time.Since(begin)
		if !status.Clean() {
			b.Fatal(status)
		}
		if err := p.Release(); err != nil {
			b.Fatal(err)
		}
		return took
	}
}

// BenchmarkDial compares a connection into a tenant's network with one to the
// host's loopback.
func BenchmarkDial(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("a network namespace needs root")
	}
	p := newNetPool(alone)
	defer p.close()
	n, err := p.take()
	if err != nil {
		b.Fatal(err)
	}
	defer n.close()
	accept := func(l net.Listener) {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}
	fd, err := n.socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(somewhere.Port()), Addr: somewhere.Addr().As4()}); err != nil {
		b.Fatal(err)
	}
	if err := unix.Listen(fd, 1024); err != nil {
		b.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "listener")
	inside, err := net.FileListener(file)
	file.Close()
	if err != nil {
		b.Fatal(err)
	}
	host, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer inside.Close()
	defer host.Close()
	go accept(inside) // ends with its listener
	go accept(host)
	var into, beside []time.Duration
	for b.Loop() {
		begin := time.Now()
		c, err := n.dial(b.Context(), somewhere)
		into = append(into, time.Since(begin))
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
		begin = time.Now()
		c, err = net.Dial("tcp", host.Addr().String())
		beside = append(beside, time.Since(begin))
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
	slices.Sort(into)
	b.ReportMetric(float64(into[len(into)/2].Nanoseconds())/1000, "inside-p50-µs")
	b.ReportMetric(median(beside), "host-p50-µs")
}
