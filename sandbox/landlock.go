package sandbox

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock is the second lock on the same door: should a mount be missed that
// ought to be read-only, or one appear later, nothing can be written there. It
// also keeps signals and abstract sockets within the tenant where the tenant has
// the host's network.

// rights are what Landlock knows of files, by its version; each has the earlier ones.
const (
	rightsRead  = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	rightsFirst = 1<<13 - 1 // version 1
)

// landlockVersion asks the kernel; 0 is none. Containers often refuse it.
func landlockVersion() int {
	v, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// fileRights are all that a version knows of files.
func fileRights(version int) uint64 {
	rights := uint64(rightsFirst)
	if version >= 2 {
		rights |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		rights |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= 5 {
		rights |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return rights
}

// restrict keeps the calling thread, and what it forks, to reading everything
// and writing below the paths given, and to the open files given, which may be
// opened again. Nothing can be mounted afterwards.
func restrict(version int, writable []string, files ...uintptr) error {
	if version == 0 {
		return nil
	}
	rights := fileRights(version)
	attr := unix.LandlockRulesetAttr{Handled_access_fs: rights}
	if version >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	set, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return fmt.Errorf("cannot make a Landlock ruleset: %w", errno)
	}
	defer unix.Close(int(set))
	const device = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	rules := []struct {
		path   string
		rights uint64
	}{{"/", rightsRead}, {"/dev", rightsRead | device}, {"/proc", rightsRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE}}
	for _, r := range rules {
		if err := allow(int(set), r.path, r.rights&rights); err != nil {
			return err
		}
	}
	for _, path := range writable {
		if err := allow(int(set), path, rights); err != nil {
			return err
		}
	}
	for _, fd := range files {
		if err := allowOpen(int(set), int(fd), unix.LANDLOCK_ACCESS_FS_READ_FILE|unix.LANDLOCK_ACCESS_FS_WRITE_FILE); err != nil {
			return fmt.Errorf("cannot allow a stream by Landlock: %w", err)
		}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); errno != 0 {
		return fmt.Errorf("cannot put on a Landlock ruleset: %w", errno)
	}
	return nil
}

// allow adds a rule for what lies below a path.
func allow(set int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		// A file takes no rights of directories.
		rights &= unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
			unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if err := allowOpen(set, fd, rights); err != nil {
		return fmt.Errorf("cannot allow %q by Landlock: %w", path, err)
	}
	return nil
}

func allowOpen(set, fd int, rights uint64) error {
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
