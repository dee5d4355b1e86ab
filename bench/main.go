package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// suite is one thing that can be measured.
type suite struct {
	name string
	run  func(*bench) error
	all  bool // part of a run that names none
}

var suites = []suite{
	{"coldstart", coldstart, true},
	{"storm", storm, true},
	{"density", density, true},
	{"edge", edge, true},
	{"isolation", isolation, true},
	{"stop", stopSuite, true},
	{"hostile", hostileSuite, true},
	{"edge-slow", edgeSlow, false},
	{"edge-tls", edgeTLS, false},
	{"newcomer", newcomer, false}, // needs the module proxy
}

// bench is one run of a suite: where it works, how thorough it is, and what it found.
type bench struct {
	repo    string  // its root
	work    string  // a temporary directory
	tmpfs   string  // another, in memory if there is one
	ten     string  // the binary
	quick   bool    // a minute or so
	brief   bool    // quick, and together with all others in two minutes
	only    string  // the one proxy that is measured; "" = all
	machine machine // described once: somebody may commit meanwhile
	found   report
}

// pick is the first when the run is quick.
func pick[T any](b *bench, quick, full T) T {
	if b.quick {
		return quick
	}
	return full
}

const help = `usage: go run ./bench [--quick] [--only PROXY] [--out DIR] [SUITE...]
       go run ./bench report [--readme FILE] [DIR]    plots and the README's table, from the newest results
       go run ./bench compare OLD.json NEW.json       what got slower
       go run ./bench traffic [--address A] [--for 10m]   Zipf traffic to the tenants t00000... of a daemon that runs
       go run ./bench table RESULT.json               one result as Markdown

Without a suite: all but edge-slow, edge-tls and newcomer. Suites: %s
`

func main() {
	quick := flag.Bool("quick", false, "fewer rounds and sizes; all suites together finish in two minutes, once everything is built")
	out := flag.String("out", "bench/results", "folder for the results")
	only := flag.String("only", "", "measure this one of the proxies only, e.g. tenement")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), help, strings.Join(names(), " "))
		flag.PrintDefaults()
	}
	flag.Parse()
	var err error
	switch flag.Arg(0) {
	case "table":
		err = printed(printTable, flag.Args()[1:])
	case "compare":
		err = compareFiles(os.Stdout, flag.Args()[1:])
	case "traffic":
		err = trafficCommand(os.Stdout, flag.Args()[1:])
	case "report":
		err = reportCommand(flag.Args()[1:])
	default:
		err = bench{quick: *quick, only: *only}.runAll(flag.Args(), *out)
	}
	if errors.Is(err, errUsage) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		flag.Usage()
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// errUsage is wrapped by mistakes in the command line.
var errUsage = errors.New("cannot run that")

// printed prints what a command makes of its one argument.
func printed(make func(string) (string, error), args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%w: one file is needed, not %d", errUsage, len(args))
	}
	text, err := make(args[0])
	fmt.Print(text)
	return err
}

func names() []string {
	var all []string
	for _, s := range suites {
		all = append(all, s.name)
	}
	return all
}

// chosen are the suites that a command line names.
func chosen(args []string) (some []suite, err error) {
	for _, s := range suites {
		if len(args) == 0 && s.all || slices.Contains(args, s.name) {
			some = append(some, s)
		}
	}
	for _, name := range args {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("%w: there is no suite %q", errUsage, name)
		}
	}
	return some, nil
}

// runAll runs suites one after the other. One that fails does not keep the next
// from running.
func (b bench) runAll(args []string, out string) error {
	some, err := chosen(args)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	tmpfs, err := os.MkdirTemp(inMemory(), "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmpfs)
	go tidyOn(signals(), work, tmpfs) // ends with the process
	b.work, b.tmpfs, b.ten, b.brief = work, tmpfs, filepath.Join(work, "ten"), b.quick && len(args) == 0
	if b.repo, err = output("", "go", "list", "-m", "-f", "{{.Dir}}"); err != nil {
		return err
	}
	if err := buildTen(b.repo, b.ten); err != nil {
		return err
	}
	raiseDescriptors()
	b.machine = describe(b.repo)
	began := time.Now()
	for _, s := range some {
		if failed := b.runOne(s, out); failed != nil {
			err = errors.Join(err, fmt.Errorf("suite %s: %w", s.name, failed))
		}
	}
	fmt.Fprintf(os.Stderr, "%d suites took %.0f s\n", len(some), time.Since(began).Seconds())
	return err
}

// signals are those that end a bench.
func signals() <-chan os.Signal {
	all := make(chan os.Signal, 1)
	signal.Notify(all, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	return all
}

// tidyOn ends, at a signal, what runs below this process, removes its folders and
// ends it.
func tidyOn(signals <-chan os.Signal, folders ...string) {
	<-signals
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		below := descendants(os.Getpid())
		late := time.Now().After(deadline)
		for _, pid := range below {
			_ = syscall.Kill(pid, map[bool]syscall.Signal{false: syscall.SIGTERM, true: syscall.SIGKILL}[late])
		}
		if len(below) == 0 || late {
			break
		}
	}
	for _, folder := range folders {
		os.RemoveAll(folder)
	}
	os.Exit(130)
}

// runOne measures, prints and writes. b is a copy: each suite has a report of its own.
func (b bench) runOne(s suite, out string) error {
	fmt.Fprintf(os.Stderr, "--- %s\n", s.name)
	b.found = report{Suite: s.name, Quick: b.quick, Machine: b.machine, Began: time.Now().UTC().Truncate(time.Second)}
	watch := startWatch()
	if err := s.run(&b); err != nil {
		return err
	}
	b.found.Noise, b.found.Took = watch.stop(), time.Since(watch.began).Seconds()
	fmt.Print(b.found.Text())
	return b.found.Write(out, b.found.Suite+"-"+b.found.Machine.Commit)
}
