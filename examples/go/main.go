// Notes: one customer's notes, in one file of that customer's own directory.
//
// It takes the listening socket that tenement passes in (listen = "fd"), which
// makes the quickest wake; without one it listens on PORT.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

var notes = filepath.Join(os.Getenv("DATA_DIR"), "notes.txt")

func main() {
	l, err := listen()
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /", read)
	http.HandleFunc("POST /", write)
	log.Fatal(http.Serve(l, nil))
}

// listen takes descriptor 3 when it is meant for this process: systemd's
// convention, sd_listen_fds(3).
func listen() (net.Listener, error) {
	if os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) {
		return net.FileListener(os.NewFile(3, "listener"))
	}
	return net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
}

func read(w http.ResponseWriter, r *http.Request) {
	fmt.Println("reading the notes")
	text, err := os.ReadFile(notes)
	if err != nil && !os.IsNotExist(err) {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "notes of %s\n%s", os.Getenv("TENEMENT_ID"), text)
}

func write(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err == nil {
		err = appendLine(text)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Println("wrote a note")
	w.WriteHeader(http.StatusCreated)
}

func appendLine(text []byte) error {
	f, err := os.OpenFile(notes, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(append(text, '\n')); err != nil {
		return err
	}
	return f.Sync()
}
