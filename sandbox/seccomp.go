package sandbox

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// What a tenant may ask of the kernel. Docker's default profile is the
// yardstick: what it allows to a container without capabilities is allowed here,
// with these exceptions. No 32-bit and x32 calls. socket only for Unix, IPv4,
// IPv6 and rtnetlink: VSOCK reaches the hypervisor, ALG, PACKET and the other
// netlink families are where kernels break. No TIOCSTI and TIOCLINUX, which type
// into somebody else's terminal. No modify_ldt, no fanotify_mark.
//
//	        arch ── foreign ──────────────── ENOSYS
//	         │
//	   tree over ranges ── in the list ───── allow
//	         │       │                       clone, socket, ioctl, personality: look at an argument
//	         │       └── not in the list ─── EPERM below firstNew, ENOSYS from there on
//
// ENOSYS is what newer programs take for an old kernel: clone3, whose flags lie
// out of a filter's reach, is done again by clone.

// firstNew is the first call number that is the same on all machines: whoever
// uses those is ready to hear that a kernel has them not.
const firstNew = 424

// newNamespaces are the flags of clone that make any.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// Offsets in struct seccomp_data, of the lower half of an argument.
const (
	numberAt = 0
	archAt   = 4
	argAt    = 16
)

func argument(n int) uint32 { return uint32(argAt + 8*n) }

// The answers of a filter, seccomp(2).
const allowed uint32 = unix.SECCOMP_RET_ALLOW

func refused(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }

// bpf is one instruction of classic BPF, as the kernel takes it.
type bpf = unix.SockFilter

func load(at uint32) bpf { return bpf{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at} }

func answer(a uint32) bpf { return bpf{Code: unix.BPF_RET | unix.BPF_K, K: a} }

// skip jumps over n instructions if the test holds.
func skip(test uint16, k uint32, n int) bpf {
	return bpf{Code: unix.BPF_JMP | test | unix.BPF_K, K: k, Jt: uint8(n)}
}

// unless jumps over n instructions if the test does not hold.
func unless(test uint16, k uint32, n int) bpf {
	return bpf{Code: unix.BPF_JMP | test | unix.BPF_K, K: k, Jf: uint8(n)}
}

// checks are the calls that depend on an argument. Each ends in an answer.
var checks = map[int][]bpf{
	unix.SYS_CLONE: {
		load(argument(0)),
		unless(unix.BPF_JSET, newNamespaces, 1),
		answer(refused(unix.EPERM)),
		answer(allowed),
	},
	unix.SYS_SOCKET: {
		load(argument(0)),
		skip(unix.BPF_JEQ, unix.AF_UNIX, 3),
		skip(unix.BPF_JEQ, unix.AF_INET, 2),
		skip(unix.BPF_JEQ, unix.AF_INET6, 1),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.AF_NETLINK, Jt: 1, Jf: 4},
		answer(allowed),
		load(argument(2)),
		unless(unix.BPF_JEQ, unix.NETLINK_ROUTE, 2),
		answer(allowed),
		answer(refused(unix.EAFNOSUPPORT)),
		answer(refused(unix.EPROTONOSUPPORT)),
	},
	unix.SYS_IOCTL: {
		load(argument(1)),
		skip(unix.BPF_JEQ, unix.TIOCSTI, 4),
		skip(unix.BPF_JEQ, tiocLinux, 3),
		skip(unix.BPF_JEQ, setXattr, 2),
		skip(unix.BPF_JEQ, setFlags, 1),
		answer(allowed),
		answer(refused(unix.EPERM)),
	},
	// Linux's own, with and without SHORT_INODE and UNAME26; and the question.
	unix.SYS_PERSONALITY: {
		load(argument(0)),
		skip(unix.BPF_JEQ, 0, 5),
		skip(unix.BPF_JEQ, 8, 4),
		skip(unix.BPF_JEQ, 0x20000, 3),
		skip(unix.BPF_JEQ, 0x20008, 2),
		skip(unix.BPF_JEQ, 0xffffffff, 1),
		answer(refused(unix.EPERM)),
		answer(allowed),
	},
}

const (
	tiocLinux = 0x541c // TIOCLINUX
	// The owner of a directory could take it out of its quota (actors/storage).
	setXattr = 0x401c5820 // FS_IOC_FSSETXATTR: its project's number
	setFlags = 0x40086602 // FS_IOC_SETFLAGS: that what is made in it has the number too
)

// span is a range of call numbers that get the same answer: from first up to the
// next span's first.
type span struct {
	first int
	check int    // the call whose argument is looked at; -1 = none
	value uint32 // else the answer
}

// spans covers all numbers, from 0 on.
func spans(calls []int) []span {
	listed := map[int]bool{}
	for _, n := range calls {
		listed[n] = true
	}
	last := max(slices.Max(calls), firstNew)
	var all []span
	for n := 0; n <= last+1; n++ {
		s := span{first: n, check: -1, value: refused(unix.EPERM)}
		switch {
		case checks[n] != nil:
			s.check = n
		case listed[n]:
			s.value = allowed
		case n >= firstNew:
			s.value = refused(unix.ENOSYS)
		}
		if len(all) == 0 || s.check >= 0 || all[len(all)-1].check >= 0 || all[len(all)-1].value != s.value {
			all = append(all, s)
		}
	}
	return all
}

// decide finds the span of a number by halving: some eight steps instead of one
// for each call.
func decide(all []span) []bpf {
	if len(all) == 1 {
		if all[0].check >= 0 {
			return checks[all[0].check]
		}
		return []bpf{answer(all[0].value)}
	}
	half := len(all) / 2
	low := decide(all[:half])
	return slices.Concat([]bpf{skip(unix.BPF_JGE, uint32(all[half].first), len(low))}, low, decide(all[half:]))
}

// filter is the whole of it, for the machine that this program is built for.
func filter() []bpf {
	begin := []bpf{
		load(archAt),
		skip(unix.BPF_JEQ, auditArch, 1),
		answer(refused(unix.ENOSYS)),
		load(numberAt),
	}
	return append(begin, decide(spans(slices.Concat(calls, machineCalls)))...)
}

// filterData is a struct sock_fprog at this address with the filter behind it.
func filterData(f []bpf, address uint64) []byte {
	const head = 16
	data := binary.NativeEndian.AppendUint64(nil, uint64(len(f))) // a uint16 and padding
	data = binary.NativeEndian.AppendUint64(data, address+head)
	data, err := binary.Append(data, binary.NativeEndian, f)
	if err != nil {
		panic(err) // of fixed size
	}
	return data
}
