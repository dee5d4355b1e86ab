package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The marks in the README between which the table stands.
const (
	tableBegins = "<!-- bench -->"
	tableEnds   = "<!-- /bench -->"
)

// reportCommand draws the plots beside the results and writes the README's table.
func reportCommand(args []string) error {
	set := flag.NewFlagSet("report", flag.ContinueOnError)
	readme := set.String("readme", "README.md", "the file whose table is written; \"\" for none")
	if err := set.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if set.NArg() > 1 {
		return fmt.Errorf("%w: report needs one folder, not %d", errUsage, set.NArg())
	}
	dir := "bench/results"
	if set.NArg() == 1 {
		dir = set.Arg(0)
	}
	newest, err := newestReports(dir)
	if err != nil {
		return err
	}
	if err := draw(newest, filepath.Join(dir, "plots")); err != nil {
		return err
	}
	if *readme == "" {
		return nil
	}
	return writeTable(*readme, summary(newest))
}

// newestReports is the newest result of each suite in a folder. A quick run never
// stands in the place of a whole one.
func newestReports(dir string) (map[string]*report, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the results: %w", err)
	}
	newest := map[string]*report{}
	for _, path := range paths {
		r, err := readReport(path)
		if err != nil {
			return nil, err
		}
		if was := newest[r.Suite]; was == nil || newer(r, was) {
			newest[r.Suite] = r
		}
	}
	if len(newest) == 0 {
		return nil, fmt.Errorf("no results in %s: run `go run ./bench` first", dir)
	}
	return newest, nil
}

func newer(r, was *report) bool {
	if r.Quick != was.Quick {
		return was.Quick
	}
	return r.Began.After(was.Began)
}

// row is a line of the README's table: a title, and the result that it shows.
type row struct{ title, suite, name, subject string }

// rows are what the README shows, in this order. What was not measured is left out.
var rows = []row{
	{"cold start of a static C app, bare", "coldstart", "cold start, static C, fd", "bare"},
	{"– woken by tenement, `process`", "coldstart", "cold start, static C, fd", "process"},
	{"– woken by tenement, `namespace`", "coldstart", "cold start, static C, fd", "namespace"},
	{"cold start of a Go app, bare", "coldstart", "cold start, Go, fd", "bare"},
	{"– woken by tenement, `process`", "coldstart", "cold start, Go, fd", "process"},
	{"– woken by tenement, `namespace`", "coldstart", "cold start, Go, fd", "namespace"},
	{"cold start of Python's http.server, bare", "coldstart", "cold start, Python http.server, fd", "bare"},
	{"– woken by tenement, `process`", "coldstart", "cold start, Python http.server, fd", "process"},
	{"uWSGI, woken by its Emperor", "coldstart", "cold start, uWSGI, back to back", "uWSGI Emperor"},
	{"– woken by tenement", "coldstart", "cold start, uWSGI, back to back", ours},
	{"the smallest app enclosed by bubblewrap", "isolation", "start of the smallest app, enclosed", "bwrap"},
	{"– by crun", "isolation", "start of the smallest app, enclosed", "crun"},
	{"– by runc", "isolation", "start of the smallest app, enclosed", "runc"},
	{"– by tenement, `namespace`", "isolation", "start of the smallest app, enclosed", "tenement at namespace"},
	{"1000 woken at once, `process`: the last one", "storm", "last one ready, 1000 at once", "process"},
	{"– a neighbour meanwhile, p99", "storm", "a neighbour's visit p99, 1000 at once", "process"},
	{"RSS with 1000 asleep", "density", "RSS, 1000 asleep", ""},
	{"– without the program's own pages", "density", "anonymous memory, 1000 asleep", ""},
	{"RSS with 10 000 asleep", "density", "RSS, 10000 asleep", ""},
	{"a sleeping tenant's memory", "density", "memory of a sleeping tenant, fitted", ""},
	{"CPU with 1000 asleep, of one core", "density", "CPU, 1000 asleep", ""},
	{"start to the first answer with 10 000 asleep", "density", "start to /health, 10000 asleep", ""},
	{"an awake tenant, beyond its app", "density", "the daemon's memory for each awake tenant", "namespace"},
	{"1000 awake stopped", "stop", "stop, 1000 awake", "process"},
	{"binary, stripped", "density", "binary, stripped", ""},
}

