package main

import (
	"fmt"
	"strings"
)

// column is one subject's part of the table.
type column struct {
	name, version string
	found         findings
	second        findings // the trials as second requests of their connections
}

// asSecond is the column of the second requests.
func (c column) asSecond() column { return column{c.name, c.version, c.second, nil} }

// total is what a column amounts to.
type total struct {
	trials, forwarded, ambiguous int
	broken                       int // controls that were not served; what they look like is among other
	other                        int
}

func (c column) total(topics []topic) (n total) {
	c.each(topics, func(tp topic, r rule, t trial, f finding) {
		n.trials++
		if len(f.outcome.arrival.ambiguous) > 0 {
			n.ambiguous++
		}
		switch {
		case f.wrong == "":
		case forwarded(t, f.outcome):
			n.forwarded++
		case t.kind == served && judge(t.bare(), f.outcome, false) != "":
			n.broken++
		default:
			n.other++
		}
	})
	return n
}

// each calls f with every trial that was had.
func (c column) each(topics []topic, f func(topic, rule, trial, finding)) {
	for _, tp := range topics {
		for _, r := range tp.rules {
			for _, t := range r.trials {
				if found, ok := c.found[tp.name+"/"+t.name]; ok {
					f(tp, r, t, found)
				}
			}
		}
	}
}

// text lists what is wrong; all also shows the bytes.
func (c column) text(topics []topic, all bool) string {
	var b strings.Builder
	if len(c.found) == 0 {
		c = c.asSecond()
	}
	n := c.total(topics)
	fmt.Fprintf(&b, "%s %s: %d trials; %d must-reject requests forwarded, %d with ambiguous bytes at the backend, %d controls broken, %d other deviations\n",
		c.name, c.version, n.trials, n.forwarded, n.ambiguous, n.broken, n.other)
	c.each(topics, func(tp topic, r rule, t trial, f finding) {
		if f.wrong != "" || all {
			fmt.Fprintf(&b, "  %s/%s (%s): %s\n", tp.name, t.name, t.kind, f.wrong)
		}
		if all {
			fmt.Fprintf(&b, "    sent    %.300q\n    arrived %.300q\n    got     %.300q %s %v\n", t.sent(), f.outcome.arrival.raw, f.outcome.got, f.outcome.end, f.outcome.took)
		}
	})
	return b.String()
}

// table is docs/conformance.md.
func table(topics []topic, columns []column) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# HTTP/1.1 conformance

Made by `+"`go run ./bench/conformance --out docs/conformance.md`"+`; the trials are bench/conformance/trials_*.go, and %s
is held to them by `+"`go test ./bench/conformance`"+`. Each proxy stands in front of the same backend, which records every byte, with
the configuration in bench/peers. A trial sends bytes on a raw socket and rests on the sentence above it; where the
RFC leaves it open, the sentence says why we chose. "ok": as it has to be. Else the cell says what was seen; an answer of
the others' own status counts as ok.

`, "tenement")
	summary(&b, topics, columns)
	for _, tp := range topics {
		fmt.Fprintf(&b, "\n## %s\n", tp.name)
		for _, r := range tp.rules {
			r.write(&b, tp, columns)
		}
	}
	return b.String()
}

func summary(b *strings.Builder, topics []topic, columns []column) {
	row := func(name string, value func(column) string) {
		fmt.Fprintf(b, "| %s |", name)
		for _, c := range columns {
			fmt.Fprintf(b, " %s |", value(c))
		}
		b.WriteString("\n")
	}
	row("", func(c column) string { return strings.TrimSpace(c.name + " " + c.version) })
	row("---", func(column) string { return "---" })
	for _, which := range []struct {
		suffix string
		of     func(column) column
	}{{"", func(c column) column { return c }}, {", as second requests of a connection", column.asSecond}} {
		count := func(name string, pick func(total) int) {
			row(name+which.suffix, func(c column) string { return fmt.Sprint(pick(which.of(c).total(topics))) })
		}
		count("trials", func(t total) int { return t.trials })
		count("must-reject requests forwarded", func(t total) int { return t.forwarded })
		count("with ambiguous bytes at the backend", func(t total) int { return t.ambiguous })
		count("controls broken", func(t total) int { return t.broken })
		count("other deviations", func(t total) int { return t.other })
	}
}

func (r rule) write(b *strings.Builder, tp topic, columns []column) {
	if r.cite == "" {
		fmt.Fprintf(b, "\nOur choice: %s\n\n| trial | has to |", r.quote)
	} else {
		fmt.Fprintf(b, "\n%s: “%s”\n\n| trial | has to |", r.cite, r.quote)
	}
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", c.name)
	}
	b.WriteString("\n|" + strings.Repeat("---|", 2+len(columns)) + "\n")
	for _, t := range r.trials {
		fmt.Fprintf(b, "| %s | %s |", cell(t.name), t.kind)
		for _, c := range columns {
			f, had := c.found[tp.name+"/"+t.name]
			switch {
			case !had:
				b.WriteString(" – |")
			case f.wrong == "":
				b.WriteString(" ok |")
			default:
				fmt.Fprintf(b, " %s |", cell(f.wrong))
			}
		}
		b.WriteString("\n")
	}
}

// cell makes a text fit for a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;", "*", "\\*").Replace(s)
}
