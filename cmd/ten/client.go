package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tenement/edge"
)

// defaultServer is where a daemon with default settings answers.
const defaultServer = "http://localhost:8080"

// maxAnswer bounds what the client reads of one answer: ten thousand log lines
// of 64 KB would be more than anybody reads.
const maxAnswer = 256 << 20

// client talks to a daemon's API.
type client struct {
	http  *http.Client
	base  string // of request URLs
	shown string // the daemon's URL, as people know it
	token string // "" by the control socket
	tried string // the control socket that nobody answered on; "" when a server was named
}

// client finds the daemon: --server when it is given, else the control socket
// when somebody answers there, else the default URL.
func (a *app) client() (*client, error) {
	server := cmp.Or(a.flags.server, a.env("TENEMENT_SERVER"))
	where, err := a.place()
	if err != nil && (server == "" || a.explicitToken() == "") {
		return nil, err
	}
	tried := ""
	if server == "" {
		control := filepath.Join(where.runDir, controlName)
		if answers(control) {
			return controlClient(control, cmp.Or(lockedURL(where.dataDir), defaultServer)), nil
		}
		server, tried = defaultServer, control
	}
	base, err := url.Parse(server)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("--server %q: a URL like %s is expected", server, defaultServer)
	}
	token, err := a.findToken(where.dataDir)
	if err != nil {
		return nil, err
	}
	shown := strings.TrimRight(server, "/")
	return &client{http: httpClient(http.DefaultTransport), base: shown, shown: shown, token: token, tried: tried}, nil
}

// httpClient does not follow redirects: none is expected, and the token is for
// one daemon only. It has no timeout, since a spawn takes as long as it takes.
func httpClient(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

func controlClient(path, shown string) *client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &client{http: httpClient(&http.Transport{DialContext: dial}), base: "http://localhost", shown: shown}
}

// answers reports whether a daemon accepts on the control socket.
func answers(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func (a *app) explicitToken() string { return cmp.Or(a.flags.token, a.env("TENEMENT_TOKEN")) }

// findToken gives the token to send; "" when there is none, since some routes
// need none and the daemon says best what is missing.
func (a *app) findToken(dataDir string) (string, error) {
	if token := a.explicitToken(); token != "" {
		return token, nil
	}
	token, err := readToken(dataDir)
	if errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	return token, err
}

// call sends in as JSON, unless nil, and decodes the answer into out, unless nil.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("cannot read the answer of %s: %w: is it a tenement?", c.shown, err)
	}
	return nil
}

// send makes one request and gives its answer if it is a success.
func (c *client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil && c.tried != "" {
		return nil, fmt.Errorf("cannot reach tenement: nobody answers on %s, nor at %s (%w): run this beside the daemon's tenement.toml, or name it by --config, --data-dir or --server", c.tried, c.shown, cause(err))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot reach tenement at %s: %w: is `ten serve` running?", c.shown, cause(err))
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer resp.Body.Close()
		return nil, refusal(resp)
	}
	return resp, nil
}

// cause takes the request's URL off an error: whom we could not reach is said already.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// refusal is the daemon's own sentence, or what there is of one.
func refusal(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var e edge.ErrorJSON
	if json.Unmarshal(body, &e) == nil && e.Error != "" {
		return errors.New(e.Error)
	}
	text := strings.TrimSpace(string(body))
	if text == "" || len(text) > 200 {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	return fmt.Errorf("the server answered %s: %s", resp.Status, text)
}

// follow calls each for every event of a stream until it ends; an end that is
// not the caller's own is an error.
func (c *client) follow(resp *http.Response, each func(data []byte) error) error {
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("the stream of %s ended: %w", c.shown, err)
		}
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			if err := each(data); err != nil {
				return err
			}
		}
	}
}

// readToken gives what {data_dir}/api_token holds; "" when there is none.
func readToken(dataDir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dataDir, tokenName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
