package main

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/help.txt anew")

// What `ten --help` and the help of every verb say, in one file to be read as
// a whole when a word of it changes.
func TestHelp_ReadsAsItDid(t *testing.T) {
	w := newWorld(t)
	a, _, _ := w.app()
	var all strings.Builder
	lines := []string{""}
	for _, cmd := range a.root().Commands() {
		if !cmd.Hidden {
			lines = append(lines, cmd.Name()+" ")
		}
	}
	for _, verb := range lines {
		code, out, errs := w.ten(strings.Fields(verb + "--help")...)
		if code != 0 || errs != "" {
			t.Errorf("%s--help: exit %d, %s", verb, code, errs)
		}
		all.WriteString("$ ten " + verb + "--help\n" + out + "\n")
	}
	const golden = "testdata/help.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if all.String() != string(want) {
		t.Errorf("the help changed; `go test ./cmd/ten -run Help -update` writes it anew:\n%s", all.String())
	}
}

func TestHelp_EveryVerbOfTheContractIsThere(t *testing.T) {
	a, _, _ := newWorld(t).app()
	root := a.root()
	for _, verb := range strings.Fields("serve check doctor demo spawn stop hold unhold restart register forget ps ls health weight deploy route rollout reload config init logs token-gen token events why usage top install uninstall caddy backup restore version") {
		if cmd, _, err := root.Find([]string{verb}); err != nil || cmd == root || cmd.Short == "" {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

func TestHelp_VersionIsToldBothWays(t *testing.T) {
	w := newWorld(t)
	w.wants(0, "ten "+version()+"\n", "", "version")
	w.wants(0, "ten "+version()+"\n", "", "--version")
}
