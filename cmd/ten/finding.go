package main

import (
	"fmt"

	"tenement/conf"
)

// verdict is what a finding comes to.
type verdict string

const (
	fine     verdict = "ok"
	doubtful verdict = "warning" // it works, or may work
	wrong    verdict = "failed"  // what the configuration asks for cannot be had
)

// finding is one thing that a daemon needs of this machine on the day: a port, a
// name, room. What the levels of isolation need is sandbox.Mechanism.
type finding struct {
	Name   string  `json:"name"`
	State  verdict `json:"state"`
	Found  string  `json:"found"`
	Means  string  `json:"means,omitempty"`  // unless ok
	Remedy string  `json:"remedy,omitempty"` // unless ok
}

// good is a finding that asks for nothing.
func good(name, found string) finding { return finding{Name: name, State: fine, Found: found} }

// printFindings writes a line for what is well, and three for what is not.
func (a *app) printFindings(all []finding) {
	if len(all) == 0 {
		return
	}
	a.say("")
	width := 0
	for _, f := range all {
		width = max(width, len(f.Name))
	}
	for _, f := range all {
		a.say("%-8s %-*s  %s", f.State, width, f.Name, f.Found)
		if f.State != fine {
			a.say("         %-*s  that means: %s", width, "", f.Means)
			a.say("         %-*s  what to do: %s", width, "", f.Remedy)
		}
	}
}

// failures counts what a daemon cannot do without.
func failures(all []finding) (n int) {
	for _, f := range all {
		if f.State == wrong {
			n++
		}
	}
	return n
}

// complaint is the error that the doctor ends with; nil when all is well.
func (j doctorJSON) complaint(config *conf.Config) error {
	ailing, failed := len(j.Services), failures(j.Findings)
	switch {
	case ailing > 0 && failed > 0:
		return fmt.Errorf("%d of %d service(s) cannot run here, and %d of %d finding(s) failed", ailing, len(config.Services), failed, len(j.Findings))
	case ailing > 0:
		return fmt.Errorf("%d of %d service(s) cannot run here", ailing, len(config.Services))
	case failed > 0:
		return fmt.Errorf("%d of %d finding(s) failed", failed, len(j.Findings))
	}
	return nil
}
