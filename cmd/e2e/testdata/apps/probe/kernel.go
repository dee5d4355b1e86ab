package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelProbes try calls that no web app needs and that have had holes, or that
// concern the whole machine.
var kernelProbes = []probe{
	{"bpf, map", "kernel", func(*target) result {
		attributes := make([]byte, 72) // union bpf_attr: an array of one
		for i, v := range []uint32{unix.BPF_MAP_TYPE_ARRAY, 4, 4, 1} {
			native(attributes[4*i:], v)
		}
		return descriptor(unix.SYS_BPF, unix.BPF_MAP_CREATE, uintptr(unsafe.Pointer(&attributes[0])), uintptr(len(attributes)))
	}},
	{"bpf, program", "kernel", bpfProgram},
	{"perf_event_open, own process", "kernel", func(*target) result { return perf(0, -1, unix.PerfBitExcludeKernel) }},
	{"perf_event_open, whole machine", "kernel", func(*target) result { return perf(-1, 0, 0) }},
	{"userfaultfd", "kernel", func(*target) result { return descriptor(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|1, 0, 0) }},
	{"userfaultfd, kernel's faults too", "kernel", func(*target) result { return descriptor(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0) }},
	{"io_uring", "kernel", func(*target) result {
		var parameters [120]byte // struct io_uring_params
		return descriptor(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&parameters)), 0)
	}},
	{"add_key", "kernel", func(t *target) result {
		id, err := unix.AddKey("user", "own-"+t.Nonce, []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
		if err == nil {
			return opened("key %d", id)
		}
		return attempt(err)
	}},
	{"keyctl", "kernel", func(*target) result {
		_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, true)
		return attempt(err)
	}},
	{"request_key", "kernel", func(*target) result {
		_, err := unix.RequestKey("user", "no such key", "", unix.KEY_SPEC_PROCESS_KEYRING)
		return reached(err, unix.ENOKEY, unix.ENOENT)
	}},
	{"fanotify", "kernel", func(*target) result {
		fd, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC, unix.O_RDONLY)
		if err == nil {
			unix.Close(fd)
		}
		return attempt(err)
	}},
	{"fanotify, as an ordinary user may", "kernel", func(*target) result {
		fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_REPORT_FID|unix.FAN_CLOEXEC, unix.O_RDONLY)
		if err == nil {
			unix.Close(fd)
		}
		return attempt(err)
	}},
	{"personality", "kernel", func(*target) result { return attempt(inChild(unix.SYS_PERSONALITY, 0x0400000)) }},
	{"AF_VSOCK", "kernel", family(unix.AF_VSOCK, unix.SOCK_STREAM, 0)},
	{"AF_ALG", "kernel", family(unix.AF_ALG, unix.SOCK_SEQPACKET, 0)},
	{"AF_XDP", "kernel", family(unix.AF_XDP, unix.SOCK_RAW, 0)},
	{"AF_KEY", "kernel", family(unix.AF_KEY, unix.SOCK_RAW, 2)},
	{"netlink of the audit system", "kernel", family(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT)},
	{"netlink of IPsec", "kernel", family(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_XFRM)},
	{"TIOCSTI", "kernel", pushInput},
	{"vhangup", "kernel", func(*target) result {
		_, _, errno := unix.Syscall(unix.SYS_VHANGUP, 0, 0, 0)
		return attempt(errnoError(errno))
	}},
	{"memory of other NUMA nodes", "kernel", func(*target) result {
		mask := uint64(1)
		_, _, errno := unix.Syscall6(unix.SYS_MIGRATE_PAGES, 0, 64, uintptr(unsafe.Pointer(&mask)), uintptr(unsafe.Pointer(&mask)), 0, 0)
		return attempt(errnoError(errno))
	}},
	{"process_madvise", "kernel", adviseParent},
}

// descriptor makes a call that gives a descriptor.
func descriptor(trap, a1, a2, a3 uintptr) result {
	fd, _, errno := unix.Syscall(trap, a1, a2, a3)
	if errno == 0 {
		unix.Close(int(fd))
	}
	return attempt(errnoError(errno))
}

// bpfProgram loads two instructions: return 0.
func bpfProgram(*target) result {
	code := []uint64{0xb7, 0x95}
	license := []byte("GPL\x00")
	attributes := struct {
		kind, count   uint32
		code, license uint64
		rest          [96]byte
	}{unix.BPF_PROG_TYPE_SOCKET_FILTER, 2, uint64(uintptr(unsafe.Pointer(&code[0]))), uint64(uintptr(unsafe.Pointer(&license[0]))), [96]byte{}}
	r := descriptor(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attributes)), unsafe.Sizeof(attributes))
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	return r
}

func perf(pid, cpu int, bits uint64) result {
	attributes := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_TASK_CLOCK, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Bits: bits}
	fd, err := unix.PerfEventOpen(&attributes, pid, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err == nil {
		unix.Close(fd)
	}
	return attempt(err)
}

