package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// count is a server that writes the path of each request into a file, once it
// has it whole and before it answers. The query says at which point it is killed,
// with whatever else is under way then.
func count() {
	record()
	l := listen()
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go countAll(c)
	}
}

func countAll(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for countOne(c, in) == nil {
	}
}

func countOne(c net.Conn, in *bufio.Reader) error {
	line, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	target := strings.Fields(line)[1]
	path, query, _ := strings.Cut(target, "?")
	at := func(point string) {
		if query == "die="+point {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // not one step further
		}
	}
	at("line")
	length := 0
	for {
		field, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if field == "\r\n" {
			break
		}
		if name, value, _ := strings.Cut(field, ":"); strings.EqualFold(name, "content-length") {
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	at("head")
	if _, err := io.CopyN(io.Discard, in, int64(length/2)); err != nil {
		return err
	}
	at("body")
	if _, err := io.CopyN(io.Discard, in, int64(length-length/2)); err != nil {
		return err
	}
	at("uncounted")
	f, err := os.OpenFile(filepath.Join(os.Getenv("DATA_DIR"), "counted"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, path)
	f.Close()
	if err != nil {
		return err
	}
	at("counted")
	if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncou"); err != nil {
		return err
	}
	at("half")
	if _, err := io.WriteString(c, "nted"); err != nil {
		return err
	}
	at("answered")
	return nil
}
