// Package edge owns the HTTP door: it turns a request into one validated host,
// a route, a tenant's door and an exchange with the tenant's process, and serves
// the API on the same listener and on the control socket.
//
// It promises: a request reaches the tenant that its Host names and nobody else;
// what may have been processed is never sent twice; bodies are streamed, both
// ways, and a message that was cut short never looks whole to the other side; a
// visitor who leaves is noticed; every door that was entered is left, once.
//
//	server ─ hostname ─ route ─ visit ─ exchange ─ conns ─▶ tenant
//	   └─ client (what the visitor reads)  └─ request, answer, chunks, fields: pure
//
// It leaves to package actors who runs and when. fasthttp is known to server.go
// alone; everything else works on types of its own.
package edge
