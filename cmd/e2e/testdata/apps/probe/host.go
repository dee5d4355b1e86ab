package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// hostProbes go for the machine: its files, devices and knobs. What is opened
// for writing is not written.
var hostProbes = []probe{
	{"/etc/shadow", "host", func(*target) result { return readFile("/etc/shadow", ":") }},
	{"home of root", "host", func(*target) result { return listed("/root") }},
	{"new file in /etc", "host", func(t *target) result { return createdOn("/etc", t) }},
	{"new file in /usr/local/bin", "host", func(t *target) result { return createdOn("/usr/local/bin", t) }},
	{"new file in the app's folder", "host", func(t *target) result { return created(filepath.Join(t.AppDir, "planted")) }},
	{"the app's program, write", "host", func(t *target) result { return created(filepath.Join(t.AppDir, "probe.new")) }},
	{"device nodes beyond the harmless ones", "host", strangeDevices},
	{"disk", "host", readDisk},
	{"/dev/kmsg", "host", func(*target) result { return openFile("/dev/kmsg", unix.O_WRONLY) }},
	{"/dev/mem", "host", func(*target) result { return openFile("/dev/mem", unix.O_RDONLY) }},
	{"/dev/fuse", "host", func(*target) result { return openFile("/dev/fuse", unix.O_RDWR) }},
	{"/dev/net/tun", "host", func(*target) result { return openFile("/dev/net/tun", unix.O_RDWR) }},
	{"/dev/kvm", "host", func(*target) result { return openFile("/dev/kvm", unix.O_RDWR) }},
	{"/dev/loop-control", "host", func(*target) result { return openFile("/dev/loop-control", unix.O_RDWR) }},
	{"/dev/userfaultfd", "host", func(*target) result { return openFile("/dev/userfaultfd", unix.O_RDWR) }},
	{"/dev/vsock", "host", func(*target) result { return openFile("/dev/vsock", unix.O_RDWR) }},
	{"console", "host", func(*target) result { return openFile("/dev/tty1", unix.O_WRONLY) }},
	{"core_pattern", "host", func(*target) result { return openFile("/proc/sys/kernel/core_pattern", unix.O_WRONLY) }},
	{"sysrq", "host", func(*target) result { return openFile("/proc/sysrq-trigger", unix.O_WRONLY) }},
	{"drop_caches", "host", func(*target) result { return openFile("/proc/sys/vm/drop_caches", unix.O_WRONLY) }},
	{"binfmt_misc", "host", func(*target) result { return openFile("/proc/sys/fs/binfmt_misc/register", unix.O_WRONLY) }},
	{"anything in /proc/sys", "host", func(*target) result { return anyWritable("/proc/sys", "") }},
	{"uevent_helper", "host", func(*target) result { return openFile("/sys/kernel/uevent_helper", unix.O_WRONLY) }},
	{"uevent of a device", "host", func(*target) result { return openFile("/sys/devices/virtual/mem/null/uevent", unix.O_WRONLY) }},
	{"anything in /sys", "host", func(*target) result { return anyWritable("/sys", "/sys/fs/cgroup") }},
	{"anything in a cgroup", "host", writableCgroup},
	{"own lower oom_score_adj", "host", lowerOOM},
	{"/proc/kcore", "host", func(*target) result { return openFile("/proc/kcore", unix.O_RDONLY) }},
	{"/proc/kmsg", "host", func(*target) result { return openFile("/proc/kmsg", unix.O_RDONLY) }},
	{"/proc/timer_list", "host", func(*target) result { return readFile("/proc/timer_list", "cpu") }},
	{"/proc/vmallocinfo", "host", func(*target) result { return readFile("/proc/vmallocinfo", "0x") }},
	{"/proc/slabinfo", "host", func(*target) result { return readFile("/proc/slabinfo", "slab") }},
	{"environ of the machine's first process", "host", onProc(initOf, func(dir string, _ *target) result { return readFile(dir+"/environ", "=") })},
	{"addresses in /proc/kallsyms", "host", kernelAddresses},
	{"/sys/firmware", "host", func(*target) result { return listed("/sys/firmware") }},
	{"/sys/kernel/debug", "host", func(*target) result { return openFile("/sys/kernel/debug/.", unix.O_RDONLY|unix.O_DIRECTORY) }},
	{"dmesg", "host", func(*target) result {
		n, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, make([]byte, 4096))
		if err == nil && n == 0 {
			return closed("nothing in it")
		}
		return attempt(err)
	}},
}

