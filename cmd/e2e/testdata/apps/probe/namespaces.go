package main

import (
	"encoding/json"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// namespaceProbes try to make namespaces, to enter others and to mount.
var namespaceProbes = []probe{
	{"unshare, user", "kernel", unshares(unix.CLONE_NEWUSER)},
	{"unshare, user and mount", "kernel", unshares(unix.CLONE_NEWUSER | unix.CLONE_NEWNS)},
	{"unshare, mount", "kernel", unshares(unix.CLONE_NEWNS)},
	{"unshare, pid", "kernel", unshares(unix.CLONE_NEWPID)},
	{"unshare, network", "kernel", unshares(unix.CLONE_NEWNET)},
	{"unshare, ipc", "kernel", unshares(unix.CLONE_NEWIPC)},
	{"unshare, uts", "kernel", unshares(unix.CLONE_NEWUTS)},
	{"unshare, cgroup", "kernel", unshares(unix.CLONE_NEWCGROUP)},
	{"unshare, time", "kernel", unshares(unix.CLONE_NEWTIME)},
	{"clone, user", "kernel", clones(unix.CLONE_NEWUSER)},
	{"clone, mount", "kernel", clones(unix.CLONE_NEWNS)},
	{"clone, user and network", "kernel", clones(unix.CLONE_NEWUSER | unix.CLONE_NEWNET)},
	{"clone, pid", "kernel", clones(unix.CLONE_NEWPID)},
	{"clone3, user", "kernel", clones3(unix.CLONE_NEWUSER)},
	{"clone3, mount", "kernel", clones3(unix.CLONE_NEWNS)},
	{"clone3, into a cgroup", "kernel", cloneIntoCgroup},
	{"setns, by pidfd", "kernel", func(t *target) result {
		fd, err := unix.PidfdOpen(os.Getpid(), 0)
		if err != nil {
			return attempt(err)
		}
		return attempt(inChild(unix.SYS_SETNS, uintptr(fd), unix.CLONE_NEWNET|unix.CLONE_NEWUTS))
	}},
	{"mount, tmpfs", "kernel", inPrivate(func(dir string) error { return mountAndUndo("tmpfs", dir, "tmpfs", 0) })},
	{"mount, proc", "kernel", inPrivate(func(dir string) error { return mountAndUndo("proc", dir, "proc", 0) })},
	{"mount, cgroup", "kernel", inPrivate(func(dir string) error { return mountAndUndo("cgroup2", dir, "cgroup2", 0) })},
	{"mount, bind", "kernel", inPrivate(func(dir string) error { return mountAndUndo("/etc", dir, "", unix.MS_BIND) })},
	{"mount, system writable again", "kernel", inPrivate(func(dir string) error {
		return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, "")
	})},
	{"mount, by the new calls", "kernel", func(*target) result {
		fd, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
		if err == nil {
			unix.Close(fd)
		}
		return attempt(err)
	}},
	{"copy of a mount", "kernel", func(*target) result {
		fd, err := unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err == nil {
			unix.Close(fd)
		}
		return attempt(err)
	}},
	{"attributes of a mount", "kernel", inPrivate(func(dir string) error {
		return unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NODEV})
	})},
	{"umount", "kernel", inPrivate(func(dir string) error { return unix.Unmount("/proc", unix.MNT_DETACH) })},
	{"pivot_root", "kernel", inPrivate(pivot)},
}

func unshares(flags uintptr) func(*target) result {
	return func(*target) result { return attempt(inChild(unix.SYS_UNSHARE, flags)) }
}

func clones(flags uintptr) func(*target) result {
	return func(*target) result { return attempt(inClone(flags, unix.SYS_GETPID)) }
}

// cloneArguments is struct clone_args, up to the cgroup.
type cloneArguments struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// forkClone3 forks by clone3 a child that ends at once.
//
//go:nosplit
func forkClone3(a *cloneArguments) (uintptr, unix.Errno) {
	pid, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(a)), unsafe.Sizeof(*a), 0)
	if errno == 0 && pid == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return pid, errno
}

func clone3(a cloneArguments) error {
	a.exitSignal = uint64(unix.SIGCHLD)
	pid, errno := forkClone3(&a)
	if errno != 0 {
		return errno
	}
	return childError(int(pid))
}

func clones3(flags uint64) func(*target) result {
	return func(*target) result { return attempt(clone3(cloneArguments{flags: flags})) }
}

// cloneIntoCgroup starts a child outside of the own limits.
func cloneIntoCgroup(*target) result {
	for _, dir := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		err = clone3(cloneArguments{flags: unix.CLONE_INTO_CGROUP, cgroup: uint64(fd)})
		unix.Close(fd)
		if err != unix.EBADF { // EBADF: not the new tree
			return attempt(err, unix.EROFS, unix.ENOENT)
		}
	}
	return closed("no cgroup2 tree is to be seen")
}

// join enters a namespace that is shown as a file.
func join(path string, flag uintptr) result {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return attempt(err, absences...)
	}
	defer unix.Close(fd)
	return attempt(inChild(unix.SYS_SETNS, uintptr(fd), flag))
}

// inPrivate tries something with mounts where it hurts nobody: in a mount
// namespace of this process alone. Who may not make one may not mount either;
// that is tried nevertheless, and undone if it should work.
func inPrivate(try func(dir string) error) func(*target) result {
	return func(*target) result {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNS); err == nil {
			if err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return attempt(err)
			}
		}
		dir, err := os.MkdirTemp(workDir(), "mountpoint")
		if err != nil {
			return broken("%v", err)
		}
		defer os.Remove(dir)
		return attempt(try(dir))
	}
}

func mountAndUndo(source, dir, kind string, flags uintptr) error {
	err := unix.Mount(source, dir, kind, flags, "")
	if err == nil {
		err = unix.Unmount(dir, unix.MNT_DETACH)
	}
	return err
}

// pivot makes a bind mount of the directory the root.
func pivot(dir string) error {
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		return unix.PivotRoot(dir, dir) // its own word on it
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	return unix.PivotRoot(dir, dir)
}

func decode(text []byte) result {
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		return broken("%q: %v", text, err)
	}
	return r
}
