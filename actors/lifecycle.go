package actors

// The life of one tenant, as a table: state × event → state, effects. It is
// pure and knows nothing of processes, time or messages; the tenant's actor
// carries the effects out, in order.
//
//	             wake            granted            ready
//	  Asleep ──────────▶ Queued ─────────▶ Starting ──────▶ Running
//	    ▲                  ▲                   │ died, hung    │ idle, stop, hold,
//	    │ gone             │ retry due         ▼               ▼ restart
//	    └───────────── Stopping ◀──────────────┴─────────── Draining
//	                     │ gone
//	                     ├──▶ Backoff ──▶ Queued
//	                     └──▶ Failed, Held, Ended
//
// A process exists from the Spawn effect in Starting until gone in Stopping,
// and nowhere else. The door is open in Running and nowhere else.

// State is where a tenant is in its life.
type State uint8

// The states of a tenant.
const (
	Asleep   State = iota // no process; the next request wakes it
	Queued                // waits for a start slot
	Starting              // has a process that is not ready yet
	Running               // ready, door open
	Draining              // door shut, the requests inside finish
	Stopping              // told to end, or ended and being cleared away
	Backoff               // no process; the next start is due later
	Failed                // the circuit is open
	Held                  // kept asleep by hand
	Ended                 // forgotten, or the daemon is going
	numStates
)

var stateNames = [numStates]string{"asleep", "queued", "starting", "running", "draining", "stopping", "backoff", "failed", "held", "ended"}

func (s State) String() string { return stateNames[s] }

// Then is what follows when a process that is on its way out is gone.
type Then uint8

// What can follow. ThenKeep, in a rule, leaves what was decided before.
const (
	ThenKeep  Then = iota
	ThenSleep      // asleep
	ThenWake       // asleep, and woken at once: somebody asked meanwhile
	ThenHold       // held
	ThenStart      // started again by hand
	ThenRetry      // started again by the policy, after its delay
	ThenFail       // given up
	ThenEnd        // never again
	numThens
)

var thenNames = [numThens]string{"-", "sleep", "wake", "hold", "start", "retry", "fail", "end"}

func (t Then) String() string { return thenNames[t] }

// Event is what can happen to a tenant.
type Event uint8

// The events of a tenant. Those marked (then) carry the policy's verdict.
const (
	EventWake        Event = iota // a visitor wants it
	EventTrial                    // a visitor wants it and the circuit has cooled down
	EventSummon                   // spawn: an operator wants it up
	EventRestart                  // an operator wants a new process
	EventGranted                  // a start slot is ours
	EventDenied                   // no start slot, no room
	EventStartFailed              // no process came to be (then)
	EventReady                    // it listens
	EventDied                     // the process ended (then)
	EventHung                     // never ready, or unhealthy (then)
	EventOverdue                  // never ready on trial: visitors wait for what the rollout decides (then)
	EventIdle                     // nobody used it for idle_timeout, or its room is needed
	EventDrained                  // nobody is inside any more
	EventDrainOver                // the time for that is over
	EventGraceOver                // the time to end by itself is over
	EventGone                     // no process of it is left
	EventRetryDue                 // the delay of the policy is over
	EventStop                     // an operator wants it asleep
	EventHold                     // an operator wants it kept asleep
	EventUnhold                   // an operator lifts that
	EventEnd                      // forgotten, or the daemon is going
	EventLimit                    // it ran into a limit and lives on: news, which changes nothing
	numEvents
)

var eventNames = [numEvents]string{
	"wake", "trial", "summon", "restart", "granted", "denied", "start-failed", "ready", "died", "hung", "overdue",
	"idle", "drained", "drain-over", "grace-over", "gone", "retry-due", "stop", "hold", "unhold", "end", "limit",
}

func (e Event) String() string { return eventNames[e] }

// Effect is something the actor does on a transition.
type Effect uint8

// The effects.
const (
	AskSlot       Effect = iota // a new generation; ask for a start slot
	DropSlot                    // give the slot, or the place in the queue, back
	Spawn                       // start the process, watch for its readiness
	OpenDoor                    // let requests in
	ShutDoor                    // send them to Host.Wake
	AdmitWaiters                // tell all who wait that the door is open
	RefuseWaiters               // tell all who wait that it will not be
	RefuseHurried               // tell those who cannot wait for the delay
	Drain                       // wait for the requests inside, for a limited time
	Terminate                   // ask the process tree to end, for a limited time
	Kill                        // end it
	Clear                       // the process ended: take the rest of its tree and its traces away
	Scrub                       // storage_persist = false: remove the tenant's directory
	SettleStops                 // tell all who wait for the end of the process
	ArmRetry                    // start the delay of the policy
	Forgive                     // forget past failures
	numEffects
)

