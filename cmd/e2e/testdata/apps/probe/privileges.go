package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// privilegeProbes try to be, or to become, more than an ordinary user.
var privilegeProbes = []probe{
	{"capabilities", "privileges", func(*target) result { return capabilities("CapEff", "CapPrm", "CapInh", "CapAmb") }},
	{"capabilities that could be gained", "privileges", func(*target) result { return capabilities("CapBnd") }},
	{"setuid", "privileges", func(*target) result { return attempt(inChild(unix.SYS_SETRESUID, 0, 0, 0), unix.EINVAL) }},
	{"setgid", "privileges", func(*target) result { return attempt(inChild(unix.SYS_SETRESGID, 0, 0, 0), unix.EINVAL) }},
	{"setgroups", "privileges", func(*target) result { return attempt(inChild(unix.SYS_SETGROUPS, 0, 0)) }},
	{"become the other tenant's user", "privileges", func(t *target) result {
		return attempt(inChild(unix.SYS_SETRESUID, uintptr(t.Found.UID), uintptr(t.Found.UID), uintptr(t.Found.UID)), unix.EINVAL)
	}},
	{"setuid program of the app's", "privileges", func(t *target) result { return elevates(filepath.Join(t.AppDir, "setuid")) }},
	{"program with file capabilities", "privileges", func(t *target) result { return elevates(filepath.Join(t.AppDir, "capable")) }},
	{"setuid program of the system", "privileges", systemSetuid},
	{"give a file away", "privileges", func(*target) result { return onOwnFile(func(path string) error { return os.Chown(path, 0, 0) }) }},
	{"file capabilities on a file", "privileges", func(*target) result {
		return onOwnFile(func(path string) error { return unix.Setxattr(path, "security.capability", fileCapability(), 0) })
	}},
	{"trusted attributes of a file", "privileges", func(*target) result {
		return onOwnFile(func(path string) error { return unix.Setxattr(path, "trusted.probe", []byte("x"), 0) })
	}},
	{"immutable flag of a file", "privileges", func(*target) result { return onOwnFile(makeImmutable) }},
	{"device node, character", "privileges", func(*target) result { return node(unix.S_IFCHR, unix.Mkdev(1, 1)) }},
	{"device node, block", "privileges", func(t *target) result { return node(unix.S_IFBLK, t.Disk) }},
	{"open_by_handle_at", "privileges", byHandle},
	{"chroot", "privileges", func(*target) result {
		root := []byte("/\x00")
		defer runtime.KeepAlive(root)
		return attempt(inChild(unix.SYS_CHROOT, uintptr(unsafe.Pointer(&root[0]))))
	}},
	{"chroot, and out of it", "privileges", leaveChroot},
	{"nice below zero", "privileges", func(*target) result {
		runtime.LockOSThread()
		return attempt(unix.Setpriority(unix.PRIO_PROCESS, 0, -5))
	}},
	{"realtime scheduling", "privileges", func(*target) result {
		runtime.LockOSThread()
		return attempt(unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0))
	}},
	{"realtime I/O", "privileges", func(*target) result {
		_, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, 1, 0, 1<<13)
		return attempt(errnoError(errno))
	}},
	{"memory that is never swapped, beyond the limit", "privileges", lockMemory},
	{"higher limits", "privileges", func(*target) result {
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return broken("%v", err)
		}
		limit.Max++
		return attempt(unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	}},
}

// statusOf gives a field of /proc/self/status.
func statusOf(field string) string {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(text), field+":")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

func effectiveCapabilities() string { return statusOf("CapEff") }

func capabilities(sets ...string) result {
	for _, set := range sets {
		value := statusOf(set)
		if value == "" {
			return broken("no %s in /proc/self/status", set)
		}
		if strings.Trim(value, "0") != "" {
			return opened("%s is %s", set, value)
		}
	}
	return closed("none")
}

