package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// raw sends bytes as they are and gives the status line's code, 0 when the
// connection was closed without an answer.
func (d *daemon) raw(request string) (status int, body string) {
	d.t.Helper()
	c, err := net.DialTimeout("tcp", d.address(), 5*time.Second)
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, request)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, ""
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	return r.StatusCode, string(text)
}

func rawGet(host string) string {
	return "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"
}

// badIDs are ids that no lookup, path or process may ever see.
var badIDs = []string{
	"../x", "a/b", "a%2fb", ".", "..", "-", "-a", "a-", "_a", strings.Repeat("a", 64), "é", "日本", "a b", `a"b`, "a'b", "a\x00b", "a\rb", "a\nb", "a;b", "{id}", "",
}

func TestStrangers_HostsThatAreNoNamesReachNobody(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	hosts := []string{
		"/home.web.localhost", "a/../b.web.localhost", "..web.localhost", "a..web.localhost", "a b.web.localhost", `"a".web.localhost`, "'a'.web.localhost",
		"a\x00.web.localhost", strings.Repeat("a.", 300) + "web.localhost", strings.Repeat("a", 64) + ".web.localhost", "x.y.web.localhost",
		"a@b.web.localhost", "user:pw@a.web.localhost", "é.web.localhost", "a.nobody.localhost", "a.web.example.com", "a%2fb.web.localhost",
		"[::1].web.localhost", "a.web.localhost/", "a,b.web.localhost", "",
	}
	for _, id := range badIDs {
		hosts = append(hosts, id+".web.localhost")
	}
	for _, host := range hosts {
		if status, body := d.raw(rawGet(host)); status != 400 && status != 404 {
			t.Errorf("Host %q: %d %q, want 400 or 404", host, status, body)
		}
	}
	if all := d.instances(); len(all) != 0 {
		t.Errorf("tenants were made: %v", all)
	}
	if entries, _ := os.ReadDir(filepath.Join(d.data, "web")); len(entries) > 0 {
		t.Errorf("directories were made: %v", entries)
	}
	// The same name in other clothes is one tenant.
	for _, host := range []string{"alice.web.localhost", "ALICE.Web.LocalHost", "alice.web.localhost:1234", "alice.web.localhost.", "Alice.web.localhost.:80"} {
		if status, body := d.raw(rawGet(host)); status != 200 || !strings.HasPrefix(body, "alice ") {
			t.Errorf("Host %q: %d %q, want alice", host, status, body)
		}
	}
	if n := d.starts("web", "alice"); n != 1 {
		t.Errorf("%d processes for one tenant", n)
	}
	for _, host := range []string{"[::1]", "[::1]:8080", "127.0.0.1", "localhost"} {
		if status, _ := d.raw("GET /health HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"); status != 200 {
			t.Errorf("/health with Host %q: %d, want 200", host, status)
		}
	}
}

func TestStrangers_BadIDsAreRefusedByAPIAndCLI(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	for _, id := range badIDs {
		body, _ := json.Marshal(map[string]string{"process": "web", "id": id})
		for _, route := range []string{"spawn", "register", "forget"} {
			if r, err := d.api("POST", "/api/instances/"+route, string(body)); err != nil || r.status != 400 {
				t.Errorf("%s of id %q: %v %d %q, want 400", route, id, err, r.status, r.body)
			}
		}
		if strings.ContainsRune(id, 0) {
			continue // no argument can hold a NUL
		}
		for _, verb := range []string{"spawn", "stop", "restart", "hold", "unhold", "register", "forget", "health", "why"} {
			if _, errs, code := d.ten(verb, "web:"+id); code != 1 || !strings.HasPrefix(errs, "Error: ") {
				t.Errorf("ten %s %q: exit %d, %q; want 1 and Error:", verb, "web:"+id, code, errs)
			}
		}
	}
	if all := d.instances(); len(all) != 0 {
		t.Errorf("tenants were made: %v", all)
	}
	for _, dir := range []string{d.dir, d.data} {
		if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
			t.Errorf("%s/x was made", dir)
		}
	}
}

