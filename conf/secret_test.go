package conf

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// secretIn writes a file of this mode.
func secretIn(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadEnvFile_TakesValuesAsTheyStand(t *testing.T) {
	path := secretIn(t, t.TempDir(), "env", "\uFEFF# a comment\n\nA=1\nexport B = two words \r\nC=\"quoted # $A\"\nD='it''s'\nE=\nF=x=y\n  G=${A}\nH=no # comment\n", 0o400)
	got, err := ReadEnvFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "1", "B": "two words", "C": "quoted # $A", "D": "it''s", "E": "", "F": "x=y", "G": "${A}", "H": "no # comment"}
	if !maps.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestReadEnvFile_ErrorsNameTheLineAndNoValue(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"A=1\nhunter2\n":         ":2: there is no = in it: KEY=VALUE is expected",
		"\n=hunter2":             ":2: what stands before the = cannot name a variable",
		"A B=hunter2":            ":1: what stands before the = cannot name a variable",
		"\"A\"=hunter2":          ":1: what stands before the = cannot name a variable",
		"A=\"hunter2":            ":1: the value begins with \" and does not end with it",
		"A='":                    ":1: the value begins with ' and does not end with it",
		"A=hunter2\n\nA=hunter3": ":3: A is set in line 1 already",
		"A=hun\x00ter2":          ":1: the value contains a NUL byte",
	} {
		path := secretIn(t, dir, "env", text, 0o600)
		_, err := ReadEnvFile(path)
		if err == nil || err.Error() != path+want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hun") {
			t.Errorf("%q: the error shows the value", text)
		}
	}
}

func TestReadSecret_RefusesWhatOthersCanReadOrSwap(t *testing.T) {
	dir := t.TempDir()
	open := secretIn(t, dir, "open", "x", 0o640)
	link, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := os.Symlink(open, link); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	large := secretIn(t, dir, "large", strings.Repeat("x", MaxSecret+1), 0o600)
	for path, want := range map[string]string{
		open:                         open + " can be read by others (mode 0640): chmod 600 " + open,
		link:                         link + " is a symbolic link: name the file itself",
		fifo:                         fifo + " is not a plain file",
		dir:                          dir + " is not a plain file",
		large:                        large + " has more than the 1048576 bytes that a secret may have",
		filepath.Join(dir, "nobody"): "cannot read " + filepath.Join(dir, "nobody") + ": no such file or directory",
	} {
		if _, err := ReadSecret(path); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func TestReadSecret_RefusesAnotherUsersFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := secretIn(t, t.TempDir(), "theirs", "x", 0o600)
	if err := os.Chown(path, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	want := path + " belongs to user 12345: it must be root's or that of the daemon's user, 0"
	if _, err := ReadSecret(path); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestLoadAll_LooksAtSecretsAndNamesBothLines(t *testing.T) {
	dir := t.TempDir()
	env := secretIn(t, dir, "env", "A=1\nB\n", 0o600)
	key := secretIn(t, dir, "key", "k", 0o644)
	file := secretIn(t, dir, "tenement.toml", in("env_file = '"+env+"'\nsecrets = {KEY = '"+key+"', LATER = '/none/{id}'}"), 0o644)
	want := file + ":4: service.notes.env_file: " + env + ":2: there is no = in it: KEY=VALUE is expected\n" +
		file + ":5: service.notes.secrets.KEY: " + key + " can be read by others (mode 0644): chmod 600 " + key
	if _, err := LoadAll(file); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if _, err := Load(file); err != nil {
		t.Errorf("who does not need the secrets is kept from the rest: %v", err)
	}
	if err := os.WriteFile(env, []byte("A=1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	filled := c.Services["notes"].Expand(Vars{Name: "notes", ID: "alice"})
	if filled.EnvFile != env || filled.Secrets["LATER"] != "/none/alice" || filled.Secrets["KEY"] != key {
		t.Errorf("%+v", filled)
	}
}
