package main

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

const smapsText = `00400000-00c65000 r-xp 00000000 08:01 123   /usr/bin/ten
Size:               8596 kB
Rss:                7764 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00c65000-01558000 r--p 00865000 08:01 123   /usr/bin/ten
Rss:                7116 kB
Anonymous:             4 kB
01558000-0160a000 rw-p 01158000 08:01 123   /usr/bin/ten
Anonymous:             0 kB
0160a000-03675000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f0000000000-7f0000002000 r--p 00000000 08:01 123   /usr/bin/tenement
Anonymous:             0 kB
7f0000004000-7f0000006000 r--s 00001000 08:01 123   /usr/bin/ten
Anonymous:             0 kB
7f0000008000-7f000000a000 r--p 00001000 08:01 123   /usr/bin/ten (deleted)
Anonymous:             0 kB
`

func TestSettle_OnlyWhatIsAsTheFileHasItIsGivenBack(t *testing.T) {
	for file, want := range map[string][]mapping{
		"/usr/bin/ten":           {{0x400000, 0xc65000}, {0x7f0000004000, 0x7f0000006000}},
		"/usr/bin/ten (deleted)": {{0x7f0000008000, 0x7f000000a000}},
		"/usr/bin/te":            nil,
	} {
		got, err := unchangedMappings(strings.NewReader(smapsText), file)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %x, %v, want %x", file, got, err, want)
		}
	}
	if _, err := unchangedMappings(strings.NewReader("x-y r--p 0 08:01 1 /usr/bin/ten\n"), "/usr/bin/ten"); err == nil || !strings.Contains(err.Error(), `cannot read "x-y r--p`) {
		t.Errorf("%v", err)
	}
	long := strings.Repeat("x", 1<<17)
	if _, err := unchangedMappings(strings.NewReader(long), "/usr/bin/ten"); err == nil {
		t.Error("a line without an end is read as the last")
	}
}

// fileMB is how much of a process's memory is pages of files.
func fileMB(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssFile:")
	kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb / 1024
}

// A daemon that has started holds few of the program's pages, and finds again what
// it needs of them: it answers, and ends as ever.
func TestSettle_ADaemonGivesBackWhatItsStartNeeded(t *testing.T) {
	w := newWorld(t)
	ten := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), binary(t), args...)
		for k, v := range w.env {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
		return cmd
	}
	daemon, log := ten("serve", "-p", "0"), &buffer{}
	daemon.Stderr = log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }() // killed with the test's context at the latest
	until(t, "it serves", func() bool { return strings.Contains(log.String(), "serving") })
	until(t, "of the 15 MB that a start needs less than half are left", func() bool { return fileMB(t, daemon.Process.Pid) < 7 })
	if out, err := ten("ps", "--all").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if err := daemon.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v:\n%s", err, log)
	}
}

func TestSettle_AWakePutsItOff(t *testing.T) {
	s := newSettler(zerolog.Nop())
	s.started()
	s.woken()
	if !s.timer.Stop() {
		t.Error("a timer that was set anew is not set")
	}
	s.woken()
	s.stop()
	if s.timer.Reset(time.Hour) {
		t.Error("stopped, it is still set")
	}
	s.stop()
	if err := releaseProgram(); err != nil { // of this test: it goes on
		t.Error(err)
	}
}
