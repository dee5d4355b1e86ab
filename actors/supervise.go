package actors

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// supervisor restarts children that panicked, by the same policy as processes
// that fail. It is the strategy of every actor with children here; the shipped
// strategies are linear, never give up, or kill the daemon (docs/architecture.md).
type supervisor struct {
	h        *Host
	self     func() *actor.PID
	children map[string]*panics // by the child's id
	gaveUp   func(child *actor.PID)
}

// panics is what a supervisor remembers of one child.
type panics struct {
	failures Failures
	epoch    uint64 // of the newest failure: an older timer means nothing
}

func newSupervisor(h *Host, self func() *actor.PID, gaveUp func(*actor.PID)) *supervisor {
	return &supervisor{h: h, self: self, children: map[string]*panics{}, gaveUp: gaveUp}
}

// HandleFailure is called by protoactor in the parent's turn; the child's
// mailbox is suspended until it is restarted or stopped.
func (s *supervisor) HandleFailure(_ *actor.ActorSystem, parent actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	p := s.children[child.Id]
	if p == nil {
		p = &panics{}
		s.children[child.Id] = p
	}
	p.epoch++
	delay, giveUp := p.failures.Add(stamp(), s.h.policy)
	s.h.log.Error().Str("actor", child.Id).Str("panic", fmt.Sprint(reason)).Dur("restart_in", delay).Bool("given_up", giveUp).
		Msg("a fault of tenement's own: please report it")
	switch {
	case giveUp:
		p.failures.Clear()
		parent.StopChildren(child)
		s.gaveUp(child)
	case delay == 0:
		parent.RestartChildren(child)
	default:
		// The timer may fire after the child was stopped or failed again; it is
		// checked in the supervisor's own turn.
		m := &restartChild{child: child, epoch: p.epoch}
		time.AfterFunc(delay, func() { s.h.root().Send(s.self(), m) })
	}
}

// restart carries out a delayed restart if it still stands.
func (s *supervisor) restart(ctx actor.Context, m *restartChild) {
	p := s.children[m.child.Id]
	if p == nil || p.epoch != m.epoch {
		return
	}
	for _, child := range ctx.Children() {
		if child.Id == m.child.Id {
			ctx.(actor.Supervisor).RestartChildren(child)
		}
	}
}

// forget drops a child that has ended.
func (s *supervisor) forget(child *actor.PID) { delete(s.children, child.Id) }

// guard is the outermost layer of every actor: a panic while stopping would
// resurrect the actor or hang it with its parent, so there it is only logged;
// elsewhere it goes on to the supervisor, with the stack that Failure lacks.
type guard struct {
	actor.Actor
	h *Host
}

func (g *guard) Receive(ctx actor.Context) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		switch ctx.Message().(type) {
		case *actor.Stopping, *actor.Stopped, *actor.Restarting:
			g.h.log.Error().Str("actor", ctx.Self().Id).Str("panic", fmt.Sprint(r)).Bytes("stack", debug.Stack()).
				Msg("a fault of tenement's own while an actor stopped: please report it")
		default:
			panic(fmt.Sprintf("%v\n%s", r, debug.Stack()))
		}
	}()
	g.Actor.Receive(ctx)
}

// parentGuard is a guard for an actor that supervises.
type parentGuard struct {
	guard
	actor.SupervisorStrategy
}

// props makes the Props of an actor whose memory outlives it: the producer has
// no side effects, so it may run as often as it likes.
func (h *Host) props(make func() actor.Actor, strategy actor.SupervisorStrategy) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor {
		g := guard{Actor: make(), h: h}
		if strategy == nil {
			return &g
		}
		return &parentGuard{guard: g, SupervisorStrategy: strategy}
	})
}
