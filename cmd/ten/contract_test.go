package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tenement/actors"
	"tenement/conf"
	"tenement/sandbox"
)

// What contract.md's table "CLI" says that verbs print, word for word, and what
// the daemon is asked to do. URL stands for the daemon's.
func TestContract_VerbsPrintAndDoWhatItSays(t *testing.T) {
	for _, c := range []struct{ line, stdout, deed string }{
		{"spawn notes:dave", "Spawned notes:dave\nListening on 127.0.0.1:20009\n", "spawn notes:dave"},
		{"spawn Notes:Dave", "Spawned notes:dave\nListening on 127.0.0.1:20009\n", "spawn notes:dave"},
		{"stop notes:alice", "Stopped notes:alice\n", "stop notes:alice"},
		{"restart notes:alice", "Restarted notes:alice\n", "restart notes:alice"},
		{"hold notes:alice", "Held notes:alice\n", "hold notes:alice"},
		{"unhold notes:alice", "Unheld notes:alice\n", "unhold notes:alice"},
		{"health notes:alice", "notes:alice: healthy\n", ""},
		{"health notes:bob", "notes:bob: unknown\n", ""},
		{"health notes:carol", "notes:carol: failed\n", ""},
		{"weight notes:alice 0", "Set notes:alice weight to 0\n", "weight notes:alice 0"},
		{"weight notes:alice 100", "Set notes:alice weight to 100\n", "weight notes:alice 100"},
		{"deploy notes:v2", "Deploying notes:v2 with weight 100\nWaiting for health check (timeout: 30s)...\nDeployed notes:v2\nWeight: 100\nStatus: healthy\n", "deploy notes:v2 100 30s"},
		{"deploy notes:v2 -w 20 --timeout 5", "Deploying notes:v2 with weight 20\nWaiting for health check (timeout: 5s)...\nDeployed notes:v2\nWeight: 20\nStatus: healthy\n", "deploy notes:v2 20 5s"},
		{"route notes --from v1 --to V2", "Routed traffic: notes:v1 -> notes:v2\nnotes:v1 weight: 0\nnotes:v2 weight: 100\n", "route notes:v1 notes:v2"},
		{"register notes:dave notes:eve", "Registered notes:dave\nRegistered notes:eve\n", "register [notes:dave notes:eve]"},
		{"forget notes:bob notes:carol", "Forgot notes:bob\nForgot notes:carol\n", "forget notes:bob false, forget notes:carol false"},
		{"forget notes:bob --delete-data", "Forgot notes:bob\n", "forget notes:bob true"},
		{"ps", "INSTANCE     LISTEN           UPTIME  IDLE  HEALTH   WEIGHT\n" +
			"notes:alice  127.0.0.1:20001  2h      3m    healthy  100\n\n1 instance(s) running on URL\n", ""},
		{"ls", "INSTANCE     LISTEN           UPTIME  IDLE  HEALTH   WEIGHT\n" +
			"notes:alice  127.0.0.1:20001  2h      3m    healthy  100\n\n1 instance(s) running on URL\n", ""},
		{"ps --all", "INSTANCE     LISTEN           UPTIME  IDLE  HEALTH   WEIGHT  STATE\n" +
			"notes:alice  127.0.0.1:20001  2h      3m    healthy  100     running\n" +
			"notes:bob    -                -       -     unknown  0       asleep\n" +
			"notes:carol  -                -       -     failed   100     failed (exit status 3\\x1b[31m)\n" +
			"\n1 instance(s) running on URL\n", ""},
		{"why notes:bob", "notes:bob is asleep\n  Health: unknown, 0 restart(s)\n  Because: 1 request is inside\n" +
			"  Next: sleeps 300 s after its last use\n", ""},
		{"why notes:carol", "notes:carol is failed\n  Reason: exit status 3\\x1b[31m\n  Health: failed, 0 restart(s)\n  Because: 1 request is inside\n" +
			"  Next: sleeps 300 s after its last use\n", ""},
		{"why notes:alice", "notes:alice is running, for 1m\n  Process: pid 4711, generation 3, up 2h, listening on 127.0.0.1:20001\n" +
			"  Use: 1 request(s) inside, idle for 3m\n  Health: healthy, 2 restart(s)\n  Because: 1 request is inside\n" +
			"  Next: sleeps 300 s after its last use\n", ""},
		{"logs", "HH:MM:SS [OUT] notes:alice hello\nHH:MM:SS [ERR] notes:bob oh\\x1b[2J\n", ""},
		{"logs notes:alice", "HH:MM:SS [OUT] notes:alice hello\n", ""},
		{"logs --level stderr --limit 1", "HH:MM:SS [ERR] notes:bob oh\\x1b[2J\n", ""},
		{"logs --search hell", "HH:MM:SS [OUT] notes:alice hello\n", ""},
		{"logs --search nothing", "", ""},
		{"logs --grep (?i)HEL+o$", "HH:MM:SS [OUT] notes:alice hello\n", ""},
		{"logs --since 1h --until 0s --grep ^hel", "HH:MM:SS [OUT] notes:alice hello\n", ""},
		{"logs --until 2001-01-01", "", ""},
		{"token-gen --tenant notes:alice", "Token for tenant notes:alice (shown once):\n\n  ten_fresh\n", "token tenant notes:alice"},
		{"events", "HH:MM:SS notes:alice asleep -> queued (wake)\nHH:MM:SS notes:bob running -> stopping (died): exit\\x1b[2J status 3\n", ""},
		{"events notes:bob --limit 5", "HH:MM:SS notes:bob running -> stopping (died): exit\\x1b[2J status 3\n", ""},
		{"events notes:zoe", "", ""},
		{"token-gen --service Notes --read-only", "Read-only Token for service notes (shown once):\n\n  ten_fresh\n", "token service notes: read-only"},
		{"token-gen --expires 30d", "Admin token (shown once):\n\n  ten_fresh\n", "token admin : for 720h0m0s"},
		{"token list", "ID            SCOPE               FOR     CREATED     EXPIRES                     DESCRIPTION\n" +
			"ca978112ca1b  admin               -       1970-01-01  never                       -\n" +
			"3e23e8160039  service, read-only  notes:  1970-01-01  1970-01-01 00:00:02 (over)  for\\x1b CI\n", ""},
		{"token revoke 3e23e8160039", "Revoked 3e23e8160039\n", "revoke 3e23e8160039"},
		{"token-gen", "Admin token (written to DIR/data/api_token):\n\n  ten_fresh\n", "token admin :"},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.daemon()
			for _, l := range []struct {
				name   string
				stream sandbox.Stream
				text   string
			}{{"alice", sandbox.Stdout, "hello\n"}, {"bob", sandbox.Stderr, "oh\x1b[2J\n"}} {
				log := w.host.logs.Writer(w.host.List()[map[string]int{"alice": 0, "bob": 1}[l.name]].Name)
				log.Write(l.stream, []byte(l.text))
				log.Close()
			}
			code, out, errs := w.ten(strings.Fields(c.line)...)
			if code != 0 || errs != "" {
				t.Fatalf("exit %d: %s", code, errs)
			}
			want := strings.NewReplacer("URL", w.url, "DIR", w.dir).Replace(c.stdout)
			if out = clockless(out); out != want {
				t.Errorf("stdout\n%q, want\n%q", out, want)
			}
			if got := w.host.all(); got != c.deed {
				t.Errorf("the daemon was asked to %q, want %q", got, c.deed)
			}
		})
	}
}

