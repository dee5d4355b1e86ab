package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What TestMain builds, once for all tests.
var (
	root         string // of this run: everything that the tests write is below
	tenBinary    string
	apps         string // folder of the three that follow
	characterApp string
	goApp        string // examples/go
	probeApp     string
	repo         string
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Most tests wait for time to pass; more of them at once than there are cores
	// cost little.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set("6")
	}
	if testing.Short() {
		fmt.Println("e2e: left out by -short")
		return
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if inside, err := enter(); inside || err != nil {
		if err != nil {
			return 1, err
		}
		nameBinaries()
		return m.Run(), nil
	}
	// Short, for a socket's path has 107 bytes at most.
	if root, err = os.MkdirTemp("", "e2e"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(root)
	if repo, err = filepath.Abs("../.."); err != nil {
		return 1, err
	}
	nameBinaries()
	daemon := []string{"build", "-o", tenBinary}
	if raceEnabled {
		daemon = append(daemon, "-race")
	}
	for _, args := range [][]string{
		append(daemon, "./cmd/ten"),
		{"build", "-o", characterApp, "./cmd/e2e/testdata/apps/character"},
		{"build", "-o", goApp, "./examples/go"},
		{"build", "-tags", "netgo,osusergo", "-o", probeApp, "./cmd/e2e/testdata/apps/probe"}, // static
	} {
		build := exec.Command("go", args...)
		build.Dir = repo
		if out, err := build.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("cannot go %q: %w\n%s", args, err, out)
		}
	}
	if code, err = runEnclosed(m); err != nil {
		return 1, err
	}
	if left := processesOf(root); len(left) > 0 {
		return 1, fmt.Errorf("processes of the tests are left: %v", left)
	}
	return code, nil
}

func nameBinaries() {
	apps = filepath.Join(root, "apps")
	tenBinary, characterApp, goApp, probeApp = filepath.Join(root, "ten"), filepath.Join(apps, "character"), filepath.Join(apps, "notes"), filepath.Join(apps, "probe")
}
