package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"tenement/conf"
	"tenement/edge"
)

// listenOptions says where visitors are awaited.
type listenOptions struct {
	bind     []string // IP addresses, "unix:/path"; none = passed, else every address
	port     int      // of the addresses; with TLS that of HTTPS; 0 = a free one
	tls      bool
	httpPort int      // with TLS: where plain HTTP is sent to HTTPS; 0 = a free one
	passed   []passed // by systemd
}

// listeners are those of visitors, by what is spoken on them.
type listeners struct {
	http     []net.Listener // plain, served
	https    []net.Listener
	redirect []net.Listener // plain, sent to https
}

// all gives every listener, first the one whose address names the daemon.
func (l *listeners) all() []net.Listener { return slices.Concat(l.https, l.http, l.redirect) }

func (l *listeners) close() {
	for _, one := range l.all() {
		one.Close()
	}
}

// listen binds the public listeners, all of them or none. On a Unix socket plain
// HTTP is served, with TLS too: who connects there is a proxy of this machine.
func listen(o listenOptions) (*listeners, error) {
	l := &listeners{}
	err := l.adopt(o)
	if len(o.bind) == 0 && len(o.passed) == 0 {
		o.bind = []string{""}
	}
	for _, address := range o.bind {
		if err == nil && !o.passes(address) {
			err = l.bind(o, address)
		}
	}
	if err != nil {
		l.close()
		for _, p := range o.passed {
			p.listener.Close()
		}
		return nil, err
	}
	return l, nil
}

// passes reports that a socket of this address came from systemd, which binds
// what the file's bind says before the daemon comes: `ten install` has it so.
func (o listenOptions) passes(address string) bool {
	return slices.ContainsFunc(o.passed, func(p passed) bool {
		switch a := p.listener.Addr().(type) {
		case *net.TCPAddr:
			return a.IP.Equal(net.ParseIP(address)) && (a.Port == o.port || o.tls && a.Port == o.httpPort)
		case *net.UnixAddr:
			return conf.UnixPrefix+a.Name == address
		}
		return false
	})
}

func (l *listeners) bind(o listenOptions, address string) (err error) {
	if path, unix := strings.CutPrefix(address, conf.UnixPrefix); unix {
		one, err := edge.ListenUnix(path)
		if err == nil {
			l.http = append(l.http, one)
		}
		return err
	}
	if !o.tls {
		l.http, err = appendTCP(l.http, address, o.port, "--port")
		return err
	}
	if l.https, err = appendTCP(l.https, address, o.port, "tls.https_port"); err == nil {
		l.redirect, err = appendTCP(l.redirect, address, o.httpPort, "tls.http_port")
	}
	return err
}

// adopt takes the sockets that systemd passed.
func (l *listeners) adopt(o listenOptions) error {
	for _, p := range o.passed {
		_, unix := p.listener.Addr().(*net.UnixAddr)
		switch {
		case p.name == passedHTTPS && !o.tls:
			return fmt.Errorf("systemd passed a socket named %s, but TLS is off: set tls.enabled, or name it %s", passedHTTPS, passedHTTP)
		case p.name == passedHTTPS:
			l.https = append(l.https, p.listener)
		case o.tls && !unix:
			l.redirect = append(l.redirect, p.listener)
		default:
			l.http = append(l.http, p.listener)
		}
	}
	return nil
}

// appendTCP binds one address, or for "" every address of both families, each
// with a socket of its own so that a visitor's IPv4 address never looks like an
// IPv6 one. setting is where the port comes from.
func appendTCP(to []net.Listener, address string, port int, setting string) ([]net.Listener, error) {
	if address != "" {
		one, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		if err != nil {
			return to, listenError(err, setting)
		}
		return append(to, one), nil
	}
	four, err := net.Listen("tcp4", net.JoinHostPort("0.0.0.0", strconv.Itoa(port)))
	if err != nil {
		return to, listenError(err, setting)
	}
	port = four.Addr().(*net.TCPAddr).Port
	six, err := net.Listen("tcp6", net.JoinHostPort("::", strconv.Itoa(port)))
	switch {
	case err == nil:
		return append(to, four, six), nil
	case errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.EADDRNOTAVAIL): // a host without IPv6
		return append(to, four), nil
	}
	four.Close()
	return to, listenError(err, setting)
}

func listenError(err error, setting string) error {
	advice := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = ": stop whoever uses that port, or choose another with " + setting
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = ": this machine has no such address; `ip address` lists those that bind can name"
	case errors.Is(err, syscall.EACCES):
		advice = ": ports below 1024 need root, CAP_NET_BIND_SERVICE, or a socket passed by systemd; choose another with " + setting
	}
	return fmt.Errorf("cannot listen: %w%s", err, advice)
}

// serverURL is how this daemon is reached; for one without a port, its socket.
func serverURL(domain string, l *listeners) string {
	scheme := "http"
	if len(l.https) > 0 {
		scheme = "https"
	}
	if a := tcpAddress(l.all()); a != nil {
		return fmt.Sprintf("%s://%s:%d", scheme, domain, a.Port)
	}
	return conf.UnixPrefix + l.all()[0].Addr().String()
}

// httpsPort is where plain HTTP is sent to; systemd may have chosen it. The
// default when HTTPS is on no TCP port.
func (l *listeners) httpsPort() int {
	if a := tcpAddress(l.https); a != nil {
		return a.Port
	}
	return defaultHTTPS
}

// defaultHTTPS is the port that URLs leave out.
const defaultHTTPS = 443

// passed is a listening socket that systemd made for us.
type passed struct {
	name     string // passedHTTP or passedHTTPS
	listener net.Listener
}

// What FileDescriptorName= in a .socket unit may say.
const (
	passedHTTP  = "http"
	passedHTTPS = "https"
)

// firstPassed is the descriptor that passed sockets begin at (sd_listen_fds(3)).
const firstPassed = 3

// takePassed gives the sockets that were passed to this very process, none when
// the variables are another's. Tenants get neither the sockets nor the variables.
func takePassed() (all []passed, err error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"} {
		os.Unsetenv(name)
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxPassed {
		return nil, fmt.Errorf("LISTEN_FDS=%q: a number up to %d is expected from systemd", count, maxPassed)
	}
	files := make([]*os.File, n)
	for i := range files {
		syscall.CloseOnExec(firstPassed + i)
		files[i] = os.NewFile(uintptr(firstPassed+i), "systemd")
	}
	return adoptFiles(files, strings.Split(names, ":"))
}

// maxPassed is far more sockets than anybody passes.
const maxPassed = 64

// adoptFiles makes listeners of passed descriptors and closes those. On an
// error nothing stays open.
func adoptFiles(files []*os.File, names []string) (all []passed, err error) {
	for i, f := range files {
		p := passed{}
		if i < len(names) {
			p.name = names[i]
		}
		if err == nil {
			p.listener, err = adoptFile(f, p.name, firstPassed+i)
		}
		f.Close()
		if p.listener != nil {
			all = append(all, p)
		}
	}
	if err != nil {
		for _, p := range all {
			p.listener.Close()
		}
		return nil, err
	}
	return all, nil
}

func adoptFile(f *os.File, name string, fd int) (net.Listener, error) {
	if name != passedHTTP && name != passedHTTPS {
		return nil, fmt.Errorf("systemd passed a socket named %q as descriptor %d: set FileDescriptorName= in its .socket unit to %s or %s",
			name, fd, passedHTTP, passedHTTPS)
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("systemd passed descriptor %d, named %s, on which nothing can be accepted (ListenStream= is expected): %w", fd, name, err)
	}
	return l, nil
}
