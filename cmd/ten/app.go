package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"tenement/actors"
	"tenement/actors/journal"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// app is one run of ten: the world it may touch and its global flags. Tests
// make one with a world of their own.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
	host     func(actors.Options) (host, error) // the tree that serve runs
	terminal func() (*terminal, error)          // for what is drawn
	flags    globals
	started  bool // a verb began: errors from here on are not the usage's

	sysroot string // of the file system that install writes to; "" = the real one
	execute runner // how install speaks to systemd

	resolver *net.Resolver // whom doctor asks for names; nil = the machine's
}

// globals are the flags that every verb takes, before or after its name.
type globals struct {
	server, token, dataDir, config string
}

func newApp() *app {
	return &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv, host: newHost, execute: runProgram,
		terminal: func() (*terminal, error) { return openTerminal(os.Stdin, os.Stdout) },
	}
}

// run carries out one command line and gives the exit code.
func (a *app) run(args []string) int { return a.runContext(context.Background(), args) }

func (a *app) runContext(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	for line := range strings.Lines("Error: " + err.Error() + "\n") {
		line = strings.ReplaceAll(line, "\t", "  ") // cobra's suggestions
		fmt.Fprintln(a.err, journal.Printable(strings.TrimSuffix(line, "\n")))
	}
	if a.started {
		return exitFailed
	}
	fmt.Fprintf(a.err, "Run `%s --help` for how to use it.\n", cmd.CommandPath())
	return exitUsage
}

func (a *app) root() *cobra.Command {
	var told bool
	root := &cobra.Command{
		Use:   "ten",
		Short: "Every tenant is a process of its own that wakes on the first request",
		Long: `ten runs one process per tenant of a web app. A tenant wakes on its first
request and sleeps when nobody comes.

  ten demo     see it work, nothing to configure
  ten init     write a tenement.toml for the project in this directory
  ten serve    run the daemon

S:I below is SERVICE:ID, one tenant: notes:alice.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			a.started = true
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if told {
				a.sayVersion()
				return nil
			}
			return cmd.Help()
		},
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.Flags().BoolVarP(&told, "version", "v", false, "version for ten") // cobra's own says "ten version V", or needs text/template: see binary_size_test.go
	f := root.PersistentFlags()
	f.StringVar(&a.flags.server, "server", "", "URL of the daemon (TENEMENT_SERVER; default its control socket, else "+defaultServer+")")
	f.StringVar(&a.flags.token, "token", "", "API token (TENEMENT_TOKEN; default {data_dir}/api_token)")
	f.StringVar(&a.flags.dataDir, "data-dir", "", "where tenement keeps its data (TENEMENT_DATA_DIR)")
	f.StringVar(&a.flags.config, "config", "", "the tenement.toml to use (TENEMENT_CONFIG; default the nearest one upwards)")
	root.AddGroup(
		&cobra.Group{ID: groupDaemon, Title: "The daemon:"},
		&cobra.Group{ID: groupTenants, Title: "Tenants:"},
	)
	for group, verbs := range map[string][]*cobra.Command{
		groupDaemon: {a.serveCmd(), a.demoCmd(), a.initCmd(), a.checkCmd(), a.doctorCmd(), a.configCmd(), a.tokenGenCmd(), a.tokenCmd(), a.reloadCmd(), a.versionCmd(), a.installCmd(), a.uninstallCmd(), a.caddyCmd(), a.backupCmd(), a.restoreCmd()},
		groupTenants: {a.spawnCmd(), a.stopCmd(), a.restartCmd(), a.holdCmd(), a.unholdCmd(), a.registerCmd(), a.forgetCmd(),
			a.provisionCmd(), a.importCmd(), a.envCmd(), a.limitsCmd(), a.execCmd(),
			a.psCmd(), a.healthCmd(), a.weightCmd(), a.deployCmd(), a.routeCmd(), a.rolloutCmd(), a.domainCmd(), a.logsCmd(), a.eventsCmd(), a.whyCmd(), a.usageCmd(), a.topCmd()},
	} {
		for _, verb := range verbs {
			verb.GroupID = group
			root.AddCommand(verb)
		}
	}
	root.AddCommand(demoAppCmd())
	return root
}

const (
	groupDaemon  = "daemon"
	groupTenants = "tenants"
)

// say prints one line that is safe for a terminal, whatever a tenant put into it.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.out, journal.Printable(fmt.Sprintf(format, args...)))
}

// json prints v for machines.
func (a *app) json(v any) error {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, escapeControls(string(body)))
	return err
}

// escapeControls finishes what encoding/json leaves as it is: DEL, the C1
// controls and whatever turns the direction of writing, which a terminal may obey.
func escapeControls(body string) string {
	var safe strings.Builder
	for _, r := range body {
		switch {
		case r == '\n' || unicode.IsGraphic(r):
			safe.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&safe, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&safe, `\u%04x`, r)
		}
	}
	return safe.String()
}

// jsonFlag gives a listing verb its --json.
func jsonFlag(cmd *cobra.Command, v *bool) { cmd.Flags().BoolVar(v, "json", false, "print JSON") }
