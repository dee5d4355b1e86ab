package storage

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's numbers (linux/fs.h, linux/quota.h, linux/dqblk_xfs.h).
const (
	getXattr       = 0x801c581f // FS_IOC_FSGETXATTR
	setXattr       = 0x401c5820 // FS_IOC_FSSETXATTR
	projectInherit = 0x200      // FS_XFLAG_PROJINHERIT: what is made below has the number too
	projectQuota   = 2          // PRJQUOTA
	getQuota       = 0x800007   // Q_GETQUOTA
	setQuota       = 0x800008   // Q_SETQUOTA
	getState       = 'X'<<8 + 5 // Q_XGETQSTAT
	blockLimits    = 1          // QIF_BLIMITS
	enforced       = 1 << 5     // FS_QUOTA_PDQ_ENFD
	quotaBlock     = 1024       // bytes, the unit of limits
)

// xattr is struct fsxattr.
type xattr struct {
	flags, extentSize, extents, project, cowExtentSize uint32
	_                                                  [8]byte
}

// quota is struct if_dqblk.
type quota struct {
	hard, soft, bytes, hardFiles, softFiles, files, time, fileTime uint64
	valid                                                          uint32
	_                                                              uint32
}

// state is struct fs_quota_stat; only its flags are looked at.
type state struct {
	version int8
	flags   uint16
	_       [124]byte
}

// quotactl works on the file system that a descriptor is of; Linux 5.14.
func quotactl(fd, command int, project uint32, arg unsafe.Pointer) error {
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, uintptr(fd), uintptr(command<<8|projectQuota), uintptr(project), uintptr(arg), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func ioctl(fd int, request uint, x *xattr) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(x))); errno != 0 {
		return errno
	}
	return nil
}

func openDirectory(dir string) (int, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return fd, nil
}

// projectUsage asks the file system what a project holds, if the directory is
// marked as that project's.
func projectUsage(dir string, project uint32) (int64, error) {
	fd, err := openDirectory(dir)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if !marked(fd, project) {
		return 0, ErrNoQuota
	}
	var q quota
	if err := quotactl(fd, getQuota, project, unsafe.Pointer(&q)); err != nil {
		return 0, err
	}
	return int64(q.bytes), nil
}

func marked(fd int, project uint32) bool {
	var x xattr
	return project != 0 && ioctl(fd, getXattr, &x) == nil && x.project == project && x.flags&projectInherit != 0
}

// Limit has the file system keep a directory, and all below, to so many bytes; 0
// lifts the limit. Call it while nobody writes there: what lies in the directory
// already is given the project's number first, which is a walk, once. ErrNoQuota
// where that cannot be had.
func Limit(ctx context.Context, dir string, project uint32, bytes int64) error {
	fd, err := openDirectory(dir)
	if err != nil {
		return fmt.Errorf("cannot limit what %s holds: %w", dir, err)
	}
	defer unix.Close(fd)
	isMarked := marked(fd, project)
	if bytes == 0 && !isMarked {
		return nil
	}
	var s state
	if quotactl(fd, getState, 0, unsafe.Pointer(&s)) != nil || s.flags&enforced == 0 {
		return ErrNoQuota
	}
	q := quota{hard: uint64(bytes+quotaBlock-1) / quotaBlock, valid: blockLimits}
	if err := quotactl(fd, setQuota, project, unsafe.Pointer(&q)); err != nil {
		return fmt.Errorf("%w: %w", ErrNoQuota, err)
	}
	if isMarked {
		return nil
	}
	if err := markBelow(ctx, dir, project); err != nil {
		return fmt.Errorf("cannot give what %s holds to its quota: %w", dir, err)
	}
	if err := mark(fd, project, projectInherit); err != nil { // last: it says that all below are
		return fmt.Errorf("%w: %w", ErrNoQuota, err)
	}
	return nil
}

func mark(fd int, project, flags uint32) error {
	var x xattr
	if err := ioctl(fd, getXattr, &x); err != nil {
		return err
	}
	x.project, x.flags = project, x.flags|flags
	return ioctl(fd, setXattr, &x)
}

// markBelow marks all files and directories below one; links, sockets and FIFOs
// hold nothing, and opening a FIFO could wait for ever.
func markBelow(ctx context.Context, dir string, project uint32) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	entries := 0
	return fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if entries++; err == nil && entries > maxWalkEntries {
			err = fmt.Errorf("more than %d files", maxWalkEntries)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || path == "." || !entry.IsDir() && !entry.Type().IsRegular() {
			return err
		}
		file, err := root.OpenFile(filepath.FromSlash(path), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		defer file.Close()
		var flags uint32
		if entry.IsDir() {
			flags = projectInherit
		}
		return mark(int(file.Fd()), project, flags)
	})
}
