package main

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

func (a *app) psCmd() *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use: "ps", Aliases: []string{"ls"}, Short: "List running tenants; --all: everybody", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list, err := c.instances(cmd.Context(), all)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(list)
			}
			a.printInstances(list, all, c.shown)
			return nil
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "sleeping, held and failed ones too")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// instances lists the running tenants, or everybody.
func (c *client) instances(ctx context.Context, all bool) ([]edge.InstanceJSON, error) {
	path := "/api/instances"
	if all {
		path += "?all=true"
	}
	list := []edge.InstanceJSON{}
	err := c.call(ctx, http.MethodGet, path, nil, &list)
	return list, err
}

func (a *app) printInstances(list []edge.InstanceJSON, all bool, url string) {
	switch {
	case len(list) == 0 && all:
		a.say("No instances")
		return
	case len(list) == 0:
		a.say("No running instances")
		return
	}
	head := []string{"INSTANCE", "LISTEN", "UPTIME", "IDLE", "HEALTH", "WEIGHT"}
	if all {
		head = append(head, "STATE")
	}
	released := slices.ContainsFunc(list, func(t edge.InstanceJSON) bool { return t.Release != "" })
	if released {
		head = append(head, "RELEASE")
	}
	rows := [][]string{head}
	running := 0
	for _, t := range list {
		if t.Pid != 0 {
			running++
		}
		cells := row(t, all)
		if released {
			cells = append(cells, cmp.Or(t.Release, conf.BaseRelease))
		}
		rows = append(rows, cells)
	}
	table(a.out, rows)
	a.say("")
	a.say("%d instance(s) running on %s", running, url)
}

// limited adds to a tenant's health the limit that it ran into.
func limited(health, limit string) string {
	if limit == "" {
		return health
	}
	return health + " (" + limit + ")"
}

func row(t edge.InstanceJSON, all bool) []string {
	uptime, idle := "-", "-"
	if t.Pid != 0 {
		uptime, idle = age(t.UptimeSecs), age(t.IdleSecs)
	}
	cells := []string{t.ID, cmp.Or(t.Listen, "-"), uptime, idle, limited(t.Health, t.Limit), strconv.Itoa(t.Weight)}
	if all {
		state := t.State
		if t.Reason != "" {
			state += " (" + t.Reason + ")"
		}
		cells = append(cells, state)
	}
	return cells
}
