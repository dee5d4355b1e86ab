package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) uninstallCmd() *cobra.Command {
	return &cobra.Command{
		Use: "uninstall", Short: "Take the units of `ten install` away; leaves the data and the configuration", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.uninstall(cmd.Context()) },
	}
}

// uninstall ends the daemon and removes what install wrote, but for what the
// operator may have changed: tenement.toml and the Caddyfile.
func (a *app) uninstall(ctx context.Context) error {
	if err := a.oursToInstall(); err != nil {
		return err
	}
	var units []string
	for _, name := range []string{httpUnit, httpsUnit, serviceUnit} { // sockets first: they would start it again
		if a.isOurs(name) {
			units = append(units, name)
		}
	}
	if len(units) == 0 {
		a.say("Nothing of ten install is here")
		return nil
	}
	copied := a.copiedProgram()
	for _, verb := range []string{"stop", "disable"} {
		if _, err := a.execute(ctx, "systemctl", append([]string{"--quiet", verb}, units...)...); err != nil {
			return fmt.Errorf("cannot end it: %w", err)
		}
	}
	gone := []string{"/etc/sysusers.d/tenement.conf"}
	for _, name := range units {
		gone = append(gone, filepath.Join(unitDir, name))
	}
	if copied != "" {
		gone = append(gone, copied)
	}
	for _, path := range gone {
		err := os.Remove(filepath.Join(a.sysroot, path))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove it: %w", err)
		}
		if err == nil {
			a.say("Removed %s", path)
		}
	}
	if _, err := a.execute(ctx, "systemctl", "daemon-reload"); err != nil {
		return fmt.Errorf("cannot tell systemd: %w", err)
	}
	a.say("Kept: the data directory, %s, and the user %s, to whom files may belong", etcDir, ownUser)
	return nil
}

// copiedProgram is the copy that install made; "" = none.
func (a *app) copiedProgram() string {
	text, err := os.ReadFile(filepath.Join(a.sysroot, unitDir, serviceUnit))
	if err != nil {
		return ""
	}
	_, rest, _ := bytes.Cut(text, []byte(copiedMark))
	path, _, _ := strings.Cut(string(rest), "\n")
	return path
}
