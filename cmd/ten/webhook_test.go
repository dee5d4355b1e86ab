package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"tenement/conf"
	"tenement/edge"
)

func TestWebhook_TheDaemonTellsIt(t *testing.T) {
	got := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get(edge.SignatureHeader) }))
	defer server.Close()
	w := newWorld(t)
	w.write("key", "secret\n")
	w.write(conf.FileName, worldConfig+"[settings]\nwebhook = '"+server.URL+"'\nwebhook_secret_file = '"+filepath.Join(w.dir, "key")+"'\n")
	w.host.fails = true
	w.daemon()
	if sign := <-got; !strings.HasPrefix(sign, "sha256=") {
		t.Errorf("signed %q", sign)
	}
}

func TestWebhook_ADaemonWithoutItsKeyDoesNotStart(t *testing.T) {
	for content, says := range map[string]string{"": "is empty", "\n": "is empty", "none": "cannot read"} {
		w := newWorld(t)
		path := filepath.Join(w.dir, "key")
		if content != "none" {
			w.write("key", content)
		}
		w.write(conf.FileName, worldConfig+"[settings]\nwebhook_secret_file = '"+path+"'\n")
		a, _, _ := w.app()
		place, err := a.place()
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.startDaemon(daemonOptions{place: place, listen: onLoopback, domain: "localhost", log: zerolog.Nop(), load: a.loadConfig})
		if err == nil || !strings.Contains(err.Error(), "settings.webhook_secret_file: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", content, err)
		}
	}
}
