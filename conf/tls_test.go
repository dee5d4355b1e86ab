package conf

import "testing"

func TestTLS_ACMEIsOnUnlessThereAreCertificates(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "certificates = [['/c', '/k']]": false, "certificates = [['/c', '/k']]\nacme = true": true, "acme = false": false,
	} {
		if got := mustParse(t, "[settings.tls]\n"+text).Settings.TLS.ACME; got != want {
			t.Errorf("%q: acme %v, want %v", text, got, want)
		}
	}
}

func TestTLS_WhatIsNotUsedIsRemarkedOn(t *testing.T) {
	for text, remark := range map[string]string{
		"dns_provider = 'cloudflare'":                            "set dns_hook to a command",
		"acme_directory = 'https://ca.test/'\nstaging = true":    "staging is not used",
		"certificates = [['/c', '/k']]\ndns_hook = '/dns'":       "ACME is off unless acme = true",
		"certificates = [['/c', '/k']]\nacme_weekly_budget = 10": "ACME is off unless acme = true",
	} {
		if c := mustParse(t, "[settings.tls]\n"+text); !remarked(c, remark) {
			t.Errorf("%q: no remark of %q: %v", text, remark, c.Remarks)
		}
	}
	c := mustParse(t, "[settings.tls]\ncertificates = [['/c', '/k']]\nacme = true\ndns_hook = '/dns'")
	if remarked(c, "not used") {
		t.Errorf("remarked: %v", c.Remarks)
	}
}
