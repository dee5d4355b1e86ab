package actors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

// Forget unregisters a tenant, ends its process and, with deleteData, removes
// its directory and its logs. What has begun is done to its end, even when ctx
// ends.
func (h *Host) Forget(ctx context.Context, name conf.Instance, deleteData bool) error {
	s := h.service(name.Service)
	if s == nil {
		return ErrUnknownService
	}
	finished := make(chan error, 1)
	go func() { finished <- h.forget(s, name, deleteData) }() // ends with the process, or the tree
	select {
	case err := <-finished:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Host) forget(s *service, name conf.Instance, deleteData bool) error {
	var c *Cell
	err := h.edit(context.Background(), s, func(r *records) ([]ledger.Change, error) {
		if _, known := r.get(name.ID); !known {
			return nil, ErrUnknownTenant
		}
		if c = s.cell(name.ID); c == nil { // registered by the edit before this one
			return nil, fmt.Errorf("%s is being registered; try again in a moment", name)
		}
		return []ledger.Change{ledger.DeleteTenant{Name: name, KeepUID: !deleteData}}, nil
	})
	if err != nil {
		return err
	}
	err = h.end(c)
	if deleteData && !errors.Is(err, ErrStopping) {
		err = errors.Join(err, h.deleteData(c.name))
	}
	return errors.Join(err, h.bury(c))
}

// end returns when a tenant has no process and will never have one again. Its
// directory and its name must not be touched before, so it insists.
func (h *Host) end(c *Cell) error {
	for {
		err := h.settle(context.Background(), c, EventEnd)
		if c.rested() || c.look().machine.State == Ended {
			return err
		}
		if !h.wait(time.Second) {
			return ErrStopping
		}
	}
}

// bury frees a forgotten tenant's name.
func (h *Host) bury(c *Cell) error {
	for {
		buried := make(chan error, 1)
		h.root().Send(c.service.pid.Load(), &bury{cell: c, done: buried})
		if err := <-buried; err == nil {
			return nil
		}
		if !h.wait(time.Second) {
			return nil // the name is free when the daemon is
		}
	}
}

// wait waits a while, and reports false when the tree has ended.
func (h *Host) wait(d time.Duration) bool {
	select {
	case <-h.done:
		return false
	case <-time.After(d):
		return true
	}
}

// deleteData removes a tenant's directory and logs, and follows no symlink out.
func (h *Host) deleteData(name conf.Instance) error {
	root, err := os.OpenRoot(h.o.DataDir)
	if err != nil {
		return fmt.Errorf("cannot delete the data of %s: %w", name, err)
	}
	defer root.Close()
	if err := root.RemoveAll(name.Service + "/" + name.ID); err != nil {
		return fmt.Errorf("cannot delete the data of %s: %w", name, err)
	}
	return h.journal.Remove(name)
}
