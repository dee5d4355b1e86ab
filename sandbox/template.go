package sandbox

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tenement/sandbox/egress"
)

// stage is where a new root is put together before it becomes the root.
const stage = "/proc"

// own is where a tenant's private file system is attached: out of its reach,
// and where PID 1 mounts nothing meanwhile. initPath will be covered by /proc.
const (
	own      = masks + "/own"
	initPath = "/proc/init"
)

// layout is what tenants share that have the same view of the host.
type layout struct {
	rootfs  string // "" for the host's own root
	workdir string // "" if it is to be seen anyway
	socket  string // directory of a socket, see socketDir; "" = none
	resolv  string // what /etc/resolv.conf says
	host    string // name
	hidden  string // directories, joined by NUL
	mounts  string // source, destination, read-only; joined by NUL
}

// template is a mount namespace with everything that tenants of one layout have
// in common: a read-only system. A start joins it and makes a copy of its own.
type template struct {
	ns      *os.File
	changes *os.File // the host's mountinfo: readable-with-priority when it changed
	mounts  string   // what it said
	looked  time.Time
}

// lookAgain is how often the host's mounts are read though nothing told of a
// change: of a hundred changes that come close together, the kernel (6.18) does
// not tell of one.
const lookAgain = 10 * time.Second

// hostOnly are the directories of the host's root that tenants have of their
// own, or not at all.
var hostOnly = []string{"proc", "sys", "dev", "tmp", "run", "root", "home", "mnt", "media", "boot", "lost+found"}

// coverAlways are directories below those that are shown.
var coverAlways = []string{"/var/log"}

func layoutOf(s Spec) layout {
	l := layout{rootfs: s.Rootfs, host: s.Hostname, hidden: strings.Join(s.covered(), "\x00")}
	for _, m := range s.Mounts {
		l.mounts += fmt.Sprintf("%s\x00%s\x00%t\x00", m.Source, m.Destination, m.ReadOnly)
	}
	if s.showsDir() && !private(s.Dir) {
		l.workdir = s.Dir
	}
	l.socket = s.socketDir()
	l.resolv = ownResolv
	if s.Network == NetworkHost {
		data, _ := os.ReadFile("/etc/resolv.conf") // without one, names are asked of localhost, as on the host
		l.resolv = string(data)
	}
	return l
}

// ownResolv is the resolv.conf of a tenant with a network of its own.
const ownResolv = "nameserver " + egress.Resolver + "\n"

// showsDir reports that the working directory lies where the host's directories
// are out of sight, and is to be shown for itself.
func (s Spec) showsDir() bool {
	return s.Rootfs == "" && hiddenByRoot(s.Dir) && strings.Count(s.Dir, "/") > 1 &&
		!slices.ContainsFunc(s.Hidden, func(h string) bool { return beneath(s.Dir, h) })
}

// socketDir is the directory of a socket path of the user's own that lies
// neither in the tenant's directories nor in those it gets anew: its run
// directory is shown there. "" = none.
func (s Spec) socketDir() string {
	dir := filepath.Dir(s.Socket)
	if s.Socket == "" || dir == s.RunDir || s.DataDir != "" && beneath(dir, s.DataDir) || private(dir) {
		return ""
	}
	return dir
}

// covered are the places in the tenant's view where a hidden directory or file
// would show: its own, and those where a mount shows what it lies in.
func (s Spec) covered() []string {
	hidden := slices.DeleteFunc(slices.Clone(s.Hidden), func(path string) bool { return path == "" })
	all := slices.Clone(hidden)
	for _, m := range s.Mounts {
		for _, path := range hidden {
			below, err := filepath.Rel(m.Source, path)
			if shown := filepath.Join(m.Destination, below); err == nil && beneath(path, m.Source) && !slices.Contains(all, shown) {
				all = append(all, shown)
			}
		}
	}
	return all
}

// checkView refuses what would show too much, or hide it.
func (s Spec) checkView() error {
	home := s.Dir == "/root" || filepath.Dir(s.Dir) == "/home"
	if home && s.Rootfs == "" {
		return fmt.Errorf("cannot use the working directory %q: it is somebody's home, which tenants do not see: write workdir = the app's folder", s.Dir)
	}
	for _, m := range s.Mounts {
		if at := m.Destination; at == "/" || beneath(at, "/proc") || beneath(at, "/dev") && at != "/dev/shm" {
			return fmt.Errorf("cannot mount at %q: every tenant has that for itself", at)
		}
	}
	if dir := s.socketDir(); dir == "/" || filepath.Dir(dir) == "/" && dir != "/run" {
		return fmt.Errorf("cannot listen on %q: at isolation = %q the socket needs a directory of its own, like /run/%s", s.Socket, s.Level, filepath.Base(s.Socket))
	}
	return nil
}

