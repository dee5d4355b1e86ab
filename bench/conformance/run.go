package main

import (
	"fmt"
	"sync"
)

// verdicts of one subject, by the trial's name within its topic.
type findings map[string]finding

// finding is what one trial showed.
type finding struct {
	wrong   string // "" = as it has to be
	outcome outcome
}

// run has every trial with a subject, each at one of its doors; warm: as the
// second request of a connection.
func run(s *subject, topics []topic, warm bool, only func(topic, trial) bool) (findings, error) {
	type job struct {
		key string
		t   trial
	}
	jobs := make(chan job)
	all, failures := findings{}, []error(nil)
	var mu sync.Mutex
	var workers sync.WaitGroup
	for _, d := range s.doors {
		workers.Go(func() { // until there is nothing left to do
			for j := range jobs {
				t := j.t.at(d.shard)
				o, err := hold(d, t, patience(s.name))
				mu.Lock()
				all[j.key] = finding{judge(t, o, s.ours()), o}
				if err != nil {
					failures = append(failures, fmt.Errorf("%s: %w", j.key, err))
				}
				mu.Unlock()
			}
		})
	}
	for _, topic := range topics {
		for _, r := range topic.rules {
			for _, t := range r.trials {
				wanted := (only == nil || only(topic, t)) && (s.ours() || !r.own)
				if warm && wanted {
					t, wanted = t.warmed()
				}
				if wanted {
					jobs <- job{topic.name + "/" + t.name, t}
				}
			}
		}
	}
	close(jobs)
	workers.Wait()
	if len(failures) > 0 {
		return all, failures[0]
	}
	return all, nil
}
