package sandbox

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// attribute is one behind a message, as netlink(7) has it.
func attribute(kind uint16, value []byte) []byte {
	a := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	a = append(binary.NativeEndian.AppendUint16(a, kind), value...)
	return append(a, make([]byte, -len(a)&3)...)
}

func TestParseInet_KnowsInodeUserAndCgroup(t *testing.T) {
	t.Parallel()
	order := binary.NativeEndian
	reply := make([]byte, 72)
	reply[1] = stateListen
	order.PutUint32(reply[64:], 1000)
	order.PutUint32(reply[68:], 77)
	for _, c := range []struct {
		behind []byte
		cgroup uint64
	}{
		{nil, 0},
		{attribute(21, order.AppendUint64(nil, 1<<40)), 1 << 40},
		{slices.Concat(attribute(15, []byte{1}), attribute(21, order.AppendUint64(nil, 5))), 5},
		{attribute(21, []byte{1, 2, 3, 4}), 0}, // no number of ours
		{attribute(21, order.AppendUint64(nil, 5))[:8], 0},
		{[]byte{0, 0, 21, 0}, 0}, // an attribute shorter than its head
	} {
		if got := parseInet(slices.Concat(reply, c.behind)); got != (tcpSocket{inode: 77, user: 1000, cgroup: c.cgroup}) {
			t.Errorf("%v: %v, want cgroup %d", c.behind, got, c.cgroup)
		}
	}
}

func TestTakeMessages_OfADumpOneByOneUntilItsEnd(t *testing.T) {
	t.Parallel()
	message := func(kind uint16, body ...byte) []byte {
		m := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
		m = append(binary.NativeEndian.AppendUint16(m, kind), make([]byte, 10)...)
		return append(m, body...)
	}
	errno := binary.NativeEndian.AppendUint32(nil, uint32(0x100000000-int64(unix.ENOENT)))
	for _, c := range []struct {
		datagram []byte
		taken    string
		more     bool
		err      error
	}{
		{slices.Concat(message(20, 'a', 'b', 'c', 'd'), message(20, 'e', 'f', 'g', 'h')), "abcdefgh", true, nil},
		{slices.Concat(message(20, 'a', 'b', 'c', 'd'), message(unix.NLMSG_DONE, 0, 0, 0, 0)), "abcd", false, nil},
		{message(unix.NLMSG_ERROR, errno...), "", false, unix.ENOENT},
		{message(unix.NLMSG_ERROR), "", false, errCutShort},
		{message(20, 'a', 'b', 'c', 'd')[:18], "", false, errCutShort},
		{nil, "", false, errCutShort},
	} {
		var taken []byte
		more, err := takeMessages(c.datagram, func(reply []byte) { taken = append(taken, reply...) })
		if string(taken) != c.taken || more != c.more || err != c.err {
			t.Errorf("%v: %q %t %v", c.datagram, taken, more, err)
		}
	}
}

func TestAnyListening_FindsOneAmongManyAndNoneThatOnlyConnected(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	path := func(i int) string {
		return filepath.Join(dir, strings.Repeat("x", 60), string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	if err := os.Mkdir(filepath.Dir(path(0)), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 200 { // more than one datagram's worth
		l, err := net.Listen("unix", path(i))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	bound, err := net.ListenPacket("unixgram", filepath.Join(dir, "bound"))
	if err != nil {
		t.Fatal(err)
	}
	defer bound.Close()
	for _, d := range []diag{newDiag(), {}} {
		named := func(name string) bool {
			return d.anyListening(nil, "/proc/self/net", func(s unixSocket) bool { return s.name == name })
		}
		for i := range 200 {
			if !named(path(i)) {
				t.Fatalf("%+v: %s is not found", d, path(i))
			}
		}
		if named(filepath.Join(dir, "bound")) || named(path(200)) {
			t.Errorf("%+v: found one that does not listen", d)
		}
	}
	if (diag{}).anyListening(nil, "/no/where", func(unixSocket) bool { return true }) {
		t.Error("found one in a network that is gone")
	}
	closed := &netns{file: opened(t, os.DevNull)}
	closed.file.Close()
	if newDiag().anyListening(closed, "/no/where", func(unixSocket) bool { return true }) {
		t.Error("found one in a closed namespace")
	}
}

// A squatter whose process we may not look at still has a user.
func TestOwnerOf_OneOutOfSightIsNamedByItsUser(t *testing.T) {
	t.Parallel()
	if got := ownerOf(tcpSocket{inode: 1, user: 33}); got != "another process, of user 33" {
		t.Error(got)
	}
}

func TestMade_ASocketIsKnownByItsCgroup(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	l := &leaf{dir: dir}
	p := &Process{tree: l}
	if l.number() == 0 || !p.made(tcpSocket{cgroup: l.number()}) {
		t.Error("one of its own")
	}
	if p.made(tcpSocket{cgroup: l.number() + 1}) || p.made(tcpSocket{}) {
		t.Error("somebody else's")
	}
	if gone := (&leaf{dir: filepath.Join(dir, "gone")}); gone.number() != 0 || (&Process{tree: gone}).made(tcpSocket{}) {
		t.Error("a cgroup that is gone has made none")
	}
	if (&Process{tree: newFamily("", 0)}).made(tcpSocket{cgroup: 1}) {
		t.Error("a family has no cgroup")
	}
}
