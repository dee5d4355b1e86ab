package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// number is a measured value; one that there is none of (NaN) is null in JSON.
type number float64

// MarshalJSON gives null for NaN, which JSON has no word for.
func (n number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON gives NaN for null.
func (n *number) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*n = number(math.NaN())
		return nil
	}
	return json.Unmarshal(text, (*float64)(n))
}

// result is one line of a report.
type result struct {
	Name     string  `json:"name"`
	Subject  string  `json:"subject,omitempty"` // whose; "" = ours, or a comparison
	Value    number  `json:"value"`             // a median, unless Note says otherwise
	P90      number  `json:"p90"`               // 0 = makes no sense here
	P99      number  `json:"p99,omitempty"`
	Low      number  `json:"low,omitempty"` // quartiles; both 0 = makes no sense here
	High     number  `json:"high,omitempty"`
	Unit     string  `json:"unit"`
	Runs     int     `json:"runs"`
	Failures int     `json:"failures"`
	Aim      float64 `json:"aim,omitempty"`   // at most this; 0 = none
	Floor    float64 `json:"floor,omitempty"` // at least this; 0 = none
	Note     string  `json:"note,omitempty"`

	Samples []float64 `json:"samples,omitempty"` // in the order in which they were taken
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
	Suite    string            `json:"suite"`
	Quick    bool              `json:"quick"`
	Machine  machine           `json:"machine"`
	Began    time.Time         `json:"began"`
	Took     float64           `json:"took"` // seconds
	Noise    noise             `json:"noise"`
	Versions map[string]string `json:"versions,omitempty"` // of what took part
	Skipped  []string          `json:"skipped,omitempty"`  // what could not be done here, and what it needs
	Results  []result          `json:"results"`
}

// add appends a result and shows it while the run goes on.
func (r *report) add(one result) {
	r.Results = append(r.Results, one)
	fmt.Fprintf(os.Stderr, "%s: %.3f %s\n", one.title(), float64(one.Value), one.Unit)
}

// skip says, once, what cannot be done here.
func (r *report) skip(why string) {
	if !slices.Contains(r.Skipped, why) {
		r.Skipped = append(r.Skipped, why)
		fmt.Fprintln(os.Stderr, "skipped:", why)
	}
}

// version notes of which version something is that takes part.
func (r *report) version(name, version string) {
	if r.Versions == nil {
		r.Versions = map[string]string{}
	}
	r.Versions[name] = version
}

// Text is the report for people.
func (r *report) Text() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "suite %s (quick: %v) at commit %s, %s\n", r.Suite, r.Quick, m.Commit, r.Began.Format(time.RFC3339))
	fmt.Fprintf(&b, "%s, %d cores, %s, %s\n", m.CPU, m.Cores, m.Kernel, m.Go)
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		fmt.Fprintf(&b, "with %s %s\n", name, r.Versions[name])
	}
	fmt.Fprintf(&b, "load average before %s, after %s; others used %.2f cores, the hypervisor %.2f; whole run %.0f s\n", r.Noise.LoadBefore, r.Noise.LoadAfter, r.Noise.Neighbours, r.Noise.Stolen, r.Took)
	for _, why := range r.Noise.warnings(m.Cores) {
		fmt.Fprintf(&b, "NOISY: %s\n", why)
	}
	for _, why := range r.Skipped {
		fmt.Fprintf(&b, "skipped: %s\n", why)
	}
	b.WriteString("\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tmedian\tp90\tp99\tquartiles\truns\tfailures\taim\t\tnote")
	for _, one := range r.Results {
		fmt.Fprintln(w, strings.Join(one.columns(), "\t"))
	}
	w.Flush()
	return b.String()
}

// columns are those of the text.
func (r result) columns() []string {
	optional := func(v number) string {
		if v == 0 {
			return "-"
		}
		return fmt.Sprintf("%.3f", float64(v))
	}
	quartiles, aim := "-", "-"
	if r.Low != 0 || r.High != 0 {
		quartiles = fmt.Sprintf("%.3f .. %.3f", float64(r.Low), float64(r.High))
	}
	switch {
	case r.Aim != 0 && r.Floor != 0:
		aim = fmt.Sprintf("%g .. %g", r.Floor, r.Aim)
	case r.Aim != 0:
		aim = fmt.Sprintf("<= %g", r.Aim)
	case r.Floor != 0:
		aim = fmt.Sprintf(">= %g", r.Floor)
	}
	return []string{r.title(), fmt.Sprintf("%.3f %s", float64(r.Value), r.Unit), optional(r.P90), optional(r.P99), quartiles, fmt.Sprint(r.Runs), fmt.Sprint(r.Failures), aim, r.Verdict(), r.Note}
}

// readReport reads what Write has written.
func readReport(path string) (*report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the results: %w", err)
	}
	r := &report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("cannot read the results in %s: %w", path, err)
	}
	if r.Suite == "" {
		return nil, fmt.Errorf("%s holds no results of bench: it names no suite", path)
	}
	return r, nil
}

// Write puts name.txt, name.json and name.bench, which benchstat reads, into dir.
func (r *report) Write(dir, name string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot write the results: %w", err)
	}
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write the results: %w", err)
	}
	for ext, text := range map[string][]byte{".json": append(body, '\n'), ".txt": []byte(r.Text()), ".bench": []byte(r.benchfmt())} {
		if err := os.WriteFile(filepath.Join(dir, name+ext), text, 0o644); err != nil {
			return fmt.Errorf("cannot write the results: %w", err)
		}
	}
	return nil
}
