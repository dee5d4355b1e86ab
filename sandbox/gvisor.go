package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// LevelSandbox is the view of LevelNamespace once more, but no program of the
// tenant's ever talks to the host's kernel: gVisor's runsc serves their system
// calls. Three processes of it are in the tenant's cgroup:
//
//	runsc run          waits, in the tenant's network and mount namespaces; root
//	├ runsc-gofer      opens the tenant's files          ┐ in a user namespace in which
//	└ runsc-sandbox    gVisor's kernel, with the programs ┘ nobody but the tenant's user is
//
// Sockets are the host's own, in the tenant's network namespace: they are found,
// dialled and let out as at LevelNamespace.

// guestStage is where runsc finds the bundle and keeps its state: a directory
// that is empty in every tenant's view, covered by a tmpfs of this start's own.
// It ends with the processes, and nothing is to be removed. The environment of a
// tenant, 2 MB at most, is in it twice, once with every character of HTML spelled out.
const guestStage = "/boot"

const (
	guestRootPath = guestStage + "/root"  // the tenant's view
	guestState    = guestStage + "/state" // of runsc
	guestConfig   = guestStage + "/config.json"
	runscFD       = 3 // in the child: gVisor's program, which its view need not have
)

// runscArguments are how a tenant is run: nothing of runsc's own is written
// anywhere, cgroups and limits are ours.
var runscArguments = []string{
	"runsc", "--root=" + guestState,
	"--platform=systrap",             // needs nothing of the host, kvm hangs in virtual machines
	"--network=host",                 // which is the tenant's namespace
	"--gofer-network-namespace=host", // it makes the Unix sockets, which are looked for there
	"--host-uds=create",              // the tenant's can be connected to; it can connect to none of the host's
	"--overlay2=none",                // what is written is written
	"--ignore-cgroups",
	"run", "--bundle=" + guestStage, guestName,
}

// guestName is what a tenant is called in its runsc's state.
const guestName = "tenant"

// enterGuest takes the calling thread to where runsc is to be started.
func (n *enclosure) enterGuest() error {
	if err := n.join(unix.CLONE_NEWNS); err != nil {
		return err
	}
	unix.Umask(0) // of this thread alone, since CLONE_FS
	if err := n.furnish(); err != nil {
		return err
	}
	unix.Umask(0o022)
	var err error
	if n.p.inside.root, err = openRoot("/"); err != nil {
		return err
	}
	return n.enterDir()
}

// spawnGuest starts the program at path, of the tenant's view, through runsc.
func (n *enclosure) spawnGuest(path string) error {
	if err := canExecute(n.p.spec.Dir, path); err != nil {
		return executeError(n.p.spec, path, err)
	}
	shared := slices.DeleteFunc(sharedDirs(n.p.spec), absent)
	config, err := guestText(guestOf(n.p.spec, path, guestRootPath, shared, n.p.environment()))
	if err != nil {
		return err
	}
	if err := stageGuest(config); err != nil {
		return err
	}
	n.child.files = append(n.child.files, n.runsc.Fd())
	if err := n.p.fork("/proc/self/fd/"+strconv.Itoa(runscFD), runscArguments, []string{n.p.marker()}, n.child); err != nil {
		return fmt.Errorf("cannot execute %s: %w", n.runsc.Name(), err)
	}
	return nil
}

// absent reports what a view has not, or only as a link to somewhere else in it.
func absent(path string) bool {
	info, err := os.Lstat(path)
	return err != nil || info.Mode()&os.ModeSymlink != 0
}

// canExecute answers as execve would, which runsc makes where nobody hears it.
func canExecute(dir, path string) error {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return reason(err)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return unix.EACCES
	}
	if interpreter := interpreterOf(path); interpreter != "" {
		_, err = os.Stat(interpreter)
	}
	return reason(err)
}

// stageGuest shows the calling thread's view a second time, where gVisor's file
// server can take it from: it cannot serve the root directory that it has itself.
func stageGuest(config []byte) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, "/", unix.AT_RECURSIVE|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cannot copy the tenant's view: %w", err)
	}
	defer unix.Close(tree)
	if err := mountNew("tmpfs", guestStage, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0755,size=32m"); err != nil {
		return err
	}
	err = errors.Join(os.Mkdir(guestRootPath, 0o755), os.Mkdir(guestState, 0o700), os.WriteFile(guestConfig, config, 0o600))
	if err != nil {
		return fmt.Errorf("cannot describe a tenant to gVisor: %w", err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, guestRootPath, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("cannot show the tenant's view to gVisor: %w", err)
	}
	return mountNew("proc", "/proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// prepareGuest opens gVisor's program while its path means something.
func (n *enclosure) prepareGuest() error {
	if n.p.spec.Listen == ListenFD {
		return &permanentError{errors.New("gVisor accepts on no socket that was passed in")}
	}
	var err error
	n.runsc, err = n.p.engine.openRunsc()
	return err
}

// openRunsc opens gVisor's program, to be executed.
func (e *Engine) openRunsc() (*os.File, error) {
	path, err := e.runsc()
	if err != nil {
		return nil, &permanentError{fmt.Errorf("cannot use runsc: %w", err)}
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &permanentError{fmt.Errorf("cannot open %s: %w", path, err)}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// guest is a tree whose processes are gVisor's own: a signal is for the
// tenant's program, to which gVisor's kernel hands on what it gets itself.
type guest struct {
	tree
	main int // runsc run
}

// signalled is who gets the signals that are meant for a tenant.
func signalled(t tree, level Level, main int) tree {
	if level == LevelSandbox {
		return guest{t, main}
	}
	return t
}

// members are gVisor's kernel alone: before it is there, runsc run, with which
// the rest ends.
func (g guest) members() ([]member, error) {
	all, err := g.tree.members()
	for _, m := range all {
		s, err := readStat(m.pid)
		if err != nil || s.parent != g.main {
			continue
		}
		line, _ := os.ReadFile("/proc/" + strconv.Itoa(m.pid) + "/cmdline") // gone: not the one
		if bytes.HasPrefix(line, []byte("runsc-sandbox\x00")) {
			return []member{m}, nil
		}
	}
	for _, m := range all {
		if m.pid == g.main {
			return []member{m}, err
		}
	}
	return nil, err
}

// guestStatus undoes what runsc makes of a signal: it exits with 128 and the
// signal's number, as a shell does.
func guestStatus(s Status) Status {
	if s.Code > 128 && s.Code <= 128+64 {
		return Status{Code: -1, Signal: s.Code - 128}
	}
	return s
}
