package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace has a character run at LevelNamespace.
func inNamespace(t testing.TB, s Spec) Spec {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("isolation = \"namespace\" needs root")
	}
	dir := shortDir(t)
	s.Level, s.UID, s.Hostname = LevelNamespace, 1900000000+uint32(engineCount.Add(1)), "notes"
	s.Name = fmt.Sprintf("notes:%d", s.UID)
	s.DataDir = filepath.Join(dir, "data", "notes", "alice")
	s.RunDir = filepath.Join(dir, "run", "t", "1")
	s.Hidden = []string{filepath.Join(dir, "data"), filepath.Join(dir, "run")}
	for _, path := range []string{s.DataDir, filepath.Dir(s.RunDir)} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	exe := s.Argv[0]
	s.Mounts = append(s.Mounts, Mount{Source: filepath.Dir(exe), Destination: "/character", ReadOnly: true})
	s.Argv[0] = filepath.Join("/character", filepath.Base(exe))
	return s
}

// scripted is a tenant that runs a shell script.
func scripted(t testing.TB, script string) Spec {
	s := inNamespace(t, character(t, ""))
	s.Argv = []string{"/bin/sh", "-c", script}
	return s
}

// outcome runs a tenant to its end and gives all that it wrote.
func outcome(t *testing.T, e *Engine, s Spec) string {
	t.Helper()
	n := start(t, e, s)
	if status := n.wait(); !status.Clean() {
		return n.output(Stdout) + n.output(Stderr) + status.String()
	}
	return n.output(Stdout) + n.output(Stderr)
}

// want compares what a script says at LevelNamespace, whole.
func want(t *testing.T, e *Engine, script, said string) {
	t.Helper()
	if got := outcome(t, e, scripted(t, script)); got != said {
		t.Errorf("%s\nsays %q\nwant %q", script, got, said)
	}
}

func TestNamespace_IsAUserAndAWorldOfItsOwn(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := scripted(t, `id; hostname; pwd; echo $$ $PPID; cat /etc/hostname /etc/hosts /etc/resolv.conf; umask
		grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status; grep : /proc/self/cgroup | cut -d: -f3 | sort -u; ls /proc/*/comm; cat /proc/1/comm`)
	got := outcome(t, e, s)
	want := fmt.Sprintf(`uid=%[1]d(tenant) gid=%[1]d(tenant) groups=%[1]d(tenant)
notes
/
2 0
notes
127.0.0.1	localhost notes
::1	localhost ip6-localhost ip6-loopback notes
nameserver 127.0.0.53
0022
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapBnd:	0000000000000000
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
/
/proc/1/comm
/proc/2/comm
`, s.UID)
	head, tail, found := strings.Cut(got, want)
	if !found || head != "" || !regexp.MustCompile(`^(/proc/([3-9]|\d\d)/comm\n)*/proc/self/comm\n/proc/thread-self/comm\ninit\n$`).MatchString(tail) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestNamespace_EveryNamespaceIsItsOwn(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	kinds := []string{"cgroup", "ipc", "mnt", "net", "pid", "uts"}
	var all [2][]string
	for i := range all {
		n := start(t, e, inNamespace(t, character(t, "hangs")))
		for _, kind := range kinds {
			link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", n.Pid(), kind))
			ours, _ := os.Readlink("/proc/self/ns/" + kind)
			if err != nil || link == ours {
				t.Errorf("%s is ours: %v", kind, err)
			}
			all[i] = append(all[i], link)
		}
	}
	for i, kind := range kinds {
		if all[0][i] == all[1][i] {
			t.Errorf("two tenants share %s", kind)
		}
	}
}

func TestNamespace_SeesAReadOnlySystemAndNobodysDirectories(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	s := scripted(t, `ls /root /home /run /mnt /media /boot /var/log /dev/shm; ls -d /tmp/* "$DATA/.." "$DATA/../../.."; ls "$DATA/../.." "$DATA/.." "$RUN/.." "$RUN/../.."
		for f in /x /usr/x /etc/x /var/x /dev/x /proc/sys/kernel/hostname /sys/x /etc/passwd "$DATA/../x" "$RUN/../x"; do (echo >$f) 2>/dev/null && echo wrote $f; done
		for f in "$DATA/x" "$RUN/x" /tmp/x /var/tmp/y /dev/shm/x; do (echo >$f) || echo cannot write $f; done; ls /tmp/y; cat /proc/keys /proc/interrupts; ls /proc/acpi; ls -ld /lost+found | cut -c1-10`)
	dir := filepath.Dir(s.Hidden[0])
	beside := filepath.Join(s.Hidden[0], "notes", "bob")
	if err := os.MkdirAll(beside, 0o777); err != nil {
		t.Fatal(err)
	}
	s.Env = append(s.Env, "DATA="+s.DataDir, "RUN="+s.RunDir)
	got := outcome(t, e, s)
	first := strings.Index(got, dir)
	if first < 0 {
		t.Fatal(got)
	}
	want := fmt.Sprintf(`%[1]s
%[1]s/data/notes/alice/..
%[1]s/data/notes/alice/../../..
%[1]s/data/notes/alice/..:
alice

%[1]s/data/notes/alice/../..:
notes

%[1]s/run/t/1/..:
1

%[1]s/run/t/1/../..:
t
/tmp/y
drwx------
`, dir)
	if got[first:] != want {
		t.Errorf("%s\nwant\n%s", got[first:], want)
	}
	if head := got[:first]; strings.Trim(strings.NewReplacer("/root", "", "/home", "", "/run", "", "/mnt", "", "/media", "", "/boot", "", "/var/log", "", "/dev/shm", "").Replace(head), ":\n") != "" {
		t.Errorf("not empty: %s", head)
	}
	if left, _ := os.ReadDir(s.RunDir); slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.Name() == "x" }) {
		t.Error("what it writes in its run directory fills everybody's")
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(s.DataDir, "x"), &st); err != nil || st.Uid != s.UID || st.Gid != s.UID {
		t.Errorf("what the tenant wrote: %v, %d", err, st.Uid)
	}
}

