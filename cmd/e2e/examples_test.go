package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// example is a folder of examples, run as its README says.
type example struct {
	needs   []string // programs
	modules []string // of Python
	build   []string // what the README has one run first
	built   string   // what it makes, where that takes minutes and is not made here
	use     func(d *daemon)
}

var examples = map[string]example{
	"python":     {needs: []string{"gunicorn"}, modules: []string{"flask"}, use: takesNotes},
	"fastapi":    {needs: []string{"python3"}, modules: []string{"fastapi", "uvicorn"}, use: takesNotes},
	"node":       {needs: []string{"node"}, use: takesNotes},
	"go":         {build: []string{"go", "build", "-o", "notes", "main.go"}, use: takesNotes},
	"php":        {needs: []string{"php"}, use: takesNotes},
	"ruby":       {needs: []string{"puma"}, use: takesNotes},
	"static":     {needs: []string{"python3"}, use: servesFiles},
	"websocket":  {needs: []string{"python3"}, modules: []string{"websockets"}, use: chats},
	"nextjs":     {needs: []string{"node"}, built: ".next/standalone", use: takesNotes},
	"pocketbase": {needs: []string{"pocketbase"}, use: isPocketBase},
}

// path is a service manager's, and where the programs are that CI has put elsewhere.
func (e example) path(t *testing.T) string {
	t.Helper()
	path := plainPath()
	for _, name := range e.needs {
		found, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("%s is not installed: %v", name, err)
		}
		path += ":" + filepath.Dir(found)
	}
	for _, name := range e.modules {
		cmd := exec.Command("env", path, "python3", "-c", "import "+name)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("%s is not installed: %s", name, out)
		}
	}
	return path
}

func TestExamples_RunAsTheirReadmeSays(t *testing.T) {
	t.Parallel()
	for name, e := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := prepare(t, setup{env: []string{e.path(t)}})
			e.copy(t, name, d.dir+"/app")
			if e.build != nil {
				build := exec.Command(e.build[0], e.build[1:]...)
				build.Dir = d.dir + "/app"
				if out, err := build.CombinedOutput(); err != nil {
					t.Fatalf("the README's command: %v\n%s", err, out)
				}
			}
			text, err := os.ReadFile(d.dir + "/app/tenement.toml")
			if err != nil {
				t.Fatal(err)
			}
			// Only the places change: the file is otherwise the user's own.
			d.writeConfig(setup{services: string(text)})
			d.cwd = d.dir + "/app"
			if out := d.must("check"); strings.Contains(strings.ToLower(out), "warning") {
				t.Errorf("the example is not clean: %s", out)
			}
			d.start()
			e.use(d)
		})
	}
}

// copy takes the folder elsewhere; of one that was built, only what it runs by.
func (e example) copy(t *testing.T, name, to string) {
	t.Helper()
	from := filepath.Join(repo, "examples", name)
	if e.built == "" {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		return
	}
	if _, err := os.Stat(filepath.Join(from, e.built)); err != nil {
		t.Skipf("examples/%s is not built (see its README): %v", name, err)
	}
	text, err := os.ReadFile(filepath.Join(from, "tenement.toml"))
	if err == nil {
		err = os.CopyFS(filepath.Join(to, e.built), os.DirFS(filepath.Join(from, e.built)))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "tenement.toml"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Every folder is one that is run, and says in two lines how.
func TestExamples_AllAreRunAndExplained(t *testing.T) {
	folders, err := os.ReadDir(filepath.Join(repo, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if _, ok := examples[f.Name()]; !ok {
			t.Errorf("examples/%s is not run", f.Name())
		}
		readme, err := os.ReadFile(filepath.Join(repo, "examples", f.Name(), "README.md"))
		if err != nil || strings.Count(string(readme), "\n") != 2 || !strings.Contains(string(readme), "ten serve") {
			t.Errorf("examples/%s: %v, a README of two lines is expected:\n%s", f.Name(), err, readme)
		}
	}
	if len(folders) != len(examples) {
		t.Errorf("%d folders, %d are run", len(folders), len(examples))
	}
}

func takesNotes(d *daemon) {
	write(d, realApp{}, "alice", "hello")
	wantNote(d, "alice", "hello")
	if r := d.want(200, "notes", "bob", "/"); r.body != "notes of bob\n" {
		d.t.Errorf("bob reads %q", r.body)
	}
}

func servesFiles(d *daemon) {
	d.must("register", "sites:alice")
	dir := filepath.Join(d.data, "sites", "alice")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("<h1>Alice</h1>\n"), 0o644); err != nil {
		d.t.Fatal(err)
	}
	if r := d.want(200, "sites", "alice", "/"); r.body != "<h1>Alice</h1>\n" {
		d.t.Errorf("alice's site is %q", r.body)
	}
	d.want(404, "sites", "alice", "/none")
}

func isPocketBase(d *daemon) {
	if r := d.want(200, "base", "alice", "/api/health"); !strings.Contains(r.body, "API is healthy") {
		d.t.Errorf("its health: %s", r.body)
	}
	if _, err := os.Stat(filepath.Join(d.data, "base", "alice", "data.db")); err != nil {
		d.t.Errorf("alice has no database of her own: %v", err)
	}
}

// chats: what one member says, the other hears; another customer's do not.
func chats(d *daemon) {
	one, two, stranger := d.join("alice"), d.join("alice"), d.join("bob")
	one.say("hello")
	for _, member := range []*member{one, two} {
		if got := member.hears(); got != "alice: hello" {
			d.t.Errorf("heard %q", got)
		}
	}
	stranger.say("alone")
	if got := stranger.hears(); got != "bob: alone" {
		d.t.Errorf("the other room heard %q", got)
	}
}

// member is a WebSocket client, as small as one can be: short texts only.
type member struct {
	d  *daemon
	c  net.Conn
	br *bufio.Reader
}

func (d *daemon) join(id string) *member {
	d.t.Helper()
	c, err := net.Dial("tcp", d.address())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	m := &member{d, c, bufio.NewReader(c)}
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", d.host("chat", id))
	status, err := m.br.ReadString('\n')
	if err != nil || !strings.Contains(status, " 101 ") {
		d.t.Fatalf("no WebSocket: %q, %v", status, err)
	}
	for line := status; line != "\r\n"; {
		if line, err = m.br.ReadString('\n'); err != nil {
			d.t.Fatal(err)
		}
	}
	return m
}

// say sends one masked text frame; a mask of zeros leaves the text as it is.
func (m *member) say(text string) {
	m.d.t.Helper()
	if _, err := m.c.Write(append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)); err != nil {
		m.d.t.Fatal(err)
	}
}

func (m *member) hears() string {
	m.d.t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(m.br, head[:]); err != nil {
		m.d.t.Fatal(err)
	}
	text := make([]byte, head[1])
	if _, err := io.ReadFull(m.br, text); err != nil {
		m.d.t.Fatal(err)
	}
	return string(text)
}
