package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"tenement/actors"
	"tenement/actors/ledger"
	"tenement/conf"
	"tenement/edge"
)

// drainTime is how long requests that are under way may take to end when the
// daemon stops, as the contract has it for a tenant.
const drainTime = 5 * time.Second

// daemonOptions says what to run and where.
type daemonOptions struct {
	place  place
	listen listenOptions
	tls    conf.TLS // used when listen.tls is set
	domain string
	log    zerolog.Logger
	load   func() (*conf.Config, error) // reads the configuration again; nil = there is no file

	manager *manager                                                       // that started the daemon; nil = nobody
	observe func(name conf.Instance, from, to actors.State, reason string) // nil = nobody looks
}

// daemon is a running host with its listeners. stop ends all of it.
type daemon struct {
	host   host
	server *edge.Server
	tls    *edge.TLS // nil = plain HTTP only
	url    string
	log    zerolog.Logger
	lock   *dataLock
	access io.Closer     // the access log; nil = stdout
	hook   *edge.Webhook // nil = nobody is told
	runDir string
	load   func() (*conf.Config, error) // nil = there is no file
	failed chan error                   // a listener that ended by itself

	manager *manager // nil = nobody

	commands net.Listener     // who wants to run one in a tenant's enclosure
	execs    *edge.ExecServer // nil until it serves

	settler *settler // gives memory back
}

// startDaemon takes the data directory, binds every listener and only then makes
// the tree: a port that is in use is found before any process is started.
func (a *app) startDaemon(o daemonOptions) (_ *daemon, err error) {
	d := &daemon{log: o.log, runDir: o.place.runDir, load: o.load, manager: o.manager, settler: newSettler(o.log)}
	var public *listeners
	defer func() {
		if err != nil {
			if public != nil {
				public.close()
			}
			d.closeTLS()
			d.unlock()
			d.settler.stop()
		}
	}()
	spareThreads()
	if err := os.MkdirAll(o.place.dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the data directory: %w", err)
	}
	if d.lock, err = lockData(o.place.dataDir); err != nil {
		return nil, err
	}
	if err := ownDir(o.place.runDir); err != nil {
		return nil, fmt.Errorf("cannot use the run directory: %w", err)
	}
	if err := d.openTLS(o); err != nil {
		return nil, err
	}
	if public, err = listen(o.listen); err != nil {
		return nil, err
	}
	control, err := edge.ListenControl(filepath.Join(o.place.runDir, controlName))
	if err != nil {
		return nil, err
	}
	if d.commands, err = edge.ListenControl(filepath.Join(o.place.runDir, execName)); err == nil {
		err = d.build(a, o)
	}
	if err != nil {
		control.Close()
		d.stopExec()
		return nil, err
	}
	d.url = serverURL(o.domain, public)
	if err := d.lock.write(d.url); err != nil {
		o.log.Warn().Err(err).Msg("cannot say in the lock file where this daemon answers")
	}
	d.failed = make(chan error, len(public.all())+3) // each can send its end though nobody hears it
	d.beginTLS(public)
	d.serve(public, control)
	d.settler.started()
	return d, nil
}

// build makes the tree and the server before it.
func (d *daemon) build(a *app, o daemonOptions) (err error) {
	token, err := adminToken(o.place.dataDir, o.log)
	if err != nil {
		return err
	}
	metrics := edge.NewMetrics()
	woken := func(name conf.Instance, p actors.Phases) {
		metrics.Woken(name, p)
		d.settler.woken()
	}
	access, err := d.accessLog(a, o.place.config)
	if err != nil {
		return err
	}
	secret, err := webhookSecret(o.place.config.Settings)
	if err != nil {
		return err
	}
	d.host, err = a.host(actors.Options{
		Config: o.place.config, DataDir: o.place.dataDir, RunDir: o.place.runDir, Domain: o.domain, Log: o.log,
		Conns: edge.NewConns, Probe: edge.Probe, AdminToken: token, Observe: o.observe, Woken: woken,
	})
	if err != nil {
		return err
	}
	api := edge.APIOptions{Host: d.host, Log: o.log, TLS: d.tls, Domain: o.domain, Metrics: metrics}
	if d.load != nil {
		api.Reload = d.reload
	}
	proxies, unix := o.place.config.Settings.TrustedPrefixes()
	d.server, err = edge.NewServer(edge.ServerOptions{
		Host: d.host, API: edge.NewAPI(api), Domain: o.domain, Log: o.log,
		TrustedProxies: proxies, TrustUnix: unix, HSTS: o.tls.HSTSMaxAge, Clients: o.place.config.Settings.Clients, Access: access, Metrics: metrics,
	})
	if err == nil {
		d.hook = startWebhook(o, secret, d.host)
	}
	return err
}

