package main

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

func (a *app) weightCmd() *cobra.Command {
	return &cobra.Command{
		Use: "weight S:I N", Short: "Set a tenant's share of S.DOMAIN, 0..100", Args: cobra.ExactArgs(2),
		ValidArgsFunction: a.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := conf.ParseInstance(args[0])
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 0 || n > 100 {
				return fmt.Errorf("weight %q: a whole number from 0 to 100 is expected", args[1])
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			return a.ask(cmd.Context(), c, http.MethodPut, instancePath(name, "/weight"), edge.WeightRequest{Weight: &n},
				"Set %s weight to %d", name, n)
		},
	}
}
