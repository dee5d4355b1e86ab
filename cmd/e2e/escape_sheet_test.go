package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sheet is the table of docs/isolation.md: attempts by attackers.
type sheet struct {
	names   []string // of attempts, as the probe lists them
	columns map[string]column
}

// attackers are the columns of the table.
var attackers = []string{"root", "process", "bwrap", "namespace", "sandbox"}

func newSheet() *sheet { return &sheet{columns: map[string]column{}} }

func (s *sheet) add(attacker string, all []attempted) {
	c := column{}
	if s.names == nil {
		for _, r := range all {
			s.names = append(s.names, r.Name)
		}
	}
	for _, r := range all {
		c[r.Name] = r
	}
	s.columns[attacker] = c
}

// shown are the attempts that work for root on this machine.
func (s *sheet) shown() (names []string) {
	for _, name := range s.names {
		if s.columns["root"][name].Open {
			names = append(names, name)
		}
	}
	return names
}

// cell is what the table says about one attempt; "?" is what was not tried.
func (s *sheet) cell(attacker, name string) string {
	r, tried := s.columns[attacker][name]
	switch {
	case !tried:
		return "?"
	case r.Open:
		return "open"
	case r.Inner:
		return "own"
	}
	return "·"
}

const preface = `# Isolation, tried

What a tenant can get at, found by trying: each line is one attempt by ` + "`cmd/e2e/testdata/apps/probe`" + `, made as
a tenant of each level, by root beside the daemon (what nothing stops), and by an ordinary user behind
bubblewrap with the command line of its manual and no network. "open" means that it worked, "own"
that it worked inside gVisor's kernel, which nobody else shares.

Written by ` + "`go test ./cmd/e2e -run TestEscape -update`" + `, checked by the same test without ` + "`-update`" + `.
Linux %s. The metadata address, private networks and the machine's own ports are stand-ins in network
namespaces of the test's.

`

// render writes the table.
func (s *sheet) render() string {
	var b strings.Builder
	fmt.Fprintf(&b, preface, kernelRelease())
	shown := s.shown()
	count := map[string]int{}
	var rows strings.Builder
	area := ""
	for _, name := range shown {
		r := s.columns["root"][name]
		if r.Area != area {
			area = r.Area
			fmt.Fprintf(&rows, "| **%s** |%s\n", area, strings.Repeat("|", len(attackers)))
		}
		fmt.Fprintf(&rows, "| %s |", name)
		for _, attacker := range attackers {
			cell := s.cell(attacker, name)
			if cell == "open" {
				count[attacker]++
			}
			fmt.Fprintf(&rows, " %s |", cell)
		}
		rows.WriteByte('\n')
	}
	fmt.Fprintf(&b, "| %d attempts | %s |\n|---|%s\n| open |", len(shown), strings.Join(attackers, " | "), strings.Repeat("---|", len(attackers)))
	for _, attacker := range attackers {
		if s.columns[attacker] == nil {
			b.WriteString(" ? |")
		} else {
			fmt.Fprintf(&b, " %d |", count[attacker])
		}
	}
	b.WriteString("\n" + rows.String())
	if hidden := s.unshown(); len(hidden) > 0 {
		b.WriteString("\nNot in the table, for on this machine not even root gets there: " + strings.Join(hidden, "; ") + ".\n")
	}
	return b.String()
}

func (s *sheet) unshown() (names []string) {
	for _, name := range s.names {
		if !s.columns["root"][name].Open {
			names = append(names, name)
		}
	}
	return names
}

