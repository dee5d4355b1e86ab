// Reverseproxy is net/http's ReverseProxy as its documentation shows it, with
// kept connections to a backend on a Unix socket.
//
// usage: reverseproxy LISTEN SOCKET [CERTIFICATE KEY]
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", os.Args[2])
	}}
	target, err := url.Parse("http://backend")
	if err != nil {
		log.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
		r.Out.Host = r.In.Host
	}}
	if len(os.Args) > 4 {
		log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[3], os.Args[4], proxy))
	}
	log.Fatal(http.ListenAndServe(os.Args[1], proxy))
}
