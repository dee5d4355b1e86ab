package actors

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

func TestRecords_EveryEditIsAnsweredThroughFaultsOfEverybody(t *testing.T) {
	for name, fault := range map[string]func(h *Host){
		"service":  func(h *Host) { h.root().Send(h.service("notes").pid.Load(), bombEdit()) },
		"services": func(h *Host) { h.toServices((*ask)(nil)) },
		"ledger":   func(h *Host) { h.root().Send(h.keeperPID, &commit{}) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
				var wg sync.WaitGroup
				refused := make(chan string, 200)
				for i := range 100 {
					wg.Go(func() {
						if _, err := h.Register(t.Context(), []conf.Instance{id(fmt.Sprint("t", i))}); err != nil {
							refused <- fmt.Sprint("t", i)
						}
					})
					if i == 50 {
						wg.Go(func() { fault(h) })
					}
				}
				wg.Wait() // or synctest reports a deadlock
				close(refused)
				for n := range refused {
					register(t, h, id(n)) // what was refused can be done again
				}
				synctest.Wait()
				if n := len(h.List()); n != 100 {
					t.Errorf("%d registered", n)
				}
				stored, _, err := h.book.store.Load()
				if err != nil || len(stored) != 100 {
					t.Errorf("%d in the file, %v", len(stored), err)
				}
			})
		})
	}
}

func TestRecords_AnAnswerThatWasLostIsFoundAfterARestart(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		synctest.Wait()
		svc := h.service("notes")
		answer := make(chan error, 1)
		record := ledger.Tenant{Name: alice(), UID: 1900000000, Weight: 100}
		b := &batch{
			edits:  []edit{{applied: func(err error) { reply(answer, err) }}},
			plans:  []plan{{changes: []ledger.Change{ledger.PutTenant{Tenant: record}}}},
			stored: make(chan error, 1),
		}
		b.stored <- nil // and the message that says so was in a mailbox that nobody read
		svc.batch = b
		h.toServices((*ask)(nil))
		synctest.Wait()
		select {
		case err := <-answer:
			if err != nil || h.cell(alice()) == nil {
				t.Errorf("%v, cell %v", err, h.cell(alice()))
			}
		default:
			t.Fatal("its author waits for ever")
		}
	})
}

func TestRecords_ARefusedListLeavesNoPhantoms(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		s.act("", behaviour{ignoresTERM: true})
		if _, err := h.Spawn(t.Context(), id("parting")); err != nil {
			t.Fatal(err)
		}
		go func() { _ = h.Forget(t.Context(), id("parting"), false) }()
		synctest.Wait()
		svc := h.service("notes")
		known := false
		b := &batch{edits: []edit{
			{plan: func(r *records) ([]ledger.Change, error) {
				return r.registerAll([]conf.Instance{id("new"), id("new"), id("parting")})
			}},
			{plan: func(r *records) ([]ledger.Change, error) {
				_, known = r.get("new")
				return nil, nil
			}},
		}}
		// In the service's own turn.
		if err := h.edit(t.Context(), svc, func(*records) ([]ledger.Change, error) { svc.plan(b); return nil, nil }); err != nil {
			t.Fatal(err)
		}
		if b.plans[0].err == nil || known {
			t.Errorf("the list: %v; one of it is known to the next edit: %v", b.plans[0].err, known)
		}
		time.Sleep(10 * time.Second)
	})
}

func TestLedger_APanicAnswersTheWholeBatch(t *testing.T) {
	told := make(chan error, 3)
	tell := func(err error) { told <- err }
	k := &keeper{&book{}} // no store: panics
	func() {
		defer func() { _ = recover() }()
		k.settle([]*commit{{done: tell}, {done: tell}, {done: tell}})
	}()
	if len(told) != 3 {
		t.Errorf("%d of 3 told", len(told))
	}
}
