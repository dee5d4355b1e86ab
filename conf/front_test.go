package conf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFront_EveryKeyIsUnderstood(t *testing.T) {
	page := filepath.Join(t.TempDir(), "502.html")
	if err := os.WriteFile(page, []byte("sorry"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, in("max_body_mb = 3\nmax_connections = 1\nmax_upgrades = 2\nwake_page_after = 1.5\naccess_log = 0.25\nerror_pages = {502 = '"+page+"'}"))
	same(t, c.Services["notes"].Front, Front{
		MaxBody: 3 << 20, MaxConnections: 1, MaxUpgrades: 2, WakePageAfter: 1500 * time.Millisecond, AccessLog: 0.25, ErrorPages: map[int]string{502: page},
	})
	same(t, c.Remarks, []Remark(nil))
	same(t, mustParse(t, in("access_log = 1")).Services["notes"].Front.AccessLog, 1.0)
}

func TestFront_APageThatIsNotThereIsSaid(t *testing.T) {
	c := mustParse(t, in("[service.notes.error_pages]\n503 = 'pages/away.html'"))
	path := filepath.Join(wd(t), "pages/away.html")
	same(t, c.Services["notes"].Front.ErrorPages, map[int]string{503: path})
	if len(c.Remarks) != 1 || c.Remarks[0].Line != 5 || !strings.Contains(c.Remarks[0].Text, path) {
		t.Errorf("remarks: %v", c.Remarks)
	}
}

func TestFront_WhatCannotBeIsNamed(t *testing.T) {
	for lines, want := range map[string]string{
		in("max_connections = -1"):             "t:4: service.notes.max_connections: must be at least 0, not -1",
		in("max_body_mb = 1.5"):                "t:4: service.notes.max_body_mb: must be a whole number, not a decimal number",
		in("max_upgrades = true"):              "t:4: service.notes.max_upgrades: must be a whole number, not a boolean",
		in("wake_page_after = -1"):             "t:4: service.notes.wake_page_after: must be at least 0 seconds, not -1",
		in("access_log = true"):                "t:4: service.notes.access_log: must be a number of parts of all requests, not a boolean",
		in("access_log = 1.5"):                 "t:4: service.notes.access_log: must be at most 1 parts of all requests, not 1.5",
		in("access_log = nan"):                 "t:4: service.notes.access_log: must be at least 0 parts of all requests, not NaN",
		in("error_pages = 'dir'"):              "t:4: service.notes.error_pages: must be a table, not a string",
		in("error_pages = {500 = 'x'}"):        "t:4: service.notes.error_pages.500: is none of 404 413 502 503 504, which have pages",
		in("error_pages = {gone = 'x'}"):       "t:4: service.notes.error_pages.gone: is none of 404 413 502 503 504, which have pages",
		in("error_pages = {502 = '~/x.html'}"): "t:4: service.notes.error_pages.502: starts with ~, which only a shell understands; write the whole path",
	} {
		if _, err := Parse("t", []byte(lines)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", lines, err, want)
		}
	}
}
