package sandbox

import (
	"testing"
	"time"
)

// BenchmarkLimits is what each limit adds to a start, and to its end.
func BenchmarkLimits(b *testing.B) {
	program := waiter(b)
	e := newEngine(b, Options{})
	for _, c := range []struct {
		name   string
		limits Limits
	}{
		{"none", Limits{}},
		{"pids", Limits{Pids: 256}},
		{"pids+memory", Limits{Pids: 256, MemoryBytes: 64 << 20}},
		{"pids+memory+cpu", Limits{Pids: 256, MemoryBytes: 64 << 20, CPUs: 1, CPUWeight: 100}},
		{"files", Limits{OpenFiles: 256}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := character(b, "hangs")
			s.Argv, s.Limits = []string{program}, c.limits
			var took, ended []time.Duration
			for b.Loop() {
				s.Generation++
				exited := make(chan Status, 1)
				begin := time.Now()
				p, err := e.Start(s, Events{Exited: func(s Status) { exited <- s }})
				took = append(took, time.Since(begin))
				if err != nil {
					b.Fatal(err)
				}
				begin = time.Now()
				if err := p.Kill(); err != nil {
					b.Fatal(err)
				}
				<-exited
				if err := p.Release(); err != nil {
					b.Fatal(err)
				}
				ended = append(ended, time.Since(begin))
			}
			b.ReportMetric(median(took), "start-p50-µs")
			b.ReportMetric(median(ended), "end-p50-µs")
		})
	}
}
