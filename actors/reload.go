package actors

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"

	"github.com/asynkron/protoactor-go/actor"
)

// Reload makes the host run by another configuration and tells what changed.
// Services that did not change are not touched. A changed one's tenants keep
// their process unless a key changed that a process is made of: then they drain
// and sleep, those of [instances] start again, and a failed one may try again.
// The tenants of a service that vanished drain and are served no more; their
// records and data stay. An error changes nothing.
func (h *Host) Reload(ctx context.Context, next *conf.Config) ([]conf.Difference, error) {
	tenants, _, err := h.book.store.Load()
	if err != nil {
		return nil, fmt.Errorf("cannot reload: %w", err)
	}
	answer := make(chan error, 1)
	m := &reload{next: next, tenants: tenants, done: answer}
	h.toServices(m)
	select {
	case err = <-answer:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot reload: %w", err)
	}
	if slices.ContainsFunc(m.changes, func(d conf.Difference) bool { return d.Table == "instances" }) {
		err = h.StartListed(ctx)
	}
	return m.changes, err
}

// reload changes the configuration in the turn of services, so that nothing
// else of the tree changes meanwhile.
func (s *services) reload(ctx actor.Context, m *reload) {
	h := s.h
	if s.front.down != nil {
		reply(m.done, ErrStopping)
		return
	}
	old := h.Config()
	if err := h.stranded(m.next); err != nil {
		reply(m.done, err)
		return
	}
	for name := range m.next.Services {
		if s.front.retiring[name] != nil {
			reply(m.done, fmt.Errorf("tenants of service %s, which was removed, are still ending: try again in a moment", name))
			return
		}
	}
	m.changes = conf.Compare(old, m.next)
	h.current.Store(m.next)
	table := maps.Clone(*h.services.Load())
	for name, config := range m.next.Services {
		if old.Services[name] == nil {
			table[name] = s.found(ctx, config, m.tenants)
		} else {
			table[name].change(config, m.changes)
		}
	}
	for name := range old.Services {
		if m.next.Services[name] == nil {
			s.retire(table[name])
			delete(table, name)
		}
	}
	h.services.Store(&table)
	s.front.admission.slots = m.next.Settings.MaxConcurrentStarts
	s.front.admission.maxAwake = m.next.Settings.MaxAwake
	s.pump()
	reply(m.done, nil)
}

// found makes a service that was not there, with the tenants that the registry
// knows of it.
func (s *services) found(ctx actor.Context, config *conf.Service, tenants []ledger.Tenant) *service {
	service := newService(s.h, terms{config, s.h.refused(config)})
	for _, t := range tenants {
		if t.Name.Service == config.Name {
			service.put(t)
		}
	}
	service.reweigh()
	s.spawn(ctx, service)
	return service
}

// retire ends the tenants of a service that is there no more, and then its
// actor; its name is free again after that.
func (s *services) retire(service *service) {
	name := service.config().Name
	s.front.retiring[name] = service
	s.h.root().Send(service.pid.Load(), &endAll{done: func() { s.h.toServices(&retired{name: name}) }})
}

func (s *services) retired(ctx actor.Context, m *retired) {
	if service := s.front.retiring[m.name]; service != nil {
		s.h.servicesSupervisor.stop(ctx, service.pid.Load())
	}
}

// ended: the actor of a service has stopped.
func (s *services) ended(who *actor.PID) {
	if name := lastName(who); s.front.retiring[name] != nil {
		s.h.servicesSupervisor.forget(who)
		delete(s.front.retiring, name)
	}
}

// change gives a service its new terms and has its tenants follow them.
func (s *service) change(config *conf.Service, changes []conf.Difference) {
	table := "service." + config.Name
	news := slices.ContainsFunc(changes, func(d conf.Difference) bool {
		return d.Table == table || strings.HasPrefix(d.Table, table+".")
	})
	if !news {
		s.terms.Store(&terms{config, s.refused()}) // the line in the file may be another
		return
	}
	old := map[*Cell]*conf.Service{}
	s.cells.Range(func(_, v any) bool {
		if c := v.(*Cell); !c.rested() {
			old[c] = c.config()
		}
		return true
	})
	s.terms.Store(&terms{config, s.h.refused(config)})
	for c, before := range old { // a release that hides a change has none
		s.h.tell(c, &reconfigured{process: conf.NeedsProcess(before, c.config())})
	}
}

// reconfigured: the service's terms are others.
func (t *tenant) reconfigured(m *reconfigured) {
	l := t.life()
	if l.machine.State == Failed {
		l.retryAt = stamp() // the next visitor is the try
		t.cell.publish()
	}
	stays := t.listed() && t.cell.service.refused() == nil
	switch s := l.machine.State; {
	case m.process && (s == Starting || s == Running && stays):
		l.reason, l.unattended = changedReason, stays
		t.step(EventRestart, ThenKeep)
	case m.process && s == Running:
		l.reason = changedReason
		t.step(EventStop, ThenKeep)
	case s == Running:
		t.adjust()
	}
}

const changedReason = "its configuration changed"

// listed reports a tenant of [instances], which is up without being asked for.
func (t *tenant) listed() bool {
	return slices.Contains(t.h.Config().Instances, t.cell.name)
}

// adjust has a process that stays follow new terms.
func (t *tenant) adjust() {
	l, config := t.life(), t.cell.config()
	way := *l.way
	way.RequestTimeout = config.RequestTimeout
	l.way = &way
	t.cell.Open(l.way)
	l.armed[dueIdle], l.armed[dueCheck] = 0, 0
	if config.IdleTimeout > 0 {
		t.idle()
	}
	l.health = health{always: config.Health == ""}
	if config.Health != "" {
		t.arm(min(time.Second, t.h.Config().Settings.HealthCheckInterval), dueCheck)
	}
	t.cell.publish()
}
