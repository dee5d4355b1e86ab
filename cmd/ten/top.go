package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tenement/actors/journal"
	"tenement/edge"
)

// topEvery is how often the table is drawn anew; the daemon counts no oftener
// than once a second.
const (
	topEvery    = 2 * time.Second
	topPatience = 5 * time.Second // with a daemon that does not answer
)

// Control sequences (ECMA-48, xterm): the other screen, so that the shell's own
// comes back as it was; the cursor; what is left of a line or of the screen.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearRest   = "\x1b[J"
	inverse     = "\x1b[7m"
	plain       = "\x1b[m"
)

func (a *app) topCmd() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use: "top", Short: "Show who is awake and what it takes, live; q ends it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if once {
				return a.topOnce(cmd.Context(), c)
			}
			return a.topLive(cmd.Context(), c)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "print the table once, of one interval")
	return cmd
}

func (c *client) usageNow(ctx context.Context) (now edge.UsageNowJSON, err error) {
	err = c.call(ctx, http.MethodGet, "/api/usage/now", nil, &now)
	return now, err
}

// lookSoon gives a daemon that hangs up: the keys are to be heard.
func (c *client) lookSoon(ctx context.Context) (edge.UsageNowJSON, error) {
	ctx, cancel := context.WithTimeout(ctx, topPatience)
	defer cancel()
	return c.usageNow(ctx)
}

// topOnce looks twice, for rates, and prints one table.
func (a *app) topOnce(ctx context.Context, c *client) error {
	first, err := c.usageNow(ctx)
	if err != nil {
		return err
	}
	select {
	case <-time.After(topEvery):
	case <-ctx.Done():
		return ctx.Err()
	}
	second, err := c.usageNow(ctx)
	if err != nil {
		return err
	}
	rows := rates(first, second)
	a.say("%s", topSummary(rows, c.shown))
	table(a.out, topCells(rows))
	return nil
}

// topLive draws until q, Ctrl-C, or the end of the context.
func (a *app) topLive(ctx context.Context, c *client) error {
	t, err := a.terminal()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGHUP) // the terminal is to be given back
	defer stop()
	fmt.Fprint(a.out, enterScreen)
	defer func() {
		fmt.Fprint(a.out, leaveScreen)
		t.restore()
	}()
	tick := time.NewTicker(topEvery)
	defer tick.Stop()
	view := topView{server: c.shown}
	for look := true; ; look = true {
		if now, err := c.lookSoon(ctx); err == nil {
			view.take(now)
		} else if view.trouble = err.Error(); ctx.Err() != nil {
			return nil
		}
		for look {
			width, height := t.size()
			view.draw(a.out, width, height)
			look = false
			select {
			case key, open := <-t.keys:
				if !open || key == 'q' || key == 'Q' || key == ctrlC {
					return nil
				}
				look = true
			case <-t.resized:
				look = true
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

const ctrlC = 3 // what a raw terminal gives for it

// topView is what is on the screen.
type topView struct {
	server  string
	last    edge.UsageNowJSON
	rows    []topRow
	trouble string // why there is nothing new
}

func (v *topView) take(now edge.UsageNowJSON) {
	v.rows, v.last, v.trouble = rates(v.last, now), now, ""
}

// draw fills the screen and no more than that.
func (v *topView) draw(to io.Writer, width, height int) {
	summary := topSummary(v.rows, v.server)
	if v.trouble != "" {
		summary = v.trouble + " (trying again)"
	}
	var grid strings.Builder
	table(&grid, topCells(v.rows))
	lines := append([]string{journal.Printable(summary), ""}, strings.Split(strings.TrimSuffix(grid.String(), "\n"), "\n")...)
	if hidden := len(lines) - (height - 1); hidden > 0 && height > 4 {
		lines = append(lines[:height-2], fmt.Sprintf("… and %d more", hidden+1))
	}
	var screen strings.Builder
	screen.WriteString(home)
	for i, line := range lines[:min(len(lines), max(height-1, 1))] {
		if line = clipLine(line, width); i == 2 {
			line = inverse + line + plain
		}
		screen.WriteString(line + clearLine + "\r\n")
	}
	screen.WriteString(clearRest + clipLine("q: quit", width))
	fmt.Fprint(to, screen.String())
}

// clipLine cuts a line of plain text to the screen's width.
func clipLine(line string, width int) string {
	if runes := []rune(line); width > 0 && len(runes) > width {
		return string(runes[:width])
	}
	return line
}

// topRow is one tenant of the table.
type topRow struct {
	edge.UsageOfNowJSON
	cpu  float64 // percent of one core
	rate float64 // requests a second
}

// rates compares two looks; a tenant that was not there before, or whose counters
// began anew with the daemon, has no rates yet. Who takes most comes first.
func rates(before, now edge.UsageNowJSON) []topRow {
	past := map[string]edge.UsageOfNowJSON{}
	for _, one := range before.Instances {
		past[one.Instance] = one
	}
	took := float64(now.Timestamp-before.Timestamp) / 1000
	rows := make([]topRow, 0, len(now.Instances))
	for _, one := range now.Instances {
		row := topRow{UsageOfNowJSON: one}
		if was, known := past[one.Instance]; known && took > 0 && one.CPUSeconds >= was.CPUSeconds && one.Requests >= was.Requests {
			row.cpu = 100 * (one.CPUSeconds - was.CPUSeconds) / took
			row.rate = float64(one.Requests-was.Requests) / took
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b topRow) int {
		return cmp.Or(cmp.Compare(b.cpu, a.cpu), cmp.Compare(b.MemoryBytes, a.MemoryBytes), strings.Compare(a.Instance, b.Instance))
	})
	return rows
}

func topSummary(rows []topRow, server string) string {
	var cpu, rate float64
	var memory int64
	for _, r := range rows {
		cpu, rate, memory = cpu+r.cpu, rate+r.rate, memory+r.MemoryBytes
	}
	return fmt.Sprintf("%d awake on %s, CPU %.1f %%, memory %s, %.1f requests/s", len(rows), server, cpu, size(uint64(max(memory, 0))), rate)
}

func topCells(rows []topRow) [][]string {
	cells := [][]string{{"INSTANCE", "CPU %", "MEMORY", "REQ/S", "INSIDE", "IDLE", "UPTIME", "STATE"}}
	for _, r := range rows {
		idle := age(r.IdleSecs)
		if r.Inflight > 0 {
			idle = "-"
		}
		cells = append(cells, []string{
			r.Instance, fmt.Sprintf("%.1f", r.cpu), size(uint64(max(r.MemoryBytes, 0))), fmt.Sprintf("%.1f", r.rate),
			fmt.Sprint(r.Inflight), idle, age(r.UptimeSecs), r.State,
		})
	}
	return cells
}

// errNoTerminal is for a screen that nobody looks at.
var errNoTerminal = errors.New("ten top draws on a terminal, and this is none: `ten top --once` prints the table once")
