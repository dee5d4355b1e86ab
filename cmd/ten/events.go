package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

func (a *app) eventsCmd() *cobra.Command {
	var limit int
	var follow, asJSON bool
	cmd := &cobra.Command{
		Use: "events [S:I]", Short: "Print what happened to tenants; -f follows it", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeInstance,
		Long: `Prints the last transitions of tenants' lives, as the daemon remembers them since it
was started: who woke, went to sleep, died, and why. -f prints those that come.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{}
			if len(args) == 1 {
				name, err := conf.ParseInstance(args[0])
				if err != nil {
					return err
				}
				query.Set("process", name.Service)
				query.Set("id", name.ID)
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			if follow {
				return a.followEvents(cmd.Context(), c, query, limit, asJSON)
			}
			list, err := c.events(cmd.Context(), query, limit)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(list)
			}
			for _, e := range list {
				a.say("%s", eventLine(e))
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "the last N events")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "then print events as they come")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *client) events(ctx context.Context, query url.Values, limit int) ([]edge.EventJSON, error) {
	list := []edge.EventJSON{}
	err := c.call(ctx, http.MethodGet, "/api/events?limit="+strconv.Itoa(limit)+"&"+query.Encode(), nil, &list)
	return list, err
}

// followEvents opens the stream before it reads the past, so that nothing is
// lost in between; what comes by both ways is known by its number.
func (a *app) followEvents(ctx context.Context, c *client, query url.Values, limit int, asJSON bool) error {
	stream, err := c.send(ctx, http.MethodGet, "/api/events/stream?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer stream.Body.Close()
	past, err := c.events(ctx, query, limit)
	if err != nil {
		return err
	}
	var last uint64
	show := func(e edge.EventJSON) {
		if e.Number > last {
			last = e.Number
			a.event(e, asJSON)
		}
	}
	for _, e := range past {
		show(e)
	}
	err = c.follow(stream, func(data []byte) error {
		var e edge.EventJSON
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("cannot read an event: %w", err)
		}
		show(e)
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// event prints one, as it comes: one JSON object a line with --json.
func (a *app) event(e edge.EventJSON, asJSON bool) {
	if !asJSON {
		a.say("%s", eventLine(e))
		return
	}
	if body, err := json.Marshal(e); err == nil {
		fmt.Fprintln(a.out, escapeControls(string(body)))
	}
}

// eventLine is "HH:MM:SS S:I from -> to (event): reason".
func eventLine(e edge.EventJSON) string {
	line := fmt.Sprintf("%s %s %s -> %s (%s)", time.UnixMilli(e.Timestamp).Format(time.TimeOnly), e.Instance, e.From, e.To, e.Event)
	if e.Reason != "" {
		line += ": " + e.Reason
	}
	return line
}