// matrix is a table of the README with a column for each contender.
type matrix struct {
	suite   string
	metrics []string
}

var matrices = []matrix{
	{"edge", []string{
		"requests per CPU-second, 128 B", "requests per CPU-second, 10 KB", "requests per CPU-second, 1 MB",
		"p50 at 8000/s", "p99 at 8000/s", "p99.9 at 8000/s", "RSS of a client, 1000 idle", "RSS of a client, 10000 idle",
		"p99 among 5000 slow heads", "p99 among 5000 slow bodies", "p99 among 5000 slow readers", "RSS more with 5000 slow readers",
	}},
	{"edge-tls", []string{
		"HTTP/1.1 over TLS, requests per CPU-second, 128 B", "HTTP/1.1 over TLS, requests per CPU-second, 10 KB", "HTTP/2, requests per CPU-second, 128 B", "HTTP/2, requests per CPU-second, 10 KB",
	}},
}

// summary is what the README shows, in Markdown.
func summary(newest map[string]*report) string {
	var tables []string
	if t := newestRows(newest); t != "" {
		tables = append(tables, t)
	}
	for _, m := range matrices {
		if r := newest[m.suite]; r != nil {
			tables = append(tables, r.matrix(m.metrics)+"\n"+r.origin())
		}
	}
	return strings.Join(tables, "\n")
}

// newestRows is the table of rows, "" when none of them was measured.
func newestRows(newest map[string]*report) string {
	var b strings.Builder
	b.WriteString("| | median | p99 | bar |\n|---|---|---|---|\n")
	shown := map[string]bool{}
	for _, w := range rows {
		one, ok := find(newest[w.suite], w.name, w.subject)
		if !ok {
			continue
		}
		shown[w.suite] = true
		late, bar := "", ""
		if one.P99 != 0 && one.Runs >= 50 {
			late = result{Value: one.P99, Unit: one.Unit}.cell(true)
		}
		if one.Aim != 0 {
			bar = fmt.Sprintf("%g: %s", one.Aim, strings.ToLower(one.Verdict()))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", w.title, one.cell(true), late, bar)
	}
	if len(shown) == 0 {
		return ""
	}
	for _, suite := range names() {
		if shown[suite] {
			b.WriteString("\n" + newest[suite].origin())
		}
	}
	return b.String()
}

// origin says where a report is from.
func (r *report) origin() string {
	text := fmt.Sprintf("%s: commit %s, %s, %d cores, %s", r.Suite, r.Machine.Commit, r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel)
	if r.Quick {
		text += ", a quick run"
	}
	if noisy := r.Noise.warnings(r.Machine.Cores); len(noisy) > 0 {
		text += ", NOISY: " + strings.Join(noisy, "; ")
	}
	return text + ".\n"
}

// find is a result of a report, which may be nil.
func find(r *report, name, subject string) (result, bool) {
	if r == nil {
		return result{}, false
	}
	i := slices.IndexFunc(r.Results, func(one result) bool { return one.Name == name && one.Subject == subject })
	if i < 0 {
		return result{}, false
	}
	return r.Results[i], true
}

// writeTable replaces what stands between the marks of a file.
func writeTable(path, table string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot write the table: %w", err)
	}
	before, rest, begins := strings.Cut(string(text), tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		return fmt.Errorf("cannot write the table into %s: it needs the lines %s and %s, between which the table will stand", path, tableBegins, tableEnds)
	}
	if err := os.WriteFile(path, []byte(before+tableBegins+"\n"+table+tableEnds+after), 0o644); err != nil {
		return fmt.Errorf("cannot write the table: %w", err)
	}
	return nil
}
