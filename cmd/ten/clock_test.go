package main

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestClock_SaysWhetherItCanBeBelieved(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for about, c := range map[string]struct {
		clock clock
		state verdict
		says  string
	}{
		"kept right":    {clock{now: now, built: now.Add(-time.Hour), status: unix.STA_PLL}, fine, "synchronised"},
		"left alone":    {clock{now: now, status: unix.STA_UNSYNC}, doubtful, "timedatectl set-ntp true"},
		"no answer":     {clock{now: now, err: unix.ENOSYS}, doubtful, "function not implemented"},
		"from long ago": {clock{now: time.Unix(0, 0), built: now}, wrong, "says 1970-01-01 00:00:00, when this program was not written yet"},
	} {
		f := c.clock.judge(true)
		if text := f.Found + f.Means + f.Remedy; f.State != c.state || !strings.Contains(text, c.says) || c.state != fine && !strings.Contains(f.Means, "certificates") {
			t.Errorf("%s: %+v", about, f)
		}
	}
}

func TestClock_IsAskedOfTheKernel(t *testing.T) {
	t.Parallel()
	c := readClock()
	if c.err != nil || c.now.IsZero() {
		t.Errorf("%+v", c)
	}
}
