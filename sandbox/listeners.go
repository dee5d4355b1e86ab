package sandbox

import (
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Listener is a TCP socket of this machine that waits for connections.
type Listener struct {
	Address netip.AddrPort
	UID     uint32 // of who made it
	Holders []Holder
}

// Holder is a process that has a listener open.
type Holder struct {
	PID  int
	Name string // as the kernel knows it, 15 bytes
}

// HeldBy reports that a process has it open.
func (l Listener) HeldBy(pid int) bool {
	return slices.ContainsFunc(l.Holders, func(h Holder) bool { return h.PID == pid })
}

// ListenersOn gives who listens on a port, of any address. Holders are missing
// where only root may look. It connects to nobody.
func ListenersOn(port uint16) ([]Listener, error) {
	return listenersOn("/proc", port)
}

func listenersOn(proc string, port uint16) ([]Listener, error) {
	found := map[string]*Listener{}
	var inodes []string // in the order of the tables
	for _, name := range []string{"tcp", "tcp6"} {
		table, err := os.ReadFile(filepath.Join(proc, "net", name))
		if os.IsNotExist(err) && name == "tcp6" { // a host without IPv6
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot tell who listens: %w", err)
		}
		for inode, l := range parseListeners(string(table), port) {
			found[inode] = &l
			inodes = append(inodes, inode)
		}
	}
	if len(found) > 0 {
		findHolders(proc, found)
	}
	slices.Sort(inodes)
	var all []Listener
	for _, inode := range inodes {
		all = append(all, *found[inode])
	}
	return all, nil
}

// parseListeners reads a table of /proc/net, by the sockets' inodes.
func parseListeners(table string, port uint16) map[string]Listener {
	all := map[string]Listener{}
	for line := range strings.Lines(table) {
		columns := strings.Fields(line)
		if len(columns) < 10 || columns[3] != "0A" {
			continue
		}
		address, ok := parseHexAddress(columns[1])
		uid, err := strconv.ParseUint(columns[7], 10, 32)
		if ok && err == nil && address.Port() == port {
			all[columns[9]] = Listener{Address: address, UID: uint32(uid)}
		}
	}
	return all
}

// findHolders looks through the files of every process that it may look into. One
// that ends meanwhile holds nothing.
func findHolders(proc string, sockets map[string]*Listener) {
	processes, _ := os.ReadDir(proc)
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join(proc, p.Name())
		files, _ := os.ReadDir(filepath.Join(dir, "fd"))
		for _, f := range files {
			if l := socketOf(dir, f, sockets); l != nil && !l.HeldBy(pid) {
				name, _ := os.ReadFile(filepath.Join(dir, "comm"))
				l.Holders = append(l.Holders, Holder{pid, strings.TrimSpace(string(name))})
			}
		}
	}
	for _, l := range sockets {
		slices.SortFunc(l.Holders, func(a, b Holder) int { return a.PID - b.PID })
	}
}

func socketOf(dir string, file fs.DirEntry, sockets map[string]*Listener) *Listener {
	link, err := os.Readlink(filepath.Join(dir, "fd", file.Name()))
	inode, isSocket := strings.CutPrefix(link, "socket:[")
	if err != nil || !isSocket {
		return nil
	}
	return sockets[strings.TrimSuffix(inode, "]")]
}
