package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// cloneOwned copies the mount of one of the tenant's own directories, which is
// given to the tenant's user first.
func cloneOwned(path string, uid uint32) (clone, error) {
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return clone{}, fmt.Errorf("cannot open the directory %q: %w", path, err)
	}
	defer unix.Close(fd)
	if err := unix.Fchown(fd, int(uid), int(uid)); err != nil {
		return clone{}, fmt.Errorf("cannot give the directory %q to user %d: %w", path, uid, err)
	}
	return cloneOpen(fd, path, path, tame)
}
