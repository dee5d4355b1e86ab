package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tenement/conf"
	"tenement/sandbox"
)

// wantedPort is a port that visitors come to.
type wantedPort struct {
	number  int
	setting string // by which another is chosen
}

// wanted are the ports that the daemon listens on; none when it is behind Unix
// sockets only.
func (o listenOptions) wanted() []wantedPort {
	addresses := func(a string) bool { return !strings.HasPrefix(a, conf.UnixPrefix) }
	switch {
	case len(o.bind) > 0 && !slices.ContainsFunc(o.bind, addresses):
		return nil
	case o.tls:
		return []wantedPort{{o.port, "tls.https_port"}, {o.httpPort, "tls.http_port"}}
	}
	return []wantedPort{{o.port, "--port"}}
}

// ports says of each whether it is free, or held by whom.
func (who patient) ports() (all []finding) {
	for _, w := range who.listen.wanted() {
		name := fmt.Sprintf("port %d", w.number)
		listeners, err := sandbox.ListenersOn(uint16(w.number))
		if err != nil {
			all = append(all, finding{name, doubtful, err.Error(), "nobody knows whether it is free", "run this where /proc is mounted"})
			continue
		}
		all = append(all, who.judgePort(name, w, listeners))
	}
	return all
}

// judgePort finds the first listener that would keep the daemon's out.
func (who patient) judgePort(name string, w wantedPort, listeners []sandbox.Listener) finding {
	held := good(name, "free")
	for _, l := range listeners {
		if !who.listen.meets(l.Address.Addr()) {
			continue
		}
		switch {
		case who.pid != 0 && l.HeldBy(who.pid):
			return good(name, fmt.Sprintf("held by this daemon, pid %d", who.pid))
		case l.HeldBy(1) && who.socketUnit(w.number):
			held = good(name, "held by systemd for the daemon")
		default:
			return who.taken(name, w, l)
		}
	}
	return held
}

func (who patient) taken(name string, w wantedPort, l sandbox.Listener) finding {
	f := finding{name, doubtful, fmt.Sprintf("%s listens on %s", holders(l), l.Address), "`ten serve` needs another port", "ten serve --port N"}
	if who.chosen {
		f.State, f.Means = wrong, "the daemon cannot listen there: visitors reach somebody else"
		f.Remedy = "choose another with " + w.setting + ", or stop that one: `ss -ltnp 'sport = :" + strconv.Itoa(w.number) + "'` as root says its name"
		if len(l.Holders) > 0 {
			pid := l.Holders[len(l.Holders)-1].PID // systemd comes before whom it started
			f.Remedy = fmt.Sprintf("choose another with %s, or stop that one: `systemctl status %d` names its unit, `kill %d` ends it", w.setting, pid, pid)
		}
	}
	return f
}

func holders(l sandbox.Listener) string {
	var all []string
	for _, h := range l.Holders {
		all = append(all, fmt.Sprintf("%s (pid %d)", h.Name, h.PID))
	}
	if len(all) == 0 {
		return fmt.Sprintf("a process of uid %d, whose name only root may see,", l.UID)
	}
	return strings.Join(all, " and ")
}

// meets reports that who listens on an address keeps us from one of ours. A
// socket on [::] may take IPv4 as well.
func (o listenOptions) meets(at netip.Addr) bool {
	if len(o.bind) == 0 {
		return true
	}
	return slices.ContainsFunc(o.bind, func(text string) bool {
		ours, err := netip.ParseAddr(text)
		if err != nil { // a Unix socket
			return false
		}
		all := func(a netip.Addr) bool { return a.IsUnspecified() }
		return ours == at || all(at) && (at.Is6() || ours.Is4()) || all(ours) && (ours.Is6() || at.Is4())
	})
}

// socketUnit reports that one of our socket units listens on a port.
func (who patient) socketUnit(port int) bool {
	for _, name := range []string{httpUnit, httpsUnit} {
		text, _ := os.ReadFile(filepath.Join(who.unitDir, name)) // unreadable: there is none
		for line := range strings.Lines(string(text)) {
			stream, isStream := strings.CutPrefix(strings.TrimSpace(line), "ListenStream=")
			if at, err := netip.ParseAddrPort(stream); isStream && err == nil && int(at.Port()) == port {
				return true
			}
		}
	}
	return false
}
