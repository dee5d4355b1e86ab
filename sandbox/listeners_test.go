package sandbox

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestListenersOn_FindsThisVeryProcess(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		at := l.Addr().(*net.TCPAddr).AddrPort()
		all, err := ListenersOn(at.Port())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(l Listener) bool { return l.Address == at })
		if i < 0 {
			t.Fatalf("%s is not among %+v", at, all)
		}
		if all[i].UID != uint32(os.Geteuid()) || !slices.ContainsFunc(all[i].Holders, func(h Holder) bool { return h.PID == os.Getpid() && h.Name != "" }) {
			t.Errorf("%+v", all[i])
		}
		l.Close()
		if all, err = ListenersOn(at.Port()); err != nil || slices.ContainsFunc(all, func(l Listener) bool { return l.Address == at }) {
			t.Errorf("closed: %+v, %v", all, err)
		}
	}
}

// Two processes with one socket are systemd and whom it passed it to; a third is
// of somebody whose files we may not look at.
func TestListenersOn_TellsAllHoldersAndThoseWhoCannotBeSeen(t *testing.T) {
	t.Parallel()
	const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 00000000:0050 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 100 0 0 10 0
   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 0
   3: nonsense
   4: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4714 1 0000000000000000 100 0 0 10 0
`
	dir := t.TempDir()
	write := func(name, text string) error {
		path := filepath.Join(dir, name)
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600))
	}
	link := func(to, name string) error {
		path := filepath.Join(dir, name)
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(to, path))
	}
	err := errors.Join(write("net/tcp", tcp), write("1/comm", "systemd\n"), write("23/comm", "ten\n"), write("sys/x", ""), write("99/comm", "gone\n"),
		link("socket:[4711]", "1/fd/7"), link("socket:[4711]", "1/fd/9"), link("socket:[4711]", "23/fd/3"), link("/dev/null", "23/fd/0"), link("socket:[4713]", "23/fd/4"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := listenersOn(dir, 80)
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	if want := []Holder{{1, "systemd"}, {23, "ten"}}; all[0].Address != netip.MustParseAddrPort("0.0.0.0:80") || !slices.Equal(all[0].Holders, want) {
		t.Errorf("%+v", all[0])
	}
	if all[1].UID != 1000 || all[1].Holders != nil {
		t.Errorf("%+v", all[1])
	}
	if _, err := listenersOn(filepath.Join(dir, "none"), 80); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without /proc: %v", err)
	}
}
