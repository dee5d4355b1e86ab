package sandbox

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// loopbacks are where a process that was given a port may be found, in the
// order in which they are tried.
var loopbacks = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}

// look is one cheap look at whether the process listens where it was told to.
// squatter is a foreign socket on its port, the zero one if there is none.
func (p *Process) look() (found Endpoint, squatter tcpSocket) {
	if p.spec.Socket != "" && p.listensAt(p.spec.Socket) {
		return p.socketEndpoint(), tcpSocket{}
	}
	if p.spec.Port == 0 {
		return Endpoint{}, tcpSocket{}
	}
	for _, loopback := range loopbacks {
		address := netip.AddrPortFrom(loopback, uint16(p.spec.Port))
		listener := p.engine.diag.listener(p.inside.network(), p.procNet(), address)
		if listener.inode == 0 {
			continue
		}
		if p.made(listener) || p.hasSocket(listener.inode) {
			return Endpoint{Network: "tcp", Address: address.String(), inside: p.inside}, tcpSocket{}
		}
		squatter = listener
	}
	return Endpoint{}, squatter
}

// procNet is where the tables of the process's network are.
func (p *Process) procNet() string { return "/proc/" + strconv.Itoa(p.pid) + "/net" }

// socketPlace is where the socket's path means something: one that we passed in
// is the host's.
func (p *Process) socketPlace() *inside {
	if p.spec.Listen == ListenFD {
		return nil
	}
	return p.inside
}

func (p *Process) socketEndpoint() Endpoint {
	return Endpoint{Network: "unix", Address: p.spec.Socket, inside: p.socketPlace()}
}

// listensAt looks for a listening socket of the tenant's at path. inotify tells
// of bind, which comes before listen; hence the question to the kernel. Inside
// nobody is asked whose it is, which takes CAP_SYS_PTRACE: what is bound to a
// file in the tenant's view counts as its own, and Dial looks at the file's owner.
func (p *Process) listensAt(path string) bool {
	st, err := p.socketPlace().stat(path)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return false
	}
	there := func(s unixSocket) bool { return s.name == path || s.isFile(st) }
	if p.inside != nil {
		return p.engine.diag.anyListening(p.inside.network(), p.procNet(), there)
	}
	return p.anySocket(func(inode uint32) bool {
		s, listens := p.engine.diag.listening(nil, p.procNet(), inode)
		return listens && there(s)
	})
}

// made reports that the socket was made in the process's cgroup: nobody but its
// tree is in there.
func (p *Process) made(s tcpSocket) bool {
	l, isLeaf := p.tree.(*leaf)
	return isLeaf && s.cgroup != 0 && s.cgroup == l.number()
}

// isFile knows a socket that was bound by another name (relative, through a
// link, or renamed into place) by its file.
func (s unixSocket) isFile(st unix.Stat_t) bool {
	if s.ino == 0 {
		return false
	}
	device := unix.Mkdev(s.dev>>20, s.dev&(1<<20-1)) // the kernel's own dev_t has 12 and 20 bits
	return uint32(st.Ino) == s.ino && uint64(st.Dev) == device
}

// hasSocket reports whether a process of the tree has the socket open: an app
// may leave the listening to a child (npm start, gunicorn's workers).
func (p *Process) hasSocket(inode uint32) bool {
	return p.anySocket(func(other uint32) bool { return other == inode })
}

// anySocket tries all sockets of the tree; the main process's first, for which
// no list of members is needed.
func (p *Process) anySocket(test func(inode uint32) bool) bool {
	if anySocketOf(p.pid, test) {
		return true
	}
	members, _ := p.tree.members() // unreadable: the next look may see more
	for _, m := range members {
		if m.pid != p.pid && anySocketOf(m.pid, test) {
			return true
		}
	}
	return false
}

func anySocketOf(pid int, test func(inode uint32) bool) bool {
	path := "/proc/" + strconv.Itoa(pid) + "/fd"
	dir, err := os.Open(path)
	if err != nil {
		return false // gone
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		link, _ := os.Readlink(filepath.Join(path, name))
		number, isSocket := strings.CutPrefix(link, "socket:[")
		if !isSocket {
			continue
		}
		inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 32)
		if err == nil && test(uint32(inode)) {
			return true
		}
	}
	return false
}

// ownerOf names the process that has a socket open, "pid 123 (python3)", as far
// as we may know.
func ownerOf(listener tcpSocket) string {
	pids, _ := processes()
	var oldest stat
	for _, pid := range pids {
		if !anySocketOf(pid, func(other uint32) bool { return other == listener.inode }) {
			continue
		}
		// Between its fork and its exec a child holds what its parent has: the
		// parent, who is older, is meant.
		if s, err := readStat(pid); err == nil && (oldest.pid == 0 || s.start < oldest.start) {
			oldest = s
		}
	}
	if oldest.pid == 0 {
		return fmt.Sprintf("another process, of user %d", listener.user)
	}
	pid := strconv.Itoa(oldest.pid)
	name, _ := os.ReadFile("/proc/" + pid + "/comm")
	return "pid " + pid + " (" + strings.TrimSpace(string(name)) + ")"
}
