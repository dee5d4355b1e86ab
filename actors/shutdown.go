package actors

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// hurryTime is how long killed processes, and then actors, may take to be gone.
const hurryTime = 3 * time.Second

// Shutdown ends all tenants in parallel and then the tree. It returns when no
// process is left; when ctx ends first they are killed. A second call waits for
// the first.
func (h *Host) Shutdown(ctx context.Context) error {
	if h.stopping.Swap(true) {
		select {
		case <-h.ended:
			return h.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h.rollouts.stop()
	h.err = h.shutdown(ctx)
	close(h.ended)
	h.finish()
	return h.err
}

func (h *Host) shutdown(ctx context.Context) error {
	orphaned, err := h.endTenants(ctx)
	h.closeUsage()
	// No StopFuture: its time limit is fixed. The children end with their root,
	// and everybody who waits for one of them is answered.
	h.system.Root.Stop(h.hostPID)
	select {
	case <-h.actorsEnded:
	case <-time.After(hurryTime):
		err = errors.Join(err, errors.New("the actors do not end"))
	}
	if orphaned {
		// Nobody decides for the processes any more; their records know them.
		err = errors.Join(err, h.endSurvivors())
	}
	err = errors.Join(err, h.book.store.Close(), h.launcher.Close())
	h.system.Shutdown()
	return err
}

// endTenants returns when no process is left, with orphaned when there is nobody
// to end them.
func (h *Host) endTenants(ctx context.Context) (orphaned bool, err error) {
	broken := false // a part of the tree is missing, perhaps the one that keeps the deadlines
	select {
	case <-h.done:
		broken = true
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, drainTime+graceTime)
		defer cancel()
	default:
	}
	quiet, nobody := make(chan struct{}), make(chan error, 1)
	h.toServices(&shutdown{done: quiet, nobody: nobody})
	select {
	case <-quiet:
		return false, nil
	case <-nobody:
		return true, nil
	case <-ctx.Done():
		err := h.hurry(ctx, quiet)
		if err != nil && broken {
			return true, nil
		}
		return false, err
	}
}

// hurry kills what is asked nicely at present.
func (h *Host) hurry(ctx context.Context, quiet <-chan struct{}) error {
	for _, s := range *h.services.Load() {
		s.cells.Range(func(_, v any) bool {
			if c := v.(*Cell); !c.rested() {
				// EventEnd again: these may be there before the services' own.
				for _, e := range []Event{EventEnd, EventDrainOver, EventGraceOver} {
					h.tell(c, &order{event: e})
				}
			}
			return true
		})
	}
	select {
	case <-quiet:
		return nil
	case <-time.After(hurryTime):
		return fmt.Errorf("tenants are still running: %w", ctx.Err())
	}
}
