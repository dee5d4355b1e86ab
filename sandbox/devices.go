package sandbox

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// device is a device file of the host's.
type device struct {
	path         string
	major, minor uint32
}

// devices are the device files that every program may count on. Tenants see the
// host's own: to make others takes CAP_MKNOD, which a hardened unit is without.
var devices = []device{
	{"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7}, {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
}

// cloneDevices copies the mounts of device files. Nobody changes mode or owner
// of one by its copy, which is read-only; that forbids no writing to the device.
func cloneDevices(devices []device) (clones []clone, err error) {
	for _, d := range devices {
		c, err := d.clone()
		if err != nil {
			return clones, &permanentError{fmt.Errorf("cannot show %s to tenants: %w: put it back: rm -f %[1]s; mknod -m 666 %[1]s c %[3]d %[4]d", d.path, err, d.major, d.minor)}
		}
		clones = append(clones, c)
	}
	return clones, nil
}

func (d device) clone() (clone, error) {
	fd, err := openPath(d.path, 0)
	if err != nil {
		return clone{}, err
	}
	defer unix.Close(fd)
	if err := d.check(fd); err != nil {
		return clone{}, err
	}
	return cloneOpen(fd, d.path, d.path, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
}

// check refuses what is not the device that the name promises: whoever wrote a
// file over the host's /dev/null had every tenant write into it.
func (d device) check(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	number := unix.Mkdev(d.major, d.minor)
	const everybodys = 0o666
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != number && !d.standsFor(st.Rdev):
		return fmt.Errorf("it is not the character device %d:%d", d.major, d.minor)
	case st.Mode&everybodys != everybodys:
		return errors.New("not everybody may read and write it")
	}
	return nil
}

// standsFor: some hosts have /dev/random as a link to /dev/urandom.
func (d device) standsFor(number uint64) bool {
	return d.path == "/dev/random" && number == unix.Mkdev(1, 9)
}

// makeDev makes a /dev without its device files.
func makeDev() error {
	if err := mountNew("tmpfs", "/dev", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=0755,size=64k"); err != nil {
		return err
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	} {
		if err := os.Symlink(target, "/dev/"+name); err != nil {
			return fmt.Errorf("cannot make /dev: %w", err)
		}
	}
	for _, dir := range []string{"/dev/shm", "/dev/pts"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("cannot make /dev: %w", err)
		}
	}
	return nil
}
