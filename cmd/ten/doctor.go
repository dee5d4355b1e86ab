package main

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/sandbox"
)

// doctorJSON is what `ten doctor --json` prints.
type doctorJSON struct {
	Levels     []levelJSON     `json:"levels"`
	Services   []ailingJSON    `json:"services"` // those that cannot run here
	Mechanisms []mechanismJSON `json:"mechanisms"`
	Findings   []finding       `json:"findings"` // ports, names, clock, room
}

type levelJSON struct {
	Level     sandbox.Level `json:"level"`
	Available bool          `json:"available"`
	Reason    string        `json:"reason,omitempty"`
}

type ailingJSON struct {
	Service string `json:"service"`
	Reason  string `json:"reason"`
}

type mechanismJSON struct {
	Name    string          `json:"name"`
	Levels  []sandbox.Level `json:"levels"` // that cannot run without it
	Serves  string          `json:"serves,omitempty"`
	Present bool            `json:"present"`
	Found   string          `json:"found"`
	Remedy  string          `json:"remedy,omitempty"`
}

func (a *app) doctorCmd() *cobra.Command {
	var asJSON bool
	var f serveFlags
	cmd := &cobra.Command{
		Use: "doctor", Short: "Say what this machine has for tenants, what it lacks, and how to get that", Args: cobra.NoArgs,
		Long: `What each level of isolation needs of the kernel; then ports, names of the
domain, clock, disk, memory, files and processes, each with what it means and
what to do. Port and domain are those of the daemon that runs, else of its unit,
else of tenement.toml. Exit 1 when a service cannot run here, or something that
the daemon cannot do without has failed. It changes nothing.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.portSet, f.domainSet = cmd.Flags().Changed("port"), cmd.Flags().Changed("domain")
			return a.doctor(cmd.Context(), f, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&f.port, "port", "p", 8080, "the port to look at")
	flags.StringVarP(&f.domain, "domain", "d", "localhost", "the domain to look at")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// doctor fails when a service of the configuration cannot run on this machine,
// started by whoever asks, or a finding is wrong.
func (a *app) doctor(ctx context.Context, f serveFlags, asJSON bool) error {
	p, err := a.place()
	if err != nil {
		return err
	}
	d := sandbox.Diagnose(sandbox.Probe{Runsc: p.config.Settings.RunscPath, DataDir: p.dataDir, RunDir: p.runDir})
	d.Mechanisms = append(d.Mechanisms, sandbox.WaysOut()...)
	found := examined(p.config, d)
	found.Findings = a.patient(p, f).findings(ctx)
	if asJSON {
		err = a.json(found)
	} else {
		a.printDoctor(found)
	}
	return errors.Join(err, found.complaint(p.config))
}

func examined(config *conf.Config, d sandbox.Diagnosis) doctorJSON {
	j := doctorJSON{Services: []ailingJSON{}}
	for _, l := range sandbox.Levels() {
		level := levelJSON{Level: l, Available: true}
		if err := d.Supports(l); err != nil {
			level.Available, level.Reason = false, err.Error()
		}
		j.Levels = append(j.Levels, level)
	}
	for _, name := range serviceNames(config) {
		s := config.Services[name]
		reason := s.Refused
		if err := d.Supports(sandbox.Level(s.Isolation)); reason == "" && err != nil {
			reason = err.Error()
		}
		if reason != "" {
			j.Services = append(j.Services, ailingJSON{name, reason})
		}
	}
	for _, m := range d.Mechanisms {
		j.Mechanisms = append(j.Mechanisms, mechanismJSON{m.Name, append([]sandbox.Level{}, m.Levels...), m.Serves, m.Present, m.Found, m.Remedy})
	}
	return j
}

func (a *app) printDoctor(j doctorJSON) {
	rows := [][]string{{"MECHANISM", "NEEDED BY", "HERE", "FOUND", "HOW TO GET IT"}}
	for _, m := range j.Mechanisms {
		rows = append(rows, []string{m.Name, neededBy(m), yes(m.Present), m.Found, cmp.Or(m.Remedy, "-")})
	}
	table(a.out, rows)
	a.say("")
	rows = [][]string{{"LEVEL", "HERE"}}
	for _, l := range j.Levels {
		rows = append(rows, []string{string(l.Level), yes(l.Available)})
	}
	table(a.out, rows)
	a.printFindings(j.Findings)
	for _, s := range j.Services {
		a.say("")
		a.say("service %s cannot run here: %s", s.Service, s.Reason)
	}
}

// neededBy names the levels that cannot run without it, else what is lost.
func neededBy(m mechanismJSON) string {
	var words []string
	for _, l := range m.Levels {
		words = append(words, string(l))
	}
	if m.Serves != "" {
		words = append(words, "for "+m.Serves)
	}
	return strings.Join(words, ", ")
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
