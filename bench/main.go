package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// suites is what can be measured, by name.
var suites = map[string]func(*bench) error{
	"first":     first,
	"edge":      edge,
	"edge-slow": edgeSlow,
	"edge-tls":  edgeTLS,
	"hostile":   hostileSuite,
}

// bench is one run: where it works, how thorough it is, and what it found.
type bench struct {
	repo  string // its root
	work  string // a temporary directory
	tmpfs string // another, in memory if there is one
	ten   string // the binary
	quick bool   // about two minutes
	runs  int    // samples of whatever is compared
	only  string // the one proxy that is measured; "" = all
	found report
}

func main() {
	quick := flag.Bool("quick", false, "finish in two minutes: leaves out the cold build")
	out := flag.String("out", "bench/results", "folder for the results")
	only := flag.String("only", "", "measure this one of the proxies only, e.g. tenement")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: go run ./bench [--quick] [--only PROXY] [--out DIR] [%s]\n       go run ./bench table RESULT.json\n", strings.Join(names(), "|"))
		flag.PrintDefaults()
	}
	flag.Parse()
	name := "first"
	if flag.NArg() > 0 {
		name = flag.Arg(0)
	}
	if name == "table" && flag.NArg() == 2 {
		text, err := printTable(flag.Arg(1))
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		fmt.Print(text)
		return
	}
	suite, ok := suites[name]
	if !ok || flag.NArg() > 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(name, suite, &bench{quick: *quick, only: *only}, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func names() []string {
	var all []string
	for name := range suites {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func run(name string, suite func(*bench) error, b *bench, out string) error {
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
	b.work, b.tmpfs, b.ten, b.runs = work, tmpfs, filepath.Join(work, "ten"), 100
	if b.quick {
		b.runs = 40
	}
	if b.repo, err = output("", "go", "list", "-m", "-f", "{{.Dir}}"); err != nil {
		return err
	}
	if err := build(b.repo, b.ten, "./cmd/ten"); err != nil {
		return err
	}
	b.found = report{Suite: name, Quick: b.quick, Machine: describe(b.repo), Began: time.Now().UTC().Truncate(time.Second), LoadBefore: loadAverage()}
	if err := suite(b); err != nil {
		return err
	}
	b.found.LoadAfter = loadAverage()
	fmt.Print(b.found.Text())
	return b.found.Write(out, b.found.Suite+"-"+b.found.Machine.Commit)
}
