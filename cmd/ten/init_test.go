package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tenement/conf"
)

// project makes a directory with these files, each "name=content".
func projectDir(t *testing.T, base string, files ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), base)
	for _, file := range files {
		name, content, _ := strings.Cut(file, "=")
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestInit_RecognisesProjectsAndWritesAFileThatPassesTheCheck(t *testing.T) {
	for _, c := range []struct {
		about   string
		files   []string
		kind    string
		command string
		listen  conf.Listen
	}{
		{"Go", []string{"go.mod=module x"}, "Go", "./my-app", conf.ListenAuto},
		{"Go in cmd", []string{"go.mod=module x", "cmd/web/main.go="}, "Go", "./my-app", conf.ListenAuto},
		{"Rust", []string{"Cargo.toml=[package]\nname = \"shop_api\"\n"}, "Rust", "target/release/shop_api", conf.ListenAuto},
		{"Rust without a name", []string{"Cargo.toml=[workspace]"}, "Rust", "target/release/my-app", conf.ListenAuto},
		{"Flask", []string{"requirements.txt=Flask==3", "app.py="}, "Flask", "python3 -m flask --app app run --port {port}", conf.ListenTCP},
		{"Flask, main.py", []string{"requirements.txt=flask", "main.py="}, "Flask", "python3 -m flask --app main run --port {port}", conf.ListenTCP},
		{"Flask and gunicorn", []string{"requirements.txt=flask\ngunicorn", "app.py="}, "Flask", "python3 -m gunicorn --bind unix:{socket} app:app", conf.ListenUnix},
		{"FastAPI", []string{"pyproject.toml=dependencies=[\"fastapi\"]", "main.py="}, "FastAPI", "python3 -m uvicorn --uds {socket} main:app", conf.ListenUnix},
		{"Django", []string{"manage.py=", "requirements.txt=django"}, "Django", "python3 manage.py runserver --noreload 127.0.0.1:{port}", conf.ListenTCP},
		{"Django and gunicorn", []string{"manage.py=", "site/wsgi.py=", "requirements.txt=django gunicorn"}, "Django", "python3 -m gunicorn --bind unix:{socket} site.wsgi", conf.ListenUnix},
		{"Django without wsgi.py", []string{"manage.py=", "requirements.txt=django gunicorn"}, "Django", "python3 -m gunicorn --bind unix:{socket} config.wsgi", conf.ListenUnix},
		{"plain Python", []string{"main.py=print"}, "Python", "python3 main.py", conf.ListenAuto},
		{"Python without a program", []string{"requirements.txt=requests"}, "Python", "python3 -m http.server --bind 127.0.0.1 {port}", conf.ListenTCP},
		{"Node", []string{`package.json={"scripts":{"start":"node server.js --x"}}`}, "Node", "node server.js --x", conf.ListenAuto},
		{"Node with more than a command", []string{`package.json={"scripts":{"start":"node a.js && node b.js"}}`}, "Node", "npm start", conf.ListenAuto},
		{"Node with braces", []string{`package.json={"scripts":{"start":"node {id}.js"}}`}, "Node", "npm start", conf.ListenAuto},
		{"Node, next", []string{`package.json={"scripts":{"start":"next start"}}`}, "Node", "npm start", conf.ListenAuto},
		{"Node without a script", []string{`package.json={"main":"lib/index.js"}`}, "Node", "node lib/index.js", conf.ListenAuto},
		{"Node with a strange main", []string{`package.json={"main":"\"; rm -rf {x}"}`}, "Node", "node server.js", conf.ListenAuto},
		{"Node, broken", []string{`package.json=not json`}, "Node", "node server.js", conf.ListenAuto},
		{"Django with assets", []string{"manage.py=", "requirements.txt=django", "package.json={}"}, "Django", "python3 manage.py runserver --noreload 127.0.0.1:{port}", conf.ListenTCP},
		{"a directory called go.mod", []string{"go.mod/x="}, "plain", "python3 -m http.server --bind 127.0.0.1 {port}", conf.ListenTCP},
		{"nothing", []string{"README="}, "plain", "python3 -m http.server --bind 127.0.0.1 {port}", conf.ListenTCP},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			dir := projectDir(t, "My App!", c.files...)
			a, out, _ := newWorld(t).app()
			if err := a.init(dir, "", ""); err != nil {
				t.Fatal(err)
			}
			if want := "Wrote tenement.toml for a " + c.kind + " project\n"; !strings.HasPrefix(out.String(), want) {
				t.Errorf("said %q, want %q", out, want)
			}
			config, err := conf.Load(filepath.Join(dir, conf.FileName))
			if err == nil { // the test does not run beside the file
				config, err = config.WithDataDir(filepath.Join(dir, "data"))
			}
			if err != nil {
				t.Fatal(err)
			}
			s := config.Services["my-app"]
			if s == nil || s.Command != c.command || s.Listen != c.listen || s.Isolation != conf.Isolation(strongest()) ||
				s.IdleTimeout == 0 || s.Apex != conf.ApexNone || len(config.Remarks) > 0 {
				t.Errorf("%+v, remarks %v", s, config.Remarks)
			}
		})
	}
}

