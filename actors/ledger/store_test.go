package ledger

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tenement/conf"
)

const base = 1900000000

func name(id string) conf.Instance { return conf.Instance{Service: "notes", ID: id} }

func tenant(id string, uid uint32) Tenant { return Tenant{Name: name(id), UID: uid} }

func openAt(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newStore(t testing.TB) *Store { return openAt(t, filepath.Join(t.TempDir(), "registry.db")) }

func apply(t testing.TB, s *Store, changes ...Change) {
	t.Helper()
	if err := s.Apply(changes...); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, s *Store) ([]Tenant, []Token) {
	t.Helper()
	tenants, tokens, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return tenants, tokens
}

func uidOf(t testing.TB, s *Store, id string) uint32 {
	t.Helper()
	uid, err := s.UID(name(id), base)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

// refused checks that err is there and says each of the words.
func refused(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// reopen closes s and opens its file again.
func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return openAt(t, s.path)
}

func TestStore_KeepsEverythingOverARestart(t *testing.T) {
	s := newStore(t)
	if !s.Fresh() {
		t.Error("a new registry is not fresh")
	}
	full := Tenant{Name: name("bob"), UID: base + 1, Weight: 30, Weighted: true, Held: true, Release: "v2",
		Env: map[string]string{"A": "1", "B": "ünïcode\x00"}, Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
	bare := tenant("alice", base)
	token := Token{Hash: HashToken("x"), Scope: ScopeTenant, Service: "notes", ID: "bob", Description: "for bob",
		Created: full.Created, Expires: full.Created.Add(time.Hour)}
	apply(t, s, PutTenant{full}, PutTenant{bare}, PutToken{token})

	s = reopen(t, s)
	if s.Fresh() {
		t.Error("a registry that was there is fresh")
	}
	tenants, tokens := load(t, s)
	if want := []Tenant{bare, full}; !reflect.DeepEqual(tenants, want) {
		t.Errorf("tenants %+v, want %+v", tenants, want)
	}
	if want := []Token{token}; !reflect.DeepEqual(tokens, want) {
		t.Errorf("tokens %+v, want %+v", tokens, want)
	}
}

func TestStore_IsFreshUntilATenantIsRegistered(t *testing.T) {
	s := newStore(t)
	apply(t, s, ReplaceAdmin{Token{Hash: HashToken("x"), Scope: ScopeAdmin}}) // token-gen before the first start
	if s = reopen(t, s); !s.Fresh() {
		t.Error("a registry with nothing but a token is not fresh")
	}
	apply(t, s, PutTenant{tenant("a", base)}, DeleteTenant{Name: name("a"), KeepUID: true})
	if s = reopen(t, s); s.Fresh() {
		t.Error("a registry whose only tenant was forgotten is fresh")
	}
}

func TestStore_ALocalTimeIsKeptAsTheSameInstant(t *testing.T) {
	s := newStore(t)
	at := time.Now().In(time.FixedZone("far", 5*3600))
	a := tenant("a", base)
	a.Created = at
	apply(t, s, PutTenant{a})
	got, _ := load(t, s)
	if !got[0].Created.Equal(at) || got[0].Created.Location() != time.UTC {
		t.Errorf("created %v, want %v in UTC", got[0].Created, at)
	}
}

func TestStore_APutReplacesAndADeleteRemoves(t *testing.T) {
	s := newStore(t)
	held := tenant("a", base)
	held.Held = true
	apply(t, s, PutTenant{tenant("a", base)}, PutTenant{tenant("b", base+1)})
	apply(t, s, PutTenant{held}, DeleteTenant{Name: name("b")}, DeleteTenant{Name: name("never-was")})
	if got, _ := load(t, s); !reflect.DeepEqual(got, []Tenant{held}) {
		t.Errorf("tenants %+v, want only %+v", got, held)
	}
}

func TestStore_OneRefusedChangeUndoesAll(t *testing.T) {
	s := newStore(t)
	for _, tc := range []struct {
		bad  Change
		says string
	}{
		{PutTenant{tenant("a", 0)}, "cannot register notes:a: it has no uid"},
		{PutTenant{tenant("../a", base)}, "not a valid name"},
		{PutTenant{Tenant{Name: name("a"), UID: base, Weight: 101}}, "weight is 101"},
		{PutTenant{Tenant{Name: name("a"), UID: base, Weight: -1}}, "weight is -1"},
		{PutTenant{Tenant{Name: name("a"), UID: base, Release: "\xff"}}, "release"},
		{PutTenant{Tenant{Name: name("a"), UID: base, Env: map[string]string{"E": "\xff"}}}, `"E" is not UTF-8`},
		{PutTenant{Tenant{Name: name("a"), UID: base, Env: map[string]string{"E": strings.Repeat("x", maxRecord)}}}, "bytes long"},
		{PutTenant{Tenant{Name: name("a"), UID: base, Created: time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)}}, "year"},
		{PutToken{Token{}}, `unknown scope ""`},
		{PutToken{Token{Scope: ScopeTenant}}, "tenant's id"},
		{PutToken{Token{Scope: ScopeAdmin, ID: "alice"}}, "an admin token has no tenant"},
		{ReplaceAdmin{Token{Scope: ScopeTenant, ID: "a"}}, `"tenant"`},
	} {
		refused(t, s.Apply(PutTenant{tenant("good", base+7)}, tc.bad), tc.says, "cannot write the registry "+s.path)
		if tenants, tokens := load(t, s); len(tenants)+len(tokens) > 0 {
			t.Fatalf("after %+v the registry holds %v %v", tc.bad, tenants, tokens)
		}
	}
}

func TestStore_NoChangesCostNothing(t *testing.T) {
	s := newStore(t)
	before, _ := os.ReadFile(s.path)
	apply(t, s)
	if after, _ := os.ReadFile(s.path); string(after) != string(before) {
		t.Error("an empty Apply wrote to the file")
	}
}

func TestStore_ReplaceAdminLeavesOneAdminAndAllOthers(t *testing.T) {
	s := newStore(t)
	mine := Token{Hash: HashToken("bob's"), Scope: ScopeTenant, ID: "bob"}
	apply(t, s, PutToken{Token{Hash: HashToken("1"), Scope: ScopeAdmin}}, PutToken{Token{Hash: HashToken("2"), Scope: ScopeAdmin}}, PutToken{mine})
	next := Token{Hash: HashToken("3"), Scope: ScopeAdmin}
	apply(t, s, ReplaceAdmin{next})
	apply(t, s, ReplaceAdmin{next})
	_, got := load(t, s)
	if len(got) != 2 || !(got[0] == mine && got[1] == next || got[0] == next && got[1] == mine) {
		t.Errorf("tokens %+v, want bob's and the new admin", got)
	}
	apply(t, s, DeleteToken{mine.Hash}, DeleteToken{HashToken("unknown")})
	if _, got := load(t, s); len(got) != 1 || got[0] != next {
		t.Errorf("tokens %+v, want only the admin's", got)
	}
}

func TestUID_IsOnePerTenantAndNeverGivenAgain(t *testing.T) {
	s := newStore(t)
	a, b := uidOf(t, s, "a"), uidOf(t, s, "b")
	if a != base || b != base+1 {
		t.Fatalf("uids %d and %d, want %d and the next", a, b, base)
	}
	apply(t, s, PutTenant{tenant("b", b)}, PutTenant{tenant("a", a)}) // in any order
	if got := uidOf(t, s, "a"); got != a {
		t.Errorf("a's uid became %d", got)
	}

	apply(t, s, DeleteTenant{Name: name("a"), KeepUID: true}, DeleteTenant{Name: name("b")})
	s = reopen(t, s)
	if got := uidOf(t, s, "a"); got != a {
		t.Errorf("a came back to its data with uid %d, had %d", got, a)
	}
	if got := uidOf(t, s, "c"); got != base+2 {
		t.Errorf("c got uid %d, want the next unused, %d", got, base+2)
	}
	refused(t, s.Apply(PutTenant{tenant("thief", a)}), "is that of notes:a")

	apply(t, s, DeleteTenant{Name: name("a")}) // now its data goes as well
	if got := uidOf(t, s, "a"); got <= base+1 {
		t.Errorf("a's new uid %d was given before", got)
	}
}

func TestUID_OfARegisteredTenantNeverChanges(t *testing.T) {
	s := newStore(t)
	apply(t, s, PutTenant{tenant("a", base)})
	refused(t, s.Apply(PutTenant{tenant("a", base+5)}), "cannot become")
	apply(t, s, DeleteTenant{Name: name("a"), KeepUID: true})
	refused(t, s.Apply(PutTenant{tenant("a", base+5)}), "cannot become")
	apply(t, s, PutTenant{tenant("a", base)}, DeleteTenant{Name: name("a"), KeepUID: true}, PutTenant{tenant("a", base)})
	refused(t, s.Apply(PutTenant{tenant("b", base)}), "is that of notes:a")
}

func TestUID_ABaseThatWasRaisedOrLoweredMeetsNobody(t *testing.T) {
	s := newStore(t)
	apply(t, s, PutTenant{tenant("a", 5000)})
	for _, tc := range []struct{ base, want uint32 }{{100, 5001}, {9000, 9000}, {0, 9001}} {
		if got, err := s.UID(name("new"), tc.base); err != nil || got != tc.want {
			t.Errorf("base %d gives %d (%v), want %d", tc.base, got, err, tc.want)
		}
	}
}

func TestUID_SaysWhenNoneIsLeft(t *testing.T) {
	s := newStore(t)
	if got, err := s.UID(name("a"), math.MaxUint32-1); err != nil || got != math.MaxUint32-1 {
		t.Fatalf("the last uid: %d, %v", got, err)
	}
	_, err := s.UID(name("b"), base)
	refused(t, err, "notes:b", "none is left")
}

func TestUID_ConcurrentTakersGetDifferentOnes(t *testing.T) {
	s := newStore(t)
	var wg sync.WaitGroup
	var taken sync.Map
	for i := range 50 {
		wg.Go(func() {
			uid, err := s.UID(name(fmt.Sprint("t", i)), base)
			if _, twice := taken.LoadOrStore(uid, i); twice || err != nil {
				t.Errorf("uid %d twice (%v)", uid, err)
			}
		})
	}
	wg.Wait()
}

func TestStore_TenThousandTenantsComeBack(t *testing.T) {
	s := newStore(t)
	fill(t, s, 10000)
	s = reopen(t, s)
	got, _ := load(t, s)
	if len(got) != 10000 {
		t.Fatalf("%d tenants came back", len(got))
	}
	for i, one := range got {
		if want := tenant(fmt.Sprintf("t%05d", i), base+uint32(i)); !reflect.DeepEqual(one, want) {
			t.Fatalf("tenant %d is %+v, want %+v", i, one, want)
		}
	}
	if info, _ := os.Stat(s.path); info.Size() > 8<<20 {
		t.Errorf("10 000 tenants take %d bytes", info.Size())
	}
}

func fill(t testing.TB, s *Store, n int) {
	t.Helper()
	var changes []Change
	for i := range n {
		changes = append(changes, PutTenant{tenant(fmt.Sprintf("t%05d", i), base+uint32(i))})
	}
	apply(t, s, changes...)
}

func TestStore_AfterCloseEveryCallSaysSo(t *testing.T) {
	s := newStore(t)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	_, _, err := s.Load()
	refused(t, err, "cannot read", "not open")
	refused(t, s.Apply(DeleteTenant{Name: name("a")}), "cannot write", "not open")
	_, err = s.UID(name("a"), base)
	refused(t, err, "not open")
}

func TestStore_TheFileIsItsOwnersOnly(t *testing.T) {
	s := newStore(t)
	s.Close()
	if err := os.Chmod(s.path, 0o644); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, s.path)
	if info, err := os.Stat(s.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
	if left, _ := filepath.Glob(s.path + "?*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestStore_TakenAwayReplacedOrCutWhileInUseIsAnError(t *testing.T) {
	for says, harm := range map[string]func(path string) error{
		"taken away": os.Remove,
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, make([]byte, 1<<20), 0o600))
		},
		"truncated while in use": func(path string) error { return os.Truncate(path, 100) },
	} {
		s := newStore(t)
		fill(t, s, 300) // the file grows after it was opened
		if err := harm(s.path); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Load()
		refused(t, err, "cannot read the registry "+s.path, says)
		refused(t, s.Apply(PutTenant{tenant("x", base+999)}), "cannot write the registry "+s.path, says)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestGuard_AFaultInTheMappingBecomesAnError(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "map"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	mapped, err := syscall.Mmap(int(f.Fd()), 0, 4096, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(mapped)
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	var b byte
	err = guard(func() error { b = mapped[10]; return nil })
	if !errors.Is(err, errDamaged) {
		t.Errorf("read %d, error %v, want one of damage", b, err)
	}
}

func BenchmarkStore_OpenWithTenThousandTenants(b *testing.B) {
	s := newStore(b)
	fill(b, s, 10000)
	s.Close()
	for b.Loop() {
		s, err := Open(s.path)
		if err != nil {
			b.Fatal(err)
		}
		s.Load()
		s.Close()
	}
}

func BenchmarkStore_ApplyOne(b *testing.B) {
	s := newStore(b)
	fill(b, s, 1000)
	for b.Loop() {
		apply(b, s, PutTenant{tenant("t00500", base+500)})
	}
}
