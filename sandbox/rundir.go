package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// errInTheWay: what has the name is not ours to remove.
var errInTheWay = errors.New("is in the way")

// runDir is an open directory of one tenant, 0700 and ours: sockets and FIFOs
// are made and removed relative to it, so that nothing that is swapped for a
// symbolic link leads out of it.
type runDir struct {
	path  string
	fd    int
	owner int // whose it may be, besides ours
	user  int // whose the FIFOs are that are made in it
}

// openRunDir makes the directory of a start, or takes it as it is if it is really
// ours.
func openRunDir(s Spec) (*runDir, error) {
	path, owner := s.RunDir, s.dirOwner()
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("the run directory %q is not an absolute path", path)
	}
	if err := os.MkdirAll(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("cannot make the run directory: %w", err)
	}
	d, err := openOwn(path, owner)
	if err != nil {
		return nil, err
	}
	if err := unix.Fchown(d.fd, owner, -1); err != nil {
		d.close()
		return nil, fmt.Errorf("cannot give the run directory %q to user %d: %w", path, owner, err)
	}
	d.user = s.owner()
	return d, nil
}

// openOwn opens a run directory that is there.
func openOwn(path string, owner int) (*runDir, error) {
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("the run directory %q is not a directory: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the run directory %q: %w", path, err)
	}
	d := &runDir{path: path, fd: fd, owner: owner}
	if err := d.own(); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *runDir) own() error {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return fmt.Errorf("cannot look at the run directory %q: %w", d.path, err)
	}
	if int(st.Uid) != os.Geteuid() && int(st.Uid) != d.owner && !d.liesInOurs() {
		return fmt.Errorf("the run directory %q belongs to user %d, not to us", d.path, st.Uid)
	}
	if st.Mode&0o777 == 0o700 {
		return nil
	}
	if err := unix.Fchmod(d.fd, 0o700); err != nil {
		return fmt.Errorf("cannot close the run directory %q to others: %w", d.path, err)
	}
	return nil
}

// liesInOurs reports that only we make directories where d lies: then it is a
// tenant's of ours that has changed its user.
func (d *runDir) liesInOurs() bool {
	var parent unix.Stat_t
	err := unix.Fstatat(d.fd, "..", &parent, 0)
	return err == nil && int(parent.Uid) == os.Geteuid() && parent.Mode&0o022 == 0
}

func (d *runDir) close() { unix.Close(d.fd) }

// remove removes a FIFO or a socket; anything else of that name is not ours to
// remove. Nothing there is no error.
func (d *runDir) remove(name string, kind uint32) error {
	var st unix.Stat_t
	err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	path := filepath.Join(d.path, name)
	if err != nil {
		return fmt.Errorf("cannot look at %q: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != kind {
		return fmt.Errorf("%q %w: it is not a %s and is not removed", path, errInTheWay, kindName(kind))
	}
	if err := unix.Unlinkat(d.fd, name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cannot remove %q: %w", path, err)
	}
	return nil
}

func kindName(kind uint32) string {
	if kind == unix.S_IFIFO {
		return "FIFO"
	}
	return "socket"
}

// fifoNames are the names of one generation's two output pipes, stdout's first.
func fifoNames(generation uint64) [2]string {
	n := strconv.FormatUint(generation, 10)
	return [2]string{n + ".out", n + ".err"}
}

// makeFIFO makes a FIFO, in place of one that an earlier daemon left.
func (d *runDir) makeFIFO(name string) error {
	if err := d.remove(name, unix.S_IFIFO); err != nil {
		return err
	}
	err := unix.Mkfifoat(d.fd, name, 0o600)
	if err == nil && d.user != os.Geteuid() { // or the tenant could not open its own /dev/stdout
		err = unix.Fchownat(d.fd, name, d.user, -1, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return fmt.Errorf("cannot make the FIFO %q: %w", filepath.Join(d.path, name), err)
	}
	return nil
}

// openFIFO opens it for reading and writing, on both sides: a pipe that always
// has a reader and a writer gives neither SIGPIPE to a tenant whose daemon died
// nor an endless end-of-file to a daemon whose tenant closed its output.
func (d *runDir) openFIFO(name string, flags int) (int, error) {
	path := filepath.Join(d.path, name)
	fd, err := unix.Openat(d.fd, name, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return -1, fmt.Errorf("cannot open the FIFO %q: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		unix.Close(fd)
		return -1, fmt.Errorf("cannot open the FIFO %q: it is something else", path)
	}
	return fd, nil
}

// removeSocket removes the socket at path, which may be in d or anywhere that a
// user chose. Elsewhere only one that nobody listens on any more.
func (d *runDir) removeSocket(path string) error {
	if path == "" {
		return nil
	}
	if filepath.Dir(path) == d.path {
		return d.remove(filepath.Base(path), unix.S_IFSOCK)
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at the socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%q %w: it is not a socket and is not removed", path, errInTheWay)
	}
	if answers(path) {
		return fmt.Errorf("%q %w: another process listens there", path, errInTheWay)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove a stale socket: %w", err)
	}
	return nil
}

// answers reports whether somebody listens at path; in doubt, yes. Only a path
// outside the run directories is ever asked in this way.
func answers(path string) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	return !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.ENOENT)
}
