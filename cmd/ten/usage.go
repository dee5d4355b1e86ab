package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

// usageFlags is what `ten usage` was asked for.
type usageFlags struct {
	of           string // "", S or S:I
	since, until string
	csv, json    bool
}

func (a *app) usageCmd() *cobra.Command {
	var f usageFlags
	cmd := &cobra.Command{
		Use: "usage [S[:I]]", Short: "Print what tenants used: CPU, memory, requests, bytes, wakes", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeInstance,
		Long: `Prints what each tenant used in a time, of all UTC days together; --csv and --json
give every day by itself. GB*s is memory over time: 10^9 bytes held for a second.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.of = args[0]
			}
			return a.usage(cmd.Context(), f)
		},
	}
	cmd.Flags().StringVar(&f.since, "since", "30d", "the first day, like 2026-11-01, or how many days")
	cmd.Flags().StringVar(&f.until, "until", "", "the last day (default today)")
	cmd.Flags().BoolVar(&f.csv, "csv", false, "print a line of CSV for each tenant and day")
	jsonFlag(cmd, &f.json)
	return cmd
}

func (a *app) usage(ctx context.Context, f usageFlags) error {
	if f.csv && f.json {
		return errors.New("--csv and --json: take one of them")
	}
	query, err := f.query()
	if err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	rows := []edge.UsageJSON{}
	if err := c.call(ctx, http.MethodGet, "/api/usage?"+query.Encode(), nil, &rows); err != nil {
		return err
	}
	switch {
	case f.json:
		return a.json(rows)
	case f.csv:
		return a.usageCSV(rows)
	case len(rows) == 0:
		a.say("Nothing was used")
		return nil
	}
	table(a.out, usageTable(rows))
	return nil
}

func (f usageFlags) query() (url.Values, error) {
	query := url.Values{"since": {f.since}}
	if f.until != "" {
		query.Set("until", f.until)
	}
	if f.of == "" {
		return query, nil
	}
	if !strings.Contains(f.of, ":") {
		service, err := conf.Name(f.of)
		if err != nil {
			return nil, err
		}
		query.Set("process", service)
		return query, nil
	}
	name, err := conf.ParseInstance(f.of)
	if err != nil {
		return nil, err
	}
	query.Set("process", name.Service)
	query.Set("id", name.ID)
	return query, nil
}

// usageTable adds the days of each tenant up, and all tenants at the end.
func usageTable(rows []edge.UsageJSON) [][]string {
	sums, order := map[string]*edge.UsageJSON{}, []string{}
	total := edge.UsageJSON{Instance: "total"}
	for _, row := range rows {
		if sums[row.Instance] == nil {
			sums[row.Instance] = &edge.UsageJSON{Instance: row.Instance}
			order = append(order, row.Instance)
		}
		addUsage(sums[row.Instance], row)
		addUsage(&total, row)
	}
	cells := [][]string{{"INSTANCE", "CPU s", "MEMORY GB*s", "AWAKE", "REQUESTS", "IN", "OUT", "WAKES"}}
	for _, name := range order {
		cells = append(cells, usageRow(*sums[name]))
	}
	if len(order) > 1 {
		cells = append(cells, usageRow(total))
	}
	return cells
}

func addUsage(sum *edge.UsageJSON, row edge.UsageJSON) {
	sum.CPUSeconds += row.CPUSeconds
	sum.MemoryGBSeconds += row.MemoryGBSeconds
	sum.AwakeSeconds += row.AwakeSeconds
	sum.Requests += row.Requests
	sum.BytesIn += row.BytesIn
	sum.BytesOut += row.BytesOut
	sum.Wakes += row.Wakes
}

func usageRow(u edge.UsageJSON) []string {
	return []string{
		u.Instance, fmt.Sprintf("%.1f", u.CPUSeconds), fmt.Sprintf("%.1f", u.MemoryGBSeconds), age(int64(u.AwakeSeconds)),
		strconv.FormatUint(u.Requests, 10), size(u.BytesIn), size(u.BytesOut), strconv.FormatUint(u.Wakes, 10),
	}
}

// usageCSV prints the rows as they are: names of tenants need no quotes and start
// no formula.
func (a *app) usageCSV(rows []edge.UsageJSON) error {
	w := csv.NewWriter(a.out)
	lines := [][]string{{"day", "instance", "cpu_seconds", "memory_gb_seconds", "awake_seconds", "requests", "bytes_in", "bytes_out", "wakes"}}
	float := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	whole := func(n uint64) string { return strconv.FormatUint(n, 10) }
	for _, r := range rows {
		lines = append(lines, []string{
			r.Day, r.Instance, float(r.CPUSeconds), float(r.MemoryGBSeconds), float(r.AwakeSeconds),
			whole(r.Requests), whole(r.BytesIn), whole(r.BytesOut), whole(r.Wakes),
		})
	}
	return w.WriteAll(lines)
}

// size prints bytes in units of 1000: 999 B, 1.5 kB, 20 MB.
func size(n uint64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.95 && unit < len("kMGTPE")-1 {
		f, unit = f/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", f, "kMGTPE"[unit])
}
