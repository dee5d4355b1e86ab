// Probe tries to get out. It is one static program with several parts: as a
// tenant (probe serve) it attacks when asked to, as another tenant (probe
// victim) it is what gets attacked, and beside the daemon (probe run) it shows
// what the same attempts do where nothing is in their way. Nothing it does
// changes the machine when it succeeds: what it makes it removes, and what it
// sets it sets to the value that is there.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	log.SetFlags(0)
	part := ""
	if len(os.Args) > 1 {
		part = os.Args[1]
	}
	switch part {
	case "serve":
		serve()
	case "victim":
		victim()
	case "run":
		print(json.NewEncoder(os.Stdout).Encode(runAll(os.Stdin, nil)))
	case "one":
		print(json.NewEncoder(os.Stdout).Encode(runOne(os.Args[2], os.Stdin)))
	case "whoami": // what a setuid copy of this program is asked
		fmt.Println(os.Geteuid(), effectiveCapabilities())
	default:
		log.Fatalf("usage: probe serve | victim | run <targets | one NAME <targets | whoami")
	}
}

func print(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// listen takes what tenement offers: the path, the port.
func listen() net.Listener {
	network, address := "unix", os.Getenv("SOCKET_PATH")
	if address == "" {
		network, address = "tcp", "127.0.0.1:"+os.Getenv("PORT")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		log.Fatal(err)
	}
	return l
}

// serve attacks on POST /run, with the targets in its body.
func serve() {
	inherited := strangeDescriptors()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, os.Getenv("TENEMENT_SERVICE"))
	})
	http.HandleFunc("POST /run", func(w http.ResponseWriter, r *http.Request) {
		os.Setenv(inheritedVariable, inherited)
		c, _ := r.Context().Value(connection{}).(net.Conn)
		json.NewEncoder(w).Encode(runAll(r.Body, c))
	})
	server := http.Server{ConnContext: func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connection{}, c)
	}}
	log.Fatal(server.Serve(listen()))
}

// connection is the key under which a request has the daemon's connection.
type connection struct{}

// runAll makes every attempt in a process of its own, so that none spoils the
// next, whether it is killed, hangs or gets out.
func runAll(targets io.Reader, daemon net.Conn) []result {
	if _, told := os.LookupEnv(inheritedVariable); !told {
		os.Setenv(inheritedVariable, strangeDescriptors())
	}
	text, err := io.ReadAll(targets)
	if err != nil {
		log.Fatal(err)
	}
	peer := peerOf(daemon, text)
	if peer != nil {
		defer peer.Close()
	}
	results := make([]result, 0, len(probes))
	for _, p := range probes {
		r := runApart(p.name, string(text), peer)
		r.Name, r.Area = p.name, p.area
		results = append(results, r)
	}
	return results
}

func runApart(name, targets string, peer *os.File) result {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "one", name)
	cmd.Stdin = strings.NewReader(targets)
	if peer != nil {
		cmd.ExtraFiles = []*os.File{peer} // becomes peerDescriptor
		cmd.Env = append(os.Environ(), peerVariable+"=yes")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	var r result
	var exit *exec.ExitError
	switch {
	case err == nil:
		if err = json.Unmarshal(out, &r); err != nil {
			return broken("its answer is %q: %v", out, err)
		}
		return r
	case ctx.Err() != nil:
		return broken("no answer within 10 s")
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGSYS:
		return result{Detail: "killed by SIGSYS"}
	case errors.As(err, &exit):
		return broken("%v: %s", err, exit.Stderr)
	}
	return broken("cannot run: %v", err)
}

// kernel names the one that answers this program.
func kernel() string {
	var names unix.Utsname
	if err := unix.Uname(&names); err != nil {
		log.Fatal(err)
	}
	return unix.ByteSliceToString(names.Release[:]) + " " + unix.ByteSliceToString(names.Version[:])
}

func runOne(name string, targets io.Reader) result {
	var t target
	if err := json.NewDecoder(targets).Decode(&t); err != nil {
		return broken("cannot read the targets: %v", err)
	}
	for _, p := range probes {
		if p.name == name {
			r := p.try(&t)
			r.Own = t.Kernel != "" && kernel() != t.Kernel
			return r
		}
	}
	return broken("no such probe")
}
