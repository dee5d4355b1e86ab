package main

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

func (a *app) healthCmd() *cobra.Command {
	return a.act("health", "Health of a tenant: healthy, degraded, unhealthy, unknown or failed", func(ctx context.Context, c *client, name conf.Instance) error {
		var got edge.HealthJSON
		if err := c.call(ctx, http.MethodGet, instancePath(name, "/health"), nil, &got); err != nil {
			return err
		}
		a.say("%s: %s", name, limited(got.Health, got.Limit))
		return nil
	})
}
