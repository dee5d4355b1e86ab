package sandbox

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkGuest is a wake through gVisor until the program listens, and what
// the tenant weighs then: its processes' share of memory.
func BenchmarkGuest(b *testing.B) {
	for name, argv := range map[string][]string{
		"python": {"python3", "-c", "import socket\ns = socket.create_server(('127.0.0.1', 8080))\nwhile True: s.accept()"},
		"node":   {"node", "-e", "require('net').createServer().listen(8080, '127.0.0.1')"},
		"go":     nil,
	} {
		for _, level := range []Level{LevelNamespace, LevelSandbox} {
			b.Run(name+"/"+string(level), func(b *testing.B) { benchmarkGuest(b, level, argv) })
		}
	}
}

func benchmarkGuest(b *testing.B, level Level, argv []string) {
	e := newEngine(b, Options{})
	s := inSandbox(b, e, character(b, "listensTCP4", "PORT=8080"))
	s.Level, s.Listen, s.Port = level, ListenTCP, 8080
	if argv != nil {
		s.Argv = argv
	}
	var took []time.Duration
	var weight int
	for b.Loop() {
		exited := make(chan Status, 1)
		begin := time.Now()
		p, err := e.Start(s, Events{Exited: func(s Status) { exited <- s }})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Ready(patient(b)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
		weight = share(b, p.tree)
		if err := p.Kill(); err != nil {
			b.Fatal(err)
		}
		<-exited
		if err := p.Release(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(median(took)/1000, "ready-p50-ms")
	b.ReportMetric(float64(weight)/1024, "PSS-MB")
}

// share sums up the proportional set sizes of a tree's processes, in KB.
func share(b *testing.B, t tree) int {
	members, err := t.members()
	if err != nil {
		b.Fatal(err)
	}
	sum := 0
	for _, m := range members {
		data, _ := os.ReadFile("/proc/" + strconv.Itoa(m.pid) + "/smaps_rollup") // gone meanwhile: weighs nothing
		_, after, _ := strings.Cut(string(data), "\nPss:")
		kilobytes, _, _ := strings.Cut(strings.TrimSpace(after), " ")
		n, _ := strconv.Atoi(kilobytes)
		sum += n
	}
	return sum
}
