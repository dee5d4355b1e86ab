package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

// maxList bounds a list of tenants: the daemon takes no more in one call.
const maxList = 1 << 20

func (a *app) provisionCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "provision FILE", Short: "Register a list of tenants with their own settings; again: nothing changes", Args: cobra.ExactArgs(1),
		Long: `Register the tenants of a JSON list and give them settings of their own. What is so already is left alone, so that the same list can be given again; what an entry does not name stays, null takes away. A bad entry is named and nothing is changed. FILE may be - for stdin.

  [{"instance": "notes:alice", "env": {"PLAN": "gold"}, "secrets": {"KEY": "…"}, "limits": {"memory_limit_mb": 512}, "weight": 100}]`,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.readList(args[0])
			if err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			var got edge.ProvisionedJSON
			if err := c.call(cmd.Context(), http.MethodPost, "/api/instances/provision", list, &got); err != nil {
				return err
			}
			if asJSON {
				return a.json(got)
			}
			if got.Added+got.Changed == 0 {
				a.say("Nothing changed: %d tenant(s) are as the list says", got.Unchanged)
				return nil
			}
			a.say("Added %d, changed %d, %d unchanged", got.Added, got.Changed, got.Unchanged)
			if n := len(got.RestartNeeded); n > 0 {
				a.say("%d run with what they were started with until their next start:", n)
				for _, name := range got.RestartNeeded {
					a.say("  ten restart %s", name)
				}
			}
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// readList reads a file of JSON, or stdin.
func (a *app) readList(path string) (json.RawMessage, error) {
	from, shown := a.in, "stdin"
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read the list: %w", err)
		}
		defer file.Close()
		from, shown = file, path
	}
	data, err := io.ReadAll(io.LimitReader(from, maxList+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", shown, err)
	}
	if len(data) > maxList {
		return nil, fmt.Errorf("%s has more than the %d bytes that fit into one call: give it in parts", shown, maxList)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s is no JSON list: %w", shown, err)
	}
	return json.RawMessage(data), nil
}

func (a *app) importCmd() *cobra.Command {
	return &cobra.Command{
		Use: "import S|S:I|DIR…", Short: "Register tenants whose directories lie in the data directory already", Args: cobra.MinimumNArgs(1),
		Long: `Register tenants whose directories lie in {data_dir}/SERVICE/ID already: all of a service, or one by its name or its directory. Nothing is moved or started.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := a.importRequest(args)
			if err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			var got edge.ImportedJSON
			if err := c.call(cmd.Context(), http.MethodPost, "/api/instances/import", body, &got); err != nil {
				return err
			}
			for _, what := range got.Skipped {
				a.say("Skipped: %s", what)
			}
			a.say("Imported %d tenant(s), %d were known already", got.Added, len(got.Instances)-got.Added)
			return nil
		},
	}
}

// importRequest tells services, tenants and directories apart.
func (a *app) importRequest(args []string) (edge.ImportRequest, error) {
	var body edge.ImportRequest
	for _, arg := range args {
		switch {
		case strings.Contains(arg, "/"):
			name, err := a.tenantOf(arg)
			if err != nil {
				return body, err
			}
			body.Instances = append(body.Instances, name.String())
		case strings.Contains(arg, ":"):
			name, err := conf.ParseInstance(arg)
			if err != nil {
				return body, err
			}
			body.Instances = append(body.Instances, name.String())
		default:
			service, err := conf.Name(arg)
			if err != nil {
				return body, fmt.Errorf("service %w", err)
			}
			body.Services = append(body.Services, service)
		}
	}
	return body, nil
}

// tenantOf is whose directory this is.
func (a *app) tenantOf(dir string) (conf.Instance, error) {
	where, err := a.place()
	if err != nil {
		return conf.Instance{}, err
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return conf.Instance{}, err
	}
	rest, inside := strings.CutPrefix(path, where.dataDir+"/")
	service, id, two := strings.Cut(rest, "/")
	if !inside || !two || strings.Contains(id, "/") {
		return conf.Instance{}, fmt.Errorf("%s is not a tenant's directory: move it to %s/SERVICE/ID first", dir, where.dataDir)
	}
	name, err := conf.NewInstance(service, id)
	if err == nil && name.ID != id {
		err = fmt.Errorf("%s: ids are lower-case: rename it to %s", dir, name.ID)
	}
	return name, err
}
