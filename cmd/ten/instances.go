package main

import (
	"context"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

// instancePath is the API's path of a tenant; rest starts with "/" or is empty.
func instancePath(name conf.Instance, rest string) string {
	return "/api/instances/" + url.PathEscape(name.String()) + rest
}

// act makes a verb about one tenant.
func (a *app) act(use, short string, do func(ctx context.Context, c *client, name conf.Instance) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " S:I", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := conf.ParseInstance(args[0])
			if err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			return do(cmd.Context(), c, name)
		},
	}
}

// completeInstance offers the names of all tenants to the shell.
func (a *app) completeInstance(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, err := a.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	list, err := c.instances(cmd.Context(), true)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = t.ID
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) spawnCmd() *cobra.Command {
	return a.act("spawn", "Register and wake a tenant; returns when it listens", func(ctx context.Context, c *client, name conf.Instance) error {
		var got edge.StartedJSON
		body := edge.NameRequest{Process: name.Service, ID: name.ID}
		if err := c.call(ctx, http.MethodPost, "/api/instances/spawn", body, &got); err != nil {
			return err
		}
		a.say("Spawned %s", name)
		a.say("Listening on %s", got.Listen)
		return nil
	})
}

func (a *app) stopCmd() *cobra.Command {
	return a.act("stop", "Put a tenant to sleep now; the next request wakes it", func(ctx context.Context, c *client, name conf.Instance) error {
		return a.ask(ctx, c, http.MethodDelete, instancePath(name, ""), nil, "Stopped %s", name)
	})
}

func (a *app) restartCmd() *cobra.Command {
	return a.act("restart", "Restart a tenant, or wake a sleeper", func(ctx context.Context, c *client, name conf.Instance) error {
		return a.ask(ctx, c, http.MethodPost, instancePath(name, "/restart"), nil, "Restarted %s", name)
	})
}

func (a *app) holdCmd() *cobra.Command {
	return a.act("hold", "Keep a tenant asleep until unhold, spawn or restart", func(ctx context.Context, c *client, name conf.Instance) error {
		return a.ask(ctx, c, http.MethodPost, instancePath(name, "/hold"), nil, "Held %s", name)
	})
}

func (a *app) unholdCmd() *cobra.Command {
	return a.act("unhold", "Let a held tenant wake again", func(ctx context.Context, c *client, name conf.Instance) error {
		return a.ask(ctx, c, http.MethodPost, instancePath(name, "/unhold"), nil, "Unheld %s", name)
	})
}

// ask makes a call whose success is one sentence.
func (a *app) ask(ctx context.Context, c *client, method, path string, body any, format string, args ...any) error {
	if err := c.call(ctx, method, path, body, nil); err != nil {
		return err
	}
	a.say(format, args...)
	return nil
}

func (a *app) registerCmd() *cobra.Command {
	return &cobra.Command{
		Use: "register S:I…", Short: "Make tenants known without starting them", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, c, err := a.several(args)
			if err != nil {
				return err
			}
			var body edge.RegisterRequest
			for _, name := range names {
				body.Instances = append(body.Instances, name.String())
			}
			if err := c.call(cmd.Context(), http.MethodPost, "/api/instances/register", body, nil); err != nil {
				return err
			}
			for _, name := range names {
				a.say("Registered %s", name)
			}
			return nil
		},
	}
}

func (a *app) forgetCmd() *cobra.Command {
	var deleteData bool
	cmd := &cobra.Command{
		Use: "forget S:I…", Short: "End and unregister tenants; their data stays unless told", Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			names, c, err := a.several(args)
			if err != nil {
				return err
			}
			for _, name := range names {
				body := edge.ForgetRequest{Process: name.Service, ID: name.ID, DeleteData: deleteData}
				if err := a.ask(cmd.Context(), c, http.MethodPost, "/api/instances/forget", body, "Forgot %s", name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&deleteData, "delete-data", false, "delete their directories and logs too")
	return cmd
}

// several checks all names before anything is done with one of them.
func (a *app) several(args []string) ([]conf.Instance, *client, error) {
	names := make([]conf.Instance, len(args))
	for i, arg := range args {
		name, err := conf.ParseInstance(arg)
		if err != nil {
			return nil, nil, err
		}
		names[i] = name
	}
	c, err := a.client()
	return names, c, err
}
