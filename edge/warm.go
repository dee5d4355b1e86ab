package edge

import (
	"bytes"
	"net"
	"sync/atomic"
)

// Whether a client waits between two requests, which the end of the server ends.
const (
	clientBusy int32 = iota
	clientIdle
	clientClosed
)

// restState is a client's state between requests; the zero value is clientBusy.
type restState struct{ atomic.Int32 }

// close ends a client that idles. False: it does not, or has been ended.
func (r *restState) close() bool { return r.CompareAndSwap(clientIdle, clientClosed) }

// warm waits for the next request of a client whose last one went to a tenant,
// and reads it when there is nothing special about it: fasthttp, which has read
// the first one, would do the same at three times the price. Nil: the end of the
// connection, a fault, or a request that is better read by fasthttp; all of them
// are left for its next Read. The exchange is the caller's to finish.
func (s *Server) warm(c *client) (*exchange, route) {
	if !c.rest.CompareAndSwap(clientBusy, clientIdle) {
		return nil, route{}
	}
	var err error
	if err = s.base.Err(); err == nil && len(c.head) == 0 {
		s.turns.give()
		err = c.nextHead()
	}
	if !c.rest.CompareAndSwap(clientIdle, clientBusy) {
		err = net.ErrClosed
	}
	if c.dead = err; err != nil || c.fault != nil {
		return nil, route{}
	}
	x := begin(c, s.watcher, s.turns)
	if x.plain(c.head) && s.admit(x) == nil {
		if r := s.route(x); r.to == toTenant || r.to == toApex {
			c.takeWhole()
			s.receive(x)
			return x, r
		}
	}
	x.finish()
	return nil, route{}
}

// plainMethods are those that a plain request may have, in bytes that outlive it.
var plainMethods = [][]byte{[]byte("GET"), []byte("POST"), []byte("HEAD"), []byte("PUT"), []byte("PATCH"), []byte("DELETE"), []byte("OPTIONS")}

// plain reads the head of a request that is as it should be: HTTP/1.1, a method
// of those above, a path, CR LF at each line's end. What it reads, fasthttp reads
// the same way; FuzzWarm_WhatIsPlainIsPlainToFasthttp holds it to that. The rest
// is checked by check.
func (r *request) plain(head []byte) bool {
	line, headers, _ := bytes.Cut(head, []byte("\r\n"))
	method, line, _ := bytes.Cut(line, []byte(" "))
	target, version, _ := bytes.Cut(line, []byte(" "))
	if string(version) != "HTTP/1.1" || len(target) == 0 || target[0] != '/' {
		return false
	}
	if bytes.Count(head, []byte("\n")) != bytes.Count(head, []byte("\r\n")) {
		return false
	}
	for _, m := range plainMethods {
		if bytes.Equal(m, method) {
			r.method, r.target, r.headers = m, target, headers
			return true
		}
	}
	return false
}
