package e2e

import (
	"fmt"
	"os"
	"testing"
)

// systemd shares the host's mounts with whoever copies them: what a tenant's view
// has below a folder of the host's must not appear there as well. The working
// directory is above data_dir and run_dir, which the view covers.
func TestMounts_ATenantsViewLeavesNothingOnAHostThatSharesItsMounts(t *testing.T) {
	t.Parallel()
	requireRoot(t, "level namespace does")
	d := prepare(t, setup{services: `[service.web]
command = "CHARACTER serves"
listen = "unix"
apex = "none"
workdir = "DIR"
mounts = [["APPS", "APPS", true]]
`})
	d.setup.wrap = []string{"unshare", "--mount", "--propagation", "private", "--", "sh", "-c", `mount --make-rshared / && exec "$@"`, "sh"}
	d.start()
	mounts := func() string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", d.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := mounts()
	for _, id := range []string{"one", "two"} {
		d.want(200, "web", id, "/")
		d.must("stop", "web:"+id)
	}
	if after := mounts(); after != before {
		t.Errorf("the host has\n%s\nand had\n%s", after, before)
	}
}
