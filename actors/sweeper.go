package actors

import (
	"container/heap"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// sweeper keeps every deadline of every tenant on one timer, set to the next of
// them: while all sleep, nothing ticks.
type sweeper struct {
	h     *Host
	alarm *alarm // outlives a restart of the actor
}

// alarm is the sweeper's memory.
type alarm struct {
	pending deadlines
	timer   *time.Timer // nil before the first deadline
	at      int64       // stamp it is set to
}

type deadlines []*arm

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].at < d[j].at }
func (d deadlines) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *deadlines) Push(x any)        { *d = append(*d, x.(*arm)) }
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return x
}

func (s *sweeper) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.sweep(ctx.Self())
	case *arm:
		heap.Push(&s.alarm.pending, m)
		if s.alarm.timer == nil || m.at < s.alarm.at {
			s.set(ctx.Self())
		}
	case *tick:
		s.sweep(ctx.Self())
	case *actor.Stopping:
		if s.alarm.timer != nil {
			s.alarm.timer.Stop()
		}
	}
}

// sweep delivers what is due and sets the timer to the next.
func (s *sweeper) sweep(self *actor.PID) {
	now := stamp()
	for len(s.alarm.pending) > 0 && s.alarm.pending[0].at <= now {
		due := heap.Pop(&s.alarm.pending).(*arm)
		s.h.tell(due.to, due.m)
	}
	s.set(self)
}

func (s *sweeper) set(self *actor.PID) {
	if s.alarm.timer != nil {
		s.alarm.timer.Stop()
		s.alarm.timer = nil
	}
	if len(s.alarm.pending) == 0 {
		return
	}
	s.alarm.at = s.alarm.pending[0].at
	wait := time.Duration(s.alarm.at - stamp())
	s.alarm.timer = time.AfterFunc(wait, func() { s.h.root().Send(self, &tick{}) })
}
