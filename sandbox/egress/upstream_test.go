package egress

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestUpstreams_ResolvConfIsRead(t *testing.T) {
	for text, want := range map[string][]string{
		"":                           {"127.0.0.1:53"},
		"search example.org\n":       {"127.0.0.1:53"},
		"nameserver 192.0.2.1":       {"192.0.2.1:53"},
		"nameserver\t192.0.2.1  \n":  {"192.0.2.1:53"},
		"# nameserver 192.0.2.9\n":   {"127.0.0.1:53"},
		"nameserver\nnameserver x\n": {"127.0.0.1:53"},
		"nameserver fe80::1%eth0\n":  {"[fe80::1%eth0]:53"},
		"nameserver 2001:db8::1\n":   {"[2001:db8::1]:53"},
		"nameservers 192.0.2.1":      {"127.0.0.1:53"},
		"options edns0\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n": {"192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"},
	} {
		if got := parseServers([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

func TestUpstreams_AChangeIsSeenWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		u := newUpstreams(path)
		expect := func(want string) {
			t.Helper()
			if got := u.servers(); !slices.Equal(got, []string{want}) {
				t.Errorf("got %q, want %s", got, want)
			}
		}
		expect("127.0.0.1:53") // there is no file
		replace(t, path, "nameserver 192.0.2.1\n")
		expect("127.0.0.1:53")
		time.Sleep(fresh)
		expect("192.0.2.1:53")
		time.Sleep(fresh)
		expect("192.0.2.1:53")
		replace(t, path, "nameserver 192.0.2.2\n")
		time.Sleep(fresh)
		expect("192.0.2.2:53")
		must(t, os.Remove(path))
		time.Sleep(fresh)
		expect("127.0.0.1:53")
	})
}

// replace writes a file as resolvconf does: beside it, then renamed.
func replace(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path+".new", []byte(text), 0o644))
	must(t, os.Rename(path+".new", path))
}
