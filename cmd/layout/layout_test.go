package layout

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	repo   = "../.."
	module = "tenement/"
)

// mayImport is the direction of dependencies: conf ← sandbox ← actors ← edge ←
// cmd. A folder stands for everything below it, the longest one that fits counts.
var mayImport = map[string][]string{
	"conf":           {},
	"sandbox":        {"sandbox"},
	"actors":         {"conf", "sandbox", "actors"},
	"actors/ledger":  {"conf", "sandbox"},
	"actors/journal": {"conf", "sandbox"},
	"actors/storage": {},
	"edge":           {"conf", "sandbox", "actors", "edge"},
	"cmd":            {"conf", "sandbox", "actors", "edge", "cmd"},
	"cmd/e2e":        {}, // looks at the binary from outside
	"cmd/layout":     {},
	"bench":          {"bench"},
	"examples":       {},
}

// homes says where a third-party package may be imported: a folder, or a file.
// Tests of the home count as home. What is missing here is refused.
var homes = map[string][]string{
	"github.com/BurntSushi/toml":        {"conf"},
	"github.com/google/shlex":           {"conf"},
	"github.com/asynkron/protoactor-go": {"actors"},
	"go.etcd.io/bbolt":                  {"actors/ledger"},
	"github.com/valyala/fasthttp":       {"edge/server.go", "edge/server_test.go"},
	"github.com/prometheus":             {"edge/metrics.go", "edge/metrics_test.go", "edge/metrics_usage.go"},
	"github.com/spf13/cobra":            {"cmd/ten"},
	"golang.org/x/term":                 {"cmd/ten"},
	"github.com/rs/zerolog":             {"sandbox", "actors", "edge", "cmd/ten"}, // a value that is passed on
	"github.com/google/nftables":        {"sandbox/egress"},
	"github.com/mdlayher/netlink":       {"sandbox/egress"},
	"golang.org/x/sys":                  {"sandbox", "actors/journal", "actors/ledger", "actors/storage", "edge", "cmd/ten", "cmd/e2e"},
	"golang.org/x/net":                  {"edge", "cmd/ten/domain_names_test.go"},
	"github.com/caddyserver/certmagic":  {"edge/acme.go", "edge/acme_test.go"},
	"github.com/mholt/acmez":            {"edge/acme_hook.go", "edge/acme_hook_test.go"},
	"go.uber.org/zap":                   {"edge/acme.go"}, // certmagic cannot do without one
	"gonum.org/v1":                      {"bench"},
	"golang.org/x/perf":                 {"bench"},
}

// topLevel is every folder of the repository; hidden ones of tools besides.
var topLevel = []string{".ci", "actors", "bench", "cmd", "conf", "docs", "edge", "examples", "sandbox"}

// maxLines is the longest file that needs no reason in its head.
const maxLines = 500

var reason = regexp.MustCompile(`(?i)//.*\b(long|lines) (because|for)\b`)

