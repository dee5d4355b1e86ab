package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// judge runs a filter as the kernel does, and counts the steps.
func judge(t *testing.T, f []bpf, arch uint32, number int, args ...uint64) (answer uint32, steps int) {
	t.Helper()
	data := map[uint32]uint32{numberAt: uint32(number), archAt: arch}
	for i, arg := range args {
		data[argument(i)] = uint32(arg)
	}
	var a uint32
	for pc := 0; pc < len(f); pc++ {
		steps++
		i := f[pc]
		jump := func(test bool) {
			if test {
				pc += int(i.Jt)
			} else {
				pc += int(i.Jf)
			}
		}
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = data[i.K]
		case unix.BPF_RET | unix.BPF_K:
			return i.K, steps
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump(a == i.K)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			jump(a >= i.K)
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			jump(a&i.K != 0)
		default:
			t.Fatalf("instruction %d: code %#x", pc, i.Code)
		}
	}
	t.Fatal("the filter ends without an answer")
	return 0, 0
}

func TestFilter_AllowsTheListAndNothingElse(t *testing.T) {
	t.Parallel()
	f := filter()
	list := slices.Concat(calls, machineCalls)
	most := 0
	for n := range 1200 {
		if checks[n] != nil {
			continue
		}
		want := refused(unix.EPERM)
		if n >= firstNew {
			want = refused(unix.ENOSYS)
		}
		if slices.Contains(list, n) {
			want = allowed
		}
		got, steps := judge(t, f, auditArch, n)
		if got != want {
			t.Errorf("call %d: %#x, want %#x", n, got, want)
		}
		most = max(most, steps)
	}
	if most > 16 {
		t.Errorf("%d steps for one call", most)
	}
	for n, want := range map[int]uint32{1 << 30: refused(unix.ENOSYS), 1<<30 | 5: refused(unix.ENOSYS), -1: refused(unix.ENOSYS)} { // x32
		if got, _ := judge(t, f, auditArch, n); got != want {
			t.Errorf("call %d: %#x", n, got)
		}
	}
	for _, arch := range []uint32{unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, 0} {
		if got, _ := judge(t, f, arch, unix.SYS_READ); got != refused(unix.ENOSYS) {
			t.Errorf("machine %#x: %#x", arch, got)
		}
	}
}

