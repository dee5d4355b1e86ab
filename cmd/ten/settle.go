package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// When a daemon gives memory back: soon after its start, of which most is never
// needed again, and whenever nobody has woken for a while.
const (
	settleFirst = time.Second
	settleAfter = 10 * time.Minute
)

// settler gives the kernel back what the daemon used and does not use any more:
// freed memory, and the pages of the program itself. Those come back from the page
// cache when they are needed, 16 at a time, in a microsecond or two.
type settler struct {
	timer *time.Timer
}

// newSettler waits for started and woken; stop ends it.
func newSettler(log zerolog.Logger) *settler {
	return &settler{time.AfterFunc(settleAfter, func() {
		debug.FreeOSMemory()
		if err := releaseProgram(); err != nil {
			log.Debug().Err(err).Msg("cannot give back the program's own pages")
		}
	})}
}

// started: whatever the start needed may go.
func (s *settler) started() { s.timer.Reset(settleFirst) }

// woken puts it off: somebody has woken.
func (s *settler) woken() { s.timer.Reset(settleAfter) }

// stop does not wait for a round that is under way: it changes nothing that is seen.
func (s *settler) stop() { s.timer.Stop() }

// releaseProgram gives back those pages of the program that are as its file has
// them.
func releaseProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer maps.Close()
	unchanged, err := unchangedMappings(maps, program)
	if err != nil {
		return err
	}
	for _, m := range unchanged {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise: %w", errno)
		}
	}
	return nil
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// unchangedMappings reads proc_pid_smaps(5): the mappings of a file that cannot be
// written to and hold no page of their own. One that does (relocated, or with a
// debugger's breakpoint) would lose it.
func unchangedMappings(smaps io.Reader, file string) (all []mapping, err error) {
	var m mapping
	candidate := false
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 5 && !strings.HasSuffix(fields[0], ":") { // 00400000-00c65000 r-xp 00000000 08:01 123 /usr/bin/ten
			if _, err := fmt.Sscanf(fields[0], "%x-%x", &m.from, &m.to); err != nil {
				return nil, fmt.Errorf("cannot read %q: %w", lines.Text(), err)
			}
			candidate = len(fields) > 5 && strings.Join(fields[5:], " ") == file && !strings.Contains(fields[1], "w")
		}
		if candidate && len(fields) > 1 && fields[0] == "Anonymous:" && fields[1] == "0" {
			all = append(all, m)
		}
	}
	return all, lines.Err()
}