// source is one Go file of ours.
type source struct {
	path  string // from the repository's root, with slashes
	dir   string
	lines int
	file  *ast.File
	head  string // what stands above and just below the package clause
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(repo, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (e.Name() == "testdata" || path != repo && strings.HasPrefix(e.Name(), ".")) {
			return filepath.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(repo, path)
		rel = filepath.ToSlash(rel)
		lines := strings.Split(string(text), "\n")
		all = append(all, source{rel, filepath.ToSlash(filepath.Dir(rel)), len(lines) - 1, file, strings.Join(lines[:min(len(lines), 40)], "\n")})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d Go files found: this test looks in the wrong place", len(all))
	}
	return all
}

// within reports whether path is place, or lies below it.
func within(path, place string) bool {
	return path == place || strings.HasPrefix(path, place+"/")
}

// longest gives the longest key that path lies in.
func longest[V any](table map[string]V, path string) (key string, value V, ok bool) {
	for k, v := range table {
		if within(path, k) && len(k) > len(key) {
			key, value, ok = k, v, true
		}
	}
	return key, value, ok
}

func imports(f *ast.File) []string {
	var paths []string
	for _, i := range f.Imports {
		paths = append(paths, strings.Trim(i.Path.Value, `"`))
	}
	return paths
}

func TestLayout_ImportsPointOneWay(t *testing.T) {
	for _, s := range sources(t) {
		for _, path := range imports(s.file) {
			if ours, ok := strings.CutPrefix(path, module); ok {
				if why := wrongWay(s.dir, ours); why != "" {
					t.Errorf("%s: %s", s.path, why)
				}
			}
		}
	}
}

// wrongWay says why the package dir must not import another of ours; "" = it may.
func wrongWay(dir, ours string) string {
	key, allowed, ok := longest(mayImport, dir)
	if !ok {
		return fmt.Sprintf("%s has no place in docs/architecture.md", dir)
	}
	if !slices.ContainsFunc(allowed, func(a string) bool { return within(ours, a) }) {
		return fmt.Sprintf("%s must not import %s", key, ours)
	}
	return ""
}

func TestLayout_ThirdPartyPackagesHaveOneHome(t *testing.T) {
	for _, s := range sources(t) {
		for _, path := range imports(s.file) {
			if why := notAtHome(s.path, path); why != "" {
				t.Errorf("%s: %s", s.path, why)
			}
		}
	}
}

// notAtHome says why a file must not import a package; "" = it may.
func notAtHome(file, path string) string {
	first, _, _ := strings.Cut(path, "/")
	if !strings.Contains(first, ".") { // the standard library, or ours
		return ""
	}
	_, places, ok := longest(homes, path)
	if !ok {
		return fmt.Sprintf("%s is no dependency of this project", path)
	}
	if !slices.ContainsFunc(places, func(p string) bool { return within(file, p) }) {
		return fmt.Sprintf("%s is at home in %s only", path, strings.Join(places, ", "))
	}
	return ""
}

func TestLayout_FilesAreShortOrSayWhyNot(t *testing.T) {
	for _, s := range sources(t) {
		if s.lines > maxLines && !reason.MatchString(s.head) {
			t.Errorf("%s has %d lines: split it, or say in its head why it is `long because …`", s.path, s.lines)
		}
	}
}

func TestLayout_EveryPackageSaysWhatItOwns(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") {
			continue
		}
		documented[s.dir] = documented[s.dir] || s.file.Doc != nil && len(s.file.Doc.Text()) > 40
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no comment that says what it owns", dir)
		}
	}
}

func TestLayout_TopLevelFoldersAreTheKnownOnes(t *testing.T) {
	entries, err := os.ReadDir(repo)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		known := slices.Contains(topLevel, e.Name())
		tool := strings.HasPrefix(e.Name(), ".") || e.Name() == "tenement-data"
		if e.IsDir() && !known && !tool {
			t.Errorf("%s/ is no folder of this project", e.Name())
		}
	}
}

// A check that cannot fail is none: each of them refuses these.
func TestLayout_OffendersAreNamed(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{wrongWay("conf", "sandbox"), "conf must not import sandbox"},
		{wrongWay("sandbox", "conf"), "sandbox must not import conf"},
		{wrongWay("actors/ledger", "actors"), "actors/ledger must not import actors"},
		{wrongWay("edge", "cmd/ten"), "edge must not import cmd/ten"},
		{wrongWay("bench", "conf"), "bench must not import conf"},
		{wrongWay("elsewhere", "conf"), "elsewhere has no place in docs/architecture.md"},
		{wrongWay("cmd/ten", "edge"), ""},
		{notAtHome("actors/tenant.go", "github.com/BurntSushi/toml"), "github.com/BurntSushi/toml is at home in conf only"},
		{notAtHome("edge/api.go", "github.com/valyala/fasthttp"), "github.com/valyala/fasthttp is at home in edge/server.go, edge/server_test.go only"},
		{notAtHome("edge/server.go", "github.com/valyala/fasthttp"), ""},
		{notAtHome("edge/api.go", "github.com/gin-gonic/gin"), "github.com/gin-gonic/gin is no dependency of this project"},
		{notAtHome("edge/api.go", "net/http"), ""},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	if !reason.MatchString("// This file is long because the table is one thing.") || reason.MatchString("// Package x is long.") {
		t.Error("the reason for a long file is not recognised")
	}
}
