package main

import (
	"fmt"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// clock is what is known of the machine's.
type clock struct {
	now, built time.Time // of the commit that this program was built from; zero = unknown
	status     int32     // of adjtimex(2)
	err        error     // the kernel did not say
}

func readClock() clock {
	c := clock{now: time.Now()}
	var kernel unix.Timex // no mode: it only asks
	_, c.err = unix.Adjtimex(&kernel)
	c.status = kernel.Status
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				c.built, _ = time.Parse(time.RFC3339, s.Value) // zero = unknown
			}
		}
	}
	return c
}

const setClock = "`timedatectl set-ntp true`, after `apt install systemd-timesyncd` where it has none"

// judge says whether the clock can be believed. certified: certificates are
// measured by it.
func (c clock) judge(certified bool) finding {
	const name = "clock"
	measured := "tokens' ends, the days of `ten usage` and logs go by it"
	if certified {
		measured = "certificates, " + measured
	}
	switch {
	case c.now.Before(c.built):
		return finding{name, wrong, fmt.Sprintf("says %s, when this program was not written yet", c.now.UTC().Format(time.DateTime)), measured, setClock}
	case c.err != nil:
		return finding{name, doubtful, "the kernel does not say whether it is synchronised: " + c.err.Error(), measured, "compare `date -u` with another machine's"}
	case c.status&unix.STA_UNSYNC != 0:
		return finding{name, doubtful, "nobody keeps it right, as far as the kernel knows", measured, setClock}
	}
	return good(name, "synchronised")
}