// elevates runs a program that would give more privileges than the caller has:
// a caller who is root drops them first.
func elevates(path string) result {
	cmd := exec.Command(path, "whoami")
	if os.Getuid() == 0 && strings.Trim(effectiveCapabilities(), "0") != "" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.Output()
	if err != nil {
		return attempt(err, absences...)
	}
	var uid int
	var caps string
	if _, err := fmt.Sscan(string(out), &uid, &caps); err != nil {
		return broken("%q: %v", out, err)
	}
	if strings.Trim(caps, "0") == "" {
		return closed("it ran as user %d without a capability", uid)
	}
	return opened("it ran as user %d with capabilities %s", uid, caps)
}

// systemSetuid starts su, which waits for a password: whoever has more
// privileges than its starter does not show where its program lies.
func systemSetuid(*target) result {
	cmd := exec.Command("/usr/bin/su", "root", "-c", "true")
	if os.Getuid() == 0 && strings.Trim(effectiveCapabilities(), "0") != "" {
		cmd = exec.Command("/proc/self/exe", "one", "setuid program of the system")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Stdin = strings.NewReader("{}")
		out, err := cmd.Output()
		if err != nil {
			return broken("as an ordinary user: %v", err)
		}
		return decode(out)
	}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return attempt(err, absences...)
	}
	defer cmd.Wait()
	defer stdin.Close()
	exe := fmt.Sprintf("/proc/%d/exe", cmd.Process.Pid)
	if !soon(func() bool { return waitsForPassword(cmd.Process.Pid) }) {
		return closed("it ended at once")
	}
	if _, err := os.Readlink(exe); err == nil {
		return closed("it runs without privileges")
	}
	return opened("su runs as root")
}

// waitsForPassword tells from the system call that a process sits in, or from
// its being hidden from us, that it has begun its work.
func waitsForPassword(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true // hidden: it is somebody else now
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	return contains(text, "(su)") && fields[0] == "S"
}

// onOwnFile makes a file of the tenant's own, tries and removes it.
func onOwnFile(try func(path string) error) result {
	path := filepath.Join(workDir(), "own")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return broken("cannot make a file of my own: %v", err)
	}
	defer os.Remove(path)
	return attempt(try(path), unix.EINVAL)
}

// fileCapability is CAP_SYS_ADMIN, permitted and effective, revision 2.
func fileCapability() []byte {
	c := make([]byte, 20)
	native(c, 0x02000001)
	native(c[4:], 1<<unix.CAP_SYS_ADMIN)
	return c
}

const immutable = 0x10 // FS_IMMUTABLE_FL

func makeImmutable(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, immutable); err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, 0)
	}
	return err
}

func node(kind uint32, device uint64) result {
	path := filepath.Join(workDir(), "node")
	err := unix.Mknod(path, kind|0o600, int(device))
	if err == nil {
		os.Remove(path)
	}
	return attempt(err)
}

// byHandle opens a file by its number on the disk, past all directories.
func byHandle(*target) result {
	dir := workDir()
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, dir, 0)
	if err != nil {
		return attempt(err, unix.EOPNOTSUPP)
	}
	mount, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return broken("%v", err)
	}
	defer unix.Close(mount)
	fd, err := unix.OpenByHandleAt(mount, handle, unix.O_RDONLY)
	if err == nil {
		unix.Close(fd)
	}
	return attempt(err)
}

// leaveChroot is the classic: a second chroot while a descriptor leads outside.
func leaveChroot(*target) result {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return attempt(err)
	}
	inside := filepath.Join(workDir(), "inside")
	if err := os.Mkdir(inside, 0o700); err != nil {
		return broken("%v", err)
	}
	defer os.Remove(inside)
	outside, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return broken("%v", err)
	}
	if err = unix.Chroot(inside); err == nil {
		err = unix.Fchdir(outside)
	}
	if err == nil {
		err = unix.Chroot(".")
	}
	return attempt(err)
}

// lockMemory wants 64 MB to stay in memory.
func lockMemory(*target) result {
	memory, err := unix.Mmap(-1, 0, 64<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return broken("%v", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_MLOCK2, uintptr(unsafe.Pointer(&memory[0])), uintptr(len(memory)), unix.MLOCK_ONFAULT)
	return attempt(errnoError(errno), unix.ENOMEM, unix.EAGAIN)
}
