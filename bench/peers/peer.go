package peers

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed nginx.conf haproxy.cfg Caddyfile
var files embed.FS

// Options is what a proxy is started with.
type Options struct {
	Dir     string   // an empty directory of its own
	Backend string   // a Unix socket
	Wrap    []string // what the command is run by, such as taskset -c 0
	Tuned   bool     // nginx only: larger buffers
	TLS     *Pair    // nil = plain HTTP
}

// Pair is a certificate with its key, in files.
type Pair struct {
	Certificate, Key string
	Pem              string // both in one file
}

// Proxy is one that runs.
type Proxy struct {
	Name    string
	Version string
	Address string // where clients connect
	cmd     *exec.Cmd
	workers bool           // its children are part of it: not so with tenement's
	exited  chan struct{}  // closed when it has ended
	log     *bytes.Buffer  // to be read after that
	end     syscall.Signal // 0 = SIGTERM
}

// Known are the peers, in the order of the tables.
var Known = []string{"nginx", "haproxy", "caddy"}

// ErrMissing is wrapped when a peer is not installed.
var ErrMissing = errors.New("not installed")

// packages says where a peer comes from.
var packages = map[string]string{
	"nginx": "apt-get install nginx-light", "haproxy": "apt-get install haproxy",
	"caddy": "go install github.com/caddyserver/caddy/v2/cmd/caddy@latest",
	"uwsgi": "apt-get install uwsgi-core uwsgi-plugin-python3 uwsgi-emperor", "systemd-socket-activate": "apt-get install systemd",
	"systemd-socket-proxyd": "apt-get install systemd", "bwrap": "apt-get install bubblewrap", "crun": "apt-get install crun", "runc": "apt-get install runc",
	"runsvdir": "apt-get install runit", "s6-svscan": "apt-get install s6", "supervisord": "apt-get install supervisor",
}

// Find gives a peer's program. The error says how it is installed.
func Find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	home, _ := os.UserHomeDir()
	for _, dir := range []string{"/usr/sbin", "/lib/systemd", filepath.Join(home, "go/bin"), filepath.Join(home, "peers")} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: %s (%s)", ErrMissing, name, packages[name])
}

// Start runs a peer until Stop; it listens when this returns.
func Start(name string, o Options) (*Proxy, error) {
	program, err := Find(name)
	if err != nil {
		return nil, err
	}
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	config, err := write(name, o, address)
	if err != nil {
		return nil, err
	}
	args := map[string][]string{
		"nginx":   {"-p", o.Dir, "-c", config},
		"haproxy": {"-db", "-f", config},
		"caddy":   {"run", "--adapter", "caddyfile", "--config", config},
	}[name]
	p := &Proxy{Name: name, Version: version(name, program), Address: address, workers: true}
	return p, p.Run(append(append(append([]string{}, o.Wrap...), program), args...), append(os.Environ(), "HOME="+o.Dir, "XDG_DATA_HOME="+o.Dir, "XDG_CONFIG_HOME="+o.Dir))
}

// configs are the names of their files.
var configs = map[string]string{"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile"}

func write(name string, o Options, address string) (path string, err error) {
	_, port, _ := net.SplitHostPort(address)
	user := "nobody"
	if os.Geteuid() == 0 {
		user = "root" // the backend's socket belongs to root
	}
	values := struct {
		Options
		Pair
		Address, Port, User string
		Descriptors         uint64
	}{o, Pair{}, address, port, user, descriptors()}
	if o.TLS != nil {
		values.Pair = *o.TLS
	}
	t, err := template.ParseFS(files, configs[name])
	if err != nil {
		return "", fmt.Errorf("cannot read the configuration of %s: %w", name, err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, values); err != nil {
		return "", fmt.Errorf("cannot write the configuration of %s: %w", name, err)
	}
	path = filepath.Join(o.Dir, configs[name])
	return path, os.WriteFile(path, text.Bytes(), 0o600)
}

// descriptors is how many a process may have.
func descriptors() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 1024
	}
	return limit.Max
}

var numbers = regexp.MustCompile(`[0-9]+\.[0-9]+\.[0-9]+`)

// version asks the program, or the module that it was built from.
func version(name, program string) string {
	ask := map[string][]string{"nginx": {program, "-v"}, "haproxy": {program, "-v"}, "caddy": {"go", "version", "-m", program}}[name]
	if ask == nil {
		ask = []string{program, "--version"}
	}
	out, _ := exec.Command(ask[0], ask[1:]...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if found := numbers.FindString(line); found != "" && !strings.Contains(line, ": go1.") {
			return found
		}
	}
	return "unknown"
}

// FreeAddress is a port of loopback that nobody uses at the moment.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Run starts a command that has to listen at p.Address, and waits until it does.
func (p *Proxy) Run(command, env []string) error {
	return p.run(command, env, func() bool {
		c, err := net.Dial("tcp", p.Address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// run starts a command and waits until it is ready.
func (p *Proxy) run(command, env []string, ready func() bool) error {
	p.log = &bytes.Buffer{}
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, p.log, p.log
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w", p.Name, err)
	}
	p.exited = make(chan struct{})
	go func() { // ends with the process
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	for range 3000 {
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended at once: %v: %s", p.Name, p.cmd.ProcessState, p.log)
		case <-time.After(10 * time.Millisecond):
		}
		if ready() {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("%s is not ready after 30 s", p.Name), p.Stop())
}

// Pids are its process and those of its workers, such as nginx's.
func (p *Proxy) Pids() []int {
	pids := []int{p.cmd.Process.Pid}
	if !p.workers {
		return pids
	}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pids[0], pids[0]))
	for child := range strings.FieldsSeq(string(text)) {
		var pid int
		if _, err := fmt.Sscan(child, &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stopTime is how long a proxy may take to end when it is told to.
const stopTime = 30 * time.Second

// Stop ends it and returns when it has ended.
func (p *Proxy) Stop() error {
	if err := p.cmd.Process.Signal(cmp.Or(p.end, syscall.SIGTERM)); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot end %s: %w", p.Name, err)
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopTime):
	}
	err := p.cmd.Process.Kill()
	<-p.exited
	return errors.Join(fmt.Errorf("%s did not end within %v", p.Name, stopTime), err)
}

// Log is what it wrote, after it has ended.
func (p *Proxy) Log() string { return p.log.String() }
