package actors

import "tenement/actors/ledger"

// What a rollout does next is decided here, from its record and from what its
// tenants are at that moment, and from nothing else: a daemon that starts anew
// goes on by the same rules.
//
//	running ──▶ the first batch ──▶ who sleeps: records only ──▶ batch after batch ──▶ done
//	   │              │                                               │
//	   └──────────────┴── a fault of the release, or --abort ─────────┴──▶ rolling back ──▶ rolled back

// presence is what a tenant has of a process.
type presence uint8

// A tenant in between is looked at again when it has settled.
const (
	absent presence = iota
	between
	present
)

// rollee is a tenant as a rollout sees it.
type rollee struct {
	id       string
	release  string // of its next process
	former   string // where this rollout took it from
	moved    bool   // by this rollout
	presence presence
	runs     string // the release of its newest process
	flaw     string // what a process of that release failed of; "" = none did
	held     bool
	failing  bool // it does not stay up at present: what it does proves nothing
}

func (t rollee) fit() bool { return !t.held && !t.failing }

// faulty: it was moved, and a process of the release has failed.
func (t rollee) faulty(r ledger.Rollout) bool { return t.moved && t.runs == r.To && t.flaw != "" }

// rolloutStep is what a rollout does next.
type rolloutStep struct {
	do     rolloutAct
	who    []string
	proves bool   // the release is good when this has gone well
	reason string // of rollBack
}

// rolloutAct is one kind of step.
type rolloutAct uint8

// The steps of a rollout.
const (
	awaitThem    rolloutAct = iota // some are in between
	switchThem                     // their next process is of the release
	moveThem                       // and they get it now
	trustRelease                   // nobody is left who could prove it
	rollBack
	finishRollout
)

// nextStep decides.
func nextStep(r ledger.Rollout, all []rollee, tried map[string]bool) rolloutStep {
	if r.State == ledger.RolloutBack {
		return nextBack(r, all, tried)
	}
	for _, t := range all {
		if t.faulty(r) {
			return rolloutStep{do: rollBack, who: []string{t.id}, reason: t.id + ": " + t.flaw}
		}
	}
	if !r.Proved {
		return nextProof(r, all)
	}
	var asleep, awake []string
	settled := true
	for _, t := range all {
		switch {
		case t.presence == absent && t.release != r.To:
			asleep = append(asleep, t.id)
		case t.presence == present && t.runs != r.To:
			awake = append(awake, t.id)
		case t.presence == between:
			settled = false
		}
	}
	switch {
	case len(asleep) > 0:
		return rolloutStep{do: switchThem, who: asleep}
	case len(awake) > 0:
		return rolloutStep{do: moveThem, who: awake[:min(len(awake), r.Batch)]}
	case !settled:
		return rolloutStep{do: awaitThem}
	}
	return rolloutStep{do: finishRollout}
}

// nextProof chooses those who show whether the release is any good: some who
// are awake, else one who is woken for it.
func nextProof(r ledger.Rollout, all []rollee) rolloutStep {
	var awake, asleep []string
	settled, needed := true, false
	for _, t := range all {
		needed = needed || t.moved || t.release != r.To
		switch {
		case t.presence == between:
			settled = false
		case t.presence == present && t.runs != r.To:
			awake = append(awake, t.id)
		case t.presence == absent && t.fit() && t.moved: // by a daemon that was killed
			asleep = append([]string{t.id}, asleep...)
		case t.presence == absent && t.fit():
			asleep = append(asleep, t.id)
		}
	}
	switch {
	case len(awake) > 0:
		return rolloutStep{do: moveThem, who: awake[:min(len(awake), r.First)], proves: true}
	case !settled:
		return rolloutStep{do: awaitThem}
	case len(asleep) > 0 && needed:
		return rolloutStep{do: moveThem, who: asleep[:1], proves: true}
	}
	return rolloutStep{do: trustRelease}
}

// nextBack undoes: records first, all at once, so that nobody wakes at the
// release any more; then the processes, those that have failed before others.
func nextBack(r ledger.Rollout, all []rollee, tried map[string]bool) rolloutStep {
	var marked, failed, awake []string
	settled := true
	for _, t := range all {
		if !t.moved {
			continue
		}
		switch {
		case t.release == r.To:
			marked = append(marked, t.id)
		case t.runs != r.To || tried[t.id]:
		case t.flaw != "" && !t.held:
			failed = append(failed, t.id)
		case t.presence == present:
			awake = append(awake, t.id)
		case t.presence == between:
			settled = false
		}
	}
	who := append(failed, awake...)
	switch {
	case len(marked) > 0:
		return rolloutStep{do: switchThem, who: marked}
	case len(who) > 0:
		return rolloutStep{do: moveThem, who: who[:min(len(who), max(r.First, r.Batch))]}
	case !settled:
		return rolloutStep{do: awaitThem}
	}
	return rolloutStep{do: finishRollout}
}