func TestFilter_LooksAtArguments(t *testing.T) {
	t.Parallel()
	const threads = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM | unix.CLONE_SETTLS
	eperm, family, protocol := refused(unix.EPERM), refused(unix.EAFNOSUPPORT), refused(unix.EPROTONOSUPPORT)
	for _, row := range []struct {
		name   string
		number int
		args   []uint64
		want   uint32
	}{
		{"fork", unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, allowed},
		{"a thread", unix.SYS_CLONE, []uint64{threads}, allowed},
		{"a user namespace", unix.SYS_CLONE, []uint64{unix.CLONE_NEWUSER}, eperm},
		{"a mount namespace", unix.SYS_CLONE, []uint64{unix.CLONE_NEWNS | uint64(unix.SIGCHLD)}, eperm},
		{"a pid namespace", unix.SYS_CLONE, []uint64{unix.CLONE_NEWPID}, eperm},
		{"a network namespace", unix.SYS_CLONE, []uint64{unix.CLONE_NEWNET}, eperm},
		{"an ipc namespace", unix.SYS_CLONE, []uint64{unix.CLONE_NEWIPC}, eperm},
		{"a uts namespace", unix.SYS_CLONE, []uint64{unix.CLONE_NEWUTS}, eperm},
		{"a cgroup namespace", unix.SYS_CLONE, []uint64{unix.CLONE_NEWCGROUP}, eperm},
		{"unix", unix.SYS_SOCKET, []uint64{unix.AF_UNIX}, allowed},
		{"inet", unix.SYS_SOCKET, []uint64{unix.AF_INET}, allowed},
		{"inet6", unix.SYS_SOCKET, []uint64{unix.AF_INET6}, allowed},
		{"rtnetlink", unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, allowed},
		{"nftables", unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, protocol},
		{"audit", unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT}, protocol},
		{"vsock", unix.SYS_SOCKET, []uint64{unix.AF_VSOCK}, family},
		{"alg", unix.SYS_SOCKET, []uint64{unix.AF_ALG}, family},
		{"packet", unix.SYS_SOCKET, []uint64{unix.AF_PACKET}, family},
		{"no family", unix.SYS_SOCKET, []uint64{0}, family},
		{"window size", unix.SYS_IOCTL, []uint64{0, unix.TIOCGWINSZ}, allowed},
		{"TIOCSTI", unix.SYS_IOCTL, []uint64{0, unix.TIOCSTI}, eperm},
		{"TIOCSTI with a high half", unix.SYS_IOCTL, []uint64{0, 1<<32 | unix.TIOCSTI}, eperm},
		{"FS_IOC_FSSETXATTR", unix.SYS_IOCTL, []uint64{0, setXattr}, eperm},
		{"FS_IOC_SETFLAGS", unix.SYS_IOCTL, []uint64{0, setFlags}, eperm},
		{"FS_IOC_FSGETXATTR", unix.SYS_IOCTL, []uint64{0, 0x801c581f}, allowed},
		{"TIOCLINUX", unix.SYS_IOCTL, []uint64{0, tiocLinux}, eperm},
		{"linux", unix.SYS_PERSONALITY, []uint64{0}, allowed},
		{"linux32", unix.SYS_PERSONALITY, []uint64{8}, allowed},
		{"the question", unix.SYS_PERSONALITY, []uint64{0xffffffff}, allowed},
		{"no address randomization", unix.SYS_PERSONALITY, []uint64{0x40000}, eperm},
	} {
		if got, _ := judge(t, filter(), auditArch, row.number, row.args...); got != row.want {
			t.Errorf("%s: %#x, want %#x", row.name, got, row.want)
		}
	}
}

func TestFilter_FitsTheKernel(t *testing.T) {
	t.Parallel()
	if n := len(filter()); n > 200 { // the kernel takes 4096; jumps reach 255
		t.Errorf("%d instructions", n)
	}
}

