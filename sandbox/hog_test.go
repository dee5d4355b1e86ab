package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Characters that want more than their share.

// forkBomb makes children until a fork is refused, says how many there were, and
// lives on.
func forkBomb() {
	n := 0
	for {
		pid, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "600"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
		if err != nil {
			say(fmt.Sprintf("refused after %d: %v", n, err))
			break
		}
		_ = pid
		n++
	}
	if os.Getenv("TEST_THEN") == "exit" {
		os.Exit(11)
	}
	hang()
}

// eat takes memory, page by page, until there is no more.
func eat() {
	most := 512 << 20
	if mb, err := strconv.Atoi(os.Getenv("TEST_COUNT")); err == nil {
		most = mb << 20
	}
	data, err := unix.Mmap(-1, 0, most, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	must(err)
	for i := 0; i < len(data); i += 4096 {
		data[i] = 1
	}
	say("ate")
}

// burn uses all the CPU it gets, and says how much it got of two seconds.
func burn() {
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for n := 0; ; n++ {
				_ = n
			}
		}()
	}
	time.Sleep(2 * time.Second)
	var usage unix.Rusage
	must(unix.Getrusage(unix.RUSAGE_SELF, &usage))
	say(fmt.Sprintf("burned %d ms", (usage.Utime.Nano()+usage.Stime.Nano())/1e6))
	os.Exit(0)
}

// showsLimits prints what it was born with.
func showsLimits() {
	for _, file := range []string{"limits", "cgroup"} {
		data, err := os.ReadFile("/proc/self/" + file)
		must(err)
		for line := range strings.Lines(string(bytes.TrimSpace(data))) {
			say(file + ": " + strings.Join(strings.Fields(line), " "))
		}
	}
	say("end")
}

// showsSecrets prints what it was given, and how.
func showsSecrets() {
	dir := os.Getenv("SECRETS_DIR")
	info, err := os.Stat(dir)
	must(err)
	say(fmt.Sprintf("dir %04o", info.Mode().Perm()))
	entries, err := os.ReadDir(dir)
	must(err)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(err)
		info, err := e.Info()
		must(err)
		say(fmt.Sprintf("%s %04o %q", e.Name(), info.Mode().Perm(), text))
	}
	say("end")
	hang()
}
