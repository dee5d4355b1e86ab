package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// setup is the configuration of one daemon. DIR in the TOML stands for the
// test's own directory, CHARACTER for the app that misbehaves, APPS for its folder.
type setup struct {
	settings string // lines of [settings]
	services string // the other blocks
	domain   string // "" = localhost
	wrap     []string
	env      []string
	files    []*os.File // that the daemon inherits, from descriptor 3 on
}

// daemon is one running `ten serve` with a directory of its own.
type daemon struct {
	t       *testing.T
	setup   setup
	dir     string // of this test; everything is below
	cwd     string // of the daemon and of the verbs; "" = dir
	data    string
	runDir  string
	config  string
	port    int
	cmd     *exec.Cmd
	exited  chan struct{}
	output  *output
	stdin   io.Reader // of the verbs; nil = empty
	client  *http.Client
	control *http.Client
	cgroups map[string]bool // of its tenants, seen on the way
}

// launch starts a daemon and waits until it answers. It is ended, and what it
// leaves behind is a failure, when the test ends.
func launch(t *testing.T, s setup) *daemon {
	t.Helper()
	d := prepare(t, s)
	d.start()
	return d
}

// prepare writes the configuration and starts nothing.
func prepare(t *testing.T, s setup) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp(root, "d")
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{
		t: t, setup: s, dir: dir, data: filepath.Join(dir, "data"), runDir: filepath.Join(dir, "run"),
		config: filepath.Join(dir, "tenement.toml"), output: &output{}, cgroups: map[string]bool{},
	}
	d.writeConfig(s)
	d.client = &http.Client{
		Timeout:       90 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", d.address())
		}},
	}
	d.control = &http.Client{Timeout: 90 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(d.runDir, "ctl.sock"))
	}}}
	t.Cleanup(d.finish)
	return d
}

func (d *daemon) writeConfig(s setup) {
	d.t.Helper()
	text := fmt.Sprintf("[settings]\ndata_dir = %q\nrun_dir = %q\nbind = \"127.0.0.1\"\n%s\n%s", d.data, d.runDir, s.settings, s.services)
	text = strings.NewReplacer("DIR", d.dir, "CHARACTER", characterApp, "GOAPP", goApp, "APPS", apps).Replace(text)
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) address() string { return fmt.Sprintf("127.0.0.1:%d", d.port) }

func (d *daemon) domain() string {
	if d.setup.domain == "" {
		return "localhost"
	}
	return d.setup.domain
}

// host is the name under which visitors reach a tenant.
func (d *daemon) host(service, id string) string { return id + "." + service + "." + d.domain() }

// start runs the daemon and waits until it answers; a port that somebody else
// took in the meantime is tried again.
func (d *daemon) start() {
	d.t.Helper()
	for range 3 {
		d.port = freePort(d.t)
		d.spawn()
		if d.answers() {
			return
		}
		if !strings.Contains(d.output.String(), "address already in use") {
			break
		}
	}
	d.t.Fatalf("the daemon does not answer:\n%s", d.output)
}

func (d *daemon) spawn() {
	d.t.Helper()
	args := append(append([]string{}, d.setup.wrap...), tenBinary, "serve", "-p", fmt.Sprint(d.port), "-d", d.domain())
	d.cmd = exec.Command(args[0], args[1:]...)
	d.cmd.Dir = cmp.Or(d.cwd, d.dir)
	d.cmd.Env = append(os.Environ(), append([]string{"TENEMENT_CONFIG=" + d.config, "SECRET_OF_THE_DAEMON=hidden"}, d.setup.env...)...)
	d.cmd.Stdout, d.cmd.Stderr, d.cmd.ExtraFiles = d.output, d.output, d.setup.files
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	exited, cmd := make(chan struct{}), d.cmd
	d.exited = exited
	go func() { // ends with the daemon, which finish waits for
		cmd.Wait()
		close(exited)
	}()
}

