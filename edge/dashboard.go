package edge

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

// The dashboard is these files, as they are: nothing is built.
//
//go:embed dashboard
var dashboardFiles embed.FS

const dashboardPage = "index.html"

// securityLines go with every file of the dashboard. Nothing inline runs, nothing
// is fetched from elsewhere, nobody may frame it, and no text becomes markup: the
// browser refuses to (Trusted Types).
var securityLines = [][2]string{
	{"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"},
	{"X-Frame-Options", "DENY"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
}

// noStore keeps an answer out of the browser's cache.
var noStore = [2]string{"Cache-Control", "no-store"}

// dashboardFile is one file, ready to be sent.
type dashboardFile struct {
	kind   string
	etag   string
	plain  []byte
	packed []byte // gzip
}

// dashboardKinds are named here since mime asks the machine.
var dashboardKinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

// dashboardSet reads and packs the files when the first browser comes.
var dashboardSet = sync.OnceValue(func() map[string]dashboardFile {
	files := map[string]dashboardFile{}
	entries, _ := dashboardFiles.ReadDir("dashboard") // embedded: it is there
	for _, e := range entries {
		files[e.Name()] = packFile(e)
	}
	return files
})

func packFile(e fs.DirEntry) dashboardFile {
	plain, _ := dashboardFiles.ReadFile(path.Join("dashboard", e.Name()))
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // a buffer does not fail
	_, _ = w.Write(plain)
	_ = w.Close()
	sum := sha256.Sum256(plain)
	return dashboardFile{
		kind: dashboardKinds[path.Ext(e.Name())], plain: plain, packed: packed.Bytes(),
		etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
	}
}

func (a *API) dashboard(_ context.Context, r *apiRequest) Reply { return fileReply(r, dashboardPage) }

func (a *API) asset(_ context.Context, r *apiRequest) Reply { return fileReply(r, r.segment) }

// toDashboard adds the slash that the page's relative addresses need.
func (a *API) toDashboard(context.Context, *apiRequest) Reply {
	return Reply{Status: http.StatusPermanentRedirect, Lines: [][2]string{{"Location", "/_tenement/"}}}
}

// fileReply sends a file, packed where the browser takes that, or says that the
// one it has is the newest.
func fileReply(r *apiRequest, name string) Reply {
	file, ok := dashboardSet()[name]
	if !ok {
		return refuse(http.StatusNotFound, "no such file: %s", clipText(name))
	}
	lines := append([][2]string{{"ETag", file.etag}, {"Cache-Control", "no-cache"}, {"Vary", "Accept-Encoding"}}, securityLines...)
	if r.Header.Get("If-None-Match") == file.etag {
		return Reply{Status: http.StatusNotModified, Lines: lines}
	}
	reply := Reply{Status: http.StatusOK, ContentType: file.kind, Body: file.plain, Lines: lines}
	if takesGzip(r.Header.Get("Accept-Encoding")) {
		reply.Body, reply.Lines = file.packed, append(lines, [2]string{"Content-Encoding", "gzip"})
	}
	return reply
}

// takesGzip reads Accept-Encoding as browsers write it; a weight of any kind is
// taken for a no.
func takesGzip(accepts string) bool {
	for coding := range strings.SplitSeq(accepts, ",") {
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			return true
		}
	}
	return false
}
