package edge

import (
	"context"
	"encoding/xml"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tenement/actors"
)

// report is h2spec's, in the form of JUnit.
type report struct {
	Suites []struct {
		Name  string `xml:"name,attr"`
		Cases []struct {
			Name    string    `xml:"classname,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// h2spec in full, strict cases too, before a tenant that answers everything.
func TestH2_PassesH2Spec(t *testing.T) {
	path, err := exec.LookPath("h2spec")
	if err != nil {
		t.Skip("h2spec is not installed: go install github.com/summerwind/h2spec/cmd/h2spec@v2.6.1")
	}
	w := newH2World(t, answering(t, "unix", func(*http.Request, string) string { return ok("hello") }), func(o *ServerOptions) {
		host := o.Host.(*houses)
		o.Domain = "localhost"
		host.config.Routing.Default = "notes" // it asks for / of a name that resolves
		host.apex = func(string) (*actors.Door, error) { return host.Door("notes", "alice"), nil }
	})
	file := filepath.Join(t.TempDir(), "report.xml")
	_, port, _ := net.SplitHostPort(w.address)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "-h", "localhost", "-p", port, "-t", "-k", "-S", "-o", "2", "-j", file).CombinedOutput()
	b, readErr := os.ReadFile(file)
	if readErr != nil {
		t.Fatalf("no report: %v, %v\n%s", err, readErr, out)
	}
	var r report
	if err := xml.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range r.Suites {
		for _, c := range s.Cases {
			if n++; c.Failure != nil || c.Error != nil || c.Skipped != nil {
				t.Errorf("%s: %s", s.Name, c.Name)
			}
		}
	}
	if n < 140 {
		t.Errorf("only %d cases ran", n)
	}
	if t.Failed() {
		t.Log(strings.TrimSpace(string(out)))
	}
}
