package main

import (
	"cmp"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"tenement/conf"
)

// configJSON is what `ten config --json` prints: what a file comes to. Values
// of env may be secrets and are not among it.
type configJSON struct {
	File                string        `json:"file"`
	DataDir             string        `json:"data_dir"`
	RunDir              string        `json:"run_dir"`
	HealthCheckInterval int64         `json:"health_check_interval"`
	Services            []serviceJSON `json:"services"`
}

type serviceJSON struct {
	Name        string `json:"name"`
	Command     string `json:"command"`
	Isolation   string `json:"isolation"`
	Health      string `json:"health"`
	IdleTimeout int64  `json:"idle_timeout"`
	Refused     string `json:"refused,omitempty"`
}

func (a *app) configCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "config", Short: "Print what tenement.toml comes to", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			config, err := a.lookUpConfig()
			if err != nil {
				return err
			}
			shown := shownConfig(a.placeOf(config))
			if asJSON {
				return a.json(shown)
			}
			a.printConfig(shown)
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func shownConfig(p place) configJSON {
	c := configJSON{
		File: p.config.Path, DataDir: p.dataDir, RunDir: p.runDir,
		HealthCheckInterval: int64(p.config.Settings.HealthCheckInterval.Seconds()), Services: []serviceJSON{},
	}
	for _, name := range serviceNames(p.config) {
		s := p.config.Services[name]
		c.Services = append(c.Services, serviceJSON{
			Name: name, Command: s.Command, Isolation: string(s.Isolation), Health: s.Health,
			IdleTimeout: int64(s.IdleTimeout.Seconds()), Refused: s.Refused,
		})
	}
	return c
}

func (a *app) printConfig(c configJSON) {
	a.say("Data directory: %s", c.DataDir)
	a.say("Health check interval: %ds", c.HealthCheckInterval)
	for _, s := range c.Services {
		a.say("")
		a.say("[service.%s]", s.Name)
		a.say("  command: %s", s.Command)
		a.say("  isolation: %s", s.Isolation)
		a.say("  health: %s", cmp.Or(s.Health, "none"))
		a.say("  idle_timeout: %s", idle(s.IdleTimeout))
		if s.Refused != "" {
			a.say("  not run: %s", s.Refused)
		}
	}
}

func serviceNames(c *conf.Config) []string { return slices.Sorted(maps.Keys(c.Services)) }
