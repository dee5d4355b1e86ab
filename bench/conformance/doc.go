// Command conformance holds HTTP/1.1 proxies to RFC 9110 and 9112 with raw
// bytes: it sends what trials_*.go lists to tenement's edge, nginx, haproxy and
// Caddy, each in front of a recording backend, and writes docs/conformance.md.
// Its test holds tenement alone to the same list, by the built binary; nothing
// of ours is imported.
//
//	trial ─▶ client ─▶ proxy ─▶ backend    what the client got, what arrived
//	             └──────── judge ──────┘    a verdict
package main
