package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// hogs are the paths that take more than their share, when they are asked for.
func hogs() {
	http.HandleFunc("/bomb", bomb)
	http.HandleFunc("/eat", eat)
	http.HandleFunc("/burn", burn)
	http.HandleFunc("/open", openAll)
	http.HandleFunc("/fill", fill)
	http.HandleFunc("/read", read)
}

// bomb forks until a fork is refused, and goes on trying.
func bomb(w http.ResponseWriter, r *http.Request) {
	fork := func() error {
		_, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "600"}, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
		return err
	}
	spareThreads()
	n := 0
	err := fork()
	for ; err == nil; err = fork() {
		n++
	}
	go func() {
		for range time.Tick(time.Millisecond) {
			fork()
		}
	}()
	fmt.Fprintf(w, "%d forks: %v", n, err)
}

// spareThreads makes those that Go may want while no thread can be made: it
// aborts without.
func spareThreads() {
	var locked, used sync.WaitGroup
	for range 16 {
		locked.Add(1)
		used.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			locked.Done()
			locked.Wait() // each on a thread of its own
		})
	}
	used.Wait()
}

// eat takes memory until there is no more, or, with mb, so much, and keeps it.
func eat(w http.ResponseWriter, r *http.Request) {
	if mb, err := strconv.Atoi(r.URL.Query().Get("mb")); err == nil {
		held.Store(bytes.Repeat([]byte("x"), mb<<20))
		fmt.Fprint(w, "ate")
		return
	}
	var all [][]byte
	for {
		all = append(all, bytes.Repeat([]byte("x"), 1<<20))
		runtime.KeepAlive(all)
	}
}

// held is what a bounded meal was.
var held atomic.Value

// burn uses every core for a while and says how much CPU time it got.
func burn(w http.ResponseWriter, r *http.Request) {
	d, _ := time.ParseDuration(r.URL.Query().Get("for"))
	var over atomic.Bool
	for range runtime.NumCPU() {
		go func() {
			for !over.Load() {
			}
		}()
	}
	before := cpuTime()
	time.Sleep(d)
	over.Store(true)
	fmt.Fprint(w, (cpuTime() - before).Milliseconds())
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// openAll opens files until it may not, closes them after a while and says how
// many it had.
func openAll(w http.ResponseWriter, r *http.Request) {
	var all []*os.File
	f, err := os.Open(os.DevNull)
	for ; err == nil; f, err = os.Open(os.DevNull) {
		all = append(all, f)
	}
	held, _ := time.ParseDuration(r.URL.Query().Get("for"))
	time.Sleep(held)
	for _, f := range all {
		f.Close()
	}
	fmt.Fprintf(w, "%d files: %v", len(all), err)
}

// fill writes so many megabytes, or less if it may not.
func fill(w http.ResponseWriter, r *http.Request) {
	var mb, n int
	fmt.Sscan(r.URL.Query().Get("mb"), &mb)
	f, err := os.Create(filepath.Join(os.Getenv("DATA_DIR"), "fill"))
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	for err == nil && n < mb {
		if _, err = f.Write(chunk); err == nil {
			n++
		}
	}
	if err == nil {
		err = f.Sync()
	}
	f.Close()
	fmt.Fprintf(w, "%d MB: %v", n, err)
}

// read gives a file's mode and text.
func read(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Query().Get("file")
	info, err := os.Stat(path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	text, err := os.ReadFile(path)
	fmt.Fprintf(w, "%04o %s %v", info.Mode().Perm(), text, err)
}
