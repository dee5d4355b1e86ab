package edge

import (
	"io"
	"net"
	"syscall"
	"unsafe"
)

// sink writes to a socket without the detour over files and their positions that
// write(2) makes, and without telling Go's scheduler about a call that never
// waits: together a sixteenth of what a small request costs.
type sink struct {
	conn net.Conn
	raw  syscall.RawConn    // nil: what is written is not what the socket sends (TLS)
	try  func(uintptr) bool // pour, made once

	rest []byte
	n    int
	err  error
}

// muchAtOnce is from where a call copies for so long that the scheduler should know.
const muchAtOnce = 32 << 10

// fit makes a sink of a connection; it must not be copied then.
func (s *sink) fit(conn net.Conn, raw syscall.RawConn) {
	s.conn, s.raw = conn, raw
	s.try = s.pour
}

// write is that of net.Conn.
func (s *sink) write(p []byte) (int, error) {
	if s.raw == nil || len(p) > muchAtOnce {
		return s.conn.Write(p)
	}
	s.rest, s.n, s.err = p, 0, nil
	err := s.raw.Write(s.try)
	s.rest = nil
	if err == nil {
		err = s.err
	}
	return s.n, err
}

// pour runs inside a RawConn callback, where the descriptor is ours.
func (s *sink) pour(fd uintptr) bool {
	for len(s.rest) > 0 {
		n, err := sendNow(int(fd), s.rest)
		if err == syscall.EAGAIN {
			return false
		}
		if err != nil {
			s.err = err
			return true
		}
		s.n += n
		s.rest = s.rest[n:]
	}
	return true
}

// sendNow is send(2) that does not wait.
func sendNow(fd int, p []byte) (int, error) {
	written()
	return nonblocking(syscall.SYS_SENDTO, fd, p, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

// readNow is recv(2) that does not wait.
func readNow(fd int, p []byte) (int, error) {
	n, err := nonblocking(syscall.SYS_RECVFROM, fd, p, syscall.MSG_DONTWAIT)
	haveRead(fd)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

func nonblocking(call uintptr, fd int, p []byte, flags uintptr) (int, error) {
	for {
		n, _, err := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
		switch err {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, err
		}
	}
}
