package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// program is an app that is started, by itself and as a tenant. In its commands
// {socket}, {port} and {dir} are filled in; {dir} is where the apps are.
type program struct {
	name     string
	commands map[string]string // by how it listens: fd, unix, tcp
	probe    []string          // a command that succeeds where it can run
	packages string            // what apt-get installs for it
}

// listens is every way, the quickest first.
var listens = []string{"fd", "unix", "tcp"}

// best is the quickest way to listen that a program knows.
func (p program) best() string {
	for _, how := range listens {
		if p.commands[how] != "" {
			return how
		}
	}
	return ""
}

// python is Debian's, in whose packages Flask and FastAPI are: a pyenv in
// somebody's home is out of a tenant's sight.
const python = "/usr/bin/python3"

var interpreted = []program{
	{"Python http.server", map[string]string{"fd": python + " server.py fd", "unix": python + " server.py unix", "tcp": python + " server.py tcp"}, []string{python, "-c", "import http.server"}, "python3"},
	{"Flask, gunicorn", map[string]string{"fd": "gunicorn --bind fd://3 flaskapp:application", "unix": "gunicorn --bind unix:{socket} flaskapp:application", "tcp": "gunicorn --bind 127.0.0.1:{port} flaskapp:application"},
		[]string{"sh", "-c", "gunicorn --version && " + python + " -c 'import flask'"}, "gunicorn python3-flask"},
	{"FastAPI, uvicorn", map[string]string{"fd": python + " -m uvicorn --fd 3 asgi:app", "unix": python + " -m uvicorn --uds {socket} asgi:app", "tcp": python + " -m uvicorn --port {port} asgi:app"},
		[]string{python, "-c", "import fastapi, uvicorn"}, "python3-fastapi python3-uvicorn"},
	{"Node", map[string]string{"fd": "node server.js fd", "unix": "node server.js unix", "tcp": "node server.js tcp"}, []string{"node", "--version"}, "nodejs"},
	{"Express", map[string]string{"fd": "node express.js fd", "unix": "node express.js unix", "tcp": "node express.js tcp"},
		[]string{"env", "NODE_PATH=" + nodePath, "node", "-e", "require('express')"}, "node-express"},
	{"Ruby, puma", map[string]string{"unix": "puma -q -b unix://{socket} config.ru", "tcp": "puma -q -b tcp://127.0.0.1:{port} config.ru"}, []string{"puma", "--version"}, "puma"},
	{"PHP", map[string]string{"tcp": "php -q -S 127.0.0.1:{port} index.php"}, []string{"php", "--version"}, "php-cli"},
}

// nodePath is where Debian's packages put modules, which another node than
// Debian's does not know.
const nodePath = "/usr/share/nodejs:/usr/lib/nodejs"

// programs gives all apps that can run here; the others are skipped by name.
func programs(b *bench) (all []program, err error) {
	if all, err = tinyApps(b); err != nil {
		return nil, err
	}
	for _, p := range interpreted {
		if exec.Command(p.probe[0], p.probe[1:]...).Run() != nil {
			b.found.skip(fmt.Sprintf("%s: apt-get install %s", p.name, p.packages))
			continue
		}
		all = append(all, p)
	}
	return all, nil
}

// apps is the folder that every app is started in.
func (b *bench) apps() string { return filepath.Join(b.work, "apps") }

// tinyC is the name of the app with the smallest start of all.
const tinyC = "static C"

// tinyApps fills the folder of the apps, once for all suites, and builds the two
// that are all but nothing, which serve descriptor 3; the C one only where there is
// a compiler.
func tinyApps(b *bench) (all []program, err error) {
	source, dir := filepath.Join(b.repo, "bench/testdata"), b.apps()
	_, missing := exec.LookPath("gcc")
	if _, err := os.Stat(dir); err != nil {
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(source, "apps"))); err != nil {
			return nil, fmt.Errorf("cannot copy the apps: %w", err)
		}
		if err := build(b.repo, filepath.Join(dir, "tiny-go"), filepath.Join(source, "tiny.go")); err != nil {
			return nil, err
		}
		if missing == nil {
			if _, err := output("", "gcc", "-O2", "-static", "-o", filepath.Join(dir, "tiny-c"), filepath.Join(source, "tiny.c")); err != nil {
				return nil, err
			}
		}
	}
	if missing == nil {
		all = append(all, program{name: tinyC, commands: map[string]string{"fd": "./tiny-c"}})
	} else {
		b.found.skip(tinyC + ": apt-get install gcc libc6-dev")
	}
	return append(all, program{name: "Go", commands: map[string]string{"fd": "./tiny-go"}}), nil
}

// service is a program's [service.NAME] block.
func (p program) service(b *bench, name, how, level, more string) string {
	text := fmt.Sprintf("[service.%s]\ncommand = %q\nworkdir = %q\nlisten = %q\nisolation = %q\napex = \"none\"\nstartup_timeout = 60\nenv = { NODE_PATH = %q, PYTHONDONTWRITEBYTECODE = \"1\" }\n",
		name, p.commands[how], b.apps(), how, level, nodePath)
	if level != "process" {
		text += "network = \"private\"\n"
	}
	return text + more + "\n"
}

// levels are the levels of isolation, the quickest first.
var levels = []string{"process", "namespace", "sandbox"}

// cannot says why a level cannot be had here; "" = it can.
func cannot(level string) string {
	switch {
	case level == "process":
		return ""
	case os.Geteuid() != 0:
		return "isolation = \"" + level + "\": only root can have it"
	case level == "sandbox":
		if _, err := exec.LookPath("runsc"); err != nil {
			return "isolation = \"sandbox\": needs runsc, see the README"
		}
	}
	return ""
}

// available are the levels that can be had; the others are skipped by name.
func (b *bench) available() (some []string) {
	for _, level := range levels {
		if why := cannot(level); why != "" {
			b.found.skip(why)
			continue
		}
		some = append(some, level)
	}
	return some
}

// key makes a name out of words: that of a service.
func key(words ...string) string {
	return strings.Trim(strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		}
		return '-'
	}, strings.ToLower(strings.Join(words, "-"))), "-")
}
