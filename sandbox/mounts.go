package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Mount shows a directory or file of the host's inside a tenant.
type Mount struct {
	Source      string // absolute
	Destination string // absolute, as the tenant sees it
	ReadOnly    bool
}

// What every mount of a tenant is, and what most are besides.
const (
	tame     = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	readOnly = tame | unix.MOUNT_ATTR_RDONLY
)

// clone is a detached copy of a part of the host's tree, to be attached where a
// tenant sees it. It is taken while the thread still sees the host's files.
type clone struct {
	fd      int
	at      string
	dir     bool // else a file
	careful bool // it lies where tenants write: no link on the way is followed
}

// cloneTree copies what is mounted at path and below.
func cloneTree(path, at string, attributes uint64) (clone, error) {
	fd, err := openPath(path, 0)
	if err != nil {
		return clone{}, err
	}
	defer unix.Close(fd)
	return cloneOpen(fd, path, at, attributes)
}

// openPath opens a path of the operator's for looking, with the restrictions of
// openat2(2).
func openPath(path string, resolve uint64) (int, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolve})
	if errors.Is(err, unix.ELOOP) && resolve != 0 {
		return -1, fmt.Errorf("cannot open %q: it goes through a symbolic link where tenants can make some", path)
	}
	if err != nil {
		return -1, fmt.Errorf("cannot open %q: %w", path, err)
	}
	return fd, nil
}

// noLinks restricts openPath where a tenant may write: below a mount that is
// not read-only.
func noLinks(path string, mounts []Mount, side func(Mount) string) uint64 {
	for _, m := range mounts {
		if at := side(m); !m.ReadOnly && beneath(path, at) && path != at {
			return unix.RESOLVE_NO_SYMLINKS
		}
	}
	return 0
}

func source(m Mount) string      { return m.Source }
func destination(m Mount) string { return m.Destination }

// clone copies what a mount of the tenant's shows. all are all mounts that the
// tenant has.
func (m Mount) clone(all []Mount) (clone, error) {
	fd, err := openPath(m.Source, noLinks(m.Source, all, source))
	if err != nil {
		return clone{}, &permanentError{err}
	}
	defer unix.Close(fd)
	attributes := uint64(tame)
	if m.ReadOnly {
		attributes = readOnly
	}
	c, err := cloneOpen(fd, m.Source, m.Destination, attributes)
	if err != nil {
		return clone{}, &permanentError{err}
	}
	c.careful = noLinks(m.Destination, all, destination) != 0
	return c, nil
}

// cloneOpen is cloneTree of what is open already.
func cloneOpen(fd int, path, at string, attributes uint64) (clone, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return clone{}, fmt.Errorf("cannot look at %q: %w", path, err)
	}
	tree, err := unix.OpenTree(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return clone{}, fmt.Errorf("cannot mount %q: %w", path, err)
	}
	// Private: systemd shares the host's mounts, and what a tenant's view has below
	// a clone of one of them would appear on the host as well.
	err = unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attributes, Propagation: unix.MS_PRIVATE})
	if err != nil {
		unix.Close(tree)
		return clone{}, fmt.Errorf("cannot restrict the mount of %q: %w", path, err)
	}
	return clone{fd: tree, at: at, dir: st.Mode&unix.S_IFMT == unix.S_IFDIR}, nil
}

// attach puts the clone in its place below root ("" or where the new root is
// mounted), which is made if it can be.
func (c clone) attach(root string) error {
	if err := makePoint(root+c.at, c.dir); err != nil {
		return fmt.Errorf("cannot mount at %q: %w", c.at, err)
	}
	resolve := uint64(0)
	if c.careful {
		resolve = unix.RESOLVE_NO_SYMLINKS
	}
	point, err := openPath(root+c.at, resolve)
	if err != nil {
		return fmt.Errorf("cannot mount at %q: %w", c.at, err)
	}
	defer unix.Close(point)
	if err := unix.MoveMount(c.fd, "", point, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return fmt.Errorf("cannot mount at %q: %w", c.at, err)
	}
	return nil
}

func attachAll(clones []clone) error {
	for _, c := range clones {
		if err := c.attach(""); err != nil {
			return err
		}
	}
	return nil
}

func closeClones(clones []clone) {
	for _, c := range clones {
		unix.Close(c.fd)
	}
}

// makePoint makes what something is to be mounted on, unless it is there.
func makePoint(path string, dir bool) error {
	err := makeOne(path, dir)
	if errors.Is(err, unix.ENOENT) {
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = makeOne(path, dir)
		}
	}
	switch {
	case err == nil || errors.Is(err, unix.EEXIST):
		return nil
	case errors.Is(err, unix.EROFS):
		if _, there := os.Stat(path); there == nil {
			return nil
		}
		return errors.New("there is no such place, and the file system there is read-only: make it there first")
	}
	return reason(err)
}

func makeOne(path string, dir bool) error {
	if dir {
		return unix.Mkdir(path, 0o755)
	}
	return unix.Mknod(path, unix.S_IFREG|0o444, 0)
}

// writeAlone writes a file while no process is forked. A child has all our files
// open until it executes, and one that is open for writing can neither be
// executed (golang.org/issue/22315) nor its mount be made read-only.
func writeAlone(path, text string, mode os.FileMode) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, []byte(text), mode)
}

// bind shows in a second place what is in the tenant's view already.
func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cannot mount at %q: %w", to, err)
	}
	return nil
}

// cover hides a directory under an empty one.
func cover(path string) error {
	return mountNew("tmpfs", path, unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0755,size=4k")
}

func mountNew(kind, path string, flags uintptr, options string) error {
	if err := unix.Mount(kind, path, kind, flags, options); err != nil {
		return fmt.Errorf("cannot mount a %s at %q: %w", kind, path, err)
	}
	return nil
}

// beneath reports that path is dir or lies below it.
func beneath(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// isDirectory does not follow links.
func isDirectory(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == fs.ModeDir
}
