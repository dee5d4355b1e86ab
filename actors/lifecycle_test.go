package actors

import (
	"fmt"
	"testing"
)

// world is what the effects of the table do, as a model: FuzzLifecycle holds
// every sequence of events against its three promises.
type world struct {
	process  bool
	door     bool
	slot     bool
	visitors int
	settling int
}

func (w *world) carryOut(e Effect) error {
	switch e {
	case AskSlot:
		if w.slot {
			return fmt.Errorf("asks for a second slot")
		}
		w.slot = true
	case DropSlot:
		w.slot = false
	case Spawn:
		if w.process {
			return fmt.Errorf("a second process of one tenant")
		}
		w.process = true
	case OpenDoor:
		w.door = true
	case ShutDoor:
		w.door = false
	case AdmitWaiters:
		if !w.door {
			return fmt.Errorf("visitors admitted to a shut door")
		}
		w.visitors = 0
	case RefuseWaiters:
		w.visitors = 0
	case SettleStops:
		w.settling = 0
	case Terminate, Kill, Clear:
		if !w.process {
			return fmt.Errorf("%s without a process", e)
		}
	case RefuseHurried, Drain, Scrub, ArmRetry, Forgive:
	}
	return nil
}

// possible reports whether an event can reach a tenant at all: news of a
// process needs one.
func (w *world) possible(e Event, m Machine) bool {
	switch e {
	case EventReady, EventDied, EventHung, EventOverdue:
		return w.process
	case EventGone:
		return w.process && m.State == Stopping
	case EventStartFailed:
		return m.State == Starting
	}
	return true
}

func (w *world) take(m Machine, e Event, verdict Then) (Machine, error) {
	switch e {
	case EventWake, EventTrial, EventSummon, EventRestart:
		w.visitors++
	case EventStop, EventHold, EventUnhold, EventEnd:
		w.settling++
	case EventGone:
		w.process = false
	case EventStartFailed:
		w.process = false
	}
	next, effects, _ := m.Step(e, verdict)
	for _, effect := range effects {
		if err := w.carryOut(effect); err != nil {
			return next, err
		}
	}
	return next, w.check(next)
}

func (w *world) check(m Machine) error {
	has := m.State == Starting || m.State == Running || m.State == Draining || m.State == Stopping
	if w.process != has {
		return fmt.Errorf("process %v in %s", w.process, m.State)
	}
	if w.door != (m.State == Running) {
		return fmt.Errorf("door open %v in %s", w.door, m.State)
	}
	resting := m.State == Asleep || m.State == Failed || m.State == Held || m.State == Ended
	if resting && w.visitors > 0 {
		return fmt.Errorf("%d visitors forgotten in %s", w.visitors, m.State)
	}
	if resting && w.slot {
		return fmt.Errorf("a slot is kept in %s", m.State)
	}
	if w.settling > 0 && !has {
		return fmt.Errorf("%d stops never answered in %s", w.settling, m.State)
	}
	if (m.State == Draining || m.State == Stopping) != (m.Then != ThenKeep) {
		return fmt.Errorf("%s then %s", m.State, m.Then)
	}
	return nil
}

// verdicts are the ones that the policy can give to an event.
func verdicts(e Event) []Then {
	switch e {
	case EventDied:
		return []Then{ThenSleep, ThenWake, ThenRetry, ThenFail}
	case EventStartFailed, EventHung:
		return []Then{ThenSleep, ThenRetry, ThenFail}
	case EventOverdue:
		return []Then{ThenRetry}
	}
	return []Then{ThenKeep}
}

func FuzzLifecycle(f *testing.F) {
	f.Add([]byte{0, 4, 7, 10, 11, 8, 14})
	f.Add([]byte{0, 4, 8, 14, 15, 4, 7, 8, 14})
	f.Add([]byte{0, 4, 7, 16, 0, 11, 8, 14})
	f.Add([]byte{17, 0, 18, 0, 4, 9, 13, 8, 14, 19, 0})
	f.Fuzz(func(t *testing.T, events []byte) {
		m, w := Machine{}, &world{}
		for i, b := range events {
			e := Event(b % byte(numEvents))
			if !w.possible(e, m) {
				continue
			}
			vs := verdicts(e)
			from := m
			next, err := w.take(m, e, vs[int(b/byte(numEvents))%len(vs)])
			if err != nil {
				t.Fatalf("event %d: %s in %s/%s → %s/%s: %v", i, e, from.State, from.Then, next.State, next.Then, err)
			}
			m = next
		}
	})
}

