package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"tenement/bench/peers"
)

// bare is a program started by nobody but its start: the app's own share of a
// cold start, below which nobody can be.
type bare struct {
	argv    []string
	dir     string
	how     string // fd, unix, tcp
	address string // of its socket, or its port
	env     []string
}

// newBare fills in the command of a program. What is put in front of it, such as
// bwrap, runs it.
func (b *bench) newBare(p program, how string, wrap ...string) (bare, error) {
	one := bare{dir: b.apps(), how: how, address: filepath.Join(b.tmpfs, "bare.sock")}
	port := "0"
	if how == "tcp" {
		address, err := peers.FreeAddress()
		if err != nil {
			return one, err
		}
		one.address = address
		_, port, _ = net.SplitHostPort(address)
	}
	fill := strings.NewReplacer("{socket}", one.address, "{port}", port)
	one.argv = append(append([]string{}, wrap...), strings.Fields(fill.Replace(p.commands[how]))...)
	one.env = append(os.Environ(), "PORT="+port, "SOCKET_PATH="+one.address, "NODE_PATH="+nodePath, "PYTHONDONTWRITEBYTECODE=1")
	return one, nil
}

// sample is one start until the first byte of the answer, in ms.
func (o bare) sample() (float64, error) {
	took, end, err := o.start()
	if end != nil {
		end()
	}
	return milliseconds(took), err
}

// start leaves the program running until end.
func (o bare) start() (took time.Duration, end func(), err error) {
	cmd := exec.Command(o.argv[0], o.argv[1:]...)
	cmd.Dir, cmd.Env = o.dir, o.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as a tenant is: the scheduler treats sessions alike; gunicorn and puma have children
	var visitor net.Conn
	var ours func()
	if o.how != "tcp" {
		os.Remove(o.address)
	}
	if o.how == "fd" {
		file, c, err := o.backlog()
		if err != nil {
			return 0, nil, err
		}
		ours = sync.OnceFunc(func() { file.Close() })
		defer ours()
		defer c.Close()
		cmd.ExtraFiles, visitor = []*os.File{file}, c
	}
	said := &bytes.Buffer{}
	cmd.Stderr = said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	if ours != nil {
		ours() // so that a program which ends at once leaves nobody waiting
	}
	end = func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // killed
	}
	if visitor == nil {
		if visitor, err = o.connect(began); err != nil {
			return 0, end, err
		}
		defer visitor.Close()
	}
	first, err := get(visitor, "localhost", "/")
	if err != nil {
		end()
		return 0, nil, fmt.Errorf("%s: %w: %.300s", o.argv[0], err, said)
	}
	return first.Sub(began), end, nil
}

// backlog is a listening socket in which a visitor is connected already, and waits.
func (o bare) backlog() (*os.File, net.Conn, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: o.address, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	visitor, err := net.Dial("unix", o.address)
	if err != nil {
		return nil, nil, err
	}
	file, err := l.File()
	if err != nil {
		visitor.Close()
	}
	return file, visitor, err
}

// lookEvery is how often a visitor tries whether somebody listens.
const lookEvery = 100 * time.Microsecond

// connect tries until the program listens.
func (o bare) connect(began time.Time) (net.Conn, error) {
	network := map[string]string{"unix": "unix", "tcp": "tcp"}[o.how]
	for {
		c, err := net.Dial(network, o.address)
		if err == nil {
			return c, nil
		}
		if time.Since(began) > 30*time.Second {
			return nil, fmt.Errorf("%q does not listen: %w", o.argv, err)
		}
		time.Sleep(lookEvery)
	}
}
