package edge

import (
	"bufio"
	"context"
	"fmt"

	"tenement/sandbox"
)

// Probe is a health check: a GET of path on a connection of its own that is
// answered 2xx before ctx ends. Redirects are not followed, the body is not
// read, and an answer that is not HTTP is a failure.
func Probe(ctx context.Context, e sandbox.Endpoint, path, host string) error {
	conn, err := e.Dial(ctx)
	if err != nil {
		return fmt.Errorf("cannot connect: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	head := "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: tenement-health\r\nConnection: close\r\n\r\n"
	if _, err := conn.Write([]byte(head)); err != nil {
		return fmt.Errorf("cannot ask: %w", inTime(ctx, err))
	}
	var a answer
	ignore := func() error { return nil }
	if err := a.readFinal(bufio.NewReaderSize(conn, 4<<10), []byte("GET"), nil, ignore); err != nil {
		return fmt.Errorf("no usable answer: %w", inTime(ctx, err))
	}
	if a.status < 200 || a.status > 299 {
		return fmt.Errorf("answered %d", a.status)
	}
	return nil
}

// inTime prefers the reason why a connection was closed over the closing.
func inTime(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
