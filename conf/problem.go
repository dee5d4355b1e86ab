package conf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing to mend in a tenement.toml.
type Problem struct {
	File string // as it was given to Parse
	Line int    // 1-based, always inside the file
	Key  string // dotted path; "" when the TOML itself is broken
	Text string
}

// String gives `tenement.toml:12: service.notes.comand: unknown key; …`.
func (p Problem) String() string {
	if p.Key == "" {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Key, p.Text)
}

// Problems are all that is wrong with one file, in the order of its lines:
// whoever mends it wants to run `ten check` once, not once per mistake.
type Problems []Problem

// Error gives one problem per line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// report gathers what there is to say about one file.
type report struct {
	file     string
	wd       string // relative paths in the file start here
	files    bool   // files that the file names are looked at
	problems Problems
	remarks  []Remark
}

// sort puts everything in the order of the file.
func (r *report) sort() {
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	slices.SortStableFunc(r.remarks, func(a, b Remark) int { return cmp.Compare(a.Line, b.Line) })
}
