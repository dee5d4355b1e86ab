package actors

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"

	"github.com/asynkron/protoactor-go/actor"
)

// service is the memory of one service's actor: its tenants and their records.
// Anybody reads cells and weighted; only the actor stores them.
type service struct {
	h          *Host
	terms      atomic.Pointer[terms]
	pid        atomic.Pointer[actor.PID]
	supervisor *supervisor
	cells      sync.Map                // id string → *Cell
	weighted   atomic.Pointer[[]*Cell] // those that the apex chooses from
	parting    map[string]*bury        // forgotten ids whose process (done is nil), then actor, is still ending
	parked     map[string]time.Time    // cells whose actor panicked too often: until then
	retiring   bool                    // removed by a reload
	edits      []edit                  // wait for the ledger
	batch      *batch                  // is with the ledger
}

// serviceActor supervises the tenants of one service and plans the changes of
// their records.
type serviceActor struct {
	*service
}

// terms are what a service runs by, until a reload brings others.
type terms struct {
	config  *conf.Service
	refused error // why no tenant of it can run here; nil = it can
}

func (s *service) config() *conf.Service { return s.terms.Load().config }
func (s *service) refused() error        { return s.terms.Load().refused }

func newService(h *Host, t terms) *service {
	s := &service{h: h, parting: map[string]*bury{}, parked: map[string]time.Time{}}
	s.terms.Store(&t)
	s.supervisor = newSupervisor(h, s.pid.Load, s.gaveUp)
	s.weighted.Store(&[]*Cell{})
	return s
}

func (s *serviceActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.resume(ctx)
	case *forward:
		s.forward(ctx, m)
	case *edit:
		s.edits = append(s.edits, *m)
		s.commit()
	case *committed:
		s.committed()
	case *bury:
		s.bury(ctx, m)
	case *endAll:
		s.endAll(m)
	case *restartChild:
		s.supervisor.restart(ctx, m)
	case *actor.Terminated:
		s.ended(m.Who)
	}
}

// resume gives an actor back to everybody who had one, after a restart of this
// actor or of its parent.
func (s *serviceActor) resume(ctx actor.Context) {
	s.cells.Range(func(_, v any) bool {
		if c := v.(*Cell); c.life != nil && c.pid.Load() == nil {
			s.spawn(ctx, c)
		}
		return true
	})
	for _, b := range s.parting {
		if b.cell.pid.Load() != nil {
			continue
		}
		if b.done != nil {
			s.parted(b)
		} else {
			s.spawn(ctx, b.cell)
		}
	}
	// The ledger's message may have been lost with the old incarnation.
	s.committed()
}

// forward delivers to a tenant, making its actor first.
func (s *serviceActor) forward(ctx actor.Context, m *forward) {
	if !s.knows(m.cell) || s.retiring && m.cell.pid.Load() == nil {
		m.lost() // forgotten, or its service was: a late timer must not bring it back
		return
	}
	_, ordered := m.m.(*order) // by a person, who may know better than the policy
	if !ordered && time.Now().Before(s.parked[m.cell.name.ID]) {
		m.lost()
		return
	}
	if m.cell.pid.Load() == nil {
		s.spawn(ctx, m.cell)
	}
	ctx.Send(m.cell.pid.Load(), m.m)
}

// knows reports whether a cell is registered, or its process is still ending.
func (s *service) knows(c *Cell) bool {
	if b := s.parting[c.name.ID]; b != nil {
		return b.cell == c && b.done == nil && !c.rested()
	}
	return s.cell(c.name.ID) == c
}

func (s *serviceActor) spawn(ctx actor.Context, c *Cell) {
	pid, err := ctx.SpawnNamed(s.h.props(func() actor.Actor { return newTenant(s.h, c) }, nil), c.name.ID)
	if err != nil {
		panic(fmt.Errorf("cannot give %s an actor: %w", c.name, err))
	}
	c.pid.Store(pid)
	delete(s.parked, c.name.ID)
}

// ended: a tenant's actor has stopped, for good or with its parent.
func (s *serviceActor) ended(who *actor.PID) {
	s.supervisor.forget(who)
	id := lastName(who)
	switch b, c := s.parting[id], s.cell(id); {
	case b != nil && b.done != nil:
		s.parted(b)
	case b != nil:
		b.cell.pid.Store(nil)
	case c != nil:
		c.pid.Store(nil)
	}
}

// bury ends the actor of a forgotten tenant; its name is free again only after
// that: two actors of one name must not be.
func (s *serviceActor) bury(ctx actor.Context, m *bury) {
	if b := s.parting[m.cell.name.ID]; b == nil || b.cell != m.cell {
		reply(m.done, nil) // asked for again
		return
	}
	s.parting[m.cell.name.ID] = m
	if pid := m.cell.pid.Load(); pid != nil {
		s.supervisor.stop(ctx, pid)
		return
	}
	s.parted(m)
}

func (s *service) parted(m *bury) {
	delete(s.parting, m.cell.name.ID)
	delete(s.parked, m.cell.name.ID)
	m.cell.pid.Store(nil)
	reply(m.done, nil)
}

// lastName is the last part of an actor's id: for a tenant's, the tenant's id.
func lastName(pid *actor.PID) string { return pid.Id[strings.LastIndexByte(pid.Id, '/')+1:] }

// gaveUp: an actor panicked more often than the policy forgives. Its process,
// if any, goes on serving; nobody decides for it until the circuit cools down.
func (s *service) gaveUp(child *actor.PID) {
	id, cooldown := lastName(child), s.h.Config().Settings.CircuitCooldown
	s.parked[id] = time.Now().Add(cooldown)
	c := s.cell(id)
	if b := s.parting[id]; b != nil {
		c = b.cell
	}
	if c != nil { // any message gives it an actor again, which looks after what was missed
		s.h.arm(c, stamp()+int64(cooldown), &emptied{})
	}
}

func (s *serviceActor) endAll(m *endAll) {
	var ends []chan error
	s.retiring = s.retiring || m.done != nil
	s.cells.Range(func(_, v any) bool {
		if c := v.(*Cell); !c.rested() {
			end := make(chan error, 1)
			ends = append(ends, end)
			s.h.tell(c, &order{event: EventEnd, done: end})
		}
		return true
	})
	if m.done == nil {
		return
	}
	go func() { // every order is answered, if only with the news that it was lost
		for _, end := range ends {
			<-end
		}
		m.done()
	}()
}

// cell finds a registered tenant.
func (s *service) cell(id string) *Cell {
	if v, ok := s.cells.Load(id); ok {
		return v.(*Cell)
	}
	return nil
}

// put stores a record and reports whether the apex may choose differently now.
func (s *service) put(record ledger.Tenant) bool {
	if c := s.cell(record.Name.ID); c != nil {
		old := c.record.Swap(&record)
		return old.Weighted || record.Weighted
	}
	s.cells.Store(record.Name.ID, newCell(s, record))
	return record.Weighted
}

// reweigh publishes whom the apex chooses from.
func (s *service) reweigh() {
	var weighted []*Cell
	s.cells.Range(func(_, v any) bool {
		if c := v.(*Cell); c.record.Load().Weighted && c.record.Load().Weight > 0 {
			weighted = append(weighted, c)
		}
		return true
	})
	slices.SortFunc(weighted, func(a, b *Cell) int { return strings.Compare(a.name.ID, b.name.ID) })
	s.weighted.Store(&weighted)
}
