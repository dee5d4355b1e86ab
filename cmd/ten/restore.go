package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"tenement/actors/ledger"
	"tenement/conf"
	"tenement/edge"
)

func (a *app) restoreCmd() *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use: "restore [S:I] FILE", Short: "Put back what ten backup has copied", Args: cobra.RangeArgs(1, 2),
		Long: `Without S:I: the daemon's state, while no daemon runs; where there is no
tenement.toml, that of the backup. With S:I: a tenant's directory, from the
backup of any tenant: a copy under another name is made this way.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			from, err := openArchive(args[len(args)-1])
			if err != nil {
				return err
			}
			defer from.file.Close()
			if len(args) == 1 {
				return a.restoreState(from, replace)
			}
			name, err := conf.ParseInstance(args[0])
			if err != nil {
				return err
			}
			return a.restoreTenant(ctx, from, name, replace)
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "in place of what is there, which is lost")
	return cmd
}

// restoreState reads the whole backup before it changes anything.
func (a *app) restoreState(from *opened, replace bool) error {
	if from.Of != ofState {
		return fmt.Errorf("this is a backup of %s: restore it by `ten restore %s FILE`", from.Of, from.Of)
	}
	p, err := a.ownPlace()
	if err != nil {
		return err
	}
	if !isFile(p.config.Path) { // none was found: the backup's counts
		return a.restoreConfig(from, replace)
	}
	if err := a.restoreInto(from, p, replace); err != nil {
		return err
	}
	a.say("Left as it is: %s", p.config.Path)
	return nil
}

// restoreConfig restores to a machine without a tenement.toml, by the one of the
// backup, which comes back to where it was: first, so that no state is there whose
// tenement.toml found no room.
func (a *app) restoreConfig(from *opened, replace bool) error {
	text, mode, rest, err := from.configFirst()
	if err != nil {
		return err
	}
	if text == nil {
		return errors.New("there is no tenement.toml here, and none in the backup: name one by --config")
	}
	path := filepath.Join(a.sysroot, from.Config)
	if isFile(path) {
		return fmt.Errorf("%s is there, and is not the tenement.toml in use: name the one that counts by --config", path)
	}
	config, err := conf.Parse(from.Config, text)
	if err == nil {
		config, err = a.withDataDir(config)
	}
	if err != nil {
		return fmt.Errorf("the backup's tenement.toml: %w", err)
	}
	if _, err := a.put(plannedFile{from.Config, string(text), uint32(mode)}); err != nil {
		return err
	}
	if err := a.restoreInto(rest, a.placeOf(config), replace); err != nil {
		_ = os.Remove(path) // what failed is said
		a.say("Took %s away again", from.Config)
		return err
	}
	return nil
}

// configFirst looks for tenement.toml and begins the backup again.
func (o *opened) configFirst() (text []byte, mode fs.FileMode, again *opened, err error) {
	err = o.each(func(h *tar.Header, r io.Reader) error {
		if h.Name != configName {
			return nil
		}
		mode = fs.FileMode(h.Mode).Perm()
		text, err = io.ReadAll(r)
		return err
	})
	if err != nil {
		return nil, 0, nil, err
	}
	if _, err := o.file.Seek(0, io.SeekStart); err != nil {
		return nil, 0, nil, err
	}
	again = &opened{file: o.file}
	return text, mode, again, again.begin()
}

// restoreInto unpacks beside what is there and moves it into place when all of
// it has been read and the registry was found whole.
func (a *app) restoreInto(from *opened, p place, replace bool) error {
	if err := os.MkdirAll(p.dataDir, 0o700); err != nil {
		return fmt.Errorf("cannot make the data directory: %w", err)
	}
	lock, err := lockData(p.dataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if isFile(filepath.Join(p.dataDir, registryName)) && !replace {
		return fmt.Errorf("%s has a registry already: --replace takes the backup's in its place", p.dataDir)
	}
	stage, err := os.MkdirTemp(p.dataDir, ".restore-*")
	if err != nil {
		return fmt.Errorf("cannot restore: %w", err)
	}
	defer os.RemoveAll(stage)
	if err := from.unpackState(stage); err != nil {
		return err
	}
	registry, err := os.ReadFile(filepath.Join(stage, registryName))
	if err == nil {
		err = ledger.Verify(registry)
	}
	if err != nil {
		return fmt.Errorf("the registry in the backup: %w", err)
	}
	if err := takeOwner(stage, p.dataDir); err != nil {
		return err
	}
	moves := []move{
		{acmePrefix, p.config.Settings.TLS.CacheDir},
		{tokenName, filepath.Join(p.dataDir, tokenName)},
		{registryName, filepath.Join(p.dataDir, registryName)}, // the last: with it the state is there
	}
	if err := moveAll(stage, moves); err != nil {
		return err
	}
	a.say("Restored the state of %s to %s; tenants' directories: ten restore S:I FILE", from.Made.Format("2006-01-02 15:04:05"), p.dataDir)
	return syncDir(p.dataDir)
}

// unpackState writes what a state consists of, and refuses everything else.
func (o *opened) unpackState(stage string) error {
	root, err := os.OpenRoot(stage)
	if err != nil {
		return err
	}
	defer root.Close()
	return o.each(func(h *tar.Header, r io.Reader) error {
		name := strings.TrimSuffix(h.Name, "/")
		switch {
		case name == configName:
			return nil
		case name == registryName, name == tokenName, name == acmePrefix, strings.HasPrefix(name, acmePrefix+"/"):
			return unpack(root, name, h, r)
		}
		return errors.New("it is in no backup of a state")
	})
}

// move is a part of a backup, by its name in the stage, and where it belongs.
type move struct{ name, to string }

// moveAll puts each part in place, or none.
func moveAll(stage string, moves []move) error {
	var done []func()
	for _, m := range moves {
		back, err := moveInto(filepath.Join(stage, m.name), m.to, filepath.Join(stage, "former-"+m.name))
		if err != nil {
			for _, back := range slices.Backward(done) {
				back()
			}
			return fmt.Errorf("cannot put %s in place: %w", m.name, err)
		}
		done = append(done, back)
	}
	return nil
}

// moveInto puts a file or directory in place of another, which is set aside: gone
// with the stage, or back in its place when something fails, or by back. What is
// not in the backup stays.
func moveInto(from, to, aside string) (back func(), err error) {
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(to); err == nil {
		if err := os.Rename(to, aside); err != nil {
			return nil, err
		}
	}
	if err := os.Rename(from, to); err != nil {
		_ = os.Rename(aside, to) // what failed is said
		return nil, err
	}
	return func() {
		_ = os.Rename(to, from)
		_ = os.Rename(aside, to)
	}, nil
}

// takeOwner gives a tree to whom a directory belongs: the daemon's user. At
// namespace and sandbox the daemon hands a tenant's on at its next start.
func takeOwner(tree, of string) error {
	info, err := os.Stat(of)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t) // always, on Linux
	err = filepath.WalkDir(tree, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
	if err != nil {
		return fmt.Errorf("cannot give the files to the daemon's user: %w", err)
	}
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// restoreTenant unpacks beside the directory, while the tenant sleeps, and moves
// the whole into place.
func (a *app) restoreTenant(ctx context.Context, from *opened, name conf.Instance, replace bool) error {
	if from.Of == ofState {
		return errors.New("this is a backup of the daemon's state: restore it by `ten restore FILE`")
	}
	p, err := a.ownPlace()
	if err != nil {
		return err
	}
	if p.config.Services[name.Service] == nil {
		return fmt.Errorf("there is no service %s in %s", name.Service, p.config.Path)
	}
	dir := p.dirOf(name)
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 && !replace {
		return fmt.Errorf("%s has data already: --replace takes the backup's in its place", name)
	}
	if err := os.MkdirAll(p.dataDir, 0o700); err != nil {
		return fmt.Errorf("cannot make the data directory: %w", err)
	}
	if err := p.register(ctx, name); err != nil {
		return err
	}
	if err := p.whileAsleep(ctx, name, func() error { return from.unpackTenant(dir, p.dataDir) }); err != nil {
		return err
	}
	a.say("Restored %s, as %s was at %s", name, from.Of, from.Made.Format("2006-01-02 15:04:05"))
	return nil
}

// register makes the tenant known to a daemon that runs; without one it is for
// the registry, which was restored before, to know it.
func (p place) register(ctx context.Context, name conf.Instance) error {
	control := filepath.Join(p.runDir, controlName)
	if !answers(control) {
		return nil
	}
	body := edge.RegisterRequest{Process: name.Service, ID: name.ID}
	return controlClient(control, control).call(ctx, http.MethodPost, "/api/instances/register", body, nil)
}

func (o *opened) unpackTenant(dir, dataDir string) error {
	service := filepath.Dir(dir)
	if err := os.MkdirAll(service, 0o700); err != nil {
		return fmt.Errorf("cannot make the service's directory: %w", err)
	}
	stage, err := os.MkdirTemp(service, ".restore-*")
	if err != nil {
		return fmt.Errorf("cannot restore: %w", err)
	}
	defer os.RemoveAll(stage)
	root, err := os.OpenRoot(stage)
	if err != nil {
		return err
	}
	defer root.Close()
	err = o.each(func(h *tar.Header, r io.Reader) error {
		name := strings.TrimSuffix(h.Name, "/")
		if name != dataPrefix && !strings.HasPrefix(name, dataPrefix+"/") {
			return errors.New("it is in no backup of a tenant")
		}
		return unpack(root, name, h, r)
	})
	if err != nil {
		return err
	}
	if err := takeOwner(stage, dataDir); err != nil {
		return err
	}
	if err := moveAll(stage, []move{{dataPrefix, dir}}); err != nil {
		return err
	}
	return syncDir(service)
}
