package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// F12: a daemon that may open few files turns visitors away and serves again.
func TestResources_NoDescriptorsLeft(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{
		wrap:     []string{"prlimit", "--nofile=120:120"},
		services: control + character("web", "serves", `listen = "unix"`),
	})
	d.want(200, "control", "one", "/")
	var held []net.Conn
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	for range 300 {
		c, err := net.DialTimeout("tcp", d.address(), time.Second)
		if err != nil {
			break
		}
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: slow") // never finished
		held = append(held, c)
	}
	if len(held) < 110 {
		t.Fatalf("only %d connections were made", len(held))
	}
	busy := cpuTicks(d.cmd.Process.Pid)
	time.Sleep(time.Second) // how much CPU one second of want costs is what is measured
	if used := cpuTicks(d.cmd.Process.Pid) - busy; used > 50 {
		t.Errorf("without descriptors the daemon spins: %d ticks of CPU in a second", used)
	}
	if !d.running() {
		t.Fatal("the daemon ended")
	}
	for _, c := range held {
		c.Close()
	}
	held = nil
	eventually(t, "it serves and wakes again (in 1 s, given five times that)", 5*time.Second, func() bool {
		old, err := d.try("GET", d.host("control", "one"), "/", "")
		fresh, err2 := d.try("GET", d.host("web", "one"), "/", "")
		return err == nil && err2 == nil && old.status == 200 && fresh.status == 200
	})
}

// cpuTicks is the CPU time of a process, in hundredths of a second.
func cpuTicks(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var user, system int
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return user + system
}

// F15: where no process can be made, a wake fails with a reason, whoever runs
// goes on, and wakes work again when there is room.
func TestResources_NoProcessesLeft(t *testing.T) {
	t.Parallel()
	requireRoot(t, "it runs the daemon as another user, for whom RLIMIT_NPROC counts")
	d := prepare(t, setup{services: character("control", "has-threads", `listen = "unix"`) + character("web", "serves", `listen = "unix"`)})
	const uid, most = 54321, 110 // of nobody else, so that the limit counts only ours
	openTo(t, d, uid)
	as := []string{"setpriv", fmt.Sprintf("--reuid=%d", uid), fmt.Sprintf("--regid=%d", uid), "--clear-groups"}
	d.setup.wrap = append(as, "prlimit", fmt.Sprintf("--nproc=%d:%d", most, most), "--")
	d.start()
	quiet := d.neighbour()
	d.want(200, "web", "warmup", "/")
	var crowd []*exec.Cmd
	leave := func() {
		for _, c := range crowd {
			c.Process.Kill()
			c.Wait()
		}
		crowd = nil
	}
	defer leave()
	for range most { // processes of the same user, whom the limit does not bind
		c := exec.Command(as[0], append(as[1:], "sleep", "600")...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, c)
	}
	eventually(t, "the user has all its processes", 10*time.Second, func() bool { return tasksOf(uid) > most })
	if r := d.get("web", "one", "/"); r.status != 503 {
		t.Errorf("without processes: %d %q, want 503", r.status, r.body)
	}
	if why := d.why("web:one"); !strings.Contains(why, "temporarily unavailable") {
		t.Errorf("why does not name EAGAIN: %s", why)
	}
	if !d.running() {
		t.Fatal("the daemon ended")
	}
	leave()
	d.must("restart", "web:one")
	d.want(200, "web", "one", "/")
	quiet()
}

// tasksOf counts the processes of a user.
func tasksOf(uid int) (n int) {
	for _, pid := range pids() {
		if i, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil && int(i.Sys().(*syscall.Stat_t).Uid) == uid {
			n++
		}
	}
	return n
}