// clockless puts HH:MM:SS where a line begins with a time of day.
func clockless(s string) string {
	lines := strings.SplitAfter(s, "\n")
	for i, line := range lines {
		if len(line) > 8 {
			if _, err := time.Parse(time.TimeOnly, line[:8]); err == nil {
				lines[i] = "HH:MM:SS" + line[8:]
			}
		}
	}
	return strings.Join(lines, "")
}

func TestContract_AnEmptyHouse(t *testing.T) {
	w := newWorld(t)
	w.host.tenants = map[conf.Instance]actors.Info{}
	w.daemon()
	w.wants(0, "No running instances\n", "", "ps")
	w.wants(0, "No instances\n", "", "ps", "--all")
	w.wants(0, "[]\n", "", "ps", "--json")
}

func TestContract_TheAdminTokenIsWrittenForTenAlone(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	if code, _, errs := w.ten("token-gen"); code != 0 {
		t.Fatal(errs)
	}
	if got := w.read("data/api_token"); got != "ten_fresh\n" {
		t.Errorf("api_token holds %q", got)
	}
	info, err := os.Stat(filepath.Join(w.dir, "data/api_token"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestContract_AgesAreShort(t *testing.T) {
	for secs, want := range map[int64]string{
		-5: "0s", 0: "0s", 12: "12s", 59: "59s", 60: "1m", 3599: "59m", 3600: "1h", 7200: "2h", 86399: "23h", 86400: "1d", 1e7: "115d",
	} {
		if got := age(secs); got != want {
			t.Errorf("%d s is %q, want %q", secs, got, want)
		}
	}
}

func TestContract_FailuresExitWithOneAndUsageWithTwo(t *testing.T) {
	for _, c := range []struct {
		line   string
		code   int
		stderr string
	}{
		{"spawn none:x", 1, "Error: cannot spawn none:x: unknown service: `ten config` lists the services\n"},
		{"health notes:zoe", 1, "Error: cannot tell the health of notes:zoe: unknown tenant"},
		{"stop /home", 1, `Error: "/home": not a valid name: expected SERVICE:ID`},
		{"stop notes:../x", 1, "not a valid name"},
		{"register notes:a notes:b/c", 1, "not a valid name"},
		{"forget notes:a nonsense", 1, "not a valid name"},
		{"logs a/b:c", 1, "not a valid name"},
		{"weight notes:alice 101", 1, `weight "101": a whole number from 0 to 100`},
		{"deploy notes:v2 -w 101", 1, "weight 101: a whole number from 0 to 100"},
		{"deploy notes:v2 --timeout 0", 1, "timeout 0: 1 to 3600 seconds"},
		{"deploy notes:v2 --timeout 3601", 1, "timeout 3601"},
		{"deploy notes", 1, "not a valid name"},
		{"route notes --from v1 --to ../x", 1, "not a valid name"},
		{"route notes --from v1 --to v1", 1, "two instances are expected"},
		{"route notes --from v1", 2, "--from and --to are both needed"},
		{"route --from v1 --to v2", 2, "accepts 1 arg(s)"},
		{"weight notes:alice half", 1, `weight "half"`},
		{"weight nonsense 1", 1, "not a valid name"},
		{"logs --level debug", 1, "stdout or stderr is expected"},
		{"events a/b:c", 1, "not a valid name"},
		{"events --limit 0", 1, "from 1 to 10000"},
		{"logs --limit 0", 1, "from 1 to 10000"},
		{"token-gen --tenant a/b", 1, "not a valid name"},
		{"token-gen --service a/b", 1, "not a valid name"},
		{"token-gen --service notes --tenant alice", 1, "one or the other"},
		{"token-gen --expires soon", 1, `--expires "soon": a time like 12h or 30d`},
		{"token-gen --expires -1h", 1, "12h or 30d"},
		{"token-gen --expires 90000d", 1, "12h or 30d"},
		{"token-gen --expires 9000d", 1, "expires_secs"},
		{"token revoke nobody", 1, "cannot revoke \"nobody\": unknown token: `ten token list` shows them"},
		{"token revoke", 2, "accepts 1 arg(s)"},
		{"serve --tls", 1, "Error: the certificate authority wants an address to write to: give --email or tls.acme_email, or set tls.certificates\n"},
		{"serve --staging", 1, "Error: --email and --staging go with --tls, or with tls.enabled in the file\n"},
		{"nonsense", 2, `Error: unknown command "nonsense" for "ten"`},
		{"stpo notes:alice", 2, "Did you mean this?"},
		{"stop", 2, "accepts 1 arg(s), received 0"},
		{"stop a:b c:d", 2, "accepts 1 arg(s), received 2"},
		{"ps --nonsense", 2, "Error: unknown flag: --nonsense\nRun `ten ps --help` for how to use it.\n"},
		{"ps extra", 2, "unknown command"},
		{"weight a:b", 2, "accepts 2 arg(s)"},
		{"logs --limit x", 2, "invalid argument"},
		{"serve -p x", 2, "invalid argument"},
		{"register", 2, "requires at least 1 arg(s)"},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.daemon()
			w.wants(c.code, "", c.stderr, strings.Fields(c.line)...)
			if got := w.host.all(); got != "" {
				t.Errorf("the daemon was asked to %q", got)
			}
		})
	}
}

func TestContract_GlobalFlagsStandBeforeOrAfterTheVerb(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	config := w.env["TENEMENT_CONFIG"]
	data := w.env["TENEMENT_DATA_DIR"]
	delete(w.env, "TENEMENT_CONFIG")
	delete(w.env, "TENEMENT_DATA_DIR")
	for _, line := range []string{
		fmt.Sprintf("--data-dir %s health notes:alice", data),
		fmt.Sprintf("health notes:alice --data-dir %s", data),
		fmt.Sprintf("--config %s health --data-dir %s notes:alice", config, data),
	} {
		w.wants(0, "notes:alice: healthy\n", "", strings.Fields(line)...)
	}
}
