package sandbox

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// RunscVersion is the version of gVisor that this one was tested with.
const RunscVersion = "v0.0.0-20260905035102-160fafc42237"

// installRunsc is the command that brings runsc. Without CGO_ENABLED=0 it is
// linked to libraries that are not in the empty root it puts itself into.
const installRunsc = "CGO_ENABLED=0 GOBIN=/usr/local/bin go install gvisor.dev/gvisor/runsc@" + RunscVersion

// findRunsc gives gVisor's program, by path or from the PATH, and its version,
// "" when the file does not tell.
func findRunsc(path string) (found, version string, err error) {
	if path == "" {
		if path, err = exec.LookPath("runsc"); err != nil {
			return "", "", errors.New("there is no runsc in the PATH")
		}
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", "", err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("%s: %w", path, reason(err))
	case !info.Mode().IsRegular() || unix.Access(path, unix.X_OK) != nil:
		return "", "", fmt.Errorf("%s is not executable", path)
	case interpreterOf(path) != "":
		return "", "", fmt.Errorf("%s needs %s, which it does not find once it is enclosed", path, interpreterOf(path))
	}
	if build, err := buildinfo.ReadFile(path); err == nil {
		version = strings.Trim(build.Main.Version, "()")
	}
	return path, version, nil
}
