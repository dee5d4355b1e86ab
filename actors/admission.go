package actors

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// maxQueue bounds the tenants that wait for a start slot, host-wide: with starts
// of 100 ms and 4 slots the last of them would wait for about a minute.
const maxQueue = 2048

// admission decides who starts when: at most slots starts at once, in the order
// of asking, fair between services; at most maxAwake processes. It is a plain
// value of the services actor; nothing in it sends or waits.
type admission struct {
	slots    int
	maxAwake int // 0 = no limit

	queues   map[string][]*ask // by service
	turns    []string          // services with somebody in their queue, next first
	queued   int
	starting map[*Cell]uint64 // holds a slot, for this generation
	awake    map[*Cell]uint64 // has, or may soon have, a process
	leaving  map[*Cell]bool   // told to make room
}

func newAdmission(slots, maxAwake int) *admission {
	return &admission{
		slots: slots, maxAwake: maxAwake,
		queues: map[string][]*ask{}, starting: map[*Cell]uint64{}, awake: map[*Cell]uint64{}, leaving: map[*Cell]bool{},
	}
}

// ask queues a tenant, or says why not.
func (a *admission) ask(x *ask) *Refusal {
	if a.queued >= maxQueue {
		return &Refusal{
			Cause:      CauseQueueFull,
			RetryAfter: time.Second + rand.N(4*time.Second),
			Reason:     fmt.Sprintf("%d tenants are already waiting for a start slot", a.queued),
		}
	}
	service := x.cell.name.Service
	if len(a.queues[service]) == 0 {
		a.turns = append(a.turns, service)
	}
	a.queues[service] = append(a.queues[service], x)
	a.queued++
	return nil
}

// release takes a tenant's slot or place back; out: it has no process either.
func (a *admission) release(x *release) {
	if a.starting[x.cell] == x.gen {
		delete(a.starting, x.cell)
	}
	if !x.out {
		return
	}
	if a.awake[x.cell] == x.gen {
		delete(a.awake, x.cell)
		delete(a.leaving, x.cell)
	}
	a.unqueue(x)
}

func (a *admission) unqueue(x *release) {
	service := x.cell.name.Service
	queue := a.queues[service]
	i := slices.IndexFunc(queue, func(q *ask) bool { return q.cell == x.cell && q.gen == x.gen })
	if i < 0 {
		return
	}
	a.queued--
	if len(queue) > 1 {
		a.queues[service] = slices.Delete(queue, i, i+1)
		return
	}
	delete(a.queues, service)
	a.turns = slices.DeleteFunc(a.turns, func(s string) bool { return s == service })
}

// next says what to do now: grant a tenant, put one to sleep to make room, or
// deny one because no room can be made. All nil: wait.
func (a *admission) next() (grant *ask, victim *Cell, deny *ask) {
	if a.queued == 0 || len(a.starting) >= a.slots {
		return nil, nil, nil
	}
	if a.maxAwake == 0 || len(a.awake) < a.maxAwake {
		grant = a.pop()
		a.starting[grant.cell] = grant.gen
		a.awake[grant.cell] = grant.gen
		return grant, nil, nil
	}
	if len(a.leaving) >= min(a.queued, a.slots) {
		return nil, nil, nil
	}
	if victim = a.longestUnused(); victim != nil {
		a.leaving[victim] = true
		return nil, victim, nil
	}
	if len(a.leaving) > 0 || a.roomComes() {
		return nil, nil, nil
	}
	return nil, nil, a.pop()
}

// roomComes reports that somebody goes to sleep without having been asked to.
func (a *admission) roomComes() bool {
	for c := range a.awake {
		if m := c.look().machine; m.Then != ThenKeep {
			return true
		}
	}
	return false
}

// pop takes the next of the service whose turn it is.
func (a *admission) pop() *ask {
	service := a.turns[0]
	a.turns = a.turns[1:]
	queue := a.queues[service]
	if len(queue) == 1 {
		delete(a.queues, service)
	} else {
		a.queues[service] = queue[1:]
		a.turns = append(a.turns, service)
	}
	a.queued--
	return queue[0]
}

// longestUnused is the awake tenant with an open door and nobody inside whose
// last use is the longest ago.
func (a *admission) longestUnused() *Cell {
	var oldest *Cell
	var since int64
	for c := range a.awake {
		if a.leaving[c] || a.starting[c] != 0 || c.way.Load() == nil || c.inflight.Load() > 0 {
			continue
		}
		if c.pid.Load() == nil { // its actor was given up: it obeys nobody at present
			continue
		}
		if used := c.idleSince(); oldest == nil || used < since {
			oldest, since = c, used
		}
	}
	return oldest
}

// stays puts a tenant that could not make room back among those who may be asked.
func (a *admission) stays(c *Cell) { delete(a.leaving, c) }

// noRoom answers a visitor when max_awake is reached and everybody is in use.
func noRoom(maxAwake int) *Refusal {
	return &Refusal{
		Cause:      CauseNoRoom,
		RetryAfter: time.Second + rand.N(4*time.Second),
		Reason:     fmt.Sprintf("%d tenants are awake (max_awake) and all of them are in use", maxAwake),
	}
}
