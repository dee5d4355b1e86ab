package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tenement/conf"
)

// Where an installed tenement is found.
const (
	etcDir     = "/etc/tenement"
	unitDir    = "/etc/systemd/system"
	stateDir   = "/var/lib/tenement"
	programDir = "/usr/local/bin" // of a program that was run from elsewhere
	ownUser    = "tenement"
)

// installFlags is what `ten install` was asked for.
type installFlags struct {
	domain, email, provider string
	port                    int // 0 = the usual one
	caddy, dryRun           bool
}

func (a *app) installCmd() *cobra.Command {
	var f installFlags
	cmd := &cobra.Command{
		Use: "install -d DOMAIN", Short: "Make this server run tenement by systemd, from now on and after every boot", Args: needsDomain,
		Long: `Makes this server run tenement by systemd: the units, a user, directories, and a
tenement.toml in ` + etcDir + ` unless there is one. The units are chosen by what the
configuration asks for, and the command says which. Running it again changes what
has to be changed, nothing else. ` + "`ten uninstall`" + ` takes all of it away but the data.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.install(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.domain, "domain", "d", "", "tenants answer to ID.SERVICE.DOMAIN (required)")
	flags.IntVarP(&f.port, "port", "p", 0, "port of visitors (default 80, with TLS tls.https_port, behind Caddy 8080)")
	flags.StringVarP(&a.flags.config, "config", "c", "", "the tenement.toml to use (default "+etcDir+"/"+conf.FileName+", which is made)")
	flags.StringVar(&f.email, "email", "", "in a new tenement.toml: HTTPS by Let's Encrypt, which writes to this address")
	flags.BoolVar(&f.caddy, "caddy", false, "listen on 127.0.0.1 behind Caddy, and write a Caddyfile for it")
	flags.StringVar(&f.provider, "dns-provider", "", "with --caddy: its DNS module, for wildcard certificates")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print all that would be done, and do nothing")
	return cmd
}

func (a *app) install(ctx context.Context, f installFlags) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}
	p, err := a.planInstall(f, program)
	if err != nil {
		return err
	}
	if f.dryRun {
		a.printPlan(p)
		return nil
	}
	return a.apply(ctx, p)
}

// planInstall reads what there is and says what has to be.
func (a *app) planInstall(f installFlags, program string) (*installation, error) {
	if f.port < 0 || f.port > 65535 {
		return nil, fmt.Errorf("--port %d: a port from 1 to 65535 is expected", f.port)
	}
	if f.provider != "" && !f.caddy {
		return nil, errors.New("--dns-provider goes with --caddy: tenement itself proves its names by tls.dns_hook, see docs/tls.md")
	}
	domain, err := conf.ParseDomain(f.domain)
	if err != nil {
		return nil, fmt.Errorf("--domain %q: %w", f.domain, err)
	}
	f.domain = domain
	p := &installation{flags: f}
	if err := p.findProgram(program); err != nil {
		return nil, err
	}
	if err := a.planConfig(p); err != nil {
		return nil, err
	}
	where := a.placeOf(p.config)
	p.dataDir, p.runDir, p.elsewhere = where.dataDir, where.runDir, a.chosenDataDir() != ""
	if p.config.Settings.RunDir == "" {
		p.runDir = runDirOf(p.dataDir)
	}
	return p, p.plan()
}

// planConfig takes the configuration that was named, or else that of /etc, which
// is written when it is not there.
func (a *app) planConfig(p *installation) error {
	path := a.configPath()
	if path == "" {
		path = filepath.Join(a.sysroot, etcDir, conf.FileName)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	p.config, err = conf.Load(path)
	if a.configPath() == "" && errors.Is(err, fs.ErrNotExist) {
		text := starter(p.flags)
		p.files = append(p.files, plannedFile{filepath.Join(etcDir, conf.FileName), text, 0o644})
		p.config, err = conf.Parse(path, []byte(text))
	} else if err == nil && p.flags.email != "" {
		return fmt.Errorf("--email is for a new file, and %s is there: set tls.enabled, tls.domain and tls.acme_email in it", path)
	}
	if err != nil {
		return err
	}
	p.config, err = a.withDataDir(p.config)
	p.configPath = path
	return err
}

// starter is the tenement.toml of a new server.
func starter(f installFlags) string {
	how := "# tls.enabled = true              # HTTPS, by Let's Encrypt\n" +
		"# tls.domain = " + tomlString(f.domain) + "\n# tls.acme_email = \"me@example.org\"\n"
	switch {
	case f.caddy:
		how = "trusted_proxies = [\"127.0.0.1\"]   # Caddy, which says who the visitor is\n"
	case f.email != "":
		how = "tls.enabled = true\ntls.domain = " + tomlString(f.domain) + "\ntls.acme_email = " + tomlString(f.email) + "\n" +
			"# tls.dns_hook = \"/usr/local/bin/dns-hook\"   # one wildcard per service; without it a certificate per tenant\n"
	}
	return "# Written by `ten install`. `ten check` says what is wrong with it, `ten reload` applies it.\n\n" +
		"[settings]\ndata_dir = \"" + stateDir + "\"\n" + how + `
# Every customer of notes is a process of its own, at https://ID.notes.` + f.domain + `/
# [service.notes]
# command = "./notes"
# workdir = "/srv/notes"
# idle_timeout = 300       # seconds without a request until a tenant sleeps
# apex = "none"            # notes.` + f.domain + ` itself shows nobody's tenant
`
}
