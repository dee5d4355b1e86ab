package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// project is what init found out about a directory.
type project struct {
	kind    string
	command string
	listen  string // a value of the listen key
	build   string // what has to be run before; "" = nothing
}

// maxHint is how much of a project's file is read for hints.
const maxHint = 1 << 20

// recognise looks at the files that each kind of project has. Compiled languages
// come first: they often have a package.json for their assets as well.
func recognise(dir, name string) project {
	for _, look := range []func(dir, name string) (project, bool){goProject, rustProject, pythonProject, nodeProject} {
		if p, ok := look(dir, name); ok {
			return p
		}
	}
	return project{kind: "plain", command: "python3 -m http.server --bind 127.0.0.1 {port}", listen: "tcp"}
}

func goProject(dir, name string) (project, bool) {
	if _, ok := hint(dir, "go.mod"); !ok {
		return project{}, false
	}
	from := "."
	if commands, _ := filepath.Glob(filepath.Join(dir, "cmd", "*", "main.go")); len(commands) == 1 && !exists(dir, "main.go") {
		from = "./cmd/" + filepath.Base(filepath.Dir(commands[0]))
	}
	return project{kind: "Go", command: "./" + name, listen: "auto", build: "go build -o " + name + " " + from}, true
}

var cargoName = regexp.MustCompile(`(?m)^\s*name\s*=\s*"([A-Za-z0-9_-]+)"`)

func rustProject(dir, name string) (project, bool) {
	text, ok := hint(dir, "Cargo.toml")
	if !ok {
		return project{}, false
	}
	if m := cargoName.FindStringSubmatch(text); m != nil {
		name = m[1]
	}
	return project{kind: "Rust", command: "target/release/" + name, listen: "auto", build: "cargo build --release"}, true
}

// pythonProject picks the server that the project itself depends on.
func pythonProject(dir, _ string) (project, bool) {
	requirements, listed := hint(dir, "requirements.txt")
	pyproject, modern := hint(dir, "pyproject.toml")
	needs := strings.ToLower(requirements + pyproject)
	module := "app"
	if !exists(dir, "app.py") && exists(dir, "main.py") {
		module = "main"
	}
	p := project{kind: "Python", listen: "tcp"}
	switch {
	case exists(dir, "manage.py") && strings.Contains(needs, "gunicorn"):
		p.kind, p.command, p.listen = "Django", "python3 -m gunicorn --bind unix:{socket} "+djangoModule(dir)+".wsgi", "unix"
	case exists(dir, "manage.py"):
		p.kind, p.command = "Django", "python3 manage.py runserver --noreload 127.0.0.1:{port}"
	case strings.Contains(needs, "fastapi"):
		p.kind, p.command, p.listen = "FastAPI", "python3 -m uvicorn --uds {socket} "+module+":app", "unix"
	case strings.Contains(needs, "flask") && strings.Contains(needs, "gunicorn"):
		p.kind, p.command, p.listen = "Flask", "python3 -m gunicorn --bind unix:{socket} "+module+":app", "unix"
	case strings.Contains(needs, "flask"):
		p.kind, p.command = "Flask", "python3 -m flask --app "+module+" run --port {port}"
	case exists(dir, module+".py"):
		p.command, p.listen = "python3 "+module+".py", "auto"
	case listed || modern:
		p.command = "python3 -m http.server --bind 127.0.0.1 {port}"
	default:
		return project{}, false
	}
	return p, true
}

// plainPath needs no quotes in a command.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9_./-]+$`)

// djangoModule is the package that holds wsgi.py.
func djangoModule(dir string) string {
	found, _ := filepath.Glob(filepath.Join(dir, "*", "wsgi.py"))
	if len(found) == 0 {
		return "config"
	}
	return filepath.Base(filepath.Dir(found[0]))
}

// nodeProject runs what `npm start` would, without npm in between where that is
// plain: one process less to wait for and to end.
func nodeProject(dir, _ string) (project, bool) {
	text, ok := hint(dir, "package.json")
	if !ok {
		return project{}, false
	}
	var manifest struct {
		Main    string            `json:"main"`
		Scripts map[string]string `json:"scripts"`
	}
	_ = json.Unmarshal([]byte(text), &manifest) // a broken one has no start script
	start := manifest.Scripts["start"]
	p := project{kind: "Node", command: "npm start", listen: "auto"}
	switch {
	case strings.HasPrefix(start, "node ") && !strings.ContainsAny(start, "&|;<>$`*?'\"{}\n\\"):
		p.command = start
	case start == "" && plainPath.MatchString(manifest.Main):
		p.command = "node " + manifest.Main
	case start == "":
		p.command = "node server.js"
	}
	return p, true
}

func exists(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, name))
	return err == nil && info.Mode().IsRegular()
}

// hint reads a project's file, if it is one.
func hint(dir, name string) (string, bool) {
	if !exists(dir, name) {
		return "", false
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return "", false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxHint))
	return string(b), err == nil
}
