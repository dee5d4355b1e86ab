package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// visited is a server that counts by host; one in four is refused, and tenant 7 is broken.
func visited(t *testing.T) (address string, counts func() map[string]int) {
	t.Helper()
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.Host]++
		n := seen[r.Host]
		mu.Unlock()
		switch {
		case r.Host == "t00007.app.localhost":
			w.WriteHeader(http.StatusBadGateway)
		case n%4 == 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

func TestTraffic_IsUnevenAndCountsWhatItIsTold(t *testing.T) {
	t.Parallel()
	address, counts := visited(t)
	ctx, over := context.WithTimeout(context.Background(), 2*time.Second)
	defer over()
	got := traffic(ctx, func() (net.Conn, error) { return net.Dial("tcp", address) }, hosts("app", 100))
	all, refused := 0, 0
	for host, n := range counts() {
		all += n
		if host != "t00007.app.localhost" {
			refused += n / 4
		}
	}
	broken := counts()["t00007.app.localhost"]
	if len(got.Times)+got.Refused+got.Failed != all || got.Refused != refused || got.Failed != broken {
		t.Errorf("%d answers, %d refused, %d failed; the server saw %d, %d and %d", len(got.Times), got.Refused, got.Failed, all, refused, broken)
	}
	if first := counts()["t00000.app.localhost"]; first*len(counts()) < 2*all {
		t.Errorf("the first of %d tenants had %d of %d visits", len(counts()), first, all)
	}
}

func TestTraffic_NobodyThereIsAFailure(t *testing.T) {
	t.Parallel()
	ctx, over := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer over()
	got := traffic(ctx, func() (net.Conn, error) { return nil, errors.New("nobody") }, hosts("app", 2))
	if got.Failed == 0 || len(got.Times) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestTrafficCommand_WritesWhatCameOfIt(t *testing.T) {
	t.Parallel()
	address, _ := visited(t)
	var out bytes.Buffer
	if err := trafficCommand(&out, []string{"--address", address, "--for", "1s", "--tenants", "5"}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Answered, Refused, Failed int
		P99                       float64 `json:"p99_ms"`
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Answered == 0 || got.Refused == 0 || got.Failed != 0 || got.P99 <= 0 {
		t.Errorf("%s: %+v, %v", out.String(), got, err)
	}
	for _, args := range [][]string{{"--tenants", "1"}, {"one"}, {"--no-such-flag"}} {
		if err := trafficCommand(&out, args); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
