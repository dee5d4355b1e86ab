package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"tenement/conf"
)

// checkJSON is what `ten check --json` prints.
type checkJSON struct {
	File     string      `json:"file"`
	Valid    bool        `json:"valid"`
	Services int         `json:"services"`
	Problems []checkLine `json:"problems"`
	Remarks  []checkLine `json:"remarks"`
}

// checkLine is one thing to say about a line of the file.
type checkLine struct {
	Line int    `json:"line"` // 0 = no single line
	Key  string `json:"key,omitempty"`
	Text string `json:"text"`
}

func (a *app) checkCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "check", Short: "Validate tenement.toml without running anything", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.check(asJSON) },
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) check(asJSON bool) error {
	path, err := a.findConfig()
	if err != nil {
		return err
	}
	config, err := conf.LoadAll(path)
	var problems conf.Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	result := checked(path, config, problems)
	if asJSON {
		err = a.json(result)
	} else {
		a.printCheck(result)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s: %d problem(s)", path, len(problems))
	}
	return err
}

func checked(path string, config *conf.Config, problems conf.Problems) checkJSON {
	c := checkJSON{File: path, Valid: config != nil, Problems: []checkLine{}, Remarks: []checkLine{}}
	for _, p := range problems {
		c.Problems = append(c.Problems, checkLine{p.Line, p.Key, p.Text})
	}
	if config == nil {
		return c
	}
	c.Services = len(config.Services)
	for _, r := range config.Remarks {
		c.Remarks = append(c.Remarks, checkLine{Line: r.Line, Text: r.Text})
	}
	for _, name := range serviceNames(config) {
		s := config.Services[name]
		if s.Refused != "" {
			c.Remarks = append(c.Remarks, checkLine{Line: s.Line, Text: fmt.Sprintf("service.%s is not run: %s", name, s.Refused)})
		}
	}
	slices.SortStableFunc(c.Remarks, func(a, b checkLine) int { return a.Line - b.Line })
	return c
}

func (a *app) printCheck(c checkJSON) {
	for _, p := range c.Problems {
		a.say("%s", conf.Problem{File: c.File, Line: p.Line, Key: p.Key, Text: p.Text})
	}
	for _, r := range c.Remarks {
		if r.Line == 0 {
			a.say("%s: remark: %s", c.File, r.Text)
			continue
		}
		a.say("%s:%d: remark: %s", c.File, r.Line, r.Text)
	}
	if c.Valid {
		a.say("%s is valid: %d service(s)", c.File, c.Services)
	}
}
