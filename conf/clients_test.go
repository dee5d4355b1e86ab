package conf

import (
	"path/filepath"
	"testing"
	"time"
)

func TestClients_WithoutAKeyTheDefaultsHold(t *testing.T) {
	same(t, mustParse(t, ok).Settings.Clients, Clients{
		HeaderTimeout: 10 * time.Second, BodyTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 75 * time.Second,
		MinRate: 500, MaxHeader: 16 << 10, MaxURL: 8 << 10, MaxHeaders: 100, ConnsPerAddress: 1000,
	})
	same(t, DefaultClients(), mustParse(t, ok).Settings.Clients)
}

func TestClients_EveryKeyIsUnderstood(t *testing.T) {
	c := mustParse(t, `[settings]
client_header_timeout = 1
client_body_timeout = 2.5
client_write_timeout = 3
client_idle_timeout = 0
client_min_rate = 4
access_log_file = "log/access"
max_header_bytes = 2048
max_url_bytes = 100
max_headers = 5
max_requests_per_connection = 6
max_connections_per_address = 7
`+ok)
	same(t, c.Settings.Clients, Clients{
		HeaderTimeout: time.Second, BodyTimeout: 2500 * time.Millisecond, WriteTimeout: 3 * time.Second, MinRate: 4,
		MaxHeader: 2048, MaxURL: 100, MaxHeaders: 5, RequestsPerConn: 6, ConnsPerAddress: 7,
	})
	same(t, c.Settings.AccessLogFile, filepath.Join(wd(t), "log/access"))
	same(t, mustParse(t, "[settings]\naccess_log_file = 'stdout'\n"+ok).Settings.AccessLogFile, Stdout)
}

func TestClients_WhatCannotBeIsNamed(t *testing.T) {
	for lines, want := range map[string]string{
		"[settings]\nclient_header_timeout = -1": "t:2: settings.client_header_timeout: must be at least 0 seconds, not -1",
		"[settings]\nclient_body_timeout = '1'":  "t:2: settings.client_body_timeout: must be a number of seconds, not a string",
		"[settings]\nclient_min_rate = -1":       "t:2: settings.client_min_rate: must be at least 0, not -1",
		"[settings]\nmax_header_bytes = 100":     "t:2: settings.max_header_bytes: must be at least 1024, not 100",
		"[settings]\nmax_url_bytes = 1":          "t:2: settings.max_url_bytes: must be at least 64, not 1",
		"[settings]\nmax_headers = 0":            "t:2: settings.max_headers: must be at least 1, not 0",
		"[settings]\naccess_log_file = 1":        "t:2: settings.access_log_file: must be a string, not a whole number",
	} {
		if _, err := Parse("t", []byte(lines)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", lines, err, want)
		}
	}
}
