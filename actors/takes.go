package actors

import (
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// Takes reads what a tenant's process takes now; false: it has none.
func (h *Host) Takes(name conf.Instance) (sandbox.Usage, bool) {
	c := h.cell(name)
	if c == nil {
		return sandbox.Usage{}, false
	}
	v := c.view.Load()
	if v == nil || v.process == nil {
		return sandbox.Usage{}, false
	}
	return v.process.Usage(), true
}

// CPUOfAll is the CPU time that all tenants have taken since their cgroup was made,
// those that sleep now too; false where no cgroup counts it.
func (h *Host) CPUOfAll() (time.Duration, bool) { return h.launcher.CPUOfAll() }
