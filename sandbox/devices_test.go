package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDevices_WhatIsNotTheHostsDeviceIsShownToNobody(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("device files are made by root")
	}
	dir := t.TempDir()
	file, closed, link := filepath.Join(dir, "file"), filepath.Join(dir, "closed"), filepath.Join(dir, "link")
	err := errors.Join(os.WriteFile(file, nil, 0o666), unix.Mknod(closed, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))), os.Symlink(file, link))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:         "it is not the character device 1:3",
		link:         "it is not the character device 1:3",
		"/dev/zero":  "it is not the character device 1:3",
		closed:       "not everybody may read and write it",
		dir + "/not": `cannot open "` + dir + `/not": no such file or directory`,
	} {
		_, err := cloneDevices([]device{{path, 1, 3}})
		if said := "cannot show " + path + " to tenants: " + want + ": put it back: rm -f " + path + "; mknod -m 666 " + path + " c 1 3"; err == nil || err.Error() != said || !errors.Is(err, ErrCannotExecute) {
			t.Errorf("%v\nwant %s", err, said)
		}
	}
	if d := (device{"/dev/random", 1, 8}); !d.standsFor(unix.Mkdev(1, 9)) || d.standsFor(unix.Mkdev(1, 1)) {
		t.Error("/dev/random may be the other one, and nothing else")
	}
	if d := (device{"/dev/null", 1, 3}); d.standsFor(unix.Mkdev(1, 9)) {
		t.Error("/dev/null may be no other one")
	}
}

// The tenant's are the host's own nodes: written to, but never changed.
func TestDevices_AreWrittenToAndNeverChanged(t *testing.T) {
	t.Parallel()
	want(t, newEngine(t, Options{}), `for f in null zero full random urandom tty; do grep " /dev/$f " /proc/self/mountinfo | cut -d" " -f6 | tr , "\n" | grep -cx -e ro -e nosuid -e noexec; done
		echo x >/dev/null && echo x >/dev/zero && cp /dev/null /dev/zero && echo written; echo x >/dev/full || echo full; chmod 600 /dev/null || echo kept; rm -f /dev/null || echo there; ls /dev | tr "\n" " "`,
		"3\n3\n3\n3\n3\n3\nwritten\nfull\nkept\nthere\nfd full null ptmx pts random shm stderr stdin stdout tty urandom zero "+
			"/bin/sh: 2: echo: echo: I/O error\nchmod: changing permissions of '/dev/null': Read-only file system\nrm: cannot remove '/dev/null': Read-only file system\n")
}
