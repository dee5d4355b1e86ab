package sandbox

import (
	"maps"
	"sync"
	"time"
)

// patrolEvery is how often version 1 is asked for refused forks: its pids.events
// wakes nobody (kernels from 6.11 on notify a file that exists in version 2 only).
const patrolEvery = 2 * time.Second

// patrol looks at the pids.events of those whose limit is not known to be hit.
// While there are none it rests: nothing ticks on a host on which all sleep.
type patrol struct {
	joined chan struct{} // filled, one deep, when somebody was added

	mu    sync.Mutex
	files map[*Process]string
}

func newPatrol() *patrol {
	return &patrol{joined: make(chan struct{}, 1), files: map[*Process]string{}}
}

// add has a process looked at until remove.
func (a *patrol) add(p *Process, file string) {
	a.mu.Lock()
	a.files[p] = file
	a.mu.Unlock()
	select {
	case a.joined <- struct{}{}:
	default: // it will be woken already
	}
}

// remove may be called for somebody who was never added.
func (a *patrol) remove(p *Process) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.files, p)
}

// run calls hit for whom a fork was refused, in each round again, until closing.
func (a *patrol) run(closing <-chan struct{}, hit func(*Process)) {
	var due <-chan time.Time // nil: at rest
	for {
		select {
		case <-closing:
			return
		case <-a.joined:
			if due == nil {
				due = time.After(patrolEvery)
			}
		case <-due:
			due = nil
			if a.round(hit) {
				due = time.After(patrolEvery)
			}
		}
	}
}

// round looks once at everybody; false when there is nobody.
func (a *patrol) round(hit func(*Process)) bool {
	a.mu.Lock()
	files := maps.Clone(a.files)
	a.mu.Unlock()
	for p, file := range files {
		if count(file, "max") > 0 {
			hit(p)
		}
	}
	return len(files) > 0
}
