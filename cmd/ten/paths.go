package main

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"tenement/conf"
)

// What a daemon keeps under fixed names.
const (
	controlName  = "ctl.sock"  // in the run directory
	tokenName    = "api_token" // the rest in the data directory
	registryName = "registry.db"
	lockName     = ".lock"
)

// place is where a daemon keeps its things, and its configuration.
type place struct {
	config  *conf.Config // with the data directory below
	dataDir string       // absolute
	runDir  string       // absolute
}

// place finds the daemon that this command line means, for whoever talks to it:
// without a tenement.toml, or with a broken one that nobody asked for by name,
// --data-dir and the defaults have to do.
func (a *app) place() (place, error) {
	config, err := a.lookUpConfig()
	nobodyAsked := a.configPath() == "" && a.chosenDataDir() != ""
	if errors.Is(err, conf.ErrNotFound) || (err != nil && nobodyAsked) {
		if config, err = conf.Parse(conf.FileName, nil); err == nil {
			config, err = a.withDataDir(config)
		}
	}
	if err != nil {
		return place{}, err
	}
	return a.placeOf(config), nil
}

// placeOf tells where the daemon with this configuration keeps its things.
func (a *app) placeOf(config *conf.Config) place {
	p := place{config: config, dataDir: config.Settings.DataDir, runDir: config.Settings.RunDir}
	if p.runDir == "" {
		p.runDir = a.defaultRunDir(p.dataDir, os.Geteuid())
	}
	return p
}

func (a *app) configPath() string    { return cmp.Or(a.flags.config, a.env("TENEMENT_CONFIG")) }
func (a *app) chosenDataDir() string { return cmp.Or(a.flags.dataDir, a.env("TENEMENT_DATA_DIR")) }

// findConfig gives the path of the tenement.toml that counts.
func (a *app) findConfig() (string, error) {
	if path := a.configPath(); path != "" {
		return path, nil
	}
	path, err := conf.Find(".")
	installed := filepath.Join(a.sysroot, etcDir, conf.FileName)
	if _, none := os.Stat(installed); errors.Is(err, conf.ErrNotFound) && none == nil {
		return installed, nil
	}
	return path, err
}

// loadConfig reads it for the daemon, which needs its secrets too. Errors:
// conf.ErrNotFound, conf.Problems, or of the file.
func (a *app) loadConfig() (*conf.Config, error) {
	config, err := a.readConfig(conf.LoadAll)
	if err == nil {
		a.refuseUnseen(config)
	}
	return config, err
}

// lookUpConfig reads it for those who only want to know what it says.
func (a *app) lookUpConfig() (*conf.Config, error) { return a.readConfig(conf.Load) }

func (a *app) readConfig(load func(path string) (*conf.Config, error)) (*conf.Config, error) {
	path, err := a.findConfig()
	if err != nil {
		return nil, err
	}
	config, err := load(path)
	if err != nil {
		return nil, err
	}
	return a.withDataDir(config)
}

func (a *app) withDataDir(config *conf.Config) (*conf.Config, error) {
	if dir := a.chosenDataDir(); dir != "" {
		return config.WithDataDir(dir)
	}
	return config, nil
}

// defaultRunDir is where sockets and run records live when nobody chose: a tmpfs
// that ends with the machine's uptime, one directory per data directory.
func (a *app) defaultRunDir(dataDir string, uid int) string {
	if dirs := a.env("RUNTIME_DIRECTORY"); dirs != "" { // systemd's; several are joined by colons
		first, _, _ := strings.Cut(dirs, ":")
		return first
	}
	if uid == 0 {
		return runDirOf(dataDir)
	}
	sum := sumOf(dataDir)
	if xdg := a.env("XDG_RUNTIME_DIR"); xdg != "" {
		return filepath.Join(xdg, "tenement", sum)
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("tenement-%d", uid), sum)
}

// runDirOf is where the daemon that owns a data directory runs, as root or by
// the units of `ten install`.
func runDirOf(dataDir string) string { return filepath.Join("/run/tenement", sumOf(dataDir)) }

func sumOf(dataDir string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(dataDir)))[:8] }

// ownDir makes a directory of ours, 0700, with its parents, and refuses one that
// somebody else could have put there: under /tmp anybody may be first.
func ownDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := trusted(d); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o700)
}

// trusted reports a directory that another user could swap under us. A sticky
// one (/tmp itself) protects what is in it; a symbolic link (/var/run) is as
// good as its owner and what it leads to.
func trusted(dir string) error {
	info, err := os.Lstat(dir)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if err := ours(dir, info); err != nil {
			return err
		}
		info, err = os.Stat(dir)
	}
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case info.Mode()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("%s may be written by others: choose another run_dir, or chmod go-w it", dir)
	}
	return ours(dir, info)
}

// ours reports what belongs neither to us nor to root.
func ours(path string, info fs.FileInfo) error {
	owner := info.Sys().(*syscall.Stat_t).Uid
	if owner != 0 && owner != uint32(os.Geteuid()) {
		return fmt.Errorf("%s belongs to uid %d: choose another run_dir", path, owner)
	}
	return nil
}
