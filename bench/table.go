package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// printTable turns a result file into the README's table: a row for each metric
// that has subjects, a column for each subject, and what was compared below.
func printTable(path string) (string, error) {
	r, err := readReport(path)
	if err != nil {
		return "", err
	}
	return r.Table(), nil
}

// Table is the report's figures in Markdown.
func (r *report) Table() string {
	var metrics []string
	for _, one := range r.Results {
		if one.Subject != "" && !slices.Contains(metrics, one.Name) {
			metrics = append(metrics, one.Name)
		}
	}
	return r.matrix(metrics)
}

// matrix is a table of some metrics, those that were measured, and below it what
// was compared.
func (r *report) matrix(metrics []string) string {
	var subjects []string
	cells := map[[2]string]result{}
	measured := map[string]bool{}
	for _, one := range r.Results {
		if one.Subject == "" || !slices.Contains(metrics, one.Name) {
			continue
		}
		if !slices.Contains(subjects, one.Subject) {
			subjects = append(subjects, one.Subject)
		}
		cells[[2]string{one.Name, one.Subject}] = one
		measured[one.Name] = true
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| | %s |\n|%s\n", strings.Join(subjects, " | "), strings.Repeat("---|", len(subjects)+1))
	for _, m := range metrics {
		if !measured[m] {
			continue
		}
		fmt.Fprintf(&b, "| %s |", m)
		for _, s := range subjects {
			one, ok := cells[[2]string{m, s}]
			fmt.Fprintf(&b, " %s |", one.cell(ok))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n" + r.comparisons())
	return b.String()
}

// comparisons are the results that are nobody's, a line each.
func (r *report) comparisons() string {
	var lines []string
	for _, one := range r.Results {
		if one.Subject != "" {
			continue
		}
		line := fmt.Sprintf("%s: %s (%s to %s)", one.Name, short(float64(one.Value)), short(float64(one.Low)), short(float64(one.High)))
		if v := one.Verdict(); v != "" {
			line += ", " + strings.ToLower(v)
		}
		lines = append(lines, line+".")
	}
	return strings.Join(lines, "  \n") + "\n"
}

// cell is a value with its unit; failures are shown beside it.
func (r result) cell(measured bool) string {
	if !measured {
		return "–"
	}
	text := short(float64(r.Value))
	switch {
	case r.Unit == "us" && r.Value >= 1000:
		text = short(float64(r.Value)/1000) + " ms"
	case r.Unit == "us":
		text += " µs"
	case r.Unit != "1/s":
		text += " " + r.Unit
	}
	if r.Failures > 0 {
		text += fmt.Sprintf(" (%d failed)", r.Failures)
	}
	return text
}

// short keeps three digits.
func short(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v >= 10000:
		return fmt.Sprintf("%.1fk", v/1000)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
