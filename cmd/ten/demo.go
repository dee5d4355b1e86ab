package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"tenement/actors"
	"tenement/conf"
	"tenement/sandbox"
)

// demoCustomers are the tenants of the demo; alice has a neighbour to compare with.
var demoCustomers = []string{"alice", "bob", "carol"}

const (
	demoService = "notes"
	demoPort    = 8080
	demoIdle    = 10 // seconds: short enough to watch
)

func (a *app) demoCmd() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "See it work: three customers of a notes app, nothing to configure", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context()) },
	}
}

// demo runs the real daemon over a directory that it removes at the end.
func (a *app) demo(ctx context.Context) (err error) {
	sigs := stopSignals()
	defer sigs.stop()
	dir, err := os.MkdirTemp("", "ten-demo-")
	if err != nil {
		return fmt.Errorf("cannot make a directory for the demo: %w", err)
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	config, err := writeDemoConfig(dir)
	if err != nil {
		return err
	}
	news := make(chan transition, 100)
	d, err := a.startDemo(config, news)
	if err != nil {
		return err
	}
	if err := registerDemo(ctx, d.host); err != nil {
		_ = d.stop(ctx)
		return err
	}
	fmt.Fprint(a.out, demoText(d.url, config.Path))
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		a.tellDemo(news, quit, d.host)
	}()
	err = d.wait(ctx, sigs.c)
	close(quit)
	<-done
	fmt.Fprintln(a.out, "\nThe demo is over; its directory is gone, and no process is left.")
	return err
}

// startDemo listens on the port of the README when it is free, else on any.
func (a *app) startDemo(config *conf.Config, news chan<- transition) (*daemon, error) {
	o := daemonOptions{
		place: a.placeOf(config), listen: listenOptions{bind: []string{"127.0.0.1"}, port: demoPort}, domain: "localhost",
		log: newLog(a.err).Level(zerolog.WarnLevel), observe: observer(news),
	}
	d, err := a.startDaemon(o)
	if errors.Is(err, syscall.EADDRINUSE) {
		o.listen.port = 0
		d, err = a.startDaemon(o)
	}
	return d, err
}

// writeDemoConfig writes what a reader of the demo may look into, and reads it.
func writeDemoConfig(dir string) (*conf.Config, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program: %w", err)
	}
	path := filepath.Join(dir, conf.FileName)
	level, command, mounts := strongest(), self, "[]"
	if level == sandbox.LevelNamespace { // which does not see where we may lie
		command = "/run/ten"
		mounts = fmt.Sprintf("[[%s, %q, true]]", tomlString(self), command)
	}
	text := fmt.Sprintf(`# What `+"`ten demo`"+` runs: every customer of the notes app is a process.
[settings]
data_dir = %q
run_dir = %q

[service.%s]
command = %q
args = ["demo-app"]
isolation = %q
mounts = %s
listen = "fd"          # the app is handed a listening socket
idle_timeout = %d      # seconds without a request until a customer sleeps
apex = "none"
`, filepath.Join(dir, "data"), filepath.Join(dir, "run"), demoService, command, level, mounts, demoIdle)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("cannot write the demo's configuration: %w", err)
	}
	return conf.Load(path)
}

func registerDemo(ctx context.Context, h host) error {
	names := make([]conf.Instance, len(demoCustomers))
	for i, id := range demoCustomers {
		names[i] = conf.Instance{Service: demoService, ID: id}
	}
	if _, err := h.Register(ctx, names); err != nil {
		return fmt.Errorf("cannot register the demo's customers: %w", err)
	}
	return nil
}

// demoText is the tour: what runs, where to look, what to try.
func demoText(url, config string) string {
	port := url[strings.LastIndex(url, ":"):]
	ten := tenCommand() + " --config " + config
	var urls strings.Builder
	for _, id := range demoCustomers {
		fmt.Fprintf(&urls, "  http://%s.%s.localhost%s/\n", id, demoService, port)
	}
	alice := fmt.Sprintf("alice.%s.localhost%s", demoService, port)
	return fmt.Sprintf(`Three customers of a notes app, all asleep: no process, no memory.

Open one in a browser; it wakes on your request:
%s
Or without a browser:
  curl -H 'Host: %s' http://127.0.0.1%s/
  curl -H 'Host: %s' http://127.0.0.1%s/ -d note=hello

Try:
  1. Write a note for alice, then look at bob: a process and a file of his own.
  2. Who is awake:            %[6]s ps --all
  3. What alice is doing:     %[6]s why %[7]s:alice
  4. Kill her process (kill -9 and the number that is told below when she wakes
     up) and reload: a new process, the same notes.
  5. Leave her alone for %[8]d seconds: she sleeps. Reload: she wakes.

Ctrl-C ends it all. What happens:
`, urls.String(), alice, port, alice, port, ten, demoService, demoIdle)
}

// tenCommand is how whoever started the demo can start ten again.
func tenCommand() string {
	self, err := os.Executable()
	if err != nil || strings.Contains(self, "/go-build") { // `go run` builds there
		return "go run ./cmd/ten"
	}
	return self
}

// transition is one step of a tenant's life.
type transition struct {
	name     conf.Instance
	from, to actors.State
	reason   string
}

// observer passes transitions on without ever blocking the tenant that makes them.
func observer(news chan<- transition) func(conf.Instance, actors.State, actors.State, string) {
	return func(name conf.Instance, from, to actors.State, reason string) {
		select {
		case news <- transition{name, from, to, reason}:
		default:
		}
	}
}

// tellDemo prints what happens to the customers until quit.
func (a *app) tellDemo(news <-chan transition, quit <-chan struct{}, h host) {
	for {
		select {
		case t := <-news:
			if text := demoNews(t, pidOf(h, t.name)); text != "" {
				a.say("  %s", text)
			}
		case <-quit:
			return
		}
	}
}

func pidOf(h host, name conf.Instance) int {
	info, err := h.Info(name)
	if err != nil {
		return 0
	}
	return info.Pid
}

// demoNews says a transition in plain words; "" for those that are no news.
func demoNews(t transition, pid int) string {
	id := t.name.ID
	switch {
	case t.to == actors.Running && t.from == actors.Starting:
		return fmt.Sprintf("%s woke up: process %d serves", id, pid)
	case t.to == actors.Asleep && t.from != actors.Asleep:
		return id + " fell asleep: the process is gone, the notes stay"
	case t.to == actors.Stopping && t.from != actors.Draining: // one that is sent to sleep drains first
		return fmt.Sprintf("%s: %s", id, t.reason)
	case t.to == actors.Failed:
		return fmt.Sprintf("%s failed: %s", id, t.reason)
	}
	return ""
}
