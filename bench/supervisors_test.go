package main

import (
	"errors"
	"testing"

	"tenement/bench/peers"
)

// Each supervisor runs its services, is measured without them, and leaves none.
func TestSupervisors_RunServicesAndLeaveNone(t *testing.T) {
	t.Parallel()
	for _, name := range peers.Supervisors {
		b := &bench{work: t.TempDir()}
		none, err := supervisorMemory(b, name, 0)
		if errors.Is(err, peers.ErrMissing) {
			t.Logf("left out: %v", err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		some, err := supervisorMemory(b, name, 3)
		if err != nil || none <= 0 || some < none/2 {
			t.Errorf("%s: %.2f MB with none, %.2f MB with 3, %v", name, none, some, err)
		}
	}
}

func TestPrivateOf_NeedsTheProcesses(t *testing.T) {
	t.Parallel()
	if _, err := privateOf([]int{1 << 30}); err == nil {
		t.Error("no such process has memory")
	}
}