func TestStrangers_TheDaemonDialsTenantsAndNothingElse(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	bait, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer bait.Close()
	dialled := make(chan struct{}, 100)
	go func() { // ends when bait is closed
		for {
			c, err := bait.Accept()
			if err != nil {
				return
			}
			c.Close()
			dialled <- struct{}{}
		}
	}()
	for request, refused := range map[string]bool{
		"GET http://" + bait.Addr().String() + "/ HTTP/1.1\r\nHost: a.web.localhost\r\n":                    true,
		"GET http://a.web.localhost/ HTTP/1.1\r\nHost: " + bait.Addr().String() + "\r\n":                    true,
		"CONNECT " + bait.Addr().String() + " HTTP/1.1\r\nHost: " + bait.Addr().String() + "\r\n":           true,
		"CONNECT a.web.localhost:80 HTTP/1.1\r\nHost: a.web.localhost:80\r\n":                               true,
		"GET /latest/meta-data HTTP/1.1\r\nHost: 169.254.169.254\r\n":                                       true,
		"GET http://user@a.web.localhost/ HTTP/1.1\r\nHost: a.web.localhost\r\n":                            true,
		"GET http://a.web.localhost/echo HTTP/1.1\r\nHost: a.web.localhost\r\n":                             false,
		"GET /echo HTTP/1.1\r\nHost: a.web.localhost\r\nX-Forwarded-Host: " + bait.Addr().String() + "\r\n": false,
	} {
		status, body := d.raw(request + "Connection: close\r\n\r\n")
		if refused && (status < 400 || status >= 500) {
			t.Errorf("%q: %d %q, want a 4xx", request, status, body)
		}
		if !refused && (status != 200 || body != "GET a.web.localhost /echo") {
			t.Errorf("%q: %d %q, want the tenant", request, status, body)
		}
	}
	// An address as the Host is the API's, wherever it points.
	d.raw("GET http://" + bait.Addr().String() + "/ HTTP/1.1\r\nHost: " + bait.Addr().String() + "\r\nConnection: close\r\n\r\n")
	if len(dialled) > 0 {
		t.Error("the daemon dialled where a stranger pointed")
	}
}

func TestStrangers_ManagementAndTenantsDoNotMeet(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	// By a tenant's name, the API's paths are the tenant's own.
	for _, path := range []string{"/health", "/api/instances", "/metrics", "/api/instances/web:a"} {
		if r := d.want(200, "web", "a", path); !strings.HasPrefix(r.body, "a ") {
			t.Errorf("%s by a tenant's name is answered by the daemon: %q", path, r.body)
		}
	}
	// Nobody without a token changes or reads anything, a browser's form included.
	for _, path := range []string{"spawn", "register", "forget"} {
		r, err := d.try("POST", "localhost", "/api/instances/"+path, `{"process":"web","id":"b"}`)
		if err != nil || r.status != 401 {
			t.Errorf("%s without a token: %v %d, want 401", path, err, r.status)
		}
	}
	for _, path := range []string{"/api/instances", "/api/logs", "/api/instances/web:a/health"} {
		if r, err := d.try("GET", "localhost", path, ""); err != nil || r.status != 401 || !strings.Contains(r.body, `"error"`) {
			t.Errorf("%s without a token: %v %d %q, want 401 and an error", path, err, r.status, r.body)
		}
	}
	if r, err := d.try("DELETE", "localhost", "/api/instances/web:a", ""); err != nil || r.status != 401 {
		t.Errorf("DELETE without a token: %v %d, want 401", err, r.status)
	}
	if len(d.instances()) != 1 {
		t.Errorf("somebody without a token made a tenant: %v", d.instances())
	}
}

