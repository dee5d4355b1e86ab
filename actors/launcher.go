package actors

import (
	"context"
	"net/netip"
	"syscall"
	"time"

	"tenement/sandbox"
)

// launcher makes processes; *sandbox.Engine is one. Tests replace it, and
// nothing else.
type launcher interface {
	Supports(sandbox.Level) error
	Enforces(sandbox.Limits) error
	OpenEgress(netip.Prefix) error
	Start(sandbox.Spec, sandbox.Events) (process, error)
	End(sandbox.Record) error
	Sweep() (ended int, err error)
	FreePort() (int, error)
	ReleasePort(port int)
	CPUOfAll() (spent time.Duration, counted bool)
	Close() error
}

// process is a running tenant; *sandbox.Process is one.
type process interface {
	Pid() int
	Ready(ctx context.Context) (sandbox.Endpoint, error)
	Listens(ctx context.Context) error
	Terminate() error
	Kill() error
	Settle(patience time.Duration)
	Release() error
	Record() sandbox.Record
	Usage() sandbox.Usage
	Limit(sandbox.Limits) error
	Exec(c sandbox.Command, exited func(sandbox.Status)) (signal func(syscall.Signal) error, err error)
}

// engine is the real launcher.
type engine struct{ *sandbox.Engine }

func (e engine) Start(s sandbox.Spec, ev sandbox.Events) (process, error) {
	p, err := e.Engine.Start(s, ev)
	if err != nil {
		return nil, err // not a nil *Process in an interface
	}
	return p, nil
}
