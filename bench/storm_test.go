package main

import (
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestTogether_AllGoAtTheSameMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		takes := func(d time.Duration, err error) func() error {
			return func() error { time.Sleep(d); return err }
		}
		began := time.Now()
		times, failed, last := together([]func() error{
			takes(30*time.Millisecond, nil), takes(10*time.Millisecond, nil), takes(time.Second, errors.New("no")), takes(20*time.Millisecond, nil),
		})
		if !slices.Equal(times, []float64{10, 20, 30}) || failed != 1 || last != 30*time.Millisecond {
			t.Errorf("%v, %d failed, last %v", times, failed, last)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("one after the other: %v", took)
		}
		if times, failed, last := together(nil); times != nil || failed != 0 || last != 0 {
			t.Errorf("nobody: %v %d %v", times, failed, last)
		}
	})
}

func TestAtOnce_WhoCannotConnectHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTen{start: 40 * time.Millisecond, fails: map[int]int{1: 502}}
		d := f.serve(t)
		connect, calls := d.dial, 0
		d.dial = func() (net.Conn, error) {
			if calls++; calls == 2 {
				return nil, errors.New("no more descriptors")
			}
			return connect()
		}
		times, failed, last := atOnce(d, hosts("app", 4))
		if !slices.Equal(times, []float64{40, 40}) || failed != 2 || last != 40*time.Millisecond {
			t.Errorf("%v, %d failed, last %v", times, failed, last)
		}
	})
}
