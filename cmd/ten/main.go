// Command ten is tenement's one program: the daemon (`ten serve`), the verbs
// that talk to it, and a demo. It parses flags, prints answers and puts the
// other packages together; it decides nothing about tenants. Every verb has a
// file, or shares one with its family; app.go is what they have in common.
package main

import (
	"os"
	"runtime"
)

// The main goroutine keeps the first OS thread: if another goroutine locked
// itself to that thread and ended, the process would live on with a zombie for
// its leader, which /proc and everyone who looks there takes for dead.
func init() { runtime.LockOSThread() }

func main() { os.Exit(newApp().run(os.Args[1:])) }