// compare holds the file to what was found, or writes it.
func (s *sheet) compare(t *testing.T, path string) {
	t.Helper()
	if *update {
		for _, attacker := range attackers {
			if s.columns[attacker] == nil {
				t.Errorf("%s was not tried: the table would have a hole", attacker)
			}
		}
		if err := os.WriteFile(path, []byte(s.render()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if wrong := differences(string(text), s.render()); len(wrong) > 0 {
		t.Errorf("%s is out of date: go test ./cmd/e2e -run TestEscape -update\n%s", path, strings.Join(wrong, "\n"))
	}
}

// The README has the sums, between these.
const (
	readmeBegin = "<!-- escape suite -->\n"
	readmeEnd   = "<!-- /escape suite -->\n"
)

// compareReadme holds the README's sums to what was found, or writes them. Where
// not everything was tried, or root has other doors, there is nothing to compare.
func (s *sheet) compareReadme(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), readmeBegin)
	stated, after, ends := strings.Cut(rest, readmeEnd)
	if !begins || !ends {
		t.Fatalf("%s has no place for the sums of the escape suite", path)
	}
	sums, whole := s.sums()
	if *update {
		if err := os.WriteFile(path, []byte(before+readmeBegin+sums+readmeEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	sheet, err := os.ReadFile(filepath.Join(repo, "docs", "isolation.md"))
	if err != nil {
		t.Fatal(err)
	}
	if whole && strings.Contains(string(sheet), "\nLinux "+kernelRelease()+".") && stated != sums {
		t.Errorf("%s is out of date: go test ./cmd/e2e -run TestEscape -update\n%s", path, sums)
	}
}

// sums is how many attempts work for whom, and whether everybody tried.
func (s *sheet) sums() (table string, whole bool) {
	shown := s.shown()
	row, whole := "|", true
	for _, attacker := range attackers {
		open := 0
		for _, name := range shown {
			if s.cell(attacker, name) == "open" {
				open++
			}
		}
		row += fmt.Sprintf(" %d |", open)
		whole = whole && s.columns[attacker] != nil
	}
	return "| root beside it | `process` | bubblewrap, its manual's command line | `namespace` | `sandbox` |\n|---|---|---|---|---|\n" + row + "\n", whole
}

// differences lists the lines that differ, but for cells that were not tried.
// Another kernel has other doors for root: then only the promises are compared.
func differences(want, got string) (wrong []string) {
	stated, found := rows(want), rows(got)
	samekernel := strings.Contains(want, "\nLinux "+kernelRelease()+".")
	for name, cells := range found {
		old, ok := stated[name]
		if !ok {
			if samekernel {
				wrong = append(wrong, fmt.Sprintf("new: %s %v", name, cells))
			}
			continue
		}
		for i, cell := range cells {
			promise := attackers[i] == "namespace" || attackers[i] == "sandbox"
			if cell != "?" && cell != old[i] && (samekernel || promise) {
				wrong = append(wrong, fmt.Sprintf("%s, %s: %s, the file says %s", name, attackers[i], cell, old[i]))
			}
		}
	}
	if samekernel {
		for name := range stated {
			if _, ok := found[name]; !ok {
				wrong = append(wrong, "gone: "+name)
			}
		}
	}
	return wrong
}

// rows reads the table's lines of attempts.
func rows(text string) map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != len(attackers)+1 || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| **") || strings.Contains(cells[0], "attempts") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] != "open" {
			all[cells[0]] = cells[1:]
		}
	}
	return all
}

func TestSheet_DifferencesAreSeen(t *testing.T) {
	t.Parallel()
	s := newSheet()
	s.add("root", []attempted{{Name: "door", Area: "host", Open: true}, {Name: "wall", Area: "host"}})
	s.add("process", []attempted{{Name: "door", Area: "host"}, {Name: "wall", Area: "host"}})
	text := s.render()
	if wrong := differences(text, text); len(wrong) > 0 {
		t.Errorf("a sheet differs from itself: %v", wrong)
	}
	if !strings.Contains(text, "not even root gets there: wall.") || len(rows(text)) != 1 {
		t.Errorf("what root cannot do is no line of the table:\n%s", text)
	}
	s.add("process", []attempted{{Name: "door", Area: "host", Open: true}, {Name: "wall", Area: "host"}})
	if wrong := differences(text, s.render()); len(wrong) != 1 || !strings.Contains(wrong[0], "door, process: open") {
		t.Errorf("an opened door gives %v", wrong)
	}
	delete(s.columns, "process")
	if wrong := differences(text, s.render()); len(wrong) > 0 {
		t.Errorf("what was not tried differs: %v", wrong)
	}
	if wrong := differences(strings.ReplaceAll(text, "| door |", "| gate |"), s.render()); len(wrong) != 2 {
		t.Errorf("a renamed line gives %v, want one new and one gone", wrong)
	}
}
