package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tenement/bench/peers"
)

// subject is a proxy under test and the doors into it.
type subject struct {
	name    string
	version string
	doors   []door
	stop    func() error
}

// ours says that this is tenement, which is also held to what is our choice.
func (s *subject) ours() bool { return s.name == "tenement" }

// door is one way through a subject to one backend; trials at different doors
// do not meet.
type door struct {
	address string
	shard   int
	backend *backend
}

// How long a side waits for what has to come. Ours is held to answering, and
// gets the time that a busy machine may need; the others' silence is an answer.
const (
	ourPatience   = 5 * time.Second
	theirPatience = time.Second
)

func patience(name string) time.Duration {
	if name == "tenement" {
		return ourPatience
	}
	return theirPatience
}

// startPeer runs one of peers.Known in front of a backend.
func startPeer(name, dir string) (*subject, error) {
	socket := filepath.Join(dir, "backend.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("cannot start a backend: %w", err)
	}
	p, err := peers.Start(name, peers.Options{Dir: dir, Backend: socket})
	if err != nil {
		l.Close()
		return nil, err
	}
	b := &backend{patience: theirPatience}
	go b.serve(l) // ends with l
	return &subject{name: name, version: p.Version, doors: []door{{p.Address, 0, b}}, stop: func() error {
		defer l.Close()
		defer b.begin(reply{})
		return p.Stop()
	}}, nil
}

// services is the tenant that stands for the backend: a process that lends the
// socket which it is passed to this one, and waits. So the recording sees what
// a real tenant would.
const services = `[service.app]
command = %q
listen = "fd"
isolation = "process"
apex = "none"
idle_timeout = 0
request_timeout = %v
restart = "never"
`

// startOurs runs the ten binary with shards tenants alice and bob each.
func startOurs(binary, dir string, shards int, settings string) (*subject, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program: %w", err)
	}
	lender := filepath.Join(dir, "lend.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: lender, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot wait for tenants: %w", err)
	}
	defer l.Close()
	var tenants []string
	for i := range shards {
		tenants = append(tenants, fmt.Sprintf("app:alic%d", i), fmt.Sprintf("app:bo%d", i))
	}
	p, err := peers.StartTen(peers.TenOptions{Binary: binary, Dir: dir, Domain: "example.test", Settings: settings,
		Services: fmt.Sprintf(services, self+" "+lendVerb+" "+lender+" {id}", ourRequestTimeout.Seconds()), Tenants: tenants})
	if err != nil {
		return nil, err
	}
	s := &subject{name: "tenement", version: versionOf(binary)}
	var lent []net.Listener
	s.stop = func() error {
		for _, tenant := range lent {
			tenant.Close()
		}
		for _, d := range s.doors {
			d.backend.begin(reply{})
		}
		return p.Stop()
	}
	for i := range shards {
		b := &backend{patience: ourPatience}
		for _, id := range []string{fmt.Sprintf("alic%d", i), fmt.Sprintf("bo%d", i)} {
			tenant, err := wake(p.Address, id+".app.example.test", l, b)
			if err != nil {
				return nil, errors.Join(err, p.Stop(), errors.New(p.Log()))
			}
			lent = append(lent, tenant)
		}
		s.doors = append(s.doors, door{p.Address, i, b})
	}
	return s, nil
}

// wake asks for a tenant, which then lends its socket to b, until it answers. b
// serves until the listener that is returned is closed.
func wake(address, host string, lender *net.UnixListener, b *backend) (net.Listener, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot wake %s: %w", host, err)
	}
	defer c.Close()
	deadline := time.Now().Add(30 * time.Second)
	_, err = fmt.Fprintf(c, "GET /wake HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	if err := errors.Join(err, c.SetDeadline(deadline), lender.SetDeadline(deadline)); err != nil {
		return nil, fmt.Errorf("cannot wake %s: %w", host, err)
	}
	borrowed, err := lender.AcceptUnix()
	if err != nil {
		return nil, fmt.Errorf("%s does not wake: %w", host, err)
	}
	defer borrowed.Close()
	tenant, err := receive(borrowed)
	if err != nil {
		return nil, err
	}
	go b.serve(tenant)
	if _, err := c.Read(make([]byte, 512)); err != nil {
		tenant.Close()
		return nil, fmt.Errorf("%s does not answer: %w", host, err)
	}
	return tenant, nil
}

func versionOf(binary string) string {
	out, err := exec.Command(binary, "--version").CombinedOutput()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(line, "ten ")
}
