package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// news is what the webhook is sent.
type news struct {
	Event    string `json:"event"`
	Instance string `json:"instance"`
	State    string `json:"state"`
	Reason   string `json:"reason"`
}

// A tenant that crashes in a loop, one that cannot be executed and one that runs
// out of memory are told of, signed, though the receiver is down at first.
func TestWebhook_TellsOfWhatGoesWrong(t *testing.T) {
	t.Parallel()
	got := make(chan news, 20)
	var tries atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("the key"))
		mac.Write(body)
		if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); err != nil || r.Header.Get("X-Tenement-Signature") != want {
			t.Errorf("signed %q, want %q, %v", r.Header.Get("X-Tenement-Signature"), want, err)
		}
		if tries.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var n news
		if err := json.Unmarshal(body, &n); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		got <- n
	}))
	defer server.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("the key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := launchLimited(t, setup{
		settings: "webhook = \"" + server.URL + "/hook\"\nwebhook_secret_file = \"" + key + "\"\nmax_restarts = 1\nbackoff_base_ms = 0\n",
		services: character("web", "serves", "listen = \"fd\"\nmemory_limit_mb = 64\nrestart = \"never\"") +
			"\n[service.loop]\ncommand = \"sh -c 'exit 3'\"\nisolation = \"process\"\napex = \"none\"\n" +
			"\n[service.none]\ncommand = \"/no/such/program\"\nisolation = \"process\"\napex = \"none\"\n",
	})
	d.want(200, "web", "one", "/")
	if _, err := d.try("GET", d.host("web", "one"), "/eat", ""); err != nil {
		t.Logf("the hog's visitor: %v", err)
	}
	d.get("loop", "one", "/")
	d.get("none", "one", "/")
	want := map[string]string{"web:one": "oom", "loop:one": "crash_loop", "none:one": "failed"}
	deadline := time.After(60 * time.Second)
	for len(want) > 0 {
		select {
		case n := <-got:
			if want[n.Instance] != n.Event || n.Reason == "" {
				t.Errorf("%+v, want %q", n, want[n.Instance])
			}
			delete(want, n.Instance)
		case <-deadline:
			t.Fatalf("not told: %v", want)
		}
	}
}
