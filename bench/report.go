package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// number is a measured value; one that there is none of becomes null in JSON.
type number float64

// MarshalJSON gives null for NaN, which JSON has no word for.
func (n number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// result is one line of a report.
type result struct {
	Name     string  `json:"name"`
	Subject  string  `json:"subject,omitempty"` // whose; "" = ours, or a comparison
	Value    number  `json:"value"`             // a median, unless Note says otherwise
	P90      number  `json:"p90"`               // 0 = makes no sense here
	Low      number  `json:"low,omitempty"`     // quartiles; both 0 = makes no sense here
	High     number  `json:"high,omitempty"`
	Unit     string  `json:"unit"`
	Runs     int     `json:"runs"`
	Failures int     `json:"failures"`
	Aim      float64 `json:"aim,omitempty"`   // at most this; 0 = none
	Floor    float64 `json:"floor,omitempty"` // at least this; 0 = none
	Note     string  `json:"note,omitempty"`
}

// Verdict is "met", "MISSED" or, without an aim, "".
func (r result) Verdict() string {
	switch {
	case r.Aim == 0 && r.Floor == 0:
		return ""
	case (r.Aim == 0 || float64(r.Value) <= r.Aim) && float64(r.Value) >= r.Floor && r.Failures == 0:
		return "met"
	default:
		return "MISSED"
	}
}

// title is the result's name, with whose it is.
func (r result) title() string {
	if r.Subject == "" {
		return r.Name
	}
	return r.Name + ", " + r.Subject
}

// report is one run of a suite.
type report struct {
	Suite      string    `json:"suite"`
	Quick      bool      `json:"quick"`
	Machine    machine   `json:"machine"`
	Began      time.Time `json:"began"`
	LoadBefore string    `json:"load_before"`
	LoadAfter  string    `json:"load_after"`
	Results    []result  `json:"results"`
}

// add appends a result and shows it while the run goes on.
func (r *report) add(one result) {
	r.Results = append(r.Results, one)
	fmt.Fprintf(os.Stderr, "%s: %.3f %s\n", one.title(), float64(one.Value), one.Unit)
}

// Text is the report for people.
func (r *report) Text() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "suite %s (quick: %v) at commit %s, %s\n", r.Suite, r.Quick, m.Commit, r.Began.Format(time.RFC3339))
	fmt.Fprintf(&b, "%s, %d cores, %s, %s\nload average before %s, after %s\n\n", m.CPU, m.Cores, m.Kernel, m.Go, r.LoadBefore, r.LoadAfter)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tmedian\tp90 or quartiles\truns\tfailures\taim\t\tnote")
	for _, one := range r.Results {
		p90, aim := "-", "-"
		switch {
		case one.P90 != 0:
			p90 = fmt.Sprintf("%.3f", float64(one.P90))
		case one.Low != 0 || one.High != 0:
			p90 = fmt.Sprintf("%.3f .. %.3f", float64(one.Low), float64(one.High))
		}
		switch {
		case one.Aim != 0:
			aim = fmt.Sprintf("<= %g", one.Aim)
		case one.Floor != 0:
			aim = fmt.Sprintf(">= %g", one.Floor)
		}
		fmt.Fprintf(w, "%s\t%.3f %s\t%s\t%d\t%d\t%s\t%s\t%s\n", one.title(), float64(one.Value), one.Unit, p90, one.Runs, one.Failures, aim, one.Verdict(), one.Note)
	}
	w.Flush()
	return b.String()
}

// Write puts name.txt and name.json into dir.
func (r *report) Write(dir, name string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot write the results: %w", err)
	}
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write the results: %w", err)
	}
	for ext, text := range map[string][]byte{".json": append(body, '\n'), ".txt": []byte(r.Text())} {
		if err := os.WriteFile(filepath.Join(dir, name+ext), text, 0o644); err != nil {
			return fmt.Errorf("cannot write the results: %w", err)
		}
	}
	return nil
}
