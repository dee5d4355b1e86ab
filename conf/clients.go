package conf

import (
	"math"
	"time"
)

// Clients is what the connection of a visitor may cost: the part of [settings]
// that keeps slow, greedy and endless ones from holding a place. 0 = no limit.
type Clients struct {
	HeaderTimeout   time.Duration // from a request's first byte, or a new connection, to the end of its head
	BodyTimeout     time.Duration // in which MinRate of a body has to arrive
	WriteTimeout    time.Duration // in which MinRate of an answer has to be taken
	IdleTimeout     time.Duration // between two requests
	MinRate         int           // bytes a second, on average over BodyTimeout or WriteTimeout
	MaxHeader       int           // bytes of a request's line and headers
	MaxURL          int           // bytes of a request's target
	MaxHeaders      int           // header lines
	RequestsPerConn int
	ConnsPerAddress int // of one address, or of one IPv6 network of 64 bits
}

// Stdout stands for the daemon's standard output where a file may be named.
const Stdout = "stdout"

// accessLogFile reads "stdout" or where a file lies.
func accessLogFile(v value) (string, bool) {
	if v.raw == Stdout {
		return Stdout, true
	}
	return absolute(v)
}

// DefaultClients are the limits of a file that sets none.
func DefaultClients() Clients {
	var s Settings
	for _, k := range clientKeys {
		k.initial(&s)
	}
	return s.Clients
}

var clientKeys = []key[Settings]{
	// Which services are written there is theirs to say; a daemon's stdout is free.
	row("access_log_file", accessLogFile, Stdout, func(s *Settings) *string { return &s.AccessLogFile }),
	// A head fits into a packet or two: ten seconds are for the worst of lines.
	row("client_header_timeout", seconds(0), 10*time.Second, func(s *Settings) *time.Duration { return &s.Clients.HeaderTimeout }),
	// A train in a tunnel comes out again.
	row("client_body_timeout", seconds(0), 30*time.Second, func(s *Settings) *time.Duration { return &s.Clients.BodyTimeout }),
	row("client_write_timeout", seconds(0), time.Minute, func(s *Settings) *time.Duration { return &s.Clients.WriteTimeout }),
	// What browsers expect of servers; an idle connection costs 10 KB or so.
	row("client_idle_timeout", seconds(0), 75*time.Second, func(s *Settings) *time.Duration { return &s.Clients.IdleTimeout }),
	// A third of what a mobile telephone did in 1999.
	row("client_min_rate", whole[int](0, math.MaxInt32), 500, func(s *Settings) *int { return &s.Clients.MinRate }),
	// Cookies and tokens of real apps stay below 8 KB.
	row("max_header_bytes", whole[int](1<<10, 1<<20), 16<<10, func(s *Settings) *int { return &s.Clients.MaxHeader }),
	row("max_url_bytes", whole[int](64, 1<<20), 8<<10, func(s *Settings) *int { return &s.Clients.MaxURL }),
	// Browsers send 20, a chain of proxies adds 20.
	row("max_headers", whole[int](1, 100_000), 100, func(s *Settings) *int { return &s.Clients.MaxHeaders }),
	// A connection costs the same however long it lives.
	row("max_requests_per_connection", whole[int](0, math.MaxInt32), 0, func(s *Settings) *int { return &s.Clients.RequestsPerConn }),
	// An office or a carrier behind one address has dozens to hundreds.
	row("max_connections_per_address", whole[int](0, math.MaxInt32), 1000, func(s *Settings) *int { return &s.Clients.ConnsPerAddress }),
}