// hiddenByRoot reports that a path of the host's would not be in a tenant's view.
func hiddenByRoot(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return slices.Contains(hostOnly, first)
}

// template gives the one of a layout, made anew when the host's mounts changed.
// It stays the engine's: only use it with its lock held.
func (e *Engine) template(l layout, mounts []Mount) (*template, error) {
	if t := e.templates[l]; t != nil && !t.outdated() {
		return t, nil
	}
	const most = 64 // of layouts; who has one working directory for each tenant has as many
	for old, t := range e.templates {
		if old == l || len(e.templates) >= most || t.outdated() {
			t.close()
			delete(e.templates, old)
		}
	}
	var t *template
	err := onThread(func() (err error) {
		t, err = buildTemplate(l, mounts)
		return err
	})
	if err != nil {
		return nil, err
	}
	e.templates[l] = t
	return t, nil
}

func (t *template) close() {
	t.ns.Close()
	t.changes.Close()
}

func (t *template) outdated() bool {
	polled := []unix.PollFd{{Fd: int32(t.changes.Fd()), Events: unix.POLLPRI}}
	n, err := unix.Poll(polled, 0)
	if err != nil || n > 0 && polled[0].Revents&(unix.POLLPRI|unix.POLLERR) != 0 {
		return true
	}
	if time.Since(t.looked) < lookAgain {
		return false
	}
	before := t.mounts
	return t.look() != nil || t.mounts != before
}

// look takes note of the host's mounts as they are.
func (t *template) look() error {
	t.looked = time.Now()
	data, err := io.ReadAll(io.NewSectionReader(t.changes, 0, 16<<20))
	t.mounts = string(data)
	return err
}

// buildTemplate turns the calling thread's view into a tenant's, as far as
// tenants of a layout share it, and keeps the namespace.
func buildTemplate(l layout, mounts []Mount) (*template, error) {
	changes, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("cannot watch the host's mounts: %w", err)
	}
	t := &template{changes: changes}
	if err = t.look(); err == nil {
		t.outdated() // whatever it says: from now on the kernel tells
		err = t.build(l, mounts)
	}
	if err != nil {
		changes.Close()
		if t.ns != nil {
			t.ns.Close()
		}
		return nil, err
	}
	return t, nil
}

func (t *template) build(l layout, mounts []Mount) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("cannot make a mount namespace: %w", err)
	}
	unix.Umask(0) // of this thread alone, which shares no directories with others any more
	var err error
	if t.ns, err = os.Open("/proc/thread-self/ns/mnt"); err != nil {
		return fmt.Errorf("cannot open a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot detach from the host's mounts: %w", err)
	}
	system, links, err := cloneSystem(l.rootfs)
	defer func() { closeClones(system) }()
	if err != nil {
		return err
	}
	nodes, err := cloneDevices(devices)
	defer func() { closeClones(nodes) }()
	if err != nil {
		return err
	}
	extra, err := cloneExtra(l, mounts)
	defer func() { closeClones(extra) }()
	if err != nil {
		return err
	}
	if err := raise(system, links); err != nil {
		return err
	}
	return furnish(l, append(nodes, extra...))
}

// cloneSystem copies the directories below a root, and reads its symbolic links.
func cloneSystem(rootfs string) (clones []clone, links map[string]string, err error) {
	entries, err := os.ReadDir(filepath.Join("/", rootfs))
	if err != nil {
		return nil, nil, &permanentError{fmt.Errorf("cannot read the root directory %q: %w", rootfs, reason(err))}
	}
	links = map[string]string{}
	for _, entry := range entries {
		at, path := "/"+entry.Name(), filepath.Join("/", rootfs, entry.Name())
		switch {
		case slices.Contains(hostOnly, entry.Name()):
		case entry.Type()&os.ModeSymlink != 0:
			if links[at], err = os.Readlink(path); err != nil {
				return clones, nil, err
			}
		case entry.IsDir():
			c, err := cloneTree(path, at, readOnly)
			if err != nil {
				return clones, nil, err
			}
			clones = append(clones, c)
		}
	}
	return clones, links, nil
}

// systemFiles are what runtimes read of /sys: processors, memory, page sizes.
var systemFiles = []string{"/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm/transparent_hugepage"}

// cloneExtra copies what is put into the new root afterwards.
func cloneExtra(l layout, mounts []Mount) (clones []clone, err error) {
	for _, path := range systemFiles {
		if c, err := cloneTree(path, path, readOnly); err == nil { // not every kernel has all
			clones = append(clones, c)
		}
	}
	if l.workdir != "" {
		mounts = append([]Mount{{Source: l.workdir, Destination: l.workdir, ReadOnly: true}}, mounts...)
	}
	for _, m := range mounts {
		if private(m.Destination) {
			continue // see enclosure.late
		}
		c, err := m.clone(mounts)
		if err != nil {
			return clones, err
		}
		clones = append(clones, c)
	}
	return clones, nil
}

