package sandbox

import (
	"path/filepath"
	"time"
)

// CPUOfAll is the CPU time of everybody that the engine has started since it made
// its cgroup, those that ended too; false where no cgroup counts it. Version 2
// counts in every cgroup, whichever controllers are enabled (cgroup-v2.rst).
func (e *Engine) CPUOfAll() (time.Duration, bool) {
	if e.root == nil {
		return 0, false
	}
	spent := count(filepath.Join(e.root.dir, "cpu.stat"), "usage_usec")
	return time.Duration(spent) * time.Microsecond, spent > 0
}
