package main

import (
	"cmp"
	"errors"
	"fmt"
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
	cmd := &cobra.Command{
		Use: "doctor", Short: "Say what this machine has for each isolation level, and how to get the rest", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.doctor(asJSON) },
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// doctor fails when a service of the configuration cannot run on this machine,
// started by whoever asks.
func (a *app) doctor(asJSON bool) error {
	p, err := a.place()
	if err != nil {
		return err
	}
	d := sandbox.Diagnose(sandbox.Probe{Runsc: p.config.Settings.RunscPath, DataDir: p.dataDir, RunDir: p.runDir})
	d.Mechanisms = append(d.Mechanisms, sandbox.WaysOut()...)
	found := examined(p.config, d)
	if asJSON {
		err = a.json(found)
	} else {
		a.printDoctor(found)
	}
	if n := len(found.Services); n > 0 {
		return errors.Join(err, fmt.Errorf("%d of %d service(s) cannot run here", n, len(p.config.Services)))
	}
	return err
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
