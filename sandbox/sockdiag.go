package sandbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// diag looks at sockets without touching them. It asks the kernel about one
// socket (NETLINK_SOCK_DIAG, sock_diag(7)), some 5 µs each, or about all Unix
// sockets that listen in a network, or reads the tables of /proc/net where the
// kernel has no such thing.
type diag struct{ unix, inet bool }

// newDiag finds out what the kernel has: a dump of no states at all ends well.
func newDiag() diag {
	_, unixErr := askDiag(nil, unixRequest(0, 0, 0), unix.NLM_F_DUMP)
	_, inetErr := askDiag(nil, inetRequest(netip.IPv4Unspecified(), 0, 0), unix.NLM_F_DUMP)
	return diag{unix: unixErr == nil, inet: inetErr == nil}
}

// unixSocket is what a listening Unix socket shows of itself.
type unixSocket struct {
	name     string // as it was given to bind
	ino, dev uint32 // of the file, as the kernel numbers devices; 0 if unknown
}

// show is what is asked about Unix sockets: UDIAG_SHOW_NAME, UDIAG_SHOW_VFS.
const show = 1 | 2

// listening gives the Unix socket with this inode, if it is one and listens.
func (d diag) listening(n *netns, proc string, inode uint32) (unixSocket, bool) {
	if !d.unix {
		return procUnix(proc, inode)
	}
	reply, err := askDiag(n, unixRequest(0, inode, show), 0)
	if err != nil {
		return unixSocket{}, false
	}
	return parseUnix(reply)
}

// anyListening reports whether a Unix socket that listens in the network, whoever
// has it, passes the test.
func (d diag) anyListening(n *netns, proc string, test func(unixSocket) bool) bool {
	if !d.unix {
		data, _ := os.ReadFile(proc + "/unix") // gone: nobody listens
		return anyUnix(string(data), func(_ uint64, s unixSocket) bool { return test(s) })
	}
	found := false
	err := dumpDiag(n, unixRequest(1<<stateListen, 0, show), func(reply []byte) {
		s, listens := parseUnix(reply)
		found = found || listens && test(s)
	})
	return err == nil && found
}

// tcpSocket is what a listening TCP socket shows of itself.
type tcpSocket struct {
	inode  uint32
	user   uint32 // who made it
	cgroup uint64 // in which it was made; 0 where the kernel (before 5.8) does not tell
}

// listener gives the socket that would take a connection to address; inode 0 if
// nobody would. The kernel's own lookup answers, so wildcard and dual-stack
// listeners are found under the address that they serve.
func (d diag) listener(n *netns, proc string, address netip.AddrPort) tcpSocket {
	if !d.inet {
		return procTCP(proc, address)
	}
	reply, err := askDiag(n, inetRequest(address.Addr(), address.Port(), 1<<stateListen), 0)
	if err != nil {
		return tcpSocket{}
	}
	return parseInet(reply)
}

const stateListen = 10 // TCP_LISTEN, for Unix sockets too

// unixRequest is a struct unix_diag_req of linux/unix_diag.h.
func unixRequest(states, inode, show uint32) []byte {
	order := binary.NativeEndian
	r := []byte{unix.AF_UNIX, 0, 0, 0}
	r = order.AppendUint32(r, states) // for dumps only
	r = order.AppendUint32(r, inode)
	r = order.AppendUint32(r, show)
	return append(r, bytes.Repeat([]byte{0xff}, 8)...) // no cookie
}

// inetRequest is a struct inet_diag_req_v2 of linux/inet_diag.h.
func inetRequest(address netip.Addr, port uint16, states uint32) []byte {
	family := byte(unix.AF_INET)
	if address.Is6() {
		family = unix.AF_INET6
	}
	r := []byte{family, unix.IPPROTO_TCP, 0, 0}
	r = binary.NativeEndian.AppendUint32(r, states)
	r = binary.BigEndian.AppendUint16(r, port)
	r = append(r, 0, 0) // the other side's port
	var source [16]byte
	copy(source[:], address.AsSlice())
	r = append(r, source[:]...)
	r = append(r, make([]byte, 16+4)...)               // the other side's address, no interface
	return append(r, bytes.Repeat([]byte{0xff}, 8)...) // no cookie
}

// parseUnix reads a struct unix_diag_msg and its attributes.
func parseUnix(reply []byte) (unixSocket, bool) {
	if len(reply) < 16 || reply[0] != unix.AF_UNIX || reply[2] != stateListen {
		return unixSocket{}, false
	}
	var s unixSocket
	for kind, value := range attributes(reply[16:]) {
		switch {
		case kind == 0: // UNIX_DIAG_NAME
			s.name = string(bytes.TrimRight(value, "\x00"))
		case kind == 1 && len(value) >= 8: // UNIX_DIAG_VFS
			s.ino, s.dev = binary.NativeEndian.Uint32(value), binary.NativeEndian.Uint32(value[4:])
		}
	}
	return s, true
}

