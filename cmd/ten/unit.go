package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"tenement/sandbox"
)

// unitHead begins every file of ours, and is how we know it again.
const unitHead = "# Written by `ten install`, which overwrites it; `systemctl edit` adds to it.\n"

// copiedMark says in the unit which program is to go when the units go.
const copiedMark = "# Its program is a copy: "

// unitMark is the variable by which the daemon knows that it is in the unit that
// hides the host.
const (
	unitMark     = "TENEMENT_UNIT"
	unitEnclosed = "enclosed"
)

// checkUnitText refuses paths that no unit can carry.
func checkUnitText(paths ...string) error {
	for _, path := range paths {
		if strings.ContainsFunc(path, func(r rune) bool { return r < 0x20 || r == 0x7f || strings.ContainsRune(" \t\"'\\", r) }) {
			return fmt.Errorf("cannot write %q into a unit: choose a path without blanks, quotes and backslashes", path)
		}
	}
	return nil
}

// specifiers doubles what systemd would take for one of its own (systemd.unit(5)).
func specifiers(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// command is a word of a command line, where $ means a variable besides.
func command(s string) string { return strings.ReplaceAll(specifiers(s), "$", "$$") }

// unit is the text of a socket unit. Both families have a socket of their own, so
// that an IPv4 visitor's address never looks like an IPv6 one. Stopping the
// service leaves it open: visitors wait for the next daemon.
func (s socketUnit) unit() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s[Unit]\nDescription=tenement, %s\n\n[Socket]\n", unitHead, strings.ToUpper(s.speaks))
	for _, stream := range s.streams {
		fmt.Fprintf(&b, "ListenStream=%s\n", specifiers(stream))
	}
	fmt.Fprintf(&b, `BindIPv6Only=ipv6-only
SocketMode=0666
Backlog=4096
NoDelay=yes
FileDescriptorName=%s
Service=%s

[Install]
WantedBy=sockets.target
`, s.speaks, serviceUnit)
	return b.String()
}

// service is the text of the service unit.
func (p *installation) service() string {
	var names []string
	for _, s := range p.sockets {
		names = append(names, s.name)
	}
	var b strings.Builder
	b.WriteString(unitHead)
	if p.copied != "" {
		b.WriteString(copiedMark + p.program + "\n")
	}
	fmt.Fprintf(&b, `# The unit %[1]s.
[Unit]
Description=tenement, every tenant a process of its own
Requires=%[2]s
After=%[2]s network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=%[3]s serve --domain %[4]s --port %[5]d
ExecReload=%[3]s reload
Environment=TENEMENT_CONFIG=%[6]s
WorkingDirectory=%[7]s
WatchdogSec=30
Restart=always
RestartSec=1
TimeoutStopSec=60

# The daemon ends its tenants itself; what it leaves is killed. One tenant that
# runs out of memory is no reason to end the others.
KillMode=mixed
OOMPolicy=continue
OOMScoreAdjust=-500
Delegate=yes
TasksMax=infinity
LimitNOFILE=1048576
`, p.view, strings.Join(names, " "), command(p.program), command(p.flags.domain), p.port, specifiers(p.configPath), specifiers(p.workdir()))
	if p.elsewhere {
		fmt.Fprintf(&b, "Environment=TENEMENT_DATA_DIR=%s\n", specifiers(p.dataDir))
	}
	b.WriteString(p.directories())
	switch p.view {
	case enclosedView:
		b.WriteString(p.hardening())
	case userView:
		fmt.Fprintf(&b, "User=%[1]s\nGroup=%[1]s\nNoNewPrivileges=yes\n", ownUser)
	case rootView:
	}
	b.WriteString("\n[Install]\nWantedBy=multi-user.target\n")
	return b.String()
}

// workdir is where the daemon starts, and so where a service without workdir
// does: beside the configuration, as `ten serve` has it. /etc is no app's folder.
func (p *installation) workdir() string {
	if dir := filepath.Dir(p.configPath); !anyBeneath(dir, "/etc") {
		return dir
	}
	return "/"
}

// directories has systemd make the daemon's, where it can. What has run there is
// known from the run directory, so that it outlives a restart.
func (p *installation) directories() string {
	var b strings.Builder
	if name, ok := strings.CutPrefix(p.runDir, "/run/"); ok {
		fmt.Fprintf(&b, "RuntimeDirectory=%s\nRuntimeDirectoryMode=0700\nRuntimeDirectoryPreserve=restart\n", specifiers(name))
	}
	if name, ok := strings.CutPrefix(p.dataDir, "/var/lib/"); ok {
		fmt.Fprintf(&b, "StateDirectory=%s\nStateDirectoryMode=0700\n", specifiers(name))
	}
	return b.String()
}

// denied are system calls that neither the daemon nor a tenant at namespace has a
// use for; gVisor traces its processes, which is @debug.
var denied = []string{"@clock", "@cpu-emulation", "@module", "@obsolete", "@raw-io", "@reboot", "@resources", "@swap"}

// hardening is what an enclosed unit is not to see and do. Tenants inherit it, so
// that nothing of it may be what an app needs. What systemd could forbid besides
// is what enclosing takes: namespaces of every kind, host names, mounts, users;
// RestrictSUIDSGID= takes openat2 away (systemd 252), by which paths are opened.
func (p *installation) hardening() string {
	calls := slices.Clone(denied)
	if !p.usesGVisor() {
		calls = append(calls, "@debug")
	}
	return fmt.Sprintf(`
# What encloses others needs much; it gets nothing else.
Environment=%s=%s
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=%s
SystemCallArchitectures=native
SystemCallFilter=~%s
SystemCallErrorNumber=EPERM
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictRealtime=yes
LockPersonality=yes
ProtectSystem=strict
ReadWritePaths=%s
ProtectHome=%s
PrivateTmp=%s
PrivateDevices=yes
DevicePolicy=closed
PrivateMounts=yes
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
`, unitMark, unitEnclosed, strings.Join(sandbox.Rights(), " "), strings.Join(calls, " "), strings.Join(p.writable(), " "), yes(!p.homeShown), yes(!p.tmpShown))
}

func (p *installation) usesGVisor() bool {
	for _, s := range p.config.Services {
		if s.Isolation == "sandbox" {
			return true
		}
	}
	return false
}

// writable is what an enclosed unit may write to besides systemd's directories:
// its own part of the cgroup tree, the switches of networks, and what the
// configuration names.
func (p *installation) writable() []string {
	all := []string{"-/sys/fs/cgroup/system.slice/" + serviceUnit, "/proc/sys/net"}
	for _, path := range p.written() {
		covered := path == "" || anyBeneath(path, "/run") && path == p.runDir || anyBeneath(path, "/var/lib") && path == p.dataDir ||
			path != p.dataDir && anyBeneath(path, p.dataDir)
		if word := "-" + specifiers(path); !covered && !slices.Contains(all, word) {
			all = append(all, word)
		}
	}
	return all
}
