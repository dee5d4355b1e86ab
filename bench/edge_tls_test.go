package main

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestEdgeTLS_WhatH2loadSaysIsRead(t *testing.T) {
	t.Parallel()
	text := "finished in 2.00s, 100.50 req/s, 1.2MB/s\nrequests: 210 total, 211 started, 210 done, 201 succeeded, 9 failed, 9 errored, 0 timeout\nstatus codes: 201 2xx"
	run, err := parseH2load(text)
	if err != nil || run.requests != 201 || run.errors != 9 {
		t.Errorf("%+v, %v", run, err)
	}
	for _, bad := range []string{"", "could not connect", strings.Replace(text, "201 succeeded", "0 succeeded", 1)} {
		if _, err := parseH2load(bad); err == nil {
			t.Errorf("%q is taken for figures", bad)
		}
	}
}

func TestEdgeTLS_TheCertificateIsForTheNamesInUse(t *testing.T) {
	t.Parallel()
	p, err := selfSigned(t.TempDir(), "*.app.example.test")
	if err != nil {
		t.Fatal(err)
	}
	for cert, key := range map[string]string{p.Certificate: p.Key, p.Pem: p.Pem} {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		if err := pair.Leaf.VerifyHostname(benchHost); err != nil {
			t.Error(err)
		}
	}
	if _, err := selfSigned("/no/such/folder", "x"); err == nil {
		t.Error("written where nothing can be")
	}
}
