package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tenantProbes go for another tenant. Its processes are looked for by their
// pids of the host, which mean somebody else or nobody in a pid namespace.
var tenantProbes = []probe{
	{"own user", "tenants", ownUser},
	{"cmdline of another's process", "tenants", onProc(victimOf, func(dir string, t *target) result { return readFile(dir+"/cmdline", "victim") })},
	{"environ of another's process", "tenants", onProc(victimOf, func(dir string, t *target) result { return readFile(dir+"/environ", t.Secret) })},
	{"memory map of another's process", "tenants", onProc(victimOf, func(dir string, t *target) result { return readFile(dir+"/maps", "probe") })},
	{"memory of another's process, by /proc", "tenants", onProc(victimOf, func(dir string, t *target) result { return readMemory(dir+"/mem", t) })},
	{"descriptors of another's process, by /proc", "tenants", onProc(victimOf, func(dir string, t *target) result { return listed(dir + "/fd") })},
	{"root of another's process", "tenants", onProc(victimOf, func(dir string, t *target) result { return listed(dir + "/root/") })},
	{"namespaces of another's process", "tenants", onProc(victimOf, func(dir string, _ *target) result { return join(dir+"/ns/net", unix.CLONE_NEWNET) })},
	{"ptrace of another's process", "tenants", func(t *target) result { return trace(t.Victim) }},
	{"process_vm_readv of another's process", "tenants", vmRead},
	{"kcmp of another's process", "tenants", func(t *target) result {
		_, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(t.Victim.Pid), uintptr(t.Victim.Pid), 1, 0, 0, 0)
		return onProcess(t.Victim, errnoError(errno))
	}},
	{"signal to another's process", "tenants", func(t *target) result { return onProcess(t.Victim, unix.Kill(t.Victim.Pid, 0)) }},
	{"signal to another's process, by pidfd", "tenants", func(t *target) result {
		return byPidfd(t.Victim, func(fd int) error { return unix.PidfdSendSignal(fd, 0, nil, 0) })
	}},
	{"descriptors of another's process, by pidfd", "tenants", func(t *target) result {
		return byPidfd(t.Victim, func(fd int) error {
			stolen, err := unix.PidfdGetfd(fd, 1, 0)
			if err == nil {
				unix.Close(stolen)
			}
			return err
		})
	}},
	{"priority of another's process", "tenants", func(t *target) result { return renice(t.Victim) }},
	{"CPUs of another's process", "tenants", func(t *target) result {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(t.Victim.Pid, &set); err != nil {
			return onProcess(t.Victim, err)
		}
		return onProcess(t.Victim, unix.SchedSetaffinity(t.Victim.Pid, &set))
	}},
	{"limits of another's process", "tenants", func(t *target) result {
		var limit unix.Rlimit
		return onProcess(t.Victim, unix.Prlimit(t.Victim.Pid, unix.RLIMIT_NOFILE, nil, &limit))
	}},
	{"cgroup of another", "tenants", writeGroups},
	{"file of another's data", "tenants", func(t *target) result {
		return readFile(filepath.Join(t.DataDir, "victim", "one", "secret"), t.Secret)
	}},
	{"new file in another's data", "tenants", func(t *target) result {
		return created(filepath.Join(t.DataDir, "victim", "one", "planted"))
	}},
	{"names of other tenants", "tenants", func(t *target) result { return listedWith(filepath.Join(t.DataDir, "victim"), "one") }},
	{"Unix socket of another", "tenants", func(t *target) result {
		return greeted(dial("unix", t.Found.Socket, "GET / HTTP/1.0\r\n\r\n"), "victim")
	}},
	{"output pipe of another", "tenants", func(t *target) result {
		pipes, _ := filepath.Glob(filepath.Join(filepath.Dir(t.Found.Socket), "*.out"))
		if len(pipes) == 0 {
			return closed("no pipe is to be seen in %s", filepath.Dir(t.Found.Socket))
		}
		return openFile(pipes[0], unix.O_WRONLY)
	}},
	{"abstract socket of another", "tenants", func(t *target) result {
		return greeted(dial("unix", "@"+t.Found.Abstract, ""), t.Secret)
	}},
	{"PORT of another", "tenants", func(t *target) result {
		return greeted(dial("tcp", fmt.Sprintf("127.0.0.1:%d", t.Found.OwnPort), "GET / HTTP/1.0\r\n\r\n"), "victim")
	}},
	{"other ports of another", "tenants", func(t *target) result {
		all := append([]string{"127.0.0.1"}, t.Found.Addresses...)
		var last result
		for _, address := range all {
			if last = greeted(dial("tcp", net.JoinHostPort(address, fmt.Sprint(t.Found.Port)), ""), t.Secret); last.Open {
				return last
			}
		}
		return last
	}},
	{"System V shared memory of another", "tenants", sharedMemory},
	{"System V semaphores of another", "tenants", func(t *target) result {
		_, _, errno := unix.Syscall(unix.SYS_SEMGET, uintptr(t.Found.Key), 1, 0)
		return attempt(errnoError(errno), unix.ENOENT)
	}},
	{"System V message queue of another", "tenants", func(t *target) result {
		_, _, errno := unix.Syscall(unix.SYS_MSGGET, uintptr(t.Found.Key), 0, 0)
		return attempt(errnoError(errno), unix.ENOENT)
	}},
	{"POSIX message queue of another", "tenants", func(t *target) result {
		name, _ := unix.BytePtrFromString(t.Found.Queue)
		_, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR, 0, 0, 0, 0)
		return attempt(errnoError(errno), unix.ENOENT)
	}},
	{"POSIX shared memory of another", "tenants", func(t *target) result {
		return readFile("/dev/shm/"+t.Found.File, t.Secret)
	}},
	{"files in /tmp of another", "tenants", func(t *target) result { return readFile("/tmp/"+t.Found.File, t.Secret) }},
	{"files in other writable places of another", "tenants", func(t *target) result {
		for _, dir := range t.Found.Places {
			if r := readFile(filepath.Join(dir, t.Found.File), t.Secret); r.Open {
				return r
			}
		}
		return closed("none of %v shows its file", t.Found.Places)
	}},
	{"keys of another, by /proc/keys", "tenants", func(t *target) result { return readFile("/proc/keys", t.Found.File) }},
	{"keyring of another", "tenants", func(t *target) result {
		id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", t.Found.File, 0)
		if err != nil {
			return attempt(err, unix.ENOKEY)
		}
		return opened("found key %d", id)
	}},
	{"listening sockets of others, by /proc/net", "tenants", func(t *target) result {
		return readFile("/proc/net/unix", t.HostAbstract)
	}},
	{"record locks of another, by /proc/locks", "tenants", func(t *target) result {
		return readFile("/proc/locks", fmt.Sprintf(" %d ", t.Victim.Pid))
	}},
}

