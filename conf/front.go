package conf

import "math"

// Front is what a service asks of the door before it: limits on what visitors
// send and hold, and what they are shown when there is no answer.
type Front struct {
	MaxBody        int64 // bytes of a request's body; 0 = no limit
	MaxConnections int   // to one of its processes at a time; 0 = as many as there are requests
	MaxUpgrades    int   // WebSockets and the like of one tenant, at a time
}

var frontKeys = []key[Service]{
	// Bodies pass through without being kept: how large is the app's to say.
	row("max_body_mb", megabytes(0, 1<<30), 0, func(s *Service) *int64 { return &s.Front.MaxBody }),
	// An app that serves one connection at a time is found out (edge/conns.go);
	// setting it spares the finding out.
	row("max_connections", whole[int](0, math.MaxInt32), 0, func(s *Service) *int { return &s.Front.MaxConnections }),
	// One tenant's visitors must not use up the descriptors of all.
	row("max_upgrades", whole[int](0, math.MaxInt32), 1000, func(s *Service) *int { return &s.Front.MaxUpgrades }),
}
