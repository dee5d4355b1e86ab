// Character is the tenant that misbehaves: its first argument says how. The
// end-to-end suite builds it and runs it as a tenant.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("which character?")
	}
	play, ok := characters[os.Args[1]]
	if !ok {
		log.Fatalf("no character %q", os.Args[1])
	}
	play()
}

var characters = map[string]func(){
	"serves":       serve,
	"has-threads":  func() { spareThreads(); serve() },
	"never-ready":  func() { select {} },
	"slow-start":   func() { time.Sleep(duration(2)); serve() },
	"dies-early":   func() { fmt.Println("no database"); os.Exit(7) },
	"crash-loop":   func() { go exitAfter(duration(2)); serve() },
	"hangs":        hang,
	"ignores-term": func() { signal.Ignore(syscall.SIGTERM); serve() },
	"forks-away":   func() { forkAway(); serve() },
	"lingers":      linger,
	"zombies":      func() { zombies(); serve() },
	"lies":         lie,
	"floods":       func() { go flood(); serve() },
	"chatters":     func() { go chatter(); serve() },
	"escapes":      func() { go escapes(); serve() },
	"counts":       count,
	"gushes":       func() { http.HandleFunc("/", gush); record(); log.Fatal(http.Serve(listen(), nil)) },
	"plants":       func() { plant(); serve() },
	"swaps":        swap,
	"crams":        cram,
}

// argument gives the n-th argument after the program, or "".
func argument(n int) string {
	if n < len(os.Args) {
		return os.Args[n]
	}
	return ""
}

func duration(n int) time.Duration {
	d, err := time.ParseDuration(argument(n))
	if err != nil {
		log.Fatal(err)
	}
	return d
}

func exitAfter(d time.Duration) {
	time.Sleep(d)
	os.Exit(9)
}

// listen takes whatever tenement offers: the passed socket, the path, the port.
func listen() net.Listener {
	var l net.Listener
	var err error
	switch {
	case os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()):
		l, err = net.FileListener(os.NewFile(3, "listener"))
	case os.Getenv("SOCKET_PATH") != "":
		l, err = net.Listen("unix", os.Getenv("SOCKET_PATH"))
	default:
		l, err = net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	}
	if err != nil {
		log.Fatal(err)
	}
	return l
}

func serve() {
	record()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %d", os.Getenv("TENEMENT_ID"), os.Getpid())
	})
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Host, r.RequestURI)
	})
	http.HandleFunc("/environ", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Join(os.Environ(), "\n"))
	})
	hogs()
	http.HandleFunc("/append", appendLine)
	http.HandleFunc("/die", func(w http.ResponseWriter, r *http.Request) { os.Exit(3) })
	http.HandleFunc("/half", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "half")
		http.NewResponseController(w).Flush()
		os.Exit(3)
	})
	http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.URL.Query().Get("for"))
		time.Sleep(d)
		fmt.Fprint(w, "slow")
	})
	http.HandleFunc("/socket", echoSocket)
	http.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.URL.Query().Get("line"))
	})
	log.Fatal(http.Serve(listen(), nil))
}