// forbidden are calls that no tenant may make, and what it is told.
var forbidden = []struct {
	name   string
	number uintptr
	args   [4]uintptr
	want   unix.Errno
}{
	{"unshare", unix.SYS_UNSHARE, [4]uintptr{unix.CLONE_NEWUSER}, unix.EPERM},
	{"clone3", unix.SYS_CLONE3, [4]uintptr{}, unix.ENOSYS},
	{"setns", unix.SYS_SETNS, [4]uintptr{}, unix.EPERM},
	{"mount", unix.SYS_MOUNT, [4]uintptr{}, unix.EPERM},
	{"umount2", unix.SYS_UMOUNT2, [4]uintptr{}, unix.EPERM},
	{"pivot_root", unix.SYS_PIVOT_ROOT, [4]uintptr{}, unix.EPERM},
	{"chroot", unix.SYS_CHROOT, [4]uintptr{}, unix.EPERM},
	{"open_tree", unix.SYS_OPEN_TREE, [4]uintptr{}, unix.ENOSYS},
	{"fsopen", unix.SYS_FSOPEN, [4]uintptr{}, unix.ENOSYS},
	{"move_mount", unix.SYS_MOVE_MOUNT, [4]uintptr{}, unix.ENOSYS},
	{"mount_setattr", unix.SYS_MOUNT_SETATTR, [4]uintptr{}, unix.ENOSYS},
	{"bpf", unix.SYS_BPF, [4]uintptr{}, unix.EPERM},
	{"perf_event_open", unix.SYS_PERF_EVENT_OPEN, [4]uintptr{}, unix.EPERM},
	{"userfaultfd", unix.SYS_USERFAULTFD, [4]uintptr{}, unix.EPERM},
	{"io_uring_setup", unix.SYS_IO_URING_SETUP, [4]uintptr{}, unix.ENOSYS},
	{"keyctl", unix.SYS_KEYCTL, [4]uintptr{}, unix.EPERM},
	{"add_key", unix.SYS_ADD_KEY, [4]uintptr{}, unix.EPERM},
	{"request_key", unix.SYS_REQUEST_KEY, [4]uintptr{}, unix.EPERM},
	{"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, [4]uintptr{}, unix.EPERM},
	{"kexec_load", unix.SYS_KEXEC_LOAD, [4]uintptr{}, unix.EPERM},
	{"init_module", unix.SYS_INIT_MODULE, [4]uintptr{}, unix.EPERM},
	{"finit_module", unix.SYS_FINIT_MODULE, [4]uintptr{}, unix.EPERM},
	{"delete_module", unix.SYS_DELETE_MODULE, [4]uintptr{}, unix.EPERM},
	{"reboot", unix.SYS_REBOOT, [4]uintptr{}, unix.EPERM},
	{"swapon", unix.SYS_SWAPON, [4]uintptr{}, unix.EPERM},
	{"settimeofday", unix.SYS_SETTIMEOFDAY, [4]uintptr{}, unix.EPERM},
	{"sethostname", unix.SYS_SETHOSTNAME, [4]uintptr{}, unix.EPERM},
	{"syslog", unix.SYS_SYSLOG, [4]uintptr{}, unix.EPERM},
	{"acct", unix.SYS_ACCT, [4]uintptr{}, unix.EPERM},
	{"quotactl", unix.SYS_QUOTACTL, [4]uintptr{}, unix.EPERM},
	{"fanotify_init", unix.SYS_FANOTIFY_INIT, [4]uintptr{}, unix.EPERM},
	{"socket of vsock", unix.SYS_SOCKET, [4]uintptr{unix.AF_VSOCK, unix.SOCK_STREAM}, unix.EAFNOSUPPORT},
	{"socket of alg", unix.SYS_SOCKET, [4]uintptr{unix.AF_ALG, unix.SOCK_SEQPACKET}, unix.EAFNOSUPPORT},
	{"raw socket", unix.SYS_SOCKET, [4]uintptr{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP}, unix.EPERM},
	{"TIOCSTI", unix.SYS_IOCTL, [4]uintptr{0, unix.TIOCSTI}, unix.EPERM},
	{"project of a directory", unix.SYS_IOCTL, [4]uintptr{0, setXattr}, unix.EPERM},
	{"flags of a directory", unix.SYS_IOCTL, [4]uintptr{0, setFlags}, unix.EPERM},
	{"file_setattr", 469, [4]uintptr{}, unix.ENOSYS},
	{"mknod", unix.SYS_MKNODAT, [4]uintptr{^uintptr(99), 0, unix.S_IFCHR, 0x103}, unix.EFAULT}, // allowed: FIFOs are made by it
}

// callsTheForbidden says what came of each.
func callsTheForbidden() {
	for _, c := range forbidden {
		_, _, errno := unix.RawSyscall6(c.number, c.args[0], c.args[1], c.args[2], c.args[3], 0, 0)
		say(fmt.Sprintf("%s %d", c.name, errno))
	}
	err := unix.Mknod("/tmp/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))
	say(fmt.Sprintf("a device: %v", errors.Is(err, os.ErrPermission)))
}

func TestNamespace_TheForbiddenIsRefused(t *testing.T) {
	t.Parallel()
	got := outcome(t, newEngine(t, Options{}), inNamespace(t, character(t, "callsTheForbidden")))
	for _, c := range forbidden {
		if line := fmt.Sprintf("%s %d\n", c.name, c.want); !strings.Contains(got, line) {
			t.Errorf("want %s (%v)", line, c.want)
		}
	}
	if !strings.HasSuffix(got, "a device: true\n") || t.Failed() {
		t.Error(got)
	}
}
