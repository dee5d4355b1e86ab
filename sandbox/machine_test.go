package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const mountinfo = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 22 0:26 / /run rw,nosuid - tmpfs tmpfs rw,mode=755
31 22 8:1 / /srv/my\040data rw - xfs /dev/sdb rw,prjquota
40 22 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
41 22 0:31 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio
42 22 0:32 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
43 22 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
short
`

func TestMountOf_TheDeepestCounts(t *testing.T) {
	for path, want := range map[string]string{
		"/":                "ext4 rw,relatime,rw,discard",
		"/home/x":          "ext4 rw,relatime,rw,discard",
		"/running":         "ext4 rw,relatime,rw,discard",
		"/run":             "tmpfs rw,nosuid,rw,mode=755",
		"/run/tenement":    "tmpfs rw,nosuid,rw,mode=755",
		"/srv/my data/one": "xfs rw,rw,prjquota",
	} {
		kind, options := mountOf([]byte(mountinfo), path)
		if got := kind + " " + strings.Join(options, ","); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if kind, _ := mountOf(nil, "/"); kind != "an unknown file system" {
		t.Error(kind)
	}
}

func TestLegacyTrees_HaveTheNamesOfVersion2(t *testing.T) {
	var got []string
	for _, tree := range legacyTrees([]byte(mountinfo)) {
		got = append(got, tree.dir+" "+strings.Join(tree.controllers, " "))
	}
	want := []string{"/sys/fs/cgroup/cpu,cpuacct cpu cpuacct", "/sys/fs/cgroup/blkio io"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestEffective_IsTheCapabilitiesThatCount(t *testing.T) {
	for status, want := range map[string]uint64{
		"Name:\tten\nCapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\nCapBnd:\t0": 1<<41 - 1,
		"Name:\tten\nCapEff:\t0000000000000400\n":                                      1 << unix.CAP_NET_BIND_SERVICE,
		"": 0,
	} {
		if got := effective(status); got != want {
			t.Errorf("%q: %x, want %x", status, got, want)
		}
	}
}

func TestTryCalls_AskOnly(t *testing.T) {
	before, err := os.Readlink("/proc/thread-self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	answers := tryCalls()
	if after, _ := os.Readlink("/proc/thread-self/ns/mnt"); after != before {
		t.Errorf("a look at the machine changed the mount namespace from %s to %s", before, after)
	}
	if err := answers["pidfd_open"]; err != nil {
		t.Error("pidfds are used by all tests:", err)
	}
	for name := range answers {
		if _, known := questions[name]; !known {
			t.Errorf("an answer to %s, which was not asked", name)
		}
	}
}

func TestTryQuota_NeedsTheFileSystemAndTheMount(t *testing.T) {
	if err := tryQuota("/proc/nowhere"); err == nil || err.Error() != "/proc/nowhere is on proc" {
		t.Error(err)
	}
}

func TestIsTmpfs_LooksAtWhatIsThere(t *testing.T) {
	if err := isTmpfs("/dev/shm/tenement/not/yet"); err != nil {
		t.Error(err)
	}
	if err := isTmpfs("/proc/self"); err == nil || err.Error() != "/proc/self is on a disk" {
		t.Error(err)
	}
}

func TestNearest_FollowsLinks(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "a", "b"):       dir,
		filepath.Join(dir, "link", "none"): "/proc",
		"/":                                "/",
	} {
		if got := nearest(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

func TestCanServe_AsksForTheCapability(t *testing.T) {
	if err := (machine{uid: 0, capabilities: ^uint64(0)}).canServe(443); err != nil {
		t.Error(err)
	}
	if err := (machine{uid: 1000}).canServe(65535); err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil || strings.TrimSpace(string(data)) != "1024" {
		t.Skip("this machine lets everybody listen below 1024")
	}
	if err := (machine{uid: 1000}).canServe(443); err == nil || err.Error() != "uid 1000 may listen on port 1024 and above only" {
		t.Error(err)
	}
}