var effectNames = [numEffects]string{
	"ask-slot", "drop-slot", "spawn", "open-door", "shut-door", "admit-waiters", "refuse-waiters", "refuse-hurried",
	"drain", "terminate", "kill", "clear", "scrub", "settle-stops", "arm-retry", "forgive",
}

func (e Effect) String() string { return effectNames[e] }

// Machine is a tenant's place in the table.
type Machine struct {
	State State
	Then  Then // in Draining and Stopping; ThenKeep elsewhere
}

// rule is one cell of the table. then ThenKeep keeps what the machine or, for
// the events that carry a verdict, the event says.
type rule struct {
	to   State
	then Then
	do   []Effect
}

// Step is the table's one entry point. verdict is used by the events marked
// (then). known is false when the event means nothing in this state: a stale
// message, which changes nothing.
func (m Machine) Step(e Event, verdict Then) (next Machine, effects []Effect, known bool) {
	r, known := m.lookup(e, verdict)
	if !known {
		return m, nil, false
	}
	next = Machine{State: r.to, Then: r.then}
	if r.to != Draining && r.to != Stopping {
		next.Then = ThenKeep
	} else if r.then == ThenKeep {
		next.Then = m.Then
		if m.State != Draining && m.State != Stopping {
			next.Then = verdict
		}
	}
	return next, r.do, true
}

func (m Machine) lookup(e Event, verdict Then) (rule, bool) {
	leaving := m.State == Draining || m.State == Stopping
	switch {
	case m.State == Stopping && e == EventGone:
		r, ok := afterGone[m.Then]
		return r, ok
	case e == EventStartFailed:
		r, ok := afterFailedStart[verdict]
		return r, ok && m.State == Starting
	case leaving:
		if r, ok := onTheWayOut[m.Then][e]; ok {
			r.to = m.State
			return r, true
		}
	}
	r, ok := table[m.State][e]
	return r, ok
}

func do(e ...Effect) []Effect { return e }

