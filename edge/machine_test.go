package edge

import "testing"

func TestMachine_ReadsWhatTheKernelWrites(t *testing.T) {
	busy, total := cpuTimes("cpu  100 50 30 1000 20 5 5 10 7 7\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
	if busy != 2 || total < 12.19 || total > 12.21 {
		t.Errorf("busy %g of %g seconds", busy, total)
	}
	if busy, total := cpuTimes("cpu  100 0 0 100 0"); busy != 1 || total != 2 {
		t.Errorf("an old kernel's: %g of %g", busy, total)
	}
	for _, text := range []string{"", "cpu", "intr 1 2 3 4 5 6", "\n"} {
		if busy, total := cpuTimes(text); busy != 0 || total != 0 {
			t.Errorf("%q is taken for times", text)
		}
	}
	const meminfo = "MemTotal:       24576 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\nSwapTotal: 7 kB\n"
	if kilobytes(meminfo, "MemTotal") != 24<<20 || kilobytes(meminfo, "MemAvailable") != 1<<20 || kilobytes(meminfo, "Mem") != 0 || kilobytes("", "x") != 0 {
		t.Error("meminfo is misread")
	}
	if firstNumber("7.61 5 3 1/2 3") != 7.61 || firstNumber("") != 0 || firstNumber("x") != 0 {
		t.Error("loadavg is misread")
	}
}

func TestMachine_SaysSomethingOfThisOne(t *testing.T) {
	s := readServer()
	if s.CPUs < 1 || s.CPUBusySecs <= 0 || s.CPUTotalSecs <= s.CPUBusySecs || s.MemoryTotal <= s.MemoryAvailable || s.MemoryAvailable <= 0 || s.DaemonMemory <= 1<<20 {
		t.Errorf("%+v", s)
	}
}
