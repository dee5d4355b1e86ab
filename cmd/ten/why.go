package main

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

func (a *app) whyCmd() *cobra.Command {
	var asJSON bool
	cmd := a.act("why", "What state a tenant is in, since when, what holds it, what happens next", func(ctx context.Context, c *client, name conf.Instance) error {
		var got edge.WhyJSON
		if err := c.call(ctx, http.MethodGet, instancePath(name, "/why"), nil, &got); err != nil {
			return err
		}
		if asJSON {
			return a.json(got)
		}
		a.printWhy(got)
		return nil
	})
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) printWhy(w edge.WhyJSON) {
	since := ""
	if w.Since != 0 {
		since = ", for " + age(w.SinceSecs)
	}
	a.say("%s is %s%s", w.Instance, w.State, since)
	if w.Reason != "" {
		a.say("  Reason: %s", w.Reason)
	}
	if w.Pid != 0 {
		a.say("  Process: pid %d, generation %d, up %s, listening on %s", w.Pid, w.Generation, age(w.UptimeSecs), w.Listen)
		a.say("  Use: %d request(s) inside, idle for %s", w.Inflight, age(w.IdleSecs))
	}
	if w.Release != "" {
		a.say("  Release: %s", w.Release)
	}
	a.say("  Health: %s, %d restart(s)", limited(w.Health, w.Limit), w.Restarts)
	for _, hold := range w.Holds {
		a.say("  Because: %s", hold)
	}
	if w.Next != "" {
		a.say("  Next: %s", w.Next)
	}
}
