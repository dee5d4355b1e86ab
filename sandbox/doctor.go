package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"tenement/sandbox/egress"
)

// Probe says where to look.
type Probe struct {
	Runsc   string // path of gVisor's program; "" = the PATH
	DataDir string
	RunDir  string
}

// Mechanism is one thing of the kernel or the host that tenants are run with.
type Mechanism struct {
	Name    string
	Levels  []Level // that cannot run without it
	Serves  string  // what else is lost without it, "" = nothing
	Present bool
	Found   string // what there is, or why it is missing
	Remedy  string // how to get it
}

// Diagnosis is what this host has.
type Diagnosis struct{ Mechanisms []Mechanism }

// Diagnose looks at the host and changes nothing.
func Diagnose(p Probe) Diagnosis {
	return Diagnosis{examine(p).mechanisms()}
}

// Supports is nil for a level that tenants can run at here, else a sentence
// that says what is missing, how to get it, and what can be had instead.
func (d Diagnosis) Supports(l Level) error {
	if !slices.Contains(allLevels, l) {
		return fmt.Errorf("isolation = %q is none of %s", string(l), quoted(allLevels))
	}
	missing := d.missing(l)
	if len(missing) == 0 {
		return nil
	}
	text := fmt.Sprintf("isolation = %q cannot be had here: %s", string(l), strings.Join(missing, "; "))
	if weaker := d.strongest(); weaker != "" {
		text += fmt.Sprintf("; isolation = %q can", string(weaker))
	}
	return errors.New(text)
}

// missing says what a level cannot do without, each with its remedy.
func (d Diagnosis) missing(l Level) []string {
	var all []string
	for _, m := range d.Mechanisms {
		if slices.Contains(m.Levels, l) && !m.Present {
			all = append(all, fmt.Sprintf("it needs %s (%s): %s", m.Name, m.Found, m.Remedy))
		}
	}
	return all
}

// strongest is the strongest level that can be had, "" for none.
func (d Diagnosis) strongest() Level {
	for _, l := range slices.Backward(allLevels) {
		if len(d.missing(l)) == 0 {
			return l
		}
	}
	return ""
}

// allLevels are the levels, the weakest first.
var allLevels = []Level{LevelProcess, LevelNamespace, LevelSandbox}

// Levels gives all levels, the weakest first.
func Levels() []Level { return slices.Clone(allLevels) }

func quoted(levels []Level) string {
	var names []string
	for _, l := range levels {
		names = append(names, fmt.Sprintf("%q", string(l)))
	}
	return strings.Join(names, ", ")
}

// row makes a Mechanism; a nil error is its presence.
func row(name string, levels []Level, serves, found string, missing error, remedy string) Mechanism {
	m := Mechanism{Name: name, Levels: levels, Serves: serves, Present: missing == nil, Found: found}
	if missing != nil {
		m.Found, m.Remedy = missing.Error(), remedy
	}
	return m
}

// Who needs a mechanism.
var (
	enclosures = []Level{LevelNamespace, LevelSandbox}
	gvisor     = []Level{LevelSandbox}
)

const noContainer = "boot a kernel that has them; inside a container, give it the right to make its own"

// mechanisms is the table: what was found, by whom it is needed, how to get it.
func (m machine) mechanisms() []Mechanism {
	return slices.Concat(m.walls(), m.resources())
}

// walls are the rows about what encloses a tenant.
func (m machine) walls() []Mechanism {
	kinds := []string{"cgroup", "ipc", "mnt", "net", "pid", "uts"}
	return []Mechanism{
		row("root", enclosures, "", "uid 0", m.lacksRoot(), `run the daemon as root, as the unit of "ten install" does`),
		row("pidfd", allLevels, "", "pidfd_open", m.calls["pidfd_open"], "boot Linux 5.4 or newer"),
		row("seccomp", enclosures, "", "filters that answer with an error", m.lacksFilter(), "boot a kernel with CONFIG_SECCOMP_FILTER, on amd64 or arm64"),
		row("openat2", enclosures, "", "openat2", m.calls["openat2"], "boot Linux 5.6 or newer"),
		row("namespaces", enclosures, "", strings.Join(kinds, " "), cmp.Or(m.lacksNamespaces(kinds...), m.enclosing), noContainer),
		row("user namespaces", gvisor, "", "user", m.lacksNamespaces("user"),
			"sysctl user.max_user_namespaces=10000, and a kernel with CONFIG_USER_NS"),
		row("runsc", gvisor, "", strings.TrimSpace(m.runscPath+" "+m.runscVersion), m.runsc,
			installRunsc+", or name it in [settings] runsc_path"),
		row("Landlock", nil, "a second wall around files at namespace", fmt.Sprintf("ABI %d", m.landlock), m.lacksLandlock(),
			"boot Linux 5.13 or newer with landlock in its lsm= list"),
		row("idmapped mounts", nil, "app folders that only root can read", "mount_setattr", m.calls["mount_setattr"],
			"boot Linux 5.12 or newer; until then make those folders readable to others"),
		row("programs in memory", nil, "starts a millisecond faster", "memfd_create", m.memfd, "sysctl vm.memfd_noexec=1"),
	}
}