// raise makes a root of a tmpfs, the clones and the links, and the old one go.
func raise(system []clone, links map[string]string) error {
	if err := mountNew("tmpfs", stage, unix.MS_NOSUID, "mode=0755,size=1m"); err != nil {
		return err
	}
	for _, c := range system {
		if err := c.attach(stage); err != nil {
			return err
		}
	}
	for at, target := range links {
		if err := os.Symlink(target, stage+at); err != nil {
			return fmt.Errorf("cannot make a root directory: %w", err)
		}
	}
	if err := unix.Chdir(stage); err != nil {
		return fmt.Errorf("cannot make a root directory: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("cannot change the root directory: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("cannot leave the old root directory: %w", err)
	}
	return unix.Chdir("/")
}

// furnish adds to the new root what a system has besides its directories, hides
// what is not for tenants, and makes it read-only.
func furnish(l layout, extra []clone) error {
	for _, name := range append([]string{"sys/fs/cgroup"}, hostOnly...) {
		if err := makePoint("/"+name, true); err != nil {
			return fmt.Errorf("cannot make a root directory: %w", err)
		}
	}
	for _, step := range []func() error{makeDev, makeMasks, writeInit, func() error { return writeEtc(l) }} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := attachAll(extra); err != nil {
		return &permanentError{err}
	}
	if l.socket != "" {
		if err := makePoint(l.socket, true); err != nil {
			return &permanentError{fmt.Errorf("cannot show the socket's directory %q: %w", l.socket, err)}
		}
	}
	if err := hide(l); err != nil {
		return err
	}
	for _, point := range []string{"/dev", "/"} {
		if err := unix.MountSetattr(unix.AT_FDCWD, point, 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}); err != nil {
			return fmt.Errorf("cannot make %q read-only: %w", point, err)
		}
	}
	return nil
}

// private reports a place that every start mounts something of its own over.
func private(path string) bool {
	return beneath(path, "/tmp") || beneath(path, "/var/tmp") || beneath(path, "/dev") || beneath(path, "/proc")
}

// hide covers directories that are not for tenants, and makes places for what
// each has of its own in them.
func hide(l layout) error {
	for _, path := range coverAlways {
		if isDirectory(path) {
			if err := cover(path); err != nil {
				return err
			}
		}
	}
	for _, path := range strings.Split(l.hidden, "\x00") {
		if path == "" || private(path) {
			continue
		}
		if isFile(path) {
			if err := bind(maskFile, path); err != nil {
				return err
			}
			continue
		}
		if err := makePoint(path, true); err != nil {
			return &permanentError{fmt.Errorf("cannot hide %q: %w", path, err)}
		}
		if err := cover(path); err != nil {
			return err
		}
	}
	return nil
}

// writeInit places PID 1's program.
func writeInit() error {
	program, err := initProgram()
	if err != nil {
		return err
	}
	if err := writeAlone(initPath, string(program), 0o555); err != nil {
		return fmt.Errorf("cannot write PID 1's program: %w", err)
	}
	if err := os.Mkdir(own, 0o755); err != nil {
		return fmt.Errorf("cannot make a root directory: %w", err)
	}
	return nil
}

// writeEtc puts files of a tenant's own in place of those of the host's /etc.
func writeEtc(l layout) error {
	for path, text := range map[string]string{
		"/etc/hostname":    l.host + "\n",
		"/etc/hosts":       "127.0.0.1\tlocalhost " + l.host + "\n::1\tlocalhost ip6-localhost ip6-loopback " + l.host + "\n",
		"/etc/resolv.conf": l.resolv,
	} {
		if err := replace(path, text); err != nil {
			return err
		}
	}
	return nil
}

// replace shows text in a read-only place. A symbolic link into a directory of
// ours (/etc/resolv.conf usually is one) gets its target made instead.
func replace(path, text string) error {
	if target, err := os.Readlink(path); err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	file := "/proc/" + strings.ReplaceAll(path[1:], "/", "-")
	if err := writeAlone(file, text, 0o444); err != nil {
		return fmt.Errorf("cannot write %s for a tenant: %w", path, err)
	}
	if makePoint(path, false) != nil {
		return nil // a root directory without an /etc like this
	}
	if err := bind(file, path); err != nil {
		return err
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, path, 0, &unix.MountAttr{Attr_set: readOnly}); err != nil {
		return fmt.Errorf("cannot make %q read-only: %w", path, err)
	}
	return nil
}
