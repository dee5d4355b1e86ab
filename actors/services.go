package actors

import (
	"github.com/asynkron/protoactor-go/actor"
)

// services is the parent of all services and owns admission: who starts when,
// and who makes room.
type services struct {
	h     *Host
	front *front
}

// front is the memory of services; it outlives a restart of the actor.
type front struct {
	admission *admission
	opened    chan struct{}       // closed when every service has its actor
	retiring  map[string]*service // removed by a reload, their tenants are ending
	down      chan struct{}       // set by shutdown; closed when no process is left
}

func (s *services) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.open(ctx)
	case *ask:
		s.ask(m)
	case *release:
		s.front.admission.release(m)
		s.pump()
		s.checkDown()
	case *stays:
		s.front.admission.stays(m.cell)
		s.pump()
	case *shutdown:
		s.front.down = m.done
		s.endAll(ctx)
	case *reload:
		s.reload(ctx, m)
	case *retired:
		s.retired(ctx, m)
	case *actor.Terminated:
		s.ended(m.Who)
	case *restartChild:
		s.h.servicesSupervisor.restart(ctx, m)
	}
}

// open spawns a supervisor for every service that can run here.
func (s *services) open(ctx actor.Context) {
	for _, service := range *s.h.services.Load() {
		s.spawn(ctx, service)
	}
	for _, service := range s.front.retiring {
		s.spawn(ctx, service)
		s.retire(service)
	}
	select {
	case <-s.front.opened: // a restart
	default:
		close(s.front.opened)
	}
	if s.front.down != nil {
		s.endAll(ctx)
	}
}

func (s *services) spawn(ctx actor.Context, service *service) {
	pid, err := ctx.SpawnNamed(s.h.props(func() actor.Actor { return &serviceActor{service} }, service.supervisor), service.config().Name)
	if err != nil {
		panic(err) // two actors of one service: the old one has not ended
	}
	service.pid.Store(pid)
}

func (s *services) ask(m *ask) {
	if s.front.down != nil {
		s.h.tell(m.cell, &denied{gen: m.gen, refusal: &Refusal{Cause: CauseStopping, Reason: ErrStopping.Error()}})
		return
	}
	if refusal := s.front.admission.ask(m); refusal != nil {
		s.h.tell(m.cell, &denied{gen: m.gen, refusal: refusal})
		return
	}
	s.pump()
}

// pump grants, evicts and denies until admission says to wait.
func (s *services) pump() {
	for s.front.down == nil {
		grant, victim, deny := s.front.admission.next()
		switch {
		case grant != nil:
			s.h.tell(grant.cell, &granted{gen: grant.gen})
		case victim != nil:
			s.h.tell(victim, &evict{gen: s.front.admission.awake[victim]})
		case deny != nil:
			s.h.tell(deny.cell, &denied{gen: deny.gen, refusal: noRoom(s.front.admission.maxAwake)})
		default:
			return
		}
	}
}

// endAll ends all tenants in parallel.
func (s *services) endAll(ctx actor.Context) {
	for _, child := range ctx.Children() {
		ctx.Send(child, &endAll{})
	}
	s.checkDown()
}

func (s *services) checkDown() {
	if s.front.down == nil || len(s.front.admission.awake) > 0 {
		return
	}
	select {
	case <-s.front.down:
	default:
		close(s.front.down)
	}
}
