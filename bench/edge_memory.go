package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// enough failures end an attempt: each takes its time.
const enough = 5

// settled is how long a proxy gets to come to rest before its memory is read.
const settled = 2 * time.Second

// idleClients is the memory that a client costs who has asked once and keeps
// its connection. Each address has 500 of them: a proxy may limit more.
func idleClients(e *edgeBench) error {
	counts := []int{1000, 10000}
	if e.quick {
		counts = counts[:1]
	}
	for _, c := range e.subjects {
		if err := c.holdClients(e, counts); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// holdClients connects more and more clients to one contender.
func (c *contender) holdClients(e *edgeBench, counts []int) error {
	if _, err := c.load(e, connections, 0.5, 1000, 128); err != nil { // buffers that any use makes
		return err
	}
	time.Sleep(settled)
	base, err := c.resident()
	if err != nil {
		return err
	}
	var clients []net.Conn
	defer func() {
		for _, client := range clients {
			client.Close()
		}
	}()
	failed := 0
	for _, n := range counts {
		for len(clients)+failed < n && failed < enough {
			client, err := idleClient(c.proxy.Address, len(clients)/500)
			if err != nil {
				failed++
				continue
			}
			clients = append(clients, client)
		}
		time.Sleep(settled)
		now, err := c.resident()
		if err != nil {
			return err
		}
		one := result{Name: fmt.Sprintf("RSS of a client, %d idle", n), Subject: c.name, Value: number(1024 * (now - base) / float64(max(len(clients), 1))), Unit: "KB", Note: fmt.Sprintf("%d connected", len(clients)), Runs: 1, Failures: failed}
		if c.name == ours {
			one.Aim = aimIdle
		}
		e.found.add(one)
	}
	return nil
}

// idleClient asks once, from 127.0.1.N.
func idleClient(address string, from int) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+from))}}
	c, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := get(c, benchHost, "/128"); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// resident is the memory of all processes of the proxy, in MB.
func (c *contender) resident() (mb float64, err error) {
	return c.status("VmRSS:")
}

func (c *contender) status(key string) (mb float64, err error) {
	for _, pid := range c.proxy.Pids() {
		one, err := statusMB(pid, key)
		if err != nil {
			return 0, err
		}
		mb += one
	}
	return mb, nil
}

// transfers is the most memory that one large body takes, each way.
func transfers(e *edgeBench) error {
	for _, c := range e.subjects {
		for name, move := range map[string]func(net.Conn) error{"down": download, "up": upload} {
			peak, err := c.peak(move)
			one := result{Name: fmt.Sprintf("RSS at most, %d MB %s", transferSize>>20, name), Subject: c.name, Value: number(peak), Unit: "MB", Runs: 1}
			if err != nil {
				fmt.Fprintf(os.Stderr, "bench: %s, %s: %v\n", c.name, name, err)
				one.Failures = 1
			}
			if c.name == ours {
				one.Aim = aimTransfer
			}
			e.found.add(one)
		}
	}
	return nil
}

// peak resets the kernel's high-water mark (proc(5), clear_refs), moves, and
// reads it.
func (c *contender) peak(move func(net.Conn) error) (mb float64, err error) {
	for _, pid := range c.proxy.Pids() {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
			return 0, err
		}
	}
	conn, err := net.DialTimeout("tcp", c.proxy.Address, 5*time.Second)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return 0, err
	}
	moved := move(conn)
	mb, err = c.status("VmHWM:")
	return mb, errors.Join(moved, err)
}

func download(c net.Conn) error {
	if _, err := fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: %s\r\n\r\n", transferSize, benchHost); err != nil {
		return err
	}
	return answered(c, transferSize)
}

func upload(c net.Conn) error {
	if _, err := fmt.Fprintf(c, "POST /128 HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", benchHost, transferSize); err != nil {
		return err
	}
	piece := make([]byte, 1<<20)
	for range transferSize / len(piece) {
		if _, err := c.Write(piece); err != nil {
			return err
		}
	}
	return answered(c, 128)
}

// answered reads one answer, which has to be a 200 of that size.
func answered(c net.Conn, size int64) error {
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 1<<20), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || n != size) {
		err = fmt.Errorf("%s with %d bytes, want 200 with %d", resp.Status, n, size)
	}
	return err
}