func TestNamespace_HasDevicesTerminalsAndStreams(t *testing.T) {
	t.Parallel()
	want(t, newEngine(t, Options{}), `head -c4 /dev/zero | od -An -tx1; head -c9 /dev/urandom | wc -c; echo gone >/dev/null; echo out >/dev/stdout; echo err >/dev/stderr
		echo fd >/dev/fd/1; readlink /dev/ptmx; test -c /dev/full && test -c /dev/tty && test -c /dev/random && test -d /dev/pts && echo all; mount | grep -c "^devpts on /dev/pts"`,
		" 00 00 00 00\n9\nout\nfd\npts/ptmx\nall\n1\nerr\n")
}

func TestNamespace_ServesOnAPortThatEverybodyHas(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		for _, play := range []string{"listensTCP4", "listensAny6", "listensOnly6", "childListens"} {
			s := inNamespace(t, character(t, play))
			s.Listen, s.Port, s.Env = ListenTCP, 80, append(s.Env, "PORT=80") // below 1024 is everybody's as well
			n := start(t, e, s)
			at, err := n.Ready(patient(t))
			if err != nil {
				t.Fatalf("%s: %v", play, err)
			}
			if got := ask(t, at); got == "" || at.Network != "tcp" {
				t.Errorf("%s: answered by %q at %v", play, got, at)
			}
			if _, err := net127(t, 80); err == nil {
				t.Errorf("%s: listens on the host", play)
			}
		}
	})
}

func TestNamespace_ServesOnASocket(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, e *Engine) {
		for _, play := range []string{"listensUnix", "listensRelative", "renamesSocket", "listensFD"} {
			s := inNamespace(t, character(t, play))
			s = withSocket(s)
			if play == "listensFD" {
				s.Listen = ListenFD
			}
			n := start(t, e, s)
			at, err := n.Ready(patient(t))
			if err == nil {
				err = n.Listens(patient(t))
			}
			if err != nil {
				t.Fatalf("%s: %v", play, err)
			}
			if got := ask(t, at); got != "2" {
				t.Errorf("%s: answered by %q", play, got)
			}
		}
	})
}

