package e2e

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// control is the service of the neighbour that must never notice anything.
const control = `
[service.control]
command = "GOAPP"
listen = "fd"
isolation = "process"
apex = "none"
`

// neighbour visits control:one 50 times a second until the returned function is
// called, which fails the test for every answer that was not a 200.
func (d *daemon) neighbour() (stop func()) {
	d.t.Helper()
	d.want(200, "control", "one", "/")
	done, ended := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var times []time.Duration
	var failures []string
	go func() { // ended by stop
		defer close(ended)
		var visits sync.WaitGroup
		defer visits.Wait()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			visits.Go(func() {
				r, err := d.try("GET", d.host("control", "one"), "/", "")
				mu.Lock()
				defer mu.Unlock()
				times = append(times, r.took)
				if err != nil || r.status != 200 {
					failures = append(failures, fmt.Sprint(err, " ", r.status, " ", r.body))
				}
			})
		}
	}()
	return func() {
		d.t.Helper()
		close(done)
		<-ended
		slices.Sort(times)
		if len(times) == 0 {
			d.t.Fatal("the neighbour never came")
		}
		d.t.Logf("neighbour: %d visits, median %v, p99 %v", len(times), times[len(times)/2], times[len(times)*99/100])
		if len(failures) > 0 {
			d.t.Errorf("the neighbour saw %d failures of %d, first %s", len(failures), len(times), failures[0])
		}
	}
}
