package actors

import "errors"

// resume picks a life up where an actor that panicked, or whose supervisor did,
// has left it. The news of its process that the old actor may have lost is in
// the cell.
func (t *tenant) resume() {
	l := t.life()
	l.verifying = false
	t.h.toServices(&stays{cell: t.cell}) // a lost evict is not obeyed
	switch n := t.cell.exit.Load(); {
	case l.clearing != nil:
		t.gone(l.gen) // or the message is on its way
	case l.machine.State == Stopping && l.process == nil:
		t.step(EventGone, ThenKeep)
	case n != nil && n.gen == l.gen && l.process != nil:
		t.exited(l.gen)
	case l.machine.State == Starting:
		t.resumeStart()
	default:
		t.carryOutAll(pickUp[l.machine.State])
		t.follow()
	}
}

func (t *tenant) resumeStart() {
	if t.life().process == nil {
		t.cannotStart(errors.New("its start was interrupted by a fault of tenement's own"))
		t.follow()
		return
	}
	t.arm(slotTime, dueSlot)
	if l := t.life(); l.hook != hookNone {
		t.arm(t.cell.config().HookTimeout, dueHook)
		return
	}
	t.watchReady()
}
