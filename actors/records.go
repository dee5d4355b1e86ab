package actors

import (
	"fmt"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

// records is what the plan of an edit works on: the registry as it will be when
// the edits before it are stored.
type records struct {
	s       *service
	planned map[string]*ledger.Tenant // nil = deleted
}

// get gives a copy of a tenant's record.
func (r *records) get(id string) (ledger.Tenant, bool) {
	if t, ok := r.planned[id]; ok {
		if t == nil {
			return ledger.Tenant{}, false
		}
		return *t, true
	}
	if c := r.s.cell(id); c != nil {
		return *c.record.Load(), true
	}
	return ledger.Tenant{}, false
}

// fresh makes the record of a new tenant.
func (r *records) fresh(name conf.Instance) (ledger.Tenant, error) {
	_, parting := r.s.parting[name.ID]
	if _, planned := r.planned[name.ID]; parting || planned {
		return ledger.Tenant{}, fmt.Errorf("%s is being forgotten; try again in a moment", name)
	}
	uid, err := r.s.h.book.store.UID(name, r.s.h.Config().Settings.UIDBase)
	if err != nil {
		return ledger.Tenant{}, err
	}
	t := ledger.Tenant{Name: name, UID: uid, Weight: 100, Created: time.Now().UTC()}
	r.s.h.newcomer(&t)
	return t, nil
}

func (r *records) follow(changes []ledger.Change) {
	for _, c := range changes {
		switch c := c.(type) {
		case ledger.PutTenant:
			r.planned[c.Tenant.Name.ID] = &c.Tenant
		case ledger.DeleteTenant:
			r.planned[c.Name.ID] = nil
		}
	}
}

// batch is a service's edits that go to the ledger together.
type batch struct {
	edits  []edit
	plans  []plan
	stored chan error // the ledger's answer; here before the message that tells of it
}

// plan is what one edit stores, and what to tell its author.
type plan struct {
	changes []ledger.Change
	err     error
}

// commit plans everything that waits and sends it to the ledger as one batch.
func (s *serviceActor) commit() {
	if s.batch != nil || len(s.edits) == 0 {
		return
	}
	b := &batch{edits: s.edits, stored: make(chan error, 1)}
	s.edits = nil
	changes := s.plan(b)
	s.batch = b
	h, self := s.h, s.pid.Load()
	stored := func(err error) {
		reply(b.stored, err)
		h.root().Send(self, &committed{})
	}
	if len(changes) == 0 {
		stored(nil)
		return
	}
	h.root().Send(h.keeperPID, &commit{changes: changes, done: stored})
}

// plan asks every author of a batch what to store. A panic answers them all.
func (s *service) plan(b *batch) (changes []ledger.Change) {
	planned := false
	defer func() {
		if !planned {
			for _, e := range b.edits {
				e.lost()
			}
		}
	}()
	r := &records{s: s, planned: map[string]*ledger.Tenant{}}
	b.plans = make([]plan, len(b.edits))
	for i, e := range b.edits {
		p := &b.plans[i]
		if p.changes, p.err = e.plan(r); p.err == nil {
			r.follow(p.changes)
			changes = append(changes, p.changes...)
		}
	}
	planned = true
	return changes
}

// committed brings memory in step with the file, tells the authors, and goes on
// with what came meanwhile.
func (s *serviceActor) committed() {
	if b := s.batch; b != nil {
		select {
		case err := <-b.stored:
			s.batch = nil
			s.settle(b, err)
		default: // the message is about a batch of an earlier incarnation's
			return
		}
	}
	s.commit()
}

func (s *service) settle(b *batch, stored error) {
	for i, e := range b.edits {
		err := b.plans[i].err
		if err == nil && len(b.plans[i].changes) > 0 {
			err = stored
		}
		if err == nil {
			s.adopt(b.plans[i].changes)
		}
		e.applied(err)
	}
}

func (s *service) adopt(changes []ledger.Change) {
	reweigh := false
	for _, c := range changes {
		switch c := c.(type) {
		case ledger.PutTenant:
			reweigh = s.put(c.Tenant) || reweigh
		case ledger.DeleteTenant:
			if old, ok := s.cells.LoadAndDelete(c.Name.ID); ok {
				s.parting[c.Name.ID] = &bury{cell: old.(*Cell)}
				reweigh = old.(*Cell).record.Load().Weighted || reweigh
			}
		}
	}
	if reweigh {
		s.reweigh()
	}
}
