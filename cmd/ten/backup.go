package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tenement/actors"
	"tenement/actors/ledger"
	"tenement/conf"
	"tenement/edge"
)

func (a *app) backupCmd() *cobra.Command {
	var online bool
	cmd := &cobra.Command{
		Use: "backup [S:I] FILE", Short: "Copy the daemon's state, or one tenant's directory, to a file", Args: cobra.RangeArgs(1, 2),
		Long: `Without S:I: the registry (tenants, tokens, domains), certificates of ACME, the
admin token and tenement.toml; the daemon goes on meanwhile. With S:I: that
tenant's directory, while it sleeps: one that is awake is put to sleep for the
time it takes and woken again; visitors get a 503. With --online it is left as
it is: SQLite databases are held still by a read transaction of sqlite3 in the
tenant's enclosure, all else is copied as it is found.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			switch {
			case len(args) == 1 && online:
				return errors.New("--online goes with a tenant: the state is always copied while the daemon runs")
			case len(args) == 1:
				return a.backupState(ctx, args[0])
			}
			name, err := conf.ParseInstance(args[0])
			if err != nil {
				return err
			}
			return a.backupTenant(ctx, name, args[1], online)
		},
	}
	cmd.Flags().BoolVar(&online, "online", false, "leave a tenant that is awake as it is")
	return cmd
}

// ownPlace is the daemon's place on this machine: backups are made of files.
func (a *app) ownPlace() (place, error) {
	if a.flags.server != "" || a.env("TENEMENT_SERVER") != "" {
		return place{}, errors.New("backups are made and restored on the daemon's own machine: leave out --server")
	}
	return a.place()
}

func (a *app) backupState(ctx context.Context, file string) error {
	p, err := a.ownPlace()
	if err != nil {
		return err
	}
	registry, err := ledger.Copy(filepath.Join(p.dataDir, registryName))
	if err != nil {
		return err
	}
	m := a.manifestOf(ofState)
	m.Config = p.config.Path
	out, err := newArchive(file, m)
	if err != nil {
		return err
	}
	if err := out.addState(ctx, p, registry); err != nil {
		out.drop()
		return err
	}
	if err := out.finish(); err != nil {
		return err
	}
	a.say("Wrote the state to %s: %d file(s). Tenants' directories are copied one by one: ten backup S:I FILE", file, out.files)
	return nil
}

func (out *archive) addState(ctx context.Context, p place, registry []byte) error {
	if err := out.add(registryName, registry, 0o600); err != nil {
		return err
	}
	for name, path := range map[string]string{tokenName: filepath.Join(p.dataDir, tokenName), configName: p.config.Path} {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) { // no admin token, no file of configuration
			continue
		}
		var data []byte
		if err == nil {
			data, err = os.ReadFile(path)
		}
		if err == nil {
			err = out.add(name, data, info.Mode().Perm())
		}
		if err != nil {
			return fmt.Errorf("cannot copy %s: %w", path, err)
		}
	}
	certificates := p.config.Settings.TLS.CacheDir
	if _, err := os.Stat(certificates); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return out.addTree(ctx, certificates, acmePrefix)
}

func (a *app) manifestOf(of string) manifest {
	return manifest{Format: archiveFormat, Of: of, Made: time.Now().UTC().Truncate(time.Second), Version: version()}
}

// tries is how often a tenant is copied anew that woke up or fell asleep meanwhile.
const tries = 3

func (a *app) backupTenant(ctx context.Context, name conf.Instance, file string, online bool) error {
	p, err := a.ownPlace()
	if err != nil {
		return err
	}
	dir := p.dirOf(name)
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%s has no directory: %s is not there", name, dir)
	}
	for try := 1; ; try++ {
		err := a.tryTenant(ctx, p, name, file, online)
		if !errors.Is(err, errMoved) || try == tries {
			return err
		}
	}
}

// tryTenant makes the backup, or leaves nothing of it.
func (a *app) tryTenant(ctx context.Context, p place, name conf.Instance, file string, online bool) error {
	t, err := openTree(p.dirOf(name), dataPrefix)
	if err != nil {
		return err
	}
	defer t.close()
	out, err := newArchive(file, a.manifestOf(name.String()))
	if err != nil {
		return err
	}
	if online {
		err = a.copyOnline(ctx, p, name, t, out)
	} else {
		err = p.whileAsleep(ctx, name, func() error { return out.addRest(ctx, t) })
	}
	if err != nil {
		out.drop()
		return err
	}
	if err := out.finish(); err != nil {
		return err
	}
	a.say("Wrote %s to %s: %d file(s)", name, file, out.files)
	for _, note := range out.notes() {
		a.say("%s", note)
	}
	return nil
}

// dirOf is a tenant's directory.
func (p place) dirOf(name conf.Instance) string {
	return filepath.Join(p.dataDir, name.Service, name.ID)
}

// whileAsleep does something while a tenant has no process and gets none: held by
// the daemon, or by the lock of the data directory where no daemon runs. Then it
// is as it was: awake, asleep or held.
func (p place) whileAsleep(ctx context.Context, name conf.Instance, do func() error) (err error) {
	control := filepath.Join(p.runDir, controlName)
	if !answers(control) {
		lock, err := lockData(p.dataDir)
		if err != nil {
			return fmt.Errorf("no daemon answers on %s, but: %w", control, err)
		}
		defer lock.Close()
		return do()
	}
	c := controlClient(control, control)
	before, err := c.why(ctx, name)
	if err != nil {
		return err
	}
	held := actors.Held.String()
	if before.State != held {
		if err := c.call(ctx, http.MethodPost, instancePath(name, "/hold"), nil, nil); err != nil {
			return fmt.Errorf("cannot put %s to sleep: %w", name, err)
		}
		defer func() { err = errors.Join(err, c.letGo(name, before.Pid != 0)) }()
	}
	if err := do(); err != nil {
		return err
	}
	after, err := c.why(ctx, name)
	if err == nil && after.State != held {
		err = fmt.Errorf("somebody woke %s meanwhile, so the files may not fit together: try again", name)
	}
	return err
}

func (c *client) why(ctx context.Context, name conf.Instance) (w edge.WhyJSON, err error) {
	err = c.call(ctx, http.MethodGet, instancePath(name, "/why"), nil, &w)
	return w, err
}

// letGo undoes the hold, also when the command was told to end, and wakes who
// was awake.
func (c *client) letGo(name conf.Instance, wake bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.call(ctx, http.MethodPost, instancePath(name, "/unhold"), nil, nil); err != nil {
		return fmt.Errorf("%s is still held, let it go by `ten unhold %s`: %w", name, name, err)
	}
	if !wake {
		return nil
	}
	body := edge.NameRequest{Process: name.Service, ID: name.ID}
	if err := c.call(ctx, http.MethodPost, "/api/instances/spawn", body, nil); err != nil {
		return fmt.Errorf("cannot wake %s again: %w", name, err)
	}
	return nil
}
