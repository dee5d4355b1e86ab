package edge

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// maxPage bounds a service's own error page: it is kept in memory.
const maxPage = 1 << 20

// pageFresh is how long a page is shown without a look at its file.
const pageFresh = time.Second

// pages are the services' own error pages, read when they are needed first and
// again when their file has changed.
type pages struct {
	log zerolog.Logger

	mu   sync.Mutex
	kept map[string]*page // by path
}

type page struct {
	html   []byte // nil: the file cannot be read
	looked time.Time
	at     time.Time // of the file's last change
	said   bool      // that it cannot be read
}

// get gives a page, nil when there is none to be had.
func (p *pages) get(path string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.kept[path]
	if kept == nil {
		kept = &page{}
		if p.kept == nil {
			p.kept = map[string]*page{}
		}
		p.kept[path] = kept
	}
	if time.Since(kept.looked) >= pageFresh {
		kept.looked = time.Now()
		if err := kept.look(path); err != nil && !kept.said {
			kept.said = true
			p.log.Warn().Err(err).Msg("cannot read an error page: visitors see plain text")
		}
	}
	return kept.html
}

// look reads the file when it is another one than before.
func (p *page) look(path string) error {
	f, err := os.Open(path)
	if err != nil {
		p.html = nil
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && p.html != nil && info.ModTime().Equal(p.at) {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPage+1))
	if err == nil && len(text) > maxPage {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxPage)
	}
	if err != nil {
		p.html = nil
		return err
	}
	p.html, p.said = text, false
	if info != nil {
		p.at = info.ModTime()
	}
	return nil
}

// takesHTML reports a visitor who looks at a page: a GET or HEAD that accepts
// text/html by name, as browsers do.
func (r *request) takesHTML() bool {
	if r.length != noBody || string(r.method) != "GET" && string(r.method) != "HEAD" {
		return false
	}
	takes := false
	eachChecked(r.headers, func(name, value []byte) {
		if is(name, "accept") {
			eachListed(value, func(kind []byte) {
				kind, parameters, _ := bytes.Cut(kind, []byte(";"))
				takes = takes || is(bytes.TrimSpace(kind), "text/html") && !bytes.Contains(parameters, []byte("q=0.0")) && !bytes.HasSuffix(bytes.TrimSpace(parameters), []byte("q=0"))
			})
		}
	})
	return takes
}

// wakePage is what somebody sees who waits for a service that starts. It asks
// again by itself and carries nothing that a Content-Security-Policy could mind.
func wakePage(service string) []byte {
	name := html.EscapeString(service)
	return []byte(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<meta name="robots" content="noindex"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>` + name + ` is starting</title></head>
<body><h1>` + name + ` is starting</h1><p>This page asks again by itself.</p></body></html>
`)
}

// page is what a browser shows when a service has no answer, nil = plain text.
func (s *Server) page(x *exchange, r route, v *verdict) []byte {
	path := x.front.ErrorPages[v.status]
	switch {
	case !v.starting && path == "" || !x.takesHTML():
		return nil
	case v.starting:
		return wakePage(r.name.Service)
	}
	return s.pages.get(path)
}