func victimOf(t *target) process { return t.Victim }
func daemonOf(t *target) process { return t.Daemon }
func initOf(t *target) process   { return t.Init }

func contains(text []byte, want string) bool { return bytes.Contains(text, []byte(want)) }

// errnoError keeps a zero errno from being an error.
func errnoError(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// startOf gives the name and the start time of a process; "" when it cannot be
// seen. The time alone is not enough: a kernel of the tenant's own counts from its boot.
func startOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	end := bytes.LastIndexByte(text, ')') + 1
	return string(text[bytes.IndexByte(text, '('):end]) + strings.Fields(string(text[end:]))[19]
}

// onProc looks at the directory that /proc has for a process of the host.
func onProc(who func(*target) process, try func(dir string, t *target) result) func(*target) result {
	return func(t *target) result {
		p := who(t)
		if dir := fmt.Sprintf("/proc/%d", p.Pid); p.same() {
			return try(dir, t)
		} else if _, err := os.Stat(dir); err == nil && startOf(p.Pid) == "" {
			return try(dir, t) // it is there and hides its start
		}
		return closed("no such process here")
	}
}

// onProcess reads an outcome that names a process by its number: success counts
// only if the number means that process here.
func onProcess(p process, err error) result {
	if err != nil {
		return attempt(err, unix.ESRCH)
	}
	if !p.same() {
		return closed("%d is a process of this namespace's own", p.Pid)
	}
	return opened("process %d", p.Pid)
}

