package sandbox

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// whole is a machine that has everything.
func whole() machine {
	return machine{
		capabilities: ^uint64(0), filtered: true, landlock: 7, controllers: []string{"cpu", "io", "memory", "pids"},
		runscPath: "/usr/bin/runsc", runscVersion: "v1", swap: 512 << 20, files: 1 << 20,
		ports: [2]int{20000, 32767}, ephemeral: [2]int{32768, 60999},
	}
}

// diagnosed is what is found on whole after something was taken from it.
func diagnosed(take func(*machine)) Diagnosis {
	m := whole()
	take(&m)
	return Diagnosis{m.mechanisms()}
}

func TestDiagnosis_AMachineWithEverythingRunsEveryLevel(t *testing.T) {
	d := diagnosed(func(*machine) {})
	for _, l := range Levels() {
		if err := d.Supports(l); err != nil {
			t.Error(err)
		}
	}
	for _, m := range d.Mechanisms {
		if !m.Present || m.Remedy != "" || m.Found == "" {
			t.Errorf("%+v", m)
		}
	}
}

// The refusal of each missing piece, word for word, for the levels that it
// takes; "" = the level can be had without it.
func TestDiagnosis_RefusesWithWhatIsMissingAndHowToGetIt(t *testing.T) {
	const namespace, sandbox = `isolation = "namespace" cannot be had here: `, `isolation = "sandbox" cannot be had here: `
	no := errors.New("clone3: ENOSYS")
	for name, c := range map[string]struct {
		take                        func(*machine)
		process, namespace, sandbox string
	}{
		"not root": {
			func(m *machine) { m.uid, m.capabilities = 1000, 0 }, "",
			namespace + `it needs root (uid 1000): run the daemon as root, as the unit of "ten install" does; isolation = "process" can`,
			sandbox + `it needs root (uid 1000): run the daemon as root, as the unit of "ten install" does; isolation = "process" can`,
		},
		"root of a container": {
			func(m *machine) { m.capabilities &^= 1 << unix.CAP_SYS_ADMIN }, "",
			namespace + `it needs root (root without CAP_SYS_ADMIN): run the daemon as root, as the unit of "ten install" does; isolation = "process" can`,
			sandbox + `it needs root (root without CAP_SYS_ADMIN): run the daemon as root, as the unit of "ten install" does; isolation = "process" can`,
		},
		"no runsc": {
			func(m *machine) { m.runsc = errors.New("there is no runsc in the PATH") }, "", "",
			sandbox + `it needs runsc (there is no runsc in the PATH): CGO_ENABLED=0 GOBIN=/usr/local/bin go install gvisor.dev/gvisor/runsc@` +
				RunscVersion + `, or name it in [settings] runsc_path; isolation = "namespace" can`,
		},
		"no user namespaces": {
			func(m *machine) {
				m.namespaces = map[string]error{"user": errors.New("/proc/sys/user/max_user_namespaces is 0")}
			}, "", "",
			sandbox + `it needs user namespaces (/proc/sys/user/max_user_namespaces is 0): sysctl user.max_user_namespaces=10000, and a kernel with CONFIG_USER_NS; isolation = "namespace" can`,
		},
		"namespaces that cannot be made": {
			func(m *machine) { m.enclosing = errors.New("cannot make a mount namespace: operation not permitted") }, "",
			namespace + `it needs namespaces (cannot make a mount namespace: operation not permitted): ` + noContainer + `; isolation = "process" can`,
			sandbox + `it needs namespaces (cannot make a mount namespace: operation not permitted): ` + noContainer + `; isolation = "process" can`,
		},
		"no network namespaces": {
			func(m *machine) {
				m.namespaces = map[string]error{"net": errors.New("the kernel has no net namespaces")}
			}, "",
			namespace + `it needs namespaces (the kernel has no net namespaces): ` + noContainer + `; isolation = "process" can`,
			sandbox + `it needs namespaces (the kernel has no net namespaces): ` + noContainer + `; isolation = "process" can`,
		},
		"no cgroup tree and no user namespaces": {
			func(m *machine) {
				m.tree = errors.New("/sys/fs/cgroup/unified is not ours to write")
				m.namespaces = map[string]error{"user": errors.New("the kernel has no user namespaces")}
			}, "", "",
			sandbox + `it needs user namespaces (the kernel has no user namespaces): sysctl user.max_user_namespaces=10000, and a kernel with CONFIG_USER_NS; ` +
				`it needs cgroup tree (/sys/fs/cgroup/unified is not ours to write): mount a version 2 tree and, in the daemon's unit, write Delegate=yes; isolation = "namespace" can`,
		},
		"no clone3": {
			func(m *machine) { m.calls = map[string]error{"clone3": no} }, "", "",
			sandbox + `it needs clone3 (clone3: ENOSYS): boot Linux 5.7 or newer; inside a container, one whose filter lets clone3 through; isolation = "namespace" can`,
		},
		"no seccomp": {
			func(m *machine) { m.calls = map[string]error{"seccomp": errors.New("seccomp: ENOSYS")} }, "",
			namespace + `it needs seccomp (seccomp: ENOSYS): boot a kernel with CONFIG_SECCOMP_FILTER, on amd64 or arm64; isolation = "process" can`,
			sandbox + `it needs seccomp (seccomp: ENOSYS): boot a kernel with CONFIG_SECCOMP_FILTER, on amd64 or arm64; isolation = "process" can`,
		},
		"a machine of another kind": {
			func(m *machine) { m.filtered = false }, "",
			namespace + `it needs seccomp (there is no filter for ` + runtime.GOARCH + `): boot a kernel with CONFIG_SECCOMP_FILTER, on amd64 or arm64; isolation = "process" can`,
			sandbox + `it needs seccomp (there is no filter for ` + runtime.GOARCH + `): boot a kernel with CONFIG_SECCOMP_FILTER, on amd64 or arm64; isolation = "process" can`,
		},
		"no pidfds": {
			func(m *machine) { m.calls = map[string]error{"pidfd_open": errors.New("pidfd_open: ENOSYS")} },
			`isolation = "process" cannot be had here: it needs pidfd (pidfd_open: ENOSYS): boot Linux 5.4 or newer`,
			namespace + `it needs pidfd (pidfd_open: ENOSYS): boot Linux 5.4 or newer`,
			sandbox + `it needs pidfd (pidfd_open: ENOSYS): boot Linux 5.4 or newer`,
		},
		"nothing that levels need": {
			func(m *machine) {
				*m = machine{capabilities: ^uint64(0), filtered: true, runsc: m.runsc, quota: no, memfd: no, runDirTmpfs: no, privileged: no, ephemeral: m.ports, ports: m.ports}
			}, "", "", "",
		},
	} {
		d := diagnosed(c.take)
		for l, want := range map[Level]string{LevelProcess: c.process, LevelNamespace: c.namespace, LevelSandbox: c.sandbox} {
			got := ""
			if err := d.Supports(l); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
			}
		}
	}
}

