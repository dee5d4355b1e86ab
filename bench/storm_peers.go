package main

import (
	"fmt"
	"os"

	"tenement/bench/peers"
)

// stormVassals is how many of uWSGI's are woken at once on either side.
const stormVassals = 50

// emperorStorm wakes the same number of uWSGIs with the same callable at once, as
// vassals on demand and as tenants, in turns.
func emperorStorm(b *bench) error {
	if _, err := peers.Find("uwsgi"); err != nil {
		b.found.skip(err.Error())
		return nil
	}
	n := pick(b, 10, stormVassals)
	what := fmt.Sprintf("last one ready, %d uWSGI at once", n)
	found := takeTurns(pick(b, 1, 5), 0, []subject{
		{"uWSGI Emperor", func() (float64, error) { return stormVassal(b, n) }},
		{ours, func() (float64, error) { return stormTenants(b, n) }},
	})
	b.found.add(found[0].result(what, "uWSGI Emperor", "ms"))
	b.found.add(found[1].result(what, ours, "ms"))
	b.found.add(result{Name: what + ": " + ours + " / uWSGI Emperor", Unit: "x", Aim: 1, Runs: len(found[1].good()), Failures: found[1].failed, Value: number(median(found[1].good()) / median(found[0].good()))})
	return nil
}

// stormVassal gives when the last of n vassals answered, in ms.
func stormVassal(b *bench, n int) (float64, error) {
	dir, err := os.MkdirTemp(b.tmpfs, "e")
	if err != nil {
		return 0, err
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("v%02d", i)
	}
	e, err := peers.StartEmperor(dir, b.apps(), wsgi, names)
	if err != nil {
		return 0, err
	}
	defer func() { _ = e.Stop() }() // measured already
	visits := make([]func() error, n)
	for i, name := range names {
		visits[i] = func() error { _, err := vassalAnswer(e, name); return err } // to connect is to wake it
	}
	_, failed, last := together(visits)
	if failed > 0 {
		return 0, fmt.Errorf("%d of %d vassals did not answer", failed, n)
	}
	return milliseconds(last), nil
}

// stormTenants gives when the last of n tenants answered, in ms.
func stormTenants(b *bench, n int) (float64, error) {
	d, err := stormDaemon(b, program{name: "uWSGI", commands: map[string]string{"fd": peers.UWSGI(3, wsgi)}}, "process", n)
	if err != nil {
		return 0, err
	}
	defer d.stop()
	_, failed, last := atOnce(d, hosts("app", n))
	if failed > 0 {
		return 0, fmt.Errorf("%d of %d tenants did not answer", failed, n)
	}
	return milliseconds(last), nil
}
