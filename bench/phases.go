package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// phaseNames are the four phases of a wake, as /metrics calls them.
var phaseNames = []string{"queue", "spawn", "ready", "first_byte"}

// phases is what the daemon has counted, by service and phase.
type phases map[[2]string]struct{ sum, count float64 }

// phases asks the daemon.
func (c *cold) phases() (phases, error) { return c.daemon.phases() }

func (d *daemon) phases() (phases, error) {
	resp, err := d.control.Get("http://localhost/metrics")
	if err != nil {
		return nil, fmt.Errorf("cannot read /metrics: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", resp.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read /metrics: %w", err)
	}
	return parsePhases(string(text)), nil
}

// parsePhases reads the sums and counts of tenement_wake_seconds.
func parsePhases(text string) phases {
	all := phases{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, "{")
		labels, value, found := strings.Cut(rest, "} ")
		if !found || name != "tenement_wake_seconds_sum" && name != "tenement_wake_seconds_count" {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			continue
		}
		at := [2]string{label(labels, "process"), label(labels, "phase")}
		one := all[at]
		if strings.HasSuffix(name, "_sum") {
			one.sum = v
		} else {
			one.count = v
		}
		all[at] = one
	}
	return all
}

// label is one of key="value",key="value"; ours hold no quotes.
func label(labels, key string) string {
	for pair := range strings.SplitSeq(labels, ",") {
		if value, ok := strings.CutPrefix(pair, key+`="`); ok {
			return strings.TrimSuffix(value, `"`)
		}
	}
	return ""
}

// since gives, by phase, the mean in ms of what a service's wakes took after an
// earlier look, and how many there were.
func (p phases) since(before phases, service string) (mean map[string]float64, count int) {
	mean = map[string]float64{}
	for _, phase := range phaseNames {
		at := [2]string{service, phase}
		if n := p[at].count - before[at].count; n > 0 {
			mean[phase] = 1000 * (p[at].sum - before[at].sum) / n
			count = int(n)
		}
	}
	return mean, count
}

// addPhases reports where the wakes of one service spent their time. What they
// have in common with the app's own start is the app's share.
func (c *cold) addPhases(what, level string, mean map[string]float64, count int) {
	for _, phase := range phaseNames {
		if ms, ok := mean[phase]; ok {
			c.found.add(result{Name: "phase " + phase + ", " + what, Subject: level, Value: number(ms), Unit: "ms", Runs: count, Note: "mean, from /metrics, the warm-up included"})
		}
	}
}
