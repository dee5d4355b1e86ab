package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"tenement/conf"
)

// serveFlags is what `ten serve` was asked for.
type serveFlags struct {
	port         int
	domain       string
	bind         []string
	tls, staging bool
	email        string
}

func (a *app) serveCmd() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the daemon", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.IntVarP(&f.port, "port", "p", 8080, "port to listen on; 0 takes a free one")
	flags.StringVarP(&f.domain, "domain", "d", "localhost", "tenants answer to ID.SERVICE.DOMAIN")
	flags.StringSliceVar(&f.bind, "bind", nil, "addresses and unix:/path to listen on (default all addresses, or what systemd passes)")
	flags.BoolVar(&f.tls, "tls", false, "not built yet")
	flags.StringVar(&f.email, "email", "", "for --tls")
	flags.BoolVar(&f.staging, "staging", false, "for --tls")
	return cmd
}

func (a *app) serve(ctx context.Context, f serveFlags) error {
	config, err := a.loadConfig()
	if err != nil {
		return err
	}
	if f.tls || f.staging || f.email != "" || config.Settings.TLS.Enabled {
		return errors.New("--tls is not built yet in this version; put Caddy or nginx in front")
	}
	log := newLog(a.err)
	for _, remark := range config.Remarks {
		log.Warn().Str("file", config.Path).Int("line", remark.Line).Msg(remark.Text)
	}
	sigs := stopSignals()
	defer sigs.stop()
	passed, err := takePassed()
	if err != nil {
		return err
	}
	d, err := a.startDaemon(daemonOptions{
		place: a.placeOf(config), domain: f.domain, log: log, load: a.loadConfig,
		listen: listenOptions{bind: f.bindTo(config), port: f.port, passed: passed},
	})
	if err != nil {
		return err
	}
	if err := d.host.StartListed(ctx); err != nil { // those that can be had are served
		log.Error().Err(err).Msg("not all of [instances] could be started")
	}
	log.Info().Str("url", d.url).Str("domain", f.domain).Str("data_dir", config.Settings.DataDir).Msg("serving")
	defer d.reloadOnHangup(ctx)()
	return d.wait(ctx, sigs.c)
}

// bindTo is where to listen: the flag wins over the file.
func (f serveFlags) bindTo(config *conf.Config) []string {
	if len(f.bind) == 0 {
		return config.Settings.Bind
	}
	addresses := make([]string, len(f.bind))
	for i, address := range f.bind {
		addresses[i] = strings.Trim(address, "[]")
	}
	return addresses
}

// signals are those that end a daemon.
type signals struct{ c, ignored chan os.Signal }

// stopSignals listens for SIGTERM, SIGINT, and SIGHUP of a terminal that closed,
// unless nohup is to keep that away. Without a terminal SIGHUP is a wish to
// reload.
// SIGPIPE, of a log reader that went away, is received and dropped: ignoring it
// would be inherited by every tenant.
func stopSignals() signals {
	s := signals{c: make(chan os.Signal, 2), ignored: make(chan os.Signal, 1)}
	signal.Notify(s.c, syscall.SIGTERM, syscall.SIGINT)
	if hasTerminal() && !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(s.c, syscall.SIGHUP)
	}
	signal.Notify(s.ignored, syscall.SIGPIPE)
	return s
}

func (s signals) stop() {
	signal.Stop(s.c)
	signal.Stop(s.ignored)
}
