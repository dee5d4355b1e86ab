package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// F14: the disk breaks, or has become read-only, under files that are open.
// strace gives the daemon's calls on them the kernel's answer to that.
func TestDisk_BrokenOrReadOnly(t *testing.T) {
	t.Parallel()
	for errno, text := range map[string]string{"EIO": "input/output error", "EROFS": "read-only file system"} {
		t.Run(errno, func(t *testing.T) {
			t.Parallel()
			breakDisk(t, errno, text)
		})
	}
}

func breakDisk(t *testing.T, errno, text string) {
	requireRoot(t, "it traces the daemon")
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skipf("strace is not installed: %v", err)
	}
	d := launch(t, setup{services: control + character("web", "serves", `listen = "unix"`)})
	d.must("register", "web:before", "web:sleeper")
	d.want(200, "web", "one", "/write?line=first")
	d.want(200, "web", "sleeper", "/")
	d.must("stop", "web:sleeper")
	eventually(t, "the first line is kept", 10*time.Second, func() bool { return strings.Contains(d.must("logs", "web:one"), "first") })
	quiet := d.neighbour()

	mend := d.inject(errno)
	d.want(200, "web", "one", "/write?line=lost")
	d.want(200, "web", "sleeper", "/")
	if _, errs, code := d.ten("register", "web:after"); code != 1 || !strings.HasPrefix(errs, "Error: ") || !strings.Contains(errs, text) {
		t.Errorf("register: exit %d %q, want an error with %q", code, errs, text)
	}
	if r := d.get("web", "after", "/"); r.status == 200 {
		t.Error("a tenant that could not be registered was made by a request")
	}
	mend()

	d.must("register", "web:later")
	d.want(200, "web", "later", "/")
	eventually(t, "logs are kept again", 10*time.Second, func() bool {
		d.want(200, "web", "one", "/write?line=kept")
		return strings.Contains(d.must("logs", "web:one"), "kept")
	})
	quiet()
	d.terminate()
	d.start()
	all := d.instances()
	for name, known := range map[string]bool{"web:one": true, "web:before": true, "web:sleeper": true, "web:later": true, "web:after": false} {
		if _, ok := all[name]; ok != known {
			t.Errorf("after a restart %s is known: %v, want %v", name, ok, known)
		}
	}
}

// inject has every write of the daemon to its registry and its logs fail, until
// the returned function is called.
func (d *daemon) inject(errno string) (mend func()) {
	d.t.Helper()
	const calls = "pwrite64,fdatasync,fsync,write,ftruncate"
	args := []string{"-f", "-qq", "-e", "trace=" + calls, "-e", "signal=none", "-e", "inject=" + calls + ":error=" + errno, "-o", os.DevNull}
	for _, path := range d.openFiles(d.data) {
		args = append(args, "-P", path)
	}
	cmd := exec.Command("strace", append(args, "-p", fmt.Sprint(d.cmd.Process.Pid))...)
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	traced := func() bool {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
		return strings.Contains(string(status), fmt.Sprintf("TracerPid:\t%d\n", cmd.Process.Pid))
	}
	eventually(d.t, "strace has the daemon", 10*time.Second, traced)
	return func() {
		cmd.Process.Signal(syscall.SIGTERM) // it lets the daemon go
		cmd.Wait()                          // ends by that signal, as it was told
		eventually(d.t, "the daemon is let go", 10*time.Second, func() bool { return !traced() })
	}
}

// openFiles lists what the daemon has open below dir.
func (d *daemon) openFiles(dir string) (paths []string) {
	fds := fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid)
	entries, err := os.ReadDir(fds)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range entries {
		path, _ := os.Readlink(filepath.Join(fds, e.Name()))
		if i, err := os.Stat(path); err == nil && i.Mode().IsRegular() && strings.HasPrefix(path, dir+"/") {
			paths = append(paths, path)
		}
	}
	if len(paths) < 2 {
		d.t.Fatalf("the daemon has only %q open", paths)
	}
	return paths
}
