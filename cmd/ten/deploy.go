package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

func (a *app) deployCmd() *cobra.Command {
	var weight, timeout int
	cmd := &cobra.Command{
		Use: "deploy S:V", Short: "Wake a version and give it its share of S.DOMAIN once it is healthy", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := conf.ParseInstance(args[0])
			if err != nil {
				return err
			}
			if weight < 0 || weight > 100 {
				return fmt.Errorf("weight %d: a whole number from 0 to 100 is expected", weight)
			}
			if timeout < 1 || timeout > 3600 {
				return fmt.Errorf("timeout %d: 1 to 3600 seconds are expected", timeout)
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			a.say("Deploying %s with weight %d", name, weight)
			a.say("Waiting for health check (timeout: %ds)...", timeout)
			var got edge.DeployedJSON
			body := edge.DeployRequest{Process: name.Service, Version: name.ID, Weight: &weight, Timeout: timeout}
			if err := c.call(cmd.Context(), http.MethodPost, "/api/deploy", body, &got); err != nil {
				return err
			}
			a.say("Deployed %s", name)
			a.say("Weight: %d", got.Weight)
			a.say("Status: %s", got.Status)
			return nil
		},
	}
	cmd.Flags().IntVarP(&weight, "weight", "w", 100, "its share of S.DOMAIN, 0..100")
	cmd.Flags().IntVar(&timeout, "timeout", 30, "seconds until it must be healthy")
	return cmd
}

func (a *app) routeCmd() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use: "route S --from A --to B", Short: "Move the traffic of S.DOMAIN from one version to another",
		Args: func(cmd *cobra.Command, args []string) error {
			if from == "" || to == "" {
				return errors.New("--from and --to are both needed")
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			old, err := conf.NewInstance(args[0], from)
			if err != nil {
				return err
			}
			next, err := conf.NewInstance(args[0], to)
			if err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			var got edge.RoutedJSON
			body := edge.RouteRequest{Process: old.Service, From: old.ID, To: next.ID}
			if err := c.call(cmd.Context(), http.MethodPost, "/api/route", body, &got); err != nil {
				return err
			}
			a.say("Routed traffic: %s -> %s", old, next)
			a.say("%s weight: %d", old, got.FromWeight)
			a.say("%s weight: %d", next, got.ToWeight)
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the instance that serves now")
	cmd.Flags().StringVar(&to, "to", "", "the instance that serves from now on")
	return cmd
}
