package sandbox

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// mapping turns one owner of files into another: a tenant reads what only the
// owner of its app's folder may, root mostly, as if it were the owner.
type mapping struct {
	from, fromGroup uint32 // on the disk
	to              uint32 // user and group of the tenant
}

// cloneLocked copies the working directory of an app that others than its owner
// cannot read, mapped to the tenant; nil if there is no need. It is read-only:
// whatever the tenant wrote would belong to the owner, setuid bit and all.
func (e *Engine) cloneLocked(s Spec) (*clone, error) {
	hidden := slices.ContainsFunc(s.Hidden, func(path string) bool { return beneath(s.Dir, path) })
	if s.Rootfs != "" || hidden || s.Dir == "/" {
		return nil, nil
	}
	fd, err := openPath(s.Dir, noLinks(s.Dir, s.Mounts, source))
	if err != nil {
		return nil, nil // why is told by who enters it
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	const rx = 0o005
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&rx == rx || st.Uid == s.UID {
		return nil, nil
	}
	c, err := e.cloneMapped(fd, mapping{from: st.Uid, fromGroup: st.Gid, to: s.UID})
	if err != nil {
		return nil, lockedError(s.Dir, st.Uid, err)
	}
	c.at = s.Dir
	return c, nil
}

func lockedError(dir string, owner uint32, err error) error {
	return &permanentError{fmt.Errorf("cannot show the working directory %q to the tenant: only user %d can read it, and its file system cannot map that away (%w): chmod -R o+rX %s",
		dir, owner, err, dir)}
}

func (e *Engine) cloneMapped(fd int, m mapping) (*clone, error) {
	e.templating.Lock()
	defer e.templating.Unlock()
	users, err := e.mapped(m)
	if err != nil {
		return nil, err
	}
	tree, err := unix.OpenTree(fd, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, err
	}
	err = unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{
		Attr_set: readOnly | unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(users.Fd()), Propagation: unix.MS_PRIVATE,
	})
	if err != nil {
		unix.Close(tree)
		return nil, err
	}
	return &clone{fd: tree, dir: true}, nil
}

// mapped gives the user namespace of a mapping, which stays the engine's: only
// use it with its lock held. One is made by a child, for each tenant that needs
// it.
func (e *Engine) mapped(m mapping) (*os.File, error) {
	if users := e.mappings[m]; users != nil {
		return users, nil
	}
	const most = 256 // a file each
	for old, users := range e.mappings {
		if len(e.mappings) < most {
			break
		}
		users.Close()
		delete(e.mappings, old)
	}
	users, err := makeMapping(m)
	if err == nil {
		e.mappings[m] = users
	}
	return users, err
}

// makeMapping has a child of no other use live in a user namespace just as long
// as it takes to open that. PID 1's program is one that stays until it is killed.
func makeMapping(m mapping) (*os.File, error) {
	image, err := initProgram()
	if err != nil {
		return nil, err
	}
	fd, err := memoryFile(image)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	attr := syscall.ProcAttr{Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), null.Fd(), uintptr(fd)}, Sys: &syscall.SysProcAttr{
		Setsid: true, Cloneflags: unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: int(m.from), HostID: int(m.to), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: int(m.fromGroup), HostID: int(m.to), Size: 1}},
	}}
	mains.starting.RLock()
	pid, err := syscall.ForkExec("/proc/self/fd/4", []string{"mapping"}, &attr)
	if err == nil {
		mains.add(pid)
	}
	mains.starting.RUnlock()
	if err != nil {
		return nil, fmt.Errorf("cannot make a user namespace: %w", err)
	}
	defer killChild(pid)
	return os.Open("/proc/" + strconv.Itoa(pid) + "/ns/user")
}
