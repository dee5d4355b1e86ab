package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// machineCalls are the allowed system calls that go by another name elsewhere.
var machineCalls = []int{unix.SYS_FSTATAT}
