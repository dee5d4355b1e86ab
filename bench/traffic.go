package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// What the visitors of a server of many small customers are like: sessions of some
// requests with pauses in between, at random times, to the n-th tenant once for
// about n visits to the first; hours of it in minutes.
const (
	zipfVisitors = 8  // at a time
	zipfSession  = 10 // requests, at most
	zipfPause    = 100 * time.Millisecond
)

// visits is what traffic came to.
type visits struct {
	Times   []float64 `json:"-"` // ms
	Failed  int       `json:"failed"`
	Refused int       `json:"refused"` // 503: no room, as max_awake says
}

// add is not for several at once.
func (v *visits) add(more visits) {
	v.Times, v.Failed, v.Refused = append(v.Times, more.Times...), v.Failed+more.Failed, v.Refused+more.Refused
}

// traffic visits hosts until ctx ends. The draws are the same in every run.
func traffic(ctx context.Context, dial func() (net.Conn, error), hosts []string) (all visits) {
	var mu sync.Mutex
	var visitors sync.WaitGroup
	for i := range zipfVisitors {
		visitors.Go(func() { // ends with ctx
			draws := rand.New(rand.NewPCG(1, uint64(i)))
			popular := rand.NewZipf(draws, 1.1, 1, uint64(len(hosts)-1))
			for ctx.Err() == nil {
				one := session(ctx, dial, hosts[popular.Uint64()], draws)
				mu.Lock()
				all.add(one)
				mu.Unlock()
			}
		})
	}
	visitors.Wait()
	return all
}

// session is some requests of one visitor over one connection. A visit that fails
// ends it.
func session(ctx context.Context, dial func() (net.Conn, error), host string, draws *rand.Rand) (one visits) {
	c, err := dial()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: a visitor cannot connect:", err)
		one.Failed++
	} else {
		defer c.Close()
	}
	for range 1 + draws.IntN(zipfSession) {
		if one.Failed == 0 {
			one.add(visit(c, host))
		}
		select {
		case <-ctx.Done():
			return one
		case <-time.After(time.Duration(draws.Int64N(int64(zipfPause)))):
		}
	}
	return one
}

// visit is one request.
func visit(c net.Conn, host string) visits {
	began := time.Now()
	_, err := get(c, host, "/")
	switch {
	case err == nil:
		return visits{Times: []float64{milliseconds(time.Since(began))}}
	case isRefusal(err):
		return visits{Refused: 1}
	}
	fmt.Fprintln(os.Stderr, "bench: a visit failed:", err)
	return visits{Failed: 1}
}

// trafficCommand visits the tenants t00000… of a daemon that runs already, and
// writes as JSON what came of it: for where there is no bench but its binary.
func trafficCommand(w io.Writer, args []string) error {
	set := flag.NewFlagSet("traffic", flag.ContinueOnError)
	address := set.String("address", "127.0.0.1:8080", "where the daemon listens")
	tenants := set.Int("tenants", 1000, "how many tenants there are")
	service := set.String("service", "app", "whose they are")
	long := set.Duration("for", 10*time.Minute, "how long")
	if err := set.Parse(args); err != nil || set.NArg() > 0 || *tenants < 2 {
		return fmt.Errorf("%w: traffic takes its flags, and at least 2 tenants: %q", errUsage, args)
	}
	ctx, over := context.WithTimeout(context.Background(), *long)
	defer over()
	v := traffic(ctx, func() (net.Conn, error) { return net.DialTimeout("tcp", *address, 5*time.Second) }, hosts(*service, *tenants))
	return json.NewEncoder(w).Encode(struct {
		Answered int `json:"answered"`
		visits
		P50 number `json:"p50_ms"`
		P99 number `json:"p99_ms"`
	}{len(v.Times), v, number(median(v.Times)), number(quantile(v.Times, 0.99))})
}