// parseInet reads a struct inet_diag_msg and its attributes.
func parseInet(reply []byte) tcpSocket {
	if len(reply) < 72 || reply[1] != stateListen {
		return tcpSocket{}
	}
	s := tcpSocket{user: binary.NativeEndian.Uint32(reply[64:]), inode: binary.NativeEndian.Uint32(reply[68:])}
	for kind, value := range attributes(reply[72:]) {
		if kind == 21 && len(value) >= 8 { // INET_DIAG_CGROUP_ID
			s.cgroup = binary.NativeEndian.Uint64(value)
		}
	}
	return s
}

// attributes goes through those behind a message, by kind, as far as they are whole.
func attributes(data []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(data) >= 4 {
			length, kind := int(binary.NativeEndian.Uint16(data)), binary.NativeEndian.Uint16(data[2:])
			if length < 4 || length > len(data) || !yield(kind, data[4:length]) {
				return
			}
			data = data[min((length+3)&^3, len(data)):]
		}
	}
}

// askDiag sends one request and gives the first message of the answer, nil if
// that is the end of a dump.
func askDiag(n *netns, request []byte, flags uint16) ([]byte, error) {
	fd, err := sendDiag(n, request, flags)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var reply [4096]byte
	length, err := readDatagram(fd, reply[:])
	if err != nil {
		return nil, fmt.Errorf("cannot ask the kernel about sockets: %w", err)
	}
	return firstMessage(reply[:length])
}

// dumpDiag sends one request and takes all messages of the answer.
func dumpDiag(n *netns, request []byte, take func(reply []byte)) error {
	fd, err := sendDiag(n, request, unix.NLM_F_DUMP)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var reply [8 << 10]byte // the kernel fills no more at a time, unless it was ever given more room
	for {
		length, err := readDatagram(fd, reply[:])
		if err != nil {
			return fmt.Errorf("cannot ask the kernel about sockets: %w", err)
		}
		if more, err := takeMessages(reply[:length], take); err != nil || !more {
			return err
		}
	}
}

// takeMessages takes those of one datagram of a dump, and tells whether another
// datagram is to come.
func takeMessages(datagram []byte, take func(reply []byte)) (more bool, err error) {
	messages, err := syscall.ParseNetlinkMessage(datagram)
	if err != nil || len(messages) == 0 {
		return false, errCutShort
	}
	for _, m := range messages {
		switch m.Header.Type {
		case unix.NLMSG_DONE:
			return false, nil
		case unix.NLMSG_ERROR:
			return false, errnoOf(m.Data)
		}
		take(m.Data)
	}
	return true, nil
}

// sendDiag sends one request on a socket of its own, which the caller closes.
func sendDiag(n *netns, request []byte, flags uint16) (int, error) {
	fd, err := n.socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return -1, fmt.Errorf("cannot ask the kernel about sockets: %w", err)
	}
	order := binary.NativeEndian
	message := order.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(request)))
	message = order.AppendUint16(message, unix.SOCK_DIAG_BY_FAMILY)
	message = order.AppendUint16(message, unix.NLM_F_REQUEST|flags)
	message = append(message, make([]byte, 8)...) // sequence and port: one question, one answer
	if err := unix.Sendto(fd, append(message, request...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("cannot ask the kernel about sockets: %w", err)
	}
	return fd, nil
}

// readDatagram reads one message, interrupted or not.
func readDatagram(fd int, buffer []byte) (int, error) {
	for {
		n, err := unix.Read(fd, buffer)
		if err != unix.EINTR {
			return n, err
		}
	}
}

var errCutShort = errors.New("the kernel's answer about sockets is cut short")

func firstMessage(reply []byte) ([]byte, error) {
	if len(reply) < unix.SizeofNlMsghdr {
		return nil, errCutShort
	}
	length := int(binary.NativeEndian.Uint32(reply))
	if length < unix.SizeofNlMsghdr || length > len(reply) {
		return nil, errCutShort
	}
	body := reply[unix.SizeofNlMsghdr:length]
	switch binary.NativeEndian.Uint16(reply[4:]) {
	case unix.NLMSG_DONE:
		return nil, nil
	case unix.NLMSG_ERROR:
		return nil, errnoOf(body)
	}
	return body, nil
}

// errnoOf reads a struct nlmsgerr.
func errnoOf(body []byte) error {
	if len(body) < 4 {
		return errCutShort
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
}