func ownUser(t *target) result {
	if t.Found.UID == os.Getuid() {
		return opened("both are user %d", t.Found.UID)
	}
	return closed("%d, the other is %d", os.Getuid(), t.Found.UID)
}

func listed(dir string) result { return listedWith(dir, "") }

func listedWith(dir, want string) result {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return attempt(err, absences...)
	}
	for _, e := range entries {
		if want == "" || e.Name() == want {
			return opened("%s holds %s", dir, e.Name())
		}
	}
	return closed("%s does not show %q", dir, want)
}

// readMemory reads the secret where the victim says that it is.
func readMemory(path string, t *target) result {
	f, err := os.Open(path)
	if err != nil {
		return attempt(err, absences...)
	}
	defer f.Close()
	text := make([]byte, len(t.Secret))
	if _, err := f.ReadAt(text, int64(t.Found.Address)); err != nil {
		return attempt(err, unix.EIO)
	}
	return holds(path, text, t.Secret)
}

// trace seizes a process, which does not stop it, and lets go by ending.
func trace(p process) result {
	runtime.LockOSThread()
	return onProcess(p, unix.PtraceSeize(p.Pid))
}

func vmRead(t *target) result {
	text := make([]byte, len(t.Secret))
	local := []unix.Iovec{{Base: &text[0]}}
	local[0].SetLen(len(text))
	_, err := unix.ProcessVMReadv(t.Victim.Pid, local, []unix.RemoteIovec{{Base: t.Found.Address, Len: len(text)}}, 0)
	if err == nil && string(text) != t.Secret {
		return closed("%d is a process of this namespace's own", t.Victim.Pid)
	}
	return attempt(err, unix.ESRCH)
}

func byPidfd(p process, try func(fd int) error) result {
	fd, err := unix.PidfdOpen(p.Pid, 0)
	if err == nil {
		defer unix.Close(fd)
		err = try(fd)
	}
	return onProcess(p, err)
}

// renice gives a process the priority that it has.
func renice(p process) result {
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, p.Pid)
	if err == nil {
		err = unix.Setpriority(unix.PRIO_PROCESS, p.Pid, 20-raw)
	}
	return onProcess(p, err)
}

// writeGroups opens what would freeze, starve or end another tenant.
func writeGroups(t *target) result {
	last := closed("it has no cgroup")
	for _, dir := range t.VictimGroups {
		if last = openFile(filepath.Join(dir, "cgroup.procs"), unix.O_WRONLY); last.Open {
			return last
		}
	}
	return last
}

func sharedMemory(t *target) result {
	id, err := unix.SysvShmGet(t.Found.Key, 0, 0)
	if err != nil {
		return attempt(err, unix.ENOENT)
	}
	memory, err := unix.SysvShmAttach(id, 0, unix.SHM_RDONLY)
	if err != nil {
		return attempt(err)
	}
	defer unix.SysvShmDetach(memory)
	return holds("the segment", memory, t.Secret)
}

// conversation is what somebody answered who could be reached.
type conversation struct {
	answer string
	err    error
}

// dial connects, says something and listens.
func dial(network, address, say string) conversation {
	c, err := net.DialTimeout(network, address, 2*time.Second)
	if err != nil {
		return conversation{err: err}
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(3 * time.Second))
	io.WriteString(c, say)
	answer, _ := io.ReadAll(io.LimitReader(c, 64<<10))
	return conversation{answer: string(answer)}
}

// unreachable is how a network says no.
var unreachable = []error{unix.ECONNREFUSED, unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ETIMEDOUT, unix.ENOENT, os.ErrDeadlineExceeded}

// greeted is open if whoever answered is the one that was meant.
func greeted(c conversation, want string) result {
	var timeout net.Error
	if errors.As(c.err, &timeout) && timeout.Timeout() {
		return closed("%v", c.err)
	}
	if c.err != nil {
		return attempt(c.err, unreachable...)
	}
	if !strings.Contains(c.answer, want) {
		return closed("somebody else answers: %.40q", c.answer)
	}
	return opened("it answers")
}
