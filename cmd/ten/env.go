package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

// maxSecret bounds a value that is read from stdin.
const maxSecret = 64 << 10

func (a *app) envCmd() *cobra.Command {
	var unset []string
	var secret, restart, asJSON bool
	cmd := &cobra.Command{
		Use: "env S:I [KEY=VALUE…]", Short: "List or change the variables that a tenant has of its own", Args: cobra.MinimumNArgs(1),
		Long: `List or change the variables that a tenant has of its own. They win over those of its service, and hold from the tenant's next start on.

With --secret a value is never shown again. KEY alone takes it from stdin, where neither the shell's history nor a list of processes has it:

  ten env notes:alice STRIPE_KEY --secret < key.txt`,
		ValidArgsFunction: a.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := conf.ParseInstance(args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 && len(unset) == 0 {
				if secret || restart {
					return errors.New("--secret and --restart go with KEY=VALUE")
				}
				return a.listEnv(cmd, name, asJSON)
			}
			body, err := a.envRequest(args[1:], unset, secret)
			if err != nil {
				return err
			}
			body.Restart = restart
			return a.override(cmd, name, "/env", "variables", body)
		},
	}
	cmd.Flags().StringArrayVar(&unset, "unset", nil, "take a variable away; can be given more than once")
	cmd.Flags().BoolVar(&secret, "secret", false, "never show these values again; KEY alone reads its value from stdin")
	restartFlag(cmd, &restart)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func restartFlag(cmd *cobra.Command, v *bool) {
	cmd.Flags().BoolVar(v, "restart", false, "restart the tenant if it runs with what it had")
}

// envRequest reads the command line; one KEY alone is read from stdin.
func (a *app) envRequest(args, unset []string, secret bool) (edge.EnvRequest, error) {
	body := edge.EnvRequest{Env: map[string]*string{}, Secrets: map[string]*string{}}
	into, fromStdin := body.Env, ""
	if secret {
		into = body.Secrets
	}
	for _, arg := range args {
		key, value, found := strings.Cut(arg, "=")
		if !found {
			if !secret {
				return body, fmt.Errorf("%q: KEY=VALUE is expected (KEY alone, from stdin, goes with --secret)", key)
			}
			if fromStdin != "" {
				return body, fmt.Errorf("%s and %s: one value at a time is read from stdin", fromStdin, key)
			}
			read, err := a.readSecret(key)
			if err != nil {
				return body, err
			}
			fromStdin, value = key, read
		}
		if err := conf.CheckVariable(key, value); err != nil {
			return body, err
		}
		if _, twice := into[key]; twice {
			return body, fmt.Errorf("%s is given twice", key)
		}
		into[key] = &value
	}
	for _, key := range unset {
		if _, twice := into[key]; twice {
			return body, fmt.Errorf("%s is given both a value and to --unset", key)
		}
		body.Env[key] = nil
	}
	return body, nil
}

// readSecret reads a value from stdin, without the line's end.
func (a *app) readSecret(key string) (string, error) {
	data, err := io.ReadAll(io.LimitReader(a.in, maxSecret+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot read the value of %s from stdin: %w", key, err)
	case len(data) > maxSecret:
		return "", fmt.Errorf("the value of %s has more than %d bytes", key, maxSecret)
	case len(data) == 0:
		return "", fmt.Errorf("stdin is empty: it is to hold the value of %s", key)
	}
	return string(bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))), nil
}

// override sends a change of a tenant's own settings and says what came of it.
func (a *app) override(cmd *cobra.Command, name conf.Instance, path, what string, body any) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	var got edge.OverriddenJSON
	if err := c.call(cmd.Context(), http.MethodPatch, instancePath(name, path), body, &got); err != nil {
		return err
	}
	if !got.Changed {
		a.say("Nothing changed")
		return nil
	}
	a.say("Changed the %s of %s", what, name)
	a.say("In effect: %s", got.Effect)
	return nil
}

func (a *app) listEnv(cmd *cobra.Command, name conf.Instance, asJSON bool) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	var got edge.EnvJSON
	if err := c.call(cmd.Context(), http.MethodGet, instancePath(name, "/env"), nil, &got); err != nil {
		return err
	}
	if asJSON {
		return a.json(got.Env)
	}
	if len(got.Env) == 0 {
		a.say("%s has no variables of its own", name)
		return nil
	}
	rows := [][]string{{"NAME", "VALUE"}}
	for _, v := range got.Env {
		value := v.Value
		if v.Secret {
			value = "(secret)"
		}
		rows = append(rows, []string{v.Name, value})
	}
	table(a.out, rows)
	return nil
}