// A local user who is neither root nor the daemon's learns and changes nothing.
func TestStrangers_AnotherLocalUserIsKeptOut(t *testing.T) {
	t.Parallel()
	requireRoot(t, "it becomes another user")
	d := launch(t, setup{services: character("web", "serves", `listen = "unix"`)})
	// The test's own directories are 0700; open them so that only the daemon's modes count.
	for _, dir := range []string{root, d.dir} {
		os.Chmod(dir, 0o755)
	}
	token := strings.TrimSpace(d.must("token-gen"))
	token = strings.TrimSpace(token[strings.LastIndex(token, "\n")+1:])
	d.want(200, "web", "a", "/")
	stranger := func(args ...string) error {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		_, err := cmd.CombinedOutput()
		return err
	}
	if err := stranger("cat", d.dir+"/tenement.toml"); err == nil {
		t.Fatal("the configuration of this test is 0600 and yet readable: the stranger is none")
	}
	for _, dir := range []string{d.data, d.runDir, filepath.Join(d.data, "web", "a")} {
		if err := stranger("ls", dir); err == nil {
			t.Errorf("another user can list %s", dir)
		}
	}
	if i, err := os.Stat(filepath.Join(d.runDir, "ctl.sock")); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("the control socket: %v %v, want 0600", i, err)
	}
	worldReadable(t, d.data, token)
	worldReadable(t, d.runDir, token)
	// Even with the modes out of the way, the peer is checked.
	os.Chmod(d.runDir, 0o777)
	os.Chmod(filepath.Join(d.runDir, "ctl.sock"), 0o777)
	if r, err := asStranger(filepath.Join(d.runDir, "ctl.sock")); err == nil && strings.Contains(r, "200 OK") {
		t.Errorf("another user may use the control socket: %q", r)
	}
	os.Chmod(d.runDir, 0o700)
	for _, pid := range processesOf(d.dir) {
		for _, file := range []string{"cmdline", "environ"} {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
			if strings.Contains(string(text), token) {
				t.Errorf("the admin token is in /proc/%d/%s", pid, file)
			}
		}
	}
	if r := d.want(200, "web", "a", "/environ"); strings.Contains(r.body, "SECRET_OF_THE_DAEMON") || strings.Contains(r.body, token) {
		t.Errorf("a tenant sees the daemon's environment: %s", r.body)
	}
}

// worldReadable fails the test for files with a secret that others may read.
func worldReadable(t *testing.T, dir, secret string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		i, _ := e.Info()
		text, _ := os.ReadFile(path)
		if i != nil && i.Mode().Perm()&0o077 != 0 && strings.Contains(string(text), secret) {
			t.Errorf("%s (%v) holds the token", path, i.Mode())
		}
		return nil
	})
}

// asStranger speaks to a socket as nobody, through curl.
func asStranger(socket string) (string, error) {
	cmd := exec.Command("curl", "-sS", "-i", "--max-time", "5", "--unix-socket", socket, "http://localhost/api/instances")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestStrangers_TenantTokensSeeTheirOwnOnly(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	for _, id := range []string{"alice", "bob"} {
		d.want(200, "web", id, "/write?line=secret-of-"+id)
	}
	out := strings.TrimSpace(d.must("token-gen", "--tenant", "alice"))
	token := strings.TrimSpace(out[strings.LastIndex(out, "\n")+1:])
	ask := func(method, path, body string) reply {
		t.Helper()
		r, _ := http.NewRequest(method, "http://"+d.address()+path, strings.NewReader(body))
		r.Host = "localhost"
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := d.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return reply{status: resp.StatusCode, body: string(text)}
	}
	eventually(t, "alice reads her own logs", 5*time.Second, func() bool {
		return strings.Contains(ask("GET", "/api/logs?process=web&id=alice", "").body, "secret-of-alice")
	})
	for _, path := range []string{"/api/logs", "/api/logs?process=web", "/api/logs?process=web&id=bob", "/api/instances", "/api/instances?all=true"} {
		if r := ask("GET", path, ""); strings.Contains(r.body, "bob") {
			t.Errorf("%s shows bob to alice: %s", path, r.body)
		}
	}
	for _, c := range [][3]string{
		{"DELETE", "/api/instances/web:bob", ""}, {"POST", "/api/instances/web:bob/restart", ""}, {"PUT", "/api/instances/web:bob/weight", `{"weight":1}`},
		{"GET", "/api/instances/web:bob/health", ""}, {"GET", "/api/instances/web:bob/storage", ""}, {"GET", "/api/instances/web:BOB/storage", ""},
		{"GET", "/api/logs/stream?process=web&id=bob", ""}, {"POST", "/api/instances/spawn", `{"process":"web","id":"bob"}`},
		{"POST", "/api/instances/register", `{"process":"web","id":"carol"}`}, {"POST", "/api/instances/forget", `{"process":"web","id":"alice"}`},
	} {
		if r := ask(c[0], c[1], c[2]); r.status != 403 {
			t.Errorf("%v with alice's token: %d %q, want 403", c, r.status, r.body)
		}
	}
}
