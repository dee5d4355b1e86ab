package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// waiter is a static program that does nothing until it is killed: the app whose
// own start costs next to nothing.
func waiter(b *testing.B) string {
	b.Helper()
	return assemble(b, "waiter", "mov $34,%eax\n syscall\n jmp _start\n")
}

// assemble makes a static program of amd64's instructions.
func assemble(b *testing.B, name, code string) string {
	b.Helper()
	dir := b.TempDir()
	source, program := filepath.Join(dir, name+".s"), filepath.Join(dir, name)
	if err := os.WriteFile(source, []byte(".globl _start\n_start: "+code), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, argv := range [][]string{{"as", "-o", source + ".o", source}, {"ld", "-o", program, source + ".o"}} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			b.Skipf("needs as and ld for amd64: %v: %s", err, out)
		}
	}
	return program
}

// BenchmarkWake compares a wake as far as this package goes with the bare fork
// and exec that nobody can do without; "ended" includes the killing and cleaning.
func BenchmarkWake(b *testing.B) {
	program := waiter(b)
	b.Run("bare", func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			begin := time.Now()
			pid, err := syscall.ForkExec(program, []string{program}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true}})
			took = append(took, time.Since(begin))
			if err != nil {
				b.Fatal(err)
			}
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(pid, nil, 0, nil)
		}
		b.ReportMetric(median(took), "start-p50-µs")
	})
	for _, listen := range []Listen{ListenFD, ListenUnix} {
		b.Run(string(listen), func(b *testing.B) { benchmarkWake(b, program, listen) })
	}
}

func benchmarkWake(b *testing.B, program string, listen Listen) {
	e := newEngine(b, Options{})
	dir := shortDir(b)
	var took []time.Duration
	generation := uint64(0)
	for b.Loop() {
		generation++
		exited := make(chan Status, 1)
		s := Spec{
			Name: "notes:alice", Generation: generation, Level: LevelProcess, Argv: []string{program}, Env: []string{"PATH=/bin"},
			Dir: "/", RunDir: dir, Listen: listen, Socket: filepath.Join(dir, strconv.FormatUint(generation, 10)+".sock"),
		}
		begin := time.Now()
		p, err := e.Start(s, Events{Exited: func(s Status) { exited <- s }})
		if err == nil && listen == ListenFD {
			_, err = p.Ready(b.Context())
		}
		took = append(took, time.Since(begin))
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
	}
	b.ReportMetric(median(took), "start-p50-µs")
}

func median(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2].Microseconds())
}

// BenchmarkLook is one look at a port that nobody listens on yet, and one at a
// socket that is there.
func BenchmarkLook(b *testing.B) {
	e := newEngine(b, Options{})
	unready := start(b, e, withPort(b, e, character(b, "hangs")))
	s := withSocket(character(b, "listensUnix"))
	s.Name = "notes:bob"
	ready := start(b, e, s)
	if _, err := ready.Ready(patient(b)); err != nil {
		b.Fatal(err)
	}
	for name, n := range map[string]*tenant{"port": unready, "socket": ready} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				n.look()
			}
		})
	}
}
