package ledger

import (
	"errors"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func someRollout() Rollout {
	return Rollout{
		Service: "notes", Number: 3, To: "v2", From: "v1", First: 2, Batch: 10, Canary: true, Patience: time.Minute,
		State: RolloutForward, Started: time.Unix(7, 0).UTC(),
	}
}

func TestRollout_IsKeptOverRestartsAndReplacedByTheNext(t *testing.T) {
	s := newStore(t)
	if all, err := s.Rollouts(); err != nil || len(all) != 0 {
		t.Fatalf("%v, %v", all, err)
	}
	first := someRollout()
	apply(t, s, PutRollout{first})
	s = reopen(t, s)
	if all, err := s.Rollouts(); err != nil || len(all) != 1 || all[0] != first {
		t.Fatalf("%+v, %v", all, err)
	}
	next := first
	next.Number, next.State, next.Reason, next.Ended = 4, RolloutUndone, "t1: exit status 3", time.Unix(9, 0).UTC()
	other := first
	other.Service = "shop"
	apply(t, s, PutRollout{next}, PutRollout{other})
	if all, err := reopen(t, s).Rollouts(); err != nil || len(all) != 2 || all[0] != next || all[1] != other {
		t.Fatalf("%+v, %v", all, err)
	}
}

func TestRollout_WhatCannotBeGoneOnWithIsRefused(t *testing.T) {
	s := newStore(t)
	for says, change := range map[string]func(*Rollout){
		`"No Service" names no service`:          func(r *Rollout) { r.Service = "No Service" },
		`the rollout of notes: its state is "?"`: func(r *Rollout) { r.State = "?" },
		`is not UTF-8`:                           func(r *Rollout) { r.Reason = "\xff" },
		`it moves 0 and then 10 at a time`:       func(r *Rollout) { r.First = 0 },
		`it moves 2 and then 0 at a time`:        func(r *Rollout) { r.Batch = 0 },
	} {
		r := someRollout()
		change(&r)
		refused(t, s.Apply(PutRollout{r}), says)
	}
	if all, err := s.Rollouts(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestRollout_ADamagedRecordIsNamed(t *testing.T) {
	for says, record := range map[string]func(b *bolt.Bucket) error{
		"does not match its checksum":              func(b *bolt.Bucket) error { return b.Put([]byte("notes"), []byte("xxxx{}")) },
		`the rollout of "notes": its state is "x"`: func(b *bolt.Bucket) error { return put(b, []byte("notes"), Rollout{State: "x", First: 1, Batch: 1}) },
	} {
		path := closedStore(t)
		edit(t, path, func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(rollouts)
			return errors.Join(err, record(b))
		})
		_, err := Open(path)
		refused(t, err, says)
	}
}

func TestRollout_TheReleaseOfANewTenantFollowsIt(t *testing.T) {
	for state, want := range map[RolloutState]string{RolloutForward: "v1", RolloutBack: "v1", RolloutUndone: "v1", RolloutDone: "v2"} {
		r := someRollout()
		r.State = state
		if got := r.Current(); got != want {
			t.Errorf("%s: %s", state, got)
		}
		if r.Active() != (state == RolloutForward || state == RolloutBack) {
			t.Errorf("%s: active %v", state, r.Active())
		}
	}
	r := someRollout()
	if r.Proved = true; r.Current() != "v2" {
		t.Error("a release that has proved itself is for new tenants too")
	}
	if r = (Rollout{}); r.Current() != "" || r.Active() {
		t.Error("without a rollout there is no release")
	}
}
