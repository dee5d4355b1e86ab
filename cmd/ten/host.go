package main

import (
	"context"

	"tenement/actors"
	"tenement/conf"
	"tenement/edge"
)

// host is the supervision tree as serve runs it; *actors.Host is one.
type host interface {
	edge.Host
	// StartListed registers and wakes the tenants of [instances]; it does not
	// wait until they run.
	StartListed(ctx context.Context) error
	// Reload makes the tree run by another configuration; an error changes nothing.
	Reload(ctx context.Context, next *conf.Config) ([]conf.Difference, error)
	// Shutdown stops all tenants in parallel. When ctx ends, it kills what is left.
	Shutdown(ctx context.Context) error
	// Done is closed when the tree has ended, asked to or not.
	Done() <-chan struct{}
}

func newHost(o actors.Options) (host, error) {
	h, err := actors.NewHost(o)
	if err != nil {
		return nil, err
	}
	return h, nil
}