// harmless are the devices that every app may have.
var harmless = map[string]bool{"null": true, "zero": true, "full": true, "random": true, "urandom": true, "tty": true, "ptmx": true, "console": true}

// strangeDevices opens whatever else is in /dev, to read. Not a watchdog: it
// restarts the machine when it has been opened and is closed again.
func strangeDevices(*target) result {
	last := closed("none can be opened")
	filepath.WalkDir("/dev", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeDevice == 0 || harmless[filepath.Base(path)] || strings.HasPrefix(path, "/dev/pts/") || strings.HasPrefix(path, "/dev/tty") || strings.HasPrefix(path, "/dev/watchdog") {
			return nil
		}
		if r := openFile(path, unix.O_RDONLY); r.Open {
			last = r
			return fs.SkipAll
		}
		return nil
	})
	return last
}

// createdOn tries to make a file in a directory of the machine's, if it is the
// machine's that is here under that name.
func createdOn(dir string, t *target) result {
	var here unix.Stat_t
	if err := unix.Stat(dir, &here); err != nil {
		return attempt(err, absences...)
	}
	if here.Dev != t.Devices[dir] {
		return closed("%s is not the machine's", dir)
	}
	return created(filepath.Join(dir, "planted-"+t.Nonce))
}

// readDisk makes a node for the disk that holds the data and reads from it.
func readDisk(t *target) result {
	path := filepath.Join(workDir(), "disk")
	if err := unix.Mknod(path, unix.S_IFBLK|0o600, int(t.Disk)); err != nil {
		return attempt(err, absences...)
	}
	defer os.Remove(path)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		_, err = unix.Read(fd, make([]byte, 512))
	}
	return attempt(err)
}

// workDir is where the tenant may write.
func workDir() string {
	if dir := os.Getenv("DATA_DIR"); dir != "" {
		return dir
	}
	return os.TempDir()
}

// anyWritable walks a tree and opens for writing until one file lets it.
func anyWritable(dir, but string) result {
	last := closed("nothing in %s can be opened for writing", dir)
	looked := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if looked++; looked > 50000 {
			return fs.SkipAll
		}
		switch {
		case err != nil:
			return nil
		case e.IsDir() && but != "" && path == but:
			return fs.SkipDir
		case !e.Type().IsRegular():
			return nil
		}
		fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return nil
		}
		unix.Close(fd)
		last = opened("opened %s", path)
		return fs.SkipAll
	})
	if err != nil {
		return attempt(err, absences...)
	}
	return last
}

// writableCgroup looks in every cgroup tree that is mounted.
func writableCgroup(*target) result {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return attempt(err)
	}
	last := closed("no cgroup tree is mounted")
	for line := range strings.Lines(string(text)) {
		if _, kind, _ := strings.Cut(line, " - "); strings.HasPrefix(kind, "cgroup") {
			if last = anyWritable(strings.Fields(line)[4], ""); last.Open {
				return last
			}
		}
	}
	return last
}

// lowerOOM asks to be the last that is killed when memory is short.
func lowerOOM(*target) result {
	return attempt(os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0), absences...)
}

// kernelAddresses are zeroes for those who may not know them.
func kernelAddresses(*target) result {
	text, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		return attempt(err, absences...)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "0000000000000000 ") {
			return opened("the kernel's addresses are told")
		}
	}
	return closed("all zeroes")
}
