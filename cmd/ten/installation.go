package main

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tenement/conf"
)

// plannedFile is a file as it has to be.
type plannedFile struct {
	path, text string
	mode       uint32
}

// installation is what has to be on a server: pure, made of the configuration
// and the flags. apply carries it out.
type installation struct {
	flags               installFlags
	config              *conf.Config
	configPath          string
	dataDir, runDir     string
	program             string // that the units start
	copied              string // from where program is to be copied; "" = it is there
	view                view
	port                int
	sockets             []socketUnit
	files               []plannedFile
	remarks             []string
	elsewhere           bool // data_dir was named by --data-dir, not by the file
	homeShown, tmpShown bool // the configuration names paths below /home, below /tmp
}

// view is what of the host the unit leaves to the daemon, and so to its tenants
// at isolation = "process", who are promised all of it.
type view int

const (
	enclosedView view = iota // every service is at namespace or sandbox
	userView                 // every service is at process, as the daemon's user
	rootView                 // both, or other users
)

// String says which unit it is.
func (v view) String() string {
	switch v {
	case enclosedView:
		return "enclosed: root with few rights and without the host's homes, disks and temporary files; every service has an enclosure of its own"
	case userView:
		return "with the host's view, as the user " + ownUser + ": every service is at isolation = \"process\""
	case rootView:
		return "with the host's view, as root: some services are at isolation = \"process\", others are not, or name a user"
	}
	return "unknown"
}

// viewFor chooses the unit by the configuration.
func viewFor(config *conf.Config) view {
	process, plain := 0, 0
	for _, s := range config.Services {
		if s.Isolation == conf.IsolationProcess {
			process++
			if s.User == "" {
				plain++
			}
		}
	}
	switch {
	case process == 0:
		return enclosedView
	case plain == len(config.Services):
		return userView
	}
	return rootView
}

// The units.
const (
	serviceUnit = "tenement.service"
	httpUnit    = "tenement-http.socket"
	httpsUnit   = "tenement-https.socket"
)

// socketUnit is one .socket unit.
type socketUnit struct {
	name, speaks string // unit and passedHTTP or passedHTTPS
	streams      []string
}

// plan draws the conclusions.
func (p *installation) plan() error {
	p.view = viewFor(p.config)
	if err := p.planSockets(); err != nil {
		return err
	}
	paths := p.named()
	p.homeShown = slices.ContainsFunc(paths, func(path string) bool { return anyBeneath(path, "/home", "/root", "/run/user") })
	p.tmpShown = slices.ContainsFunc(paths, func(path string) bool { return anyBeneath(path, "/tmp", "/var/tmp") })
	p.remark()
	p.files = append(p.files,
		plannedFile{"/etc/sysusers.d/tenement.conf", sysusers, 0o644},
		plannedFile{filepath.Join(unitDir, serviceUnit), p.service(), 0o644})
	for _, s := range p.sockets {
		p.files = append(p.files, plannedFile{filepath.Join(unitDir, s.name), s.unit(), 0o644})
	}
	if p.flags.caddy {
		upstream := net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port))
		p.files = append(p.files, plannedFile{filepath.Join(etcDir, "Caddyfile"), caddyfile(p.config, p.flags.domain, upstream, p.flags.provider), 0o644})
	}
	words := append(p.written(), p.program, p.configPath)
	for _, s := range p.sockets {
		words = append(words, s.streams...)
	}
	return checkUnitText(words...)
}

const sysusers = unitHead + "u " + ownUser + " - \"tenement\" " + stateDir + "\n"

// planSockets says where systemd listens for the daemon.
func (p *installation) planSockets() error {
	t := p.config.Settings.TLS
	switch {
	case p.flags.caddy && t.Enabled:
		return fmt.Errorf("behind Caddy the certificates are Caddy's: set tls.enabled = false in %s, or leave out --caddy", p.configPath)
	case p.flags.caddy:
		p.port = 8080
	case t.Enabled:
		p.port = t.HTTPSPort
		t.Domain = p.flags.domain
		if err := checkTLS(t); err != nil {
			return err
		}
	default:
		p.port = 80
		p.remarks = append(p.remarks, "plain HTTP only: for HTTPS set tls.enabled and tls.acme_email, or tls.certificates, in "+p.configPath+" and run this again")
	}
	if p.flags.port != 0 {
		p.port = p.flags.port
	}
	if t.Enabled {
		if p.port == t.HTTPPort {
			return fmt.Errorf("HTTPS and plain HTTP cannot both be on port %d: choose another with --port or tls.http_port", p.port)
		}
		p.sockets = []socketUnit{{httpsUnit, passedHTTPS, p.streams(p.port, false)}, {httpUnit, passedHTTP, p.streams(t.HTTPPort, true)}}
		return nil
	}
	p.sockets = []socketUnit{{httpUnit, passedHTTP, p.streams(p.port, true)}}
	return nil
}

