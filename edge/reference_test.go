package edge

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/api.md anew")

// reference is the page of all routes, made from the one table.
func reference() string {
	var b strings.Builder
	b.WriteString("# HTTP API\n\nMade from the table in `edge/routes.go` by `go test ./edge -run Reference -update`.\n\n" +
		"`Authorization: Bearer TOKEN`, but for public routes and on the control socket. `{instance}` is `SERVICE:ID`. *scoped*: the\n" +
		"tenant's own token or an admin's; *any*: every valid token, which sees its own. Errors are `{\"error\": \"…\"}`.\n\n" +
		"| route | who | what | query | body | answer |\n|---|---|---|---|---|---|\n")
	for _, r := range Routes() {
		fmt.Fprintf(&b, "| `%s %s` | %s | %s | %s | %s | %s |\n", r.Method, r.Pattern, r.Who, r.About, strings.Join(r.Query, ", "), shape(r.Request), shape(r.Response))
	}
	return b.String()
}

// shape names the JSON fields of a body: "`{process, id}`", "" for none.
func shape(body any) string {
	t := reflect.TypeOf(body)
	switch {
	case t == nil:
		return ""
	case t.Kind() == reflect.Slice:
		return "`[" + fields(t.Elem()) + "]`"
	case t.Kind() == reflect.Struct:
		return "`" + fields(t) + "`"
	}
	return "text"
}

func fields(t reflect.Type) string {
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return "{" + strings.Join(names, ", ") + "}"
}

func TestReference_IsThePageOfTheTable(t *testing.T) {
	const path = "../docs/api.md"
	if *update {
		if err := os.WriteFile(path, []byte(reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != reference() {
		t.Error("docs/api.md is not what edge/routes.go says: go test ./edge -run Reference -update")
	}
}
