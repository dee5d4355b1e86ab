package actors

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tenement/conf"
)

func provisions(n int) []Provision {
	weight := 40
	list := make([]Provision, n)
	for i := range list {
		list[i] = Provision{Name: id(fmt.Sprint("t", i)), Overrides: Overrides{
			Env: pointers(map[string]string{"CUSTOMER": fmt.Sprint(i)}), Limits: pointers(map[string]float64{"pids_limit": 64}), Weight: &weight,
		}}
	}
	return list
}

func TestProvision_AListIsRegisteredOnceAndChangesNothingTheSecondTime(t *testing.T) {
	config := defaults()
	config.Services["shop"] = &conf.Service{Name: "shop", Argv: []string{"app"}, Isolation: conf.IsolationProcess}
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		register(t, h, id("t0"))
		list := append(provisions(100), Provision{Name: conf.Instance{Service: "shop", ID: "x"}})
		for round, want := range []string{"added 100, changed 101", "added 0, changed 0"} {
			done, err := h.Provision(t.Context(), list)
			if err != nil {
				t.Fatal(err)
			}
			added, changed := 0, 0
			for i, d := range done {
				if d.Name != list[i].Name {
					t.Errorf("%d is of %s", i, d.Name)
				}
				if d.Added {
					added++
				}
				if d.Changed() {
					changed++
				}
			}
			if got := fmt.Sprintf("added %d, changed %d", added, changed); got != want {
				t.Errorf("round %d: %s, want %s", round, got, want)
			}
		}
		record := h.cell(id("t7")).record.Load()
		if record.Weight != 40 || record.Env["CUSTOMER"] != "7" || record.Limits["pids_limit"] != 64 || len(h.List()) != 101 {
			t.Errorf("%+v, %d tenants", record, len(h.List()))
		}
	})
}

func TestProvision_AFailureBetweenServicesSaysWhatIsDone(t *testing.T) {
	t.Parallel()
	fault, indices := errors.New("the disk is full"), map[string][]int{"a": {0}, "b": {1}, "c": {2}}
	if err := halfway("a", indices, fault); err != fault {
		t.Error(err)
	}
	const want = "the entries of a, b are done, those of c and what follows are not: the disk is full: give the list again"
	if err := halfway("c", indices, fault); err.Error() != want {
		t.Error(err)
	}
}

func TestProvision_ABadEntryIsNamedAndNothingIsHalfDone(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		for want, spoil := range map[string]func([]Provision){
			"entry 7: shop:x: unknown service":                  func(l []Provision) { l[7].Name = conf.Instance{Service: "shop", ID: "x"} },
			"entry 8: notes:t3: it stands in entry 3 already":   func(l []Provision) { l[8].Name = l[3].Name },
			"entry 9: notes:t9: pids_limit: must be at least 4": func(l []Provision) { l[9].Overrides.Limits = pointers(map[string]float64{"pids_limit": 0}) },
		} {
			list := provisions(10)
			spoil(list)
			_, err := h.Provision(t.Context(), list)
			if !errors.As(err, new(*EntryError)) || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
		if n := len(h.List()); n != 0 {
			t.Errorf("%d tenants of lists that were refused", n)
		}
	})
}