// openTo gives a daemon's directory to another user, and lets that user reach it.
func openTo(t *testing.T, d *daemon, uid int) {
	t.Helper()
	os.Chmod(root, 0o755)
	for _, dir := range []string{d.data, d.runDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(d.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// F14: the disk that holds data_dir is full. The tmpfs lives in a mount
// namespace of the daemon's own, and goes with it.
func TestResources_DiskFull(t *testing.T) {
	t.Parallel()
	requireRoot(t, "it mounts a small tmpfs")
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("mount namespaces cannot be made here: %s", out)
	}
	d := prepare(t, setup{
		settings: "log_max_mb = 1", // or what is freed would be the noisy one's again at once
		services: control + character("web", "serves", `listen = "unix"`) + character("noisy", "chatters 200000", `listen = "unix"`),
	})
	if err := os.MkdirAll(d.data, 0o700); err != nil {
		t.Fatal(err)
	}
	d.setup.wrap = []string{"unshare", "--mount", "--propagation", "private", "--", "sh", "-c", `mount -t tmpfs -o size=4m,mode=700 tmpfs "$0" && exec "$@"`, d.data}
	d.start()
	inside := func(path string) string { return fmt.Sprintf("/proc/%d/root%s", d.cmd.Process.Pid, path) }
	d.want(200, "web", "one", "/")
	d.must("register", "web:before")
	quiet := d.neighbour()
	fill(t, inside(filepath.Join(d.data, "filler")))

	d.want(200, "web", "one", "/write?line=lost")
	if r, err := d.try("GET", d.host("noisy", "one"), "/", ""); err != nil || (r.status != 200 && r.status != 503) {
		t.Errorf("a wake on a full disk: %v %d %q", err, r.status, r.body)
	}
	if _, errs, code := d.ten("register", "web:after"); code != 1 || !strings.HasPrefix(errs, "Error: ") {
		t.Logf("register on a full disk: exit %d %q (the registry had room left inside)", code, errs)
	}
	if !d.running() {
		t.Fatal("the daemon ended")
	}
	quiet()
	if err := os.Remove(inside(filepath.Join(d.data, "filler"))); err != nil {
		t.Fatal(err)
	}
	d.must("register", "web:later")
	d.want(200, "web", "later", "/")
	d.want(200, "web", "one", "/write?line=kept")
	eventually(t, "logs are kept again", 10*time.Second, func() bool { return strings.Contains(d.must("logs", "web:one"), "kept") })
	all := d.instances()
	for _, name := range []string{"web:one", "web:before", "web:later"} {
		if _, ok := all[name]; !ok {
			t.Errorf("%s is not known any more", name)
		}
	}
}

// fill writes until there is no space.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{64 << 10, 4096, 1} {
		chunk := make([]byte, size)
		for {
			if _, err := f.Write(chunk); err != nil {
				break
			}
		}
	}
}

// F16: what has no newline costs no memory, and a flood of lines blocks nobody.
func TestResources_FloodsOfOutput(t *testing.T) {
	t.Parallel()
	mb := 1000
	if raceEnabled {
		mb = 50 // the race detector reads every byte
	}
	d := launch(t, setup{
		settings: "log_max_mb = 1",
		services: control + character("quietone", "serves", `listen = "fd"`) +
			character("flood", fmt.Sprintf("floods %d", mb), `listen = "fd"`) + character("chat", "chatters 1000000", `listen = "fd"`),
	})
	d.want(200, "quietone", "one", "/write?line=do-not-evict-me")
	quiet := d.neighbour()
	base := d.rss()
	peak := atomic.Int64{}
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				peak.Store(max(peak.Load(), int64(d.rss())))
			}
		}
	})
	d.want(200, "flood", "one", "/")
	d.want(200, "chat", "one", "/")
	for service, file := range map[string]string{"flood": "flooded", "chat": "chattered"} {
		eventually(t, service+" got rid of all its output", 120*time.Second, func() bool {
			_, err := os.Stat(filepath.Join(d.data, service, "one", file))
			return err == nil
		})
	}
	close(done)
	watch.Wait()
	quiet()
	t.Logf("resident: %d KB before, at most %d KB", base, peak.Load())
	if grown := int(peak.Load()) - base; !raceEnabled && grown > 10<<10 {
		t.Errorf("the daemon grew by %d KB, want at most 10 MB", grown)
	}
	if n := dirBytes(filepath.Join(d.data, ".logs")); n > 3*2<<20 {
		t.Errorf("the logs of four tenants of 1 MB each take %d bytes", n)
	}
	if out := d.must("logs", "quietone:one"); !strings.Contains(out, "do-not-evict-me") {
		t.Errorf("a noisy neighbour evicted this line: %q", out)
	}
	for _, service := range []string{"flood", "chat"} {
		d.want(200, service, "one", "/")
		if n := d.starts(service, "one"); n != 1 {
			t.Errorf("%s was started %d times", service, n)
		}
	}
}

func dirBytes(dir string) (total int64) {
	filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if i, err := e.Info(); err == nil {
				total += i.Size()
			}
		}
		return nil
	})
	return total
}