func TestNamespace_ASocketOfTheUsersOwnIsBoundThere(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	for _, path := range []string{"/tmp/app.sock", "/run/app.sock", "/run/notes/app.sock", "DATA/app.sock"} {
		s := inNamespace(t, character(t, "listensUnix"))
		s.Socket = strings.Replace(path, "DATA", s.DataDir, 1)
		s.Env = append(s.Env, "SOCKET_PATH="+s.Socket)
		for generation := range uint64(2) { // the second finds what the first left
			s.Generation = generation + 1
			n := start(t, e, s)
			at, err := n.Ready(patient(t))
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if got := ask(t, at); got != "2" {
				t.Errorf("%s: answered by %q", path, got)
			}
			n.finish()
		}
		if _, err := os.Lstat("/run/notes"); err == nil {
			t.Error("something was made on the host")
		}
	}
	s := inNamespace(t, character(t, "listensUnix"))
	s.Socket = "/etc/app.sock"
	_, err := e.Start(s, Events{})
	if !errors.Is(err, ErrCannotExecute) || !strings.Contains(err.Error(), `cannot listen on "/etc/app.sock": at isolation = "namespace" the socket needs a directory of its own, like /run/app.sock`) {
		t.Error(err)
	}
}

func TestNamespace_TheNetworkIsTheTenantsTheHostsOrNone(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	const script = `tail -n+3 /proc/net/dev | cut -d: -f1 | tr -d " \n"; cat /etc/resolv.conf`
	host := outcomeOfHost(t, script)
	for network, said := range map[Network]string{NetworkPrivate: "lo" + ownResolv, NetworkNone: "lo" + ownResolv, NetworkHost: host} {
		s := scripted(t, script)
		s.Network = network
		if got := outcome(t, e, s); got != said {
			t.Errorf("%s: %q, want %q", network, got, said)
		}
	}
	s := withPort(t, e, inNamespace(t, character(t, "listensTCP4")))
	s.Network = NetworkHost
	n := start(t, e, s)
	at, err := n.Ready(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := net127(t, s.Port); err != nil || ask(t, at) != "2" {
		t.Errorf("not on the host: %v", err)
	} else {
		c.Close()
	}
}

func outcomeOfHost(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("/bin/sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestNamespace_ShowsMountsWhereTheyAreWanted(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	dir := shortDir(t)
	file := filepath.Join(dir, "file")
	if err := errors.Join(os.WriteFile(file, []byte("asset\n"), 0o644), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	s := scripted(t, `cat /assets/file /tmp/assets/file /run/deep/er/file /opt-file; echo >/assets/x; echo >/opt-file; echo >/rw/y && ls -l /rw/y | wc -l; chmod 4777 /rw/y; test -u /rw/y && echo setuid`)
	s.Mounts = append(s.Mounts, Mount{dir, "/assets", true}, Mount{dir, "/tmp/assets", true}, Mount{dir, "/run/deep/er", true}, Mount{file, "/opt-file", true}, Mount{dir, "/rw", false})
	got := outcome(t, e, s)
	if !strings.HasPrefix(got, "asset\nasset\nasset\nasset\n1\nsetuid\n") || strings.Count(got, "Read-only file system") != 2 {
		t.Error(got)
	}
	if _, err := os.Stat(filepath.Join(dir, "y")); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ source, destination, says string }{
		{filepath.Join(dir, "none"), "/assets", fmt.Sprintf("cannot open %q: no such file or directory", filepath.Join(dir, "none"))},
		{filepath.Join(dir, "none"), "/tmp/assets", fmt.Sprintf("cannot open %q: no such file or directory", filepath.Join(dir, "none"))},
		{dir, "/", `cannot mount at "/": every tenant has that for itself`},
		{dir, "/proc/x", `cannot mount at "/proc/x": every tenant has that for itself`},
		{dir, "/dev/x", `cannot mount at "/dev/x": every tenant has that for itself`},
		{dir, "/usr/not/there", `cannot mount at "/usr/not/there": there is no such place, and the file system there is read-only: make it there first`},
	} {
		s := scripted(t, "true")
		s.Mounts = []Mount{{c.source, c.destination, true}}
		if _, err := e.Start(s, Events{}); !errors.Is(err, ErrCannotExecute) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %s", err, c.says)
		}
	}
}

func TestNamespace_ARootfsIsTheRoot(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	rootfs := shortDir(t)
	for _, dir := range []string{"etc", "usr", "srv/app"} {
		if err := os.MkdirAll(filepath.Join(rootfs, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"} {
		if err := os.Symlink(target, filepath.Join(rootfs, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(rootfs, "etc/passwd"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := scripted(t, "ls / | tr '\n' ' '; pwd; ls /etc; whoami; (echo >/srv/app/x) 2>&1 | grep -c Read-only; echo >$DATA/x")
	s.Rootfs, s.Dir, s.Env = rootfs, "/srv/app", append(s.Env, "DATA="+s.DataDir)
	s.Mounts = []Mount{{"/usr", "/usr", true}}
	const want = "bin boot dev etc home lib lib64 lost+found media mnt proc root run srv sys tmp usr /srv/app\npasswd\ntenant\n1\n"
	if got := outcome(t, e, s); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	s.Generation, s.Rootfs = 2, filepath.Join(rootfs, "none")
	if _, err := e.Start(s, Events{}); !errors.Is(err, ErrCannotExecute) || !strings.Contains(err.Error(), "cannot read the root directory") {
		t.Error(err)
	}
}

func TestNamespace_WorksInAFolderThatOnlyRootCanRead(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	app := filepath.Join(shortDir(t), "app")
	if err := errors.Join(os.Mkdir(app, 0o700), os.WriteFile(filepath.Join(app, "run.sh"), []byte("#!/bin/sh\necho read\n(echo > own) 2>&1 | grep -c Read-only\n"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second start uses the mapping of the first
		s := inNamespace(t, character(t, ""))
		s.Dir, s.Argv = app, []string{"./run.sh"}
		if got := outcome(t, e, s); got != "read\n1\n" {
			t.Error(got)
		}
	}
	if len(e.mappings) != 2 { // two tenants
		t.Errorf("%d mappings", len(e.mappings))
	}
	closed, err := os.MkdirTemp("/srv", "closed") // 0700
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(closed)
	behind := filepath.Join(closed, "app")
	if err := os.Mkdir(behind, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dir, says string }{
		{"/root", `cannot use the working directory "/root": it is somebody's home, which tenants do not see: write workdir = the app's folder`},
		{"/home/alice", `cannot use the working directory "/home/alice": it is somebody's home`},
		{"/no/where", `cannot use the working directory "/no/where": it is not in a tenant's view`},
		{behind, fmt.Sprintf(`cannot use the working directory %q: tenants may not enter it: chmod o+x it and the directories above it`, behind)},
		{"/etc/passwd", `cannot use the working directory "/etc/passwd": it is not in a tenant's view`},
	} {
		s := scripted(t, "true")
		s.Dir = c.dir
		_, err := e.Start(s, Events{})
		if !errors.Is(err, ErrCannotExecute) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %s", err, c.says)
		}
	}
}

func TestNamespace_HidesAFileInTheWorkingDirectory(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	for _, parent := range []string{"", "/srv"} {
		app, err := os.MkdirTemp(parent, "hidden")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(app)
		config := filepath.Join(app, "tenement.toml")
		if err := errors.Join(os.WriteFile(config, []byte("secret"), 0o644), os.WriteFile(filepath.Join(app, "app"), []byte("app"), 0o644), os.Chmod(app, 0o755)); err != nil {
			t.Fatal(err)
		}
		s := scripted(t, "cat app tenement.toml; ls -A")
		s.Dir, s.Hidden = app, append(s.Hidden, config)
		if got := outcome(t, e, s); got != "appapp\ntenement.toml\n" {
			t.Errorf("%q", got)
		}
	}
}

func TestNamespace_SaysWhyACommandCannotRun(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	for _, c := range []struct{ command, says string }{
		{"/no/such/app", "cannot execute /no/such/app: no such file or directory"},
		{"no-such-app", `cannot find "no-such-app" in the PATH`},
		{"/etc/passwd", "cannot execute /etc/passwd: it is not executable"},
		{"/root/.profile", "cannot execute /root/.profile: no such file or directory"},
	} {
		s := scripted(t, "")
		s.Argv = []string{c.command}
		if _, err := e.Start(s, Events{}); !errors.Is(err, ErrCannotExecute) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %s", err, c.says)
		}
		if left, _ := os.ReadDir(s.RunDir); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	}
}
