package edge

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// ofTheTest are findings about the certificate that the test made, not about
// what is spoken: its authority is nobody's and answers no questions.
var ofTheTest = []string{"cert_chain_of_trust", "cert_revocation", "DNS_CAArecord"}

// testssl finds nothing above low, with both kinds of keys.
func TestTLS_PassesTestssl(t *testing.T) {
	path, err := exec.LookPath("testssl")
	if err != nil {
		t.Skip("testssl is not installed: apt-get install testssl.sh")
	}
	if os.Getenv("TENEMENT_SUITES") == "" {
		t.Skip("testssl takes five minutes: TENEMENT_SUITES=1 has it run, as .ci/run full does")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w, ca := newWorld(t, func(o *ServerOptions) { o.HSTS = 365 * 24 * time.Hour }), newTestCA(t)
	w.tenant(answering(t, "unix", func(*http.Request, string) string {
		return "HTTP/1.1 200 OK\r\nContent-Security-Policy: default-src 'self'\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n" +
			"Referrer-Policy: no-referrer\r\nContent-Length: 0\r\n\r\n" // what is the app's to say, and testssl looks for
	}))
	address := w.listenTLS(ca.serves(zerolog.Nop(), ca.issue("ecdsa", aliceHost), ca.write("rsa", key, aliceHost)))
	root, file := filepath.Join(ca.dir, "root.pem"), filepath.Join(ca.dir, "report.json")
	ca.put(root, "CERTIFICATE", ca.cert.Raw)
	_, port, _ := net.SplitHostPort(address)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1", "--add-ca", root,
		"--protocols", "--server-defaults", "--server-preference", "--fs", "--headers", "--vulnerable", "--each-cipher", "--jsonfile", file, aliceHost+":"+port)
	out, err := cmd.CombinedOutput()
	b, readErr := os.ReadFile(file)
	if readErr != nil {
		t.Fatalf("no report: %v, %v\n%s", err, readErr, out)
	}
	var findings []struct{ ID, Severity, Finding string }
	if err := json.Unmarshal(b, &findings); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(findings) < 50 {
		t.Errorf("only %d findings: it did not look at everything\n%s", len(findings), out)
	}
	for _, f := range findings {
		switch f.Severity {
		case "MEDIUM", "HIGH", "CRITICAL", "FATAL":
			id, _, _ := strings.Cut(f.ID, " ") // "cert_revocation <cert#2>"
			if !slices.Contains(ofTheTest, id) {
				t.Errorf("%s %s: %s", f.Severity, f.ID, f.Finding)
			}
		case "LOW":
			t.Logf("low: %s: %s", f.ID, f.Finding)
		}
	}
}
