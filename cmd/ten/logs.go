package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

// logFlags is what `ten logs` was asked for.
type logFlags struct {
	name          string
	level, search string
	grep          string
	since, until  string
	limit         int
	follow, json  bool
}

func (a *app) logsCmd() *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use: "logs [S:I]", Short: "Print tenants' output; -f follows it", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.name = args[0]
			}
			return a.logs(cmd.Context(), f)
		},
	}
	cmd.Flags().StringVar(&f.level, "level", "", "stdout or stderr only")
	cmd.Flags().StringVar(&f.search, "search", "", "lines with this text only")
	cmd.Flags().StringVar(&f.grep, "grep", "", "lines that match this regular expression only (RE2; (?i) ignores case)")
	cmd.Flags().StringVar(&f.since, "since", "", "lines from then on: 15m, 2h, 3d ago, or a time like \"2026-11-25 12:00\"")
	cmd.Flags().StringVar(&f.until, "until", "", "lines before then, in the same forms")
	cmd.Flags().IntVar(&f.limit, "limit", 100, "the last N lines")
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "then print lines as they are written")
	jsonFlag(cmd, &f.json)
	return cmd
}

func (a *app) logs(ctx context.Context, f logFlags) error {
	query, err := f.query()
	if err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	if f.follow {
		return a.followLogs(ctx, c, f, query)
	}
	lines, err := c.logs(ctx, f.past(query), f.limit)
	if err != nil {
		return err
	}
	if f.json {
		return a.json(lines)
	}
	for _, line := range lines {
		a.say("%s", logLine(line))
	}
	return nil
}

// query is the part that the listing and the stream share.
func (f logFlags) query() (url.Values, error) {
	query := url.Values{}
	if f.name != "" {
		name, err := conf.ParseInstance(f.name)
		if err != nil {
			return nil, err
		}
		query.Set("process", name.Service)
		query.Set("id", name.ID)
	}
	if f.level != "" {
		query.Set("level", f.level)
	}
	if f.search != "" {
		query.Set("search", f.search)
	}
	if f.grep != "" {
		query.Set("grep", f.grep)
	}
	if f.follow && f.until != "" {
		return nil, errors.New("--until and --follow: a log that is followed has no end")
	}
	return query, nil
}

// past is the query of the lines that are there already.
func (f logFlags) past(query url.Values) url.Values {
	query = maps.Clone(query)
	for param, text := range map[string]string{"since": f.since, "until": f.until} {
		if text != "" {
			query.Set(param, momentText(text))
		}
	}
	return query
}

// momentText turns a time of this place into one of everywhere; what is no such
// time is the daemon's to read, or to refuse.
func momentText(text string) string {
	for _, form := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return at.Format(time.RFC3339)
		}
	}
	return text
}

func (c *client) logs(ctx context.Context, query url.Values, limit int) ([]edge.LogJSON, error) {
	path := "/api/logs?limit=" + strconv.Itoa(limit) + "&" + query.Encode()
	lines := []edge.LogJSON{}
	err := c.call(ctx, http.MethodGet, path, nil, &lines)
	return lines, err
}

// followLogs opens the stream before it reads the past, so that nothing is lost
// in between; what comes by both ways is printed once.
func (a *app) followLogs(ctx context.Context, c *client, f logFlags, query url.Values) error {
	stream, err := c.send(ctx, http.MethodGet, "/api/logs/stream?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer stream.Body.Close()
	past, err := c.logs(ctx, f.past(query), f.limit)
	if err != nil {
		return err
	}
	seen := map[edge.LogJSON]int{}
	for _, line := range past {
		seen[line]++
		a.followed(line, f.json)
	}
	err = c.follow(stream, func(data []byte) error {
		var line edge.LogJSON
		if err := json.Unmarshal(data, &line); err != nil {
			return fmt.Errorf("cannot read a log line: %w", err)
		}
		if seen[line] > 0 {
			seen[line]--
			return nil
		}
		a.followed(line, f.json)
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// followed prints one line, as it comes: one JSON object a line with --json.
func (a *app) followed(line edge.LogJSON, asJSON bool) {
	if !asJSON {
		a.say("%s", logLine(line))
		return
	}
	if body, err := json.Marshal(line); err == nil {
		fmt.Fprintln(a.out, escapeControls(string(body)))
	}
}

// logLine is the contract's form: HH:MM:SS [OUT|ERR] S:I message.
func logLine(l edge.LogJSON) string {
	level := "OUT"
	if l.Level == edge.LevelStderr {
		level = "ERR"
	}
	at := time.UnixMilli(l.Timestamp).Format(time.TimeOnly)
	return fmt.Sprintf("%s [%s] %s:%s %s", at, level, l.Process, l.InstanceID, l.Message)
}
