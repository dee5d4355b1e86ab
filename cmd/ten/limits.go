package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

func (a *app) limitsCmd() *cobra.Command {
	var restart, asJSON bool
	cmd := &cobra.Command{
		Use: "limits S:I [KEY=VALUE…]", Short: "List or change the limits that a tenant has of its own", Args: cobra.MinimumNArgs(1),
		Long: `List or change the limits that a tenant has of its own, in place of its service's. They hold for its process at once where the kernel can, else from its next start on. KEY= is the service's value again.

The keys: ` + strings.Join(conf.LimitNames(), ", ") + `.`,
		ValidArgsFunction: a.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := conf.ParseInstance(args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				if restart {
					return errors.New("--restart goes with KEY=VALUE")
				}
				return a.listLimits(cmd, name, asJSON)
			}
			body := edge.LimitsRequest{Limits: map[string]*float64{}, Restart: restart}
			for _, arg := range args[1:] {
				key, n, err := conf.ParseLimit(arg)
				if err != nil {
					return err
				}
				if _, twice := body.Limits[key]; twice {
					return fmt.Errorf("%s is given twice", key)
				}
				body.Limits[key] = n
			}
			return a.override(cmd, name, "/limits", "limits", body)
		},
	}
	restartFlag(cmd, &restart)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) listLimits(cmd *cobra.Command, name conf.Instance, asJSON bool) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	var got edge.LimitsJSON
	if err := c.call(cmd.Context(), http.MethodGet, instancePath(name, "/limits"), nil, &got); err != nil {
		return err
	}
	if asJSON {
		return a.json(got)
	}
	rows := [][]string{{"LIMIT", "VALUE", "FROM"}}
	for _, key := range conf.LimitNames() {
		value, from := "-", "-"
		if n := got.All[key]; n != 0 {
			value, from = strconv.FormatFloat(n, 'f', -1, 64), "the service"
		}
		if _, own := got.Own[key]; own {
			from = "the tenant"
		}
		rows = append(rows, []string{key, value, from})
	}
	table(a.out, rows)
	return nil
}
