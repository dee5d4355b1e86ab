package ledger

import (
	"math"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"tenement/conf"
)

func used(day, id string, requests uint64) AddUsage {
	return AddUsage{UsageRow{Day: day, Tenant: name(id), Usage: Usage{
		CPU: 0.5, Memory: 0.25, Awake: 8, Requests: requests, In: 10, Out: 20, Wakes: 1,
	}}}
}

func rows(t *testing.T, s *Store, from, to string, wanted func(conf.Instance) bool) []UsageRow {
	t.Helper()
	all, err := s.Usage(from, to, wanted)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestUsage_DaysAddUpAndOutliveTheStoreAndTheTenant(t *testing.T) {
	s := newStore(t)
	if got := rows(t, s, "", "9999-12-31", nil); len(got) != 0 {
		t.Errorf("before there is any: %v", got)
	}
	apply(t, s, PutTenant{tenant("alice", base)}, DropUsage{Before: "2026-01-01"})
	apply(t, s, used("2026-11-24", "alice", 3), used("2026-11-25", "alice", 4), used("2026-11-25", "bob", 5))
	apply(t, s, used("2026-11-25", "alice", 6), DeleteTenant{Name: name("alice")})
	s = reopen(t, s)
	got := rows(t, s, "2026-11-24", "2026-11-25", nil)
	if len(got) != 3 || got[0].Day != "2026-11-24" || got[0].Requests != 3 || got[2].Tenant != name("bob") {
		t.Fatalf("%+v", got)
	}
	if want := (Usage{CPU: 1, Memory: 0.5, Awake: 16, Requests: 10, In: 20, Out: 40, Wakes: 2}); got[1].Usage != want {
		t.Errorf("%+v, want %+v", got[1].Usage, want)
	}
}

func TestUsage_GivesTheDaysAndTenantsAskedFor(t *testing.T) {
	s := newStore(t)
	apply(t, s, used("2026-10-31", "alice", 1), used("2026-11-01", "alice", 2), used("2026-11-01", "bob", 3), used("2026-11-02", "alice", 4))
	onlyAlice := func(n conf.Instance) bool { return n == name("alice") }
	for _, c := range []struct {
		from, to string
		wanted   func(conf.Instance) bool
		want     uint64 // the sum of the requests
	}{
		{"2026-11-01", "2026-11-01", nil, 5},
		{"2026-11-01", "2026-11-30", nil, 9},
		{"2026-11-01", "2026-11-30", onlyAlice, 6},
		{"", "2026-10-31", nil, 1},
		{"2026-11-03", "2026-11-30", nil, 0},
		{"2026-11-02", "2026-11-01", nil, 0},
	} {
		sum := uint64(0)
		for _, row := range rows(t, s, c.from, c.to, c.wanted) {
			sum += row.Requests
		}
		if sum != c.want {
			t.Errorf("%s to %s: %d requests, want %d", c.from, c.to, sum, c.want)
		}
	}
	apply(t, s, DropUsage{Before: "2026-11-01"})
	if got := rows(t, s, "", "9999-12-31", nil); len(got) != 3 || got[0].Day != "2026-11-01" {
		t.Errorf("after the old ones were dropped: %+v", got)
	}
}

func TestUsage_WhatIsNoSumIsRefusedAndChangesNothing(t *testing.T) {
	s := newStore(t)
	apply(t, s, used("2026-11-24", "alice", 3))
	for says, spoil := range map[string]func(*UsageRow){
		`"yesterday" is not a day`: func(r *UsageRow) { r.Day = "yesterday" },
		"not a sum that grows":     func(r *UsageRow) { r.CPU = math.NaN() },
		"a sum that grows":         func(r *UsageRow) { r.Memory = -1 },
		"sum that grows":           func(r *UsageRow) { r.Awake = math.Inf(1) },
		"not a valid name":         func(r *UsageRow) { r.Tenant = conf.Instance{Service: "notes", ID: "../bob"} },
	} {
		bad := used("2026-11-24", "bob", 1)
		spoil(&bad.Row)
		refused(t, s.Apply(used("2026-11-24", "alice", 1), bad), "cannot note what", says)
	}
	if got := rows(t, s, "", "9999-12-31", nil); len(got) != 1 || got[0].Requests != 3 {
		t.Errorf("%+v", got)
	}
}

func TestUsage_ADamagedRecordIsNamed(t *testing.T) {
	for says, key := range map[string]string{`"2026-11-24 notes:alice"`: "2026-11-24 notes:alice", `the usage "nonsense"`: "nonsense"} {
		path := closedStore(t)
		edit(t, path, func(tx *bolt.Tx) error {
			b, err := tx.CreateBucket(usage)
			if err != nil {
				return err
			}
			return b.Put([]byte(key), []byte("12345"))
		})
		_, err := Open(path)
		refused(t, err, "damaged", says)
	}
}

func TestDay_IsThatOfUTC(t *testing.T) {
	east := time.FixedZone("", 3*60*60)
	if got := Day(time.Date(2026, 11, 25, 1, 0, 0, 0, east)); got != "2026-11-24" {
		t.Error(got)
	}
}