// streams are the addresses of a socket unit: what bind says, else all, behind a
// proxy the loopback alone.
func (p *installation) streams(port int, plain bool) (all []string) {
	addresses := p.config.Settings.Bind
	switch {
	case p.flags.caddy:
		addresses = []string{"127.0.0.1"}
	case len(addresses) == 0:
		addresses = []string{"0.0.0.0", "::"}
	}
	for _, a := range addresses {
		if path, unix := strings.CutPrefix(a, conf.UnixPrefix); !unix {
			all = append(all, net.JoinHostPort(a, strconv.Itoa(port)))
		} else if plain {
			all = append(all, path)
		}
	}
	return all
}

// named are all paths that the configuration names for the daemon or its tenants.
func (p *installation) named() []string {
	s := p.config.Settings
	all := append(p.written(), p.configPath, s.TLS.ACMECARoot, s.RunscPath, p.program)
	for _, c := range s.TLS.Certificates {
		all = append(all, c.CertFile, c.KeyFile)
	}
	if len(s.TLS.DNSHook) > 0 {
		all = append(all, s.TLS.DNSHook[0])
	}
	for _, name := range p.config.ServiceNames() {
		service := p.config.Services[name]
		all = append(all, service.Workdir, service.EnvFile, service.Rootfs, service.Argv[0])
		for _, path := range service.Secrets {
			all = append(all, path)
		}
		for _, m := range service.Mounts {
			all = append(all, m.Source)
		}
	}
	return all
}

// written are those of them that are written to.
func (p *installation) written() []string {
	s := p.config.Settings
	all := []string{p.dataDir, p.runDir, s.TLS.CacheDir}
	if s.AccessLogFile != conf.Stdout {
		all = append(all, filepath.Dir(s.AccessLogFile))
	}
	for _, name := range p.config.ServiceNames() {
		for _, m := range p.config.Services[name].Mounts {
			if !m.ReadOnly {
				all = append(all, m.Source)
			}
		}
	}
	return all
}

// remark says what the operator may not expect.
func (p *installation) remark() {
	if p.view == rootView {
		for _, name := range p.config.ServiceNames() {
			if s := p.config.Services[name]; s.Isolation == conf.IsolationProcess && s.User == "" {
				p.remarks = append(p.remarks, fmt.Sprintf("tenants of %s run as root: set user = %q in [service.%s], or isolation = \"namespace\"", name, ownUser, name))
			}
		}
	}
	if p.view == enclosedView && p.homeShown {
		p.remarks = append(p.remarks, "the configuration names files below /home or /root, so the unit shows them")
	}
	if p.view == enclosedView && p.tmpShown {
		p.remarks = append(p.remarks, "the configuration names files below /tmp, so the unit shows the host's /tmp")
	}
	if p.view == enclosedView && len(p.config.Settings.TLS.DNSHook) > 0 {
		p.remarks = append(p.remarks, "tls.dns_hook runs inside the unit: it can write below "+p.dataDir+" and /tmp only")
	}
	if p.flags.caddy && len(p.config.Settings.TrustedProxies) == 0 {
		p.remarks = append(p.remarks, "tenants would see Caddy as their visitor: set trusted_proxies = [\"127.0.0.1\"] in "+p.configPath)
	}
	if p.flags.caddy {
		p.remarks = append(p.remarks, "have Caddy use it: write `import "+etcDir+"/Caddyfile` into /etc/caddy/Caddyfile and run `systemctl reload caddy`")
	}
}

// findProgram settles what the units start: this program, where it will still be
// tomorrow, else a copy.
func (p *installation) findProgram(program string) error {
	program, err := filepath.EvalSymlinks(program)
	if err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}
	p.program = program
	if !anyBeneath(program, "/usr", "/opt") {
		p.program, p.copied = filepath.Join(programDir, "ten"), program
	}
	return nil
}

// anyBeneath reports that a path is one of the places, or below it.
func anyBeneath(path string, places ...string) bool {
	return slices.ContainsFunc(places, func(place string) bool { return path == place || strings.HasPrefix(path, place+"/") })
}
