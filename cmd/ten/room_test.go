package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tenement/conf"
)

func TestRoom_ADiskIsJudgedByBytesAndInodes(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	for about, c := range map[string]struct {
		v     volume
		state verdict
		says  string
	}{
		"plenty":        {volume{free: 5000 * mb, inodesFree: 900_000, inodes: 1_000_000}, fine, "/d has 5000 MB free"},
		"getting full":  {volume{free: 500 * mb, inodesFree: 900_000, inodes: 1_000_000}, doubtful, "du -xh"},
		"full":          {volume{free: 5 * mb, inodesFree: 900_000, inodes: 1_000_000}, wrong, "tenants cannot be registered"},
		"few inodes":    {volume{free: 5000 * mb, inodesFree: 40_000, inodes: 1_000_000}, doubtful, "and 40000 inodes"},
		"no inodes":     {volume{free: 5000 * mb, inodesFree: 3, inodes: 1_000_000}, wrong, "and 3 inodes"},
		"uncounted":     {volume{free: 5000 * mb}, fine, "5000 MB free"},
		"not to be had": {volume{err: os.ErrPermission}, doubtful, "cannot look at /d: permission denied"},
	} {
		f := judgeVolume("disk", "/d", c.v, 64*mb, 1024*mb)
		if text := f.Found + f.Means + f.Remedy; f.State != c.state || !strings.Contains(text, c.says) {
			t.Errorf("%s: %+v", about, f)
		}
	}
	if v := volumeOf(filepath.Join(t.TempDir(), "made", "later")); v.err != nil || v.free == 0 {
		t.Errorf("a directory that is not there yet: %+v", v)
	}
	if v := volumeOf("/proc/self/none/\x00"); v.err == nil {
		t.Error("a path that is none was looked at")
	}
}

func TestRoom_MemoryIsHeldAgainstWhatIsPromised(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "meminfo")
	if err := os.WriteFile(file, []byte("MemTotal:        4096000 kB\nMemFree: 1 kB\nMemAvailable:    2048000 kB\nSwapTotal:       1024000 kB\nHugePages_Total:       0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := readMemory(file)
	for about, c := range map[string]struct {
		m               memory
		maxAwake, limit int
		state           verdict
		says            string
	}{
		"enough":      {m, 10, 256, fine, "2000 of 4000 MB available, 1000 MB swap"},
		"no limits":   {m, 0, 256, fine, "2000 of 4000"},
		"overpromise": {m, 20, 256, doubtful, "max_awake × the largest memory_limit_mb is 5120 MB"},
		"short":       {memory{total: 4 << 30, available: 100 << 20}, 0, 0, doubtful, "the kernel may end tenants"},
		"unknown":     {readMemory(file + ".none"), 0, 0, doubtful, "/proc/meminfo does not say"},
	} {
		f := c.m.judge(c.maxAwake, c.limit)
		if text := f.Found + f.Means; f.State != c.state || !strings.Contains(text, c.says) {
			t.Errorf("%s: %+v", about, f)
		}
	}
	if got := largestLimit(map[string]*conf.Service{"a": {MemoryLimitMB: 64}, "b": {MemoryLimitMB: 256}, "c": {}}); got != 256 {
		t.Errorf("%d", got)
	}
}

func TestRoom_OpenFilesAreHeldAgainstMaxAwake(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "limits")
	if err := os.WriteFile(file, []byte("Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 4096                 files     \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := openFiles(file); got != 4096 {
		t.Errorf("%d, the hard one is 4096", got)
	}
	for _, c := range []struct {
		limit    uint64
		maxAwake int
		state    verdict
	}{{4096, 100, fine}, {4096, 0, fine}, {4096, 1000, wrong}, {openFiles(file + ".none"), 1, doubtful}} {
		if f := judgeFiles(c.limit, c.maxAwake); f.State != c.state || f.State == wrong && !strings.Contains(f.Means, "max_awake = 1000 takes 16256") {
			t.Errorf("%+v: %+v", c, f)
		}
	}
	if openFiles("/proc/self/limits") == 0 {
		t.Error("this process has no limit")
	}
}

func TestRoom_TheLowestLimitOfProcessesIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("proc/sys/kernel/pid_max", "4194304\n")
	write("proc/sys/kernel/threads-max", "100000\n")
	write("proc/7/cgroup", "3:pids:/a/b\n2:cpu:/c\n0::/system.slice/tenement.service\nnonsense\n")
	write("cgroup/pids/a/b/pids.max", "max\n")
	write("cgroup/pids/a/pids.max", "9000\n")
	write("cgroup/cpu/c/pids.max", "1\n") // no limit of processes
	write("cgroup/system.slice/pids.max", "512\n")
	if most, where := mostProcesses(dir+"/proc", dir+"/cgroup", "7"); most != 512 || !strings.HasSuffix(where, "cgroup/system.slice/pids.max") {
		t.Errorf("%d by %s", most, where)
	}
	if most, _ := mostProcesses(dir+"/proc", dir+"/cgroup", "8"); most != 100000 {
		t.Errorf("a process that has ended: %d", most)
	}
	for _, c := range []struct {
		most     uint64
		maxAwake int
		state    verdict
	}{{100000, 0, fine}, {100000, 10000, doubtful}, {512, 0, doubtful}} {
		if f := judgeProcesses(c.most, "/f", c.maxAwake); f.State != c.state || c.state != fine && !strings.Contains(f.Found, "says /f") {
			t.Errorf("%+v: %+v", c, f)
		}
	}
	if f := judgeProcesses(0, "", 0); f.State != doubtful {
		t.Errorf("%+v", f)
	}
}
