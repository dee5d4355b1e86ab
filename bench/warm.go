package main

import (
	"errors"
	"net"
	"time"
)

// warmBatch requests make one sample of a warm request: their median.
const warmBatch = 100

// warm measures, in µs, a request over a kept connection to a tenant that is
// awake: straight to its socket and by way of the daemon.
func (c *cold) warm(p program) error {
	service := key(p.name, "fd", "process")
	host, tenant := "one."+service+".localhost", service+":one"
	through, err := c.daemon.dial()
	if err != nil {
		return err
	}
	defer through.Close()
	if _, err := get(through, host, "/"); err != nil {
		return err
	}
	network, address, err := c.daemon.endpoint(tenant)
	if err != nil {
		return err
	}
	direct, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	defer direct.Close()
	found := takeTurns(pick(c.bench, 20, 100), 2, []subject{
		{"warm, direct", func() (float64, error) { return batch(direct, host) }},
		{"warm, by the daemon", func() (float64, error) { return batch(through, host) }},
	})
	c.found.add(found[0].result("warm request, "+p.name, "bare", "us"))
	c.found.add(found[1].result("warm request, "+p.name, "process", "us"))
	c.found.add(distribution("warm overhead, "+p.name, "process", "us", found[1].over(found[0])))
	return c.daemon.sleep(tenant)
}

// batch is the median of some requests over one connection, in µs.
func batch(c net.Conn, host string) (float64, error) {
	var samples []float64
	for range warmBatch {
		began := time.Now()
		first, err := get(c, host, "/")
		if err != nil {
			return 0, errors.Join(errors.New("a warm request failed"), err)
		}
		samples = append(samples, float64(first.Sub(began))/float64(time.Microsecond))
	}
	return median(samples), nil
}
