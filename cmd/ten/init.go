package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/sandbox"
)

func (a *app) initCmd() *cobra.Command {
	var name, command string
	cmd := &cobra.Command{
		Use: "init", Short: "Write a tenement.toml for the project in this directory", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.init(".", name, command) },
	}
	cmd.Flags().StringVar(&name, "name", "", "the service's name (default the directory's)")
	cmd.Flags().StringVar(&command, "command", "", "what starts the app (default found by looking at the project)")
	return cmd
}

func (a *app) init(dir, name, command string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("cannot find this directory: %w", err)
	}
	if name, err = serviceName(name, dir); err != nil {
		return err
	}
	found := recognise(dir, name)
	if command != "" {
		found = project{kind: found.kind, command: command, listen: listenOf(command)}
	}
	if err := writeNew(filepath.Join(dir, conf.FileName), found.config(name), "ten init"); err != nil {
		return err
	}
	a.say("Wrote %s for a %s project", conf.FileName, found.kind)
	if found.build != "" {
		a.say("Build it first: %s", found.build)
	}
	a.say("Then run `ten serve` and open http://alice.%s.localhost:8080/", name)
	return nil
}

// writeNew writes a file that is not there yet.
func writeNew(path, text, verb string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: %s does not overwrite it", path, verb)
	}
	if err != nil {
		return fmt.Errorf("cannot write what %s makes: %w", verb, err)
	}
	_, err = f.WriteString(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("cannot write what %s makes: %w", verb, err)
	}
	return nil
}

// serviceName is the name that was asked for, or what can be made of the directory's.
func serviceName(asked, dir string) (string, error) {
	if asked != "" {
		return conf.Name(asked)
	}
	var b strings.Builder
	for _, r := range strings.ToLower(filepath.Base(dir)) {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '_':
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	name, err := conf.Name(strings.Trim(b.String(), "-_"))
	if err != nil {
		return "app", nil
	}
	return name, nil
}

// listenOf tells from a command's templates where the app will listen.
func listenOf(command string) string {
	switch {
	case strings.Contains(command, "{socket}"):
		return "unix"
	case strings.Contains(command, "{port}"):
		return "tcp"
	}
	return "auto"
}

// config is the file that init writes.
func (p project) config(name string) string {
	comment := "the app is told where to listen by PORT and SOCKET_PATH"
	switch p.listen {
	case "unix":
		comment = "on the Unix socket of the command above"
	case "tcp":
		comment = "on the port of the command above"
	}
	var build string
	if p.build != "" {
		build = "# Build it first: " + p.build + "\n"
	}
	level, about := `"process"`, "a clean environment and a process tree of its own; \"namespace\" encloses more, and needs root"
	if strongest() == sandbox.LevelNamespace {
		level, about = `"namespace"`, "a user, a file system and a network of its own"
	}
	return fmt.Sprintf(`# Every customer of %[1]s is a process of its own, at http://ID.%[1]s.localhost:8080/
# while `+"`ten serve`"+` runs. `+"`ten check`"+` validates this file.

[service.%[1]s]
%[2]scommand = %[3]s
listen = %[4]q          # %[5]s
isolation = %-11s # %s
idle_timeout = 300       # seconds without a request until a tenant sleeps; 0: never
apex = "none"            # %[1]s.localhost itself shows nobody's tenant

# The app keeps a customer's data in the directory that DATA_DIR names, and
# learns who the customer is from TENEMENT_ID. Other variables it needs:
# [service.%[1]s.env]
# SECRET_KEY = "..."
`, name, build, tomlString(p.command), cmp.Or(p.listen, "auto"), comment, level, about)
}

// tomlString writes a basic string. What %q of Go would write as \x or \a is
// no TOML.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// strongest is the level that init and the demo write: the best that this user
// can have.
func strongest() sandbox.Level {
	if sandbox.Diagnose(sandbox.Probe{}).Supports(sandbox.LevelNamespace) == nil {
		return sandbox.LevelNamespace
	}
	return sandbox.LevelProcess
}
