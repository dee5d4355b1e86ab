package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// machine is where and what was measured.
type machine struct {
	Commit string `json:"commit"` // short; with -dirty when the tree had changes
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

func describe(repo string) machine {
	commit, err := output(repo, "git", "rev-parse", "--short=12", "HEAD")
	if err != nil {
		commit = "unknown"
	}
	// The results themselves are no change of what is measured.
	if changes, _ := output(repo, "git", "status", "--porcelain", "--", ".", ":!bench/results"); changes != "" {
		commit += "-dirty"
	}
	kernel, _ := output("", "uname", "-sr")
	goVersion, _ := output(repo, "go", "version")
	return machine{Commit: commit, CPU: cpuModel(), Cores: runtime.NumCPU(), Kernel: kernel, Go: goVersion}
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t: "))
		}
	}
	return runtime.GOARCH
}

func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// output runs a command and gives what it prints, without the newline.
func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("cannot run %s %q: %w", name, args, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// buildTen makes ten as .ci/package makes a release: static and stripped.
func buildTen(repo, out string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./cmd/ten")
	cmd.Dir, cmd.Env = repo, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build ten: %w\n%s", err, text)
	}
	return nil
}

// build makes a Go program.
func build(repo, out, pkg string) error {
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Dir = repo
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// tmpfsMagic is statfs(2)'s word for a tmpfs.
const tmpfsMagic = 0x01021994

// inMemory is a directory on a tmpfs, which is what /run is on a VPS; "" when
// this machine has none that we may write to.
func inMemory() string {
	for _, dir := range []string{"/run", "/dev/shm"} {
		var fs syscall.Statfs_t
		if syscall.Statfs(dir, &fs) == nil && fs.Type == tmpfsMagic && syscall.Access(dir, 2) == nil {
			return dir
		}
	}
	return ""
}
