package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// serveFlags is what `ten serve` was asked for.
type serveFlags struct {
	port         int
	domain       string
	bind         []string
	tls, staging bool
	email        string

	portSet, domainSet bool
}

func (a *app) serveCmd() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the daemon", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.portSet, f.domainSet = cmd.Flags().Changed("port"), cmd.Flags().Changed("domain")
			return a.serve(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&f.port, "port", "p", 8080, "port to listen on, with --tls that of HTTPS (default then tls.https_port, 443); 0 takes a free one")
	flags.StringVarP(&f.domain, "domain", "d", "localhost", "tenants answer to ID.SERVICE.DOMAIN")
	flags.StringSliceVar(&f.bind, "bind", nil, "addresses and unix:/path to listen on (default all addresses, or what systemd passes)")
	flags.BoolVar(&f.tls, "tls", false, "serve HTTPS, as tls.enabled does")
	flags.StringVar(&f.email, "email", "", "address for the certificate authority, with --tls")
	flags.BoolVar(&f.staging, "staging", false, "take certificates for trying out, with --tls")
	return cmd
}

func (a *app) serve(ctx context.Context, f serveFlags) error {
	config, err := a.loadConfig()
	if err != nil {
		return err
	}
	secure, err := f.secure(config)
	if err != nil {
		return err
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
		place: a.placeOf(config), domain: secure.Domain, log: log, load: a.loadConfig, tls: secure, listen: f.listenOptions(config, secure, passed),
		manager: findManager(log),
	})
	if err != nil {
		return err
	}
	defer d.manager.watch(d.alive)()
	d.manager.ready(d.status())
	if err := d.host.StartListed(ctx); err != nil { // those that can be had are served
		log.Error().Err(err).Msg("not all of [instances] could be started")
	}
	log.Info().Str("url", d.url).Str("domain", secure.Domain).Str("data_dir", config.Settings.DataDir).Msg("serving")
	defer d.reloadOnHangup(ctx)()
	return d.wait(ctx, sigs.c)
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
