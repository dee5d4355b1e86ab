package sandbox

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// markerVariable is in every tenant's environment; its value names one
// generation of one tenant of one daemon on this machine.
const markerVariable = "TENEMENT_RUN"

// marker is the entry of the environment by which a family knows its members.
func marker(runDir string, generation uint64) string {
	return markerVariable + "=" + filepath.Join(runDir, strconv.FormatUint(generation, 10))
}

// family is a tree without a cgroup. Its members are those with the marker in
// their environment, those in the main process's session, and the descendants
// of either. A process escapes it only by leaving the session, wiping its
// environment and outliving its parent, all three; with a cgroup none does.
type family struct {
	marker string

	mu      sync.Mutex
	session int            // the main process's pid while nobody else can have it; else 0
	roll    map[int]uint64 // start times of those alive when the main process had died
}

func newFamily(marker string, session int) *family {
	return &family{marker: marker, session: session}
}

// callRoll notes who is there, before the main process's pid is given up. A pid
// that somebody else reaped is given up already: then its session says nothing.
func (f *family) callRoll(reaped bool) {
	if reaped {
		f.giveUp(nil)
	}
	members, _ := f.members() // without /proc there is no roll, and no signal either
	f.giveUp(members)
}

func (f *family) giveUp(members []member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.session = 0
	f.roll = make(map[int]uint64, len(members))
	for _, m := range members {
		f.roll[m.pid] = m.start
	}
}

func (f *family) members() ([]member, error) {
	pids, err := processes()
	if err != nil {
		return nil, err
	}
	children := map[int][]stat{}
	var found []stat
	for _, pid := range pids {
		s, err := readStat(pid)
		if err != nil || s.state == 'Z' || pid == os.Getpid() {
			continue // gone, or as good as gone, or us
		}
		children[s.parent] = append(children[s.parent], s)
		if f.claims(s) {
			found = append(found, s)
		}
	}
	return withDescendants(found, children), nil
}

// claims reports a member by what the process itself shows.
func (f *family) claims(s stat) bool {
	f.mu.Lock()
	start, onRoll := f.roll[s.pid]
	known := f.session != 0 && s.session == f.session || onRoll && start == s.start // the kernel's own threads are in session 0
	f.mu.Unlock()
	if known {
		return true
	}
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(s.pid) + "/environ")
	return err == nil && slices.ContainsFunc(bytes.Split(environ, []byte{0}), func(entry []byte) bool {
		return string(entry) == f.marker
	})
}

func withDescendants(found []stat, children map[int][]stat) []member {
	seen := map[int]bool{}
	var all []member
	for len(found) > 0 {
		s := found[len(found)-1]
		found = found[:len(found)-1]
		if seen[s.pid] {
			continue
		}
		seen[s.pid] = true
		all = append(all, member{pid: s.pid, start: s.start})
		for _, child := range children[s.pid] {
			if child.start >= s.start { // else the parent's pid was used again between two reads
				found = append(found, child)
			}
		}
	}
	return all
}

func (f *family) holds(m member) bool {
	s, err := readStat(m.pid)
	return err == nil && s.start == m.start && s.state != 'Z'
}

func (f *family) kill() error { return killAll(f) }

// remove has nothing to remove: kill returned when the last one was gone.
func (f *family) remove() error { return nil }