// TestLifecycle_EveryReachablePlaceKeepsItsPromises walks all machines that can
// be reached, with every event and verdict: each transition of the table is
// taken, and none breaks a promise.
func TestLifecycle_EveryReachablePlaceKeepsItsPromises(t *testing.T) {
	type place struct {
		m Machine
		w world
	}
	taken := map[string]bool{}
	seen := map[place]bool{}
	queue := []place{{}}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if seen[p] {
			continue
		}
		seen[p] = true
		for e := Event(0); e < numEvents; e++ {
			for _, verdict := range verdicts(e) {
				w := p.w
				if !w.possible(e, p.m) {
					continue
				}
				if _, _, known := p.m.Step(e, verdict); known {
					taken[transition(p.m, e, verdict)] = true
				}
				next, err := w.take(p.m, e, verdict)
				if err != nil {
					t.Fatalf("%s/%s + %s(%s) → %s/%s: %v", p.m.State, p.m.Then, e, verdict, next.State, next.Then, err)
				}
				// One visitor stands for many: the walk stays finite.
				w.visitors, w.settling = min(w.visitors, 1), min(w.settling, 1)
				queue = append(queue, place{next, w})
			}
		}
	}
	for _, want := range allTransitions() {
		if !taken[want] {
			t.Errorf("transition never taken: %s", want)
		}
	}
}

func transition(m Machine, e Event, verdict Then) string {
	switch {
	case m.State == Stopping && e == EventGone:
		return fmt.Sprintf("gone then %s", m.Then)
	case e == EventStartFailed:
		return fmt.Sprintf("start-failed then %s", verdict)
	case (m.State == Draining || m.State == Stopping) && onTheWayOut[m.Then][e].known():
		return fmt.Sprintf("leaving then %s + %s", m.Then, e)
	}
	return fmt.Sprintf("%s + %s", m.State, e)
}

func (r rule) known() bool { return r.to != 0 || r.then != 0 || r.do != nil }

// allTransitions names every rule of every table.
func allTransitions() []string {
	var all []string
	for s, row := range table {
		for e := range row {
			all = append(all, fmt.Sprintf("%s + %s", State(s), e))
		}
	}
	for then, row := range onTheWayOut {
		for e, r := range row {
			if r.known() {
				all = append(all, fmt.Sprintf("leaving then %s + %s", Then(then), e))
			}
		}
	}
	for then := range afterGone {
		all = append(all, fmt.Sprintf("gone then %s", then))
	}
	for then := range afterFailedStart {
		all = append(all, fmt.Sprintf("start-failed then %s", then))
	}
	return all
}

func TestLifecycle_AStaleEventChangesNothing(t *testing.T) {
	for s := State(0); s < numStates; s++ {
		for e := Event(0); e < numEvents; e++ {
			m := Machine{State: s}
			if s == Draining || s == Stopping {
				m.Then = ThenSleep
			}
			next, effects, known := m.Step(e, ThenSleep)
			if !known && (next != m || effects != nil) {
				t.Errorf("%s + %s is unknown and gives %v, %v", s, e, next, effects)
			}
		}
	}
}

func TestLifecycle_EverythingHasAName(t *testing.T) {
	names := map[string]bool{}
	for s := State(0); s < numStates; s++ {
		names["state "+s.String()] = true
	}
	for e := Event(0); e < numEvents; e++ {
		names["event "+e.String()] = true
	}
	for e := Effect(0); e < numEffects; e++ {
		names["effect "+e.String()] = true
	}
	for th := Then(0); th < numThens; th++ {
		names["then "+th.String()] = true
	}
	if want := int(numStates) + int(numEvents) + int(numEffects) + int(numThens); len(names) != want || names["state "] || names["event "] || names["effect "] || names["then "] {
		t.Errorf("%d different names for %d things: %v", len(names), want, names)
	}
}
