package main

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

func (a *app) reloadCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "reload", Short: "Have the daemon read its tenement.toml again and apply what changed", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var got edge.ReloadedJSON
			if err := c.call(cmd.Context(), http.MethodPost, "/api/reload", nil, &got); err != nil {
				return err
			}
			if asJSON {
				return a.json(got.Changes)
			}
			for _, change := range got.Changes {
				a.say("%s", change.Text)
			}
			if len(got.Changes) == 0 {
				a.say("Nothing changed")
			}
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// reload reads the configuration again and has the host run by it.
func (d *daemon) reload(ctx context.Context) ([]conf.Difference, error) {
	d.manager.reloading()
	defer d.manager.ready(d.status())
	next, err := d.load()
	if err != nil {
		return nil, err
	}
	for _, remark := range next.Remarks {
		d.log.Warn().Str("file", next.Path).Int("line", remark.Line).Msg(remark.Text)
	}
	changes, err := d.host.Reload(ctx, next)
	for _, change := range changes {
		d.log.Info().Str("effect", string(change.Effect)).Msg("reloaded: " + change.String())
	}
	return changes, err
}

// reloadOnHangup reloads on SIGHUP, as service managers and scripts send it,
// until the returned function is called. A daemon that has a terminal ends with
// it instead: there SIGHUP means that it closed.
func (d *daemon) reloadOnHangup(ctx context.Context) (stop func()) {
	if d.load == nil || hasTerminal() || signal.Ignored(syscall.SIGHUP) {
		return func() {}
	}
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() { // ended by stop
		defer close(done)
		for range hangups {
			if changes, err := d.reload(ctx); err != nil {
				d.log.Error().Err(err).Msg("cannot reload: nothing is changed")
			} else if len(changes) == 0 {
				d.log.Info().Msg("reloaded: nothing changed")
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}

// hasTerminal reports that this process belongs to a terminal's session.
func hasTerminal() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	tty.Close()
	return true
}
