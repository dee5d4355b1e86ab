package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"tenement/actors/journal"
)

// age prints a number of seconds the way `ten ps` does: 12s 3m 2h 1d.
func age(secs int64) string {
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	switch {
	case secs < minute:
		return fmt.Sprintf("%ds", max(secs, 0))
	case secs < hour:
		return fmt.Sprintf("%dm", secs/minute)
	case secs < day:
		return fmt.Sprintf("%dh", secs/hour)
	}
	return fmt.Sprintf("%dd", secs/day)
}

// idle prints an idle_timeout, in seconds.
func idle(secs int64) string {
	if secs == 0 {
		return "never"
	}
	return fmt.Sprintf("%ds", secs)
}

// table prints rows in columns; the cells may come from a tenant.
func table(w io.Writer, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(t, "\t")
			}
			fmt.Fprint(t, journal.Printable(cell))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}
