package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// enclosure is what one start at LevelNamespace needs and holds until the
// process is there.
type enclosure struct {
	p      *Process
	child  *childFiles
	view   *os.File // the template's mount namespace; a descriptor of our own
	late   []clone  // what the template cannot hold, as every start makes the place anew
	again  string   // a directory that was mounted once more over the template's; "" = none
	own    []clone  // the tenant's own directories
	signal [2]int   // PID 1 says here that it is ready
	runsc  *os.File // gVisor's program; nil at LevelNamespace
}

// newEnclosure opens everything that will be out of sight for the thread later.
func newEnclosure(p *Process, child *childFiles) (*enclosure, error) {
	n := &enclosure{p: p, child: child, signal: [2]int{-1, -1}}
	if err := p.spec.checkView(); err != nil {
		return nil, &permanentError{err}
	}
	if err := n.open(); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// goInside takes a network for the process, or leaves it in the host's.
func (p *Process) goInside() (err error) {
	p.inside = &inside{uid: p.spec.UID}
	if p.spec.Network != NetworkHost {
		p.inside.net, err = p.engine.networks.take(p.spec)
	}
	return err
}

func (n *enclosure) open() (err error) {
	if n.p.spec.Level == LevelSandbox {
		if err := n.prepareGuest(); err != nil {
			return err
		}
	}
	if n.view, err = n.p.engine.openTemplate(n.p.spec); err != nil {
		return err
	}
	if err = unix.Pipe2(n.signal[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("cannot make a pipe: %w", err)
	}
	if err = n.cloneLate(); err != nil {
		return err
	}
	return n.cloneOwn()
}

// openTemplate gives a descriptor of the template's namespace that stays good
// when the template is replaced.
func (e *Engine) openTemplate(s Spec) (*os.File, error) {
	e.templating.Lock()
	defer e.templating.Unlock()
	t, err := e.template(layoutOf(s), s.Mounts)
	if err != nil {
		return nil, err
	}
	fd, err := unix.FcntlInt(t.ns.Fd(), unix.F_DUPFD_CLOEXEC, 10)
	if err != nil {
		return nil, fmt.Errorf("cannot open a mount namespace: %w", err)
	}
	return os.NewFile(uintptr(fd), "mnt"), nil
}

// cloneLate copies the mounts that the template cannot hold.
func (n *enclosure) cloneLate() error {
	s := n.p.spec
	locked, err := n.p.engine.cloneLocked(s)
	if err != nil {
		return err
	}
	var mounts []Mount
	switch {
	case locked != nil:
		n.late, n.again = append(n.late, *locked), s.Dir
	case s.showsDir() && private(s.Dir):
		mounts = append(mounts, Mount{Source: s.Dir, Destination: s.Dir, ReadOnly: true})
	}
	for _, m := range append(mounts, s.Mounts...) {
		if !n.anew(m.Destination) {
			continue
		}
		c, err := m.clone(s.Mounts)
		if err != nil {
			return err
		}
		n.late = append(n.late, c)
	}
	return nil
}

// anew reports a place that this start makes anew, so that whatever the template
// has there is out of sight.
func (n *enclosure) anew(path string) bool {
	return private(path) || n.again != "" && beneath(path, n.again)
}

// cloneOwn gives the tenant's own directories to its user and copies their mounts.
func (n *enclosure) cloneOwn() error {
	s := n.p.spec
	if s.DataDir != "" {
		if err := handOver(s.DataDir, s.UID, s.UID); err != nil {
			return err
		}
		if err := n.cloneOwned(s.DataDir, tame); err != nil {
			return err
		}
	}
	if len(s.Secrets) > 0 {
		return n.cloneOwned(SecretsDir(s.RunDir), readOnly)
	}
	return nil
}

func (n *enclosure) cloneOwned(path string, attributes uint64) error {
	c, err := cloneOwned(path, attributes)
	if err == nil {
		n.own = append(n.own, c)
	}
	return err
}

func (n *enclosure) close() {
	if n.view != nil {
		n.view.Close()
	}
	if n.runsc != nil {
		n.runsc.Close()
	}
	closeClones(n.late)
	closeClones(n.own)
	for _, fd := range n.signal {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// join takes the calling thread into the tenant's network, a copy of the
// template's view, and new namespaces of the kinds given. The thread is not to be
// used for anything else.
func (n *enclosure) join(kinds int) error {
	if err := n.p.inside.net.enter(); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // setns wants it
		return fmt.Errorf("cannot leave the daemon's root directory: %w", err)
	}
	if err := unix.Setns(int(n.view.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("cannot enter a mount namespace: %w", err)
	}
	if err := unix.Unshare(kinds); err != nil {
		return fmt.Errorf("cannot make namespaces: %w", err)
	}
	return nil
}

// enter takes the calling thread into namespaces of the tenant's own and
// completes the tenant's view.
func (n *enclosure) enter() error {
	if err := n.join(unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(n.p.spec.Hostname)); err != nil {
		return fmt.Errorf("cannot set the host name %q: %w", n.p.spec.Hostname, err)
	}
	unix.Umask(0) // of this thread alone, since CLONE_FS
	if err := n.startInit(); err != nil {
		return err
	}
	if err := n.furnish(); err != nil { // while PID 1 mounts /proc
		return err
	}
	if err := n.awaitInit(); err != nil {
		return err
	}
	if err := maskProc(); err != nil {
		return err
	}
	unix.Umask(0o022)
	var err error
	if n.p.inside.root, err = openRoot("/"); err != nil {
		return err
	}
	if err := n.drop(); err != nil {
		return err
	}
	if err := restrict(n.p.engine.landlock, n.writable(), n.child.files[1:3]...); err != nil {
		return err
	}
	return n.enterDir()
}

// enterDir goes to the working directory with the tenant's eyes: what it may not
// enter is told by name, before the app is blamed.
func (n *enclosure) enterDir() error {
	s := n.p.spec
	if err := become(s.UID); err != nil {
		return err
	}
	err := unix.Chdir(s.Dir)
	if err := become(uint32(os.Geteuid())); err != nil { // a cgroup is entered with root's rights
		return err
	}
	switch {
	case errors.Is(err, unix.EACCES):
		err = fmt.Errorf("cannot use the working directory %q: tenants may not enter it: chmod o+x it and the directories above it", s.Dir)
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR):
		err = fmt.Errorf("cannot use the working directory %q: it is not in a tenant's view: %w", s.Dir, err)
	case err != nil:
		return fmt.Errorf("cannot use the working directory %q: %w", s.Dir, err)
	default:
		return nil
	}
	return &permanentError{err}
}

// furnish mounts what the tenant has of its own.
func (n *enclosure) furnish() error {
	if err := mountNew("tmpfs", own, unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=10%,nr_inodes=65536"); err != nil {
		return err
	}
	for _, dir := range []string{"/tmp", "/shm"} {
		if err := os.Mkdir(own+dir, 0o1777|os.ModeSticky); err != nil {
			return fmt.Errorf("cannot make the tenant's own directories: %w", err)
		}
	}
	for _, b := range [][2]string{{own + "/tmp", "/tmp"}, {own + "/tmp", "/var/tmp"}, {own + "/shm", "/dev/shm"}} {
		if err := bind(b[0], b[1]); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	if err := mountNew("devpts", "/dev/pts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"); err != nil {
		return err
	}
	if err := n.writeUsers(); err != nil {
		return err
	}
	if err := attachAll(n.late); err != nil {
		return &permanentError{err}
	}
	if err := n.uncover(); err != nil {
		return err
	}
	if err := n.makeRunDir(); err != nil {
		return err
	}
	return attachAll(n.own)
}

// makeRunDir makes a directory for sockets in place of the run directory. What
// the tenant writes there fills its own file system and not that of all others.
func (n *enclosure) makeRunDir() error {
	s, dir := n.p.spec, own+"/run"
	err := unix.Mkdir(dir, 0o700)
	if err == nil {
		err = unix.Chown(dir, int(s.UID), int(s.UID))
	}
	if err != nil {
		return fmt.Errorf("cannot make the tenant's own directories: %w", err)
	}
	if err := makePoint(s.RunDir, true); err != nil {
		return fmt.Errorf("cannot mount at %q: %w", s.RunDir, err)
	}
	if err := bind(dir, s.RunDir); err != nil {
		return err
	}
	if at := s.socketDir(); at != "" {
		return bind(dir, at)
	}
	return nil
}

// uncover covers the daemon's directories that hold something of the tenant's by
// empty ones that can take mounts. They are the tenant's alone: nobody sees from
// them who the others are.
func (n *enclosure) uncover() error {
	for i, path := range n.p.spec.covered() {
		var err error
		switch {
		case beneath(n.p.spec.DataDir, path) || beneath(n.p.spec.RunDir, path):
			err = uncoverOne(own+"/"+strconv.Itoa(i), path)
		case !n.anew(path): // the template has covered it
		case isFile(path):
			err = bind(maskFile, path)
		case isDirectory(path):
			err = cover(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func uncoverOne(from, path string) error {
	if err := os.Mkdir(from, 0o755); err != nil {
		return fmt.Errorf("cannot make the tenant's own directories: %w", err)
	}
	if err := makePoint(path, true); err != nil {
		return fmt.Errorf("cannot hide %q: %w", path, err)
	}
	return bind(from, path)
}

// writeUsers gives the tenant's user a name, as many programs want one.
func (n *enclosure) writeUsers() error {
	s := n.p.spec
	home := s.DataDir
	if home == "" {
		home = "/"
	}
	id := strconv.FormatUint(uint64(s.UID), 10)
	for _, f := range [...]struct{ name, text string }{
		{"passwd", "root:x:0:0:root:/root:/usr/sbin/nologin\ntenant:x:" + id + ":" + id + "::" + home + ":/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
		{"group", "root:x:0:\ntty:x:5:\ntenant:x:" + id + ":\nnogroup:x:65534:\n"},
	} {
		if err := writeNew(own+"/"+f.name, f.text); err != nil {
			return fmt.Errorf("cannot write /etc/%s for the tenant: %w", f.name, err)
		}
		if err := bind(own+"/"+f.name, "/etc/"+f.name); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// writeNew is os.WriteFile without what a start has no time for.
func writeNew(path, text string) error {
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

// startInit starts PID 1 of the tenant's pid namespace.
func (n *enclosure) startInit() error {
	null := n.child.files[0]
	attr := syscall.ProcAttr{
		Dir: "/", Files: []uintptr{null, null, null, uintptr(n.signal[1])},
		Sys: &syscall.SysProcAttr{Setsid: true, Unshareflags: unix.CLONE_NEWCGROUP},
	}
	if n.child.cgroup >= 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, n.child.cgroup
	}
	mains.starting.RLock()
	pid, err := syscall.ForkExec(initPath, []string{"init"}, &attr)
	if err == nil {
		mains.add(pid)
	}
	mains.starting.RUnlock()
	if err != nil {
		return fmt.Errorf("cannot start PID 1 of the tenant: %w", err)
	}
	n.p.init.pid = pid
	if l, isLeaf := n.p.tree.(*leaf); isLeaf {
		l.init = pid
	}
	unix.Close(n.signal[1])
	n.signal[1] = -1
	return nil
}

// awaitInit waits until /proc is there.
func (n *enclosure) awaitInit() error {
	var answer [4]byte
	if got, err := readDatagram(n.signal[0], answer[:]); err != nil || got != len(answer) {
		return fmt.Errorf("PID 1 of the tenant did not start: %w", errors.Join(err, errors.New("it ended")))
	}
	if errno := unix.Errno(binary.NativeEndian.Uint32(answer[:])); errno != 0 {
		return fmt.Errorf("cannot mount /proc for the tenant: %w", errno)
	}
	return nil
}

// writable are the places where the tenant may write.
func (n *enclosure) writable() []string {
	all := []string{"/tmp", "/dev/shm", n.p.spec.RunDir}
	if n.p.spec.DataDir != "" {
		all = append(all, n.p.spec.DataDir)
	}
	for _, m := range n.p.spec.Mounts {
		if !m.ReadOnly {
			all = append(all, m.Destination)
		}
	}
	return all
}

// drop takes every privilege from the thread that the tenant's process would
// inherit, but for what the fork itself needs: the change of user comes there.
func (n *enclosure) drop() error {
	for c := 0; c <= unix.CAP_LAST_CAP; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && err != unix.EINVAL {
			return fmt.Errorf("cannot give up capability %d: %w", c, err)
		}
	}
	return noNewPrivileges()
}
