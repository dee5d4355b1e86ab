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
	leaving  bool // the actor itself stops or restarts: its children are being stopped
}

// panics is what a supervisor remembers of one child.
type panics struct {
	failures Failures
	epoch    uint64 // of the newest failure: an older timer means nothing
	stopped  bool   // told to stop: a Restart behind that would make a zombie of it
}

func newSupervisor(h *Host, self func() *actor.PID, gaveUp func(*actor.PID)) *supervisor {
	return &supervisor{h: h, self: self, children: map[string]*panics{}, gaveUp: gaveUp}
}

// HandleFailure is called by protoactor in the parent's turn; the child's
// mailbox is suspended until it is restarted or stopped.
func (s *supervisor) HandleFailure(_ *actor.ActorSystem, parent actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	p := s.of(child)
	if s.leaving || p.stopped {
		return // its Stop is in its mailbox already
	}
	p.epoch++
	delay, giveUp := p.failures.Add(stamp(), s.h.policy())
	s.h.log.Error().Str("actor", child.Id).Str("panic", fmt.Sprint(reason)).Dur("restart_in", delay).Bool("given_up", giveUp).
		Msg("a fault of tenement's own: please report it")
	switch {
	case giveUp:
		p.stopped = true
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
	if p == nil || p.epoch != m.epoch || p.stopped {
		return
	}
	for _, child := range ctx.Children() {
		if child.Id == m.child.Id {
			ctx.(actor.Supervisor).RestartChildren(child)
		}
	}
}

func (s *supervisor) of(child *actor.PID) *panics {
	p := s.children[child.Id]
	if p == nil {
		p = &panics{}
		s.children[child.Id] = p
	}
	return p
}

// stop ends a child for good.
func (s *supervisor) stop(ctx actor.Context, child *actor.PID) {
	s.of(child).stopped = true
	ctx.Stop(child)
}

// forget drops a child that has ended.
func (s *supervisor) forget(child *actor.PID) { delete(s.children, child.Id) }

// guard is the outermost layer of every actor. A panic while stopping would
// resurrect the actor or hang it with its parent, so there it is only logged;
// elsewhere it goes on to the supervisor, with the stack that Failure lacks. An
// actor that stops or restarts takes no message any more: a child made then
// would never be told to stop.
type guard struct {
	actor.Actor
	h          *Host
	supervisor *supervisor // nil: it has no children
	after      *afterlife
	leaving    bool
}

func (g *guard) Receive(ctx actor.Context) {
	defer g.recovered(ctx)
	switch m := ctx.Message().(type) {
	case *actor.Started:
		g.leave(false)
	case *actor.Restarting:
		g.leave(true)
	case *actor.Stopping:
		g.leave(true)
		// After a panic its mailbox is suspended, and would keep what is in it.
		ctx.(actor.Supervisor).ResumeChildren(ctx.Self())
	case *actor.Stopped:
		g.after.ended = true
	case message:
		if g.leaving {
			lose(m)
			return
		}
	}
	g.Actor.Receive(ctx)
}

func (g *guard) leave(leaving bool) {
	g.leaving = leaving
	if g.supervisor != nil {
		g.supervisor.leaving = leaving
	}
}

func (g *guard) recovered(ctx actor.Context) {
	r := recover()
	if r == nil {
		return
	}
	switch m := ctx.Message().(type) {
	case *actor.Stopping, *actor.Stopped, *actor.Restarting:
		g.h.log.Error().Str("actor", ctx.Self().Id).Str("panic", fmt.Sprint(r)).Bytes("stack", debug.Stack()).
			Msg("a fault of tenement's own while an actor stopped: please report it")
	default:
		stack := debug.Stack()
		lose(m)
		panic(fmt.Sprintf("%v\n%s", r, stack))
	}
}

// parentGuard is a guard for an actor that supervises.
type parentGuard struct {
	guard
	actor.SupervisorStrategy
}

// afterlife is the last reader of an actor's mailbox: what a stopped actor has
// not read, the library drops without a word.
type afterlife struct {
	ended bool // only the mailbox's own turn touches it
}

// MessageReceived is called for each message, read or dropped.
func (a *afterlife) MessageReceived(m any) {
	if a.ended {
		lose(m)
	}
}

// The rest of actor.MailboxMiddleware.
func (*afterlife) MailboxStarted()   {}
func (*afterlife) MessagePosted(any) {}
func (*afterlife) MailboxEmpty()     {}

// props makes the Props of one actor whose memory outlives it: the producer has
// no side effects, so it may run as often as it likes.
func (h *Host) props(make func() actor.Actor, s *supervisor) *actor.Props {
	after := &afterlife{}
	return actor.PropsFromProducer(func() actor.Actor {
		g := guard{Actor: make(), h: h, supervisor: s, after: after}
		if s == nil {
			return &g
		}
		return &parentGuard{guard: g, SupervisorStrategy: s}
	}, actor.WithMailbox(actor.Unbounded(after)))
}