// resources are the rows about amounts: limits, disk, memory, files, ports.
func (m machine) resources() []Mechanism {
	const lots = 65536
	return []Mechanism{
		row("cgroup tree", gvisor, "ending at once all that a tenant started, freezing", "version 2, ours to write", m.tree,
			"mount a version 2 tree and, in the daemon's unit, write Delegate=yes"),
		row("clone3", gvisor, "processes that are born in their cgroup", "clone3", m.calls["clone3"],
			"boot Linux 5.7 or newer; inside a container, one whose filter lets clone3 through"),
		row("cgroup controllers", nil, "memory_limit_mb, cpu_limit, cpu_shares, pids_limit, io_weight", strings.Join(m.controllers, " "), m.lacksControllers(),
			"in the daemon's unit write Delegate=yes"),
		row("project quotas", nil, "storage_quota_mb kept by the file system", "prjquota", m.quota,
			"put data_dir on ext4 or XFS mounted with prjquota; until then usage is measured now and then"),
		row("run_dir in memory", nil, "secrets, and run records that cost no disk", "tmpfs", m.runDirTmpfs,
			"in [settings] set run_dir to a directory on a tmpfs: below /run where that is one, else below /dev/shm"),
		row("swap", nil, "sleeping tenants' memory put aside", fmt.Sprintf("%d MB", m.swap>>20), missingUnless(m.swap > 0, "none"), "make zram or a swap file"),
		row("open files", nil, "hundreds of tenants awake at once", fmt.Sprintf("%d", m.files),
			missingUnless(m.files >= lots, fmt.Sprintf("at most %d", m.files)), fmt.Sprintf("in the daemon's unit write LimitNOFILE=%d", lots)),
		row("tenants' ports", nil, `PORT at isolation = "process"`, fmt.Sprintf("%d to %d", m.ports[0], m.ports[1]),
			m.lacksPorts(), `sysctl net.ipv4.ip_local_port_range="32768 60999"`),
		row("ports below 1024", nil, "--tls, ports 80 and 443", "may be listened on", m.privileged, "run the daemon as root, or give it CAP_NET_BIND_SERVICE"),
	}
}

// missingUnless is nil when all is well, else an error of this text.
func missingUnless(well bool, text string) error {
	if well {
		return nil
	}
	return errors.New(text)
}

// ruling are the capabilities without which root cannot enclose anybody.
var ruling = []struct {
	number int
	name   string
}{
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}, {unix.CAP_SETUID, "CAP_SETUID"}, {unix.CAP_SETGID, "CAP_SETGID"}, {unix.CAP_SETPCAP, "CAP_SETPCAP"},
	{unix.CAP_CHOWN, "CAP_CHOWN"}, {unix.CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"}, {unix.CAP_KILL, "CAP_KILL"}, {unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"},
}

func (m machine) lacksRoot() error {
	if m.uid != 0 {
		return fmt.Errorf("uid %d", m.uid)
	}
	for _, c := range ruling {
		if !m.has(c.number) {
			return fmt.Errorf("root without %s", c.name)
		}
	}
	return nil
}

// lacksFilter tells of a machine for which nobody wrote down the system calls.
func (m machine) lacksFilter() error {
	if !m.filtered {
		return fmt.Errorf("there is no filter for %s", runtime.GOARCH)
	}
	return m.calls["seccomp"]
}

func (m machine) lacksNamespaces(kinds ...string) error {
	errs := []error{m.calls["unshare"], m.calls["setns"]}
	for _, kind := range kinds {
		errs = append(errs, m.namespaces[kind])
	}
	for _, err := range errs { // the first will do
		if err != nil {
			return err
		}
	}
	return nil
}

func (m machine) lacksLandlock() error { return missingUnless(m.landlock > 0, "the kernel has none") }

// lacksControllers asks for the three that keep neighbours apart.
func (m machine) lacksControllers() error {
	var missing []string
	for _, name := range []string{"cpu", "memory", "pids"} {
		if !slices.Contains(m.controllers, name) {
			missing = append(missing, name)
		}
	}
	return missingUnless(len(missing) == 0, "not given to us: "+strings.Join(missing, " "))
}

// lacksPorts tells of a range that outgoing connections take theirs from as well.
func (m machine) lacksPorts() error {
	shared := m.ephemeral[0] <= m.ports[1] && m.ephemeral[1] >= m.ports[0]
	return missingUnless(!shared, fmt.Sprintf("%d to %d, which outgoing connections take as well", m.ports[0], m.ports[1]))
}

// WaysOut are the rows about what lets tenants out; no level needs them. Each is
// tried, in network namespaces made for it, which can take seconds where a
// firewall drops packets.
func WaysOut() []Mechanism {
	var all []Mechanism
	for _, f := range egress.Diagnose() {
		all = append(all, Mechanism{Name: f.Name, Serves: f.NeededBy, Present: f.OK, Found: f.Detail, Remedy: f.HowToGet})
	}
	return all
}
