package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// plant lays symbolic links to a file of somebody else's wherever the daemon
// will make, open, own or remove something for this tenant.
func plant() {
	precious := argument(2)
	run := filepath.Dir(os.Getenv("SOCKET_PATH"))
	own := filepath.Base(os.Getenv("SOCKET_PATH"))
	for generation := range 50 {
		for _, kind := range []string{"sock", "out", "err"} {
			if name := fmt.Sprintf("%d.%s", generation, kind); name != own {
				os.Remove(filepath.Join(run, name))
				os.Symlink(precious, filepath.Join(run, name))
			}
		}
	}
	for _, name := range []string{"secrets", "bundle", "resolv.conf", "hosts"} {
		os.Symlink(filepath.Dir(precious), filepath.Join(run, name))
	}
	data := os.Getenv("DATA_DIR")
	os.Symlink(precious, filepath.Join(data, "file"))
	os.Symlink(filepath.Dir(precious), filepath.Join(data, "folder"))
	os.Symlink("/", filepath.Join(data, strings.Repeat("deep", 10)))
}

// swap serves, and makes its socket a link to somebody else's and back again, all
// the time from /cue on; after /stay it stays a link. Every visit has a
// connection of its own.
func swap() {
	record()
	l := listen()
	socket := os.Getenv("SOCKET_PATH")
	other := socket + ".other"
	if err := os.Symlink(argument(2), other); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "my own")
	})
	var link atomic.Bool // what is there now
	var stay atomic.Bool
	http.HandleFunc("/cue", func(w http.ResponseWriter, r *http.Request) {
		term := make(chan os.Signal, 1)
		signal.Notify(term, unix.SIGTERM)
		go func() {
			for {
				select {
				case <-term:
					os.Remove(other)
					os.Exit(0)
				case <-time.After(time.Millisecond):
				}
				if stay.Load() && link.Load() {
					continue
				}
				if err := unix.Renameat2(unix.AT_FDCWD, socket, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE); err != nil {
					log.Fatal(err)
				}
				link.Store(!link.Load())
			}
		}()
		w.Header().Set("Connection", "close")
	})
	http.HandleFunc("/stay", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		stay.Store(true)
	})
	log.Fatal(http.Serve(l, nil))
}

// cram serves, and fills the directory of its socket until there is no room, with
// bytes or with names.
func cram() {
	http.HandleFunc("/cram", func(w http.ResponseWriter, r *http.Request) {
		dir := filepath.Dir(os.Getenv("SOCKET_PATH"))
		var bytes, names int
		f, err := os.Create(filepath.Join(dir, "crammed"))
		for err == nil && bytes < 64<<20 {
			var n int
			n, err = f.Write(make([]byte, 64<<10))
			bytes += n
		}
		for err = nil; err == nil && names < 20_000; names++ {
			f, err = os.Create(filepath.Join(dir, fmt.Sprint("crammed", names)))
			f.Close()
		}
		fmt.Fprintf(w, "%d bytes, %d names, then %v", bytes, names, err)
	})
	serve()
}
