package actors

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"tenement/actors/ledger"
)

// fleet is a service whose rollout is carried out in one's head: FuzzNextStep
// has chance decide what its tenants do meanwhile.
type fleet struct {
	rollout ledger.Rollout
	tenants []rollee
	tried   map[string]bool
	broken  bool // the release
	chance  *rand.Rand
}

func newFleet(seed uint64, n int) *fleet {
	f := &fleet{tried: map[string]bool{}, chance: rand.New(rand.NewPCG(seed, 1))}
	f.broken = f.chance.IntN(3) == 0
	f.rollout = ledger.Rollout{Number: 5, To: "new", From: "old", First: 1 + f.chance.IntN(3), Batch: 1 + f.chance.IntN(4), State: ledger.RolloutForward}
	for i := range n {
		f.tenants = append(f.tenants, rollee{
			id: fmt.Sprint(i), release: "old", runs: "old", presence: presence(f.chance.IntN(3)), held: f.chance.IntN(6) == 0, failing: f.chance.IntN(6) == 0,
		})
		if t := &f.tenants[i]; t.held || t.failing {
			t.presence = absent
		}
	}
	return f
}

// drift is what tenants do by themselves: wake, fall asleep, settle.
func (f *fleet) drift() {
	for i := range f.tenants {
		t := &f.tenants[i]
		switch n := f.chance.IntN(4); {
		case t.presence == between:
			t.presence = absent
			if n > 0 {
				t.presence = present
			}
		case t.presence == present && n == 0:
			t.presence = between
		case t.presence == absent && !t.held && n == 0:
			f.start(t)
		}
	}
}

// start gives a tenant a process of what its record says.
func (f *fleet) start(t *rollee) {
	t.runs, t.presence, t.flaw, t.failing = t.release, present, "", false
	if t.runs == "new" && f.broken {
		t.presence, t.flaw, t.failing = absent, "exit status 3", true
	}
}

// take does a step as rollout.take does.
func (f *fleet) take(s rolloutStep) error {
	back := f.rollout.State == ledger.RolloutBack
	for i := range f.tenants {
		t := &f.tenants[i]
		if !slices.Contains(s.who, t.id) || s.do == rollBack {
			continue
		}
		if s.do == moveThem && t.held {
			return fmt.Errorf("%s is held and was to be moved", t.id)
		}
		switch {
		case back && t.moved:
			t.release = t.former
		case !back && t.release != "new":
			t.former, t.release, t.moved = t.release, "new", true
		}
		if s.do == moveThem {
			f.tried[t.id] = back
			f.start(t)
		}
	}
	switch {
	case s.do == rollBack:
		f.rollout.State = ledger.RolloutBack
	case s.do == trustRelease, s.do == moveThem && s.proves && !f.broken:
		f.rollout.Proved = true
	case s.do == finishRollout:
		f.rollout.State = map[bool]ledger.RolloutState{true: ledger.RolloutUndone, false: ledger.RolloutDone}[back]
	}
	return nil
}

// atEnd holds the end against what a rollout promises.
func (f *fleet) atEnd() error {
	want := map[ledger.RolloutState]string{ledger.RolloutDone: "new", ledger.RolloutUndone: "old"}[f.rollout.State]
	for _, t := range f.tenants {
		if t.release != want {
			return fmt.Errorf("%s: %s is at %s", f.rollout.State, t.id, t.release)
		}
		if t.presence == present && t.runs != want {
			return fmt.Errorf("%s: %s still runs %s", f.rollout.State, t.id, t.runs)
		}
	}
	return nil
}

// FuzzNextStep: whatever tenants do meanwhile, a rollout ends, with everybody at
// one release; before the release has proved itself nobody but one batch is moved.
func FuzzNextStep(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed, uint8(seed%23))
	}
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		f := newFleet(seed, int(n%64))
		for steps := 0; f.rollout.Active(); steps++ {
			if steps > 1000 {
				t.Fatalf("it does not end: %+v", f.rollout)
			}
			s := nextStep(f.rollout, f.tenants, f.tried)
			if most := max(f.rollout.First, f.rollout.Batch); s.do == moveThem && len(s.who) > most {
				t.Fatalf("%d are moved at once", len(s.who))
			}
			if !f.rollout.Proved && f.rollout.State == ledger.RolloutForward && s.do == switchThem {
				t.Fatal("sleepers are switched to a release that nobody has tried")
			}
			if err := f.take(s); err != nil {
				t.Fatal(err)
			}
			if f.rollout.Active() && steps < 100 { // then it becomes quiet
				f.drift()
			} else if f.rollout.Active() {
				f.settle()
			}
		}
		if err := f.atEnd(); err != nil {
			t.Fatal(err)
		}
	})
}

// settle ends what is in between.
func (f *fleet) settle() {
	for i := range f.tenants {
		if t := &f.tenants[i]; t.presence == between {
			t.presence = absent
		}
	}
}

func TestNextStep_DecidesByWhatThereIs(t *testing.T) {
	at := func(id, release, runs string, p presence) rollee {
		return rollee{id: id, release: release, runs: runs, presence: p, moved: release == "new", former: "old"}
	}
	ill := at("x", "new", "new", absent)
	ill.flaw = "exit status 3"
	asleep := at("s", "old", "old", absent)
	failing := at("f", "old", "old", absent)
	failing.failing = true
	forward := ledger.Rollout{Number: 1, To: "new", First: 2, Batch: 3, State: ledger.RolloutForward}
	proved, back := forward, forward
	proved.Proved, back.State = true, ledger.RolloutBack
	awake := []rollee{at("a", "old", "old", present), at("b", "old", "old", present), at("c", "old", "old", present), at("d", "old", "old", present)}
	for name, c := range map[string]struct {
		rollout ledger.Rollout
		tenants []rollee
		want    string
	}{
		"nobody is there":              {forward, nil, "3 [] false"},
		"some are awake":               {forward, append(awake[:4:4], asleep), "2 [a b] true"},
		"all sleep":                    {forward, []rollee{failing, asleep}, "2 [s] true"},
		"none of them is fit":          {forward, []rollee{failing}, "3 [] false"},
		"one is in between":            {forward, []rollee{at("a", "old", "old", between), asleep}, "0 [] false"},
		"a sleeper first, then others": {proved, append(awake[:4:4], asleep), "1 [s] false"},
		"batch after batch":            {proved, awake, "2 [a b c] false"},
		"woken at the old one between": {proved, []rollee{at("a", "new", "old", present)}, "2 [a] false"},
		"all are there":                {proved, []rollee{at("a", "new", "new", present)}, "5 [] false"},
		"a fault of the release":       {proved, append(awake[:4:4], ill), "4 [x] false"},
		"back: records first":          {back, []rollee{ill, awake[0]}, "1 [x] false"},
		"back: processes":              {back, []rollee{{id: "a", release: "old", former: "old", runs: "new", presence: present, moved: true}}, "2 [a] false"},
		"back: all are there":          {back, awake, "5 [] false"},
	} {
		s := nextStep(c.rollout, c.tenants, map[string]bool{})
		if got := fmt.Sprintf("%d %v %v", s.do, s.who, s.proves); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