// pushInput types into a terminal of the program's own, as an attacker would
// into the one that the operator started the daemon from.
func pushInput(*target) result {
	signal.Ignore(syscall.SIGHUP) // which comes when the terminal goes
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return attempt(err, absences...)
	}
	defer unix.Close(master)
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return broken("cannot unlock a terminal: %v", err)
	}
	number, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return broken("%v", err)
	}
	// Opened without O_NOCTTY by the leader of a session, it becomes its terminal.
	slave, err := unix.Open(fmt.Sprintf("/dev/pts/%d", number), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return attempt(err, absences...)
	}
	defer unix.Close(slave)
	key := byte('x')
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(slave), unix.TIOCSTI, uintptr(unsafe.Pointer(&key)))
	return attempt(errnoError(errno), unix.EIO)
}

// adviseParent asks for another process's memory to be moved out.
func adviseParent(t *target) result {
	return byPidfd(t.Victim, func(fd int) error {
		remote := unix.RemoteIovec{Base: t.Found.Address &^ 4095, Len: 4096}
		_, _, errno := unix.Syscall6(unix.SYS_PROCESS_MADVISE, uintptr(fd), uintptr(unsafe.Pointer(&remote)), 1, unix.MADV_COLD, 0, 0)
		return errnoError(errno)
	})
}

// machineProbes concern the machine as a whole.
var machineProbes = []probe{
	{"module, load", "kernel", func(*target) result {
		return reached(unix.InitModule([]byte("junk"), ""), unix.ENOEXEC, unix.EINVAL)
	}},
	{"module, remove", "kernel", func(t *target) result {
		return reached(unix.DeleteModule("none_"+t.Nonce, unix.O_NONBLOCK), unix.ENOENT)
	}},
	{"kexec", "kernel", func(*target) result {
		_, _, errno := unix.Syscall6(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0x8000, 0, 0) // no such flag
		return reached(errnoError(errno), unix.EINVAL)
	}},
	{"reboot", "kernel", func(*target) result {
		// Ctrl-Alt-Del stays what it is; in a pid namespace this call is EINVAL.
		command := unix.LINUX_REBOOT_CMD_CAD_OFF
		if text, _ := os.ReadFile("/proc/sys/kernel/ctrl-alt-del"); strings.TrimSpace(string(text)) == "1" {
			command = unix.LINUX_REBOOT_CMD_CAD_ON
		}
		return attempt(unix.Reboot(command), unix.EINVAL)
	}},
	{"swapon", "kernel", func(t *target) result {
		path, _ := unix.BytePtrFromString("/none-" + t.Nonce)
		_, _, errno := unix.Syscall(unix.SYS_SWAPON, uintptr(unsafe.Pointer(path)), 0, 0)
		return reached(errnoError(errno), unix.ENOENT)
	}},
	{"swapoff", "kernel", func(t *target) result {
		path, _ := unix.BytePtrFromString("/none-" + t.Nonce)
		_, _, errno := unix.Syscall(unix.SYS_SWAPOFF, uintptr(unsafe.Pointer(path)), 0, 0)
		return reached(errnoError(errno), unix.ENOENT)
	}},
	{"process accounting", "kernel", func(t *target) result {
		return reached(unix.Acct("/none-"+t.Nonce), unix.ENOENT)
	}},
	{"quotas", "kernel", func(*target) result {
		dir, err := unix.Open(workDir(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return broken("%v", err)
		}
		const getQuota = 0x800007 << 8 // Q_GETQUOTA, of users; somebody else's
		var answer [128]byte
		_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, uintptr(dir), getQuota, uintptr(os.Getuid()+1), uintptr(unsafe.Pointer(&answer)), 0, 0)
		return reached(errnoError(errno), unix.ESRCH)
	}},
	{"clock", "kernel", func(*target) result {
		var t unix.Timex
		if _, err := unix.Adjtimex(&t); err != nil {
			return attempt(err)
		}
		t.Modes = 0x4000 // ADJ_TICK, to what it is
		_, err := unix.Adjtimex(&t)
		return attempt(err)
	}},
	{"timer that wakes the machine", "kernel", func(*target) result {
		fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME_ALARM, unix.TFD_CLOEXEC)
		if err == nil {
			unix.Close(fd)
		}
		return attempt(err)
	}},
	{"host name", "kernel", func(*target) result {
		name, err := os.Hostname()
		if err != nil {
			return broken("%v", err)
		}
		return attempt(unix.Sethostname([]byte(name)))
	}},
	{"domain name", "kernel", func(*target) result {
		var names unix.Utsname
		if err := unix.Uname(&names); err != nil {
			return broken("%v", err)
		}
		return attempt(unix.Setdomainname([]byte(unix.ByteSliceToString(names.Domainname[:]))))
	}},
	{"log level of the console", "kernel", func(*target) result {
		// It stays what it is.
		text, err := os.ReadFile("/proc/sys/kernel/printk")
		if err != nil {
			return attempt(err, absences...)
		}
		var level int
		fmt.Sscan(string(text), &level)
		_, _, errno := unix.Syscall(unix.SYS_SYSLOG, unix.SYSLOG_ACTION_CONSOLE_LEVEL, 0, uintptr(level))
		return attempt(errnoError(errno))
	}},
}
