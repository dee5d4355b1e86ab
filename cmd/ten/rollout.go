package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

// rolloutFlags are those of `ten rollout`.
type rolloutFlags struct {
	to, canary            string
	batch, timeout        int
	status, abort, detach bool
	json                  bool
}

func (a *app) rolloutCmd() *cobra.Command {
	var f rolloutFlags
	cmd := &cobra.Command{
		Use: "rollout S --to R", Short: "Move all tenants of a service to a release, or all of them back",
		Long: `Move all tenants of a service to a release: those that sleep at their next wake,
those awake one batch at a time, while their requests wait. A release that does
not become healthy stops the rollout, which then moves everybody back; what its
hooks have done stays done. The daemon sees it through, over its restarts too.

  ten rollout notes --to v2 --canary 5% --batch 10
  ten rollout notes --status
  ten rollout notes --abort
  ten rollout notes --to base    the service as its own block has it`,
		Args: func(cmd *cobra.Command, args []string) error {
			if n := count(f.to != "", f.status, f.abort); n != 1 {
				return errors.New("one of --to, --status and --abort is needed")
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.rollout(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.to, "to", "", "the release; "+conf.BaseRelease+" is the service as configured")
	flags.StringVar(&f.canary, "canary", "", "percent of the tenants that come first and are watched for three health checks' time, like 5%")
	flags.IntVar(&f.batch, "batch", 10, "tenants that are moved at a time")
	flags.IntVar(&f.timeout, "timeout", 30, "seconds for each to be healthy")
	flags.BoolVar(&f.status, "status", false, "print how far the newest rollout is")
	flags.BoolVar(&f.abort, "abort", false, "move everybody back")
	flags.BoolVar(&f.detach, "detach", false, "do not wait for its end")
	jsonFlag(cmd, &f.json)
	return cmd
}

// count counts what is true.
func count(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

func (a *app) rollout(ctx context.Context, service string, f rolloutFlags) error {
	service, err := conf.Name(service)
	if err != nil {
		return err
	}
	body, err := f.request(service)
	if err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	var got edge.RolloutJSON
	switch {
	case f.status:
		return a.rolloutStatus(ctx, c, service, f.json)
	case f.abort:
		err = c.call(ctx, http.MethodPost, "/api/rollouts/abort", edge.AbortRequest{Process: service}, &got)
	default:
		err = c.call(ctx, http.MethodPost, "/api/rollouts", body, &got)
	}
	if err != nil || f.detach {
		if err == nil {
			a.printRollout(got, f.json)
		}
		return err
	}
	return a.followRollout(ctx, c, got, f)
}

// request checks the flags of a rollout that is to begin.
func (f rolloutFlags) request(service string) (r edge.RolloutRequest, err error) {
	if f.to == "" {
		return r, nil
	}
	r = edge.RolloutRequest{Process: service, To: f.to, Batch: f.batch, Timeout: f.timeout}
	if f.canary != "" {
		r.Canary, err = strconv.ParseFloat(strings.TrimSuffix(f.canary, "%"), 64)
	}
	switch {
	case err != nil || !(r.Canary >= 0 && r.Canary <= 100):
		return r, fmt.Errorf("canary %q: a share like 5%% is expected", f.canary)
	case f.batch < 1:
		return r, fmt.Errorf("batch %d: at least 1 is expected", f.batch)
	case f.timeout < 1 || f.timeout > 3600:
		return r, fmt.Errorf("timeout %d: 1 to 3600 seconds are expected", f.timeout)
	}
	return r, nil
}

func (a *app) rolloutStatus(ctx context.Context, c *client, service string, asJSON bool) error {
	var list []edge.RolloutJSON
	if err := c.call(ctx, http.MethodGet, "/api/rollouts?process="+url.QueryEscape(service), nil, &list); err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("there was no rollout of %s yet", service)
	}
	if asJSON {
		return a.json(list[0])
	}
	a.printRollout(list[0], false)
	return nil
}

// followRollout prints a rollout as it goes on. Who stops looking stops nothing.
func (a *app) followRollout(ctx context.Context, c *client, begun edge.RolloutJSON, f rolloutFlags) error {
	stream, err := c.send(ctx, http.MethodGet, "/api/rollouts/stream?process="+url.QueryEscape(begun.Process), nil)
	if err != nil {
		return err
	}
	last := begun
	err = c.follow(stream, func(data []byte) error {
		var now edge.RolloutJSON
		if err := json.Unmarshal(data, &now); err != nil {
			return fmt.Errorf("cannot read the rollout: %w", err)
		}
		if now.Number != begun.Number {
			return fmt.Errorf("another rollout of %s has begun: `ten rollout %s --status` shows it", now.Process, now.Process)
		}
		a.printRollout(now, f.json)
		last = now
		return nil
	})
	switch {
	case ctx.Err() != nil:
		return nil
	case last.State == "done":
		return nil
	case last.State == "rolled back" && f.abort:
		return nil
	case last.State == "rolled back":
		return fmt.Errorf("%s stays at what it was: %s (hooks of %s that ran are not undone)", last.Process, last.Reason, last.To)
	}
	return fmt.Errorf("%w; the rollout goes on: `ten rollout %s --status`", err, last.Process)
}

// printRollout prints one line of where it is.
func (a *app) printRollout(r edge.RolloutJSON, asJSON bool) {
	if asJSON {
		if body, err := json.Marshal(r); err == nil {
			fmt.Fprintln(a.out, escapeControls(string(body)))
		}
		return
	}
	line := fmt.Sprintf("%s to %s: %s, %d of %d tenant(s) moved", r.Process, r.To, r.State, r.Moved, r.Tenants)
	if r.Left > 0 {
		line += fmt.Sprintf(", %d process(es) to replace", r.Left)
	}
	if r.Reason != "" {
		line += ": " + r.Reason
	}
	a.say("%s", line)
}
