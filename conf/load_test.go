package conf

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind_NearestFileWins(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b", "c")
	for _, dir := range []string{deep, filepath.Join(root, "a", "b", FileName)} { // a directory of that name is none
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(root, FileName), ok)
	for _, dir := range []string{root, deep} {
		got, err := Find(dir)
		if err != nil || got != filepath.Join(root, FileName) {
			t.Errorf("%s: got %q, %v", dir, got, err)
		}
	}
	write(t, filepath.Join(deep, FileName), ok)
	if got, err := Find(deep); err != nil || got != filepath.Join(deep, FileName) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFind_SaysWhereItLookedInVain(t *testing.T) {
	dir := t.TempDir()
	_, err := Find(dir)
	if !errors.Is(err, ErrNotFound) || err.Error() != "no tenement.toml in "+dir+" or above it; ten init writes one" {
		t.Errorf("got %v", err)
	}
}

func TestFind_AnUnreadableDirectoryIsNotSkipped(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	_, err := Find(file)
	if err == nil || errors.Is(err, ErrNotFound) || !strings.HasPrefix(err.Error(), "cannot look for tenement.toml: ") {
		t.Errorf("got %v", err)
	}
}

func TestLoad_ReadsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "any.toml")
	write(t, path, ok)
	c, err := Load(path)
	if err != nil || c.Path != path || c.Services["ok"] == nil {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestLoad_AProblemCarriesThePathAsItWasGiven(t *testing.T) {
	path := filepath.Join(t.TempDir(), "any.toml")
	write(t, path, "x = 1")
	if _, err := Load(path); err == nil || err.Error() != path+":1: x: unknown key" {
		t.Errorf("got %v", err)
	}
}

func TestLoad_AMissingFileIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.toml")
	_, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

// A test that changes the working directory cannot run beside others; none here
// is parallel.
func TestPaths_ALostWorkingDirectoryIsSaid(t *testing.T) {
	gone := t.TempDir()
	t.Chdir(gone)
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PWD", "")
	if _, err := Parse("t", []byte(ok)); err == nil || !strings.HasPrefix(err.Error(), "cannot find the working directory: ") {
		t.Errorf("Parse: got %v", err)
	}
	if _, err := Find("."); err == nil || !strings.HasPrefix(err.Error(), `cannot look for tenement.toml in ".": `) {
		t.Errorf("Find: got %v", err)
	}
	if _, err := (&Config{}).WithDataDir("x"); err == nil || !strings.HasPrefix(err.Error(), `cannot find data_dir "x": `) {
		t.Errorf("WithDataDir: got %v", err)
	}
}

func TestParse_ARefusalWithoutAPlaceIsOnTheFirstLine(t *testing.T) {
	r := &report{file: "t"}
	r.refuseSyntax([]byte("a\nb"), errors.New("no idea"))
	same(t, r.problems, Problems{{File: "t", Line: 1, Text: "no idea"}})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// FuzzParse: whatever the bytes, Parse ends, every line it names is in the file,
// and what it accepts can be relied on without a second look.
func FuzzParse(f *testing.F) {
	f.Add([]byte(everyKey))
	f.Add([]byte(ok + "[instances]\nok = [\n'a',\n'B'\n]"))
	f.Add([]byte("[service.a]\ncommand = \"x {id} '{port}' \\\"q\\\"\"\nsocket='{instance_dir}/s'\n"))
	f.Add([]byte("[service]\n[[service.a]]\n[settings.tls]\nenabled = 1\n[routing]\npath = {'/a' = 'a'}"))
	f.Add([]byte(released))
	f.Add([]byte("\xef\xbb\xbf[settings]\r\nqueue_timeout = 1e3\r\n[service.a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("t", data)
		count := lines(data)
		var problems Problems
		if errors.As(err, &problems) {
			for _, p := range problems {
				if p.Line < 1 || p.Line > count || p.Text == "" {
					t.Errorf("%+v: a file of %d lines", p, count)
				}
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range c.Remarks {
			if r.Line < 1 || r.Line > count {
				t.Errorf("%+v: a file of %d lines", r, count)
			}
		}
		checkInvariants(t, c, count)
	})
}

func checkInvariants(t *testing.T, c *Config, count int) {
	for name, s := range c.Services {
		valid, err := Name(name)
		switch {
		case err != nil || valid != name || s.Name != name:
			t.Errorf("%q: a bad name", name)
		case s.Line < 1 || s.Line > count:
			t.Errorf("line %d of %d", s.Line, count)
		case len(s.Argv) == 0 || s.Argv[0] == "" || strings.Contains(strings.Join(s.Argv, ""), "\x00"):
			t.Errorf("argv %q cannot be run", s.Argv)
		case s.StartupTimeout <= 0 || s.RequestTimeout <= 0 || s.IdleTimeout < 0:
			t.Errorf("a bad duration: %+v", s)
		case len(c.socket(s, "i")) > MaxSocketPath:
			t.Errorf("socket %q is too long", s.Socket)
		}
	}
	for _, i := range c.Instances {
		if again, err := ParseInstance(i.String()); err != nil || again != i || c.Services[i.Service] == nil {
			t.Errorf("%v: a bad instance", i)
		}
	}
	s := &c.Settings
	if !filepath.IsAbs(s.DataDir) || s.BackoffBase > s.BackoffMax || s.MaxConcurrentStarts < 1 || s.LogMaxBytes < 1 || s.QueueTimeout <= 0 {
		t.Errorf("bad settings: %+v", s)
	}
	prefixes, _ := s.TrustedPrefixes()
	for _, p := range prefixes {
		if !p.IsValid() {
			t.Errorf("trusted proxies %q", s.TrustedProxies)
		}
	}
}
