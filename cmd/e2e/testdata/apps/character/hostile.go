package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// onCue serves properly until somebody asks for /cue, and serves on meanwhile.
func onCue(misbehave func()) {
	http.HandleFunc("/cue", func(w http.ResponseWriter, r *http.Request) { go misbehave() })
	serve()
}

// done notes in the tenant's own directory that it has gone as far as it could.
func done(how any) {
	os.WriteFile(filepath.Join(os.Getenv("DATA_DIR"), "done"), []byte(fmt.Sprint(how)), 0o600)
}

// bomb forks, and every child forks, for ever. A child that was forked behind
// the back of Go's runtime may call nothing but the kernel, nor grow its stack.
func bomb() {
	runtime.LockOSThread()
	forkForEver()
}

//go:nosplit
func forkForEver() {
	for {
		syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	}
}

// eatMemory wants more until it is killed.
func eatMemory() {
	var eaten [][]byte
	for {
		chunk := make([]byte, 1<<20)
		for i := range chunk {
			chunk[i] = byte(i)
		}
		eaten = append(eaten, chunk)
		runtime.KeepAlive(eaten)
	}
}

// openFiles holds as many descriptors as it is given.
func openFiles() {
	noted := false
	for {
		if _, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0); err != nil && !noted {
			syscall.Close(10) // one for the note
			done(err)
			noted = true
		} else if err != nil {
			runtime.Gosched()
		}
	}
}

// burn keeps more threads busy than there are processors.
func burn() {
	for range 4 * runtime.NumCPU() {
		go func() {
			for {
			}
		}()
	}
	done("busy")
}

// fillDisk writes into its own directory until there is no room.
func fillDisk() {
	f, err := os.Create(filepath.Join(os.Getenv("DATA_DIR"), "filler"))
	if err != nil {
		log.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for {
		if _, err := f.Write(chunk); err != nil {
			log.Print("full: ", err)
			return
		}
	}
}

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