func TestInit_SaysWhatToBuildFirst(t *testing.T) {
	for want, files := range map[string][]string{
		"Build it first: go build -o shop .\n":         {"go.mod=", "main.go=", "cmd/x/main.go="},
		"Build it first: go build -o shop ./cmd/web\n": {"go.mod=", "cmd/web/main.go="},
		"Build it first: cargo build --release\n":      {"Cargo.toml="},
	} {
		dir := projectDir(t, "shop", files...)
		a, out, _ := newWorld(t).app()
		if err := a.init(dir, "", ""); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%v, said %q, want %q", err, out, want)
		}
	}
}

func TestInit_TakesWhatItIsTold(t *testing.T) {
	dir := projectDir(t, "x", "package.json={}")
	t.Chdir(dir)
	w := newWorld(t)
	if code, _, errs := w.ten("init", "--name", "Shop", "--command", `php -S "127.0.0.1:{port}" -t 'pu\blic'`); code != 0 {
		t.Fatal(errs)
	}
	config, err := conf.Load(conf.FileName)
	if err != nil {
		t.Fatal(err)
	}
	if s := config.Services["shop"]; s == nil || s.Command != `php -S "127.0.0.1:{port}" -t 'pu\blic'` || s.Listen != conf.ListenTCP {
		t.Errorf("%+v", s)
	}
	before, _ := os.ReadFile(conf.FileName)
	w.wants(1, "", "is there already: ten init does not overwrite it", "init")
	if after, _ := os.ReadFile(conf.FileName); string(after) != string(before) {
		t.Error("it was overwritten")
	}
	w.wants(1, "", "not a valid name", "init", "--name", "a/b")
}

func TestInit_ADirectoryThatCannotBeWrittenIsSaid(t *testing.T) {
	a, _, _ := newWorld(t).app()
	if err := a.init(filepath.Join(t.TempDir(), "none"), "", ""); err == nil || !strings.Contains(err.Error(), "cannot write what ten init makes") {
		t.Errorf("got %v", err)
	}
}

func TestInit_NamesAServiceAfterAnyDirectory(t *testing.T) {
	for dir, want := range map[string]string{
		"/home/me/Shop": "shop", "/x/my app": "my-app", "/x/ünïcode": "n-code", "/": "app", "/x/___": "app", "/x/" + strings.Repeat("a", 80): "app",
	} {
		if got, err := serviceName("", dir); got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", dir, got, err, want)
		}
	}
}

func FuzzInit_AnyCommandIsWrittenAsItIs(f *testing.F) {
	f.Add("node \"a\\b\" \x7f\u2028é")
	f.Fuzz(func(t *testing.T, command string) {
		text := project{kind: "x", command: strings.ToValidUTF8(command, "")}.config("x")
		_, err := conf.Parse("x", []byte(text))
		if problems, ok := err.(conf.Problems); ok && problems[0].Key == "" {
			t.Errorf("no TOML: %v\n%s", err, text)
		}
	})
}