// table holds every transition that depends on the state and the event alone.
var table = [numStates]map[Event]rule{
	Asleep: {
		EventWake:    {to: Queued, do: do(AskSlot)},
		EventTrial:   {to: Queued, do: do(AskSlot)},
		EventSummon:  {to: Queued, do: do(Forgive, AskSlot)},
		EventRestart: {to: Queued, do: do(Forgive, AskSlot)},
		EventStop:    {to: Asleep, do: do(SettleStops)},
		EventHold:    {to: Held, do: do(SettleStops)},
		EventUnhold:  {to: Asleep, do: do(SettleStops)},
		EventEnd:     {to: Ended, do: do(SettleStops)},
	},
	Queued: {
		EventWake:    {to: Queued},
		EventTrial:   {to: Queued},
		EventSummon:  {to: Queued, do: do(Forgive)},
		EventRestart: {to: Queued, do: do(Forgive)},
		EventGranted: {to: Starting, do: do(Spawn)},
		EventDenied:  {to: Asleep, do: do(DropSlot, RefuseWaiters)},
		EventStop:    {to: Asleep, do: do(DropSlot, RefuseWaiters, SettleStops)},
		EventHold:    {to: Held, do: do(DropSlot, RefuseWaiters, SettleStops)},
		EventUnhold:  {to: Queued, do: do(SettleStops)},
		EventEnd:     {to: Ended, do: do(DropSlot, RefuseWaiters, SettleStops)},
	},
	Starting: {
		EventWake:    {to: Starting},
		EventTrial:   {to: Starting},
		EventSummon:  {to: Starting},
		EventRestart: {to: Stopping, then: ThenStart, do: do(Forgive, Terminate)},
		EventReady:   {to: Running, do: do(DropSlot, OpenDoor, AdmitWaiters)},
		EventDied:    {to: Stopping, do: do(Clear)},
		EventHung:    {to: Stopping, do: do(RefuseWaiters, Kill)},
		EventOverdue: {to: Stopping, do: do(Kill)},
		EventStop:    {to: Stopping, then: ThenSleep, do: do(RefuseWaiters, Terminate)},
		EventHold:    {to: Stopping, then: ThenHold, do: do(RefuseWaiters, Terminate)},
		EventUnhold:  {to: Starting, do: do(SettleStops)},
		EventEnd:     {to: Stopping, then: ThenEnd, do: do(RefuseWaiters, Terminate)},
	},
	Running: {
		EventWake:    {to: Running, do: do(AdmitWaiters)},
		EventTrial:   {to: Running, do: do(AdmitWaiters)},
		EventSummon:  {to: Running, do: do(AdmitWaiters)},
		EventRestart: {to: Draining, then: ThenStart, do: do(Forgive, ShutDoor, Drain)},
		EventDied:    {to: Stopping, do: do(ShutDoor, Clear)},
		EventHung:    {to: Stopping, do: do(ShutDoor, Terminate)},
		EventIdle:    {to: Draining, then: ThenSleep, do: do(ShutDoor, Drain)},
		EventStop:    {to: Draining, then: ThenSleep, do: do(ShutDoor, Drain)},
		EventHold:    {to: Draining, then: ThenHold, do: do(ShutDoor, Drain)},
		EventUnhold:  {to: Running, do: do(SettleStops)},
		EventEnd:     {to: Draining, then: ThenEnd, do: do(ShutDoor, Drain)},
	},
	Draining: {
		EventDrained:   {to: Stopping, do: do(Terminate)},
		EventDrainOver: {to: Stopping, do: do(Terminate)},
		EventDied:      {to: Stopping, do: do(Clear)},
	},
	Stopping: {
		EventGraceOver: {to: Stopping, do: do(Kill)},
		EventDied:      {to: Stopping, do: do(Clear)},
	},
	Backoff: {
		EventWake:     {to: Backoff, do: do(RefuseHurried)},
		EventTrial:    {to: Backoff, do: do(RefuseHurried)},
		EventSummon:   {to: Queued, do: do(Forgive, AskSlot)},
		EventRestart:  {to: Queued, do: do(Forgive, AskSlot)},
		EventRetryDue: {to: Queued, do: do(AskSlot)},
		EventStop:     {to: Asleep, do: do(RefuseWaiters, SettleStops)},
		EventHold:     {to: Held, do: do(RefuseWaiters, SettleStops)},
		EventUnhold:   {to: Backoff, do: do(SettleStops)},
		EventEnd:      {to: Ended, do: do(RefuseWaiters, SettleStops)},
	},
	Failed: {
		EventWake:    {to: Failed, do: do(RefuseWaiters)},
		EventTrial:   {to: Queued, do: do(AskSlot)},
		EventSummon:  {to: Queued, do: do(Forgive, AskSlot)},
		EventRestart: {to: Queued, do: do(Forgive, AskSlot)},
		EventStop:    {to: Failed, do: do(SettleStops)},
		EventHold:    {to: Held, do: do(SettleStops)},
		EventUnhold:  {to: Failed, do: do(SettleStops)},
		EventEnd:     {to: Ended, do: do(SettleStops)},
	},
	Held: {
		EventWake:    {to: Held, do: do(RefuseWaiters)},
		EventTrial:   {to: Held, do: do(RefuseWaiters)},
		EventSummon:  {to: Queued, do: do(Forgive, AskSlot)},
		EventRestart: {to: Queued, do: do(Forgive, AskSlot)},
		EventStop:    {to: Held, do: do(SettleStops)},
		EventHold:    {to: Held, do: do(SettleStops)},
		EventUnhold:  {to: Asleep, do: do(SettleStops)},
		EventEnd:     {to: Ended, do: do(SettleStops)},
	},
	Ended: {
		EventWake:    {to: Ended, do: do(RefuseWaiters)},
		EventTrial:   {to: Ended, do: do(RefuseWaiters)},
		EventSummon:  {to: Ended, do: do(RefuseWaiters)},
		EventRestart: {to: Ended, do: do(RefuseWaiters)},
		EventStop:    {to: Ended, do: do(SettleStops)},
		EventHold:    {to: Ended, do: do(SettleStops)},
		EventUnhold:  {to: Ended, do: do(SettleStops)},
		EventEnd:     {to: Ended, do: do(SettleStops)},
	},
}