// accessLog is where requests are noted: a file, which unlock closes, or stdout.
func (d *daemon) accessLog(a *app, config *conf.Config) (zerolog.Logger, error) {
	path := config.Settings.AccessLogFile
	if path == conf.Stdout {
		return zerolog.New(zerolog.SyncWriter(a.out)), nil
	}
	file, err := edge.OpenAccessFile(path)
	if err != nil {
		return zerolog.Nop(), err
	}
	d.access = file
	return zerolog.New(file), nil
}

// serve answers on all listeners until stop; each goroutine ends with its listener.
func (d *daemon) serve(public *listeners, control net.Listener) {
	for _, l := range public.http {
		go func() { d.failed <- d.server.Serve(l) }()
	}
	for _, l := range public.https {
		go func() { d.failed <- d.server.ServeTLS(l, d.tls) }()
	}
	for _, l := range public.redirect {
		go func() { d.failed <- d.server.ServeRedirect(l, d.tls, public.httpsPort()) }()
	}
	go func() { d.failed <- d.server.ServeControl(control) }()
	d.serveExec()
}

// wait runs until ctx ends, a signal comes, or a part of the daemon ends by
// itself, which is an error. Then it stops everything; a second signal cuts the
// waiting short.
func (d *daemon) wait(ctx context.Context, sigs <-chan os.Signal) error {
	var broken error
	select {
	case <-ctx.Done():
	case sig := <-sigs:
		d.log.Info().Stringer("signal", sig).Msg("stopping")
	case err := <-d.failed:
		broken = fmt.Errorf("a listener ended: %w", err)
	case <-d.host.Done():
		broken = errors.New("the supervision tree ended by itself: see the log")
	}
	hurry, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		select {
		case <-sigs:
			cancel()
		case <-stopped:
		}
	}()
	err := d.stop(hurry)
	close(stopped)
	return cmp.Or(broken, err)
}

// stop refuses new requests, lets those under way end, stops all tenants and
// gives the data directory back. When ctx ends it kills instead of asking.
func (d *daemon) stop(ctx context.Context) error {
	defer d.settler.stop()
	d.manager.stop()
	d.stopExec()
	drain, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	if err := d.server.Shutdown(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		d.log.Warn().Err(err).Msg("cannot stop the listeners")
	}
	d.closeTLS()
	err := d.host.Shutdown(ctx)
	if d.hook != nil {
		d.hook.Stop()
	}
	tidy(d.runDir)
	d.unlock()
	if err != nil {
		return fmt.Errorf("cannot stop all tenants: %w", err)
	}
	return nil
}

// tidy removes what is empty of the run directory; what is not is still needed,
// or somebody else's.
func tidy(runDir string) {
	tenants, _ := filepath.Glob(filepath.Join(runDir, "t", "*"))
	for _, dir := range append(tenants, filepath.Join(runDir, "t"), filepath.Join(runDir, "r"), runDir) {
		_ = os.Remove(dir)
	}
}

func (d *daemon) unlock() {
	if d.access != nil {
		d.access.Close()
	}
	if d.lock != nil {
		d.lock.Close()
	}
}

// adminToken gives what {data_dir}/api_token holds, making it before the very
// first start. A registry without the file beside it is left as it is: somebody
// took the token away.
func adminToken(dataDir string, log zerolog.Logger) (string, error) {
	token, err := readToken(dataDir)
	if err != nil || token != "" {
		return token, err
	}
	path := filepath.Join(dataDir, tokenName)
	_, err = os.Lstat(filepath.Join(dataDir, registryName))
	if !errors.Is(err, fs.ErrNotExist) {
		log.Warn().Str("path", path).Msg("there is no admin token: `ten token-gen` makes one")
		return "", nil
	}
	token, _ = ledger.NewToken()
	if err := writeToken(dataDir, token); err != nil {
		return "", err
	}
	log.Info().Str("path", path).Msg("wrote an admin token")
	return token, nil
}
