package actors

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// Exec is a fake command that ends when it is signalled.
func (p *actorProcess) Exec(c sandbox.Command, exited func(sandbox.Status)) (func(syscall.Signal) error, error) {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	p.commands = append(p.commands, c)
	if c.Argv[0] == "missing" {
		return nil, errors.New("cannot execute missing")
	}
	signal := func(s syscall.Signal) error {
		if s != syscall.SIGHUP || c.Argv[0] != "stubborn" {
			exited(sandbox.Status{Code: -1, Signal: int(s)})
		}
		return nil
	}
	if c.Terminal != nil {
		c.Terminal.Attach(nil)
	}
	if c.Argv[0] == "true" {
		go exited(sandbox.Status{})
	}
	return signal, nil
}

func streams(t *testing.T) (all [3]*os.File) {
	t.Helper()
	for i := range all {
		var err error
		if all[i], err = os.Open(os.DevNull); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestExec_WakesTheTenantAndRunsWithItsVariables(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		if _, err := h.Override(t.Context(), alice(), Overrides{Secrets: pointers(map[string]string{"KEY": "s3cret"})}); err != nil {
			t.Fatal(err)
		}
		_, err := h.Exec(t.Context(), alice(), Execution{Argv: []string{"true"}, Streams: streams(t), NoWake: true})
		if err == nil || err.Error() != "notes:alice is asleep: nothing can be run in it without waking it" || s.starts("notes:alice") != 0 {
			t.Errorf("%v", err)
		}
		files := streams(t)
		status, err := h.Exec(t.Context(), alice(), Execution{Argv: []string{"true"}, Streams: files})
		if err != nil || !status.Clean() {
			t.Fatalf("%s, %v", status, err)
		}
		p := s.process("notes:alice")
		if !slices.Contains(p.commands[0].Env, "KEY=s3cret") || !slices.Contains(p.commands[0].Env, "TENEMENT_ID=alice") {
			t.Errorf("%q", p.commands[0].Env)
		}
		if _, err := files[0].Read(nil); err != nil && !errors.Is(err, os.ErrClosed) && err != io.EOF {
			t.Error(err)
		}
		if err := files[0].Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("a stream is left open: %v", err)
		}
	})
}

func TestExec_KeepsTheTenantAwakeAndPassesSignalsOn(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		signals, ended := make(chan syscall.Signal), make(chan sandbox.Status, 1)
		go func() {
			status, err := h.Exec(t.Context(), alice(), Execution{Argv: []string{"sleep"}, Streams: streams(t), Signals: signals})
			if err != nil {
				t.Error(err)
			}
			ended <- status
		}()
		time.Sleep(time.Hour) // idle_timeout is a minute
		if got := state(t, h, alice()); got != "running" {
			t.Errorf("it is %s", got)
		}
		signals <- syscall.SIGINT
		if status := <-ended; status.Signal != int(syscall.SIGINT) {
			t.Errorf("it ended by %s", status)
		}
		time.Sleep(time.Hour)
		if got := state(t, h, alice()); got != "asleep" {
			t.Errorf("afterwards it is %s", got)
		}
	})
}

func TestExec_WhoLeavesHangsUpAndWhoDoesNotHearIsKilled(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		for command, want := range map[string]syscall.Signal{"polite": syscall.SIGHUP, "stubborn": syscall.SIGKILL} {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan sandbox.Status, 1)
			go func() {
				status, err := h.Exec(ctx, alice(), Execution{Argv: []string{command}, Streams: streams(t)})
				if err != nil {
					t.Error(err)
				}
				ended <- status
			}()
			synctest.Wait()
			cancel()
			if status := <-ended; status.Signal != int(want) {
				t.Errorf("%s ended by %s", command, status)
			}
		}
	})
}

func TestExec_WhatCannotBeRunIsSaid(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice(), id("bob"))
		if _, err := h.Exec(t.Context(), id("zoe"), Execution{Streams: streams(t)}); !errors.Is(err, ErrUnknownTenant) {
			t.Error(err)
		}
		if _, err := h.Exec(t.Context(), conf.Instance{Service: "shop", ID: "x"}, Execution{Streams: streams(t)}); !errors.Is(err, ErrUnknownService) {
			t.Error(err)
		}
		if _, err := h.Exec(t.Context(), alice(), Execution{Argv: []string{"missing"}, Streams: streams(t)}); err == nil || !strings.Contains(err.Error(), "cannot execute missing") {
			t.Error(err)
		}
		if err := h.Hold(t.Context(), id("bob")); err != nil {
			t.Fatal(err)
		}
		_, err := h.Exec(t.Context(), id("bob"), Execution{Argv: []string{"true"}, Streams: streams(t)})
		wantCause(t, err, CauseHeld)
		if n := h.Door("notes", "bob").Inflight() + h.Door("notes", "alice").Inflight(); n != 0 {
			t.Errorf("%d are counted in for ever", n)
		}
		answer := make(chan entered, 1)
		h.tell(h.cell(id("bob")), &execute{answer: answer})
		if e := <-answer; e.process != nil {
			t.Error("a sleeper has a process")
		}
		(&execute{answer: answer}).lost()
		if e := <-answer; e.process != nil {
			t.Error("a lost message is answered with a process")
		}
	})
}

func TestExec_IsAUseButNoRequest(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		register(t, h, alice())
		for range 3 {
			if _, err := h.Exec(t.Context(), alice(), Execution{Argv: []string{"true"}, Streams: streams(t)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(45 * time.Second) // less than the idle_timeout of a minute
		}
		if got := s.starts("notes:alice"); got != 1 {
			t.Errorf("it slept between two commands: %d starts", got)
		}
		if i, err := h.Info(alice()); err != nil || i.Requests != 0 || i.Inflight != 0 {
			t.Errorf("%d requests, %d inside, %v", i.Requests, i.Inflight, err)
		}
		if used := usedBy(t, h, alice()); used.Requests != 0 || used.Wakes != 1 {
			t.Errorf("%+v", used)
		}
	})
}

func TestExec_ATerminalsTypeGoesBeforeTheTenantsOwn(t *testing.T) {
	own := []string{"TERM=dumb", "PLAN=gold"}
	terminal := &sandbox.Terminal{Rows: 24}
	for _, c := range []struct {
		x    Execution
		want []string
	}{
		{Execution{TerminalType: "xterm"}, own},
		{Execution{Terminal: terminal}, own},
		{Execution{Terminal: terminal, TerminalType: "xterm"}, []string{"PLAN=gold", "TERM=xterm"}},
	} {
		if got := c.x.command(own); !slices.Equal(got.Env, c.want) || got.Terminal != c.x.Terminal {
			t.Errorf("%+v: %q, %v", c.x, got.Env, got.Terminal)
		}
	}
	if own[0] != "TERM=dumb" || own[1] != "PLAN=gold" {
		t.Errorf("the tenant's own variables are %q now", own)
	}
}