// onTheWayOut says how a wish changes what follows, while a process drains or
// stops; the state stays. Who waits for a stop is told when it is gone.
var onTheWayOut = [numThens]map[Event]rule{
	ThenSleep: wishes(rule{then: ThenWake}, rule{then: ThenStart, do: do(Forgive)}, ThenSleep),
	ThenWake:  wishes(rule{}, rule{then: ThenStart, do: do(Forgive)}, ThenWake),
	ThenHold:  held(wishes(rule{do: do(RefuseWaiters)}, rule{then: ThenStart, do: do(Forgive)}, ThenSleep)),
	ThenStart: wishes(rule{}, rule{do: do(Forgive)}, ThenStart),
	ThenRetry: wishes(rule{}, rule{then: ThenStart, do: do(Forgive)}, ThenRetry),
	ThenFail:  wishes(rule{do: do(RefuseWaiters)}, rule{then: ThenStart, do: do(Forgive)}, ThenFail),
	ThenEnd: {
		EventWake:    {do: do(RefuseWaiters)},
		EventTrial:   {do: do(RefuseWaiters)},
		EventSummon:  {do: do(RefuseWaiters)},
		EventRestart: {do: do(RefuseWaiters)},
		EventStop:    {},
		EventHold:    {},
		EventUnhold:  {},
		EventEnd:     {},
	},
}

func wishes(wake, start rule, unheld Then) map[Event]rule {
	return map[Event]rule{
		EventWake:    wake,
		EventTrial:   wake,
		EventSummon:  start,
		EventRestart: start,
		EventStop:    {then: ThenSleep, do: do(RefuseWaiters)},
		EventHold:    {then: ThenHold, do: do(RefuseWaiters)},
		EventUnhold:  {then: unheld},
		EventEnd:     {then: ThenEnd, do: do(RefuseWaiters)},
	}
}

// held keeps a tenant held through a stop, which lifts no hold.
func held(wishes map[Event]rule) map[Event]rule {
	wishes[EventStop] = rule{do: do(RefuseWaiters)}
	return wishes
}

// afterGone is where a tenant goes when no process of it is left.
var afterGone = map[Then]rule{
	ThenSleep: {to: Asleep, do: do(DropSlot, Scrub, RefuseWaiters, SettleStops)},
	ThenWake:  {to: Queued, do: do(DropSlot, Scrub, SettleStops, AskSlot)},
	ThenHold:  {to: Held, do: do(DropSlot, Scrub, RefuseWaiters, SettleStops)},
	ThenStart: {to: Queued, do: do(DropSlot, SettleStops, AskSlot)},
	ThenRetry: {to: Backoff, do: do(DropSlot, SettleStops, ArmRetry, RefuseHurried)},
	ThenFail:  {to: Failed, do: do(DropSlot, RefuseWaiters, SettleStops)},
	ThenEnd:   {to: Ended, do: do(DropSlot, Scrub, RefuseWaiters, SettleStops)},
}

// pickUp is what an actor does first when a panic ended the one before it,
// perhaps in the middle of a transition to this state: all of it may be done
// twice. What Starting and Stopping need is up to their process.
var pickUp = [numStates][]Effect{
	Asleep:   do(DropSlot, RefuseWaiters, SettleStops),
	Queued:   do(DropSlot, SettleStops, AskSlot),
	Starting: nil,
	Running:  do(DropSlot, OpenDoor, AdmitWaiters, SettleStops),
	Draining: do(DropSlot, ShutDoor, Drain),
	Stopping: do(ShutDoor, Terminate),
	Backoff:  do(DropSlot, SettleStops, ArmRetry, RefuseHurried),
	Failed:   do(DropSlot, RefuseWaiters, SettleStops),
	Held:     do(DropSlot, RefuseWaiters, SettleStops),
	Ended:    do(DropSlot, RefuseWaiters, SettleStops),
}

// afterFailedStart is where a tenant goes when its process could not be made.
var afterFailedStart = map[Then]rule{
	ThenSleep: {to: Asleep, do: do(DropSlot, RefuseWaiters)},
	ThenRetry: {to: Backoff, do: do(DropSlot, ArmRetry, RefuseHurried)},
	ThenFail:  {to: Failed, do: do(DropSlot, RefuseWaiters)},
}
