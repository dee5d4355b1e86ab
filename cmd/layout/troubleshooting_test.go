package layout

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// symptoms is the document in which a message stands as the program prints it.
const symptoms = "docs/troubleshooting.md"

// literals gives every text that the program's own code holds, one a line.
func literals(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") || s.dir == "bench" || strings.HasPrefix(s.dir, "examples") || strings.HasPrefix(s.dir, "cmd/layout") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if text, ok := joined(n); ok {
				all.WriteString(text + "\n")
				return false // its parts are in it
			}
			return true
		})
	}
	return all.String()
}

// joined is a literal, or several that are added up; what else is added, and what
// a format fills in, is a gap.
func joined(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(n.Value)
		return text, err == nil && n.Kind == token.STRING
	case *ast.BinaryExpr:
		left, l := joined(n.X)
		right, r := joined(n.Y)
		if n.Op != token.ADD || !l && !r {
			return "", false
		}
		if !l {
			left = gap
		}
		if !r {
			right = gap
		}
		return left + right, true
	}
	return "", false
}

// gap is what stands between the fragments of a message in the document.
const gap = "…"

var (
	codeSpan = regexp.MustCompile("`[^`]+`")
	verbs    = regexp.MustCompile(`(?:^|[;|] *)ten ([a-z-]+)`)
	setting  = regexp.MustCompile(`^[a-z]+(_[a-z]+)+$`)
)

// symptom is one row of the document.
type symptom struct {
	line          int
	see, why, aid string
}

func symptomsIn(text string) (all []symptom) {
	for i, line := range strings.Split(text, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if strings.HasPrefix(line, "| ") && len(cells) == 3 && cells[0] != "you see" {
			all = append(all, symptom{i + 1, cells[0], cells[1], cells[2]})
		}
	}
	return all
}

// unsaid gives the fragments of a row's messages that the program never prints,
// and the verbs and keys of its advice that do not exist.
func (s symptom) unsaid(printed string) (all []string) {
	for _, span := range codeSpan.FindAllString(s.see, -1) {
		for _, fragment := range strings.Split(strings.Trim(span, "`"), gap) {
			fragment = strings.Trim(fragment, " ")
			if len(fragment) > 3 && !strings.HasPrefix(fragment, "ten ") && !strings.HasPrefix(fragment, "*.") && !strings.Contains(printed, fragment) {
				all = append(all, fragment)
			}
		}
	}
	for _, span := range codeSpan.FindAllString(s.see+s.why+s.aid, -1) {
		span = strings.Trim(span, "`")
		for _, verb := range verbs.FindAllStringSubmatch(span, -1) {
			if !strings.Contains(printed, "\n"+verb[1]+"\n") && !strings.Contains(printed, "\n"+verb[1]+" ") {
				all = append(all, verb[0])
			}
		}
		if setting.MatchString(span) && !strings.Contains(printed, span) {
			all = append(all, span)
		}
	}
	return all
}

func TestSymptoms_AreQuotedAsTheProgramPrintsThem(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repo, symptoms))
	if err != nil {
		t.Fatal(err)
	}
	printed := literals(t)
	rows := symptomsIn(string(text))
	if len(rows) < 50 {
		t.Errorf("%d symptoms: the tables are not read", len(rows))
	}
	for _, s := range rows {
		for _, what := range s.unsaid(printed) {
			t.Errorf("%s:%d: %q is nowhere in the program", symptoms, s.line, what)
		}
	}
}

// The check refuses these.
func TestSymptoms_ThatNobodyPrintsAreFound(t *testing.T) {
	const printed = "cannot find %q in the PATH %q\nwhy\nregister S:I…\nidle_timeout\n"
	rows := symptomsIn("| you see | why | what to do |\n|---|---|---|\n" +
		"| `cannot find … in the PATH …` | `idle_timeout` | `ten why S:I; ten register` |\n" +
		"| reason `cannot lose … in the PATH` | `idle_timeouts` | `ten whynot` |\n")
	if len(rows) != 2 || rows[0].line != 3 {
		t.Fatalf("%+v", rows)
	}
	if got := rows[0].unsaid(printed); got != nil {
		t.Errorf("%q", got)
	}
	if got := strings.Join(rows[1].unsaid(printed), ", "); got != "cannot lose, idle_timeouts, ten whynot" {
		t.Errorf("%q", got)
	}
	if text, ok := joined(&ast.BinaryExpr{Op: token.ADD, X: &ast.BasicLit{Kind: token.STRING, Value: `"a "`}, Y: ast.NewIdent("x")}); !ok || text != "a …" {
		t.Errorf("%q", text)
	}
}
