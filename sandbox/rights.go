package sandbox

import "golang.org/x/sys/unix"

// right is a capability.
type right struct {
	number int
	name   string
}

// rights are the capabilities that enclosing others takes, by name in
// capabilities(7). CAP_MKNOD, CAP_SYS_PTRACE and CAP_NET_BIND_SERVICE are not
// among them: device files are the host's, sockets are known by their cgroup,
// and ports below 1024 are free in every tenant's network.
var rights = []right{
	// Tenants' files.
	{unix.CAP_CHOWN, "CAP_CHOWN"}, {unix.CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"}, {unix.CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"},
	{unix.CAP_FOWNER, "CAP_FOWNER"}, {unix.CAP_FSETID, "CAP_FSETID"},
	// Their users.
	{unix.CAP_KILL, "CAP_KILL"}, {unix.CAP_SETGID, "CAP_SETGID"}, {unix.CAP_SETPCAP, "CAP_SETPCAP"}, {unix.CAP_SETUID, "CAP_SETUID"}, {unix.CAP_SETFCAP, "CAP_SETFCAP"},
	// Their namespaces.
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}, {unix.CAP_SYS_CHROOT, "CAP_SYS_CHROOT"},
}

// Rights are the names of the capabilities that a daemon of root's needs, and all
// that it needs, to start tenants at LevelNamespace and LevelSandbox.
func Rights() []string {
	var all []string
	for _, r := range rights {
		all = append(all, r.name)
	}
	return all
}
