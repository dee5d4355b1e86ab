package main

import (
	"context"
	"encoding/json"
	"fmt"
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
	lines, err := c.logs(ctx, query, f.limit)
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
	return query, nil
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
	past, err := c.logs(ctx, query, f.limit)
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
