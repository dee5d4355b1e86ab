package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tenement/bench/peers"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == lendVerb {
		fail(lend(os.Args[2]))
		return
	}
	out := flag.String("out", "", "file for the table; empty: only what is wrong is printed")
	against := flag.String("against", "tenement,"+strings.Join(peers.Known, ","), "who is held to it")
	warm := flag.Bool("second", false, "print what is wrong with the trials as second requests of their connections; the table has both")
	part := flag.String("trial", "", "only trials whose topic/name contains this; their bytes are shown")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./bench/conformance [--out docs/conformance.md] [--against NAME,…] [--trial PART]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	fail(compare(strings.Split(*against, ","), *part, *out, *warm))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// compare runs the trials against each subject and writes the table.
func compare(names []string, part, out string, warm bool) error {
	work, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	only := func(tp topic, t trial) bool { return strings.Contains(tp.name+"/"+t.name, part) }
	var columns []column
	for _, name := range names {
		c, err := measure(name, work, []bool{!warm || out != "", warm || out != ""}, only)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Print(c.text(topics, part != ""))
		columns = append(columns, c)
	}
	if out == "" {
		return nil
	}
	return os.WriteFile(out, []byte(table(topics, columns)), 0o644)
}

// measure starts a subject, has it tried, and ends it. passes: with the trials as
// first requests, and as second ones.
func measure(name, work string, passes []bool, only func(topic, trial) bool) (c column, err error) {
	dir := filepath.Join(work, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return c, err
	}
	var s *subject
	if name == "tenement" {
		binary := filepath.Join(work, "ten")
		if out, err := exec.Command("go", "build", "-o", binary, "tenement/cmd/ten").CombinedOutput(); err != nil {
			return c, fmt.Errorf("cannot build ten: %w: %s", err, out)
		}
		s, err = startOurs(binary, dir, ourShards, ourSettings)
	} else {
		s, err = startPeer(name, dir)
	}
	if err != nil {
		return c, err
	}
	c = column{name: s.name, version: s.version}
	if passes[0] {
		c.found, err = run(s, topics, false, only)
	}
	if passes[1] && err == nil {
		c.second, err = run(s, topics, true, only)
	}
	if stopped := s.stop(); err == nil {
		err = stopped
	}
	return c, err
}

// What the trials expect of our configuration.
const (
	ourShards         = 8 // names have room for ten
	ourRequestTimeout = 3 * time.Second
)