func (d *daemon) answers() bool {
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		select {
		case <-d.exited:
			return false
		default:
		}
		if r, err := d.try("GET", d.domain(), "/health", ""); err == nil && r.status == http.StatusOK {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

func (d *daemon) running() bool {
	if d.cmd == nil || d.cmd.Process == nil {
		return false
	}
	select {
	case <-d.exited:
		return false
	default:
		return true
	}
}

// terminate ends the daemon as a service manager does, and says how long it took.
func (d *daemon) terminate() time.Duration {
	d.t.Helper()
	began := time.Now()
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.exited:
	case <-time.After(60 * time.Second):
		d.t.Errorf("the daemon ignored SIGTERM for 60 s; its goroutines:")
		d.cmd.Process.Signal(syscall.SIGQUIT)
		time.Sleep(time.Second)
		d.t.Logf("%s", d.output)
	}
	return time.Since(began)
}

// murder ends the daemon as the kernel does when memory is short.
func (d *daemon) murder() {
	d.t.Helper()
	d.cmd.Process.Kill()
	<-d.exited
}

// crashes is how Go's runtime begins what no daemon may ever say.
var crashes = regexp.MustCompile(`(?m)^(panic:|fatal error:|runtime: |WARNING: DATA RACE|SIGQUIT)|"panic":|goroutine \d+ \[`)

// finish ends the daemon and looks for what it left.
func (d *daemon) finish() {
	if d.running() {
		d.noteCgroups()
		d.terminate()
		if code := d.cmd.ProcessState.ExitCode(); code != 0 {
			d.t.Errorf("the daemon ended with %v", d.cmd.ProcessState)
		}
	}
	d.client.CloseIdleConnections()
	d.checkNothingLeft()
	if crash := crashes.FindStringIndex(d.output.String()); crash != nil {
		text := d.output.String()[crash[0]:]
		d.t.Errorf("the daemon has a bug of its own:\n%s", text[:min(len(text), 4000)])
	} else if d.t.Failed() {
		d.t.Logf("log of the daemon:\n%s", d.output.Tail(6000))
	}
	os.RemoveAll(d.dir)
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// try makes one request. An error is the connection's, or a body cut short.
func (d *daemon) try(method, host, path, body string) (reply, error) {
	return d.tryContext(context.Background(), method, host, path, body)
}

func (d *daemon) tryContext(ctx context.Context, method, host, path, body string) (reply, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+d.address()+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	r.Host = host
	began := time.Now()
	resp, err := d.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(text), time.Since(began)}, err
}

// get asks a tenant for a path and fails the test when there is no answer.
func (d *daemon) get(service, id, path string) reply {
	d.t.Helper()
	r, err := d.try("GET", d.host(service, id), path, "")
	if err != nil {
		d.t.Fatalf("cannot get %s of %s:%s: %v", path, service, id, err)
	}
	return r
}

// want is get with a status.
func (d *daemon) want(status int, service, id, path string) reply {
	d.t.Helper()
	r := d.get(service, id, path)
	if r.status != status {
		d.t.Fatalf("%s:%s%s: %d %q after %v, want %d\n%s", service, id, path, r.status, r.body, r.took, status, d.why(service+":"+id))
	}
	return r
}

// instance is one tenant as GET /api/instances?all=true shows it.
type instance struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Health   string `json:"health"`
	Pid      int    `json:"pid"`
	Restarts int    `json:"restarts"`
	Weight   int    `json:"weight"`
	Reason   string `json:"reason"`
	Limit    string `json:"limit"`
	Listen   string `json:"listen"`
	Socket   string `json:"socket"`
}

// api asks the control socket.
func (d *daemon) api(method, path, body string) (reply, error) {
	r, err := http.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	resp, err := d.control.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{status: resp.StatusCode, header: resp.Header, body: string(text)}, err
}

// instances lists everybody registered.
func (d *daemon) instances() map[string]instance {
	d.t.Helper()
	r, err := d.api("GET", "/api/instances?all=true", "")
	if err != nil || r.status != http.StatusOK {
		d.t.Fatalf("cannot list the instances: %v %d %s", err, r.status, r.body)
	}
	var list []instance
	if err := json.Unmarshal([]byte(r.body), &list); err != nil {
		d.t.Fatalf("%v: %s", err, r.body)
	}
	all := make(map[string]instance, len(list))
	for _, i := range list {
		all[i.ID] = i
	}
	return all
}

// await waits until a tenant is as wanted, and fails the test after within.
func (d *daemon) await(name, what string, within time.Duration, ok func(instance) bool) instance {
	d.t.Helper()
	deadline := time.Now().Add(within)
	for {
		i := d.instances()[name]
		if ok(i) {
			return i
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%s is not %s within %v: %+v\n%s", name, what, within, i, d.why(name))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (d *daemon) awaitState(name, state string, within time.Duration) instance {
	d.t.Helper()
	return d.await(name, state, within, func(i instance) bool { return i.State == state })
}

// awaitNoticed waits until the daemon knows that a process has died: 50 ms, for
// which TestCrowd_ACrashIsNoticedAtOnce looks.
func (d *daemon) awaitNoticed(name string, pid int) {
	d.t.Helper()
	d.await(name, "rid of its dead process", 5*time.Second, func(i instance) bool { return i.Pid != pid })
}

func (d *daemon) why(name string) string {
	r, _ := d.api("GET", "/api/instances/"+name+"/why", "")
	return r.body
}

// ten runs a verb against this daemon, or with none running.
func (d *daemon) ten(args ...string) (stdout, stderr string, code int) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, tenBinary, args...)
	cmd.Dir = cmp.Or(d.cwd, d.dir)
	cmd.Env = append(os.Environ(), "TENEMENT_CONFIG="+d.config)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = d.stdin, &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs a verb that has to succeed.
func (d *daemon) must(args ...string) string {
	d.t.Helper()
	out, errs, code := d.ten(args...)
	if code != 0 {
		d.t.Fatalf("ten %q: exit %d: %s%s", args, code, out, errs)
	}
	return out
}

// tenantFile reads a file of a tenant's own directory; "" when there is none.
func (d *daemon) tenantFile(service, id, name string) string {
	text, _ := os.ReadFile(filepath.Join(d.data, service, id, name))
	return string(text)
}

// starts counts the processes that a character of this tenant ever had.
func (d *daemon) starts(service, id string) int {
	return strings.Count(d.tenantFile(service, id, "starts"), "\n")
}

// eventually waits for a condition and fails the test after within.
func eventually(t *testing.T, what string, within time.Duration, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// freePort gives a port above the kernel's ephemeral range.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 61000 + rand.N(4500)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l.Close()
		return port
	}
	t.Fatal("no free port")
	return 0
}

// output collects what a process writes; safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Tail is the last n bytes.
func (o *output) Tail(n int) string {
	s := o.String()
	return s[max(0, len(s)-n):]
}
