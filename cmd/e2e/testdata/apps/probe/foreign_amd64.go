package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// foreignProbes ask by the doors for other kinds of programs, which have other
// numbers for the same calls.
var foreignProbes = []probe{
	{"32-bit system call", "kernel", func(*target) result {
		const unshare32 = 310
		pid, errno := forkInt80(unshare32, unix.CLONE_NEWUSER)
		if errno != 0 {
			return broken("%v", errno)
		}
		err := childError(int(pid))
		if err != nil && err.Error() == "killed by segmentation fault" {
			return closed("this kernel has none")
		}
		return attempt(err)
	}},
	{"x32 system call", "kernel", func(*target) result {
		const x32 = 0x40000000
		return attempt(inChild(x32|unix.SYS_UNSHARE, unix.CLONE_NEWUSER))
	}},
}

// int80 makes a system call of the 32-bit kind. In foreign_amd64.s.
//
//go:noescape
func int80(trap, a1 uintptr) (result int32)

// forkInt80 is forkCall by that door.
//
//go:nosplit
func forkInt80(trap, a1 uintptr) (uintptr, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && pid == 0 {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(-int80(trap, a1)), 0, 0)
	}
	return pid, errno
}