// record counts the starts of this tenant in a file of its own directory, so
// that a test can tell how many processes there ever were.
func record() {
	f, err := os.OpenFile(filepath.Join(os.Getenv("DATA_DIR"), "starts"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		log.Print(err)
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%d\n", os.Getpid())
}

// appendLine acknowledges only what has reached the disk.
func appendLine(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err == nil {
		var f *os.File
		f, err = os.OpenFile(filepath.Join(os.Getenv("DATA_DIR"), "lines"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.Write(append(text, '\n'))
			f.Close()
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// hang accepts and never answers.
func hang() {
	record()
	l := listen()
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go io.Copy(io.Discard, c)
	}
}

// forkAway leaves a grandchild in a session of its own, whose parent is gone.
func forkAway() {
	self := "/proc/self/exe"
	if argument(2) == "again" {
		start(self, "lingers", argument(3))
		os.Exit(0)
	}
	pid := start(self, "forks-away", "again", argument(2))
	var status syscall.WaitStatus
	syscall.Wait4(pid, &status, 0, nil)
}

func start(path string, args ...string) int {
	pid, err := syscall.ForkExec(path, append([]string{"character"}, args...), &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	return pid
}

// linger is the grandchild: it writes its pid, and notes a SIGTERM, which it
// honours only when told so.
func linger() {
	file := filepath.Join(os.Getenv("DATA_DIR"), "lingers")
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())), 0o600) // from here on it can be asked
	for range term {
		os.WriteFile(file+".term", []byte("asked to end"), 0o600)
		if argument(2) == "honours" {
			return
		}
	}
}

// zombies leaves children that nobody waits for, and as many whose parent is
// gone. The children are bare forks that call nothing but exit.
func zombies() {
	n, _ := strconv.Atoi(argument(2))
	for range n {
		leaveZombie()
		var status syscall.WaitStatus
		syscall.Wait4(leaveOrphan(), &status, 0, nil)
	}
}

// leaveZombie forks a child that exits at once. A child forked behind the back
// of Go's runtime may call nothing but the kernel, nor grow its stack.
//
//go:nosplit
func leaveZombie() int {
	pid, _, _ := syscall.RawSyscall(syscall.SYS_FORK, 0, 0, 0)
	if pid == 0 {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return int(pid)
}

// leaveOrphan forks a child that forks and exits.
//
//go:nosplit
func leaveOrphan() int {
	pid, _, _ := syscall.RawSyscall(syscall.SYS_FORK, 0, 0, 0)
	if pid == 0 {
		syscall.RawSyscall(syscall.SYS_FORK, 0, 0, 0)
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return int(pid)
}

// lie answers the health check with bytes that a careless parser believes, and
// everything else properly.
func lie() {
	record()
	l := listen()
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go answer(c)
	}
}

func answer(c net.Conn) {
	defer c.Close()
	head := make([]byte, 4096)
	n, err := c.Read(head)
	if err != nil {
		return
	}
	if !bytes.HasPrefix(head[:n], []byte("GET /health ")) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
		return
	}
	switch argument(2) {
	case "500":
		io.WriteString(c, "HTTP/1.1 500 Oh\r\nContent-Length: 200\r\n\r\n"+strings.Repeat("HTTP/1.1 200 OK\r\n", 12)[:200])
	case "2000":
		io.WriteString(c, "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n")
	case "trickle":
		for _, b := range []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") {
			c.Write([]byte{b})
			time.Sleep(time.Second)
		}
	case "redirect":
		io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: "+argument(3)+"\r\nContent-Length: 0\r\n\r\n")
	case "1GB":
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
		io.CopyN(c, zeroes{}, 1_000_000_000)
	}
}

// gush takes a body and answers with 20 MB.
func gush(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	io.CopyN(w, zeroes{}, 20_000_000)
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { return len(p), nil }

// flood writes so many megabytes without one newline.
func flood() {
	mb, _ := strconv.Atoi(argument(2))
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	for range mb {
		os.Stdout.Write(chunk)
	}
	os.WriteFile(filepath.Join(os.Getenv("DATA_DIR"), "flooded"), nil, 0o600)
}

// chatter writes so many short lines as fast as it can.
func chatter() {
	n, _ := strconv.Atoi(argument(2))
	var batch bytes.Buffer
	for i := range n {
		fmt.Fprintf(&batch, "line %d\n", i)
		if batch.Len() > 32<<10 {
			os.Stdout.Write(batch.Bytes())
			batch.Reset()
		}
	}
	os.Stdout.Write(batch.Bytes())
	os.WriteFile(filepath.Join(os.Getenv("DATA_DIR"), "chattered"), nil, 0o600)
}

// escapes writes what a terminal or a naive JSON logger would obey.
func escapes() {
	fmt.Print("\x1b[31mred\x1b[0m \x1b]0;title\x07 nul\x00 bad\xff\xfe\u009b31m\n")
	fmt.Print(`{"level":"fatal","message":"fake"}` + "\n")
	fmt.Print("over\rwrite \u202eevil\n")
	fmt.Println("end of escapes")
}
