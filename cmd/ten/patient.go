package main

import (
	"cmp"
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tenement/conf"
)

// patient is what the doctor looks at besides the kernel: a daemon with its
// configuration, running or not.
type patient struct {
	place    place
	domain   string
	listen   listenOptions
	chosen   bool   // somebody named the port: another will not do
	pid      int    // of the daemon; 0 = none answers
	unitDir  string // where `ten install` writes
	resolver *net.Resolver
}

// served is what a daemon answers to, as far as it can be told from outside.
type served struct {
	domain string // "" = unknown
	port   int    // 0 = unknown
	tls    bool
}

// patient finds out whom the command line means: flags first, then what the
// running daemon serves, then what `ten install` wrote, then the file.
func (a *app) patient(p place, f serveFlags) patient {
	t := p.config.Settings.TLS
	who := patient{place: p, resolver: a.resolver, unitDir: filepath.Join(a.sysroot, unitDir)}
	known := who.installed()
	if answers(filepath.Join(p.runDir, controlName)) {
		who.pid = lockedPID(p.dataDir)
		if s := servedAt(lockedURL(p.dataDir)); s.port != 0 {
			known, t.Enabled = s, s.tls
		}
	}
	who.listen, who.chosen = f.listenOptions(p.config, t, nil), f.portSet || t.Enabled
	if !f.portSet && known.port != 0 {
		who.listen.port, who.chosen = known.port, true
	}
	who.domain = f.domain
	if !f.domainSet {
		who.domain = cmp.Or(known.domain, t.Domain, f.domain)
	}
	return who
}

// servedAt reads the URL that a daemon left beside its lock.
func servedAt(text string) served {
	u, err := url.Parse(text)
	if err != nil {
		return served{}
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil { // on a Unix socket
		return served{}
	}
	return served{u.Hostname(), port, u.Scheme == "https"}
}

// installed is what the unit of `ten install` for this configuration serves.
func (who patient) installed() (s served) {
	text, err := os.ReadFile(filepath.Join(who.unitDir, serviceUnit))
	if err != nil || !strings.Contains(string(text), "\nEnvironment=TENEMENT_CONFIG="+specifiers(who.place.config.Path)+"\n") {
		return s
	}
	_, line, _ := strings.Cut(string(text), "\nExecStart=")
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(line)
	for i, word := range words[:max(len(words)-1, 0)] {
		switch word {
		case "--domain":
			s.domain = words[i+1]
		case "--port":
			s.port, _ = strconv.Atoi(words[i+1]) // 0 = unknown
		}
	}
	return s
}

// findings looks at everything, in some seconds at most.
func (who patient) findings(ctx context.Context) []finding {
	all := append(who.ports(), who.names(ctx)...)
	return append(append(all, readClock().judge(who.place.config.Settings.TLS.Enabled)), who.room()...)
}

// acme reports that certificates depend on who reaches this machine.
func acme(config *conf.Config) bool {
	return config.Settings.TLS.Enabled && config.Settings.TLS.ACME
}