func TestDiagnosis_SaysHowToGetWhatNoLevelNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		take          func(*machine)
		found, remedy string
	}{
		"Landlock":           {func(m *machine) { m.landlock = 0 }, "the kernel has none", "boot Linux 5.13 or newer with landlock in its lsm= list"},
		"cgroup controllers": {func(m *machine) { m.controllers = []string{"cpu", "pids"} }, "not given to us: memory", "in the daemon's unit write Delegate=yes"},
		"project quotas": {
			func(m *machine) { m.quota = errors.New("/srv is on ext4, mounted without prjquota") }, "/srv is on ext4, mounted without prjquota",
			"put data_dir on ext4 or XFS mounted with prjquota; until then usage is measured now and then",
		},
		"idmapped mounts": {
			func(m *machine) { m.calls = map[string]error{"mount_setattr": errors.New("mount_setattr: ENOSYS")} }, "mount_setattr: ENOSYS",
			"boot Linux 5.12 or newer; until then make those folders readable to others",
		},
		"swap":       {func(m *machine) { m.swap = 0 }, "none", "make zram or a swap file"},
		"open files": {func(m *machine) { m.files = 1024 }, "at most 1024", "in the daemon's unit write LimitNOFILE=65536"},
		"tenants' ports": {
			func(m *machine) { m.ephemeral = [2]int{1024, 65535} }, "20000 to 32767, which outgoing connections take as well",
			`sysctl net.ipv4.ip_local_port_range="32768 60999"`,
		},
		"ports below 1024": {
			func(m *machine) { m.privileged = errors.New("uid 1000 may listen on port 1024 and above only") },
			"uid 1000 may listen on port 1024 and above only", "run the daemon as root, or give it CAP_NET_BIND_SERVICE",
		},
		"programs in memory": {func(m *machine) { m.memfd = errors.New("vm.memfd_noexec is 2") }, "vm.memfd_noexec is 2", "sysctl vm.memfd_noexec=1"},
		"run_dir in memory": {
			func(m *machine) { m.runDirTmpfs = errors.New("/srv is on a disk") }, "/srv is on a disk",
			"in [settings] set run_dir to a directory on a tmpfs: below /run where that is one, else below /dev/shm",
		},
	} {
		d := diagnosed(c.take)
		i := slices.IndexFunc(d.Mechanisms, func(m Mechanism) bool { return m.Name == name })
		if i < 0 {
			t.Errorf("no row %s", name)
			continue
		}
		if m := d.Mechanisms[i]; m.Present || m.Found != c.found || m.Remedy != c.remedy || m.Serves == "" || len(m.Levels) > 0 {
			t.Errorf("%+v", m)
		}
	}
}

func TestDiagnosis_AnUnknownLevelIsRefused(t *testing.T) {
	err := diagnosed(func(*machine) {}).Supports("qemu")
	if err == nil || err.Error() != `isolation = "qemu" is none of "process", "namespace", "sandbox"` {
		t.Error(err)
	}
}

func TestDiagnose_ThisMachine(t *testing.T) {
	d := Diagnose(Probe{DataDir: t.TempDir(), RunDir: "/run/tenement/nowhere"})
	if err := d.Supports(LevelProcess); err != nil {
		t.Error("tests run here and tenants could not:", err)
	}
	for _, m := range d.Mechanisms {
		if m.Found == "" || m.Present != (m.Remedy == "") || strings.Contains(m.Found, "%!") {
			t.Errorf("%+v", m)
		}
	}
}
