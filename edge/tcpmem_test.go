package edge

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestKernelMemory_IsScarceFromAQuarterOnwards(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := &kernelMemory{used: filepath.Join(dir, "sockstat"), limits: filepath.Join(dir, "tcp_mem")}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if k.look() {
		t.Error("files that are not there say that memory is scarce")
	}
	for _, c := range []struct {
		used, limits string
		want         bool
	}{
		{"sockets: used 96\nTCP: inuse 23 orphan 0 tw 13 alloc 23 mem 100\nUDP: inuse 0 mem 9000\n", "287\t400\t575\n", false},
		{"TCP: inuse 23 orphan 0 tw 13 alloc 23 mem 101\n", "287\t400\t575\n", true},
		{"TCP: inuse 23 orphan 0 tw 13 alloc 23 mem 101\n", "nonsense\n", false},
		{"TCP: inuse 23\n", "287\t400\t575\n", false},
	} {
		write(k.used, c.used)
		write(k.limits, c.limits)
		if got := k.look(); got != c.want {
			t.Errorf("%q of %q: %t", c.used, c.limits, got)
		}
	}
}

func TestKernelMemory_IsLookedAtNowAndThenOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := &kernelMemory{used: filepath.Join(dir, "sockstat"), limits: filepath.Join(dir, "tcp_mem")}
	k.next.Store(time.Now().Add(time.Hour).UnixMilli())
	k.low.Store(true)
	if !k.scarce() {
		t.Error("it was looked at before its time")
	}
	k.next.Store(0)
	if k.scarce() {
		t.Error("it was not looked at")
	}
}

func TestKernelMemory_OfThisMachineCanBeRead(t *testing.T) {
	t.Parallel()
	for _, path := range []string{tcpMemory.used, tcpMemory.limits} {
		if _, err := os.ReadFile(path); err != nil {
			t.Error(err)
		}
	}
}
