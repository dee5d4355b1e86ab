package actors

import (
	"fmt"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// hook is a command of a service's that runs in a tenant's process's place,
// inside its enclosure and with its environment: before_start while the tenant
// is Starting, after_stop while it is Stopping. So there is never another process
// of the tenant beside it.
type hook uint8

// Which of the two is the tenant's process at present.
const (
	hookNone hook = iota
	hookBefore
	hookAfter
)

var hookNames = [...]string{"", "before_start", "after_stop"}

func (k hook) String() string { return hookNames[k] }

// hookTime is how long the hooks of a service may take.
func hookTime(config *conf.Service) (d time.Duration) {
	for _, argv := range [][]string{config.BeforeStart, config.AfterStop} {
		if len(argv) > 0 {
			d += config.HookTimeout
		}
	}
	return d
}

// hookSpec is a start's spec with a hook in the place of the app; false: there
// is no such hook. Nobody is expected to listen.
func (t *tenant) hookSpec(k hook) (sandbox.Spec, bool) {
	spec := t.life().spec
	filled := t.cell.config().Expand(conf.Vars{
		Name: t.cell.name.Service, ID: t.cell.name.ID, DataDir: t.h.o.DataDir, InstanceDir: spec.DataDir, Socket: spec.Socket, Port: spec.Port,
	})
	spec.Argv = map[hook][]string{hookBefore: filled.BeforeStart, hookAfter: filled.AfterStop}[k]
	if spec.Listen == sandbox.ListenFD {
		spec.Listen = sandbox.ListenUnix
	}
	return spec, len(spec.Argv) > 0
}

// launchFirst starts what comes first of a generation: its hook, else its app.
func (t *tenant) launchFirst() error {
	if spec, ok := t.hookSpec(hookBefore); ok {
		return t.launchHook(hookBefore, spec)
	}
	return t.launchApp()
}

func (t *tenant) launchHook(k hook, spec sandbox.Spec) error {
	l := t.life()
	t.note("runs " + k.String())
	if err := t.launch(spec); err != nil {
		return fmt.Errorf("%s: %w", k, err)
	}
	l.hook, l.hookLate, l.askedAt = k, false, 0
	l.armed[dueGrace] = 0 // it was about the process before
	t.arm(t.cell.config().HookTimeout, dueHook)
	return nil
}

func (t *tenant) launchApp() error {
	l := t.life()
	if err := t.launch(l.spec); err != nil {
		return err
	}
	l.hook, l.ran = hookNone, true
	t.watchReady()
	return nil
}

// launch starts a process of this generation. The end of the one before it is
// no news any more.
func (t *tenant) launch(spec sandbox.Spec) error {
	l := t.life()
	t.cell.exit.Store(nil)
	p, err := t.h.launcher.Start(spec, t.events(l.gen))
	if err != nil {
		return err
	}
	if l.process != nil {
		t.h.toAccountant(&closed{cell: t.cell, gen: l.gen, usage: l.process.Usage()})
	}
	l.process, l.startedAt = p, time.Now()
	t.h.toAccountant(&opened{cell: t.cell, gen: l.gen, process: p})
	if err := sandbox.WriteRecord(t.h.recordDir(), p.Record()); err != nil {
		t.log().Error().Err(err).Msg("cannot write the run record: a crash of the daemon would leave this process unknown")
	}
	return nil
}

// hookOver kills a hook whose time is over; what one that has ended left behind
// is looked at again.
func (t *tenant) hookOver() {
	l := t.life()
	if l.hook == hookNone || l.process == nil || l.clearing != nil {
		return
	}
	if n := t.cell.exit.Load(); n != nil && n.gen == l.gen {
		t.clear()
		return
	}
	l.hookLate = true
	t.signal(l.process.Kill, "SIGKILL")
}

// hookEnded takes the news that a hook has ended, and reports whether that is
// all there is to do about it now.
func (t *tenant) hookEnded(s sandbox.Status) (done bool) {
	l := t.life()
	ending := s.String()
	if l.hookLate {
		ending = fmt.Sprintf("it took longer than %s (hook_timeout)", t.cell.config().HookTimeout)
	}
	failed := l.hookLate || !s.Clean()
	switch {
	case l.hook == hookBefore && l.machine.State == Starting && !failed:
		t.clear() // and then the app is started
		return true
	case l.hook == hookBefore && l.machine.State == Starting:
		l.reason = "before_start failed: " + ending
		t.note(l.reason)
		t.step(EventDied, t.startVerdict())
		return true
	case l.hook == hookAfter && failed:
		t.note("after_stop failed: " + ending)
		t.log().Warn().Str("reason", ending).Msg("after_stop failed")
	}
	return false
}

// startVerdict is what follows a start that came to nothing.
func (t *tenant) startVerdict() Then {
	if verdict, onTrial := t.fault(); onTrial {
		return verdict
	}
	return t.failureVerdict()
}

// failureVerdict asks the policy about a start.
func (t *tenant) failureVerdict() Then {
	verdict := t.countFailure()
	if verdict == ThenRetry && t.cell.config().Restart == conf.RestartNever {
		return ThenSleep
	}
	return verdict
}

// nextLaunch starts what follows a process of which nothing is left: the app
// after before_start, after_stop after the app. False: nothing does.
func (t *tenant) nextLaunch() bool {
	l := t.life()
	switch {
	case l.hook == hookBefore && l.machine.State == Starting:
		if err := t.launchApp(); err != nil {
			t.forgetProcess()
			t.cannotStart(err)
			t.follow()
		}
		t.cell.publish()
		return true
	case l.hook == hookNone && l.ran && l.machine.State == Stopping:
		l.ran = false
		spec, ok := t.hookSpec(hookAfter)
		if !ok {
			return false
		}
		if err := t.launchHook(hookAfter, spec); err != nil {
			t.note(err.Error())
			t.log().Warn().Err(err).Msg("after_stop could not be run")
			return false
		}
		t.cell.publish()
		return true
	}
	return false
}

// forgetProcess removes the traces of a process that was the last of its
// generation.
func (t *tenant) forgetProcess() {
	l := t.life()
	if err := sandbox.RemoveRecord(t.h.recordDir(), l.process.Record()); err != nil {
		t.log().Error().Err(err).Msg("cannot remove the run record")
	}
	t.h.toAccountant(&closed{cell: t.cell, gen: l.gen, usage: l.process.Usage()})
	l.process, l.stopReady, l.hook, l.ran = nil, nil, hookNone, false
}
