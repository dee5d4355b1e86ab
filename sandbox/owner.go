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

// handOver gives a tenant's directory to the user who runs it: once, as from
// then on it is that user's. What lay in it goes along if it belonged to the
// directory's former owner. No link leads out of it; its parents are ours.
func handOver(path string, uid, gid uint32) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Uid == uid {
		return nil
	}
	root, err := rootAt(path)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := handOverRoot(root, uid, gid); err != nil {
		return fmt.Errorf("cannot give the directory %q to user %d: %w", path, uid, err)
	}
	return nil
}

// rootAt opens a directory, but not by way of a link.
func rootAt(path string) (*os.Root, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the directory %q: %w", path, err)
	}
	defer unix.Close(fd)
	root, err := os.OpenRoot("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return nil, fmt.Errorf("cannot open the directory %q: %w", path, reason(err))
	}
	return root, nil
}

func handOverRoot(root *os.Root, uid, gid uint32) error {
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	former := ownerOfFile(info)
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := entry.Info()
		if err != nil || ownerOfFile(info) != former {
			return err
		}
		return root.Lchown(name, int(uid), int(gid))
	})
	if err != nil {
		return err
	}
	return root.Chown(".", int(uid), int(gid)) // last: an interrupted one is begun again
}

// cloneOwned copies the mount of one of the tenant's own directories.
func cloneOwned(path string, attributes uint64) (clone, error) {
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return clone{}, fmt.Errorf("cannot open the directory %q: %w", path, err)
	}
	defer unix.Close(fd)
	return cloneOpen(fd, path, path, attributes)
}

// removeStale removes a socket that an earlier generation left where this one
// will listen. In most places that a tenant has nothing outlives it.
func (p *Process) removeStale(d *runDir) error {
	s := p.spec
	if s.Level != LevelProcess && s.Listen != ListenFD && s.DataDir != "" && beneath(s.Socket, s.DataDir) {
		return removeBeneath(s.DataDir, s.Socket)
	}
	return d.removeSocket(s.hostSocket())
}

// removeBeneath removes a socket in a directory whose inside is the tenant's to
// arrange: no link is followed out of it.
func removeBeneath(dir, path string) error {
	root, err := rootAt(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at the socket %q: %w", path, reason(err))
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%q %w: it is not a socket and is not removed", path, errInTheWay)
	}
	if err := root.Remove(name); err != nil {
		return fmt.Errorf("cannot remove a stale socket: %w", err)
	}
	return nil
}
